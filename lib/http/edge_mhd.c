/* The traps of libmicrohttpd 0.9.75 that this file steps around are listed in DESIGN 4 terms in
 * docs/decisions/0002-http-edge.md. */
#include "lib/http/edge.h"

#include "lib/base/auto.h"
#include "lib/base/kv.h"
#include "lib/base/list.h"
#include "lib/base/mem.h"
#include "lib/http/guard.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define POOL_BYTES       (32u << 10)
#define STREAM_BLOCK     (256u << 10)
#define DRAIN_SECONDS_US 2000000u
#define HANGUPS          64 /* looked at in one go */

struct edge {
	struct reactor *reactor;     /* borrowed */
	struct edge_options options; /* its pointers outlive the edge */
	struct MHD_Daemon *daemon;   /* owned */
	struct reactor_hook hook;
	struct io poll;
	struct timer timer;
	int epoll_fd;
	/* Clients that will send no more. */
	int hangup_fd; /* an epoll of its own; owned */
	struct io hangup_poll;
	bool hangup_polling;
	bool dirty; /* something was resumed or became ready: MHD_run is due */
	bool polling;
	unsigned connections;
	size_t held;           /* bytes of answers not sent yet */
	struct list exchanges; /* that have a connection */
	unsigned live;         /* exchanges not freed */
};

struct piece {
	struct piece *next;
	struct bytes *bytes; /* owned */
	size_t offset, len;
};

/* The edge's half of a request. */
struct exchange {
	struct http_req req;
	struct edge *edge;
	struct MHD_Connection *connection; /* NULL once the client is gone or served */
	struct bytes *into;                /* owned: where the body goes */
	struct MHD_Response *response;     /* owned until queued */
	enum MHD_ResponseFlags response_flags;
	struct piece *first, **last; /* stream */
	size_t pending, held;        /* of a stream; of a whole answer */
	struct list link;
	uint64_t drained;
	struct timer drain_timer;
	bool suspended, begun, body_ended, handler_done, edge_done, stream, ended, aborted,
	        headers_first;
	bool drop, ending, hurried;
	struct task end_task; /* tells the handler of the end of the body */
};

static struct exchange *exchange_of(struct http_req *req)
{
	return CONTAINER_OF(req, struct exchange, req);
}

/* Closed, and nothing that is under way refers to it any more. */
static void maybe_free_edge(struct edge *edge)
{
	if (edge->daemon || edge->polling || edge->hangup_polling || edge->live)
		return;
	close(edge->hangup_fd);
	free(edge);
}

static void exchange_free(struct exchange *x)
{
	struct edge *edge = x->edge;

	if (x->req.op && x->req.handler->closed)
		x->req.handler->closed(&x->req);
	edge->held -= x->pending;
	while (x->first) {
		struct piece *next = x->first->next;
		bytes_unref(x->first->bytes);
		free(x->first);
		x->first = next;
	}
	bytes_unref(x->into);
	if (x->response)
		MHD_destroy_response(x->response);
	timer_cancel(edge->reactor, &x->drain_timer);
	buf_done(&x->req.out);
	arena_done(&x->req.arena);
	free(x);
	edge->live--;
	maybe_free_edge(edge);
}

static void maybe_free(struct exchange *x)
{
	if (x->edge_done && x->handler_done && !x->ending)
		exchange_free(x);
}

static void suspend(struct exchange *x)
{
	if (!x->suspended) {
		x->suspended = true;
		MHD_suspend_connection(x->connection);
	}
}

/* MHD_get_timeout does not know of resumes, so the loop is told to run again. */
static void resume(struct exchange *x)
{
	if (x->suspended && x->connection) {
		x->suspended = false;
		MHD_resume_connection(x->connection);
		x->edge->dirty = true;
	}
}

/* --- what handlers call --- */

static void on_end(struct task *task)
{
	struct exchange *x = CONTAINER_OF(task, struct exchange, end_task);

	x->ending = false;
	if (!x->handler_done && !x->req.answered && !x->req.gone)
		x->req.handler->body(&x->req, TAKE(x->into), true);
	maybe_free(x);
}

