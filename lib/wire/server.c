#include "lib/wire/server.h"

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/wire/link.h"
#include "lib/wire/tls.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNSENT_MAX (16u << 20) /* of answers; nothing is read from who does not take them */
#define STRANGERS  64          /* connections in their hello; more push out the oldest */
#define NOTED      64          /* peers whose refusals are remembered */
#define NOTE_US    60000000    /* they are told of again after */
#define ACCEPT_US  100000      /* pause when no descriptor is left */

struct connection {
	struct wire_link link;
	struct wire_server *server;
	struct list of_server;
	struct list served; /* struct served */
	struct hash pins;
	size_t used; /* of the credit */
	bool challenged, gone;
};

/* A call of a peer, until it is answered. */
struct served {
	struct backend_call call;
	struct connection *from;
	struct list link;
	uint32_t stream;
	uint64_t since_us;
	size_t cost;
};

/* A version that is pinned for a peer: given up when it is gone. */
struct pin {
	struct hash_node node;
	uint64_t handle;
	uint32_t device;
};

struct note {
	char peer[WIRE_ADDRESS_MAX];
	uint64_t at_us;
	unsigned more; /* refused since, and not told */
};

struct wire_server {
	struct wire_server_options options;
	struct reactor *reactor;
	int fd;
	struct io accepting;
	struct timer again;
	struct list strangers, connections;
	unsigned stranger_count, connection_count, closing_calls;
	struct note notes[NOTED];
	unsigned next_note;
	struct wire_server_stats stats;
	bool accepts, leaving;
};

static void look_whether_done(struct wire_server *s)
{
	if (!s->leaving || s->accepts || s->connection_count || s->closing_calls)
		return;
	free(s);
}

/* --- refusals are told once a minute and peer --- */

static struct note *note_of(struct wire_server *s, const char *peer)
{
	size_t len = strcspn(peer, " "); /* its port changes */

	for (unsigned i = 0; i < NOTED; i++) {
		if (strlen(s->notes[i].peer) == len && memcmp(s->notes[i].peer, peer, len) == 0)
			return &s->notes[i];
	}
	struct note *note = &s->notes[s->next_note++ % NOTED];
	*note = (struct note){0};
	memcpy(note->peer, peer, len);
	return note;
}

static void say_refused(struct connection *c, enum err err)
{
	struct wire_server *s = c->server;
	char peer[WIRE_ADDRESS_MAX];

	s->stats.refused++;
	wire_link_peer(&c->link, peer);
	struct note *note = note_of(s, peer);
	uint64_t now = reactor_now_us(s->reactor);
	if (note->at_us && now - note->at_us < NOTE_US) {
		note->more++;
		return;
	}
	const char *why = err == ERR_UNSUPPORTED    ? "no version in common"
	                  : err == ERR_FORBIDDEN    ? "another cluster"
	                  : err == ERR_UNAUTHORIZED ? "wrong key"
	                  : err == ERR_DEADLINE     ? "silent"
	                                            : "does not speak as a node does";
	log_warn("wire-refused", "peer=%s why=%s more=%u", note->peer, log_quote(why), note->more);
	note->at_us = now;
	note->more = 0;
}

/* --- pins --- */

static uint64_t pin_hash(uint32_t device, uint64_t handle)
{
	return handle * 0x9e3779b97f4a7c15u + device;
}

static struct pin *pin_find(struct connection *c, uint32_t device, uint64_t handle)
{
	struct hash_node *node = hash_find(&c->pins, pin_hash(device, handle));

	for (; node; node = hash_find_next(node)) {
		struct pin *pin = CONTAINER_OF(node, struct pin, node);
		if (pin->device == device && pin->handle == handle)
			return pin;
	}
	return NULL;
}

static void pin_add(struct connection *c, uint32_t device, uint64_t handle)
{
	struct pin *pin = pin_find(c, device, handle) ? NULL : mem_zalloc(sizeof(*pin));

	if (!pin)
		return;
	pin->handle = handle;
	pin->device = device;
	hash_insert(&c->pins, &pin->node, pin_hash(device, handle));
}

static void pin_drop(struct connection *c, uint32_t device, uint64_t handle)
{
	struct pin *pin = pin_find(c, device, handle);

	if (!pin)
		return;
	hash_remove(&c->pins, &pin->node);
	free(pin);
}

