/* Object POST: new metadata for the newest version; and DELETE.
 *
 *   POST    prepare -> read (the version's headers) -> commit (-> look (-> read))
 *   DELETE  prepare -> commit; of an object that expires -> read (when) -> commit */
#include "proxy/commit.h"
#include "proxy/params.h"
#include "proxy/proxy.h"
#include "proxy/put.h"
#include "proxy/reader.h"
#include "proxy/s3/class.h"
#include "proxy/s3/event.h"
#include "proxy/sync_queue.h"
#include "proxy/unit/symlink.h"

#include "lib/base/kv.h"
#include "lib/crypto/md5.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PREPARE, READ, COMMIT, LOOK };

struct post {
	struct reader reader;
	struct commit commit;
	uint64_t delete_at, first_ts; /* first_ts: of the DELETE that found it expires */
	uint64_t began;               /* X-If-Delete-At: the read; else 0 */
	const struct s3_event *event;
	bool reading;
	struct reader later; /* what was in a POST's way */
	bool looking;
};

static void post_done(struct request *request)
{
	struct post *post = request->own;

	reader_done(&post->reader);
	reader_done(&post->later);
	commit_done(&post->commit);
}

static bool is_post(const struct request *request)
{
	return request->method == &object_post;
}

static const char *const post_headers[] = {"Content-Disposition", "Content-Encoding",
        "Cache-Control", "Content-Language", "Expires", "X-Robots-Tag", "X-Object-Manifest"};

/* What S3 says of an object and may change: stays where a POST says nothing of it. */
#define TRANSIENT "X-Object-Transient-Sysmeta-S3-"

/* What stays is the content type, unless a new one is given, with what it says of the size, that it
 * is a static large object, and system metadata; all else is what the POST says
 * (swift/obj/diskfile.py, the overlay of .meta over .data). */
static const char *new_headers(struct request *request, struct post *post, struct buf *out)
{
	const struct backend_reply *r = post->reader.reply, *stored = post->reader.stored;
	const char *type = http_get(request->http, "Content-Type");
	struct kv_pair pair;

	const char *old_type = kv_get(r->headers.data, r->headers.len, "Content-Type");
	const char *slo = kv_get(r->headers.data, r->headers.len, "X-Static-Large-Object");
	uint64_t bytes;

	if (!type || !*type)
		type = old_type ? old_type : "application/octet-stream";
	else if (old_type && params_swift_bytes(old_type, &bytes))
		type = arena_printf(request_arena(request), "%s;swift_bytes=%llu", type,
		        (unsigned long long)bytes);
	kv_add(out, "Content-Type", type);
	if (slo)
		kv_add(out, "X-Static-Large-Object", slo);
	request_copy_headers(request, out, "X-Object-Meta-");
	request_copy_headers(request, out, TRANSIENT);
	for (unsigned i = 0; i < COUNT_OF(post_headers); i++) {
		const char *value = http_get(request->http, post_headers[i]);
		if (value && *value)
			kv_add(out, post_headers[i], value);
	}
	if (post->delete_at) {
		char text[24];
		snprintf(text, sizeof(text), "%llu", (unsigned long long)post->delete_at);
		kv_add(out, "X-Delete-At", text);
	}
	for (size_t at = 0; kv_next(stored->headers.data, stored->headers.len, &at, &pair);) {
		if (has_prefix(pair.name, "X-Object-Sysmeta-"))
			kv_add(out, pair.name, pair.value);
	}
	for (size_t at = 0; kv_next(r->headers.data, r->headers.len, &at, &pair);) {
		if (has_prefix(pair.name, TRANSIENT) && !kv_get(out->data, out->len, pair.name))
			kv_add(out, pair.name, pair.value);
	}
	const struct seal_keys *keys = request_cluster(request)->seal;
	if (keys && (keys->active || seal_is_sealed(stored)))
		seal_metadata(keys,
		        (struct seal_path){request->account, request->container, request->object},
		        out);
	return type;
}