/* The end is told only to a handler that wants (the rest of) the body, from the loop. */
static void tell_end(struct exchange *x)
{
	if (x->ending || !x->into)
		return;
	x->ending = true;
	x->end_task.run = on_end;
	reactor_post(x->edge->reactor, &x->end_task);
}

static void body_want(struct http_req *req, struct bytes *into)
{
	struct exchange *x = exchange_of(req);

	assert(!x->into && into->len == 0);
	if (req->gone) {
		bytes_unref(into);
		return;
	}
	x->into = into;
	if (x->body_ended)
		tell_end(x);
	else
		resume(x);
}

static void add_headers(struct exchange *x)
{
	struct kv_pair pair;

	for (size_t at = 0; kv_next(x->req.out.data, x->req.out.len, &at, &pair);)
		/* An empty one is refused by the library, one of a blank is empty for clients. */
		MHD_add_response_header(x->response, pair.name, *pair.value ? pair.value : " ");
}

static void on_drain_timeout(struct timer *timer)
{
	struct exchange *x = CONTAINER_OF(timer, struct exchange, drain_timer);

	x->drop = true;
	resume(x);
}

static void answer(struct exchange *x, int status)
{
	assert(!x->req.answered);
	x->req.answered = true;
	x->req.status = status;
	const char *connection = http_get(&x->req, "Connection");
	if (connection && strcasecmp(connection, "keep-alive") == 0)
		x->response_flags |= MHD_RF_SEND_KEEP_ALIVE_HEADER;
	MHD_set_response_options(x->response, x->response_flags, MHD_RO_END);
	add_headers(x);
	bytes_unref(x->into);
	x->into = NULL;
	if (!x->body_ended) {
		x->drain_timer.fire = on_drain_timeout;
		timer_set(x->edge->reactor, &x->drain_timer, DRAIN_SECONDS_US);
	}
	resume(x);
}

static void release_bytes(void *cls)
{
	bytes_unref(cls);
}

