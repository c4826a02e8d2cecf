/* Object PUT and COPY.
 *
 *   prepare -> check (-> source) -> target -> receive -> verify -> commit
 *
 * The body comes in pieces of BACKEND_PIECE. One that fits in a single inline piece travels in the
 * commit itself; of a larger one each piece is staged on all primaries while the next comes in.
 * Where the policy is erasure-coded, pieces go to ec_put.h instead.
 * For a copy the pieces come from the source instead of the client. */
#include "proxy/body.h"
#include "proxy/commit.h"
#include "proxy/conditional.h"
#include "proxy/ec_put.h"
#include "proxy/mime.h"
#include "proxy/params.h"
#include "proxy/proxy.h"
#include "proxy/quota.h"
#include "proxy/seal.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include "lib/crypto/md5_lanes.h"
#include "lib/http/range.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PREPARE, CHECK, SOURCE, TARGET, RECEIVE, VERIFY, COMMIT };

#define PIECES_MAX  4 /* staged or hashed at once, of one upload */
#define DEADLINE_MS 30000

struct piece {
	struct put *put;
	struct bytes *bytes;  /* owned */
	struct bytes *stored; /* owned: the same, or sealed */
	struct md5_job job;
	struct fan staged;
	struct credit credit;
	size_t offset, len;
	bool hashed, used;
};

/* A finished copy of the source, for COPY and X-Copy-From. */
struct copy {
	const char *account, *container, *object;
	struct info_fetch container_info, account_info;
	struct body body;
	struct range ranges[RANGE_MAX];
	struct bytes *gathered, *over; /* owned: a piece being filled; what did not fit into it */
	/* As the client names it, when that is a version of it. */
	const char *named_container, *named_object;
	bool opened, fresh;
	uint64_t left;
};

struct put {
	struct request *request;
	const char *account, *container, *object; /* destination */
	unsigned policy;
	struct info_fetch container_info, account_info; /* of another destination (COPY) */
	struct info_fetch quota_info;
	const struct info *info;
	const char *content_type, *wanted_etag;
	uint64_t delete_at, size, stage;
	struct seal seal;   /* with an aead: what is stored is sealed */
	size_t piece_bytes; /* of a whole piece, as it comes in */
	uint64_t stored;    /* bytes so far, as stored */
	uint64_t staged_ts; /* plain backends: when the first piece was staged, and the object's */
	struct md5_stream md5;
	uint8_t digest[16];
	struct piece pieces[PIECES_MAX];
	struct bytes *next_piece; /* arrived while the one before was being hashed */
	bool last, receiving, staging, too_large, failed, full, hashing, large;
	struct bytes *inline_body; /* owned */
	/* For the piece that comes in, or all of a copy's; for the inline body. */
	struct credit incoming, kept;
	struct copy *copy;
	struct commit commit;
	struct ec_put ec;
	struct fan unstage;
	struct place place;
	uint64_t lost; /* of the place: failed a piece */
};

static struct put *put_of(struct request *request)
{
	return request->own;
}

static void put_done(struct request *request)
{
	struct put *put = request->own;

	if (put->large)
		md5_engine_leave(request->proxy->md5);
	for (unsigned i = 0; i < PIECES_MAX; i++) {
		fan_done(&put->pieces[i].staged);
		bytes_unref(put->pieces[i].bytes);
		bytes_unref(put->pieces[i].stored);
		credit_give(&put->pieces[i].credit);
	}
	credit_give(&put->incoming);
	credit_give(&put->kept);
	bytes_unref(put->next_piece);
	bytes_unref(put->inline_body);
	seal_done(&put->seal);
	commit_done(&put->commit);
	ec_put_done(&put->ec);
	fan_done(&put->unstage);
	info_fetch_done(&put->container_info);
	info_fetch_done(&put->account_info);
	info_fetch_done(&put->quota_info);
	if (put->copy) {
		bytes_unref(put->copy->gathered);
		bytes_unref(put->copy->over);
		if (put->copy->opened)
			body_done(&put->copy->body);
		info_fetch_done(&put->copy->container_info);
		info_fetch_done(&put->copy->account_info);
	}
}

/* --- check --- */

/* Splits "container/object" of a Destination or X-Copy-From; false when it is none. */
static bool split_path(
        struct arena *arena, const char *value, const char **ret_container, const char **ret_object)
{
	size_t len;
	char *path = url_unquote(arena, value, strlen(value), &len);

	if (strlen(path) != len || !utf8_valid(path, len))
		return false;
	if (*path == '/')
		path++;
	char *slash = strchr(path, '/');
	if (!slash || slash == path || !slash[1])
		return false;
	*slash = 0;
	*ret_container = path;
	*ret_object = slash + 1;
	return true;
}

