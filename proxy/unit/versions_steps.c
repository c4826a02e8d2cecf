#include "proxy/unit/versions_steps.h"
#include "proxy/commit.h"
#include "proxy/mime.h"
#include "proxy/params.h"
#include "proxy/pipeline.h"
#include "proxy/put.h"
#include "proxy/quota.h"
#include "proxy/s3/class.h"
#include "proxy/s3/sse.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/symlink.h"

#include "lib/base/kv.h"
#include <string.h>

#define SLO_ETAG "X-Object-Sysmeta-Slo-Etag"
#define SLO_SIZE "X-Object-Sysmeta-Slo-Size"

const char *versions_id_text(struct request *request, uint64_t id)
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

void versions_look(struct request *request, const char *container, const char *object)
{
	begin(request, "HEAD", container, object, "symlink=get&multipart-manifest=get");
	sub_start(&request->versions->sub);
}

/* Is the current object a link to a version of this container? Its id is then told. */
static bool links(struct request *request, uint64_t *ret_id)
{
	const struct versions *v = request->versions;
	const char *target = sub_get(&v->sub, LINK_TARGET), *container, *object;
	AUTO(buf) struct buf name = BUF_NONE;

	return sub_ok(&v->sub) && sub_get(&v->sub, LINK_VERSION) && target &&
	       link_split(request_arena(request), target, &container, &object) &&
	       strcmp(container, v->hidden) == 0 && versions_parse(object, &name, ret_id);
}

/* What went wrong with a request of ours. */
enum step versions_failed(struct request *request)
{
	int status = request->versions->sub.status;

	if (status == 404)
		return request_fail(request, 412);
	return request_fail(request, status / 100 == 4 || status == 507 ? status : 503);
}

/* Facts of where the versions are; with a quota, of what was just written as well. */
bool versions_know_hidden(struct request *request)
{
	struct versions *v = request->versions;

	if (!v->hidden_info.started && !v->hidden_info.done &&
	        quota_is_set(request->container_info.info))
		info_changed(request_cluster(request), v->account, v->hidden);
	return info_get(&v->hidden_info, &request->op, request->proxy, v->account, v->hidden);
}

/* From here on the request is about a version. */
enum step versions_swap(struct request *request)
{
	struct versions *v = request->versions;

	if (!versions_know_hidden(request))
		return STEP_WAIT;
	if (v->hidden_info.err)
		return request_fail(request, 503);
	if (!v->hidden_info.info->exists && is_method(request, "PUT"))
		return request_fail_text(request, 500, VERSIONS_GONE_TEXT);
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
uint64_t versions_new_id(struct request *request)
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

	if (!ts || !etag || !ts_parse(ts, &at) || v->tries++ >= VERSIONS_TRIES)
		return request_fail(request, 503);
	etag = arena_strdup(arena, etag);
	begin(request, "PUT", v->hidden, versions_object(arena, v->object, at),
	        "symlink=get&multipart-manifest=get");
	sub_header(&v->sub, "X-Copy-From", request_quoted(request, v->container, v->object));
	sub_header(&v->sub, "If-Match", etag);
	sub_header(&v->sub, VERSIONS_NULL, "true");
	sub_start(&v->sub);
	v->step = COPIED;
	return STEP_WAIT;
}

void versions_mark(struct request *request)
{
	struct versions *v = request->versions;

	v->id = versions_new_id(request);
	begin(request, "PUT", v->hidden, versions_object(request_arena(request), v->object, v->id),
	        NULL);
	sub_header(&v->sub, "Content-Type", VERSIONS_MARKER);
	sub_start(&v->sub);
	v->step = MARKED;
}

/* The type is guessed by the name that the client gives; when the current object goes is said of
 * the link. */
enum step versions_prepare_put(struct request *request)
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
	v->if_there = http_get(request->http, PUT_IF_THERE);
	request_set_header(request, PUT_IF_THERE, NULL);
	return STEP_NEXT;
}

enum step versions_looked(struct request *request)
{
	struct versions *v = request->versions;
	uint64_t id;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status != 404 && !sub_ok(&v->sub))
		return versions_failed(request);
	if (v->sub.status != 404 && v->only_if_absent)
		return request_fail(request, 412);
	if (v->sub.status != 404 && !links(request, &id))
		return keep(request);
	v->step = SWAP;
	return STEP_NEXT;
}

