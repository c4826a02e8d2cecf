#include "proxy/unit/versions.h"
#include "proxy/body.h"
#include "proxy/commit.h"
#include "proxy/mime.h"
#include "proxy/pipeline.h"
#include "proxy/quota.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/symlink.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SLO_ETAG  "X-Object-Sysmeta-Slo-Etag"
#define SLO_SIZE  "X-Object-Sysmeta-Slo-Size"
#define TRIES_MAX 8
#define GONE_TEXT                                                                                  \
	"The versions container does not exist. You may want to re-enable object versioning."

enum { LOOK, LOOKED, COPIED, SWAP, MARKED, UNLINKED, FOUND, RELINKED, POSTED, COUNT, PASSED };

static bool is(const struct request *request, const char *method)
{
	return strcmp(request->http->method, method) == 0;
}

static bool reads(const struct request *request)
{
	return is(request, "GET") || request->head;
}

static const char *id_text(struct request *request, uint64_t id)
{
	char *text = arena_alloc(request_arena(request), TS_TEXT_SIZE);

	ts_format(id, text);
	return text;
}

/* --- requests of our own: of units behind this one, and everything is allowed --- */

static void begin(struct request *request, const char *method, const char *container,
        const char *object, const char *query)
{
	struct versions *v = request->versions;

	sub_done(&v->sub);
	sub_init(&v->sub, request, &unit_object_versioning, SUB_AS_SYSTEM, method);
	sub_path(&v->sub, v->account, container, object, query);
}

static void look(struct request *request, const char *container, const char *object)
{
	begin(request, "HEAD", container, object, "symlink=get&multipart-manifest=get");
	sub_start(&request->versions->sub);
}

/* Is the current object a link to a version of this container? Its id is then told. */
static bool links(const struct request *request, uint64_t *ret_id)
{
	const struct versions *v = request->versions;
	const char *target = sub_get(&v->sub, LINK_TARGET), *container, *object;
	AUTO(buf) struct buf name = BUF_NONE;

	return sub_ok(&v->sub) && sub_get(&v->sub, LINK_VERSION) && target &&
	       link_split(request_arena((struct request *)request), target, &container, &object) &&
	       strcmp(container, v->hidden) == 0 && versions_parse(object, &name, ret_id);
}

/* What went wrong with a request of ours. */
static enum step failed(struct request *request)
{
	int status = request->versions->sub.status;

	if (status == 404)
		return request_fail(request, 412);
	return request_fail(request, status / 100 == 4 || status == 507 ? status : 503);
}

/* Facts of where the versions are; with a quota, of what was just written as well. */
static bool know_hidden(struct request *request)
{
	struct versions *v = request->versions;

	if (!v->hidden_info.started && !v->hidden_info.done &&
	        quota_is_set(request->container_info.info))
		info_changed(request_cluster(request), v->account, v->hidden);
	return info_get(&v->hidden_info, &request->op, request->proxy, v->account, v->hidden);
}

/* From here on the request is about a version. */
static enum step swap(struct request *request)
{
	struct versions *v = request->versions;

	if (!know_hidden(request))
		return STEP_WAIT;
	if (v->hidden_info.err)
		return request_fail(request, 503);
	if (!v->hidden_info.info->exists && is(request, "PUT"))
		return request_fail_text(request, 500, GONE_TEXT);
	struct info *named = request->container_info.info;
	request->container_info.info = v->hidden_info.info;
	v->hidden_info.info = named;
	v->swapped = true;
	request->container = v->hidden;
	request->object = versions_object(request_arena(request), v->object, v->id);
	v->step = PASSED;
	return STEP_NEXT;
}

/* --- PUT and DELETE where versions are kept --- */

/* Later than the current object, whose time the clock has seen, and than any other node gives. */
static uint64_t new_id(struct request *request)
{
	const struct versions *v = request->versions;
	struct place place;

	proxy_place(request_cluster(request), 0, v->account, v->container, v->object, &place);
	return hlc_stamp(request_cluster(request)->hlc, place.key);
}

/* An object from before the versions becomes one. */
static enum step keep(struct request *request)
{
	struct versions *v = request->versions;
	const char *ts = sub_get(&v->sub, "X-Timestamp"), *etag = sub_get(&v->sub, "Etag");
	struct arena *arena = request_arena(request);
	uint64_t at;