static const char *account_header(struct request *request, const char *name)
{
	const char *value = http_get(request->http, name);
	size_t len;

	if (!value)
		return request->account;
	return url_unquote(request_arena(request), value, strlen(value), &len);
}

static enum step bad_copy_header(struct request *request, const char *name)
{
	return request_fail_text(request, 412,
	        arena_printf(request_arena(request),
	                "%s header must be of the form <container name>/<object name>", name));
}

/* Who copies what to where; STEP_NEXT when all is well. */
static enum step setup(struct request *request, struct put *put)
{
	struct arena *arena = request_arena(request);
	const char *from = http_get(request->http, "X-Copy-From");
	const char *to = http_get(request->http, "Destination");
	bool copies = strcmp(request->http->method, "COPY") == 0;

	put->account = request->account;
	put->container = request->container;
	put->object = request->object;
	if (copies) {
		put->copy = arena_zalloc(arena, sizeof(*put->copy));
		put->copy->account = request->account;
		put->copy->container = request->container;
		put->copy->object = request->object;
		if (!to || !split_path(arena, to, &put->container, &put->object))
			return bad_copy_header(request, "Destination");
		put->account = account_header(request, "Destination-Account");
	} else if (from) {
		put->copy = arena_zalloc(arena, sizeof(*put->copy));
		if (!split_path(arena, from, &put->copy->container, &put->copy->object))
			return bad_copy_header(request, "X-Copy-From");
		put->copy->account = account_header(request, "X-Copy-From-Account");
		if (request->http->content_length)
			return request_fail_text(
			        request, 400, "Copy requests require a zero byte body");
	}
	if (put->copy && (strchr(put->account, '/') || strchr(put->copy->account, '/')))
		return request_fail_text(request, 412, "Account name cannot contain slashes");
	if (put->copy)
		put->copy->fresh = is_true(http_get(request->http, "X-Fresh-Metadata"));
	return STEP_NEXT;
}

/* COPY was prepared for its source; the destination is somebody's container too. */
static enum step other_destination(struct request *request, struct put *put)
{
	bool wait;

	if (!info_get(&put->container_info, &request->op, request->proxy, put->account,
	            put->container))
		return STEP_WAIT;
	if (put->container_info.err)
		return request_fail(request, 503);
	put->info = put->container_info.info;
	struct access access = {put->account, put->container, true, false, false, false, false};
	enum err err = request_authorize(request, &access,
	        info_header(put->info, "X-Container-Write"), &put->account_info, &wait);
	if (wait)
		return STEP_WAIT;
	return err ? request_err(request, err) : STEP_NEXT;
}

static const char *check_headers(struct request *request, struct put *put)
{
	const struct limits *limits = &request_cluster(request)->limits;
	const char *type = http_get(request->http, "Content-Type");
	const char *manifest = http_get(request->http, "X-Object-Manifest");
	const char *none_match = http_get(request->http, "If-None-Match");
	size_t len = strlen(put->object);
	const char *text;

	if (none_match && !strchr(none_match, '*'))
		return "If-None-Match only supports *";
	put->commit.only_if_absent = none_match;
	if (len > limits->max_object_name && !reserved_name(put->container))
		return arena_printf(request_arena(request),
		        "Object name length of %zu longer than %u", len, limits->max_object_name);
	put->content_type = type && *type ? type : NULL;
	if (is_true(http_get(request->http, "X-Detect-Content-Type")) ||
	        (!put->content_type && !put->copy))
		put->content_type = mime_guess(put->object);
	if (put->content_type && !utf8_valid(put->content_type, strlen(put->content_type)))
		return "Invalid Content-Type";
	if ((text = constraint_delete_at(request, &put->delete_at)))
		return text;
	if (manifest) {
		const char *slash = strchr(manifest, '/');
		if (!slash || slash == manifest || strpbrk(manifest, "?&") || !slash[1] ||
		        slash[1] == '/')
			return "X-Object-Manifest must be in the format container/prefix";
	}
	return constraint_metadata(request, "object");
}

static const char *over_quota(struct request *request, const struct put *put, uint64_t size)
{
	return quota_exceeded(request->identity.reseller ? NULL : put->quota_info.info,
	        put->container_info.info ? put->info : versions_named(request),
	        versions_kept(request), size);
}

/* Where the object goes, and what is said about it. After the source of a copy: Swift reads
 * that first, so its refusal comes first. */
