/* Which requests are about manifests, and what of /info and of headers belongs to them. */
#include "proxy/unit/slo.h"
#include "proxy/pipeline.h"
#include "proxy/sub.h"
#include "proxy/unit/symlink.h"

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

/* --- is it a manifest that is to be copied? --- */

struct source {
	struct request_end end;
	struct sub head;
};

static void end_source(struct request_end *end)
{
	sub_done(&CONTAINER_OF(end, struct source, end)->head);
}

static bool start_look(struct request *request, struct source *source, const char *from)
{
	const char *account = request->account, *container = request->container,
	           *object = request->object, *named;
	size_t len;

	if (from) {
		if (!link_split(request_arena(request), from + (*from == '/'), &container, &object))
			return false;
		named = http_get(request->http, "X-Copy-From-Account");
		if (named)
			account = url_unquote(request_arena(request), named, strlen(named), &len);
	}
	sub_init(&source->head, request, &unit_slo, SUB_AS_CLIENT, "HEAD");
	sub_path(&source->head, account, container, object, "multipart-manifest=get");
	sub_start(&source->head);
	return true;
}

static enum step look_at_source(struct request *request, const char *from)
{
	struct source *source = request->unit_own;

	if (!source) {
		source = request->unit_own = arena_zalloc(request_arena(request), sizeof(*source));
		source->end.run = end_source;
		request_at_end(request, &source->end);
		if (!start_look(request, source, from))
			return STEP_NEXT; /* the copy refuses it */
	}
	if (!sub_headed(&source->head))
		return STEP_WAIT;
	if (!sub_ok(&source->head) || !is_true(sub_get(&source->head, "X-Static-Large-Object")))
		return STEP_NEXT;
	return request_become(request, &slo_copy);
}

static enum step pass(struct request *request)
{
	const char *method = request->http->method;
	const char *from = http_get(request->http, "X-Copy-From");
	bool put = strcmp(method, "PUT") == 0, copies = strcmp(method, "COPY") == 0;

	if (!request->object)
		return STEP_NEXT;
	if (put && wants(request, "put"))
		return request_become(request, &slo_put);
	if (strcmp(method, "DELETE") == 0 && wants(request, "delete"))
		return request_become(
		        request, request_cluster(request)->limits.slo_async_delete &&
		                                 is_true(query_get(&request->query, "async"))
		                         ? &slo_async_delete
		                         : &slo_delete);
	if (strcmp(method, "GET") != 0 && !request->head && !request->synced &&
	        http_get(request->http, "X-Static-Large-Object"))
		return request_fail_html(request, 400,
		        "X-Static-Large-Object is a reserved header. To create a static large "
		        "object add query param multipart-manifest=put.");
	if ((copies || (put && from)) && wants(request, "get"))
		return look_at_source(request, copies ? NULL : from);
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