	if (!ts || !etag || !ts_parse(ts, &at) || v->tries++ >= TRIES_MAX)
		return request_fail(request, 503);
	etag = arena_strdup(arena, etag);
	begin(request, "PUT", v->hidden, versions_object(arena, v->object, at),
	        "symlink=get&multipart-manifest=get");
	sub_header(&v->sub, "X-Copy-From", request_quoted(request, v->container, v->object));
	sub_header(&v->sub, "If-Match", etag);
	sub_start(&v->sub);
	v->step = COPIED;
	return STEP_WAIT;
}

static void mark(struct request *request)
{
	struct versions *v = request->versions;

	v->id = new_id(request);
	begin(request, "PUT", v->hidden, versions_object(request_arena(request), v->object, v->id),
	        NULL);
	sub_header(&v->sub, "Content-Type", VERSIONS_MARKER);
	sub_start(&v->sub);
	v->step = MARKED;
}

/* The type is guessed by the name that the client gives; when the current object goes is said of
 * the link. */
static enum step prepare_put(struct request *request)
{
	struct versions *v = request->versions;
	const char *type = http_get(request->http, "Content-Type"), *text;
	const char *none_match = http_get(request->http, "If-None-Match");
	bool copies = http_get(request->http, "X-Copy-From");
	uint64_t at;

	if ((text = constraint_delete_at(request, &at)))
		return request_fail_text(request, 400, text);
	v->delete_at = http_get(request->http, "X-Delete-At");
	v->delete_after = http_get(request->http, "X-Delete-After");
	request_set_header(request, "X-Delete-At", NULL);
	request_set_header(request, "X-Delete-After", NULL);
	if (is_true(http_get(request->http, "X-Detect-Content-Type")) ||
	        ((!type || !*type) && !copies && !http_get(request->http, "X-Symlink-Target"))) {
		request_set_header(request, "X-Detect-Content-Type", NULL);
		request_set_header(request, "Content-Type", mime_guess(v->object));
	}
	if (none_match && strcmp(none_match, "*") == 0) {
		v->only_if_absent = true;
		request_set_header(request, "If-None-Match", NULL);
	}
	return STEP_NEXT;
}

static enum step looked(struct request *request)
{
	struct versions *v = request->versions;
	uint64_t id;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status != 404 && !sub_ok(&v->sub))
		return failed(request);
	if (v->sub.status != 404 && v->only_if_absent)
		return request_fail(request, 412);
	if (v->sub.status != 404 && !links(request, &id))
		return keep(request);
	v->step = SWAP;
	return STEP_NEXT;
}

static enum step copied(struct request *request)
{
	struct versions *v = request->versions;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status == 404 && v->tries > 1)
		return request_fail_text(request, 500, GONE_TEXT);
	/* Somebody else has replaced or removed it: look again. */
	if (v->sub.status == 404 || v->sub.status == 412) {
		look(request, v->container, v->object);
		v->step = LOOKED;
		return STEP_WAIT;
	}
	if (!sub_ok(&v->sub))
		return failed(request);
	v->step = SWAP;
	return STEP_NEXT;
}

/* --- a version that is named --- */

/* DELETE: when it is the current one, the link goes first; but not one that was made since. */
static enum step delete_version(struct request *request)
{
	struct versions *v = request->versions;
	const char *ts = sub_get(&v->sub, "X-Timestamp");
	uint64_t id, at;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status != 404 && !sub_ok(&v->sub))
		return failed(request);
	bool linked = links(request, &id);
	v->current_id = linked ? id_text(request, id) : "null";
	v->step = SWAP;
	if (!linked || id != v->id)
		return STEP_NEXT;
	if (!ts || !ts_parse(ts, &at))
		return request_fail(request, 503);
	v->current_id = "null";
	begin(request, "DELETE", v->container, v->object, NULL);
	sub_header(
	        &v->sub, "X-Cairn-Timestamp", id_text(request, commit_time_behind(at, v->began)));
	sub_start(&v->sub);
	v->step = UNLINKED;
	return STEP_WAIT;
}

static enum step unlinked(struct request *request)
{
	struct versions *v = request->versions;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (!sub_ok(&v->sub) && v->sub.status != 404 && v->sub.status != 409)
		return failed(request);
	v->step = SWAP;
	return STEP_NEXT;
}