static enum step put_target(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = request->own;
	struct http_req *http = request->http;
	const char *text;
	enum step step;

	if (request->method == &object_copy) {
		if ((step = other_destination(request, put)) != STEP_NEXT)
			return step;
	}
	if (!put->info->exists)
		return request_fail(request, 404);
	if (!put->copy && !http->has_length && !http->chunked)
		return request_fail_text(request, 411, "Missing Content-Length header.");
	if (http->content_length > request_cluster(request)->limits.max_file_size)
		return request_fail_text(request, 413, "Your request is too large.");
	if ((text = check_headers(request, put)))
		return request_fail_text(request, 400, text);
	put->quota_info.counts = true;
	if (!info_get(&put->quota_info, op, request->proxy, put->account, NULL))
		return STEP_WAIT;
	if (put->quota_info.err)
		return request_fail(request, 503);
	text = over_quota(request, put, put->copy ? put->copy->left : http->content_length);
	if (text)
		return request_fail_html(request, 413, text);
	put->policy = put->info->policy;
	put->wanted_etag = http_get(http, "Etag");
	put->stage = atomic_fetch_add(&request_cluster(request)->next_stage, 1);
	md5_stream_init(&put->md5);
	put->large = !put->copy && http->content_length > BACKEND_INLINE_MAX;
	if (put->large)
		md5_engine_join(request->proxy->md5);
	proxy_place(request_cluster(request), put->policy, put->account, put->container,
	        put->object, &put->place);
	put->piece_bytes = BACKEND_PIECE;
	const struct seal_keys *keys = request_cluster(request)->seal;
	if (keys && keys->active) {
		put->piece_bytes = SEAL_PIECE;
		seal_begin(&put->seal, keys,
		        (struct seal_path){put->account, put->container, put->object});
	}
	ec_put_start(&put->ec, op, request->proxy, put->policy, &put->place, put->account,
	        put->container, put->object, put->stage);
	return op_go(op, RECEIVE);
}

static enum step put_check(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = request->own = arena_zalloc(request_arena(request), sizeof(*put));

	put->request = request;
	put->info = request->container_info.info;
	request->own_done = put_done;
	enum step step = setup(request, put);
	if (step != STEP_NEXT)
		return step;
	return op_go(op, put->copy ? SOURCE : TARGET);
}

/* --- headers of the new object --- */

static const char *const kept_headers[] = {"Content-Disposition", "Content-Encoding",
        "Cache-Control", "Content-Language", "Expires", "X-Robots-Tag"};

static void add_request_headers(struct request *request, struct put *put, struct buf *out)
{
	const char *manifest = http_get(request->http, "X-Object-Manifest"),
	           *slo = http_get(request->http, "X-Static-Large-Object");

	request_copy_headers(request, out, "X-Object-Meta-");
	request_copy_headers(request, out, "X-Object-Sysmeta-");
	if (slo)
		kv_add(out, "X-Static-Large-Object", slo);
	for (unsigned i = 0; i < COUNT_OF(kept_headers); i++) {
		const char *value = http_get(request->http, kept_headers[i]);
		if (value && *value)
			kv_add(out, kept_headers[i], value);
	}
	if (manifest)
		kv_add(out, "X-Object-Manifest", manifest);
	if (put->delete_at) {
		char text[24];
		snprintf(text, sizeof(text), "%llu", (unsigned long long)put->delete_at);
		kv_add(out, "X-Delete-At", text);
	}
}

/* Does the header say how the source's bytes are put together? Of a copy of those bytes that is not
 * true. */
static bool is_of_manifest(const char *name, const struct copy *copy)
{
	bool large = body_is_slo(&copy->body) || body_is_dlo(&copy->body);

	if (strcasecmp(name, "X-Object-Manifest") == 0)
		return !copy->body.raw;
	return large && (strcasecmp(name, "X-Static-Large-Object") == 0 ||
	                        has_prefix(name, "X-Object-Sysmeta-Slo-") ||
	                        has_prefix(name, "X-Object-Sysmeta-Container-Update-Override-"));
}

/* What a copy takes over: metadata and content headers the request does not set anew. */
static void add_source_headers(struct request *request, struct put *put, struct buf *out)
{
	const struct backend_reply *r = body_head(&put->copy->body);
	struct kv_pair pair;

	for (size_t at = 0; kv_next(r->headers.data, r->headers.len, &at, &pair);) {
		bool plain = strcasecmp(pair.name, "Content-Type") != 0 &&
		             !is_of_manifest(pair.name, put->copy);
		if (plain && !kv_get(out->data, out->len, pair.name) &&
		        !http_get(request->http, pair.name))
			kv_add(out, pair.name, pair.value);
	}
	if (!put->delete_at) {
		const char *at = kv_get(out->data, out->len, "X-Delete-At");
		put->delete_at = at ? strtoull(at, NULL, 10) : 0;
	}
}

