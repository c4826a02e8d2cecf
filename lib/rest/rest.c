#include "lib/rest/rest.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/rest/audit.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

static const char *const methods[REST_METHODS] = {"GET", "PUT", "POST", "PATCH", "DELETE"};

/* --- routes --- */

/* One part of paths: a text, or whatever is there ("{name}"). */
struct rest_node {
	char *text; /* owned; NULL: anything */
	struct rest_node *children, *next;
	const struct rest_route *routes[REST_METHODS];
};

static size_t part_len(const char *at)
{
	return strcspn(at, "/");
}

static struct rest_node *child(struct rest_node *node, const char *part, size_t len, bool any)
{
	struct rest_node **at = &node->children;

	for (; *at; at = &(*at)->next) {
		const char *text = (*at)->text;
		if (any ? !text : text && strncmp(text, part, len) == 0 && !text[len])
			return *at;
	}
	*at = mem_zalloc(sizeof(**at));
	(*at)->text = any ? NULL : mem_strndup(part, len);
	/* What matches anything comes last. */
	if (!any && node->children != *at) {
		struct rest_node *new = *at;
		*at = NULL;
		new->next = node->children;
		node->children = new;
		return new;
	}
	return *at;
}

static void add(struct rest_service *s, const struct rest_route *route)
{
	struct rest_node *node = s->tree;

	assert(route->path[0] == '/');
	for (const char *at = route->path; *at == '/' && at[1];) {
		size_t len = part_len(++at);
		node = child(node, at, len, *at == '{');
		at += len;
	}
	assert(!node->routes[route->method]);
	assert(!(route->flags & REST_OPEN) || !route->rule);
	node->routes[route->method] = route;
}

void rest_prepare(struct rest_service *s)
{
	s->tree = mem_zalloc(sizeof(*s->tree));
	for (unsigned i = 0; i < s->route_count; i++)
		add(s, &s->routes[i]);
}

static void node_free(struct rest_node *node)
{
	while (node) {
		struct rest_node *next = node->next;
		node_free(node->children);
		free(node->text);
		free(node);
		node = next;
	}
}

void rest_done(struct rest_service *s)
{
	node_free(TAKE(s->tree));
}

/* The node of a path, with its parameters in req; NULL: there is none. A path may end with '/'. */
static const struct rest_node *walk(
        struct rest_req *req, const struct rest_node *node, const char *at, unsigned params)
{
	if (!*at || strcmp(at, "/") == 0)
		return node;
	size_t len = part_len(++at);
	for (const struct rest_node *c = node->children; c; c = c->next) {
		const struct rest_node *found = NULL;
		if (c->text && strncmp(c->text, at, len) == 0 && !c->text[len]) {
			found = walk(req, c, at + len, params);
		} else if (!c->text && len && params < REST_PARAMS_MAX) {
			size_t decoded;
			char *value = url_unquote(req->arena, at, len, &decoded);
			req->params[params] = value;
			if (strlen(value) == decoded && utf8_valid(value, decoded))
				found = walk(req, c, at + len, params + 1);
		}
		if (found)
			return found;
	}
	return NULL;
}

const char *rest_param(const struct rest_req *req, const char *name)
{
	unsigned n = 0;
	size_t size = strlen(name);

	for (const char *at = req->route->path; *at == '/';) {
		size_t len = part_len(++at);
		if (*at == '{') {
			if (len == size + 2 && strncmp(at + 1, name, size) == 0)
				return req->params[n];
			n++;
		}
		at += len;
	}
	abort(); /* the route has no such part */
}

/* --- answers --- */

enum err rest_fail(struct rest_req *req, enum err err, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_reset(&req->error);
	buf_str(&req->error, text);
	return err;
}

void rest_header(struct rest_req *req, const char *name, const char *value)
{
	kv_add(&req->headers, name, value);
}

static int status_of(const struct rest_req *req)
{
	const struct rest_dialect *d = req->service->dialect;
	int status = d->status ? d->status(req->err) : 0;

	return status ? status : err_status(req->err);
}

static void tell_error(struct rest_req *req)
{
	const char *text = req->error.len ? buf_text(&req->error) : err_text(req->err);

	req->status = status_of(req);
	buf_reset(&req->out);
	req->service->dialect->body(req->status, text, &req->out);
}