static ssize_t never_read(void *cls, uint64_t pos, char *data, size_t max)
{
	(void)cls;
	(void)pos;
	(void)data;
	(void)max;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void reply_head(struct http_req *req, int status, uint64_t length)
{
	struct exchange *x = exchange_of(req);

	if (req->gone) {
		req->status = status;
		return;
	}
	x->response = MHD_create_response_from_callback(length, 1024, never_read, NULL, NULL);
	answer(x, status);
}

static void reply(struct http_req *req, int status, struct bytes *body, size_t offset, size_t len)
{
	struct exchange *x = exchange_of(req);

	if (req->gone || !body || len == 0) {
		bytes_unref(body);
		body = NULL;
	}
	if (req->gone) {
		req->status = status;
		return;
	}
	if (body && req->head) {
		bytes_unref(body);
		reply_head(req, status, len);
		return;
	}
	if (body) {
		req->bytes_out = len;
		x->held = len;
		x->edge->held += len;
		x->response = MHD_create_response_from_buffer_with_free_callback_cls(
		        len, body->data + offset, release_bytes, body);
	} else {
		x->response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
		/* Swift's 204 carries Content-Length: 0, which MHD leaves out by itself. */
		if (status == 204) {
			x->response_flags = MHD_RF_INSANITY_HEADER_CONTENT_LENGTH;
			kv_add(&req->out, "Content-Length", "0");
		}
	}
	answer(x, status);
}

static ssize_t stream_read(void *cls, uint64_t pos, char *data, size_t max)
{
	struct exchange *x = cls;
	size_t copied = 0;

	(void)pos;
	while (x->first && copied < max) {
		struct piece *p = x->first;
		size_t n = p->len < max - copied ? p->len : max - copied;
		memcpy(data + copied, p->bytes->data + p->offset, n);
		p->offset += n;
		p->len -= n;
		copied += n;
		if (p->len == 0) {
			x->first = p->next;
			if (!x->first)
				x->last = &x->first;
			bytes_unref(p->bytes);
			free(p);
		}
	}
	x->pending -= copied;
	x->edge->held -= copied;
	x->req.bytes_out += copied;
	if (copied && !x->handler_done)
		x->req.handler->room(&x->req);
	if (copied)
		return (ssize_t)copied;
	if (x->aborted)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (x->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	suspend(x);
	return 0;
}

static void stream(struct http_req *req, int status, uint64_t length)
{
	struct exchange *x = exchange_of(req);

	if (req->gone) {
		req->status = status;
		return;
	}
	x->stream = true;
	x->response = MHD_create_response_from_callback(
	        length == HTTP_UNTIL_END ? MHD_SIZE_UNKNOWN : length, STREAM_BLOCK, stream_read, x,
	        NULL);
	answer(x, status);
}

static void stream_write(struct http_req *req, struct bytes *bytes, size_t offset, size_t len)
{
	struct exchange *x = exchange_of(req);

	if (req->gone || len == 0) {
		bytes_unref(bytes);
		return;
	}
	struct piece *p = mem_zalloc(sizeof(*p));
	*p = (struct piece){NULL, bytes, offset, len};
	*x->last = p;
	x->last = &p->next;
	x->pending += len;
	x->edge->held += len;
	resume(x);
}

static void stream_end(struct http_req *req)
{
	struct exchange *x = exchange_of(req);

	x->ended = true;
	resume(x);
}

static void stream_abort(struct http_req *req)
{
	struct exchange *x = exchange_of(req);

	x->aborted = true;
	resume(x);
}

static size_t stream_pending(const struct http_req *req)
{
	return CONTAINER_OF(req, const struct exchange, req)->pending;
}

static void done(struct http_req *req)
{
	struct exchange *x = exchange_of(req);

	x->handler_done = true;
	maybe_free(x);
}

static const struct http_carrier carrier = {body_want, reply, reply_head, stream, stream_write,
        stream_end, stream_abort, stream_pending, done};

/* --- what libmicrohttpd calls --- */

/* The path and query of "http://host/path?query" as well (RFC 9112, 3.2.2). */
static const char *of_origin(struct arena *arena, const char *target)
{
	size_t skip = strncasecmp(target, "http://", 7) == 0    ? 7
	              : strncasecmp(target, "https://", 8) == 0 ? 8
	                                                        : 0;

	if (!skip)
		return arena_strdup(arena, target);
	const char *path = target + skip + strcspn(target + skip, "/?");
	return arena_printf(arena, "%s%s", *path == '/' ? "" : "/", path);
}

static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct edge *edge = cls;
	struct exchange *x = mem_zalloc(sizeof(*x));

	arena_init(&x->req.arena);
	x->edge = edge;
	x->connection = connection;
	x->last = &x->first;
	list_append(&edge->exchanges, &x->link);
	edge->live++;
	x->handler_done = true; /* until begin */
	x->req.carrier = &carrier;
	x->req.handler = edge->options.handler;
	x->req.owner = edge->options.owner;
	x->req.reactor = edge->reactor;
	x->req.target = of_origin(&x->req.arena, target);
	x->req.start_us = reactor_now_us(edge->reactor);
	return x;
}

static enum MHD_Result count_header(
        void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	(void)name;
	(void)value;
	++*(unsigned *)cls;
	return MHD_YES;
}

static enum MHD_Result copy_header(
        void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct http_req *req = cls;
	struct http_header *h = &req->headers[req->header_count++];

	(void)kind;
	h->name = arena_strdup(&req->arena, name);
	h->value = arena_strdup(&req->arena, value ? value : "");
	return MHD_YES;
}

static void note_client(struct exchange *x)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = info ? info->client_addr : NULL;

	memcpy(x->req.remote, "-", 2);
	if (sa && sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr,
		        x->req.remote, sizeof(x->req.remote));
	else if (sa && sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
		        x->req.remote, sizeof(x->req.remote));
}

