#include "proxy/sub.h"

#include "proxy/pipeline.h"
#include "proxy/proxy.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct piece {
	struct piece *next;
	struct bytes *bytes; /* owned */
	size_t offset, len;
};

struct queue {
	struct piece *first, **last;
	size_t bytes;
};

/* The carrier's half: what stands for the connection. */
struct sub_exchange {
	struct http_req req;
	struct sub *sub; /* NULL: nobody is interested any more */
	struct request *parent;
	struct sub_origin origin;
	struct queue in, out;
	struct bytes *into; /* owned: where the body goes */
	struct task pump;
	bool pumping, in_ended, out_ended, cut, handler_done;
	unsigned header_room;
};

static struct sub_exchange *exchange_of(struct http_req *req)
{
	return CONTAINER_OF(req, struct sub_exchange, req);
}

/* --- queues of pieces --- */

static void queue_add(struct queue *queue, struct bytes *bytes, size_t offset, size_t len)
{
	if (!len) {
		bytes_unref(bytes);
		return;
	}
	struct piece *p = mem_zalloc(sizeof(*p));
	*p = (struct piece){NULL, bytes, offset, len};
	*queue->last = p;
	queue->last = &p->next;
	queue->bytes += len;
}

static bool queue_take(struct queue *queue, struct piece *ret_piece)
{
	struct piece *p = queue->first;

	if (!p)
		return false;
	queue->first = p->next;
	if (!p->next)
		queue->last = &queue->first;
	queue->bytes -= p->len;
	*ret_piece = *p;
	free(p);
	return true;
}

static void queue_done(struct queue *queue)
{
	struct piece p;

	while (queue_take(queue, &p))
		bytes_unref(p.bytes);
}

/* --- life --- */

static void wake(struct sub_exchange *x)
{
	if (x->sub)
		op_wake(&x->parent->op);
}

static void maybe_free(struct sub_exchange *x)
{
	struct request *parent = x->parent;

	if (!x->handler_done || x->pumping || (x->sub && x->out.first))
		return;
	if (x->sub) {
		x->sub->over = true;
		x->sub->failed |= x->cut || !x->out_ended;
		if (!x->sub->headed) {
			x->sub->headed = true;
			x->sub->status = 503;
		}
		list_remove(&x->sub->link);
		x->sub->x = NULL;
	}
	queue_done(&x->in);
	queue_done(&x->out);
	bytes_unref(x->into);
	buf_done(&x->req.out);
	arena_done(&x->req.arena);
	free(x);
	op_child_end(&parent->op);
}

static void on_pump(struct task *task)
{
	struct sub_exchange *x = CONTAINER_OF(task, struct sub_exchange, pump);
	const struct http_handler *handler = x->req.handler;

	x->pumping = false;
	while (x->into && x->in.first && !x->handler_done && !x->req.answered) {
		struct piece *p = x->in.first;
		size_t room = x->into->cap - x->into->len, n = p->len < room ? p->len : room;
		memcpy(x->into->data + x->into->len, p->bytes->data + p->offset, n);
		x->into->len += n;
		x->req.bytes_in += n;
		x->in.bytes -= n;
		p->offset += n;
		p->len -= n;
		if (!p->len) {
			struct piece empty = {0};
			queue_take(&x->in, &empty);
			bytes_unref(empty.bytes);
		}
		if (x->into->len == x->into->cap)
			handler->body(&x->req, TAKE(x->into), false);
		wake(x);
	}
	if (x->into && !x->in.first && x->in_ended && !x->handler_done && !x->req.answered &&
	        !x->req.gone)
		handler->body(&x->req, TAKE(x->into), true);
	maybe_free(x);
}

static void pump(struct sub_exchange *x)
{
	if (x->pumping)
		return;
	x->pumping = true;
	x->pump.run = on_pump;
	reactor_post(x->req.reactor, &x->pump);
}

/* --- as a carrier --- */

static void body_want(struct http_req *req, struct bytes *into)
{
	struct sub_exchange *x = exchange_of(req);

	assert(!x->into && into->len == 0);
	if (req->gone) {
		bytes_unref(into);
		return;
	}
	x->into = into;
	pump(x);
}

static void head(struct sub_exchange *x, int status, uint64_t length)
{
	assert(!x->req.answered);
	x->req.answered = true;
	x->req.status = status;
	if (!x->sub)
		return;
	x->sub->headed = true;
	x->sub->status = status;
	x->sub->length = length;
	x->sub->headers = x->req.out;
	x->req.out = BUF_NONE;
	wake(x);
}

