/* What two devices say of ranges of keys. */
#include "tests/lib/test.h"

#include "lib/crypto/md5.h"
#include "lib/device/device_internal.h"
#include "tests/lib/objects_rig.c"
#include <time.h>

#define T 170000000000000ull

static struct rig a, b;

static int setup(void **state)
{
	(void)state;
	rig_init(&a, 0);
	rig_init(&b, 0);
	assert_int_equal(rig_open(&a), ERR_OK);
	assert_int_equal(rig_open(&b), ERR_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_done(&a);
	rig_done(&b);
	return 0;
}

/* A question about `count` ranges; the answer stays in call. */
static enum err ask(struct rig *rig, struct rig_call *call, enum backend_op op,
        const uint64_t *ranges, unsigned count, uint8_t bits, uint8_t fan_out, uint64_t ts,
        uint64_t len)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);
	uint64_t *copy = backend_msg_alloc(msg, count * sizeof(*copy));

	if (count)
		memcpy(copy, ranges, count * sizeof(*copy));
	msg->ranges = copy;
	msg->range_count = count;
	msg->range_bits = bits;
	msg->fan_out = fan_out;
	msg->ts = ts;
	msg->len = len;
	rig_send(rig, call, msg);
	return call->call.reply.err;
}

static bool equal(uint64_t ts)
{
	struct rig_call x, y;
	uint64_t all = 0;

	assert_int_equal(ask(&a, &x, BACKEND_OBJECT_DIGEST, &all, 1, 0, 6, ts, 0), ERR_OK);
	assert_int_equal(ask(&b, &y, BACKEND_OBJECT_DIGEST, &all, 1, 0, 6, ts, 0), ERR_OK);
	const struct buf *p = &x.call.reply.items, *q = &y.call.reply.items;
	assert_int_equal(p->len, 64 * sizeof(struct backend_digest));
	assert_int_equal(q->len, p->len);
	bool same = memcmp(p->data, q->data, p->len) == 0;
	backend_call_done(&x.call);
	backend_call_done(&y.call);
	return same;
}

static void equal_contents_have_equal_digests_however_they_came(void **state)
{
	char name[16];

	(void)state;
	assert_true(equal(0));
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "o%u", i);
		assert_int_equal(rig_put(&a, name, T + i, 100 + i), ERR_OK);
	}
	assert_false(equal(0));
	for (unsigned i = 200; i-- > 0;) {
		snprintf(name, sizeof(name), "o%u", i);
		assert_int_equal(rig_put(&b, name, T - 500, 50), ERR_OK);
		assert_int_equal(rig_put(&b, name, T + i, 100 + i), ERR_OK);
	}
	assert_true(equal(0));
	/* Whether updates are settled, and where entries lie, is each device's own. */
	struct device_unsettled u = {0};
	while (device_next_unsettled(b.device, u.lsn, &u))
		device_settled(b.device, 0, u.key, u.ts);
	rig_crash(&b);
	assert_int_equal(rig_open(&b), ERR_OK);
	assert_true(equal(0));
}

static void any_difference_is_seen(void **state)
{
	(void)state;
	assert_int_equal(rig_put(&a, "o", T, 10), ERR_OK);
	assert_int_equal(rig_put(&b, "o", T + 1, 10), ERR_OK);
	assert_false(equal(0));
	assert_int_equal(rig_put(&a, "o", T + 1, 10), ERR_OK);
	assert_true(equal(0));
	assert_int_equal(rig_post(&a, "o", T + 2, "red"), ERR_OK);
	assert_false(equal(0));
	assert_int_equal(rig_post(&b, "o", T + 2, "red"), ERR_OK);
	assert_true(equal(0));
	assert_int_equal(rig_delete(&a, "o", T + 3), ERR_OK);
	assert_int_equal(rig_put(&b, "o", T + 3, 10), ERR_OK);
	assert_false(equal(0));
}