static void answer(struct rest_req *req)
{
	struct http_req *http = req->http;
	struct kv_pair pair;

	if (req->err)
		tell_error(req);
	else if (!req->status)
		req->status = req->route->success;
	for (size_t at = 0; kv_next(req->headers.data, req->headers.len, &at, &pair);)
		http_header(http, pair.name, pair.value);
	http_header(http, "Vary", "X-Auth-Token");
	http_header(http, "X-Openstack-Request-Id", req->id);
	if (req->out.len)
		http_header(http, "Content-Type", "application/json");
	if (req->head)
		http_reply_head(http, req->status, req->out.len);
	else
		http_reply_text(http, req->status, buf_text(&req->out));
	if (req->status >= 500)
		log_warn("request", "method=%s path=%s status=%d id=%s", http->method,
		        log_quote(req->path), req->status, req->id);
	if (audit_wants(req)) {
		AUTO(buf) struct buf event = BUF_NONE;
		audit_print(req, &event);
		req->service->audit(req, buf_text(&event));
	}
	jread_done(&req->root);
	buf_done(&req->raw);
	buf_done(&req->out);
	buf_done(&req->headers);
	buf_done(&req->error);
	atomic_fetch_sub(&req->service->open, 1);
	http_done(http);
}

/* --- one request --- */

enum err rest_allow_as(
        struct rest_req *req, const char *rule, const struct policy_fact *target, unsigned count)
{
	req->asked = true;
	if (!rule || policy_allows(req->service->policy, rule, req->caller.facts,
	                     (struct policy_facts){target, count}))
		return ERR_OK;
	if (!req->caller.known)
		return rest_fail(req, ERR_UNAUTHORIZED,
		        "The request you have made requires authentication.");
	return rest_fail(req, ERR_FORBIDDEN,
	        "You are not authorized to perform the requested action: %s.", rule);
}

enum err rest_allow(struct rest_req *req, const struct policy_fact *target, unsigned count)
{
	return rest_allow_as(req, req->route->rule, target, count);
}

static enum err take_body(struct rest_req *req)
{
	const char *type = http_get(req->http, "Content-Type");

	if (!(req->route->flags & REST_BODY))
		return ERR_OK;
	if (type && *type && strncasecmp(type, "application/json", 16) != 0)
		return rest_fail(req, ERR_BAD_REQUEST, "Content-Type wants application/json.");
	if (jread_parse(req->raw.data, req->raw.len, &req->root) ||
	        !jread_is_object(req->root.value))
		return rest_fail(req, ERR_BAD_REQUEST, "The body wants a JSON object.");
	req->body = req->root.value;
	return ERR_OK;
}

static enum err authenticate(struct rest_req *req)
{
	enum err err = req->service->authenticate ? req->service->authenticate(req) : ERR_OK;

	if (err && err != ERR_UNAUTHORIZED)
		return err;
	if ((err || !req->caller.known) && !(req->route->flags & REST_OPEN))
		return rest_fail(req, ERR_UNAUTHORIZED,
		        "The request you have made requires authentication.");
	return ERR_OK;
}

/* A handler that has forgotten to ask gives nothing away. */
static void check_asked(struct rest_req *req)
{
	if (req->err || req->then || !req->route->rule || req->asked)
		return;
	log_error("rest", "route=%s next=\"the rule was not asked for: report this\"",
	        req->route->path);
	req->err = ERR_INTERNAL;
}

static void run(struct rest_req *req)
{
	struct policy_fact target[REST_PARAMS_MAX];
	unsigned count = 0;
	char name[REST_PARAMS_MAX][64];

	req->err = authenticate(req);
	for (const char *at = req->route->path; *at == '/';) {
		size_t len = part_len(++at);
		if (*at == '{') {
			snprintf(name[count], sizeof(name[count]), "%.*s", (int)len - 2, at + 1);
			target[count] = (struct policy_fact){name[count], req->params[count]};
			count++;
		}
		at += len;
	}
	if (!req->err && !(req->route->flags & REST_LATER))
		req->err = rest_allow(req, target, count);
	if (!req->err)
		req->err = take_body(req);
	if (!req->err)
		req->err = req->route->handle(req);
	check_asked(req);
}

static void on_run(struct work *work)
{
	run(CONTAINER_OF(work, struct rest_req, work));
}

static void on_then(struct work *work)
{
	struct rest_req *req = CONTAINER_OF(work, struct rest_req, work);
	enum err (*then)(struct rest_req *) = TAKE(req->then);

	req->err = then(req);
	check_asked(req);
}

static void on_done(struct work *work)
{
	struct rest_req *req = CONTAINER_OF(work, struct rest_req, work);

	if (req->err || !req->then) {
		answer(req);
		return;
	}
	work->run = on_then;
	if (work_submit(req->then_pool, work)) {
		req->err = rest_fail(req, ERR_BUSY, "The service is busy. Try again.");
		answer(req);
	}
}

