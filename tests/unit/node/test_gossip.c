/* What nodes tell each other of their rings. */
#include "tests/lib/rings_rig.h"

#include "node/gossip.h"

static void test_what_goes_in_comes_out(void **state)
{
	(void)state;
	struct gossip in = {.clock = 170000000012345, .wall_us = 1700000000123450, .ring_count = 2};
	AUTO(buf) struct buf bytes = BUF_NONE;
	struct gossip out;

	strcpy(in.ip, "10.0.0.7");
	in.port = 6200;
	in.program[1] = 0x102;
	in.joined = true;
	in.rings[0] = (struct ring_word){.kind = BACKEND_ACCOUNT, .live = {7, 2}, .fenced = 6};
	in.rings[1] = (struct ring_word){
	        .kind = BACKEND_OBJECT, .policy = 3, .live = {9, 0}, .fenced = 9, .moved = 8};
	in.rings[1].digest[15] = 0xaa;
	gossip_encode(&in, &bytes);
	assert_int_equal(gossip_decode(bytes.data, bytes.len, &out), ERR_OK);
	assert_int_equal(out.clock, in.clock);
	assert_int_equal(out.wall_us, in.wall_us);
	assert_string_equal(out.ip, "10.0.0.7");
	assert_int_equal(out.port, 6200);
	assert_int_equal(out.program[1], 0x102);
	assert_true(out.joined);
	assert_int_equal(gossip_ring(&out, BACKEND_ACCOUNT, 0)->live.newest, 7);
	assert_int_equal(ring_versions_oldest(gossip_ring(&out, BACKEND_ACCOUNT, 0)->live), 5);
	const struct ring_word *r = gossip_ring(&out, BACKEND_OBJECT, 3);
	assert_int_equal(r->moved, 8);
	assert_int_equal(r->digest[15], 0xaa);
	assert_null(gossip_ring(&out, BACKEND_OBJECT, 0));
}

static void test_a_move_goes_over(void **state)
{
	(void)state;
	const struct move_word in = {1ull << 40, 2, 3};
	AUTO(buf) struct buf bytes = BUF_NONE;
	struct move_word out;

	gossip_move_encode(&in, &bytes);
	assert_int_equal(gossip_move_decode(bytes.data, bytes.len, &out), ERR_OK);
	assert_memory_equal(&out, &in, sizeof(out));
	assert_int_equal(gossip_move_decode(bytes.data, bytes.len - 1, &out), ERR_FORMAT);
	assert_int_equal(gossip_move_decode("", 0, &out), ERR_FORMAT);
}

static void test_rings_differ_only_if_of_one_version(void **state)
{
	(void)state;
	struct ring_word a = {.live = {7, 2}}, b = {.live = {7, 0}};

	assert_false(gossip_differs(&a, &b));
	b.digest[0] = 1;
	assert_true(gossip_differs(&a, &b));
	b.live.newest = 8;
	assert_false(gossip_differs(&a, &b));
}

static void test_every_cut_and_every_wrong_count_is_refused(void **state)
{
	(void)state;
	struct gossip in = {.ring_count = 3}, out;
	AUTO(buf) struct buf bytes = BUF_NONE;

	gossip_encode(&in, &bytes);
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(gossip_decode(bytes.data, len, &out), ERR_FORMAT);
	bytes.data[5] = 4;
	assert_int_equal(gossip_decode(bytes.data, bytes.len, &out), ERR_FORMAT);
	bytes.data[5] = 3;
	bytes.data[80] = 9; /* kind of the first ring */
	assert_int_equal(gossip_decode(bytes.data, bytes.len, &out), ERR_FORMAT);
}

static bool among(void *owner, uint32_t device)
{
	return *(const unsigned *)owner >> device & 1;
}

static void test_settled_wants_a_majority_of_every_older_partition(void **state)
{
	(void)state;
	struct ring *rings[] = {rig_ring(5, 3, 4), rig_ring(5, 3, 5)};
	uint32_t *handles[] = {mem_zalloc(4 * sizeof(uint32_t)), mem_zalloc(5 * sizeof(uint32_t))};
	for (uint32_t i = 0; i < 5; i++) {
		if (i < 4)
			handles[0][i] = i;
		handles[1][i] = i;
	}
	struct ring_set *set = ring_set_new(rings, handles, 2);
	unsigned three = 7, two = 3, new_one = 16, all_old = 15;

	assert_true(gossip_settled(set, among, &all_old));
	assert_true(gossip_settled(set, among, &three)); /* of 4, any three hold two of three */
	assert_false(gossip_settled(set, among, &two));
	assert_false(gossip_settled(set, among, &new_one)); /* has no say: it had nothing */
	ring_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_what_goes_in_comes_out),
	        cmocka_unit_test(test_a_move_goes_over),
	        cmocka_unit_test(test_rings_differ_only_if_of_one_version),
	        cmocka_unit_test(test_every_cut_and_every_wrong_count_is_refused),
	        cmocka_unit_test(test_settled_wants_a_majority_of_every_older_partition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
