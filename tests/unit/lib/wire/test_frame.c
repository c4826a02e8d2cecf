#include "tests/lib/test.h"

#include "lib/base/auto.h"
#include "lib/wire/frame.h"

#define SALT 0x12345678u

static size_t make(struct buf *out, uint64_t seq, uint32_t salt, size_t head_len, size_t body_len)
{
	uint8_t bytes[WIRE_FRAME_SIZE];
	uint8_t *payload = malloc(head_len + body_len + 1);

	for (size_t i = 0; i < head_len + body_len; i++)
		payload[i] = (uint8_t)(i * 31 + seq);
	struct wire_frame frame = {
	        .version = 2,
	        .type = WIRE_CALL,
	        .stream = (uint32_t)seq + 100,
	        .head_len = (uint32_t)head_len,
	        .body_len = (uint32_t)body_len,
	        .seq = seq,
	        .payload_crc =
	                wire_payload_crc(salt, payload, head_len, payload + head_len, body_len),
	};
	wire_frame_seal(&frame, salt, bytes);
	buf_add(out, bytes, sizeof(bytes));
	buf_add(out, payload, head_len + body_len);
	free(payload);
	return out->len;
}

static void start(struct wire_reader *reader, size_t cap)
{
	wire_reader_init(reader, 64, WIRE_HELLO_MAX, 0);
	wire_reader_session(reader, cap, 1u << 20, 1u << 20, SALT, 2);
}

/* Hands in the bytes, at most `step` at once; stops at the first that is wrong. */
static enum err feed(
        struct wire_reader *reader, const struct buf *in, size_t step, unsigned *frames)
{
	size_t at = 0;

	for (;;) {
		struct wire_message m;
		enum err err = wire_reader_next(reader, &m);
		if (!err) {
			for (uint32_t i = 0; i < m.frame.head_len; i++)
				assert_int_equal(m.head[i], (uint8_t)(i * 31 + m.frame.seq));
			for (uint32_t i = 0; i < m.frame.body_len; i++)
				assert_int_equal(m.body->data[i],
				        (uint8_t)((i + m.frame.head_len) * 31 + m.frame.seq));
			assert_int_equal(m.frame.stream, m.frame.seq + 100);
			assert_int_equal(m.body ? m.body->len : 0, m.frame.body_len);
			bytes_unref(m.body);
			(*frames)++;
			continue;
		}
		if (err != ERR_BUSY || at == in->len)
			return err;
		struct iovec room[2];
		unsigned count = wire_reader_room(reader, room);
		size_t left = in->len - at < step ? in->len - at : step, done = 0;
		assert_true(count > 0);
		for (unsigned i = 0; i < count && left; i++) {
			size_t n = room[i].iov_len < left ? room[i].iov_len : left;
			memcpy(room[i].iov_base, in->data + at, n);
			at += n;
			left -= n;
			done += n;
		}
		wire_reader_filled(reader, done);
	}
}

static void frames_are_cut_out_however_they_arrive(void **state)
{
	static const size_t heads[] = {0, 1, 300, 100, 3000, 4096, 70000, 17},
	                    bodies[] = {0, 0, 4096, 65536, 1, 0, 5000, 300000};
	static const size_t steps[] = {1, 7, 36, 1000, 100000, SIZE_MAX};
	AUTO(buf) struct buf in = BUF_NONE;

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		make(&in, i, SALT, heads[i % 8], bodies[i % 8]);
	for (unsigned s = 0; s < COUNT_OF(steps); s++) {
		for (size_t cap = 256; cap <= 32768; cap *= 4) {
			struct wire_reader reader;
			unsigned frames = 0;
			start(&reader, cap);
			assert_int_equal(feed(&reader, &in, steps[s], &frames), ERR_BUSY);
			assert_int_equal(frames, 32);
			wire_reader_done(&reader);
		}
	}
}

static void judge(const struct buf *in, unsigned good, enum err want)
{
	struct wire_reader reader;
	unsigned frames = 0;

	start(&reader, 4096);
	assert_int_equal(feed(&reader, in, SIZE_MAX, &frames), want);
	assert_int_equal(frames, good);
	wire_reader_done(&reader);
}

static void replayed_reordered_and_foreign_frames_are_refused(void **state)
{
	AUTO(buf)
	struct buf twice = BUF_NONE, swapped = BUF_NONE, foreign = BUF_NONE, missing = BUF_NONE;

	(void)state;
	make(&twice, 0, SALT, 10, 10);
	make(&twice, 0, SALT, 10, 10);
	judge(&twice, 1, ERR_FORMAT);
	make(&swapped, 1, SALT, 10, 10);
	make(&swapped, 0, SALT, 10, 10);
	judge(&swapped, 0, ERR_FORMAT);
	make(&foreign, 0, SALT + 1, 10, 10);
	judge(&foreign, 0, ERR_FORMAT);
	make(&missing, 0, SALT, 10, 10);
	make(&missing, 2, SALT, 10, 10);
	judge(&missing, 1, ERR_FORMAT);
}

static void lengths_beyond_the_bound_are_refused_before_memory_is_taken(void **state)
{
	AUTO(buf) struct buf head = BUF_NONE, body = BUF_NONE;

	(void)state;
	make(&head, 0, SALT, (1u << 20) + 1, 0);
	judge(&head, 0, ERR_FORMAT);
	make(&body, 0, SALT, 0, (1u << 20) + 1);
	judge(&body, 0, ERR_FORMAT);
}

static void any_bit_that_turned_is_noticed(void **state)
{
	AUTO(buf) struct buf in = BUF_NONE;

	(void)state;
	make(&in, 0, SALT, 40, 60);
	for (size_t bit = 0; bit < in.len * 8; bit++) {
		struct wire_reader reader;
		unsigned frames = 0;
		in.data[bit / 8] ^= (char)(1 << bit % 8);
		start(&reader, 4096);
		assert_int_equal(feed(&reader, &in, SIZE_MAX, &frames), ERR_FORMAT);
		wire_reader_done(&reader);
		in.data[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void what_is_cut_off_waits(void **state)
{
	AUTO(buf) struct buf in = BUF_NONE;

	(void)state;
	for (size_t len = make(&in, 0, SALT, 40, 60); len-- > 0;) {
		in.len = len;
		judge(&in, 0, ERR_BUSY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(frames_are_cut_out_however_they_arrive),
	        cmocka_unit_test(replayed_reordered_and_foreign_frames_are_refused),
	        cmocka_unit_test(lengths_beyond_the_bound_are_refused_before_memory_is_taken),
	        cmocka_unit_test(any_bit_that_turned_is_noticed),
	        cmocka_unit_test(what_is_cut_off_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