static void reply(struct http_req *req, int status, struct bytes *body, size_t offset, size_t len)
{
	struct sub_exchange *x = exchange_of(req);

	head(x, status, len);
	x->out_ended = true;
	if (!x->sub || req->head || !body)
		bytes_unref(body);
	else
		queue_add(&x->out, body, offset, len);
}

static void reply_head(struct http_req *req, int status, uint64_t length)
{
	head(exchange_of(req), status, length);
	exchange_of(req)->out_ended = true;
}

static void stream(struct http_req *req, int status, uint64_t length)
{
	head(exchange_of(req), status, length);
}

static void stream_write(struct http_req *req, struct bytes *piece, size_t offset, size_t len)
{
	struct sub_exchange *x = exchange_of(req);

	if (!x->sub) {
		bytes_unref(piece);
		return;
	}
	req->bytes_out += len;
	x->out_ended = req->bytes_out == x->sub->length;
	queue_add(&x->out, piece, offset, len);
	wake(x);
}

static void stream_end(struct http_req *req)
{
	exchange_of(req)->out_ended = true;
	wake(exchange_of(req));
}

static void stream_abort(struct http_req *req)
{
	exchange_of(req)->cut = true;
	wake(exchange_of(req));
}

static size_t stream_pending(const struct http_req *req)
{
	return CONTAINER_OF(req, const struct sub_exchange, req)->out.bytes;
}

static void done(struct http_req *req)
{
	exchange_of(req)->handler_done = true;
	maybe_free(exchange_of(req));
}

static const struct http_carrier carrier = {body_want, reply, reply_head, stream, stream_write,
        stream_end, stream_abort, stream_pending, done};

/* --- what its maker calls --- */

void sub_init(struct sub *sub, struct request *parent, const struct unit *maker,
        enum sub_rights rights, const char *method)
{
	struct sub_exchange *x = mem_zalloc(sizeof(*x));
	struct http_req *req = &x->req;

	assert(!sub->x);
	*sub = (struct sub){.parent = parent, .x = x};
	list_append(&parent->subs, &sub->link);
	op_child_begin(&parent->op);
	x->sub = sub;
	x->parent = parent;
	x->in.last = &x->in.first;
	x->out.last = &x->out.first;
	x->origin = (struct sub_origin){.parent = parent, .maker = maker, .rights = rights};
	x->in_ended = true;
	x->handler_done = true; /* until it starts */
	arena_init(&req->arena);
	req->carrier = &carrier;
	req->handler = &proxy_handler;
	req->owner = parent->proxy;
	req->reactor = parent->http->reactor;
	req->method = arena_strdup(&req->arena, method);
	req->head = strcmp(method, "HEAD") == 0;
	req->has_length = true;
	memcpy(req->remote, parent->http->remote, sizeof(req->remote));
	req->start_us = reactor_now_us(req->reactor);
}

static const char *copy(struct sub_exchange *x, const char *text)
{
	return text ? arena_strdup(&x->req.arena, text) : NULL;
}

void sub_path(struct sub *sub, const char *account, const char *container, const char *object,
        const char *query)
{
	struct sub_exchange *x = sub->x;
	const char *parts[] = {account, container, object};
	AUTO(buf) struct buf target = BUF_NONE;

	buf_str(&target, "/v1");
	for (unsigned i = 0; i < COUNT_OF(parts) && parts[i]; i++) {
		buf_char(&target, '/');
		url_quote(&target, parts[i], "");
	}
	if (query)
		buf_printf(&target, "?%s", query);
	x->req.target = copy(x, buf_text(&target));
	x->origin.account = copy(x, account);
	x->origin.container = copy(x, container);
	x->origin.object = copy(x, object);
}

void sub_header(struct sub *sub, const char *name, const char *value)
{
	struct sub_exchange *x = sub->x;
	struct http_req *req = &x->req;

	if (req->header_count == x->header_room) {
		x->header_room = x->header_room ? x->header_room * 2 : 8;
		struct http_header *more = arena_alloc(&req->arena, x->header_room * sizeof(*more));
		if (req->header_count)
			memcpy(more, req->headers, req->header_count * sizeof(*more));
		req->headers = more;
	}
	req->headers[req->header_count++] = (struct http_header){copy(x, name), copy(x, value)};
}

static bool named(const char *name, const char *const *names)
{
	for (; names && *names; names++) {
		if (strcasecmp(name, *names) == 0)
			return true;
	}
	return false;
}

void sub_copy_headers(struct sub *sub, const char *const *without)
{
	static const char *const framing[] = {"Content-Length", "Transfer-Encoding", "Expect",
	        "Connection", "Trailer", "TE", NULL};
	const struct http_req *from = sub->parent->http;

	for (unsigned i = 0; i < from->header_count; i++) {
		const char *name = from->headers[i].name;
		if (!named(name, framing) && !named(name, without))
			sub_header(sub, name, from->headers[i].value);
	}
}

