#include "proxy/errand.h"

#include "proxy/s3/s3.h"

#include "lib/base/mem.h"
#include <stdlib.h>

struct errand {
	struct http_req req;
	void (*done)(void *owner, int status);
	void *owner;
};

static struct errand *errand_of(struct http_req *req)
{
	return CONTAINER_OF(req, struct errand, req);
}

/* --- as a carrier: nothing comes, and nobody listens --- */

static void body_want(struct http_req *req, struct bytes *into)
{
	(void)req;
	bytes_unref(into);
}

static void reply_head(struct http_req *req, int status, uint64_t length)
{
	(void)length;
	req->answered = true;
	req->status = status;
}

static void reply(struct http_req *req, int status, struct bytes *body, size_t offset, size_t len)
{
	(void)offset;
	bytes_unref(body);
	reply_head(req, status, len);
}

static void stream_write(struct http_req *req, struct bytes *piece, size_t offset, size_t len)
{
	(void)req;
	(void)offset;
	(void)len;
	bytes_unref(piece);
}

static void stream_end(struct http_req *req)
{
	(void)req;
}

static size_t stream_pending(const struct http_req *req)
{
	(void)req;
	return 0;
}

static void ended(struct http_req *req)
{
	struct errand *e = errand_of(req);
	void (*tell)(void *owner, int status) = e->done;
	void *owner = e->owner;
	int status = req->status;

	buf_done(&req->out);
	arena_done(&req->arena);
	free(e);
	tell(owner, status);
}

static const struct http_carrier carrier = {body_want, reply, reply_head, reply_head, stream_write,
        stream_end, stream_end, stream_pending, ended};

/* --- */

struct request *errand_new(
        struct proxy *proxy, const char *account, const char *bucket, const char *key)
{
	struct errand *e = mem_zalloc(sizeof(*e));
	struct arena *arena = &e->req.arena;
	struct request *request;

	arena_init(arena);
	e->req.carrier = &carrier;
	e->req.handler = &proxy_handler;
	e->req.owner = proxy;
	e->req.reactor = proxy->reactor;
	e->req.method = "GET";
	e->req.target = "/";
	e->req.has_length = true;
	e->req.start_us = reactor_now_us(proxy->reactor);
	request = arena_zalloc(arena, sizeof(*request));
	e->req.op = request;
	request->http = &e->req;
	request->proxy = proxy;
	list_init(&request->subs);
	request->path = e->req.target;
	request->ts = hlc_now(proxy->cluster->hlc);
	request->account = arena_strdup(arena, account);
	request->container = arena_strdup(arena, bucket);
	request->object = key ? arena_strdup(arena, key) : NULL;
	request->identified = request->authorized = request->trusted = true;
	struct s3 *s3 = s3_begin(request);
	s3->bucket = request->container;
	s3->key = request->object;
	s3->found = S3_OWN;
	return request;
}

void errand_start(struct request *request, const struct method *method,
        void (*done)(void *owner, int status), void *owner)
{
	struct errand *e = errand_of(request->http);

	e->done = done;
	e->owner = owner;
	request_begin_own(request, method);
}
