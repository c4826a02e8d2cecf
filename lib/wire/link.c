#include "lib/wire/link.h"

#include "lib/base/mem.h"
#include "lib/wire/tls.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELLO_CAP    4096u
#define SESSION_CAP  (32u << 10)
#define CHUNK        (20u << 10) /* what bytes_new gives for a little more than 16 KiB */
#define BY_REFERENCE (8u << 10)  /* a body from this length is not copied */
#define TLS_CAP      (20u << 10)
#define SEALED_MAX   (256u << 10)

#define TICK_US   500000
#define PING_US   1000000 /* of having said nothing */
#define SILENT_US 5000000 /* of having heard nothing: the peer is gone */
#define HELLO_US  5000000

struct chunk {
	struct list link;
	struct bytes *bytes; /* owned reference */
	size_t from, len;
	size_t room; /* more may be put behind; 0: not ours */
};

/* --- out --- */

static struct chunk *chunk_new(struct list *list, struct bytes *bytes, size_t room)
{
	struct chunk *chunk = mem_zalloc(sizeof(*chunk));

	chunk->bytes = bytes;
	chunk->room = room;
	list_append(list, &chunk->link);
	return chunk;
}

static void chunk_free(struct chunk *chunk)
{
	list_remove(&chunk->link);
	bytes_unref(chunk->bytes);
	free(chunk);
}

static struct chunk *last(struct list *list)
{
	return list_empty(list) ? NULL : LIST_ENTRY(list->prev, struct chunk, link);
}

/* A place of at least `len` bytes, or as many as there may be, at the list's end. */
static struct chunk *tail_with_room(struct list *list, size_t len)
{
	struct chunk *tail = last(list);

	if (tail && tail->room > tail->from + tail->len)
		return tail;
	struct bytes *bytes = bytes_new(len > CHUNK ? len : CHUNK);
	return bytes ? chunk_new(list, bytes, bytes->cap) : NULL;
}

static bool append(struct list *list, const void *data, size_t len)
{
	const uint8_t *from = data;

	while (len) {
		struct chunk *tail = tail_with_room(list, len);
		if (!tail)
			return false;
		size_t at = tail->from + tail->len, n = tail->room - at;
		n = n < len ? n : len;
		memcpy(tail->bytes->data + at, from, n);
		tail->len += n;
		from += n;
		len -= n;
	}
	return true;
}

static bool append_body(struct wire_link *link, struct bytes *body, size_t at, size_t len)
{
	if (len < BY_REFERENCE)
		return append(&link->out, body->data + at, len);
	struct chunk *chunk = chunk_new(&link->out, bytes_ref(body), 0);
	chunk->from = at;
	chunk->len = len;
	return true;
}

static void want_flush(struct wire_link *link)
{
	if (list_empty(&link->of_unsent))
		list_append(&link->loop->unsent, &link->of_unsent);
}

void wire_link_send(struct wire_link *link, enum wire_type type, uint32_t stream, const void *head,
        size_t head_len, struct bytes *body, size_t body_at, size_t body_len)
{
	uint8_t bytes[WIRE_FRAME_SIZE];
	struct wire_frame frame = {
	        .version = link->version,
	        .type = (uint8_t)type,
	        .stream = stream,
	        .head_len = (uint32_t)head_len,
	        .body_len = (uint32_t)body_len,
	        .seq = link->seq_out++,
	        .payload_crc = wire_payload_crc(link->salt_out, head, head_len,
	                body_len ? body->data + body_at : NULL, body_len),
	};

	if (link->dead)
		return;
	wire_frame_seal(&frame, link->salt_out, bytes);
	link->unsent_bytes += sizeof(bytes) + head_len + body_len;
	link->said_us = reactor_now_us(link->loop->reactor);
	if (!append(&link->out, bytes, sizeof(bytes)) || !append(&link->out, head, head_len) ||
	        (body_len && !append_body(link, body, body_at, body_len)))
		link->broken = true;
	want_flush(link);
}

/* --- the end of it --- */

static void run_gone(struct task *task)
{
	struct wire_link *link = CONTAINER_OF(task, struct wire_link, gone_task);

	link->ops->gone(link);
}

