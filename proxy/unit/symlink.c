#include "proxy/unit/symlink.h"
#include "proxy/body.h"
#include "proxy/pipeline.h"
#include "proxy/s3/class.h"
#include "proxy/s3/version.h"
#include "proxy/sub.h"

#include "lib/base/kv.h"
#include "lib/crypto/md5.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *stored(const struct backend_reply *r, const char *name)
{
	return kv_get(r->headers.data, r->headers.len, name);
}

bool link_split(
        struct arena *arena, const char *value, const char **ret_container, const char **ret_object)
{
	size_t len;
	char *path = url_unquote(arena, value, strlen(value), &len), *slash = strchr(path, '/');

	if (strlen(path) != len || !slash || slash == path || !slash[1])
		return false;
	*slash = 0;
	*ret_container = path;
	*ret_object = slash + 1;
	return true;
}

/* "/v1/account/container/object", where the latter two come quoted. */
static const char *location_of(struct request *request, const char *account, const char *target)
{
	AUTO(buf) struct buf path = BUF_NONE;

	buf_str(&path, "/v1/");
	url_quote(&path, account, "");
	buf_printf(&path, "/%s", target);
	return arena_strdup(request_arena(request), buf_text(&path));
}

static const char *too_many(struct request *request)
{
	return arena_printf(request_arena(request),
	        "Too many levels of symbolic links, maximum allowed is %u",
	        request_cluster(request)->limits.symloop_max);
}

/* --- the way of a body to its object --- */

/* The same bytes, of another storage class by now. */
static bool is_moved(const struct backend_reply *r, const char *etag)
{
	const char *told = stored(r, S3_ETAG);

	return told && stored(r, S3_WRITTEN) && strcmp(told, etag) == 0;
}

/* Does the head stand for another object? Then its target is noted. What a version's name leads to
 * is that version, whose bytes may have been moved to another storage class since. */
static bool next_target(struct body *b)
{
	struct link_walk *w = &b->link;
	struct arena *arena = b->arena;
	const struct backend_reply *r = b->head.reply;
	const char *target = stored(r, LINK_TARGET), *etag = stored(r, LINK_ETAG);
	const char *account = stored(r, LINK_ACCOUNT), *expires = stored(r, "X-Delete-At");
	bool version = stored(r, LINK_VERSION);
	char own[33];
	size_t len;

	md5_hex(r->etag, own);
	if (!target || (w->raw && (!version || b->request->trusted))) {
		if (w->etag && !w->version && strcmp(w->etag, own) != 0 && !is_moved(r, w->etag))
			w->refusal = arena_printf(arena,
			        "Object Etag '%s' does not match X-Symlink-Target-Etag header '%s'",
			        own, w->etag);
		return false;
	}
	if (expires && strtoull(expires, NULL, 10) <= b->request->ts / TS_PER_SECOND) {
		b->err = ERR_NOT_FOUND;
		return false;
	}
	/* A version may be a static link itself: what leads to it wants just that. */
	if (w->etag && strcmp(w->etag, etag && !w->version ? etag : own) != 0)
		w->refusal = "X-Symlink-Target-Etag headers do not match";
	else if (w->links >= request_cluster(b->request)->limits.symloop_max)
		w->refusal = too_many(b->request);
	if (w->refusal)
		return false;
	w->links += !is_true(stored(r, LINK_EXTENDS));
	w->reserved = stored(r, LINK_RESERVED);
	w->version = version;
	w->etag = etag ? arena_strdup(arena, etag) : NULL;
	if (account)
		w->account = url_unquote(arena, account, strlen(account), &len);
	else if (!w->account)
		w->account = b->account;
	w->location = location_of(b->request, w->account, target);
	return link_split(arena, target, &w->container, &w->object);
}

static void forget_facts(struct link_walk *w)
{
	info_fetch_done(&w->info);
	info_fetch_done(&w->authorization);
	w->info = w->authorization = (struct info_fetch){0};
}

