#include "lib/http/http.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

const char *http_get(const struct http_req *req, const char *name)
{
	for (unsigned i = 0; i < req->header_count; i++) {
		/* Most differ in their first letters: in more than the bit of their case. */
		const char *has = req->headers[i].name;
		if (!((*has ^ *name) & ~0x20) && strcasecmp(has, name) == 0)
			return req->headers[i].value;
	}
	return NULL;
}

void http_header(struct http_req *req, const char *name, const char *value)
{
	kv_add(&req->out, name, value);
}

void http_body_want(struct http_req *req, struct bytes *into)
{
	req->carrier->body_want(req, into);
}

void http_reply(struct http_req *req, int status, struct bytes *body, size_t offset, size_t len)
{
	req->carrier->reply(req, status, body, offset, len);
}

void http_reply_text(struct http_req *req, int status, const char *text)
{
	size_t len = strlen(text);
	struct bytes *body = len ? bytes_copy(text, len) : NULL;

	http_reply(req, status, body, 0, len);
}

void http_reply_head(struct http_req *req, int status, uint64_t length)
{
	req->carrier->reply_head(req, status, length);
}

void http_stream(struct http_req *req, int status, uint64_t length)
{
	req->carrier->stream(req, status, length);
}

void http_stream_write(struct http_req *req, struct bytes *piece, size_t offset, size_t len)
{
	req->carrier->stream_write(req, piece, offset, len);
}

void http_stream_end(struct http_req *req)
{
	req->carrier->stream_end(req);
}

void http_stream_abort(struct http_req *req)
{
	req->carrier->stream_abort(req);
}

size_t http_stream_pending(const struct http_req *req)
{
	return req->carrier->stream_pending(req);
}

void http_done(struct http_req *req)
{
	req->carrier->done(req);
}