static enum MHD_Result refuse(struct exchange *x, int status, const char *why)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
	        strlen(why), (void *)(uintptr_t)why, MHD_RESPMEM_PERSISTENT);

	MHD_add_response_header(r, "Content-Type", "text/plain; charset=UTF-8");
	MHD_add_response_header(r, "Connection", "close");
	enum MHD_Result ok = MHD_queue_response(x->connection, (unsigned)status, r);
	MHD_destroy_response(r);
	x->req.answered = true;
	return ok;
}

static enum MHD_Result first_call(struct exchange *x, const char *method, const char *version)
{
	struct http_req *req = &x->req;
	unsigned count = 0;

	req->method = arena_strdup(&req->arena, method);
	req->head = strcmp(method, "HEAD") == 0;
	req->http_1_0 = strcmp(version, "HTTP/1.0") == 0;
	MHD_get_connection_values(x->connection, MHD_HEADER_KIND, count_header, &count);
	req->headers = arena_alloc(&req->arena, (count + 1) * sizeof(*req->headers));
	MHD_get_connection_values(x->connection, MHD_HEADER_KIND, copy_header, req);
	note_client(x);
	int status;
	const char *why = guard_check(req, &status);
	if (why)
		return refuse(x, status, why);
	if (req->chunked || req->content_length) {
		x->begun = true;
		x->handler_done = false;
		req->handler->begin(req);
		/* A client that waits for 100 Continue gets it only when the body is wanted; a body
		 * too large to drain is refused before it is read. */
		if ((req->expects_continue ||
		            req->content_length > x->edge->options.drain_bytes_max) &&
		        !x->into) {
			x->headers_first = true;
			if (!req->answered)
				suspend(x);
		}
	}
	return MHD_YES;
}

static enum MHD_Result queue_answer(struct exchange *x)
{
	enum MHD_Result ok =
	        MHD_queue_response(x->connection, (unsigned)x->req.status, x->response);

	timer_cancel(x->edge->reactor, &x->drain_timer);
	MHD_destroy_response(x->response);
	x->response = NULL;
	return ok;
}

static enum MHD_Result drain(struct exchange *x, size_t *size)
{
	x->drained += *size;
	if (x->drop || x->drained > x->edge->options.drain_bytes_max)
		return MHD_NO;
	*size = 0;
	return MHD_YES;
}

static enum MHD_Result upload(struct exchange *x, const char *data, size_t *size)
{
	struct http_req *req = &x->req;

	while (*size) {
		if (req->answered)
			return drain(x, size);
		if (!x->into) {
			suspend(x);
			return MHD_YES;
		}
		size_t room = x->into->cap - x->into->len;
		size_t n = *size < room ? *size : room;
		memcpy(x->into->data + x->into->len, data, n);
		x->into->len += n;
		req->bytes_in += n;
		data += n;
		*size -= n;
		if (x->into->len == x->into->cap)
			req->handler->body(req, TAKE(x->into), false);
	}
	return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **con_cls)
{
	struct exchange *x = *con_cls;
	struct http_req *req = &x->req;

	(void)cls;
	(void)connection;
	(void)url;
	if (!req->method)
		return first_call(x, method, version);
	if (x->headers_first) {
		x->headers_first = false;
		if (x->response)
			return queue_answer(x); /* the client never sent its body: close after it */
		return MHD_YES;
	}
	if (x->drop && !x->body_ended)
		return MHD_NO;
	if (*size)
		return upload(x, data, size);
	if (!x->body_ended) {
		x->body_ended = true;
		if (!x->begun) {
			x->begun = true;
			x->handler_done = false;
			req->handler->begin(req);
		} else if (!req->answered) {
			tell_end(x);
		}
	}
	if (x->response)
		return queue_answer(x);
	if (!req->answered)
		suspend(x);
	return MHD_YES;
}

