/* Which devices decide, while one ring or several hold. */
#include "tests/lib/rings_rig.h"

#include <stdlib.h>
#include <string.h>

/* Handles are ids plus `shift`: two rings with different shifts share no device. */
static struct ring_set *make_set(
        const unsigned *devices, const unsigned *shifts, unsigned count, unsigned replicas)
{
	struct ring *rings[RINGS_MAX];
	uint32_t *handles[RINGS_MAX];

	for (unsigned i = 0; i < count; i++) {
		rings[i] = rig_ring(6, replicas, devices[i]);
		handles[i] = mem_zalloc(devices[i] * sizeof(uint32_t));
		for (uint32_t d = 0; d < devices[i]; d++)
			handles[i][d] = d + shifts[i];
	}
	return ring_set_new(rings, handles, count);
}

static void place_at(const struct ring_set *set, uint8_t first, struct place *place)
{
	uint8_t key[16] = {first};

	place_of_key(set, key, place);
}

static void test_one_ring_is_a_majority(void **state)
{
	(void)state;
	struct ring_set *set = make_set((unsigned[]){5}, (unsigned[]){0}, 1, 3);
	struct place place;

	place_at(set, 17, &place);
	assert_int_equal(place.count, 3);
	assert_false(place_met(&place, 0));
	assert_false(place_met(&place, 2));
	assert_true(place_met(&place, 6));
	assert_true(place_met(&place, 7));
	assert_true(place_possible(&place, 1));
	assert_false(place_possible(&place, 3));
	ring_set_free(set);
}

static void test_each_ring_has_its_say(void **state)
{
	(void)state;
	struct ring_set *set = make_set((unsigned[]){4, 4}, (unsigned[]){0, 100}, 2, 3);
	struct place place;

	place_at(set, 99, &place);
	assert_int_equal(place.count, 6);
	assert_false(place_met(&place, place.sets[0]));
	assert_false(place_met(&place, place.sets[1]));
	assert_true(place_met(&place, place.sets[0] | place.sets[1]));
	assert_int_equal(place_order(&place, NULL, NULL), 4);
	assert_true(place_met(&place, 15));
	assert_true(place.devices[0] >= 100); /* those of the newest ring come first */
	ring_set_free(set);
}

static void test_shared_devices_count_for_both(void **state)
{
	(void)state;
	struct ring_set *set = make_set((unsigned[]){3, 3}, (unsigned[]){0, 0}, 2, 3);
	struct place place;

	place_at(set, 1, &place);
	assert_int_equal(place.count, 3);
	assert_int_equal(place_order(&place, NULL, NULL), 2);
	assert_true(place_met(&place, 5));
	ring_set_free(set);
}

static bool is_even(void *owner, uint32_t device)
{
	(void)owner;
	return device % 2 == 0;
}

static void test_preferred_come_first_and_bits_follow(void **state)
{
	(void)state;
	struct ring_set *set = make_set((unsigned[]){8, 8}, (unsigned[]){0, 2}, 2, 3);

	for (unsigned first = 0; first < 256; first++) {
		struct place before, after;
		place_at(set, (uint8_t)first, &before);
		after = before;
		unsigned n = place_order(&after, is_even, NULL);
		assert_true(place_met(&after, (1ull << n) - 1));
		assert_false(place_met(&after, (1ull << (n - 1)) - 1));
		for (unsigned i = 0; i < before.count; i++) {
			uint64_t bit = place_bit(&after, before.devices[i]);
			assert_true(bit);
			for (unsigned s = 0; s < 2; s++)
				assert_int_equal(
				        !!(before.sets[s] >> i & 1), !!(after.sets[s] & bit));
		}
	}
	ring_set_free(set);
}

static void test_no_rings_is_nowhere(void **state)
{
	(void)state;
	struct place place;

	place_at(NULL, 3, &place);
	assert_int_equal(place.count, 0);
	assert_false(place_met(&place, UINT64_MAX));
	assert_int_equal(place_order(&place, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_one_ring_is_a_majority),
	        cmocka_unit_test(test_each_ring_has_its_say),
	        cmocka_unit_test(test_shared_devices_count_for_both),
	        cmocka_unit_test(test_preferred_come_first_and_bits_follow),
	        cmocka_unit_test(test_no_rings_is_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
