#include "proxy/access.h"
#include "proxy/audit.h"
#include "proxy/dispersion.h"
#include "proxy/pipeline.h"
#include "proxy/proxy.h"
#include "proxy/s3/logging.h"
#include "proxy/s3/s3.h"
#include "proxy/sub.h"
#include "proxy/unit/cname.h"
#include "proxy/unit/endpoints.h"
#include "proxy/unit/host.h"
#include "proxy/unit/recon.h"
#include "proxy/unit/reserved.h"

#include "lib/base/kv.h"
#include "lib/http/guard.h"
#include "lib/log/log.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct request *request_of(struct op *op)
{
	return CONTAINER_OF(op, struct request, op);
}

struct arena *request_arena(struct request *request)
{
	return &request->http->arena;
}

struct cluster *request_cluster(struct request *request)
{
	return request->proxy->cluster;
}

/* --- answers --- */

void request_header_u64(struct request *request, const char *name, uint64_t value)
{
	char text[24];
	char *p = text + sizeof(text) - 1;

	*p = 0;
	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	http_header(request->http, name, p);
}

static bool origin_allowed(const char *allowed, const char *origin)
{
	while (allowed && *allowed) {
		size_t len = strcspn(allowed, " ");
		if ((len == 1 && *allowed == '*') ||
		        (len == strlen(origin) && strncmp(allowed, origin, len) == 0))
			return true;
		allowed += len + (allowed[len] == ' ');
	}
	return false;
}

static void add_lower(struct buf *out, const char *name)
{
	buf_str(out, ", ");
	for (; *name; name++)
		buf_char(out, (char)(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name));
}

/* CORS for actual requests, as Swift's cors_validation in strict mode. */
static void cors_headers(struct request *request)
{
	static const char always[] = "cache-control, content-language, content-type, expires, "
	                             "last-modified, pragma, etag, "
	                             "x-timestamp, x-trans-id, x-openstack-request-id";
	const struct info *info = request->container_info.info;
	const char *allowed = info_header(info, "X-Container-Meta-Access-Control-Allow-Origin");
	const char *cluster = request_cluster(request)->cors_allow_origin;
	struct kv_pair pair;

	if (!request->origin)
		return;
	if (!origin_allowed(allowed, request->origin) && !origin_allowed(cluster, request->origin))
		return;
	AUTO(buf) struct buf expose = BUF_NONE;
	buf_str(&expose, always);
	const char *more = info_header(info, "X-Container-Meta-Access-Control-Expose-Headers");
	while (more && *more) {
		size_t len = strcspn(more, " ");
		if (len)
			buf_printf(&expose, ", %.*s", (int)len, more);
		more += len + (more[len] == ' ');
	}
	for (size_t at = 0; kv_next(request->http->out.data, request->http->out.len, &at, &pair);) {
		if (strcasestr(pair.name, "-meta-") && !strcasestr(buf_text(&expose), pair.name))
			add_lower(&expose, pair.name);
	}
	bool any = (allowed && strcmp(allowed, "*") == 0) ||
	           (!allowed && cluster && strcmp(cluster, "*") == 0);
	http_header(request->http, "Access-Control-Allow-Origin", any ? "*" : request->origin);
	if (!any)
		http_header(request->http, "Vary", "Origin");
	http_header(request->http, "Access-Control-Expose-Headers", buf_text(&expose));
}

void request_headers(struct request *request, int status)
{
	pipeline_answer(request, status);
	if (request->s3) {
		s3_answer(request, status);
	} else {
		http_header(request->http, "X-Trans-Id", request->trans_id);
		http_header(request->http, "X-Openstack-Request-Id", request->trans_id);
	}
	if (request->origin && !request->s3)
		cors_headers(request);
	request->replied = true;
}

static void challenge(struct request *request)
{
	AUTO(buf) struct buf realm = BUF_NONE;
	const char *more = auth_challenge(request);

	buf_str(&realm, "Swift realm=\"");
	url_quote(&realm, request->account ? request->account : "unknown", "");
	buf_char(&realm, '"');
	http_header(request->http, "Www-Authenticate", buf_text(&realm));
	if (more)
		http_header(request->http, "Www-Authenticate", more);
}

static enum step answer_text(
        struct request *request, int status, const char *type, const char *text)
{
	if (request->s3)
		return s3_fail_status(request, status, text);
	if (status == 401)
		challenge(request);
	http_header(request->http, "Content-Type", type);
	request_headers(request, status);
	http_reply_text(request->http, status, text);
	return STEP_DONE;
}

