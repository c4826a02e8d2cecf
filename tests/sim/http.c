/* Requests without sockets: what lib/http's edge does, in one process. */
#include "tests/sim/sim.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/http/edge.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPEN_MAX 64

static struct sim_request *open_requests[OPEN_MAX];

static struct sim_request *of(struct http_req *req)
{
	return CONTAINER_OF(req, struct sim_request, req);
}

size_t edge_held(const struct edge *edge)
{
	(void)edge;
	return 0;
}

void edge_hurry(struct edge *edge, unsigned seconds)
{
	(void)edge;
	(void)seconds;
}

static void on_body(struct task *task)
{
	struct sim_request *r = CONTAINER_OF(task, struct sim_request, task);
	struct bytes *into = r->into;
	size_t n = r->body_len - r->body_at;

	r->into = NULL;
	if (n > into->cap)
		n = into->cap;
	memcpy(into->data, r->body + r->body_at, n);
	into->len = n;
	r->body_at += n;
	bool last = r->body_at == r->body_len;
	if (n == 0) {
		bytes_unref(into);
		into = NULL;
	}
	r->req.handler->body(&r->req, into, last);
}

static void body_want(struct http_req *req, struct bytes *into)
{
	struct sim_request *r = of(req);

	r->into = into;
	r->task.run = on_body;
	reactor_post(req->reactor, &r->task);
}

static void maybe_end(struct sim_request *r)
{
	if (r->ended || !r->status || r->stream_left)
		return;
	r->ended = true;
	sim_after(&r->timeout, 0); /* told from the scheduler, not from within the proxy */
}

static void on_told(struct sim_event *e)
{
	struct sim_request *r = CONTAINER_OF(e, struct sim_request, timeout);

	if (!r->ended) {
		r->ended = true;
		r->status = 599;
		r->req.gone = true;
		if (r->node->life == r->life && !r->done && r->req.handler->gone)
			r->req.handler->gone(&r->req);
	}
	r->answered(r);
}

static void answer(struct sim_request *r, int status)
{
	r->req.status = status;
	r->req.answered = true;
	if (!r->ended)
		r->status = status;
}

static void reply(struct http_req *req, int status, struct bytes *body, size_t offset, size_t len)
{
	struct sim_request *r = of(req);

	if (body && !r->ended)
		buf_add(&r->answer, body->data + offset, len);
	bytes_unref(body);
	answer(r, status);
	maybe_end(r);
}

static void reply_head(struct http_req *req, int status, uint64_t length)
{
	(void)length;
	answer(of(req), status);
	maybe_end(of(req));
}

static void on_room(struct task *task)
{
	struct sim_request *r = CONTAINER_OF(task, struct sim_request, task);

	if (!r->done && r->req.handler->room)
		r->req.handler->room(&r->req);
}

static void stream(struct http_req *req, int status, uint64_t length)
{
	struct sim_request *r = of(req);

	answer(r, status);
	r->stream_left = length;
	r->task.run = on_room;
	reactor_post(req->reactor, &r->task);
	maybe_end(r);
}

static void stream_write(struct http_req *req, struct bytes *piece, size_t offset, size_t len)
{
	struct sim_request *r = of(req);

	if (!r->ended)
		buf_add(&r->answer, piece->data + offset, len);
	bytes_unref(piece);
	r->stream_left -= len;
	maybe_end(r);
}

static void stream_end(struct http_req *req)
{
	of(req)->stream_left = 0;
	maybe_end(of(req));
}

static void stream_abort(struct http_req *req)
{
	struct sim_request *r = of(req);

	if (!r->ended)
		r->status = 598; /* cut short */
	r->stream_left = 0;
	maybe_end(r);
}

static size_t stream_pending(const struct http_req *req)
{
	(void)req;
	return 0;
}

static void forget(struct sim_request *r)
{
	for (unsigned i = 0; i < OPEN_MAX; i++) {
		if (open_requests[i] == r)
			open_requests[i] = NULL;
	}
}

static void maybe_free(struct sim_request *r)
{
	bool gone = r->node->life != r->life; /* nobody will call http_done any more */

	if (!r->ended || r->owner || !(r->done || gone))
		return;
	forget(r);
	buf_done(&r->answer);
	buf_done(&r->req.out);
	if (!gone)
		arena_done(&r->req.arena);
	free(r);
}

static void done(struct http_req *req)
{
	struct sim_request *r = of(req);

	r->done = true;
	maybe_free(r);
}

static const struct http_carrier carrier = {body_want, reply, reply_head, stream, stream_write,
        stream_end, stream_abort, stream_pending, done};

void sim_request_free(struct sim_request *r)
{
	r->owner = NULL;
	maybe_free(r);
}

static void begin(struct task *task)
{
	struct sim_request *r = CONTAINER_OF(task, struct sim_request, task);

	r->req.handler->begin(&r->req);
}

struct sim_request *sim_request(unsigned node, const char *method, const char *target,
        const char *const *headers, const void *body, size_t body_len,
        void (*answered)(struct sim_request *request), void *owner)
{
	struct sim_node *s = &world.nodes[node];
	struct sim_request *r = mem_zalloc(sizeof(*r));
	struct http_req *q = &r->req;
	unsigned slot = 0;

	while (open_requests[slot])
		slot++;
	open_requests[slot] = r;
	r->node = s;
	r->life = s->life;
	r->answered = answered;
	r->owner = owner;
	r->body = body;
	r->body_len = body_len;
	r->timeout.fire = on_told;
	q->carrier = &carrier;
	q->handler = &proxy_handler;
	q->owner = &s->node->reactors[0].proxy;
	q->reactor = s->reactor;
	arena_init(&q->arena);
	q->method = arena_strdup(&q->arena, method);
	q->target = arena_strdup(&q->arena, target);
	q->head = strcmp(method, "HEAD") == 0;
	q->content_length = body_len;
	q->has_length = strcmp(method, "PUT") == 0;
	q->start_us = sim_now();
	q->headers = arena_zalloc(&q->arena, 8 * sizeof(*q->headers));
	for (; headers && *headers; headers += 2)
		q->headers[q->header_count++] = (struct http_header){
		        arena_strdup(&q->arena, headers[0]), arena_strdup(&q->arena, headers[1])};
	sim_after(&r->timeout, 60 * SIM_S);
	r->task.run = begin;
	reactor_post(s->reactor, &r->task);
	return r;
}

void sim_requests_crash(unsigned node)
{
	for (unsigned i = 0; i < OPEN_MAX; i++) {
		struct sim_request *r = open_requests[i];
		if (!r || r->node->index != node || r->ended)
			continue;
		r->ended = true;
		r->status = 599;
		sim_after(&r->timeout, sim_draw(1000));
	}
}
