#include "tests/lib/test.h"

#include "lib/env/hlc.h"

static void hlc_never_goes_back(void **state)
{
	struct env_fake fake;
	struct hlc hlc;

	(void)state;
	env_fake_init(&fake, 1);
	hlc_init(&hlc, &fake.env);
	uint64_t first = hlc_now(&hlc);
	assert_int_equal(first, fake.wall_us / 10);
	fake.wall_us -= 5000000;
	assert_int_equal(hlc_now(&hlc), first + 1);
	assert_true(hlc_see(&hlc, first + 100));
	assert_int_equal(hlc_now(&hlc), first + 101);
	assert_false(hlc_see(&hlc, first + 2 * HLC_AHEAD_MAX));
	assert_int_equal(hlc_now(&hlc), first + 102);
}

static void two_nodes_never_stamp_the_same(void **state)
{
	struct env_fake fake;
	struct hlc a, b;
	const uint8_t key[16] = {0}, other[16] = {[8] = 1};

	(void)state;
	env_fake_init(&fake, 1);
	hlc_init(&a, &fake.env);
	hlc_init(&b, &fake.env);
	assert_int_equal(hlc_stamp(&a, key), fake.wall_us / 10); /* alone: as it would be */
	atomic_store(&a.slots, HLC_SLOTS);
	atomic_store(&b.slots, HLC_SLOTS);
	atomic_store(&b.slot, 1);
	uint64_t ahead = fake.wall_us / 10 + 20 * TS_PER_SECOND, last = ahead;
	assert_true(hlc_see(&a, ahead) && hlc_see(&b, ahead));
	for (unsigned i = 0; i < 100; i++) {
		uint64_t x = hlc_stamp(&a, key), y = hlc_stamp(&b, key);
		assert_true(x != y && x > last && y > last);
		last = x < y ? x : y;
	}
	assert_true(hlc_stamp(&a, other) < last);
	assert_true(hlc_stamp(&a, other) > ahead);
}

static void random_repeats_from_its_seed(void **state)
{
	struct env_fake a, b;
	uint8_t x[16], y[16];

	(void)state;
	env_fake_init(&a, 7);
	env_fake_init(&b, 7);
	a.env.random(&a.env, x, sizeof(x));
	b.env.random(&b.env, y, sizeof(y));
	assert_memory_equal(x, y, sizeof(x));
	b.env.random(&b.env, y, sizeof(y));
	assert_memory_not_equal(x, y, sizeof(x));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hlc_never_goes_back),
	        cmocka_unit_test(two_nodes_never_stamp_the_same),
	        cmocka_unit_test(random_repeats_from_its_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