/* True when it is being read, or b->err says why not. */
static bool open_target(struct body *b)
{
	struct link_walk *w = &b->link;
	struct access access = {w->account, w->container, true, true, false, false, false};
	bool wait = false;

	if (!info_get(&w->info, b->op, b->proxy, w->account, w->container))
		return false;
	if (w->info.err)
		b->err = ERR_UNAVAILABLE;
	else if (!w->reserved)
		b->err = request_authorize(b->request, &access,
		        info_header(w->info.info, "X-Container-Read"), &w->authorization, &wait);
	if (wait)
		return false;
	if (!b->err && !w->info.info->exists)
		b->err = ERR_NOT_FOUND;
	w->open = false;
	if (b->err)
		return true;
	reader_close(&b->head);
	reader_done(&b->head);
	b->policy = w->info.info->policy;
	reader_open(&b->head, b->op, b->proxy, b->policy, w->account, w->container, w->object,
	        w->offset, w->len);
	body_key(b);
	forget_facts(w);
	return true;
}

bool link_ready(struct body *b)
{
	struct link_walk *w = &b->link;

	while (!w->done) {
		if (w->open && !open_target(b))
			return false;
		if (!b->err && !reader_ready(&b->head))
			return false;
		w->done = b->err || b->head.err || !next_target(b);
		w->open = !w->done;
	}
	return true;
}

void link_done(struct link_walk *w)
{
	info_fetch_done(&w->info);
	info_fetch_done(&w->authorization);
}

/* --- answers --- */

static const struct {
	const char *kept, *told;
} told[] = {
        {LINK_TARGET, "X-Symlink-Target"},
        {LINK_ACCOUNT, "X-Symlink-Target-Account"},
        {LINK_ETAG, "X-Symlink-Target-Etag"},
        {LINK_BYTES, "X-Symlink-Target-Bytes"},
};

void link_answer(struct request *request, const struct backend_reply *link)
{
	for (unsigned i = 0; i < COUNT_OF(told); i++) {
		const char *value = stored(link, told[i].kept);
		if (value)
			http_header(request->http, told[i].told, value);
	}
}

enum step link_posted(struct request *request, const struct backend_reply *object)
{
	const char *target = stored(object, LINK_TARGET), *account = stored(object, LINK_ACCOUNT);
	const char *etag = stored(object, LINK_ETAG);
	size_t len;

	if (!target)
		return STEP_NEXT;
	account = account ? url_unquote(request_arena(request), account, strlen(account), &len)
	                  : request->account;
	http_header(request->http, "Location", location_of(request, account, target));
	if (etag)
		http_header(request->http, "X-Symlink-Target-Etag", etag);
	return request_fail_html(request, 307,
	        "The requested POST was applied to a symlink. POST directly to the target to apply "
	        "requested metadata.");
}

void link_stored(struct request *request, struct buf *headers)
{
	const char *target = kv_get(headers->data, headers->len, LINK_TARGET);
	const char *account = kv_get(headers->data, headers->len, LINK_ACCOUNT);
	const char *etag = kv_get(headers->data, headers->len, LINK_ETAG);
	const char *bytes = kv_get(headers->data, headers->len, LINK_BYTES);
	const char *before = kv_get(headers->data, headers->len, ROW_ETAG);
	struct arena *arena = request_arena(request);
	struct buf with = BUF_NONE;
	struct kv_pair pair;

	if (!target)
		return;
	const char *cut = before ? strstr(before, "; symlink_target=") : NULL;
	const char *row = !before ? EMPTY_MD5
	                  : cut   ? arena_strndup(arena, before, (size_t)(cut - before))
	                          : arena_strdup(arena, before);
	row = arena_printf(arena, "%s; symlink_target=%s", row, target);
	if (account)
		row = arena_printf(arena, "%s; symlink_target_account=%s", row, account);
	if (etag)
		row = arena_printf(arena, "%s; symlink_target_etag=%s; symlink_target_bytes=%s",
		        row, etag, bytes ? bytes : "0");
	for (size_t at = 0; kv_next(headers->data, headers->len, &at, &pair);) {
		if (strcasecmp(pair.name, ROW_ETAG) != 0)
			kv_add(&with, pair.name, pair.value);
	}
	kv_add(&with, ROW_ETAG, row);
	buf_done(headers);
	*headers = with;
}

/* --- PUT of a link: a static one must fit to what is there --- */

struct link_put {
	struct request_end end;
	struct sub head;
	const char *account, *container, *object; /* at hand */
	const char *etag, *wanted;                /* of the request; of the chain, so far */
	const char *location;
	unsigned links;
	bool reserved;
};

static void end_put(struct request_end *end)
{
	sub_done(&CONTAINER_OF(end, struct link_put, end)->head);
}

