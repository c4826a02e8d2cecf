/* link: one connection of the wire on its reactor: frames out in the order they were given, all of
 * one turn of the loop by one sendmsg; frames in, each once. What is between two hellos is the
 * business of client.c and server.c.
 *
 * All calls on the loop's thread. Callbacks run from the loop, never inside a call made here. */
#ifndef LIB_WIRE_LINK_H
#define LIB_WIRE_LINK_H

#include "lib/base/list.h"
#include "lib/reactor/reactor.h"
#include "lib/wire/frame.h"
#include "lib/wire/wire.h"
#include <sys/socket.h>

#define WIRE_IOV_MAX     64
#define WIRE_ADDRESS_MAX 64 /* text of an address and port */

/* What the links of one reactor share. */
struct wire_loop {
	struct reactor *reactor; /* borrowed */
	struct reactor_hook hook;
	struct timer tick;
	struct list links, unsent;
	struct buf scratch; /* heads on their way into a link */
	bool leaving;
};

struct wire_link;
struct tls_session;

struct wire_link_ops {
	/* A whole frame of the right session. Takes message->body. */
	void (*frame)(struct wire_link *link, struct wire_message *message);
	/* The connection ended, or the peer is silent (ERR_DEADLINE), or not of us (ERR_FORMAT,
	 * ERR_UNAUTHORIZED). Once; not after wire_link_close. */
	void (*lost)(struct wire_link *link, enum err err);
	/* Nothing is under way any more after `lost` or a close: its memory may go. */
	void (*gone)(struct wire_link *link);
};

struct wire_link {
	struct wire_loop *loop;
	const struct wire_link_ops *ops;
	int fd;
	bool dead;   /* lost, or closed */
	bool paused; /* nothing is read */
	bool trusted;
	struct wire_reader reader;
	struct wire_hello hello;
	uint32_t salt_out;
	uint8_t version; /* of the frames; 0 in the hello */
	uint64_t seq_out;
	uint64_t born_us, heard_us, said_us;
	uint64_t bytes_in, bytes_out;
	size_t unsent_bytes;
	struct tls_session *tls; /* owned; NULL: plain */
	/* private */
	struct list of_loop, of_unsent;
	struct list out, sealed; /* struct chunk: to send; with TLS, what it made of them */
	struct io rx, tx;
	struct task gone_task;
	bool receiving, sending, taking, told_gone;
	bool finishing;
	bool broken; /* memory was out in a place that cannot say so */
	struct msghdr rx_msg, tx_msg;
	struct iovec rx_iov[2], tx_iov[WIRE_IOV_MAX];
	struct bytes *tls_in; /* owned */
};

/* Begins on a connected socket, which it owns from now on, and on the TLS session, if any. */
void wire_link_start(struct wire_link *link, struct wire_loop *loop, int fd,
        struct tls_session *tls, const struct wire_link_ops *ops);
/* The hello is over: frames of the session from now on. Out and in begin apart, as each side knows
 * first. */
void wire_link_session_out(struct wire_link *link);
void wire_link_session_in(struct wire_link *link);
/* Queues a frame. A long body is sent from where it is, and referenced until then. */
void wire_link_send(struct wire_link *link, enum wire_type type, uint32_t stream, const void *head,
        size_t head_len, struct bytes *body, size_t body_at, size_t body_len);
void wire_link_pause(struct wire_link *link, bool paused);
/* Reads no more, and is lost (ERR_CLOSED) once all that was queued is sent. */
void wire_link_finish(struct wire_link *link);
/* No more callbacks but `gone`. */
void wire_link_close(struct wire_link *link);
/* As close, and `lost` with err, from the loop; in a callback at once. */
void wire_link_fail(struct wire_link *link, enum err err);

/* Text of the peer's address for logs. */
void wire_link_peer(const struct wire_link *link, char ret_text[WIRE_ADDRESS_MAX]);

/* "192.0.2.1" or "2001:db8::1" and a port; ERR_CONFIG for anything else. */
enum err wire_address(
        const char *ip, unsigned port, struct sockaddr_storage *ret_address, socklen_t *ret_len);

#endif
