/* Ring files, builder states and device texts: whatever the bytes, nothing but an outcome. The
 * first byte chooses the parser. Checksums would keep a fuzzer out, so where one guards a format
 * it is made to fit here. What parses is also used: looked up, written, read back, rebalanced. */
#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include "lib/crypto/sha256.h"
#include "ring/builder.h"
#include "ring/dev_text.h"
#include "ring/ring_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void look_up(const struct ring *ring)
{
	static const uint8_t keys[3][RING_KEY_BYTES] = {{0}, {0x80, 1}, {255, 255, 255, 255}};

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		AUTO(ring_handoffs) struct ring_handoffs handoffs = RING_HANDOFFS_NONE;
		uint32_t part = ring_partition(ring, keys[i]), devs[RING_ROWS_MAX], dev;
		unsigned count = ring_primaries(ring, part, devs, RING_ROWS_MAX);

		ring_handoffs_init(&handoffs, ring, part);
		for (unsigned n = 0; n < 50 && ring_handoffs_next(&handoffs, &dev); n++) {
			require(ring_dev(ring, dev) != NULL);
			for (unsigned p = 0; p < count; p++)
				require(devs[p] != dev);
		}
	}
}

static void use_builder(struct ring_builder *builder)
{
	AUTO(buf) struct buf why = BUF_NONE;
	struct ring_builder_facts facts;
	struct ring_rebalance result;

	ring_builder_facts(builder, &facts);
	if (facts.parts > 256 || facts.replicas > 16 || ring_builder_dev_limit(builder) > 64)
		return;
	ring_builder_required_overload(builder);
	if (!ring_builder_rebalance(builder, 1, 1 << 30, &result)) {
		/* Replicas that share a device may have to stay for their hours. */
		ring_builder_pretend_hours_passed(builder);
		require(!ring_builder_rebalance(builder, 2, 1 << 30, &result));
		ring_builder_validate(builder, &why);
	}
}

static void use_ring(const struct ring *ring)
{
	AUTO(buf) struct buf file = BUF_NONE;
	AUTO(ring_ref) struct ring_ref again = {NULL};
	AUTO(ring_builder_ref) struct ring_builder_ref builder = {NULL};

	look_up(ring);
	if (!ring_format(ring, &file)) {
		require(!ring_parse(file.data, file.len, &again.ring));
		require(ring_rows(again.ring) == ring_rows(ring));
	}
	if (!ring_builder_from_ring(ring, 0, &builder.builder))
		use_builder(builder.builder);
}

static void parse_raw(const void *data, size_t size)
{
	AUTO(buf) struct buf raw = BUF_NONE;
	AUTO(ring_ref) struct ring_ref ring = {NULL};

	buf_add(&raw, data, size);
	if (!ring_parse_raw(&raw, &ring.ring))
		use_ring(ring.ring);
}

static void add_be64(struct buf *raw, uint64_t number)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_char(raw, (char)(number >> shift));
}

/* Format 2 of three pieces of the input, with an index that fits. */
static void parse_sections(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"metadata", "devices", "assignments"};
	AUTO(buf) struct buf raw = BUF_NONE;
	AUTO(buf) struct buf index = BUF_NONE;
	AUTO(ring_ref) struct ring_ref ring = {NULL};

	buf_add(&raw, "R1NG\0\2", 6);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		size_t len = size > 2 ? (size_t)(data[0] << 8 | data[1]) : 0, start = raw.len;
		uint8_t digest[SHA256_BYTES];

		data += size > 2 ? 2 : 0;
		size -= size > 2 ? 2 : 0;
		len = len < size && i < 2 ? len : size;
		add_be64(&raw, len);
		buf_add(&raw, data, len);
		data += len;
		size -= len;
		sha256_digest(raw.data + start, raw.len - start, digest);
		buf_printf(&index, "%s\"swift/ring/%s\": [0, %zu, 0, %zu, \"sha256\", \"",
		        i ? ", " : "{", names[i], start, raw.len);
		for (size_t b = 0; b < sizeof(digest); b++)
			buf_printf(&index, "%02x", digest[b]);
		buf_str(&index, "\"]");
	}
	buf_char(&index, '}');
	size_t start = raw.len;
	add_be64(&raw, index.len);
	buf_add(&raw, index.data, index.len);
	add_be64(&raw, start);
	add_be64(&raw, 0);
	if (!ring_parse_raw(&raw, &ring.ring))
		use_ring(ring.ring);
}

static void parse_state(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf state = BUF_NONE;
	AUTO(ring_builder_ref) struct ring_builder_ref builder = {NULL};
	uint8_t sum[16];

	buf_add(&state, data, size);
	md5_digest(buf_text(&state), state.len, sum);
	buf_add(&state, sum, sizeof(sum));
	if (!ring_builder_parse(state.data, state.len, &builder.builder))
		use_builder(builder.builder);
}

static void parse_text(const uint8_t *data, size_t size)
{
	AUTO(dev_text) struct dev_text text = DEV_TEXT_NONE;
	char *copy = mem_strndup((const char *)data, size);

	dev_text_parse(copy, &text);
	dev_text_set(&text, (enum dev_field)(1 << (size % 10)), copy);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(ring_ref) struct ring_ref ring = {NULL};

	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'z':
		if (!ring_parse(data + 1, size - 1, &ring.ring))
			use_ring(ring.ring);
		break;
	case 'r':
		parse_raw(data + 1, size - 1);
		break;
	case 's':
		parse_sections(data + 1, size - 1);
		break;
	case 'b':
		parse_state(data + 1, size - 1);
		break;
	default:
		parse_text(data, size);
	}
	return 0;
}