enum step versions_copied(struct request *request)
{
	struct versions *v = request->versions;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status == 404 && v->tries > 1)
		return request_fail_text(request, 500, VERSIONS_GONE_TEXT);
	/* Somebody else has replaced or removed it: look again. */
	if (v->sub.status == 404 || v->sub.status == 412) {
		versions_look(request, v->container, v->object);
		v->step = LOOKED;
		return STEP_WAIT;
	}
	if (!sub_ok(&v->sub))
		return versions_failed(request);
	v->step = SWAP;
	return STEP_NEXT;
}

/* --- a version that is named --- */

/* DELETE: when it is the current one, the link goes first; but not one that was made since. */
enum step versions_delete(struct request *request)
{
	struct versions *v = request->versions;
	const char *ts = sub_get(&v->sub, "X-Timestamp");
	uint64_t id, at;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status != 404 && !sub_ok(&v->sub))
		return versions_failed(request);
	bool linked = links(request, &id);
	v->current_id = linked ? versions_id_text(request, id) : "null";
	v->step = SWAP;
	if (!linked || id != v->id)
		return STEP_NEXT;
	if (!ts || !ts_parse(ts, &at))
		return request_fail(request, 503);
	v->current_id = "null";
	begin(request, "DELETE", v->container, v->object, NULL);
	sub_header(&v->sub, PUT_IF_THERE, versions_id_text(request, at));
	sub_start(&v->sub);
	v->step = UNLINKED;
	return STEP_WAIT;
}

enum step versions_unlinked(struct request *request)
{
	struct versions *v = request->versions;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (!sub_ok(&v->sub) && v->sub.status != 404 && v->sub.status != 412)
		return versions_failed(request);
	/* Another link is there by now: it may lead to the same version. */
	if (v->sub.status == 412 && v->looks++ < VERSIONS_TRIES) {
		versions_look(request, v->container, v->object);
		v->step = LOOKED;
		return STEP_WAIT;
	}
	v->step = SWAP;
	return STEP_NEXT;
}

/* What the link's row tells of the version, by that one's own: "; s3_etag=...; slo_etag=...". */
static const char *row_params(struct arena *arena, const char *row)
{
	static const char *const names[] = {"s3_etag", "s3_class", S3_WRITTEN_PARAM, "slo_etag"};
	const char *all = "", *value;
	size_t len;

	for (unsigned i = 0; row && strchr(row, ';') && i < COUNT_OF(names); i++) {
		if ((value = params_get(row, names[i], &len)))
			all = arena_printf(arena, "%s; %s=%.*s", all, names[i], (int)len, value);
	}
	return all;
}

/* The name of the client becomes a link to the version. params: as row_params has them. */
static void link_to(struct request *request, uint64_t id, const char *etag, const char *bytes,
        const char *type, const char *params)
{
	static const char *const not_of_links[] = {"Etag", "X-If-Delete-At", "X-Symlink-Target",
	        "X-Symlink-Target-Account", "X-Symlink-Target-Etag", "X-Object-Manifest",
	        "X-Static-Large-Object", SLO_ETAG, SLO_SIZE, "Content-Type",
	        "X-Detect-Content-Type", "X-Copy-From", "X-Copy-From-Account", "Range", "If-Match",
	        "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "X-Delete-At",
	        "X-Delete-After", PUT_IF_THERE, LINK_TARGET, LINK_ACCOUNT, LINK_ETAG, LINK_BYTES,
	        S3_SSE, ROW_ETAG, "X-Object-Sysmeta-Container-Update-Override-Size",
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
	if (*params)
		sub_header(sub, ROW_ETAG,
		        arena_printf(request_arena(request), EMPTY_MD5 "%s", params));
	if (v->delete_at)
		sub_header(sub, "X-Delete-At", v->delete_at);
	if (v->delete_after)
		sub_header(sub, "X-Delete-After", v->delete_after);
	if (v->only_if_absent)
		sub_header(sub, "If-None-Match", "*");
	if (v->if_there)
		sub_header(sub, PUT_IF_THERE, v->if_there);
	sub_start(sub);
}

enum step versions_find(struct request *request)
{
	struct http_req *http = request->http;

	if (!http->has_length && !http->chunked)
		return request_fail_text(request, 411, "Missing Content-Length header.");
	if (http->content_length || http->chunked)
		return request_fail_text(
		        request, 400, "PUT version-id requests require a zero byte body");
	versions_look(request, request->versions->hidden,
	        versions_object(
	                request_arena(request), request->versions->object, request->versions->id));
	request->versions->step = FOUND;
	return STEP_WAIT;
}

enum step versions_found_version(struct request *request)
{
	struct versions *v = request->versions;
	struct arena *arena = request_arena(request);

	if (!sub_headed(&v->sub) ||
	        !info_get(&v->hidden_info, &request->op, request->proxy, v->account, v->hidden))
		return STEP_WAIT;
	if (v->sub.status == 404 && !v->hidden_info.err && !v->hidden_info.info->exists)
		return request_fail_text(request, 500, VERSIONS_GONE_TEXT);
	if (v->sub.status == 404)
		return request_fail_text(request, 404, "The specified version does not exist");
	if (!sub_ok(&v->sub))
		return versions_failed(request);
	const char *etag = sub_get(&v->sub, "Etag"), *type = sub_get(&v->sub, "Content-Type");
	const char *slo = sub_get(&v->sub, SLO_SIZE),
	           *params = row_params(arena, sub_get(&v->sub, ROW_ETAG));
	http_header(request->http, "Etag", etag ? etag : "");
	link_to(request, v->id, arena_strdup(arena, etag ? etag : ""),
	        slo ? arena_strdup(arena, slo)
	            : arena_printf(arena, "%llu", (unsigned long long)v->sub.length),
	        arena_strdup(arena, type ? type : "application/octet-stream"), params);
	v->step = RELINKED;
	return STEP_WAIT;
}

enum step versions_relinked(struct request *request)
{
	struct versions *v = request->versions;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (!sub_ok(&v->sub))
		return versions_failed(request);
	const char *date = sub_get(&v->sub, "Last-Modified");
	if (date)
		http_header(request->http, "Last-Modified", date);
	http_header(request->http, "X-Object-Version-Id", versions_id_text(request, v->id));
	return request_empty(request, v->sub.status);
}

/* --- POST --- */

/* What is said of the object is said of the link and of the version that it leads to. */
enum step versions_post(struct request *request)
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

enum step versions_posted(struct request *request)
{
	struct versions *v = request->versions;

	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status != 307 && !sub_ok(&v->sub))
		return versions_failed(request);
	request_set_header(request, "X-Delete-At", NULL);
	request_set_header(request, "X-Delete-After", NULL);
	v->step = SWAP;
	return STEP_NEXT;
}