enum step request_fail(struct request *request, int status)
{
	return answer_text(request, status, "text/html; charset=UTF-8",
	        swift_error_body(request_arena(request), status));
}

enum step request_fail_html(struct request *request, int status, const char *text)
{
	return answer_text(request, status, "text/html; charset=UTF-8", text);
}

enum step request_fail_text(struct request *request, int status, const char *text)
{
	return answer_text(request, status, "text/plain", text);
}

enum step request_err(struct request *request, enum err err)
{
	return request_fail(request, err_status(err));
}

enum step request_empty(struct request *request, int status)
{
	if (request->s3)
		return status >= 300 ? s3_fail_status(request, status, NULL)
		                     : s3_empty(request, s3_status(request, status));
	http_header(request->http, "Content-Type", "text/html; charset=UTF-8");
	request_headers(request, status);
	http_reply(request->http, status, NULL, 0, 0);
	return STEP_DONE;
}

const char *request_quoted(struct request *request, const char *first, const char *second)
{
	AUTO(buf) struct buf path = BUF_NONE;

	url_quote(&path, first, "");
	if (second) {
		buf_char(&path, '/');
		url_quote(&path, second, "");
	}
	return arena_strdup(request_arena(request), buf_text(&path));
}

void request_copy_headers(struct request *request, struct buf *block, const char *prefix)
{
	for (unsigned i = 0; i < request->http->header_count; i++) {
		const struct http_header *h = &request->http->headers[i];
		if (!has_prefix(h->name, prefix))
			continue;
		char *name = arena_strdup(request_arena(request), h->name);
		title_case(name);
		kv_add(block, name, h->value);
	}
}

/* --- state 0 --- */

static const char *wanted_acl(const struct request *request)
{
	const struct info *info = request->container_info.info;

	if (request->method->writes && !request->object)
		return NULL;
	return info_header(
	        info, request->method->writes ? "X-Container-Write" : "X-Container-Read");
}

/* Who brings objects from elsewhere may say when they were written: the later write wins, whenever
 * it is brought. */
static const char *set_time(struct request *request, int *ret_status)
{
	const char *text = http_get(request->http, "X-Cairn-Timestamp");

	*ret_status = 0;
	if (!text || !request->object)
		return NULL;
	bool may = request->identity.reseller || request->trusted;
	*ret_status = may ? 400 : 403;
	if (!may)
		return "X-Cairn-Timestamp is for reseller administrators.";
	if (!ts_parse(text, &request->set_ts) || !request->set_ts)
		return "X-Cairn-Timestamp wants seconds since 1970.";
	*ret_status = 0;
	return NULL;
}

bool request_expired(const struct request *request, const struct backend_reply *object)
{
	const char *at = kv_get(object->headers.data, object->headers.len, "X-Delete-At");
	bool opens = request->proxy->cluster->allow_open_expired &&
	             is_true(http_get(request->http, "X-Open-Expired")) &&
	             (request->head || strcmp(request->http->method, "GET") == 0 ||
	                     strcmp(request->http->method, "POST") == 0);

	return at && strtoull(at, NULL, 10) <= request->ts / TS_PER_SECOND && !opens;
}

uint64_t request_time(const struct request *request)
{
	return request->set_ts ? request->set_ts : hlc_now(request->proxy->cluster->hlc);
}

/* May they? */
static enum step check(struct request *request)
{
	const char *method = request->http->method;
	struct access access = {
	        .account = request->account,
	        .container = request->container,
	        .object = request->object,
	        .reads = strcmp(method, "GET") == 0 || request->head,
	        .posts = strcmp(method, "POST") == 0,
	        .options = strcmp(method, "OPTIONS") == 0,
	        .deletes = strcmp(method, "DELETE") == 0,
	};
	bool wait;
	enum err err = request_authorize(
	        request, &access, wanted_acl(request), &request->account_info, &wait);
	int status;

	if (wait)
		return STEP_WAIT;
	if (err)
		return request_err(request, err);
	const char *text = set_time(request, &status);
	if (status)
		return request_fail_text(request, status, text);
	request->authorized = true;
	return STEP_NEXT;
}

enum step request_prepare(struct op *op)
{
	struct request *request = request_of(op);

	if (request->http->gone)
		return STEP_DONE;
	const struct op_state *states = op->states;
	enum step step = pipeline_enter(request);
	if (step != STEP_NEXT || op->states != states)
		return step;
	step = request_identify(op);
	if (step != STEP_NEXT)
		return step;
	if (request->container) {
		if (!info_get(&request->container_info, op, request->proxy, request->account,
		            request->container))
			return STEP_WAIT;
		if (request->container_info.err)
			return request_fail(request, 503);
	}
	if (!request->authorized && (step = check(request)) != STEP_NEXT)
		return step;
	step = pipeline_pass(request);
	return step == STEP_NEXT && op->states == states ? op_go(op, 1) : step;
}

