/* What a peer may send: a stream of frames, the heads of calls and answers, the words of a hello.
 * The first byte chooses. Checksums are made right, so that what is behind them is reached. */
#include "lib/base/mem.h"
#include "lib/wire/frame.h"
#include "lib/wire/hello.h"
#include "lib/wire/message.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SALT 77u

static volatile uint8_t sink;

static void touch(const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sink ^= ((const uint8_t *)data)[i];
}

static void touch_text(const char *text)
{
	if (text)
		touch(text, strlen(text));
}

static void touch_row(const struct backend_row *row)
{
	touch_text(row->name);
	touch_text(row->content_type);
	touch_text(row->etag);
}

/* Whatever is where a frame could begin becomes one, if its lengths fit. */
static void seal_stream(uint8_t *bytes, size_t size)
{
	struct wire_frame frame;
	uint64_t seq = 0;

	for (size_t at = 0; at + WIRE_FRAME_SIZE <= size; seq++) {
		uint8_t *p = bytes + at;
		size_t room = size - at - WIRE_FRAME_SIZE;
		frame = (struct wire_frame){
		        .version = 2,
		        .type = (uint8_t)(p[5] % WIRE_TYPES),
		        .stream = p[8],
		        .head_len = (uint32_t)p[12] | (uint32_t)p[13] << 8,
		        .body_len = (uint32_t)p[16] | (uint32_t)p[17] << 8,
		        .seq = seq,
		};
		if (frame.head_len + (size_t)frame.body_len > room && p[9] & 1)
			return;
		if (frame.head_len > room)
			frame.head_len = (uint32_t)room;
		if (frame.body_len > room - frame.head_len)
			frame.body_len = (uint32_t)(room - frame.head_len);
		const uint8_t *payload = p + WIRE_FRAME_SIZE;
		frame.payload_crc = wire_payload_crc(
		        SALT, payload, frame.head_len, payload + frame.head_len, frame.body_len);
		wire_frame_seal(&frame, SALT, p);
		at += WIRE_FRAME_SIZE + frame.head_len + frame.body_len;
	}
}

static void parse_stream(uint8_t *bytes, size_t size)
{
	struct wire_reader reader;
	struct wire_message message;
	size_t step = size ? bytes[0] * 16u + 1 : 1, at = 0;
	enum err err;

	wire_reader_init(&reader, 256, WIRE_HELLO_MAX, 0);
	wire_reader_session(&reader, 1024, 1u << 20, 1u << 20, SALT, 2);
	seal_stream(bytes, size);
	for (;;) {
		while (!(err = wire_reader_next(&reader, &message))) {
			touch(message.head, message.frame.head_len);
			if (message.body)
				touch(message.body->data, message.body->len);
			bytes_unref(message.body);
		}
		if (err != ERR_BUSY || at == size)
			break;
		struct iovec room[2];
		unsigned count = wire_reader_room(&reader, room);
		size_t left = size - at < step ? size - at : step, done = 0;
		for (unsigned i = 0; i < count && left; i++) {
			size_t n = room[i].iov_len < left ? room[i].iov_len : left;
			memcpy(room[i].iov_base, bytes + at, n);
			at += n;
			left -= n;
			done += n;
		}
		wire_reader_filled(&reader, done);
	}
	wire_reader_done(&reader);
}

static void use_msg(const struct backend_msg *msg)
{
	touch_text(msg->account);
	touch_text(msg->container);
	touch_text(msg->object);
	touch(msg->headers, msg->headers_len);
	for (unsigned i = 0; i < msg->update_count; i++) {
		touch_text(msg->updates[i].account);
		touch_text(msg->updates[i].container);
		touch_row(&msg->updates[i].row);
	}
	for (unsigned i = 0; i < msg->row_count; i++)
		touch_row(&msg->rows[i]);
	touch(msg->settled, msg->settled_count * sizeof(*msg->settled));
	touch(msg->ranges, msg->range_count * sizeof(*msg->ranges));
	touch_text(msg->list.marker);
	touch_text(msg->list.path);
}

/* What is taken says the same when it is written again. */
static void parse_call(uint8_t *bytes, size_t size)
{
	AUTO(buf) struct buf again = BUF_NONE;
	struct wire_call_head head;
	struct backend_msg *msg;
	unsigned version = WIRE_VERSION_MIN +
	                   (size ? bytes[size - 1] % (WIRE_VERSION_MAX - WIRE_VERSION_MIN + 1) : 0);

	if (wire_call_decode(version, bytes, size, NULL, &head, &msg) &&
	        wire_call_decode(version, bytes, size, bytes_copy("x", 1), &head, &msg))
		return;
	use_msg(msg);
	if (wire_call_encode(&again, version, &head, msg) || again.len != size ||
	        memcmp(again.data, bytes, size) != 0)
		abort();
	backend_msg_unref(msg);
}

static void parse_reply(uint8_t *bytes, size_t size)
{
	AUTO(buf) struct buf again = BUF_NONE;
	struct backend_call call = {0};
	uint64_t worked_us;
	struct backend_row row;

	if (wire_reply_decode(2, bytes, size, NULL, &call.reply, &worked_us) &&
	        wire_reply_decode(2, bytes, size, bytes_copy("x", 1), &call.reply, &worked_us))
		return;
	for (size_t at = 0; backend_rows_next(&call.reply.rows, &at, &row);)
		touch_row(&row);
	touch(call.reply.path.data, call.reply.path.len);
	if (wire_reply_encode(&again, 2, &call.reply, worked_us))
		abort();
	backend_call_done(&call);
}

static void parse_hello(uint8_t *bytes, size_t size)
{
	struct wire_identity identity = {.version_min = 1, .version_max = 2};
	struct wire_hello hello;
	struct env_fake env;
	AUTO(buf) struct buf out = BUF_NONE, first = BUF_NONE;

	env_fake_init(&env, 1);
	if (wire_key_add(&identity, "k1 a secret that is long enough"))
		abort();
	if (!wire_hello_challenge(&hello, &identity, &env.env, bytes, size, &out))
		(void)wire_hello_check(&hello, &identity, bytes, size < 32 ? size : 32);
	wire_hello_start(&hello, &identity, &env.env, &first);
	(void)wire_hello_prove(&hello, &identity, bytes, size, &out);
	char *line = mem_strndup((const char *)bytes, size);
	(void)wire_key_add(&identity, line);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(uint8_t * bytes, size_t size) = {
	        parse_stream, parse_call, parse_reply, parse_hello};

	if (size < 1 || size > 1u << 20)
		return 0;
	uint8_t *bytes = mem_dup(data + 1, size - 1); /* exact: an overrun is seen */
	parsers[data[0] % COUNT_OF(parsers)](bytes, size - 1);
	free(bytes);
	return 0;
}
