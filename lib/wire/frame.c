#include "lib/wire/frame.h"

#include "lib/base/mem.h"
#include "lib/crypto/crc32c.h"
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC      0x31575243u /* "CRW1" */
#define LARGE_STEP (256u << 10)

/* As it travels; all little-endian. */
struct packed {
	uint32_t magic;
	uint8_t version, type;
	uint16_t flags; /* 0 */
	uint32_t stream, head_len, body_len;
	uint32_t seq_low, seq_high;
	uint32_t payload_crc, crc;
};
static_assert(sizeof(struct packed) == WIRE_FRAME_SIZE, "no holes");

uint32_t wire_payload_crc(
        uint32_t salt, const void *head, size_t head_len, const void *body, size_t body_len)
{
	uint32_t crc = crc32c(salt, head, head_len);

	return body_len ? crc32c(crc, body, body_len) : crc;
}

static uint32_t header_crc(uint32_t salt, const struct packed *p)
{
	return crc32c(salt, p, offsetof(struct packed, crc));
}

void wire_frame_seal(
        const struct wire_frame *frame, uint32_t salt, uint8_t ret_bytes[WIRE_FRAME_SIZE])
{
	struct packed p = {
	        .magic = htole32(MAGIC),
	        .version = frame->version,
	        .type = frame->type,
	        .stream = htole32(frame->stream),
	        .head_len = htole32(frame->head_len),
	        .body_len = htole32(frame->body_len),
	        .seq_low = htole32((uint32_t)frame->seq),
	        .seq_high = htole32((uint32_t)(frame->seq >> 32)),
	        .payload_crc = htole32(frame->payload_crc),
	};

	p.crc = htole32(header_crc(salt, &p));
	memcpy(ret_bytes, &p, sizeof(p));
}

enum err wire_frame_open(
        const uint8_t bytes[WIRE_FRAME_SIZE], uint32_t salt, struct wire_frame *ret_frame)
{
	struct packed p;

	memcpy(&p, bytes, sizeof(p));
	if (p.magic != htole32(MAGIC) || p.flags || p.crc != htole32(header_crc(salt, &p)))
		return ERR_FORMAT;
	*ret_frame = (struct wire_frame){
	        .version = p.version,
	        .type = p.type,
	        .stream = le32toh(p.stream),
	        .head_len = le32toh(p.head_len),
	        .body_len = le32toh(p.body_len),
	        .seq = le32toh(p.seq_low) | (uint64_t)le32toh(p.seq_high) << 32,
	        .payload_crc = le32toh(p.payload_crc),
	};
	return ERR_OK;
}

/* --- reader --- */

void wire_reader_init(struct wire_reader *r, size_t cap, size_t head_max, size_t body_max)
{
	*r = (struct wire_reader){.cap = cap, .head_max = head_max, .body_max = body_max};
	r->data = mem_realloc(NULL, cap);
}

void wire_reader_done(struct wire_reader *r)
{
	free(r->data);
	buf_done(&r->large);
	bytes_unref(r->body);
	*r = (struct wire_reader){0};
}

void wire_reader_session(struct wire_reader *r, size_t cap, size_t head_max, size_t body_max,
        uint32_t salt, uint8_t version)
{
	assert(r->state == WIRE_READ_FRAME && cap >= r->cap);
	r->data = mem_realloc(r->data, cap);
	r->cap = cap;
	r->head_max = head_max;
	r->body_max = body_max;
	r->salt = salt;
	r->version = version;
	r->seq = 0;
}

/* Room for `need` bytes in one piece from where the unread ones begin. */
static void make_room(struct wire_reader *r, size_t need)
{
	if (r->from == r->to)
		r->from = r->to = 0;
	if (r->cap - r->from >= need)
		return;
	memmove(r->data, r->data + r->from, r->to - r->from);
	r->to -= r->from;
	r->from = 0;
}

static bool is_large(const struct wire_reader *r)
{
	return r->frame.head_len > r->cap / 2;
}