static void tombstones_that_may_be_gone_elsewhere_do_not_count(void **state)
{
	struct rig_call call;
	struct backend_key key;
	uint64_t all = 0;

	(void)state;
	assert_int_equal(rig_delete(&a, "o", T), ERR_NOT_FOUND);
	assert_false(equal(T));
	assert_true(equal(T + 1));
	assert_int_equal(ask(&a, &call, BACKEND_OBJECT_KEYS, &all, 1, 0, 0, T + 1, 0), ERR_OK);
	assert_int_equal(call.call.reply.items.len, sizeof(key));
	memcpy(&key, call.call.reply.items.data, sizeof(key));
	assert_int_equal(key.deleted, 1);
	assert_int_equal(key.ts, T);
	backend_call_done(&call.call);
}

static struct backend_digest digest_at(const struct rig_call *call, size_t i)
{
	struct backend_digest digest;

	memcpy(&digest, call->call.reply.items.data + i * sizeof(digest), sizeof(digest));
	return digest;
}

static void parts_add_up_to_the_whole(void **state)
{
	struct rig_call whole, parts, ranges;
	uint64_t all = 0, sixteen[16];
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "o%u", i);
		assert_int_equal(rig_put(&a, name, T + i, 10), ERR_OK);
	}
	for (unsigned i = 0; i < 16; i++)
		sixteen[i] = (uint64_t)i << 60;
	assert_int_equal(ask(&a, &whole, BACKEND_OBJECT_DIGEST, &all, 1, 0, 0, 0, 0), ERR_OK);
	assert_int_equal(ask(&a, &parts, BACKEND_OBJECT_DIGEST, &all, 1, 0, 4, 0, 0), ERR_OK);
	assert_int_equal(ask(&a, &ranges, BACKEND_OBJECT_DIGEST, sixteen, 16, 4, 0, 0, 0), ERR_OK);
	struct backend_digest sum = {0}, one = digest_at(&whole, 0);
	for (unsigned i = 0; i < 16; i++) {
		struct backend_digest part = digest_at(&parts, i), range = digest_at(&ranges, i);
		assert_memory_equal(&part, &range, sizeof(part));
		sum.count += part.count;
		sum.sum[0] += part.sum[0];
		sum.sum[1] += part.sum[1];
	}
	assert_int_equal(one.count, 300);
	assert_memory_equal(&sum, &one, sizeof(sum));
	backend_call_done(&whole.call);
	backend_call_done(&parts.call);
	backend_call_done(&ranges.call);
}

static void keys_come_in_order_and_in_pages(void **state)
{
	uint64_t halves[] = {0, 1ull << 63};
	struct rig_call call;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "o%u", i);
		assert_int_equal(rig_put(&a, name, T + i, 10), ERR_OK);
	}
	for (unsigned len = 0; len <= 150; len += 25) {
		assert_int_equal(
		        ask(&a, &call, BACKEND_OBJECT_KEYS, halves, 2, 1, 0, 0, len), ERR_OK);
		size_t count = call.call.reply.items.len / sizeof(struct backend_key);
		assert_int_equal(count, len && len < 100 ? len : 100);
		assert_int_equal(call.call.reply.more, len && len <= 100);
		const char *at = call.call.reply.items.data;
		for (size_t i = 1; i < count; i++)
			assert_true(memcmp(at + (i - 1) * sizeof(struct backend_key),
			                    at + i * sizeof(struct backend_key), 16) < 0);
		backend_call_done(&call.call);
	}
}

static enum err put_draft(const char *name, uint64_t ts, bool commit)
{
	struct backend_msg *msg = rig_put_msg(name, ts, 10);
	struct rig_call call;

	msg->draft = true;
	msg->fragment = (struct fragment){.k = 2, .m = 1, .size = 10};
	rig_send(&a, &call, msg);
	enum err err = call.call.reply.err;
	backend_call_done(&call.call);
	if (err || !commit)
		return err;
	rig_send(&a, &call, rig_msg(BACKEND_OBJECT_COMMIT, name, ts));
	err = call.call.reply.err;
	backend_call_done(&call.call);
	return err;
}