struct closing {
	struct backend_call call;
	struct wire_server *server;
};

static void on_closed(struct backend_call *call)
{
	struct closing *closing = CONTAINER_OF(call, struct closing, call);
	struct wire_server *s = closing->server;

	backend_call_done(call);
	free(closing);
	s->closing_calls--;
	look_whether_done(s);
}

static void close_handle(struct wire_server *s, uint32_t device, uint64_t handle)
{
	struct closing *closing = mem_zalloc(sizeof(*closing));

	closing->server = s;
	closing->call.msg = backend_msg_new(BACKEND_OBJECT_CLOSE, BACKEND_OBJECT);
	closing->call.msg->handle = handle;
	closing->call.device = device;
	closing->call.origin = s->reactor;
	closing->call.done = on_closed;
	s->closing_calls++;
	s->options.handle(s->options.owner, &closing->call);
}

static void close_pins(struct connection *c)
{
	for (size_t i = 0; i < c->pins.size; i++) {
		while (c->pins.slots[i]) {
			struct pin *pin = CONTAINER_OF(c->pins.slots[i], struct pin, node);
			close_handle(c->server, pin->device, pin->handle);
			hash_remove(&c->pins, &pin->node);
			free(pin);
		}
	}
}

/* --- connections --- */

static void connection_free(struct connection *c)
{
	struct wire_server *s = c->server;

	if (!c->gone || !list_empty(&c->served))
		return;
	hash_done(&c->pins);
	s->connection_count--;
	free(c);
	look_whether_done(s);
}

static void leave(struct connection *c)
{
	struct wire_server *s = c->server;

	s->stats.bytes_in += c->link.bytes_in;
	s->stats.bytes_out += c->link.bytes_out;
	list_remove(&c->of_server);
	s->stranger_count -= !c->link.trusted;
	close_pins(c);
}

static void drop(struct connection *c)
{
	leave(c);
	wire_link_close(&c->link);
}

static void refuse(struct connection *c, enum err err)
{
	say_refused(c, err);
	drop(c);
}

static void on_lost(struct wire_link *link, enum err err)
{
	struct connection *c = CONTAINER_OF(link, struct connection, link);

	if (err != ERR_CLOSED)
		say_refused(c, err);
	leave(c);
}

static void on_gone(struct wire_link *link)
{
	struct connection *c = CONTAINER_OF(link, struct connection, link);

	c->gone = true;
	connection_free(c);
}

/* Reads on only while what it makes is bounded. */
static void look_whether_paused(struct connection *c)
{
	wire_link_pause(&c->link,
	        c->link.unsent_bytes > UNSENT_MAX || c->used > c->server->options.credit_bytes * 2);
}

static void send_answer(struct served *served)
{
	struct connection *c = served->from;
	struct buf *out = &c->link.loop->scratch;
	struct backend_reply *reply = &served->call.reply, failed = {.err = ERR_INTERNAL};
	uint64_t worked_us = reactor_now_us(c->server->reactor) - served->since_us;

	buf_reset(out);
	if (wire_reply_encode(out, c->link.version, reply, worked_us)) {
		buf_reset(out);
		reply = &failed;
		wire_reply_encode(out, c->link.version, reply, worked_us);
	}
	wire_link_send(&c->link, WIRE_ANSWER, served->stream, out->data, out->len, reply->body,
	        reply->body_offset, reply->body ? reply->body_len : 0);
}

static void on_served(struct backend_call *call)
{
	struct served *served = CONTAINER_OF(call, struct served, call);
	struct connection *c = served->from;
	uint64_t handle = call->reply.handle;

	list_remove(&served->link);
	c->used -= served->cost;
	if (!c->link.dead) {
		if (handle)
			pin_add(c, call->device, handle);
		send_answer(served);
		look_whether_paused(c);
	} else if (handle) {
		close_handle(c->server, call->device, handle);
	}
	backend_call_done(call);
	free(served);
	connection_free(c);
}

