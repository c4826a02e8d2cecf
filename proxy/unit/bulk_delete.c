/* Bulk delete: a body of lines, each the quoted path of an object or an empty container. Each
 * stands for a request of its own, with its own permission: all objects first, then the containers.
 *
 *   receive -> delete */
#include "proxy/pipeline.h"
#include "proxy/unit/bulk.h"
#include "proxy/unit/deleter.h"
#include "proxy/unit/gather.h"

#include <string.h>

enum { RECEIVE, DELETE };

#define PATH_MAX_BYTES (2 * (1024 + 256 + 2)) /* of one line */
#define BYTES_MAX      (26u << 20)

struct bulk {
	struct gather gather; /* first */
	struct report report;
	struct deleter deleter;
	struct arena line; /* of the one at hand */
	size_t at;         /* the next line */
	bool containers;   /* it is their turn */
};

static void bulk_done(struct request *request)
{
	struct bulk *b = request->own;

	deleter_done(&b->deleter);
	report_done(&b->report);
	gather_done(&b->gather);
	arena_done(&b->line);
}

/* The next line that is not blank, unquoted; NULL at the end. */
static const char *next_line(struct bulk *b, size_t *ret_len)
{
	const char *text = buf_text(&b->gather.text);

	while (b->at < b->gather.text.len) {
		const char *line = text + b->at,
		           *end = memchr(line, '\n', b->gather.text.len - b->at);
		size_t len = end ? (size_t)(end - line) : b->gather.text.len - b->at;
		b->at += len + 1;
		while (len && strchr(" \t\r\v\f", line[len - 1]))
			len--;
		while (len && strchr(" \t\r\v\f", *line))
			line++, len--;
		if (!len)
			continue;
		arena_done(&b->line);
		arena_init(&b->line);
		return url_unquote(&b->line, line, len, ret_len);
	}
	return NULL;
}

static bool names_object(const char *name)
{
	name += strspn(name, "/");
	const char *slash = strchr(name, '/');

	return slash && slash[strspn(slash, "/")];
}

static enum step next(struct deleter *deleter, struct deletion *ret)
{
	struct bulk *b = CONTAINER_OF(deleter, struct bulk, deleter);
	const char *name;
	size_t len;

	for (;;) {
		while ((name = next_line(b, &len))) {
			if (names_object(name) == b->containers)
				continue;
			*ret = (struct deletion){
			        .name = name, .status = strlen(name) != len ? 412 : 0};
			return STEP_NEXT;
		}
		if (b->containers)
			return STEP_DONE;
		if (deleter->open)
			return STEP_WAIT;
		b->containers = true;
		b->at = 0;
	}
}

/* NULL, or why the body cannot be worked on. */
static const char *body_fault(struct request *request, struct bulk *b, int *ret_status)
{
	unsigned lines = 0, max = request_cluster(request)->limits.bulk_deletes;
	const char *text = buf_text(&b->gather.text);

	for (size_t at = 0; at < b->gather.text.len; lines++) {
		const char *end = memchr(text + at, '\n', b->gather.text.len - at);
		size_t len = end ? (size_t)(end - text) - at : b->gather.text.len - at;
		at += len + 1;
		*ret_status = 400;
		if (len > PATH_MAX_BYTES)
			return "Invalid File Name";
	}
	*ret_status = 413;
	return lines > max ? arena_printf(request_arena(request),
	                             "Maximum Bulk Deletes: %u per request", max)
	                   : NULL;
}

static enum step bulk_begin(struct request *request, struct bulk *b)
{
	const struct limits *limits = &request_cluster(request)->limits;
	const struct http_req *http = request->http;
	const char *type = http_get(http, "Content-Type");

	report_init(&b->report, request);
	b->deleter = (struct deleter){.request = request,
	        .report = &b->report,
	        .maker = &unit_bulk_delete,
	        .next = next,
	        .at_once = limits->bulk_delete_concurrency,
	        .failures_max = limits->bulk_failed_deletes,
	        .retries = limits->bulk_retries};
	if (!b->report.acceptable || (type && *type && !has_prefix(type, "text/plain")))
		return deleter_answer(
		        &b->deleter, 406, swift_error_body(request_arena(request), 406));
	if (!http->has_length && !http->chunked)
		return deleter_answer(
		        &b->deleter, 411, swift_error_body(request_arena(request), 411));
	return STEP_NEXT;
}

static enum step bulk_receive(struct op *op)
{
	struct request *request = request_of(op);
	const struct limits *limits = &request_cluster(request)->limits;
	struct bulk *b = request->own;
	enum err err;
	int status;

	enum step step = bulk_identify(request);
	if (step != STEP_NEXT)
		return step;
	if (!b) {
		b = request->own = arena_zalloc(request_arena(request), sizeof(*b));
		request->own_done = bulk_done;
		if ((step = bulk_begin(request, b)) != STEP_NEXT)
			return step;
	}
	if (!gather_ready(request, BYTES_MAX, &err))
		return STEP_WAIT;
	if (err == ERR_CLIENT_GONE)
		return STEP_DONE;
	if (err)
		return deleter_answer(&b->deleter, err == ERR_TOO_LARGE ? 413 : 503, "");
	const char *fault = body_fault(request, b, &status);
	if (fault)
		return deleter_answer(&b->deleter, status, fault);
	report_beat(&b->report, 200, limits->bulk_yield_s, false);
	return op_go(op, DELETE);
}

static enum step bulk_run(struct op *op)
{
	struct request *request = request_of(op);
	struct bulk *b = request->own;

	if (request->http->gone)
		return STEP_DONE;
	return deleter_run(&b->deleter) ? deleter_answer(&b->deleter, 0, NULL) : STEP_WAIT;
}

static const struct op_state states[] = {
        [RECEIVE] = {"receive", bulk_receive, TO(DELETE), 0},
        [DELETE] = {"delete", bulk_run, 0, 0},
};
const struct method bulk_delete = {
        .name = "bulk-delete", .states = states, .body = gather_on_body, .writes = true};

/* --- the unit --- */

enum step bulk_identify(struct request *request)
{
	enum step step;

	if (request->http->gone)
		return STEP_DONE;
	step = request_identify(&request->op);
	if (step == STEP_NEXT && !request->identity.user && !request->trusted)
		return request_fail(request, 401);
	return step;
}

static enum step enter(struct request *request)
{
	const char *method = request->http->method;
	bool deletes = strcmp(method, "DELETE") == 0 || strcmp(method, "POST") == 0;

	if (!deletes || !query_get(&request->query, "bulk-delete"))
		return STEP_NEXT;
	return request_become(request, &bulk_delete);
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	buf_printf(out, "\"max_deletes_per_request\": %u, \"max_failed_deletes\": %u",
	        cluster->limits.bulk_deletes, cluster->limits.bulk_failed_deletes);
	return true;
}

const struct unit unit_bulk_delete = {.name = "bulk_delete", .enter = enter, .info = tell};