enum step request_become(struct request *request, const struct method *method)
{
	request->method = method;
	return op_restart(&request->op, method->states);
}

void request_set_header(struct request *request, const char *name, const char *value)
{
	struct http_req *http = request->http;
	unsigned room = http->header_count, count = 0;

	for (unsigned i = 0; i < room; i++) {
		if (strcasecmp(http->headers[i].name, name) != 0)
			http->headers[count++] = http->headers[i];
	}
	if (value && count == room) {
		struct http_header *all = arena_alloc(&http->arena, (count + 1) * sizeof(*all));
		if (count)
			memcpy(all, http->headers, count * sizeof(*all));
		http->headers = all;
	}
	if (value)
		http->headers[count++] =
		        (struct http_header){name, arena_strdup(&http->arena, value)};
	http->header_count = count;
}

void request_at_end(struct request *request, struct request_end *end)
{
	end->next = request->ends;
	request->ends = end;
}

/* --- entry --- */

static void release(struct op *op)
{
	struct request *request = request_of(op);
	struct proxy *proxy = request->proxy;

	if (request->own_done)
		request->own_done(request);
	for (struct request_end *e = request->ends, *next; e; e = next) {
		next = e->next;
		e->run(e);
	}
	const struct info *container = request->container_info.info;
	request->policy_known = container && container->exists;
	request->policy = container ? container->policy : 0;
	info_fetch_done(&request->container_info);
	info_fetch_done(&request->account_info);
	if (request->parent) {
		http_done(request->http);
		return;
	}
	proxy->stats.open--;
	if (request->http->status >= 500) {
		proxy->stats.errors++;
		log_warn("request", "method=%s path=%s status=%d trans=%s", request->http->method,
		        log_quote(request->path), request->http->status, request->trans_id);
	} else {
		log_debug("request", "method=%s path=%s status=%d us=%llu trans=%s",
		        request->http->method, log_quote(request->path), request->http->status,
		        (unsigned long long)(reactor_now_us(proxy->reactor) -
		                             request->http->start_us),
		        request->trans_id);
	}
	http_done(request->http);
}

static enum step answer_metrics(struct request *request)
{
	AUTO(buf) struct buf out = BUF_NONE;

	if (request->proxy->metrics)
		request->proxy->metrics(request->proxy, &out);
	return answer_text(request, 200, "text/plain; version=0.0.4", buf_text(&out));
}

#define BAD_DOMAIN 4000 /* 400, with a text of its own */
#define BAD_CNAME  4001 /* the same, in request->unit_own */

/* Answers at once, before any operation runs. */
static enum step plain_state(struct op *op)
{
	struct request *request = request_of(op);
	int status = (int)(intptr_t)request->own;

	request->own = NULL;
	if (request->http->gone)
		return STEP_DONE;
	if (status == 200) {
		if (strcmp(request->path, "/crossdomain.xml") == 0)
			return answer_text(request, 200, "application/xml",
			        "<?xml version=\"1.0\"?>\n<!DOCTYPE cross-domain-policy SYSTEM "
			        "\"http://www.adobe.com/xml/dtds/cross-domain-policy.dtd\" >\n"
			        "<cross-domain-policy>\n<allow-access-from domain=\"*\" "
			        "secure=\"false\" />\n"
			        "</cross-domain-policy>");
		if (strcmp(request->path, "/metrics") == 0)
			return answer_metrics(request);
		return answer_text(request, 200, "text/plain", "OK");
	}
	if (status == BAD_DOMAIN)
		return answer_text(request, 400, "text/plain", "Bad domain in host header");
	if (status == BAD_CNAME)
		return answer_text(request, 400, "text/plain", request->unit_own);
	if (status == 412)
		return answer_text(request, 412, "text/html; charset=UTF-8", "Bad URL");
	if (status == 4120)
		return answer_text(
		        request, 412, "text/html; charset=UTF-8", "Invalid UTF8 or contains NULL");
	return request_fail(request, status);
}

static const struct op_state plain_states[] = {{"plain", plain_state, 0, 0}};
const struct method plain_get = {.name = "plain", .states = plain_states};

static enum step not_allowed(struct op *op)
{
	struct request *request = request_of(op);

	if (request->http->gone)
		return STEP_DONE;
	http_header(request->http, "Allow",
	        request->object      ? "COPY, DELETE, GET, HEAD, OPTIONS, POST, PUT"
	        : request->container ? "DELETE, GET, HEAD, OPTIONS, POST, PUT"
	                             : "DELETE, GET, HEAD, OPTIONS, POST, PUT");
	return request_fail(request, 405);
}

