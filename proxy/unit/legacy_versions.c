#include "proxy/unit/legacy_versions.h"
#include "proxy/pipeline.h"
#include "proxy/ranged.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include <string.h>
#include <strings.h>

#define LOCATION  "X-Container-Sysmeta-Versions-Location"
#define MODE      "X-Container-Sysmeta-Versions-Mode" /* stack, history */
#define TRIES_MAX 8
#define PAGE      100 /* copies looked at together */

enum { BEGIN, LOOKED, COPIED, MARKED, LIST, CURRENT, RESTORED, DROPPED, UNMARKED };

struct legacy {
	struct request_end end;
	uint8_t step;
	unsigned tries;
	const char *archive; /* the container with the copies */
	struct sub sub;
	/* DELETE of a stack: */
	struct ranged list;
	struct backend_list page;
	const char *names[PAGE], *types[PAGE];
	unsigned count, at;
	const char *marker; /* found as the newest: goes once what is under it is back */
	const char *last;   /* name on the page before */
	bool listing;
};

const char *legacy_versions_location(const struct info *info)
{
	const char *location = info_header(info, LOCATION);

	if (!location || !*location)
		location = info_header(info, "X-Versions-Location");
	return location && *location ? location : NULL;
}

/* --- objects --- */

static void end(struct request_end *end)
{
	struct legacy *l = CONTAINER_OF(end, struct legacy, end);

	sub_done(&l->sub);
	ranged_done(&l->list);
}

static const char *prefix_of(struct request *request)
{
	return arena_printf(
	        request_arena(request), "%03zx%s/", strlen(request->object), request->object);
}

static const char *copy_name(struct request *request, uint64_t ts)
{
	char text[TS_TEXT_SIZE];

	ts_format(ts, text);
	return arena_printf(request_arena(request), "%s%s", prefix_of(request), text);
}

static void begin(struct request *request, struct legacy *l, const char *method,
        const char *container, const char *object, const char *query)
{
	sub_done(&l->sub);
	sub_init(&l->sub, request, &unit_versioned_writes, SUB_AS_SYSTEM, method);
	sub_path(&l->sub, request->account, container, object, query);
}

static void copy(struct request *request, struct legacy *l, const char *from_container,
        const char *from, const char *to_container, const char *to)
{
	AUTO(buf) struct buf path = BUF_NONE;

	begin(request, l, "PUT", to_container, to, "symlink=get&multipart-manifest=get");
	url_quote(&path, from_container, "");
	buf_char(&path, '/');
	url_quote(&path, from, "");
	sub_header(&l->sub, "X-Copy-From", buf_text(&path));
}

static void look(struct request *request, struct legacy *l, uint8_t step)
{
	begin(request, l, "HEAD", request->container, request->object,
	        "symlink=get&multipart-manifest=get");
	sub_start(&l->sub);
	l->step = step;
}

static enum step failed(struct request *request, const struct legacy *l)
{
	return request_fail(request, l->sub.status / 100 == 4 ? 412
	                             : l->sub.status == 507   ? 507
	                                                      : 503);
}

/* Kept, or nothing to be kept: on with the request. */
static enum step kept(struct request *request, struct legacy *l)
{
	if (request->method != &object_delete)
		return STEP_NEXT;
	begin(request, l, "PUT", l->archive,
	        copy_name(request, hlc_now(request_cluster(request)->hlc)), NULL);
	sub_header(&l->sub, "Content-Type", VERSIONS_MARKER);
	sub_start(&l->sub);
	l->step = MARKED;
	return STEP_WAIT;
}

static enum step looked(struct request *request, struct legacy *l)
{
	const char *ts = sub_get(&l->sub, "X-Timestamp"), *etag = sub_get(&l->sub, "Etag");
	uint64_t at;

	if (l->sub.status == 404)
		return kept(request, l);
	if (!sub_ok(&l->sub))
		return failed(request, l);
	if (!ts || !etag || !ts_parse(ts, &at) || l->tries++ >= TRIES_MAX)
		return request_fail(request, 503);
	etag = arena_strdup(request_arena(request), etag);
	copy(request, l, request->container, request->object, l->archive, copy_name(request, at));
	sub_header(&l->sub, "If-Match", etag);
	sub_start(&l->sub);
	l->step = COPIED;
	return STEP_WAIT;
}