static void free_chunks(struct list *list)
{
	while (!list_empty(list))
		chunk_free(LIST_ENTRY(list->next, struct chunk, link));
}

static void look_whether_gone(struct wire_link *link)
{
	if (!link->dead || link->receiving || link->sending || link->taking || link->told_gone)
		return;
	link->told_gone = true;
	close(link->fd);
	link->fd = -1;
	free_chunks(&link->out);
	free_chunks(&link->sealed);
	list_remove(&link->of_loop);
	list_remove(&link->of_unsent);
	wire_reader_done(&link->reader);
	bytes_unref(TAKE(link->tls_in));
	tls_session_free(TAKE(link->tls));
	link->gone_task.run = run_gone;
	reactor_post(link->loop->reactor, &link->gone_task);
}

void wire_link_close(struct wire_link *link)
{
	if (link->dead)
		return;
	link->dead = true;
	shutdown(link->fd, SHUT_RDWR);
	look_whether_gone(link);
}

void wire_link_fail(struct wire_link *link, enum err err)
{
	if (link->dead)
		return;
	wire_link_close(link);
	link->ops->lost(link, err);
}

void wire_link_finish(struct wire_link *link)
{
	link->paused = link->finishing = true;
	want_flush(link);
}

/* --- in --- */

static void on_received(struct io *io, int result);

static void receive(struct wire_link *link)
{
	unsigned count;

	if (link->dead || link->paused || link->receiving)
		return;
	if (link->tls) {
		link->rx_iov[0] = (struct iovec){link->tls_in->data, link->tls_in->cap};
		count = 1;
	} else {
		count = wire_reader_room(&link->reader, link->rx_iov);
	}
	link->receiving = true;
	link->rx.done = on_received;
	link->rx_msg = (struct msghdr){.msg_iov = link->rx_iov, .msg_iovlen = count};
	io_recvmsg(link->loop->reactor, &link->rx, link->fd, &link->rx_msg);
}

/* Frames that are there whole, until there is none or the link stops. */
static enum err take_frames(struct wire_link *link)
{
	struct wire_message message;
	enum err err = ERR_OK;

	while (!link->dead && !link->paused) {
		if ((err = wire_reader_next(&link->reader, &message)))
			break;
		link->ops->frame(link, &message);
	}
	return err;
}

/* Deciphers into the reader as long as there is something and it takes it. */
static enum err take_ciphered(struct wire_link *link)
{
	enum err err = ERR_BUSY;

	while (!link->dead && !link->paused && err == ERR_BUSY) {
		struct iovec room[2];
		size_t n = 0;
		wire_reader_room(&link->reader, room);
		enum err taken = tls_session_read(link->tls, room[0].iov_base, room[0].iov_len, &n);
		if (taken)
			return taken;
		wire_reader_filled(&link->reader, n);
		err = take_frames(link);
	}
	return err;
}

static void take(struct wire_link *link)
{
	link->taking = true;
	enum err err = take_frames(link);
	if (link->tls && err == ERR_BUSY)
		err = take_ciphered(link);
	if (link->tls && !link->dead && tls_session_speaks(link->tls))
		want_flush(link);
	if (err && err != ERR_BUSY)
		wire_link_fail(link, err);
	link->taking = false;
	receive(link);
	look_whether_gone(link);
}

static void on_received(struct io *io, int result)
{
	struct wire_link *link = CONTAINER_OF(io, struct wire_link, rx);

	link->receiving = false;
	if (link->dead) {
		look_whether_gone(link);
		return;
	}
	if (result == -EINTR || result == -EAGAIN) {
		receive(link);
		return;
	}
	if (result <= 0) {
		wire_link_fail(link, ERR_CLOSED);
		return;
	}
	link->bytes_in += (size_t)result;
	link->heard_us = reactor_now_us(link->loop->reactor);
	if (!link->tls)
		wire_reader_filled(&link->reader, (size_t)result);
	else if (tls_session_feed(link->tls, link->tls_in->data, (size_t)result))
		wire_link_fail(link, ERR_NO_MEMORY);
	take(link);
}

