#include "proxy/body.h"
#include "proxy/pipeline.h"
#include "proxy/put.h"
#include "proxy/quota.h"
#include "proxy/s3/lock.h"
#include "proxy/s3/version.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/symlink.h"
#include "proxy/unit/versions_steps.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

/* --- the way of a request --- */

static void end(struct request_end *end)
{
	struct versions *v = CONTAINER_OF(end, struct versions, end);

	sub_done(&v->sub);
	sub_done(&v->null.sub);
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

	if (is_method(request, "POST"))
		return request_fail_text(request, 400, "POST to a specific version is not allowed");
	if (!versioned && !null)
		return request_fail_text(request, 400,
		        "version-aware operations require that the container is versioned");
	if (null ? is_method(request, "PUT") : !ts_parse(wanted, &id))
		return request_fail_text(request, 400, "Invalid version parameter");
	struct versions *v = make(request);
	v->wanted = wanted;
	v->id = id;
	const char *none_match = http_get(request->http, "If-None-Match");
	v->only_if_absent = none_match && strcmp(none_match, "*") == 0;
	v->if_there = http_get(request->http, PUT_IF_THERE);
	if (is_method(request, "PUT"))
		return versions_find(request);
	if (is_method(request, "DELETE") && !request->trusted &&
	        s3_lock_enabled(request->container_info.info)) {
		v->step = LOCKS;
		return STEP_NEXT;
	}
	if (null || is_method(request, "OPTIONS"))
		return STEP_NEXT;
	v->step = is_read(request) ? SWAP : LOOK;
	return STEP_NEXT;
}

/* What S3's object lock protects is so for all. */
static enum step look_for_lock(struct request *request)
{
	struct versions *v = request->versions;

	if (v->step == LOCKS) {
		if (v->id)
			versions_look(request, v->hidden,
			        versions_object(request_arena(request), v->object, v->id));
		else
			versions_look(request, v->container, v->object);
		v->step = LOCK_SEEN;
	}
	if (!sub_headed(&v->sub))
		return STEP_WAIT;
	if (!sub_ok(&v->sub) && v->sub.status != 404)
		return versions_failed(request);
	if (s3_locked(&v->sub.headers, s3_lock_now(request), false))
		return request_fail(request, 403);
	v->step = v->id ? LOOK : PASSED;
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

	if (reserved_name(request->container) || is_method(request, "COPY"))
		return STEP_NEXT;
	bool copies = is_method(request, "PUT") && http_get(request->http, "X-Copy-From");
	if (wanted && *wanted && !copies)
		return name_version(request, wanted, versioned);
	if (!versioned)
		return STEP_NEXT;
	struct versions *v = make(request);
	bool writes = is_method(request, "PUT") || is_method(request, "DELETE");
	if (is_method(request, "PUT") && !enabled && quota_is_set(info))
		v->step = COUNT;
	if (!copies_from_client(request) || (writes && !enabled))
		return STEP_NEXT;
	if (strlen(v->object) > request_cluster(request)->limits.max_object_name)
		return STEP_NEXT; /* refused by who comes next */
	v->step = LOOK;
	return is_method(request, "PUT") ? versions_prepare_put(request) : STEP_NEXT;
}

static enum step go_on(struct request *request)
{
	struct versions *v = request->versions;

	switch (v->step) {
	case LOOK:
		versions_look(request, v->container, v->object);
		v->step = LOOKED;
		return STEP_WAIT;
	case LOOKED:
		/* Many may be writing it. */
		if (sub_headed(&v->sub) && v->sub.status == 503 && v->looks++ < VERSIONS_TRIES) {
			versions_look(request, v->container, v->object);
			return STEP_WAIT;
		}
		return v->wanted                    ? versions_delete(request)
		       : is_method(request, "POST") ? versions_post(request)
		                                    : versions_looked(request);
	case LOCKS:
	case LOCK_SEEN:
		return look_for_lock(request);
	case COPIED:
		return versions_copied(request);
	case SWAP:
		if (is_method(request, "DELETE") && !v->wanted) {
			versions_mark(request);
			return STEP_WAIT;
		}
		if (is_method(request, "PUT") && !v->id)
			v->id = versions_new_id(request);
		return versions_swap(request);
	case MARKED:
		if (!sub_headed(&v->sub))
			return STEP_WAIT;
		v->step = PASSED;
		v->made = true;
		return sub_ok(&v->sub)        ? STEP_NEXT
		       : v->sub.status == 404 ? request_fail_text(request, 500, VERSIONS_GONE_TEXT)
		                              : versions_failed(request);
	case COUNT:
		if (!versions_know_hidden(request))
			return STEP_WAIT;
		v->step = PASSED;
		return v->hidden_info.err ? request_fail(request, 503) : STEP_NEXT;
	case UNLINKED:
		return versions_unlinked(request);
	case FOUND:
		return versions_found_version(request);
	case RELINKED:
		return versions_relinked(request);
	case POSTED:
		return versions_posted(request);
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
	        .reads = is_read(request),
	        .deletes = is_method(request, "DELETE")};
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
	if (request->s3)
		return s3_version_marker(request, versions_id_text(request, v->id), r);
	http_header(request->http, "X-Object-Version-Id", versions_id_text(request, v->id));
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
	kv_add(out, "X-Object-Version-Id", versions_id_text(request, id));
	kv_add(out, name,
	        arena_printf(arena, "%.*s%s?version-id=%s", (int)(rest - value), value,
	                request_quoted(request, v->container, v->object),
	                versions_id_text(request, id)));
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
	if (is_read(request) || is_method(request, "OPTIONS")) {
		if (v->swapped && (ok || status == 304 || status == 412 || status == 416))
			http_header(request->http, "X-Object-Version-Id",
			        versions_id_text(request, v->id));
		else if (!v->swapped && (!v->wanted || ok))
			answer_read(request);
	} else if (v->made && (ok || status == 404)) {
		http_header(request->http, "X-Object-Version-Id", versions_id_text(request, v->id));
	} else if (is_method(request, "DELETE") && v->current_id) {
		http_header(request->http, "X-Object-Version-Id", versions_id_text(request, v->id));
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