/* --- the version is stored --- */

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

/* By S3's rules what is written while no versions are kept is "null", and replaces the one that is
 * kept. */
static enum step replace_null(struct request *request)
{
	struct versions *v = request->versions;
	struct arena *arena = request_arena(request);
	enum s3_error error;
	uint64_t id;

	if (!v->undoing) {
		v->null.looked = true; /* at the name: that is ours */
		if (!s3_null_find(
		            request, &v->null, v->account, v->container, v->object, &error, &id))
			return STEP_WAIT;
		if (error)
			return error == S3_NoSuchVersion ? STEP_NEXT : request_fail(request, 503);
		v->undoing = true;
		begin(request, "DELETE", v->hidden, versions_object(arena, v->object, id), NULL);
		sub_start(&v->sub);
	}
	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	return sub_ok(&v->sub) || v->sub.status == 404 ? STEP_NEXT : versions_failed(request);
}

static bool speaks_s3(const struct request *request)
{
	for (; request; request = request->parent) {
		if (request->s3)
			return true;
	}
	return false;
}

enum step versions_stored(struct request *request, const char *etag, uint64_t size,
        const char *type, const struct buf *headers)
{
	struct versions *v = request->versions;
	struct arena *arena = request_arena(request);
	const char *slo = kv_get(headers->data, headers->len, SLO_SIZE);

	if (v && !v->swapped && is_method(request, "PUT") && speaks_s3(request) &&
	        s3_versioning(request->container_info.info) == S3_SUSPENDED)
		return replace_null(request);
	if (!v || !v->swapped || v->wanted || !is_method(request, "PUT"))
		return STEP_NEXT;
	if (v->undoing)
		return undo(request);
	if (!v->linking) {
		v->linking = true;
		link_to(request, v->id, etag,
		        slo ? slo : arena_printf(arena, "%llu", (unsigned long long)size),
		        arena_strndup(arena, type, strcspn(type, ";")),
		        row_params(arena, kv_get(headers->data, headers->len, ROW_ETAG)));
		return STEP_WAIT;
	}
	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (v->sub.status == 412)
		return undo(request);
	/* One that wants to be the first may have been, for all we know. */
	if (v->sub.status == 503 && !v->only_if_absent && !v->if_there &&
	        v->looks++ < VERSIONS_TRIES) {
		v->linking = false;
		return versions_stored(request, etag, size, type, headers);
	}
	if (!sub_ok(&v->sub))
		return request_fail(request, v->sub.status == 507 ? 507 : 503);
	v->made = true;
	return STEP_NEXT;
}