static const char *final_type(struct put *put)
{
	const struct backend_reply *r = put->copy ? body_head(&put->copy->body) : NULL;
	const char *type = put->content_type;
	uint64_t bytes;

	if (r && !type)
		type = kv_get(r->headers.data, r->headers.len, "Content-Type");
	if (r && type && body_is_slo(&put->copy->body) && params_swift_bytes(type, &bytes)) {
		AUTO(buf) struct buf text = BUF_NONE;
		params_without(type, "swift_bytes", &text);
		type = arena_strdup(request_arena(put->request), buf_text(&text));
	}
	return type ? type : mime_guess(put->object);
}

static void object_headers(
        struct request *request, struct put *put, const char *type, struct buf *out)
{
	kv_add(out, "Content-Type", type);
	add_request_headers(request, put, out);
	if (put->copy && !put->copy->fresh)
		add_source_headers(request, put, out);
	link_stored(request, out);
}

/* --- pieces --- */

static void on_hashed(struct md5_job *job)
{
	struct piece *piece = CONTAINER_OF(job, struct piece, job);

	piece->hashed = true;
	piece->put->hashing = false;
	op_child_end(&piece->put->request->op);
}

/* All that its devices must know of the object before its first bytes. */
static void announce(struct put *put, struct backend_msg *msg)
{
	AUTO(buf) struct buf headers = BUF_NONE;

	if (!put->staged_ts)
		put->staged_ts = request_time(put->request);
	object_headers(put->request, put, final_type(put), &headers);
	backend_msg_headers(msg, &headers);
	msg->ts = put->staged_ts;
	msg->handle = put->stage;
	msg->if_absent = put->commit.only_if_absent;
}

static void stage(struct put *put, struct piece *piece, uint64_t offset)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_OBJECT_STAGE, BACKEND_OBJECT);

	put->staging = true;
	backend_msg_path(msg, put->account, put->container, put->object);
	place_address(&put->place, msg);
	msg->policy = (uint8_t)put->policy;
	msg->stage = put->stage;
	msg->offset = offset;
	msg->body = bytes_ref(piece->stored);
	if (put->request->proxy->backend->plain)
		announce(put, msg);
	fan_start(&piece->staged, &put->request->op, put->request->proxy, msg, put->place.devices,
	        put->place.count, DEADLINE_MS);
}

/* A piece is free again when it is hashed and every replica took or refused it. */
static void reap_pieces(struct put *put)
{
	for (unsigned i = 0; i < PIECES_MAX; i++) {
		struct piece *p = &put->pieces[i];
		if (!p->used || !p->hashed || fan_open(&p->staged))
			continue;
		for (unsigned d = 0; d < p->staged.count; d++) {
			enum err err = p->staged.calls[d].reply.err;
			put->full |= err == ERR_NO_SPACE;
			if (err)
				put->lost |= 1ull << d;
		}
		fan_done(&p->staged);
		bytes_unref(p->bytes);
		bytes_unref(p->stored);
		credit_give(&p->credit);
		*p = (struct piece){0};
	}
	put->full |= put->ec.full;
	if (put->ec.failed || !place_possible(&put->place, put->lost | put->ec.lost))
		put->failed = true;
}

static struct piece *free_piece(struct put *put)
{
	for (unsigned i = 0; i < PIECES_MAX; i++) {
		if (!put->pieces[i].used)
			return &put->pieces[i];
	}
	return NULL;
}

static bool idle(const struct put *put)
{
	for (unsigned i = 0; i < PIECES_MAX; i++) {
		if (put->pieces[i].used)
			return false;
	}
	return !put->next_piece;
}

/* Takes a piece in: hashes it and, unless it may be the whole body, stages it. At most one piece
 * is hashed at a time: MD5 goes in order. */