void sub_body(struct sub *sub, struct bytes *body, size_t offset, size_t len)
{
	sub->x->req.content_length = len;
	if (body)
		queue_add(&sub->x->in, body, offset, len);
}

void sub_body_text(struct sub *sub, const char *text, size_t len)
{
	sub_body(sub, len ? bytes_copy(text, len) : NULL, 0, len);
}

void sub_body_streams(struct sub *sub, uint64_t length)
{
	struct http_req *req = &sub->x->req;

	req->chunked = length == UINT64_MAX;
	req->has_length = !req->chunked;
	req->content_length = req->chunked ? 0 : length;
	sub->x->in_ended = false;
}

void sub_start(struct sub *sub)
{
	struct sub_exchange *x = sub->x;

	x->handler_done = false;
	request_begin(&x->req, &x->origin);
}

size_t sub_room(const struct sub *sub)
{
	const struct sub_exchange *x = sub->x;

	return !x || x->req.answered       ? SIZE_MAX
	       : x->in.bytes < HTTP_WINDOW ? HTTP_WINDOW - x->in.bytes
	                                   : 0;
}

void sub_write(struct sub *sub, struct bytes *piece, size_t offset, size_t len)
{
	struct sub_exchange *x = sub->x;

	if (!x || x->req.answered) {
		bytes_unref(piece);
		return;
	}
	queue_add(&x->in, piece, offset, len);
	pump(x);
}

void sub_write_end(struct sub *sub)
{
	if (!sub->x)
		return;
	sub->x->in_ended = true;
	pump(sub->x);
}

bool sub_headed(const struct sub *sub)
{
	return sub->headed;
}

const char *sub_get(const struct sub *sub, const char *name)
{
	return kv_get(sub->headers.data, sub->headers.len, name);
}

enum sub_step sub_next(
        struct sub *sub, struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len)
{
	struct sub_exchange *x = sub->x;
	struct piece p;

	if (!x)
		return sub->failed ? SUB_FAILED : SUB_END;
	if (!queue_take(&x->out, &p)) {
		if (x->cut)
			return SUB_FAILED;
		return sub->headed && x->out_ended ? SUB_END : SUB_WAIT;
	}
	*ret_piece = p.bytes;
	*ret_offset = p.offset;
	*ret_len = p.len;
	if (!x->handler_done)
		x->req.handler->room(&x->req);
	else
		maybe_free(x);
	return SUB_PIECE;
}

bool sub_collect(struct sub *sub, size_t max)
{
	struct bytes *piece;
	size_t offset, len;

	for (;;) {
		switch (sub_next(sub, &piece, &offset, &len)) {
		case SUB_PIECE:
			if (sub->text.len + len > max) {
				bytes_unref(piece);
				sub_stop(sub);
				sub->failed = true;
				return true;
			}
			buf_add(&sub->text, piece->data + offset, len);
			bytes_unref(piece);
			break;
		case SUB_WAIT:
			return false;
		case SUB_FAILED:
			sub_stop(sub);
			sub->failed = true;
			return true;
		case SUB_END:
			return sub->over;
		}
	}
}

enum step sub_relay(struct sub *sub, struct http_req *http)
{
	struct bytes *piece;
	size_t offset, len;

	while (!http->gone && http_stream_pending(http) < HTTP_WINDOW) {
		switch (sub_next(sub, &piece, &offset, &len)) {
		case SUB_PIECE:
			http_stream_write(http, piece, offset, len);
			break;
		case SUB_WAIT:
			return STEP_WAIT;
		case SUB_END:
			if (sub->length == HTTP_UNTIL_END)
				http_stream_end(http);
			return STEP_DONE;
		case SUB_FAILED:
			http_stream_abort(http);
			return STEP_DONE;
		}
	}
	return http->gone ? STEP_DONE : STEP_WAIT;
}

void sub_stop(struct sub *sub)
{
	struct sub_exchange *x = TAKE(sub->x);

	if (!x)
		return;
	sub->over = true;
	if (!sub->headed) {
		sub->headed = true;
		sub->status = 503;
		sub->failed = true;
	}
	list_remove(&sub->link);
	x->sub = NULL;
	x->req.gone = true;
	if (!x->handler_done)
		x->req.handler->gone(&x->req);
	else
		maybe_free(x);
}

void sub_done(struct sub *sub)
{
	sub_stop(sub);
	buf_done(&sub->headers);
	buf_done(&sub->text);
	*sub = (struct sub){0};
}

void sub_stop_all(struct request *parent)
{
	while (!list_empty(&parent->subs))
		sub_stop(LIST_ENTRY(parent->subs.next, struct sub, link));
}