enum err rest_move(
        struct rest_req *req, struct work_pool *pool, enum err (*then)(struct rest_req *req))
{
	req->then = then;
	req->then_pool = pool;
	return ERR_OK;
}

static void start(struct rest_req *req)
{
	if (req->route->flags & REST_LOOP) {
		run(req);
		answer(req);
		return;
	}
	req->work.run = on_run;
	req->work.done = on_done;
	if (work_submit(req->service->pool, &req->work)) {
		req->err = rest_fail(req, ERR_BUSY, "The service is busy. Try again.");
		answer(req);
	}
}

static void on_body(struct http_req *http, struct bytes *piece, bool last)
{
	struct rest_req *req = http->op;

	if (piece)
		buf_add(&req->raw, piece->data, piece->len);
	bytes_unref(piece);
	if (req->raw.len > req->service->body_max) {
		req->err = rest_fail(req, ERR_TOO_LARGE, "The body is larger than %zu bytes.",
		        req->service->body_max);
		answer(req);
	} else if (last) {
		start(req);
	} else {
		http_body_want(http, bytes_new(16384));
	}
}

static void make_id(struct rest_req *req)
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(req->id, sizeof(req->id),
	        "req-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
	        b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
	        b[14], b[15]);
}

static enum err route(struct rest_req *req)
{
	const struct rest_node *node = walk(req, req->service->tree, req->path, 0);
	const char *method = req->head ? "GET" : req->http->method;
	AUTO(buf) struct buf allow = BUF_NONE;
	bool any = false;

	for (unsigned i = 0; node && i < REST_METHODS; i++) {
		if (node->routes[i] && strcmp(methods[i], method) == 0) {
			req->route = node->routes[i];
			return ERR_OK;
		}
		if (node->routes[i])
			buf_printf(
			        &allow, "%s%s%s", any ? ", " : "", methods[i], i ? "" : ", HEAD");
		any |= node->routes[i] != NULL;
	}
	if (!any)
		return rest_fail(req, ERR_NOT_FOUND, "The resource could not be found.");
	rest_header(req, "Allow", buf_text(&allow));
	return rest_fail(
	        req, ERR_BAD_METHOD, "The method %s is not allowed here.", req->http->method);
}

static void begin(struct http_req *http)
{
	struct rest_req *req = arena_zalloc(&http->arena, sizeof(*req));
	const char *question = strchr(http->target, '?');

	http->op = req;
	atomic_fetch_add(&((struct rest_service *)http->owner)->open, 1);
	req->service = http->owner;
	req->http = http;
	req->arena = &http->arena;
	req->head = http->head;
	req->root = JROOT_NONE;
	req->json.out = &req->out;
	make_id(req);
	req->path = question ? arena_strndup(&http->arena, http->target,
	                               (size_t)(question - http->target))
	                     : http->target;
	query_parse(&http->arena, question ? question + 1 : "", &req->query);
	req->err = req->path[0] == '/' && !req->query.bad
	                   ? route(req)
	                   : rest_fail(req, ERR_BAD_REQUEST, "The URL is not UTF-8.");
	if (!req->err && http->has_length && http->content_length > req->service->body_max)
		req->err = rest_fail(req, ERR_TOO_LARGE, "The body is larger than %zu bytes.",
		        req->service->body_max);
	if (req->err)
		answer(req);
	else if (req->route->flags & REST_BODY)
		http_body_want(http, bytes_new(16384));
	else
		start(req);
}

static void on_room(struct http_req *http)
{
	(void)http;
}

/* The work goes on: it is short, and its answer is ignored. */
static void on_gone(struct http_req *http)
{
	(void)http;
}

const struct http_handler rest_handler = {begin, on_body, on_room, on_gone, NULL};

/* --- for people and tests --- */

void rest_print_api(const struct rest_service *s, struct buf *out)
{
	struct jout json = {.out = out};

	jout_array(&json, NULL);
	for (unsigned i = 0; i < s->route_count; i++) {
		const struct rest_route *r = &s->routes[i];
		jout_object(&json, NULL);
		jout_text(&json, "method", methods[r->method]);
		jout_text(&json, "path", r->path);
		jout_text(&json, "rule", r->rule);
		jout_int(&json, "status", r->success);
		jout_end_object(&json);
	}
	jout_end_array(&json);
	buf_char(out, '\n');
}