static void take_piece(struct put *put, struct bytes *bytes, size_t offset, size_t len)
{
	struct piece *p = free_piece(put);
	bool sealed = put->seal.aead;
	struct bytes *stored =
	        sealed ? seal_piece(&put->seal, put->stored, bytes->data + offset, len)
	               : bytes_ref(bytes);

	if (!stored) {
		bytes_unref(bytes);
		put->failed = true;
		return;
	}
	size_t stored_len = sealed ? stored->len : len, stored_offset = sealed ? 0 : offset;
	*p = (struct piece){
	        .put = put,
	        .bytes = bytes,
	        .stored = stored,
	        .offset = offset,
	        .len = len,
	        .used = true,
	        .job = {.stream = &put->md5,
	                .data = bytes->data + offset,
	                .len = len,
	                .done = on_hashed},
	};
	put->hashing = true;
	op_child_begin(&put->request->op);
	md5_engine_submit(put->request->proxy->md5, &p->job);
	if (put->ec.ec) {
		ec_put_add(&put->ec, stored);
	} else if (put->size == 0 && put->last && stored_len <= BACKEND_INLINE_MAX &&
	           stored_offset == 0) {
		put->inline_body = bytes_ref(stored);
		put->kept = credit_move(&put->incoming);
	} else {
		if (!put->copy)
			p->credit = credit_move(&put->incoming);
		stage(put, p, put->stored);
	}
	put->size += len;
	put->stored += stored_len;
}

/* When it has waited for memory for too long, an upload has failed. */
static bool granted(struct put *put, bool granted, enum err err)
{
	if (!granted && err) {
		put->failed = true;
		op_wake(&put->request->op);
	}
	return granted;
}

/* May this upload take so much memory? */
static bool has_credit(struct put *put, size_t bytes)
{
	struct request *request = put->request;
	enum err err;
	bool yes = credit_take(&put->incoming, &request->proxy->budget, &request->op, bytes, &err);

	return granted(put, yes, err);
}

/* The same for the segment of which `rest` bytes are to come, where there are any. */
static bool has_segment(struct put *put, uint64_t rest)
{
	enum err err;

	if (!put->ec.ec)
		return true;
	bool yes = ec_put_room(&put->ec, rest, &err);
	return granted(put, yes, err);
}

/* The client's next piece: asked for when there is room for it. */
static void want_more(struct put *put)
{
	struct http_req *http = put->request->http;
	uint64_t left = UINT64_MAX;
	size_t cap = put->piece_bytes;

	if (put->receiving || put->last || put->next_piece || !free_piece(put) || put->copy)
		return;
	if (http->has_length) {
		left = http->content_length - put->size;
		/* One byte more than the rest, so that the piece is not handed over as full before
		 * the body's end is known. */
		if (left < cap)
			cap = (size_t)left + 1;
	}
	if (put->ec.ec ? !has_segment(put, left) : !has_credit(put, cap))
		return;
	struct bytes *into = bytes_new(cap);
	if (!into) {
		put->failed = true;
		return;
	}
	if (into->cap > put->piece_bytes && cap <= put->piece_bytes)
		into->cap = put->piece_bytes;
	put->receiving = true;
	http_body_want(http, into);
}

static void on_body(struct request *request, struct bytes *piece, bool last)
{
	struct put *put = request->own;

	if (!put || !put->receiving) {
		bytes_unref(piece);
		return;
	}
	put->receiving = false;
	put->last = last;
	put->next_piece = piece;
	op_wake(&request->op);
}

static enum step abandon(struct request *request, struct put *put, int status)
{
	if ((put->staging || put->ec.staging) && !put->unstage.count) {
		struct backend_msg *msg = backend_msg_new(BACKEND_OBJECT_UNSTAGE, BACKEND_OBJECT);
		place_address(&put->place, msg);
		msg->stage = put->stage;
		fan_start(&put->unstage, &request->op, request->proxy, msg, put->place.devices,
		        put->place.count, DEADLINE_MS);
	}
	if (put->copy && put->copy->opened)
		body_close(&put->copy->body);
	return status ? request_fail(request, status) : STEP_DONE;
}

static void take_gathered(struct put *put)
{
	struct bytes *piece = TAKE(put->copy->gathered);

	take_piece(put, piece, 0, piece->len);
}

/* The pieces of a source have the sizes of its segments and ranges; ours are whole, but for the
 * last. False when memory is out. The piece moves here. */
static bool gather(struct put *put, struct bytes *piece, size_t offset, size_t len)
{
	struct copy *copy = put->copy;

	if (!copy->gathered && offset == 0 &&
	        (len == put->piece_bytes || (put->last && len < put->piece_bytes))) {
		take_piece(put, piece, 0, len);
		return true;
	}
	if (!copy->gathered)
		copy->gathered = bytes_new(BACKEND_PIECE);
	if (!copy->gathered) {
		bytes_unref(piece);
		return false;
	}
	struct bytes *to = copy->gathered;
	size_t room = put->piece_bytes - to->len, n = len < room ? len : room;
	memcpy(to->data + to->len, piece->data + offset, n);
	to->len += n;
	if (to->len == put->piece_bytes) {
		take_piece(put, TAKE(copy->gathered), 0, put->piece_bytes);
		if (n < len)
			copy->over = bytes_copy(piece->data + offset + n, len - n);
		if (n < len && !copy->over) {
			bytes_unref(piece);
			return false;
		}
	}
	bytes_unref(piece);
	if (put->last && copy->over)
		put->last = false; /* not before that is in, too */
	else if (put->last && copy->gathered)
		take_gathered(put);
	return true;
}