static const struct op_state not_allowed_states[] = {{"not-allowed", not_allowed, 0, 0}};
static const struct method not_allowed_method = {.name = "none", .states = not_allowed_states};

static const struct {
	const char *verb;
	const struct method *account, *container, *object;
} verbs[] = {
        {"GET", &account_get, &container_get, &object_get},
        {"HEAD", &account_get, &container_get, &object_get},
        {"PUT", &account_put, &container_put, &object_put},
        {"POST", &account_post, &container_post, &object_post},
        {"DELETE", &account_delete, &container_delete, &object_delete},
        {"COPY", NULL, NULL, &object_copy},
        {"OPTIONS", &any_options, &any_options, &any_options},
};

static const struct method *method_of(const struct request *request)
{
	for (unsigned i = 0; i < COUNT_OF(verbs); i++) {
		if (strcmp(request->http->method, verbs[i].verb) == 0) {
			const struct method *m = request->object      ? verbs[i].object
			                         : request->container ? verbs[i].container
			                                              : verbs[i].account;
			return m ? m : &not_allowed_method;
		}
	}
	return &not_allowed_method;
}

/* Splits /v1/account/container/object; 0, or the status to refuse with (4120: not UTF-8). */
static int split(struct request *request)
{
	struct arena *arena = request_arena(request);
	const char *sent = request->path + 1, *parts[4] = {0};
	unsigned count = 0;
	size_t decoded;

	/* Decoded before it is cut, as in Swift: no account or container has a slash in it. */
	const char *p = url_unquote(arena, sent, strlen(sent), &decoded);
	if (strlen(p) != decoded || !utf8_valid(p, decoded))
		return 4120;
	while (count < 4) {
		size_t len = count == 3 ? strlen(p) : strcspn(p, "/");
		parts[count++] = arena_strndup(arena, p, len);
		p += len;
		if (*p != '/')
			break;
		p++;
	}
	if (!*parts[0])
		return 404;
	if (strcmp(parts[0], "v1") != 0 && strcmp(parts[0], "v1.0") != 0)
		return count > 1 ? 400 : 412;
	if (!parts[1])
		return 412;
	if (!*parts[1] || (parts[2] && !*parts[2] && parts[3]))
		return 404;
	request->account = parts[1];
	request->container = parts[2] && *parts[2] ? parts[2] : NULL;
	request->object = parts[3] && *parts[3] ? parts[3] : NULL;
	return 0;
}

static const struct method *refuse(struct request *request, int status)
{
	request->own = (void *)(intptr_t)status;
	return &plain_get;
}

/* Which method answers; /v1 paths are split and identified on the way. What is signed in S3's way
 * is S3's, whatever the path: a bucket may have any name. */
static const struct method *route(struct request *request)
{
	bool reads = strcmp(request->http->method, "GET") == 0 || request->head;
	const char *text;
	int status;

	const struct method *s3 = s3_route(request);
	if (s3)
		return s3;
	if (strcmp(request->path, "/healthcheck") == 0)
		return refuse(request, reads ? 200 : 405);
	if ((strcmp(request->path, "/crossdomain.xml") == 0 ||
	            strcmp(request->path, "/metrics") == 0) &&
	        reads)
		return refuse(request, 200);
	if (strncmp(request->path, AUDIT_PREFIX, strlen(AUDIT_PREFIX)) == 0) {
		const struct method *method = audit_route(request, &status);
		return method ? method : refuse(request, status);
	}
	if (request->proxy->recon && reads &&
	        strncmp(request->path, RECON_PREFIX, strlen(RECON_PREFIX)) == 0)
		return &recon_get;
	if (!request_cluster(request)->serves)
		return refuse(request, 404);
	if (!atomic_load_explicit(request_cluster(request)->joined, memory_order_relaxed))
		return refuse(request, 503);
	if (strncmp(request->path, DISPERSION_PREFIX, strlen(DISPERSION_PREFIX)) == 0) {
		const struct method *method = dispersion_route(request, &status);
		return method ? method : status ? refuse(request, status) : method_of(request);
	}
	if (request_cluster(request)->units.list_endpoints &&
	        strncmp(request->path, ENDPOINTS_PREFIX, strlen(ENDPOINTS_PREFIX)) == 0)
		return &endpoints_get;
	switch (cname_look(request, &text)) {
	case STEP_WAIT:
		return &cname_method;
	case STEP_DONE:
		request->unit_own = (void *)text;
		return refuse(request, BAD_CNAME);
	default:
		break;
	}
	if (!host_remap(request))
		return refuse(request, BAD_DOMAIN);
	if (strcmp(request->path, "/info") == 0)
		return &info_get_method;
	if (request_cluster(request)->users &&
	        (has_prefix(request->path, "/auth/") || strcmp(request->path, "/auth") == 0))
		return &auth_get;
	if ((status = split(request)))
		return refuse(request, status);
	return method_of(request);
}