unsigned wire_reader_room(struct wire_reader *r, struct iovec ret_room[2])
{
	unsigned count = 0;

	if (r->state == WIRE_READ_HEAD && is_large(r)) {
		size_t left = r->frame.head_len - r->large.len;
		size_t step = left < LARGE_STEP ? left : LARGE_STEP;
		void *to = buf_reserve(&r->large, step);
		if (to) {
			ret_room[0] = (struct iovec){to, step};
			return 1;
		}
		/* The next look at the reader says so. */
		ret_room[0] = (struct iovec){r->data, r->cap};
		return 1;
	}
	if (r->state == WIRE_READ_BODY)
		ret_room[count++] = (struct iovec){
		        r->body->data + r->body->len, r->frame.body_len - r->body->len};
	if (r->to < r->cap)
		ret_room[count++] = (struct iovec){r->data + r->to, r->cap - r->to};
	return count;
}

void wire_reader_filled(struct wire_reader *r, size_t len)
{
	if (r->state == WIRE_READ_HEAD && is_large(r)) {
		if (!r->large.err)
			r->large.len += len;
		return;
	}
	if (r->state == WIRE_READ_BODY) {
		size_t left = r->frame.body_len - r->body->len;
		size_t n = len < left ? len : left;
		r->body->len += n;
		len -= n;
	}
	r->to += len;
}

static enum err read_frame(struct wire_reader *r)
{
	make_room(r, WIRE_FRAME_SIZE);
	if (r->to - r->from < WIRE_FRAME_SIZE)
		return ERR_BUSY;
	enum err err = wire_frame_open(r->data + r->from, r->salt, &r->frame);
	if (err)
		return err;
	if (r->frame.version != r->version || r->frame.seq != r->seq ||
	        r->frame.head_len > r->head_max || r->frame.body_len > r->body_max ||
	        !r->frame.type || r->frame.type >= WIRE_TYPES)
		return ERR_FORMAT;
	r->from += WIRE_FRAME_SIZE;
	buf_reset(&r->large);
	r->state = WIRE_READ_HEAD;
	return ERR_OK;
}

static enum err read_large_head(struct wire_reader *r)
{
	size_t left = r->frame.head_len - r->large.len, there = r->to - r->from;
	size_t n = there < left ? there : left;

	buf_add(&r->large, r->data + r->from, n);
	r->from += n;
	if (r->large.err)
		return ERR_NO_MEMORY;
	return n < left ? ERR_BUSY : ERR_OK;
}

static enum err read_head(struct wire_reader *r)
{
	if (is_large(r)) {
		enum err err = read_large_head(r);
		if (err)
			return err;
	} else {
		make_room(r, r->frame.head_len);
		if (r->to - r->from < r->frame.head_len)
			return ERR_BUSY;
		r->head_at = r->from;
		r->from += r->frame.head_len;
	}
	if (r->frame.body_len && !(r->body = bytes_new(r->frame.body_len)))
		return ERR_NO_MEMORY;
	r->state = WIRE_READ_BODY;
	return ERR_OK;
}

/* The head, in the buffer before what is read here, stays where it is. */
static enum err read_body(struct wire_reader *r)
{
	size_t there = r->to - r->from, left = r->frame.body_len - (r->body ? r->body->len : 0);
	size_t n = there < left ? there : left;

	if (n) {
		memcpy(r->body->data + r->body->len, r->data + r->from, n);
		r->body->len += n;
		r->from += n;
	}
	return n < left ? ERR_BUSY : ERR_OK;
}

enum err wire_reader_next(struct wire_reader *r, struct wire_message *ret_message)
{
	enum err err = ERR_OK;

	if (r->state == WIRE_READ_FRAME)
		err = read_frame(r);
	if (!err && r->state == WIRE_READ_HEAD)
		err = read_head(r);
	if (!err)
		err = read_body(r);
	if (err)
		return err;
	const uint8_t *head = is_large(r) ? (const uint8_t *)r->large.data : r->data + r->head_at;
	uint32_t crc = wire_payload_crc(r->salt, head, r->frame.head_len,
	        r->body ? r->body->data : NULL, r->frame.body_len);
	if (crc != r->frame.payload_crc)
		return ERR_FORMAT;
	*ret_message = (struct wire_message){r->frame, head, TAKE(r->body)};
	r->state = WIRE_READ_FRAME;
	r->seq++;
	return ERR_OK;
}
