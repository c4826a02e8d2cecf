/* Which requests are about manifests, and what of /info and of headers belongs to them. */
#include "proxy/unit/slo.h"
#include "proxy/pipeline.h"

#include <string.h>

const char *slo_bare_etag(struct arena *arena, const char *etag)
{
	size_t len = etag ? strlen(etag) : 0;

	return len > 1 && *etag == '"' && etag[len - 1] == '"'
	               ? arena_strndup(arena, etag + 1, len - 2)
	               : etag;
}

static bool wants(const struct request *request, const char *what)
{
	const char *manifest = query_get(&request->query, "multipart-manifest");

	return manifest && strcmp(manifest, what) == 0;
}

static enum step pass(struct request *request)
{
	const char *method = request->http->method;
	bool put = strcmp(method, "PUT") == 0;

	if (!request->object)
		return STEP_NEXT;
	if (put && wants(request, "put"))
		return request_become(request, &slo_put);
	if (strcmp(method, "GET") != 0 && !request->head &&
	        http_get(request->http, "X-Static-Large-Object"))
		return request_fail_html(request, 400,
		        "X-Static-Large-Object is a reserved header. To create a static large "
		        "object add query param multipart-manifest=put.");
	return STEP_NEXT;
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	const struct limits *l = &cluster->limits;

	buf_printf(out,
	        "\"max_manifest_segments\": %u, \"max_manifest_size\": %llu, "
	        "\"yield_frequency\": %u, \"min_segment_size\": 1, \"allow_async_delete\": %s",
	        l->slo_segments, (unsigned long long)l->slo_bytes, l->slo_yield_s,
	        l->slo_async_delete ? "true" : "false");
	return true;
}

const struct unit unit_slo = {.name = "slo", .pass = pass, .info = tell};