static const char *unquoted(struct request *request, const char *text)
{
	size_t len;
	char *plain = url_unquote(request_arena(request), text, strlen(text), &len);

	return strlen(plain) == len && utf8_valid(plain, len) ? plain : NULL;
}

/* An etag without the quotes that it may have. */
static const char *bare(struct request *request, const char *etag)
{
	size_t len = etag ? strlen(etag) : 0;

	return len > 1 && *etag == '"' && etag[len - 1] == '"'
	               ? arena_strndup(request_arena(request), etag + 1, len - 2)
	               : etag;
}

/* What the request says of the target. STEP_NEXT, or it is answered. */
static enum step parse(struct request *request, struct link_put *put)
{
	struct arena *arena = request_arena(request);
	const char *target = unquoted(request, http_get(request->http, "X-Symlink-Target"));
	const char *account = http_get(request->http, "X-Symlink-Target-Account");

	if (request->http->has_length && request->http->content_length)
		return request_fail_text(request, 400, "Symlink requests require a zero byte body");
	/* Only we name what is not UTF-8. */
	if (request->trusted)
		target = http_get(request->http, "X-Symlink-Target");
	if (!target || *target == '/' ||
	        !link_split(arena,
	                request->trusted ? target : request_quoted(request, target, NULL),
	                &put->container, &put->object))
		return request_fail_text(request, 412,
		        "X-Symlink-Target header must be of the form <container name>/<object "
		        "name>");
	if (account) {
		account = unquoted(request, account);
		if (!account || !*account)
			return request_fail_text(request, 412, "Account name cannot be empty");
		if (strchr(account, '/'))
			return request_fail_text(
			        request, 412, "Account name cannot contain slashes");
		request_set_header(request, LINK_ACCOUNT, request_quoted(request, account, NULL));
	}
	put->account = account ? account : request->account;
	if (strcmp(put->account, request->account) == 0 &&
	        strcmp(put->container, request->container) == 0 &&
	        strcmp(put->object, request->object) == 0)
		return request_fail_text(request, 400, "Symlink cannot target itself");
	put->etag = bare(request, http_get(request->http, "X-Symlink-Target-Etag"));
	if (put->etag && strpbrk(put->etag, ";\"\\"))
		return request_fail_text(request, 400, "Bad X-Symlink-Target-Etag format");
	target = request_quoted(request, put->container, put->object);
	put->location = location_of(request, put->account, target);
	request_set_header(request, LINK_TARGET, target);
	return STEP_NEXT;
}

static enum step refuse(struct request *request, struct link_put *put, const char *text)
{
	http_header(request->http, "Content-Location", put->location);
	return request_fail_text(request, 409, text);
}

static void look(struct request *request, struct link_put *put)
{
	sub_done(&put->head);
	sub_init(&put->head, request, &unit_symlink, put->reserved ? SUB_AS_SYSTEM : SUB_AS_CLIENT,
	        "HEAD");
	sub_path(&put->head, put->account, put->container, put->object,
	        "symlink=get&multipart-manifest=get");
	sub_start(&put->head);
}

/* The target is the one that is wanted: the link says so, and how long it is. */
static void settle(struct request *request, struct link_put *put)
{
	struct arena *arena = request_arena(request);
	const char *row = sub_get(&put->head, ROW_ETAG),
	           *type = http_get(request->http, "Content-Type");
	const char *slo_etag = sub_get(&put->head, "X-Object-Sysmeta-Slo-Etag");
	const char *slo_size = sub_get(&put->head, "X-Object-Sysmeta-Slo-Size");
	const char *more = row ? strchr(row, ';') : NULL;

	if (more)
		request_set_header(request, ROW_ETAG, arena_printf(arena, EMPTY_MD5 "%s", more));
	else if (slo_etag)
		request_set_header(request, ROW_ETAG,
		        arena_printf(arena, EMPTY_MD5 "; slo_etag=%s", slo_etag));
	request_set_header(request, LINK_BYTES,
	        slo_size ? slo_size
	                 : arena_printf(arena, "%llu", (unsigned long long)put->head.length));
	request_set_header(request, LINK_ETAG, put->etag);
	if (!type || !*type)
		request_set_header(request, "Content-Type", sub_get(&put->head, "Content-Type"));
}