/* The name of the client becomes a link to the version. */
static void link_to(struct request *request, uint64_t id, const char *etag, const char *bytes,
        const char *type, const char *slo_etag)
{
	static const char *const not_of_links[] = {"Etag", "X-If-Delete-At", "X-Symlink-Target",
	        "X-Symlink-Target-Account", "X-Symlink-Target-Etag", "X-Object-Manifest",
	        "X-Static-Large-Object", SLO_ETAG, SLO_SIZE, "Content-Type",
	        "X-Detect-Content-Type", "X-Copy-From", "X-Copy-From-Account", "Range", "If-Match",
	        "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "X-Delete-At",
	        "X-Delete-After", LINK_TARGET, LINK_ACCOUNT, LINK_ETAG, LINK_BYTES, ROW_ETAG,
	        "X-Object-Sysmeta-Container-Update-Override-Size",
	        "X-Object-Sysmeta-Container-Update-Override-Content-Type", NULL};
	struct versions *v = request->versions;
	struct sub *sub = &v->sub;

	begin(request, "PUT", v->container, v->object, NULL);
	sub_copy_headers(sub, not_of_links);
	sub_header(sub, "X-Symlink-Target",
	        request_quoted(request, v->hidden,
	                versions_object(request_arena(request), v->object, id)));
	sub_header(sub, "X-Symlink-Target-Etag", etag);
	sub_header(sub, LINK_BYTES, bytes);
	sub_header(sub, LINK_VERSION, "true");
	sub_header(sub, LINK_EXTENDS, "true");
	sub_header(sub, LINK_RESERVED, "true");
	sub_header(sub, "Content-Type", type);
	if (slo_etag)
		sub_header(sub, ROW_ETAG,
		        arena_printf(request_arena(request),
		                "d41d8cd98f00b204e9800998ecf8427e; slo_etag=%s", slo_etag));
	if (v->delete_at)
		sub_header(sub, "X-Delete-At", v->delete_at);
	if (v->delete_after)
		sub_header(sub, "X-Delete-After", v->delete_after);
	if (v->only_if_absent)
		sub_header(sub, "If-None-Match", "*");
	sub_start(sub);
}

static enum step find_version(struct request *request)
{
	struct http_req *http = request->http;

	if (!http->has_length && !http->chunked)
		return request_fail_text(request, 411, "Missing Content-Length header.");
	if (http->content_length || http->chunked)
		return request_fail_text(
		        request, 400, "PUT version-id requests require a zero byte body");
	look(request, request->versions->hidden,
	        versions_object(
	                request_arena(request), request->versions->object, request->versions->id));
	request->versions->step = FOUND;
	return STEP_WAIT;
}

static enum step found_version(struct request *request)
{
	struct versions *v = request->versions;
	struct arena *arena = request_arena(request);

	if (!sub_headed(&v->sub) ||
	        !info_get(&v->hidden_info, &request->op, request->proxy, v->account, v->hidden))
		return STEP_WAIT;
	if (v->sub.status == 404 && !v->hidden_info.err && !v->hidden_info.info->exists)
		return request_fail_text(request, 500, GONE_TEXT);
	if (v->sub.status == 404)
		return request_fail_text(request, 404, "The specified version does not exist");
	if (!sub_ok(&v->sub))
		return failed(request);
	const char *etag = sub_get(&v->sub, "Etag"), *type = sub_get(&v->sub, "Content-Type");
	const char *slo = sub_get(&v->sub, SLO_SIZE), *slo_etag = sub_get(&v->sub, SLO_ETAG);
	http_header(request->http, "Etag", etag ? etag : "");
	link_to(request, v->id, arena_strdup(arena, etag ? etag : ""),
	        slo ? arena_strdup(arena, slo)
	            : arena_printf(arena, "%llu", (unsigned long long)v->sub.length),
	        arena_strdup(arena, type ? type : "application/octet-stream"),
	        slo_etag ? arena_strdup(arena, slo_etag) : NULL);
	v->step = RELINKED;
	return STEP_WAIT;
}

