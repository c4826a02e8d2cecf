/* http: requests as the services see them; the library that speaks HTTP is hidden behind the
 * edge (edge.h). A request lives on one reactor. All calls on that reactor's thread.
 *
 * Life of a request: handler->begin runs once the headers are complete and have passed the guard.
 * The handler calls http_body_want to receive the body (a 100 Continue is sent no earlier), and
 * answers with exactly one http_reply or http_stream. It must call http_done when it no longer
 * looks at the request; the request's memory lives until then and until the edge has let go. */
#ifndef LIB_HTTP_HTTP_H
#define LIB_HTTP_HTTP_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/reactor/reactor.h"

struct http_req;

struct http_header {
	const char *name, *value;
};

struct http_handler {
	void (*begin)(struct http_req *req);
	/* A piece wanted is full, or the body has ended (last). The piece moves to the handler;
	 * NULL when the body ended with nothing in it. */
	void (*body)(struct http_req *req, struct bytes *piece, bool last);
	/* Streaming reply: there is room for more; http_stream_write at most HTTP_WINDOW ahead. */
	void (*room)(struct http_req *req);
	/* The client went away. Replies are ignored from now on; http_done is still due. */
	void (*gone)(struct http_req *req);
	/* Nothing follows any more: the answer is sent, or the client went away (req->gone). The
	 * request's memory goes next. NULL: not wanted. Of a client's only. */
	void (*closed)(struct http_req *req);
};

/* Who brings a request and takes its answer: what the calls below do. An edge; a request that
 * another makes (proxy/sub.h); a simulated client. */
struct http_carrier {
	void (*body_want)(struct http_req *req, struct bytes *into);
	void (*reply)(
	        struct http_req *req, int status, struct bytes *body, size_t offset, size_t len);
	void (*reply_head)(struct http_req *req, int status, uint64_t length);
	void (*stream)(struct http_req *req, int status, uint64_t length);
	void (*stream_write)(struct http_req *req, struct bytes *piece, size_t offset, size_t len);
	void (*stream_end)(struct http_req *req);
	void (*stream_abort)(struct http_req *req);
	size_t (*stream_pending)(const struct http_req *req);
	void (*done)(struct http_req *req);
};

struct http_req {
	const struct http_carrier *carrier; /* borrowed */
	const struct http_handler *handler; /* borrowed */
	void *owner;                        /* the listener's, for begin */
	void *op;                           /* the handler's */
	struct reactor *reactor;
	struct arena arena; /* dies with the request */
	const char *method; /* as sent */
	const char *target; /* as sent, with query, no unescaping */
	struct http_header *headers;
	unsigned header_count;
	uint64_t content_length; /* of the body; 0 when chunked */
	bool has_length, chunked;
	bool expects_continue;
	bool http_1_0, head;
	char remote[48]; /* client address, text */
	uint64_t start_us;

	/* Reply under construction: names and values copied by http_header. */
	struct buf out; /* kv block */
	int status;     /* what was answered; 0 before */
	uint64_t bytes_in, bytes_out;
	bool gone, answered;
};

/* Bytes a handler may write ahead of the client in a stream before it waits for `room`. */
#define HTTP_WINDOW (2u << 20)

/* Value of the first header of that name (case ignored), or NULL. */
const char *http_get(const struct http_req *req, const char *name);

/* Receives the next part of the body into this piece (its len must be 0; moved). */
void http_body_want(struct http_req *req, struct bytes *into);

void http_header(struct http_req *req, const char *name, const char *value);

/* Answers with a body of `len` bytes at body->data + offset (reference moved), or none (NULL).
 * Content-Length is set here; for HEAD pass the length with a NULL body through
 * http_reply_head. A body still unread is drained or the connection closed. */
void http_reply(struct http_req *req, int status, struct bytes *body, size_t offset, size_t len);
void http_reply_text(struct http_req *req, int status, const char *text);
void http_reply_head(struct http_req *req, int status, uint64_t length);

#define HTTP_UNTIL_END UINT64_MAX

/* Answers with a body of exactly `length` bytes that is written piece by piece, or with one that
 * http_stream_end ends (HTTP_UNTIL_END). Not before the request's body has been received. */
void http_stream(struct http_req *req, int status, uint64_t length);
void http_stream_write(struct http_req *req, struct bytes *piece, size_t offset, size_t len);
void http_stream_end(struct http_req *req);
/* Something went wrong half-way: the connection is closed short, so that the client notices. */
void http_stream_abort(struct http_req *req);

/* Bytes written to the stream and not yet taken by the client's socket. */
size_t http_stream_pending(const struct http_req *req);

void http_done(struct http_req *req);

#endif