/* Feeds from the copy's source, when this is a copy. */
static bool feed_copy(struct put *put, bool *ret_failed)
{
	struct copy *copy = put->copy;
	struct bytes *piece;
	size_t offset, len;

	*ret_failed = false;
	if (!copy || put->last || put->hashing || !free_piece(put) ||
	        !has_credit(put, PIECES_MAX * BACKEND_PIECE) || !has_segment(put, copy->left))
		return false;
	if (copy->over) {
		struct bytes *over = TAKE(copy->over);
		put->last = copy->left == 0;
		*ret_failed = !gather(put, over, 0, over->len);
		if (put->last)
			body_close(&copy->body);
		return true;
	}
	switch (body_next(&copy->body, &piece, &offset, &len)) {
	case BODY_WAIT:
		return false;
	case BODY_FAILED:
		*ret_failed = true;
		return false;
	case BODY_END:
		put->last = true;
		body_close(&copy->body);
		return true;
	default:
		copy->left -= len;
		put->last = copy->left == 0;
		*ret_failed = !gather(put, piece, offset, len);
		if (put->last)
			body_close(&copy->body);
		return true;
	}
}

static int failed_status(const struct put *put, const struct request *request)
{
	if (request->http->gone)
		return 0;
	return put->too_large ? 413 : put->failed && put->full ? 507 : 503;
}

static enum step put_receive(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = put_of(request);
	bool copy_failed = false;

	if (put->ec.ec)
		ec_put_idle(&put->ec); /* what has come back makes room */
	reap_pieces(put);
	while (feed_copy(put, &copy_failed))
		;
	if (put->next_piece && !put->hashing && free_piece(put)) {
		struct bytes *piece = TAKE(put->next_piece);
		size_t len = piece->len;
		if (put->size + len > request_cluster(request)->limits.max_file_size)
			put->too_large = true;
		if (len && !put->too_large)
			take_piece(put, piece, 0, len);
		else
			bytes_unref(piece);
	}
	if (put->ec.ec && put->last && !put->next_piece && !put->failed && !put->too_large)
		ec_put_end(&put->ec);
	bool fragments_open = put->ec.ec && !ec_put_idle(&put->ec);
	if (request->http->gone || put->too_large || put->failed || copy_failed) {
		bool staged_open = !idle(put) || fragments_open;
		bytes_unref(TAKE(put->next_piece));
		credit_give(&put->incoming);
		if (staged_open)
			return STEP_WAIT; /* pieces under way end first, then their stage is dropped
			                   */
		return abandon(request, put, failed_status(put, request));
	}
	if (put->last && idle(put) && !fragments_open)
		return op_go(op, VERIFY);
	want_more(put);
	return STEP_WAIT;
}

/* --- source of a copy --- */

/* A version of the source may be named; it is for owners. STEP_WAIT until its container is known.
 */
static enum step source_version(struct request *request, struct copy *copy)
{
	const char *id = query_get(&request->query, "version-id");
	struct arena *arena = request_arena(request);
	uint64_t ts;

	if (!id || !*id || copy->named_object || strcmp(id, "null") == 0)
		return STEP_NEXT;
	if (!info_header(copy->container_info.info, VERSIONS_CONTAINER))
		return request_fail_text(request, 400,
		        "version-aware operations require that the container is versioned");
	if (!ts_parse(id, &ts))
		return request_fail_text(request, 400, "Invalid version parameter");
	copy->named_container = copy->container;
	copy->named_object = copy->object;
	copy->container = versions_container(arena, copy->named_container);
	copy->object = versions_object(arena, copy->named_object, ts);
	info_fetch_done(&copy->container_info);
	copy->container_info = (struct info_fetch){0};
	op_wake(&request->op);
	return STEP_WAIT;
}