static enum step relinked(struct request *request)
{
	struct versions *v = request->versions;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (!sub_ok(&v->sub))
		return failed(request);
	const char *date = sub_get(&v->sub, "Last-Modified");
	if (date)
		http_header(request->http, "Last-Modified", date);
	http_header(request->http, "X-Object-Version-Id", id_text(request, v->id));
	return request_empty(request, v->sub.status);
}

/* --- POST --- */

/* What is said of the object is said of the link and of the version that it leads to. */
static enum step post_link(struct request *request)
{
	struct versions *v = request->versions;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (!links(request, &v->id)) {
		v->step = PASSED;
		return STEP_NEXT;
	}
	begin(request, "POST", v->container, v->object, NULL);
	sub_copy_headers(&v->sub, NULL);
	sub_start(&v->sub);
	v->step = POSTED;
	return STEP_WAIT;
}

static enum step posted(struct request *request)
{
	struct versions *v = request->versions;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status != 307 && !sub_ok(&v->sub))
		return failed(request);
	request_set_header(request, "X-Delete-At", NULL);
	request_set_header(request, "X-Delete-After", NULL);
	v->step = SWAP;
	return STEP_NEXT;
}

/* --- the way of a request --- */

static void end(struct request_end *end)
{
	struct versions *v = CONTAINER_OF(end, struct versions, end);

	sub_done(&v->sub);
	info_fetch_done(&v->hidden_info);
	info_fetch_done(&v->account_info);
}

static struct versions *make(struct request *request)
{
	struct arena *arena = request_arena(request);
	struct versions *v = request->versions = arena_zalloc(arena, sizeof(*v));

	v->account = request->account;
	v->container = request->container;
	v->object = request->object;
	v->hidden = versions_container(arena, request->container);
	v->step = PASSED;
	v->end.run = end;
	request_at_end(request, &v->end);
	return v;
}

/* A version is named: STEP_NEXT when all is well, v->step says how it goes on. */
static enum step name_version(struct request *request, const char *wanted, bool versioned)
{
	bool null = strcmp(wanted, "null") == 0;
	uint64_t id = 0;

	if (is(request, "POST"))
		return request_fail_text(request, 400, "POST to a specific version is not allowed");
	if (!versioned && !null)
		return request_fail_text(request, 400,
		        "version-aware operations require that the container is versioned");
	if (null ? is(request, "PUT") : !ts_parse(wanted, &id))
		return request_fail_text(request, 400, "Invalid version parameter");
	struct versions *v = make(request);
	v->wanted = wanted;
	v->id = id;
	if (is(request, "PUT"))
		return find_version(request);
	if (null || is(request, "OPTIONS"))
		return STEP_NEXT;
	v->step = reads(request) ? SWAP : LOOK;
	return STEP_NEXT;
}

static bool copies_from_client(const struct request *request)
{
	return request->method == &object_put || request->method == &object_delete ||
	       request->method == &object_post;
}

static enum step start(struct request *request)
{
	const struct info *info = request->container_info.info;
	const char *wanted = query_get(&request->query, "version-id");
	bool versioned = info_header(info, VERSIONS_CONTAINER);
	bool enabled = versioned && is_true(info_header(info, VERSIONS_ENABLED));

	if (reserved_name(request->container) || is(request, "COPY"))
		return STEP_NEXT;
	bool copies = is(request, "PUT") && http_get(request->http, "X-Copy-From");
	if (wanted && *wanted && !copies)
		return name_version(request, wanted, versioned);
	if (!versioned)
		return STEP_NEXT;
	struct versions *v = make(request);
	bool writes = is(request, "PUT") || is(request, "DELETE");
	if (is(request, "PUT") && !enabled && quota_is_set(info))
		v->step = COUNT;
	if (!copies_from_client(request) || (writes && !enabled))
		return STEP_NEXT;
	if (strlen(v->object) > request_cluster(request)->limits.max_object_name)
		return STEP_NEXT; /* refused by who comes next */
	v->step = LOOK;
	return is(request, "PUT") ? prepare_put(request) : STEP_NEXT;
}

static enum step go_on(struct request *request)
{
	struct versions *v = request->versions;