static enum step copied(struct request *request, struct legacy *l)
{
	/* Replaced or gone since it was looked at, or there is no archive. */
	if (l->sub.status == 412 || (l->sub.status == 404 && l->tries == 1)) {
		look(request, l, LOOKED);
		return STEP_WAIT;
	}
	return sub_ok(&l->sub) ? kept(request, l) : failed(request, l);
}

/* --- DELETE of a stack --- */

static void take_page(struct request *request, struct legacy *l)
{
	struct backend_row row;

	l->count = l->at = 0;
	for (size_t at = 0; l->count < PAGE && backend_rows_next(l->list.root.rows, &at, &row);
	        l->count++) {
		l->names[l->count] = arena_strdup(request_arena(request), row.name);
		l->types[l->count] = arena_strdup(request_arena(request), row.content_type);
	}
	l->last = l->count ? l->names[l->count - 1] : NULL;
}

/* The newest copies, or the next ones. STEP_NEXT when they are there. */
static enum step list(struct request *request, struct legacy *l)
{
	if (!l->listing) {
		l->listing = true;
		l->list = (struct ranged){.root = {.op = &request->op,
		                                  .proxy = request->proxy,
		                                  .account = request->account,
		                                  .container = l->archive}};
		l->page = (struct backend_list){.prefix = prefix_of(request),
		        .marker = l->last,
		        .limit = PAGE,
		        .reverse = true};
	}
	if (!ranged_rows(&l->list, &l->page))
		return STEP_WAIT;
	if (l->list.err && l->list.err != ERR_NOT_FOUND)
		return request_fail(request, 503);
	l->count = l->at = 0;
	l->last = NULL;
	if (!l->list.err)
		take_page(request, l);
	ranged_done(&l->list);
	l->list = (struct ranged){0};
	l->listing = false;
	return STEP_NEXT;
}

static void drop(struct request *request, struct legacy *l, const char *name, uint8_t step)
{
	begin(request, l, "DELETE", l->archive, name, NULL);
	sub_start(&l->sub);
	l->step = step;
}

/* The copy at hand, if there is one, tells what comes next. */
static enum step next_copy(struct request *request, struct legacy *l)
{
	if (l->at == l->count && l->last) {
		l->step = LIST;
		return STEP_NEXT;
	}
	bool none = l->at == l->count;
	bool marks = !none && strcmp(l->types[l->at], VERSIONS_MARKER) == 0;
	if (l->marker && (none || marks)) {
		drop(request, l, l->marker, UNMARKED);
		return STEP_WAIT;
	}
	if (none)
		return STEP_DONE; /* nothing was kept: a plain DELETE */
	if (marks) {
		l->marker = l->names[l->at++];
		look(request, l, CURRENT);
		return STEP_WAIT;
	}
	copy(request, l, l->archive, l->names[l->at], request->container, request->object);
	sub_start(&l->sub);
	l->step = RESTORED;
	return STEP_WAIT;
}

static enum step relay(struct request *request, const struct legacy *l)
{
	return sub_ok(&l->sub) ? request_empty(request, l->sub.status)
	                       : request_fail(request, l->sub.status);
}

static enum step restored(struct request *request, struct legacy *l)
{
	if (l->sub.status == 404) {
		l->at++;
		return next_copy(request, l);
	}
	if (!sub_ok(&l->sub))
		return failed(request, l);
	drop(request, l, l->names[l->at], DROPPED);
	return STEP_WAIT;
}

static enum step dropped(struct request *request, struct legacy *l)
{
	if (!l->marker)
		return relay(request, l);
	if (!sub_ok(&l->sub) && l->sub.status != 404)
		return failed(request, l);
	drop(request, l, l->marker, UNMARKED);
	return STEP_WAIT;
}

/* STEP_DONE without an answer: on with the DELETE itself. */
static enum step pop(struct request *request, struct legacy *l)
{
	enum step step;

	if (l->step != LIST && !sub_headed(&l->sub))
		return STEP_WAIT;
	switch (l->step) {
	case CURRENT:
		if (sub_ok(&l->sub))
			return STEP_DONE;
		return l->sub.status == 404 ? next_copy(request, l) : failed(request, l);
	case RESTORED:
		return restored(request, l);
	case DROPPED:
		return dropped(request, l);
	case UNMARKED:
		return relay(request, l);
	}
	step = list(request, l);
	return step == STEP_NEXT ? next_copy(request, l) : step;
}