static void start_commit(struct request *request, struct post *post)
{
	const struct backend_reply *r = post->reader.reply;
	const char *old = r ? kv_get(r->headers.data, r->headers.len, "X-Delete-At") : NULL;
	uint64_t old_at = old ? strtoull(old, NULL, 10) : 0;
	AUTO(buf) struct buf headers = BUF_NONE;
	char etag[33] = "";

	post->commit.set_time = request->set_ts != 0;
	post->commit.synced = sync_since(request->container_info.info);
	if (!post->event)
		post->event =
		        s3_event_of(request, is_post(request) ? S3_EVENT_POST : S3_EVENT_DELETE,
		                request->container_info.info, request->container, request->object);
	post->commit.event = post->event;
	struct backend_msg *msg = commit_message(&post->commit,
	        is_post(request) ? BACKEND_OBJECT_POST : BACKEND_OBJECT_DELETE, &request->op,
	        request->proxy, request->container_info.info->policy, request->account,
	        request->container, request->object);
	if (request->set_ts)
		msg->ts = request->set_ts;
	else if (post->began)
		commit_behind(&post->commit, r, post->began);
	request->ts = msg->ts;
	struct backend_row row = {.deleted = !is_post(request), .etag = etag};
	if (is_post(request)) {
		post->commit.known = r->ts;
		row.content_type = new_headers(request, post, &headers);
		row.ts = r->ts;
		row.bytes = r->size;
		md5_hex(r->etag, etag);
		backend_msg_headers(msg, &headers);
	}
	const char *if_there = is_post(request) ? NULL : http_get(request->http, PUT_IF_THERE);
	if (if_there && ts_parse(if_there, &post->commit.only_if_at))
		msg->handle = atomic_fetch_add(&request_cluster(request)->next_stage, 1);
	msg->if_lasting = !post->reading && !if_there;
	commit_updates(&post->commit, &row, old_at, post->delete_at);
	commit_start(&post->commit);
}

/* X-If-Delete-At: delete only what is due to expire just then (the expirer's own condition). */
static int check_if_delete_at(struct request *request, const struct post *post)
{
	const char *wanted = http_get(request->http, "X-If-Delete-At");
	const struct backend_reply *r = post->reader.reply;
	uint64_t at, is;

	if (!wanted)
		return 0;
	if (!ts_parse(wanted, &at))
		return 400;
	if (post->reader.err || !r)
		return 404;
	const char *has = kv_get(r->headers.data, r->headers.len, "X-Delete-At");
	return has && ts_parse(has, &is) && is == at ? 0 : 412;
}

static enum step post_read(struct op *op)
{
	struct request *request = request_of(op);
	struct post *post = request->own;
	const struct info *info = request->container_info.info;
	const char *text;
	int status;

	if (!post) {
		if (!info->exists)
			return request_fail(request, 404);
		post = request->own = arena_zalloc(request_arena(request), sizeof(*post));
		request->own_done = post_done;
		if (is_post(request)) {
			if ((text = constraint_metadata(request, "object")) ||
			        (text = constraint_delete_at(request, &post->delete_at)))
				return request_fail_text(request, 400, text);
		}
		if (!is_post(request) && !http_get(request->http, "X-If-Delete-At")) {
			start_commit(request, post);
			return op_go(op, COMMIT);
		}
	}
	if (!post->reading) {
		post->reading = true;
		if (!is_post(request) && http_get(request->http, "X-If-Delete-At"))
			post->began = hlc_now(request_cluster(request)->hlc);
		reader_open(&post->reader, op, request->proxy, info->policy, request->account,
		        request->container, request->object, 0, 0);
	}
	if (!reader_ready(&post->reader))
		return STEP_WAIT;
	reader_close(&post->reader);
	if (!is_post(request) && (status = check_if_delete_at(request, post)))
		return request_fail(request, status);
	if (post->reader.err && post->reader.err != ERR_NOT_FOUND)
		return request_fail(request, 503);
	if (is_post(request) && (post->reader.err || request_expired(request, post->reader.reply)))
		return request_fail(request, 404);
	start_commit(request, post);
	return op_go(op, COMMIT);
}