	switch (v->step) {
	case LOOK:
		v->began = hlc_now(request_cluster(request)->hlc);
		look(request, v->container, v->object);
		v->step = LOOKED;
		return STEP_WAIT;
	case LOOKED:
		/* Many may be writing it. */
		if (sub_headed(&v->sub) && v->sub.status == 503 && v->looks++ < TRIES_MAX) {
			look(request, v->container, v->object);
			return STEP_WAIT;
		}
		return v->wanted             ? delete_version(request)
		       : is(request, "POST") ? post_link(request)
		                             : looked(request);
	case COPIED:
		return copied(request);
	case SWAP:
		if (is(request, "DELETE") && !v->wanted) {
			mark(request);
			return STEP_WAIT;
		}
		if (is(request, "PUT") && !v->id)
			v->id = new_id(request);
		return swap(request);
	case MARKED:
		if (!sub_headed(&v->sub))
			return STEP_WAIT;
		v->step = PASSED;
		v->made = true;
		return sub_ok(&v->sub)        ? STEP_NEXT
		       : v->sub.status == 404 ? request_fail_text(request, 500, GONE_TEXT)
		                              : failed(request);
	case COUNT:
		if (!know_hidden(request))
			return STEP_WAIT;
		v->step = PASSED;
		return v->hidden_info.err ? request_fail(request, 503) : STEP_NEXT;
	case UNLINKED:
		return unlinked(request);
	case FOUND:
		return found_version(request);
	case RELINKED:
		return relinked(request);
	case POSTED:
		return posted(request);
	}
	return STEP_NEXT;
}

/* Versions by their ids are for owners to see and to delete, whatever the container's ACL says. */
static enum step owner(struct request *request)
{
	struct versions *v = request->versions;
	struct access access = {.account = v->account,
	        .container = v->hidden,
	        .object = true,
	        .reads = reads(request),
	        .deletes = is(request, "DELETE")};
	bool wait;

	if (v->may || !v->id || !v->wanted || !(access.reads || access.deletes))
		return STEP_NEXT;
	enum err err = request_authorize(request, &access, NULL, &v->account_info, &wait);
	if (wait)
		return STEP_WAIT;
	v->may = !err;
	return err ? request_err(request, err) : STEP_NEXT;
}

static enum step pass_object(struct request *request)
{
	enum step step;

	if (!request->versions) {
		step = start(request);
		if (step != STEP_NEXT || !request->versions)
			return step;
	}
	if ((step = owner(request)) != STEP_NEXT)
		return step;
	do
		step = go_on(request);
	while (step == STEP_NEXT && request->versions->step != PASSED);
	return step;
}

static enum step pass(struct request *request)
{
	if (request->object)
		return pass_object(request);
	return request->container ? versions_container_pass(request) : STEP_NEXT;
}

/* --- what others ask --- */

const struct info *versions_named(const struct request *request)
{
	return request->versions && request->versions->swapped ? request->versions->hidden_info.info
	                                                       : request->container_info.info;
}

uint64_t versions_kept(const struct request *request)
{
	const struct versions *v = request->versions;
	const struct info *hidden = NULL;

	if (v)
		hidden = v->swapped ? request->container_info.info : v->hidden_info.info;
	return hidden ? hidden->bytes : 0;
}

/* The link could not be made: what it was to lead to goes. */
static enum step undo(struct request *request)
{
	struct versions *v = request->versions;
	int status = v->sub.status;

	if (!v->undoing) {
		v->undoing = true;
		v->tries = (unsigned)status;
		begin(request, "DELETE", v->hidden, request->object, NULL);
		sub_start(&v->sub);
		return STEP_WAIT;
	}
	return sub_headed(&v->sub) ? request_fail(request, (int)v->tries) : STEP_WAIT;
}

enum step versions_stored(struct request *request, const char *etag, uint64_t size,
        const char *type, const struct buf *headers)
{
	struct versions *v = request->versions;
	struct arena *arena = request_arena(request);
	const char *slo = kv_get(headers->data, headers->len, SLO_SIZE);
	const char *slo_etag = kv_get(headers->data, headers->len, SLO_ETAG);

	if (!v || !v->swapped || v->wanted || !is(request, "PUT"))
		return STEP_NEXT;
	if (v->undoing)
		return undo(request);
	if (!v->linking) {
		v->linking = true;
		link_to(request, v->id, etag,
		        slo ? slo : arena_printf(arena, "%llu", (unsigned long long)size),
		        arena_strndup(arena, type, strcspn(type, ";")), slo_etag);
		return STEP_WAIT;
	}
	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status == 412)
		return undo(request);
	/* One that wants to be the first may have been, for all we know. */
	if (v->sub.status == 503 && !v->only_if_absent && v->looks++ < TRIES_MAX) {
		v->linking = false;
		return versions_stored(request, etag, size, type, headers);
	}
	if (!sub_ok(&v->sub))
		return request_fail(request, v->sub.status == 507 ? 507 : 503);
	v->made = true;
	return STEP_NEXT;
}