static enum step pop_on(struct request *request, struct legacy *l)
{
	enum step step;

	do
		step = pop(request, l);
	while (step == STEP_NEXT);
	return step == STEP_DONE && !request->replied ? STEP_NEXT : step;
}

static enum step pass_object(struct request *request)
{
	const struct info *info = request->container_info.info;
	const char *location = legacy_versions_location(info), *mode = info_header(info, MODE);
	struct legacy *l = request->unit_own;
	size_t len;

	if (!location || (request->method != &object_put && request->method != &object_delete))
		return STEP_NEXT;
	bool pops = request->method == &object_delete && !(mode && strcmp(mode, "history") == 0);
	if (!l) {
		l = request->unit_own = arena_zalloc(request_arena(request), sizeof(*l));
		l->end.run = end;
		request_at_end(request, &l->end);
		char *archive =
		        url_unquote(request_arena(request), location, strlen(location), &len);
		archive[strcspn(archive, "/")] = 0;
		l->archive = archive;
		if (!utf8_valid(archive, strlen(archive)))
			return request_fail(request, 412);
		if (pops)
			l->step = LIST;
		else
			look(request, l, LOOKED);
	}
	if (pops)
		return pop_on(request, l);
	if (!sub_headed(&l->sub))
		return STEP_WAIT;
	if (l->step == LOOKED)
		return looked(request, l);
	if (l->step == COPIED)
		return copied(request, l);
	return sub_ok(&l->sub) ? STEP_NEXT : failed(request, l);
}

/* --- containers --- */

static const char *wanted(struct request *request, const char *name)
{
	return http_get(request->http, name);
}

static bool removes(struct request *request, const char *name)
{
	const char *value = wanted(request, name);

	return value && *value;
}

static void forget(struct request *request)
{
	request_set_header(request, "X-Versions-Location", "");
	request_set_header(request, LOCATION, "");
	request_set_header(request, MODE, "");
}

static enum step set(struct request *request)
{
	const char *stack = wanted(request, "X-Versions-Location");
	const char *history = wanted(request, "X-History-Location");
	const char *location = history && *history ? history : stack && *stack ? stack : NULL;
	bool gone = removes(request, "X-Remove-Versions-Location") ||
	            removes(request, "X-Remove-History-Location") || stack || history;
	size_t len;

	if (stack && *stack && history && *history)
		return request_fail_text(request, 400,
		        "Only one of x-versions-location or x-history-location may be specified");
	request_set_header(request, "X-Remove-Versions-Location", NULL);
	request_set_header(request, "X-Remove-History-Location", NULL);
	request_set_header(request, "X-History-Location", NULL);
	if (!location) {
		if (gone)
			forget(request);
		return STEP_NEXT;
	}
	if (strchr(location, '/'))
		return request_fail_text(request, 412, "Container name cannot contain slashes");
	char *plain = url_unquote(request_arena(request), location, strlen(location), &len);
	if (strlen(plain) != len || !utf8_valid(plain, len))
		return request_fail_text(request, 412, "Container name is not UTF-8");
	location = arena_strdup(request_arena(request), location);
	request_set_header(request, "X-Versions-Location", "");
	request_set_header(request, LOCATION, location);
	request_set_header(request, MODE, location && history && *history ? "history" : "stack");
	return STEP_NEXT;
}

static enum step pass(struct request *request)
{
	const char *method = request->http->method;

	if (!request->container || reserved_name(request->container))
		return STEP_NEXT;
	if (request->object)
		return pass_object(request);
	return strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0 ? set(request) : STEP_NEXT;
}

static void answer(struct request *request, int status)
{
	const struct info *info = request->container_info.info;
	const char *location = info_header(info, LOCATION), *mode = info_header(info, MODE);
	bool reads = strcmp(request->http->method, "GET") == 0 || request->head;

	if (!request->container || request->object || !reads || status / 100 != 2 || !location ||
	        !*location)
		return;
	http_header(request->http,
	        mode && strcmp(mode, "history") == 0 ? "X-History-Location" : "X-Versions-Location",
	        location);
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	(void)cluster;
	buf_str(out, "\"allowed_flags\": [\"x-versions-location\", \"x-history-location\"]");
	return true;
}

const struct unit unit_versioned_writes = {
        .name = "versioned_writes", .pass = pass, .answer = answer, .info = tell};
