/* The body of an upload: pieces that are hashed and staged while the next comes in. */
#include "proxy/put.h"

#include <string.h>

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
	put_headers(put->request, put, put_type(put), &headers);
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

struct piece *put_free_piece(struct put *put)
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

size_t put_piece_bytes(const struct put *put)
{
	return put->seal.aead ? seal_piece_size(put->stored) : BACKEND_PIECE;
}

void put_take_piece(struct put *put, struct bytes *bytes, size_t offset, size_t len)
{
	struct piece *p = put_free_piece(put);
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

bool put_has_credit(struct put *put, size_t bytes)
{
	struct request *request = put->request;
	enum err err;
	bool yes = credit_take(&put->incoming, &request->proxy->budget, &request->op, bytes, &err);

	return granted(put, yes, err);
}

bool put_has_segment(struct put *put, uint64_t rest)
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
	size_t whole = put_piece_bytes(put), cap = whole;

	if (put->receiving || put->last || put->next_piece || !put_free_piece(put) || put->copy)
		return;
	if (http->has_length) {
		left = http->content_length - put->size;
		/* One byte more than the rest, so that the piece is not handed over as full before
		 * the body's end is known. */
		if (left < cap)
			cap = (size_t)left + 1;
	}
	if (put->ec.ec ? !put_has_segment(put, left) : !put_has_credit(put, cap))
		return;
	struct bytes *into = bytes_new(cap);
	if (!into) {
		put->failed = true;
		return;
	}
	if (into->cap > whole && cap <= whole)
		into->cap = whole;
	put->receiving = true;
	http_body_want(http, into);
}

void put_body(struct request *request, struct bytes *piece, bool last)
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

enum step put_abandon(struct request *request, struct put *put, int status)
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

static int failed_status(const struct put *put, const struct request *request)
{
	if (request->http->gone)
		return 0;
	return put->too_large ? 413 : put->failed && put->full ? 507 : 503;
}

enum step put_receive(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = put_of(request);
	bool copy_failed = false;

	if (put->ec.ec)
		ec_put_idle(&put->ec); /* what has come back makes room */
	reap_pieces(put);
	while (put_copy_feed(put, &copy_failed))
		;
	if (put->next_piece && !put->hashing && put_free_piece(put)) {
		struct bytes *piece = TAKE(put->next_piece);
		size_t len = piece->len;
		if (put->size + len > request_cluster(request)->limits.max_file_size)
			put->too_large = true;
		if (len && !put->too_large)
			put_take_piece(put, piece, 0, len);
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
		return put_abandon(request, put, failed_status(put, request));
	}
	if (put->last && idle(put) && !fragments_open)
		return op_go(op, PUT_VERIFY);
	want_more(put);
	return STEP_WAIT;
}