static void on_call(struct connection *c, struct wire_message *m)
{
	struct wire_server *s = c->server;
	struct wire_call_head head;
	struct backend_msg *msg;
	uint64_t now = reactor_now_us(s->reactor);

	if (wire_call_decode(
	            c->link.version, m->head, m->frame.head_len, TAKE(m->body), &head, &msg)) {
		refuse(c, ERR_FORMAT);
		return;
	}
	struct served *served = mem_zalloc(sizeof(*served));
	served->call = (struct backend_call){
	        .msg = msg,
	        .device = head.device,
	        .deadline_us = head.timeout_us ? now + head.timeout_us : 0,
	        .done = on_served,
	        .origin = s->reactor,
	};
	served->from = c;
	served->stream = m->frame.stream;
	served->since_us = now;
	served->cost = wire_call_cost(msg);
	list_append(&c->served, &served->link);
	c->used += served->cost;
	s->stats.calls++;
	if (msg->op == BACKEND_OBJECT_CLOSE)
		pin_drop(c, head.device, msg->handle);
	if (head.device >= s->options.device_count)
		backend_finish(&served->call, ERR_UNAVAILABLE);
	else
		s->options.handle(s->options.owner, &served->call);
	look_whether_paused(c);
}

/* --- hello --- */

static void send_refusal(struct connection *c, enum err err)
{
	uint8_t reason[2] = {err == ERR_UNSUPPORTED    ? 1
	                     : err == ERR_FORBIDDEN    ? 2
	                     : err == ERR_UNAUTHORIZED ? 3
	                                               : 0};

	wire_link_send(&c->link, WIRE_REFUSE, 0, reason, sizeof(reason), NULL, 0, 0);
	say_refused(c, err);
	wire_link_finish(&c->link);
}

static void on_hello(struct connection *c, const struct wire_message *m)
{
	struct buf *out = &c->link.loop->scratch;

	buf_reset(out);
	enum err err = wire_hello_challenge(&c->link.hello, c->server->options.identity,
	        reactor_env(c->server->reactor), m->head, m->frame.head_len, out);
	if (err == ERR_FORMAT) {
		refuse(c, err);
	} else if (err) {
		send_refusal(c, err);
	} else {
		c->challenged = true;
		wire_link_send(&c->link, WIRE_CHALLENGE, 0, out->data, out->len, NULL, 0, 0);
	}
}

static void welcome(struct connection *c)
{
	const struct wire_server_options *o = &c->server->options;
	struct buf *out = &c->link.loop->scratch;

	wire_link_session_out(&c->link);
	wire_link_session_in(&c->link);
	c->server->stranger_count--;
	list_remove(&c->of_server);
	list_append(&c->server->connections, &c->of_server);
	buf_reset(out);
	buf_le64(out, o->credit_bytes);
	for (unsigned i = 0; i < o->device_count; i++)
		buf_add(out, o->devices[i], strlen(o->devices[i]) + 1);
	wire_link_send(&c->link, WIRE_WELCOME, 0, out->data, out->len, NULL, 0, 0);
}

static void on_proof(struct connection *c, const struct wire_message *m)
{
	enum err err = wire_hello_check(
	        &c->link.hello, c->server->options.identity, m->head, m->frame.head_len);

	if (err)
		refuse(c, err);
	else
		welcome(c);
}

static void on_ask(struct connection *c, const struct wire_message *m)
{
	const struct wire_server_options *o = &c->server->options;
	AUTO(buf) struct buf answer = BUF_NONE, told = BUF_NONE;
	enum err err = ERR_UNSUPPORTED;

	if (m->frame.head_len < 4) {
		refuse(c, ERR_FORMAT);
		return;
	}
	uint32_t kind = (uint32_t)m->head[0] | (uint32_t)m->head[1] << 8 |
	                (uint32_t)m->head[2] << 16 | (uint32_t)m->head[3] << 24;
	if (o->control)
		err = o->control(o->owner, kind, m->head + 4, m->frame.head_len - 4, &answer);
	buf_le16(&told, wire_err_code(err));
	buf_add(&told, answer.data, answer.len);
	if (told.err || told.len > WIRE_HEAD_MAX) {
		buf_reset(&told);
		buf_le16(&told, wire_err_code(ERR_NO_MEMORY));
	}
	wire_link_send(&c->link, WIRE_TOLD, m->frame.stream, told.data, told.len, NULL, 0, 0);
	look_whether_paused(c);
}