enum step versions_found(struct request *request, struct body *body)
{
	const struct versions *v = request->versions;

	if (!v || !v->wanted)
		return STEP_NEXT;
	if (!v->swapped && body->link.reserved) {
		body_close(body);
		return request_fail(request, 404);
	}
	const struct backend_reply *r = body_head(body);
	const char *type = kv_get(r->headers.data, r->headers.len, "Content-Type");
	if (!v->swapped || !type || strcmp(type, VERSIONS_MARKER) != 0)
		return STEP_NEXT;
	body_close(body);
	http_header(request->http, "X-Object-Version-Id", id_text(request, v->id));
	http_header(request->http, "Content-Type", VERSIONS_MARKER);
	request_headers(request, 404);
	http_reply_text(request->http, 404,
	        request->head ? "" : swift_error_body(request_arena(request), 404));
	return STEP_DONE;
}

/* --- answers --- */

/* In place of the hidden path, the one that the client knows. False: it is not of a version. */
static bool rewrite(struct request *request, struct buf *out, const char *name, const char *value,
        bool location)
{
	struct versions *v = request->versions;
	struct arena *arena = request_arena(request);
	const char *rest = value, *container, *object;
	AUTO(buf) struct buf plain = BUF_NONE;
	uint64_t id;

	for (int slashes = 0; location && slashes < 3 && rest; slashes++) {
		rest = strchr(rest, '/');
		rest = rest ? rest + 1 : NULL;
	}
	if (!rest || !link_split(arena, rest, &container, &object) ||
	        strcmp(container, v->hidden) != 0 || !versions_parse(object, &plain, &id))
		return false;
	kv_add(out, "X-Object-Version-Id", id_text(request, id));
	kv_add(out, name,
	        arena_printf(arena, "%.*s%s?version-id=%s", (int)(rest - value), value,
	                request_quoted(request, v->container, v->object), id_text(request, id)));
	return true;
}

static void answer_read(struct request *request)
{
	struct buf all = request->http->out, told = BUF_NONE;
	struct kv_pair pair;
	bool found = false;

	for (size_t at = 0; kv_next(all.data, all.len, &at, &pair);) {
		bool location = strcasecmp(pair.name, "Content-Location") == 0;
		if ((location || strcasecmp(pair.name, "X-Symlink-Target") == 0) &&
		        rewrite(request, &told, pair.name, pair.value, location))
			found = true;
		else
			kv_add(&told, pair.name, pair.value);
	}
	if (!found)
		kv_add(&told, "X-Object-Version-Id", "null");
	buf_done(&all);
	request->http->out = told;
}

static void answer(struct request *request, int status)
{
	const struct versions *v = request->versions;

	if (request->container && !request->object) {
		versions_container_answer(request, status);
		return;
	}
	if (!v)
		return;
	bool ok = status / 100 == 2;
	if (reads(request) || is(request, "OPTIONS")) {
		if (v->swapped && (ok || status == 304 || status == 412 || status == 416))
			http_header(request->http, "X-Object-Version-Id", id_text(request, v->id));
		else if (!v->swapped && (!v->wanted || ok))
			answer_read(request);
	} else if (v->made && (ok || status == 404)) {
		http_header(request->http, "X-Object-Version-Id", id_text(request, v->id));
	} else if (is(request, "DELETE") && v->current_id) {
		http_header(request->http, "X-Object-Version-Id", id_text(request, v->id));
		http_header(request->http, "X-Object-Current-Version-Id", v->current_id);
	}
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	(void)cluster;
	(void)out;
	return true;
}

const struct unit unit_object_versioning = {
        .name = "object_versioning", .pass = pass, .answer = answer, .info = tell};