static enum step put_source(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = put_of(request);
	struct copy *copy = put->copy;
	enum step step;
	bool wait;

	if (request->http->gone)
		return abandon(request, put, 0);
	if (!info_get(&copy->container_info, op, request->proxy, copy->account, copy->container))
		return STEP_WAIT;
	if (copy->container_info.err)
		return request_fail(request, 503);
	if (!copy->opened && (step = source_version(request, copy)) != STEP_NEXT)
		return step;
	const struct info *info = copy->container_info.info;
	if (!copy->opened) {
		struct access access = {
		        copy->account, copy->container, true, true, false, false, false};
		enum err err = request_authorize(request, &access,
		        info_header(info, "X-Container-Read"), &copy->account_info, &wait);
		if (wait)
			return STEP_WAIT;
		if (err)
			return request_err(request, err);
		if (!info->exists)
			return request_fail(request, 404);
		copy->opened = true;
		const char *raw = query_get(&request->query, "multipart-manifest");
		const char *as_link = query_get(&request->query, "symlink");
		copy->body.raw = raw && strcmp(raw, "get") == 0;
		copy->body.link.raw = as_link && strcmp(as_link, "get") == 0;
		body_open(&copy->body, request, op, request->proxy, request_arena(request),
		        info->policy, copy->account, copy->container, copy->object, 0, UINT64_MAX);
	}
	if (!body_ready(&copy->body))
		return STEP_WAIT;
	if (copy->body.link.refusal) {
		abandon(request, put, 0);
		return request_fail_text(request, 409, copy->body.link.refusal);
	}
	if (body_err(&copy->body))
		return abandon(request, put, err_status(body_err(&copy->body)));
	const struct backend_reply *r = body_head(&copy->body);
	const char *expires = kv_get(r->headers.data, r->headers.len, "X-Delete-At");
	if (expires && strtoull(expires, NULL, 10) <= request->ts / TS_PER_SECOND)
		return abandon(request, put, 404);
	char etag[64];
	body_etag(&copy->body, etag, sizeof(etag));
	int status = conditional_check(request->http, etag, body_ts(&copy->body));
	if (status == 412 && !put->commit.only_if_absent)
		return abandon(request, put, 412);
	struct range range = {0, body_size(&copy->body) - 1};
	unsigned count = 1;
	uint64_t part;
	const char *fault = body_part(&copy->body, query_get(&request->query, "part-number"),
	        http_get(request->http, "Range"), &part, &range);
	if (fault) {
		body_close(&copy->body);
		return request_fail_html(request, 400, fault);
	}
	if (part && range.end < range.start)
		return abandon(request, put, 416);
	enum range_result ranged = range_parse(
	        http_get(request->http, "Range"), body_size(&copy->body), copy->ranges, &count);
	if (ranged == RANGE_UNSATISFIABLE)
		return abandon(request, put, 416);
	if (ranged == RANGE_SOME && count == 1)
		range = copy->ranges[0];
	copy->left = body_size(&copy->body) ? range.end - range.start + 1 : 0;
	if (copy->left > request_cluster(request)->limits.max_file_size)
		return abandon(request, put, 413);
	if (copy->left)
		body_add_range(&copy->body, range.start, range.end);
	return op_go(op, TARGET);
}

/* --- commit --- */

static void start_commit(struct request *request, struct put *put)
{
	AUTO(buf) struct buf headers = BUF_NONE;
	const char *type = final_type(put);
	char etag[33];

	struct backend_msg *msg = commit_message(&put->commit, BACKEND_OBJECT_PUT, &request->op,
	        request->proxy, put->policy, put->account, put->container, put->object);
	if (put->staged_ts)
		msg->ts = put->staged_ts;
	else if (request->set_ts)
		msg->ts = request->set_ts;
	request->ts = msg->ts;
	object_headers(request, put, type, &headers);
	if (put->seal.aead)
		seal_headers(&put->seal, &headers, put->size, put->digest, msg->etag);
	else
		memcpy(msg->etag, put->digest, 16);
	backend_msg_headers(msg, &headers);
	put->commit.set_time = request->set_ts != 0;
	/* Fragments are taken from their writer only while it is young. */
	msg->handle = put->ec.ec && put->commit.set_time ? 0 : put->stage;
	msg->size = put->stored;
	if (put->ec.ec) {
		/* Its fragments are where this place says. */
		put->commit.fragments = &put->ec;
		put->commit.place = put->place;
		place_address(&put->place, msg);
	} else if (put->staging) {
		msg->stage = put->stage;
	} else {
		msg->body = TAKE(put->inline_body);
	}
	md5_hex(put->digest, etag);
	struct backend_row row = {.content_type = type, .etag = etag, .bytes = put->size};
	commit_updates(&put->commit, &row, 0, put->delete_at);
	commit_start(&put->commit);
}