void wire_link_pause(struct wire_link *link, bool paused)
{
	if (link->paused == paused || link->dead)
		return;
	link->paused = paused;
	link->heard_us = reactor_now_us(link->loop->reactor);
	if (!paused && !link->receiving && !link->taking)
		take(link);
}

/* --- sending --- */

static void consume(struct list *list, size_t len)
{
	while (len) {
		struct chunk *chunk = LIST_ENTRY(list->next, struct chunk, link);
		size_t n = len < chunk->len ? len : chunk->len;
		chunk->from += n;
		chunk->len -= n;
		len -= n;
		if (!chunk->len)
			chunk_free(chunk);
	}
}

static bool put_sealed(void *owner, const void *data, size_t len)
{
	struct wire_link *link = owner;

	return append(&link->sealed, data, len);
}

static size_t length(const struct list *list)
{
	size_t len = 0;

	LIST_EACH (n, list)
		len += LIST_ENTRY(n, struct chunk, link)->len;
	return len;
}

/* Ciphers what is to be sent, and the words of the session itself. */
static enum err seal(struct wire_link *link)
{
	enum err err = ERR_OK;

	while (!err && !list_empty(&link->out) && length(&link->sealed) < SEALED_MAX) {
		struct chunk *chunk = LIST_ENTRY(link->out.next, struct chunk, link);
		size_t n = 0;
		err = tls_session_write(
		        link->tls, chunk->bytes->data + chunk->from, chunk->len, &n);
		if (err == ERR_BUSY) /* still shaking hands */
			break;
		link->unsent_bytes -= n;
		consume(&link->out, n);
		err = err ? err : tls_session_drain(link->tls, put_sealed, link);
	}
	if (err && err != ERR_BUSY)
		return err;
	return tls_session_drain(link->tls, put_sealed, link);
}

static void on_sent(struct io *io, int result);

static void flush(struct wire_link *link)
{
	struct list *list = link->tls ? &link->sealed : &link->out;
	unsigned count = 0;
	enum err err = ERR_OK;

	if (link->dead || link->sending)
		return;
	if (link->broken || (link->tls && (err = seal(link)))) {
		wire_link_fail(link, link->broken ? ERR_NO_MEMORY : err);
		return;
	}
	LIST_EACH (n, list) {
		struct chunk *chunk = LIST_ENTRY(n, struct chunk, link);
		if (count == WIRE_IOV_MAX)
			break;
		link->tx_iov[count++] =
		        (struct iovec){chunk->bytes->data + chunk->from, chunk->len};
	}
	if (!count) {
		if (link->finishing)
			wire_link_fail(link, ERR_CLOSED);
		return;
	}
	link->sending = true;
	link->tx.done = on_sent;
	link->tx_msg = (struct msghdr){.msg_iov = link->tx_iov, .msg_iovlen = count};
	io_sendmsg(link->loop->reactor, &link->tx, link->fd, &link->tx_msg);
}

static void on_sent(struct io *io, int result)
{
	struct wire_link *link = CONTAINER_OF(io, struct wire_link, tx);

	link->sending = false;
	if (link->dead) {
		look_whether_gone(link);
		return;
	}
	if (result < 0 && result != -EINTR && result != -EAGAIN) {
		wire_link_fail(link, ERR_CLOSED);
		return;
	}
	if (result > 0) {
		link->bytes_out += (size_t)result;
		if (!link->tls)
			link->unsent_bytes -= (size_t)result;
		consume(link->tls ? &link->sealed : &link->out, (size_t)result);
	}
	want_flush(link);
}

/* --- loop --- */

static bool run_hook(struct reactor_hook *hook)
{
	struct wire_loop *loop = CONTAINER_OF(hook, struct wire_loop, hook);

	while (!list_empty(&loop->unsent)) {
		struct list *node = loop->unsent.next;
		list_remove(node);
		flush(LIST_ENTRY(node, struct wire_link, of_unsent));
	}
	return false;
}