static void set_timeout(struct exchange *x, unsigned seconds)
{
	MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
        enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *con_cls;

	(void)cls;
	(void)connection;
	if (!x)
		return;
	*con_cls = NULL;
	x->edge->held -= x->held;
	list_remove(&x->link);
	if (x->hurried)
		set_timeout(x, x->edge->options.idle_timeout_s);
	x->edge_done = true;
	x->connection = NULL;
	if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK || !x->req.answered)
		x->req.gone = true;
	timer_cancel(x->edge->reactor, &x->drain_timer);
	if (!x->handler_done && (x->req.gone || x->stream)) {
		x->req.gone = true;
		x->req.handler->gone(&x->req);
	}
	maybe_free(x);
}

/* Its own epoll is edge-triggered: when the last bytes of a client and its end arrive together, and
 * are fewer than it asked for, it waits for more in vain, until the idle timeout. */
static void watch_for_end(struct edge *edge, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = connection};

	/* It leaves with its socket. Without it, the timeout is there. */
	if (info)
		epoll_ctl(edge->hangup_fd, EPOLL_CTL_ADD, info->connect_fd, &event);
}

/* After a resume it looks at the socket anew. */
static void look_again(struct edge *edge, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_SUSPENDED);

	if (!info || info->suspended)
		return;
	MHD_suspend_connection(connection);
	MHD_resume_connection(connection);
	edge->dirty = true;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
        enum MHD_ConnectionNotificationCode code)
{
	struct edge *edge = cls;

	(void)socket_context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		edge->connections++;
		watch_for_end(edge, connection);
	} else {
		edge->connections--;
	}
}