static bool etag_matches(const char *wanted, const char *etag)
{
	size_t len = strlen(wanted);

	if (len >= 2 && wanted[0] == '"' && wanted[len - 1] == '"') {
		wanted++;
		len -= 2;
	}
	return len == 32 && strncasecmp(wanted, etag, 32) == 0;
}

static enum step put_verify(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = put_of(request);
	char etag[33];

	if (request->http->gone)
		return abandon(request, put, 0);
	if (!put->copy && request->http->has_length && put->size != request->http->content_length)
		return abandon(request, put, 499);
	if (put->size && http_get(request->http, "X-Symlink-Target")) {
		abandon(request, put, 0);
		return request_fail_text(request, 400, "Symlink requests require a zero byte body");
	}
	/* How long it would be was not known before. */
	const char *over =
	        put->copy || request->http->has_length ? NULL : over_quota(request, put, put->size);
	if (over) {
		abandon(request, put, 0);
		return request_fail_html(request, 413, over);
	}
	md5_stream_final(&put->md5, put->digest);
	md5_hex(put->digest, etag);
	if (put->wanted_etag && *put->wanted_etag && !put->copy &&
	        !etag_matches(put->wanted_etag, etag))
		return abandon(request, put, 422);
	start_commit(request, put);
	return op_go(op, COMMIT);
}

static void copied_from(struct request *request, struct put *put)
{
	struct copy *copy = put->copy;
	AUTO(buf) struct buf path = BUF_NONE;
	char date[HTTP_DATE_SIZE];
	const struct backend_reply *r = body_head(&copy->body);
	struct kv_pair pair;

	bool named = copy->named_object;
	url_quote(&path, named ? copy->named_container : copy->container, "");
	buf_char(&path, '/');
	url_quote(&path, named ? copy->named_object : copy->object, "");
	http_header(request->http, "X-Copied-From", buf_text(&path));
	buf_reset(&path);
	url_quote(&path, copy->account, "");
	http_header(request->http, "X-Copied-From-Account", buf_text(&path));
	http_date_format(
	        (int64_t)((body_ts(&copy->body) + TS_PER_SECOND - 1) / TS_PER_SECOND), date);
	http_header(request->http, "X-Copied-From-Last-Modified", date);
	for (size_t at = 0; !copy->fresh && kv_next(r->headers.data, r->headers.len, &at, &pair);) {
		if (has_prefix(pair.name, "X-Object-Meta-") && !http_get(request->http, pair.name))
			http_header(request->http, pair.name, pair.value);
	}
	request_copy_headers(request, &request->http->out, "X-Object-Meta-");
}

static enum step put_commit(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = put_of(request);
	char etag[33], date[HTTP_DATE_SIZE];

	if (!commit_ready(&put->commit))
		return STEP_WAIT;
	switch (put->commit.err) {
	case ERR_OK:
		break;
	case ERR_CONFLICT:
		return request_empty(request, 202);
	case ERR_PRECONDITION:
		return abandon(request, put, 412);
	case ERR_NO_SPACE:
		return abandon(request, put, 507);
	default:
		return abandon(request, put, 503);
	}
	if (put->commit.row_err == ERR_NOT_FOUND)
		return request_fail(request, 404);
	md5_hex(put->digest, etag);
	AUTO(buf) struct buf headers = BUF_NONE;
	if (request->versions)
		object_headers(request, put, final_type(put), &headers);
	enum step step = versions_stored(request, etag, put->size, final_type(put), &headers);
	if (step != STEP_NEXT)
		return step;
	http_header(request->http, "Etag", etag);
	uint64_t ts = put->commit.msg->ts;
	http_date_format((int64_t)((ts + TS_PER_SECOND - 1) / TS_PER_SECOND), date);
	http_header(request->http, "Last-Modified", date);
	if (put->copy)
		copied_from(request, put);
	return request_empty(request, 201);
}

static const struct op_state states[] = {
        [PREPARE] = {"prepare", request_prepare, TO(CHECK), 15000},
        [CHECK] = {"check", put_check, TO(SOURCE) | TO(TARGET), 0},
        [SOURCE] = {"source", put_source, TO(TARGET), 0},
        [TARGET] = {"target", put_target, TO(RECEIVE), 0},
        [RECEIVE] = {"receive", put_receive, TO(VERIFY), 0},
        [VERIFY] = {"verify", put_verify, TO(COMMIT), 0},
        [COMMIT] = {"commit", put_commit, 0, 0},
};
const struct method object_put = {
        .name = "object-put", .states = states, .body = on_body, .writes = true};
/* Prepared as a read of its source; the destination is checked in put_check. */
const struct method object_copy = {.name = "object-copy", .states = states, .body = on_body};
