/* frame: the envelope of all that travels on a wire connection (docs/formats/wire.md), and the
 * reader that cuts a stream of bytes into frames. Pure functions over bytes; one thread each.
 *
 * Both checksums begin with the connection's salt for that direction, and each frame says its
 * number: one that is replayed, doubled, reordered, or of another connection is not taken. */
#ifndef LIB_WIRE_FRAME_H
#define LIB_WIRE_FRAME_H

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include <sys/uio.h>

#define WIRE_FRAME_SIZE 36
#define WIRE_HEAD_MAX   (64u << 20) /* longest head: a listing of long names */
#define WIRE_BODY_MAX   (4u << 20)
#define WIRE_HELLO_MAX  512u /* longest head, and no body, before the peer has proved itself */

enum wire_type {
	WIRE_HELLO = 1,
	WIRE_CHALLENGE,
	WIRE_PROOF,
	WIRE_WELCOME,
	WIRE_REFUSE,
	WIRE_PING,
	WIRE_CALL,
	WIRE_ANSWER,
	WIRE_ASK,
	WIRE_TOLD,
	WIRE_TYPES
};

struct wire_frame {
	uint8_t version; /* agreed upon; 0 until then */
	uint8_t type;
	uint32_t stream; /* which call it belongs to; 0: none */
	uint32_t head_len, body_len;
	uint64_t seq; /* its number in this direction of the connection */
	uint32_t payload_crc;
};

uint32_t wire_payload_crc(
        uint32_t salt, const void *head, size_t head_len, const void *body, size_t body_len);
void wire_frame_seal(
        const struct wire_frame *frame, uint32_t salt, uint8_t ret_bytes[WIRE_FRAME_SIZE]);
/* ERR_FORMAT: no frame, or not one under this salt. Lengths are not judged here. */
enum err wire_frame_open(
        const uint8_t bytes[WIRE_FRAME_SIZE], uint32_t salt, struct wire_frame *ret_frame);

/* Turns what arrives into frames. Small things pass through its buffer; a body is received into
 * the memory it stays in, so it is never copied when it is long. */
struct wire_reader {
	uint8_t *data; /* owned */
	size_t cap, from, to;
	uint32_t salt;
	uint8_t version;
	uint64_t seq; /* expected next */
	size_t head_max, body_max;
	struct wire_frame frame;
	enum { WIRE_READ_FRAME, WIRE_READ_HEAD, WIRE_READ_BODY } state;
	size_t head_at;     /* in data, unless it is in large */
	struct buf large;   /* a head longer than the buffer is good for */
	struct bytes *body; /* owned; len: so far */
};

struct wire_message {
	struct wire_frame frame;
	const uint8_t *head; /* frame.head_len bytes, valid until the reader is used again */
	struct bytes *body;  /* the taker's; NULL: none */
};

/* `cap`: bytes of its buffer; heads and bodies up to those bounds. */
void wire_reader_init(struct wire_reader *reader, size_t cap, size_t head_max, size_t body_max);
void wire_reader_done(struct wire_reader *reader);
/* After the hello: other bounds, a larger buffer, the session's salt and version; numbers begin
 * anew. Between two frames; bytes that arrived already are kept. */
void wire_reader_session(struct wire_reader *reader, size_t cap, size_t head_max, size_t body_max,
        uint32_t salt, uint8_t version);

/* Where to receive next, in order; returns how many of the two. Never none, once wire_reader_next
 * has said ERR_BUSY. */
unsigned wire_reader_room(struct wire_reader *reader, struct iovec ret_room[2]);
/* That many bytes were received there. */
void wire_reader_filled(struct wire_reader *reader, size_t len);
/* The next whole frame. ERR_BUSY: more must arrive first. ERR_FORMAT: what arrived is none of this
 * connection, which is to be closed; ERR_NO_MEMORY likewise. */
enum err wire_reader_next(struct wire_reader *reader, struct wire_message *ret_message);

#endif