static void on_frame(struct wire_link *link, struct wire_message *m)
{
	struct connection *c = CONTAINER_OF(link, struct connection, link);

	if (link->trusted && m->frame.type == WIRE_CALL) {
		on_call(c, m);
		return;
	}
	bytes_unref(TAKE(m->body));
	if (link->trusted && m->frame.type == WIRE_ASK)
		on_ask(c, m);
	else if (!link->trusted && !c->challenged && m->frame.type == WIRE_HELLO)
		on_hello(c, m);
	else if (!link->trusted && c->challenged && m->frame.type == WIRE_PROOF)
		on_proof(c, m);
	else if (!link->trusted || m->frame.type != WIRE_PING)
		refuse(c, ERR_FORMAT);
}

/* --- listener --- */

static const struct wire_link_ops link_ops = {on_frame, on_lost, on_gone};

static void take(struct wire_server *s, int fd)
{
	if (s->connection_count >= s->options.connections_max) {
		close(fd);
		return;
	}
	if (s->stranger_count >= STRANGERS)
		drop(LIST_ENTRY(list_first(&s->strangers), struct connection, of_server));
	struct connection *c = mem_zalloc(sizeof(*c));
	struct tls_session *tls = s->options.tls ? tls_session_new(s->options.tls, true) : NULL;
	c->server = s;
	list_init(&c->served);
	list_append(&s->strangers, &c->of_server);
	s->stranger_count++;
	s->connection_count++;
	s->stats.accepted++;
	wire_link_start(&c->link, s->options.loop, fd, tls, &link_ops);
}

static void accept_next(struct wire_server *s)
{
	s->accepts = true;
	io_accept(s->reactor, &s->accepting, s->fd);
}

static void on_again(struct timer *timer)
{
	accept_next(CONTAINER_OF(timer, struct wire_server, again));
}

static void on_accepted(struct io *io, int result)
{
	struct wire_server *s = CONTAINER_OF(io, struct wire_server, accepting);

	s->accepts = false;
	if (s->leaving) {
		if (result >= 0)
			close(result);
		look_whether_done(s);
		return;
	}
	if (result >= 0)
		take(s, result);
	if (result == -EMFILE || result == -ENFILE || result == -ENOMEM || result == -ENOBUFS)
		timer_set(s->reactor, &s->again, ACCEPT_US);
	else
		accept_next(s);
}

static enum err listen_on(
        const char *ip, unsigned port, bool shared, int *ret_fd, uint16_t *ret_port)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int one = 1;
	enum err err = wire_address(ip, port, &sa, &len);

	if (err)
		return err;
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
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
	if (ret_port && getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
		*ret_port =
		        ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)&sa)->sin_port
		                                      : ((struct sockaddr_in6 *)&sa)->sin6_port);
	*ret_fd = fd;
	return ERR_OK;
}

enum err wire_server_try(const char *ip, unsigned port)
{
	int fd;
	enum err err = listen_on(ip, port, false, &fd, NULL);

	if (!err)
		close(fd);
	return err;
}

enum err wire_server_open(const struct wire_server_options *options, uint16_t *ret_port,
        struct wire_server **ret_server)
{
	int fd;
	enum err err = listen_on(options->ip, options->port, true, &fd, ret_port);

	if (err)
		return err;
	struct wire_server *s = mem_zalloc(sizeof(*s));
	s->options = *options;
	s->reactor = options->loop->reactor;
	s->fd = fd;
	list_init(&s->strangers);
	list_init(&s->connections);
	s->accepting.done = on_accepted;
	s->again.fire = on_again;
	accept_next(s);
	*ret_server = s;
	return ERR_OK;
}

static void drop_all(struct list *list)
{
	struct list *node;

	while ((node = list_first(list)))
		drop(LIST_ENTRY(node, struct connection, of_server));
}

void wire_server_close(struct wire_server *s)
{
	if (!s)
		return;
	s->leaving = true;
	timer_cancel(s->reactor, &s->again);
	shutdown(s->fd, SHUT_RDWR);
	close(s->fd);
	if (s->accepts)
		io_cancel(s->reactor, &s->accepting);
	drop_all(&s->strangers);
	drop_all(&s->connections);
	look_whether_done(s);
}

void wire_server_stats(const struct wire_server *s, struct wire_server_stats *ret_stats)
{
	*ret_stats = s->stats;
	ret_stats->connections = s->connection_count;
	LIST_EACH (n, &s->connections) {
		const struct connection *c = LIST_ENTRY(n, struct connection, of_server);
		ret_stats->bytes_in += c->link.bytes_in;
		ret_stats->bytes_out += c->link.bytes_out;
	}
}
