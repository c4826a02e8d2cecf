#include "tests/lib/test.h"

#include "proxy/hedge.c"

#define MOST 2000000

static void nothing_is_known_at_first(void **state)
{
	struct hedge hedge = {0};

	(void)state;
	for (unsigned i = 0; i < LOOK_EVERY - 1; i++) {
		assert_int_equal(hedge_begin(&hedge, HEDGE_BODY, MOST), MOST);
		hedge_end(&hedge, HEDGE_BODY, 10000);
	}
	hedge_end(&hedge, HEDGE_BODY, 10000);
	assert_in_range(hedge_begin(&hedge, HEDGE_BODY, MOST), 20000, 25000);
	assert_int_equal(hedge_begin(&hedge, HEDGE_HEAD, MOST), MOST);
}

static void it_waits_twice_what_all_but_the_slowest_take(void **state)
{
	static const uint64_t usual[] = {5, 100, 1000, 3000, 20000, 700000, 5000000};

	(void)state;
	for (unsigned i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		struct hedge hedge = {0};
		/* One in 25 is slow. */
		for (unsigned n = 0; n < 10000; n++)
			hedge_end(&hedge, HEDGE_HEAD, n % 25 ? usual[i] : 60000000);
		uint64_t after = hedge_begin(&hedge, HEDGE_HEAD, MOST);
		uint64_t want = usual[i] * 2 < LEAST_US ? LEAST_US
		                : usual[i] * 2 > MOST   ? MOST
		                                        : usual[i] * 2;
		assert_in_range(after, want, want < MOST ? want * 5 / 4 : want);
	}
}

static void it_follows_when_all_become_slower(void **state)
{
	struct hedge hedge = {0};

	(void)state;
	for (unsigned n = 0; n < 100000; n++)
		hedge_end(&hedge, HEDGE_HEAD, 3000);
	for (unsigned n = 0; n < 3000; n++)
		hedge_end(&hedge, HEDGE_HEAD, 50000);
	assert_in_range(hedge_begin(&hedge, HEDGE_HEAD, MOST), 100000, 125000);
}

static void extra_requests_stay_a_twentieth(void **state)
{
	struct hedge hedge = {0};
	unsigned taken = 0;

	(void)state;
	for (unsigned n = 0; n < 10000; n++) {
		hedge_begin(&hedge, HEDGE_BODY, MOST);
		taken += hedge_take(&hedge);
	}
	assert_int_equal(taken, 500);
	for (unsigned n = 0; n < 10000; n++)
		hedge_begin(&hedge, HEDGE_BODY, MOST);
	for (taken = 0; hedge_take(&hedge); taken++)
		;
	assert_int_equal(taken, CREDIT_MAX / CREDIT_COST); /* saved up, at most */
}

static void buckets_are_in_order(void **state)
{
	(void)state;
	for (uint64_t us = 1; us < 40000000; us = us * 9 / 8 + 1) {
		assert_true(bucket_of(us) <= bucket_of(us + 1));
		assert_true(bound_of(bucket_of(us)) > us);
		if (us >= 4)
			assert_true(bound_of(bucket_of(us)) <= us * 5 / 4 + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nothing_is_known_at_first),
	        cmocka_unit_test(it_waits_twice_what_all_but_the_slowest_take),
	        cmocka_unit_test(it_follows_when_all_become_slower),
	        cmocka_unit_test(extra_requests_stay_a_twentieth),
	        cmocka_unit_test(buckets_are_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