static enum step posted(struct request *request, const struct post *post)
{
	enum step step = link_posted(request, post->reader.reply);

	return step == STEP_NEXT ? request_empty(request, 202) : step;
}

/* Is it the version that we were for, moved to another storage class meanwhile? */
static bool is_moved(const struct post *post)
{
	const struct backend_reply *was = post->reader.reply, *is = post->later.reply;

	return !post->later.err && kv_get(is->headers.data, is->headers.len, S3_WRITTEN) &&
	       is->ts > was->ts && s3_written(is) == s3_written(was);
}

/* A later body was in the way of a POST, or may have been: it ends with the version that it was
 * for; but not when nobody but we have put another there. Then nobody can have seen the POST: the
 * move would have found it. */
static enum step post_look(struct op *op)
{
	struct request *request = request_of(op);
	struct post *post = request->own;

	if (!post->looking) {
		post->looking = true;
		reader_open(&post->later, op, request->proxy, request->container_info.info->policy,
		        request->account, request->container, request->object, 0, 0);
	}
	if (!reader_ready(&post->later))
		return STEP_WAIT;
	reader_close(&post->later);
	if (post->later.err && post->later.err != ERR_NOT_FOUND)
		return request_fail(request, 503);
	bool moved = is_moved(post);
	reader_done(&post->later);
	post->later = (struct reader){0};
	if (!moved)
		return post->commit.err ? request_fail(request, 503) : posted(request, post);
	reader_done(&post->reader);
	post->reader = (struct reader){0};
	commit_done(&post->commit);
	post->commit = (struct commit){0};
	post->reading = post->looking = false;
	return op_go(op, READ);
}

static enum step post_commit(struct op *op)
{
	struct request *request = request_of(op);
	struct post *post = request->own;

	if (!commit_ready(&post->commit))
		return STEP_WAIT;
	if (post->commit.err == ERR_PRECONDITION && post->commit.only_if_at)
		return request_fail(request, 412);
	if (post->commit.err == ERR_PRECONDITION) {
		post->first_ts = post->commit.msg->ts;
		commit_done(&post->commit);
		post->commit = (struct commit){0};
		return op_go(op, READ);
	}
	bool done = !post->commit.err || post->commit.err == ERR_UNAVAILABLE;
	if (is_post(request) && post->commit.passed && done)
		return op_go(op, LOOK);
	switch (post->commit.err) {
	case ERR_OK:
		if (!is_post(request) && post->reader.reply && !post->reader.err &&
		        request_expired(request, post->reader.reply))
			return request_fail(request, 404);
		/* Gone, unless by the tombstone that a lagging replica took from us before. */
		if (!is_post(request) && post->reader.err == ERR_NOT_FOUND &&
		        post->reader.reply->ts != post->first_ts)
			return request_fail(request, 404);
		return is_post(request) ? posted(request, post) : request_empty(request, 204);
	case ERR_NOT_FOUND:
		return request_fail(request, 404);
	case ERR_CONFLICT:
		if (!is_post(request))
			return request_fail(request, 409);
		/* Meanwhile it has expired: who deleted it for that may not have seen that it is to
		 * live longer. */
		return request_expired(request, post->reader.reply) ? request_fail(request, 503)
		                                                    : posted(request, post);
	case ERR_NO_SPACE:
		return request_fail(request, 507);
	default:
		return request_fail(request, 503);
	}
}

static const struct op_state states[] = {
        [PREPARE] = {"prepare", request_prepare, TO(READ), 15000},
        [READ] = {"read", post_read, TO(COMMIT), 0},
        [COMMIT] = {"commit", post_commit, TO(READ) | TO(LOOK), 0},
        [LOOK] = {"look", post_look, TO(READ), 0},
};
const struct method object_post = {.name = "object-post", .states = states, .writes = true};
const struct method object_delete = {.name = "object-delete", .states = states, .writes = true};