/* One object of the chain is there. STEP_NEXT at its end, STEP_WAIT: there is another one. */
static enum step judge(struct request *request, struct link_put *put)
{
	struct arena *arena = request_arena(request);
	const char *target = sub_get(&put->head, LINK_TARGET);
	const char *account = sub_get(&put->head, LINK_ACCOUNT);
	const char *etag = sub_get(&put->head, LINK_ETAG), *own = sub_get(&put->head, "Etag");

	if (put->head.status == 404)
		return refuse(request, put, "X-Symlink-Target does not exist");
	if (!sub_ok(&put->head))
		return request_fail(request, put->head.status);
	own = bare(request, own ? own : "");
	if (!target || !etag) {
		if (strcmp(own, put->wanted) != 0)
			return refuse(request, put,
			        arena_printf(arena,
			                "Object Etag '%s' does not match X-Symlink-Target-Etag "
			                "header '%s'",
			                own, put->wanted));
		settle(request, put);
		return STEP_NEXT;
	}
	if (strcmp(etag, put->wanted) != 0)
		return refuse(request, put, "X-Symlink-Target-Etag headers do not match");
	if (put->links >= request_cluster(request)->limits.symloop_max)
		return request_fail_text(request, 409, too_many(request));
	put->links += !is_true(sub_get(&put->head, LINK_EXTENDS));
	put->reserved = sub_get(&put->head, LINK_RESERVED);
	put->wanted = arena_strdup(arena, etag);
	if (account)
		put->account = unquoted(request, account);
	put->location = location_of(request, put->account, arena_strdup(arena, target));
	if (!link_split(arena, target, &put->container, &put->object))
		return request_fail(request, 503);
	look(request, put);
	return STEP_WAIT;
}

static enum step put_link(struct request *request)
{
	struct link_put *put = request->unit_own;
	const char *type = http_get(request->http, "Content-Type");

	if (!put) {
		put = request->unit_own = arena_zalloc(request_arena(request), sizeof(*put));
		put->end.run = end_put;
		request_at_end(request, &put->end);
		enum step step = parse(request, put);
		if (step != STEP_NEXT)
			return step;
		/* Whoever makes a version's link has just written what it is a link to. */
		if (put->etag && request->trusted && http_get(request->http, LINK_BYTES)) {
			request_set_header(request, LINK_ETAG, put->etag);
			return STEP_NEXT;
		}
		if (!put->etag || !*put->etag) {
			if (!type || !*type)
				request_set_header(request, "Content-Type", "application/symlink");
			return STEP_NEXT;
		}
		/* What it leads to may come later. */
		if (request->synced) {
			const char *bytes = http_get(request->http, "X-Symlink-Target-Bytes");
			request_set_header(request, LINK_ETAG, put->etag);
			request_set_header(request, LINK_BYTES,
			        bytes && bytes[strspn(bytes, "0123456789")] == 0 ? bytes : "0");
			return STEP_NEXT;
		}
		put->wanted = put->etag;
		look(request, put);
	}
	return sub_headed(&put->head) ? judge(request, put) : STEP_WAIT;
}

/* A link that is copied as one may get another account to look into. */
static enum step copy_link(struct request *request)
{
	const char *account = http_get(request->http, "X-Symlink-Target-Account");
	const char *as_it_is = query_get(&request->query, "symlink");

	if (!account || !as_it_is || strcmp(as_it_is, "get") != 0)
		return STEP_NEXT;
	account = unquoted(request, account);
	if (!account || !*account || strchr(account, '/'))
		return request_fail_text(request, 412, "Account name cannot contain slashes");
	request_set_header(request, LINK_ACCOUNT, request_quoted(request, account, NULL));
	return STEP_NEXT;
}

static enum step pass(struct request *request)
{
	const char *method = request->http->method;
	bool names = http_get(request->http, "X-Symlink-Target");

	if (!request->object)
		return STEP_NEXT;
	if (strcmp(method, "PUT") == 0 && names)
		return put_link(request);
	if (strcmp(method, "PUT") == 0 || strcmp(method, "COPY") == 0)
		return copy_link(request);
	if (strcmp(method, "POST") == 0 && names)
		return request_fail_text(
		        request, 400, "A PUT request is required to set a symlink target");
	return STEP_NEXT;
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	buf_printf(out, "\"symloop_max\": %u, \"static_links\": true", cluster->limits.symloop_max);
	return true;
}

const struct unit unit_symlink = {.name = "symlink", .pass = pass, .info = tell};