enum step request_route(struct request *request)
{
	return request_become(request, route(request));
}

static void make_trans_id(struct request *request)
{
	struct cluster *c = request_cluster(request);
	uint64_t n = atomic_fetch_add_explicit(&c->next_trans, 1, memory_order_relaxed);
	uint64_t parts[3] = {c->boot, n, c->env->wall_us(c->env) / 1000000};
	static const struct {
		int at, digits;
	} fields[3] = {{2, 11}, {13, 10}, {24, 10}};

	memcpy(request->trans_id, "tx", 2);
	for (int f = 0; f < 3; f++) {
		for (int i = fields[f].digits - 1; i >= 0; i--, parts[f] >>= 4)
			request->trans_id[fields[f].at + i] = "0123456789abcdef"[parts[f] & 15];
	}
	request->trans_id[23] = '-';
	request->trans_id[34] = 0;
}

static void ended(struct op *op)
{
	sub_stop_all(request_of(op));
}

/* One that another makes: its names are decoded, and it is known who asks. */
static const struct method *route_sub(struct request *request, const struct sub_origin *origin)
{
	request->parent = origin->parent;
	request->account = origin->account;
	request->container = origin->container;
	request->object = origin->object;
	request->first_unit = (uint8_t)pipeline_behind(origin->maker);
	request->entered = request->passed = request->first_unit;
	memcpy(request->trans_id, origin->parent->trans_id, sizeof(request->trans_id));
	request->identified = true;
	if (origin->rights == SUB_AS_CLIENT)
		auth_inherit(request, origin->parent);
	request->trusted = origin->rights == SUB_AS_SYSTEM || origin->parent->trusted;
	/* Whatever made this name of what a client said: names that are ours are not for it. */
	if (!request->trusted && request->container && reserved_name(request->container))
		return refuse(request, 4120);
	return method_of(request);
}

void request_begin(struct http_req *http, const struct sub_origin *origin)
{
	struct proxy *proxy = http->owner;
	struct request *request = arena_zalloc(&http->arena, sizeof(*request));
	const char *question = strchr(http->target, '?');

	http->op = request;
	request->http = http;
	request->proxy = proxy;
	request->head = http->head;
	list_init(&request->subs);
	request->path = question ? arena_strndup(&http->arena, http->target,
	                                   (size_t)(question - http->target))
	                         : http->target;
	query_parse(&http->arena, question ? question + 1 : "", &request->query);
	request->ts = hlc_now(proxy->cluster->hlc);
	if (origin) {
		request->method = route_sub(request, origin);
	} else {
		make_trans_id(request);
		proxy->stats.requests++;
		proxy->stats.open++;
		if (strcmp(http->method, "OPTIONS") != 0)
			request->origin = http_get(http, "Origin");
		request->method = request->path[0] == '/' ? route(request) : refuse(request, 400);
		if (!request->s3)
			guard_drop_odd(http);
	}
	op_init(&request->op, proxy->reactor, request->method->states, release);
	request->op.ended = ended;
	op_start(&request->op);
}

void request_begin_own(struct request *request, const struct method *method)
{
	request->proxy->stats.open++;
	request->method = method;
	make_trans_id(request);
	op_init(&request->op, request->proxy->reactor, method->states, release);
	request->op.ended = ended;
	op_start(&request->op);
}

static void begin(struct http_req *http)
{
	request_begin(http, NULL);
}

static void on_body(struct http_req *http, struct bytes *piece, bool last)
{
	struct request *request = http->op;

	if (request->s3)
		s3_payload_take(request, piece, last);
	else if (request->method->body && !request->op.finished)
		request->method->body(request, piece, last);
	else
		bytes_unref(piece);
}

static void on_room(struct http_req *http)
{
	struct request *request = http->op;

	if (request->method->room)
		request->method->room(request);
}

static void on_gone(struct http_req *http)
{
	struct request *request = http->op;

	op_cancel(&request->op);
}

static void on_closed(struct http_req *http)
{
	access_note(http->op);
	s3_log_note(http->op);
}

const struct http_handler proxy_handler = {begin, on_body, on_room, on_gone, on_closed};