static void look_after(struct wire_link *link, uint64_t now)
{
	if (!link->trusted) {
		if (now - link->born_us > HELLO_US)
			wire_link_fail(link, ERR_DEADLINE);
		return;
	}
	if (!link->paused && now - link->heard_us > SILENT_US)
		wire_link_fail(link, ERR_DEADLINE);
	else if (now - link->said_us >= PING_US)
		wire_link_send(link, WIRE_PING, 0, NULL, 0, NULL, 0, 0);
}

static void on_tick(struct timer *timer)
{
	struct wire_loop *loop = CONTAINER_OF(timer, struct wire_loop, tick);
	uint64_t now = reactor_now_us(loop->reactor);
	struct list seen = LIST_INIT(seen);

	/* A callback may end any of them. */
	while (!list_empty(&loop->links)) {
		struct list *node = loop->links.next;
		list_remove(node);
		list_append(&seen, node);
		look_after(LIST_ENTRY(node, struct wire_link, of_loop), now);
	}
	list_splice(&loop->links, &seen);
	timer_set(loop->reactor, timer, TICK_US);
}

struct wire_loop *wire_loop_new(struct reactor *reactor)
{
	struct wire_loop *loop = mem_zalloc(sizeof(*loop));

	loop->reactor = reactor;
	list_init(&loop->links);
	list_init(&loop->unsent);
	loop->hook.run = run_hook;
	reactor_add_hook(reactor, &loop->hook);
	loop->tick.fire = on_tick;
	timer_set(reactor, &loop->tick, TICK_US);
	return loop;
}

void wire_loop_free(struct wire_loop *loop)
{
	if (!loop)
		return;
	timer_cancel(loop->reactor, &loop->tick);
	reactor_remove_hook(loop->reactor, &loop->hook);
	buf_done(&loop->scratch);
	free(loop);
}

/* --- start --- */

void wire_link_start(struct wire_link *link, struct wire_loop *loop, int fd,
        struct tls_session *tls, const struct wire_link_ops *ops)
{
	uint64_t now = reactor_now_us(loop->reactor);
	int one = 1;

	*link = (struct wire_link){.loop = loop,
	        .ops = ops,
	        .fd = fd,
	        .tls = tls,
	        .born_us = now,
	        .heard_us = now,
	        .said_us = now};
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	list_init(&link->out);
	list_init(&link->sealed);
	list_init(&link->of_unsent);
	list_append(&loop->links, &link->of_loop);
	wire_reader_init(&link->reader, HELLO_CAP, WIRE_HELLO_MAX, 0);
	if (tls && !(link->tls_in = bytes_new(TLS_CAP)))
		link->broken = true;
	else
		receive(link);
	want_flush(link);
}

void wire_link_session_out(struct wire_link *link)
{
	link->salt_out = link->hello.salt_out;
	link->version = (uint8_t)link->hello.version;
	link->seq_out = 0;
}

void wire_link_session_in(struct wire_link *link)
{
	wire_reader_session(&link->reader, SESSION_CAP, WIRE_HEAD_MAX, WIRE_BODY_MAX,
	        link->hello.salt_in, (uint8_t)link->hello.version);
	link->trusted = true;
}

/* --- addresses --- */

void wire_link_peer(const struct wire_link *link, char ret_text[WIRE_ADDRESS_MAX])
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);
	char ip[INET6_ADDRSTRLEN] = "-";
	unsigned port = 0;

	if (link->fd >= 0 && getpeername(link->fd, (struct sockaddr *)&sa, &len) == 0) {
		const struct sockaddr_in *v4 = (void *)&sa;
		const struct sockaddr_in6 *v6 = (void *)&sa;
		bool is_v4 = sa.ss_family == AF_INET;
		port = ntohs(is_v4 ? v4->sin_port : v6->sin6_port);
		inet_ntop(sa.ss_family, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr, ip,
		        sizeof(ip));
	}
	snprintf(ret_text, WIRE_ADDRESS_MAX, "%s port %u", ip, port);
}

enum err wire_address(
        const char *ip, unsigned port, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in *v4 = (void *)&sa;
	struct sockaddr_in6 *v6 = (void *)&sa;

	if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*ret_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(*v6);
	} else {
		return ERR_CONFIG;
	}
	*ret_address = sa;
	return ERR_OK;
}