static void the_oldest_draft_is_told_to_who_wants_it(void **state)
{
	uint64_t halves[] = {0, 1ull << 63};
	struct rig_call call;
	char name[16];

	(void)state;
	assert_int_equal(put_draft("done", T, true), ERR_OK);
	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "o%u", i / 2);
		assert_int_equal(put_draft(name, T + 1 + i, false), ERR_OK);
	}
	for (unsigned i = 0; i < 4; i++) {
		bool keys = i & 1, wanted = i & 2;
		struct backend_msg *msg = backend_msg_new(
		        keys ? BACKEND_OBJECT_KEYS : BACKEND_OBJECT_DIGEST, BACKEND_OBJECT);
		msg->ranges = halves;
		msg->range_count = 2;
		msg->range_bits = 1;
		msg->draft = wanted;
		rig_send(&a, &call, msg);
		assert_int_equal(call.call.reply.draft_ts, wanted ? T + 1 : 0);
		assert_false(call.call.reply.more);
		assert_int_equal(call.call.reply.items.len,
		        keys ? sizeof(struct backend_key) : 2 * sizeof(struct backend_digest));
		backend_call_done(&call.call);
	}
}

static void what_asks_for_too_much_is_refused(void **state)
{
	static const struct {
		unsigned count;
		uint8_t bits, fan_out;
	} bad[] = {{0, 0, 0}, {BACKEND_RANGES_MAX + 1, 12, 0}, {1, 0, 15}, {1, 60, 5}, {1, 65, 0},
	        {BACKEND_RANGES_MAX, 12, 3}};
	static uint64_t ranges[BACKEND_RANGES_MAX + 1];
	struct rig_call call;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(ask(&a, &call, BACKEND_OBJECT_DIGEST, ranges, bad[i].count,
		                         bad[i].bits, bad[i].fan_out, 0, 0),
		        ERR_BAD_REQUEST);
		backend_call_done(&call.call);
	}
}

static void fill(struct rig *rig, unsigned count)
{
	struct device *device = rig->device;

	if (!device->index[1])
		device->index[1] = index_new();
	for (unsigned i = 0; i < count; i++) {
		uint8_t key[16];
		md5_digest(&i, sizeof(i), key);
		index_add(device->index[1], key)->ts = T + i;
	}
}

static void empty(struct rig *rig)
{
	index_free(rig->device->index[1]);
	rig->device->index[1] = NULL;
}

static uint64_t cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Both sides, as a replicator asks: all partitions at once. */
static void a_million_entries_compare_in_a_moment(void **state)
{
	static uint64_t parts[1024];
	struct rig *rigs[] = {&a, &b};
	struct rig_call calls[2];

	(void)state;
	fill(&a, 1000000);
	fill(&b, 1000000);
	for (unsigned i = 0; i < 1024; i++)
		parts[i] = (uint64_t)i << 54;
	uint64_t start = cpu_us();
	for (unsigned i = 0; i < 2; i++) {
		struct backend_msg *msg = backend_msg_new(BACKEND_OBJECT_DIGEST, BACKEND_OBJECT);
		msg->ranges = parts;
		msg->range_count = 1024;
		msg->range_bits = 10;
		msg->policy = 1;
		rig_send(rigs[i], &calls[i], msg);
	}
	uint64_t us = cpu_us() - start;
	print_message("2 x 1,000,000 entries: %llu us\n", (unsigned long long)us);
	assert_true(us < 1000000);
	assert_memory_equal(calls[0].call.reply.items.data, calls[1].call.reply.items.data,
	        1024 * sizeof(struct backend_digest));
	backend_call_done(&calls[0].call);
	backend_call_done(&calls[1].call);
	empty(&a);
	empty(&b);
}

int main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T_(equal_contents_have_equal_digests_however_they_came),
	        T_(any_difference_is_seen),
	        T_(tombstones_that_may_be_gone_elsewhere_do_not_count),
	        T_(parts_add_up_to_the_whole),
	        T_(keys_come_in_order_and_in_pages),
	        T_(the_oldest_draft_is_told_to_who_wants_it),
	        T_(what_asks_for_too_much_is_refused),
	        T_(a_million_entries_compare_in_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