static size_t no_unescape(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

/* --- the loop --- */

static void watch(struct edge *edge)
{
	if (!edge->polling) {
		edge->polling = true;
		io_poll(edge->reactor, &edge->poll, edge->epoll_fd, POLLIN);
	}
}

static void watch_hangups(struct edge *edge)
{
	edge->hangup_polling = true;
	io_poll(edge->reactor, &edge->hangup_poll, edge->hangup_fd, POLLIN);
}

static void on_hangups(struct io *io, int result)
{
	struct edge *edge = CONTAINER_OF(io, struct edge, hangup_poll);
	struct epoll_event events[HANGUPS];
	int n = HANGUPS;

	(void)result;
	edge->hangup_polling = false;
	while (edge->daemon && n == HANGUPS) {
		n = epoll_wait(edge->hangup_fd, events, HANGUPS, 0);
		for (int i = 0; i < n; i++)
			look_again(edge, events[i].data.ptr);
	}
	if (edge->daemon)
		watch_hangups(edge);
	maybe_free_edge(edge);
}

static void on_ready(struct io *io, int result)
{
	struct edge *edge = CONTAINER_OF(io, struct edge, poll);

	(void)result;
	edge->polling = false;
	edge->dirty = true;
	maybe_free_edge(edge);
}

static void on_timer(struct timer *timer)
{
	CONTAINER_OF(timer, struct edge, timer)->dirty = true;
}

static bool run_edge(struct reactor_hook *hook)
{
	struct edge *edge = CONTAINER_OF(hook, struct edge, hook);
	MHD_UNSIGNED_LONG_LONG wait_ms;

	if (!edge->dirty || !edge->daemon)
		return false;
	edge->dirty = false;
	MHD_run(edge->daemon);
	if (MHD_get_timeout(edge->daemon, &wait_ms) == MHD_YES) {
		if (wait_ms == 0)
			edge->dirty = true;
		else
			timer_set(edge->reactor, &edge->timer, (uint64_t)wait_ms * 1000);
	}
	if (!edge->dirty)
		watch(edge);
	return edge->dirty;
}

static enum err listen_on(
        const char *bind_ip, uint16_t port, bool shared, int *ret_fd, uint16_t *ret_port)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in *v4 = (void *)&sa;
	struct sockaddr_in6 *v6 = (void *)&sa;
	socklen_t len = sizeof(*v4);
	int one = 1;

	if (inet_pton(AF_INET, bind_ip, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, bind_ip, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		len = sizeof(*v6);
	} else {
		return ERR_CONFIG;
	}
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_from_errno(errno);
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 1024) < 0) {
		int e = errno;
		close(fd);
		return e == EADDRINUSE      ? ERR_BUSY
		       : e == EADDRNOTAVAIL ? ERR_NOT_FOUND
		                            : err_from_errno(e);
	}
	len = sizeof(sa);
	if (ret_port && getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
		*ret_port = ntohs(sa.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
	*ret_fd = fd;
	return ERR_OK;
}

enum err edge_try(const char *bind_ip, uint16_t port)
{
	int fd;
	enum err err = listen_on(bind_ip, port, false, &fd, NULL);

	if (!err)
		close(fd);
	return err;
}

enum err edge_open(struct reactor *reactor, const struct edge_options *options, uint16_t *ret_port,
        struct edge **ret_edge)
{
	struct MHD_OptionItem tls[] = {
	        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->tls_key},
	        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->tls_cert},
	        {MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	bool secure = options->tls_cert && options->tls_key;
	int fd = -1;

	enum err err = listen_on(options->bind_ip, options->port, true, &fd, ret_port);
	if (err)
		return err;
	struct edge *edge = mem_zalloc(sizeof(*edge));
	edge->reactor = reactor;
	edge->options = *options;
	list_init(&edge->exchanges);
	edge->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
	edge->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO |
	                                        (secure ? MHD_USE_TLS : 0),
	        0, NULL, NULL, on_request, edge, MHD_OPTION_LISTEN_SOCKET, fd,
	        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_CONNECTION_LIMIT,
	        options->connections_max, MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_s,
	        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, edge,
	        MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED,
	        on_completed, edge, MHD_OPTION_NOTIFY_CONNECTION, on_connection, edge,
	        MHD_OPTION_ARRAY, secure ? tls : none, MHD_OPTION_END);
	if (!edge->daemon || edge->hangup_fd < 0) {
		if (edge->daemon)
			MHD_stop_daemon(edge->daemon);
		else
			close(fd);
		if (edge->hangup_fd >= 0)
			close(edge->hangup_fd);
		free(edge);
		return secure ? ERR_CONFIG : ERR_NO_MEMORY;
	}
	edge->epoll_fd = MHD_get_daemon_info(edge->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	edge->hook.run = run_edge;
	edge->poll.done = on_ready;
	edge->timer.fire = on_timer;
	edge->hangup_poll.done = on_hangups;
	edge->dirty = true;
	reactor_add_hook(reactor, &edge->hook);
	watch_hangups(edge);
	*ret_edge = edge;
	return ERR_OK;
}

void edge_quiesce(struct edge *edge)
{
	int fd = MHD_quiesce_daemon(edge->daemon);

	if (fd >= 0)
		close(fd);
}

unsigned edge_connections(const struct edge *edge)
{
	return edge->connections;
}

size_t edge_held(const struct edge *edge)
{
	return edge->held;
}

void edge_hurry(struct edge *edge, unsigned seconds)
{
	LIST_EACH (node, &edge->exchanges) {
		struct exchange *x = LIST_ENTRY(node, struct exchange, link);
		if (!x->begun || x->hurried)
			continue;
		x->hurried = true;
		set_timeout(x, seconds);
		edge->dirty = true; /* the time to wait is another */
	}
}

void edge_close(struct edge *edge)
{
	if (!edge)
		return;
	reactor_remove_hook(edge->reactor, &edge->hook);
	timer_cancel(edge->reactor, &edge->timer);
	/* A daemon with suspended connections cannot stop. */
	LIST_EACH (node, &edge->exchanges)
		resume(LIST_ENTRY(node, struct exchange, link));
	MHD_stop_daemon(TAKE(edge->daemon));
	if (edge->polling)
		io_cancel(edge->reactor, &edge->poll);
	if (edge->hangup_polling)
		io_cancel(edge->reactor, &edge->hangup_poll);
	maybe_free_edge(edge);
}
