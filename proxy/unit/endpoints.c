#include "proxy/unit/endpoints.h"

#include <stdlib.h>
#include <string.h>

/* "/endpoints/[v1|v2/]account[/container[/object]]" into the request; NULL, or what is wrong. */
static const char *parse(struct request *request, unsigned *ret_version)
{
	struct arena *arena = request_arena(request);
	const char *p = request->path + strlen(ENDPOINTS_PREFIX);
	size_t len = strcspn(p, "/"), decoded;

	*ret_version = 1;
	if (*p == 'v' && !memchr(p, '_', len)) {
		char *end, *word = arena_strndup(arena, p + 1, len - 1);
		double number = strtod(word, &end);
		if (end == word || *end || (number != 1.0 && number != 2.0))
			return arena_printf(arena, "Unsupported version 'v%s'", word);
		*ret_version = (unsigned)number;
		p += len + (p[len] == '/');
	}
	const char **parts[] = {&request->account, &request->container, &request->object};
	for (unsigned i = 0; i < COUNT_OF(parts) && *p; i++) {
		len = i == 2 ? strlen(p) : strcspn(p, "/");
		char *part = url_unquote(arena, p, len, &decoded);
		if (!len || strlen(part) != decoded || !utf8_valid(part, decoded))
			return "No account specified";
		*parts[i] = part;
		p += len + (p[len] == '/');
	}
	return request->account ? NULL : "No account specified";
}

static void show(struct request *request, const struct ring *ring, const struct place *place,
        struct buf *out)
{
	const char *parts[] = {request->account, request->container, request->object};
	uint32_t ids[RING_ROWS_MAX], partition = ring_partition(ring, place->key);
	unsigned count = ring_primaries(ring, partition, ids, COUNT_OF(ids));

	buf_char(out, '[');
	for (unsigned i = 0; i < count; i++) {
		const struct ring_dev *dev = ring_dev(ring, ids[i]);
		bool v6 = strchr(dev->ip, ':');
		buf_printf(out, "%s\"http://%s%s%s:%u/%s/%u", i ? ", " : "", v6 ? "[" : "", dev->ip,
		        v6 ? "]" : "", dev->port, dev->device, partition);
		for (unsigned p = 0; p < COUNT_OF(parts) && parts[p]; p++) {
			buf_char(out, '/');
			url_quote(out, parts[p], "");
		}
		buf_char(out, '"');
	}
	buf_char(out, ']');
}

static enum step answer(struct op *op)
{
	struct request *request = request_of(op);
	const struct cluster *cluster = request_cluster(request);
	AUTO(buf) struct buf out = BUF_NONE;
	unsigned policy = 0, version;
	struct place place;

	if (request->http->gone)
		return STEP_DONE;
	if (strcmp(request->http->method, "GET") != 0) {
		http_header(request->http, "Allow", "GET");
		return request_fail(request, 405);
	}
	request->account = request->container = request->object = NULL;
	const char *fault = parse(request, &version);
	if (fault)
		return request_fail_html(request, 400, fault);
	if (request->object) {
		if (!info_get(&request->container_info, op, request->proxy, request->account,
		            request->container))
			return STEP_WAIT;
		if (request->container_info.err)
			return request_fail(request, 503);
		policy = request->container_info.info->policy;
	}
	const struct ring_set *rings = proxy_rings(cluster,
	        request->object      ? BACKEND_OBJECT
	        : request->container ? BACKEND_CONTAINER
	                             : BACKEND_ACCOUNT,
	        policy);
	if (!rings)
		return request_fail(request, 503);
	proxy_place(cluster, policy, request->account, request->container, request->object, &place);
	if (version == 2)
		buf_str(&out, "{\"endpoints\": ");
	show(request, ring_set_newest(rings), &place, &out);
	if (version == 2) {
		buf_str(&out, ", \"headers\": {");
		if (request->object)
			buf_printf(&out, "\"X-Backend-Storage-Policy-Index\": \"%u\"", policy);
		buf_str(&out, "}}");
	}
	http_header(request->http, "Content-Type", "application/json");
	request_headers(request, 200);
	http_reply_text(request->http, 200, buf_text(&out));
	return STEP_DONE;
}

static const struct op_state states[] = {{"endpoints", answer, 0, 0}};
const struct method endpoints_get = {.name = "endpoints", .states = states};
