/* Rates of containers by their size, and who has to wait for how long. */
#include "tests/lib/test.h"

#include "lib/base/auto.h"
#include "proxy/unit/ratelimit.h"
#include <stdlib.h>

static void rates_lie_on_lines_between_sizes(void **state)
{
	struct rates r;

	(void)state;
	assert_true(rates_parse(" 1=100 10=50  50=20.5 ", &r));
	assert_int_equal(r.count, 3);
	assert_true(rates_of(&r, 0) == 0);
	assert_true(rates_of(&r, 1) == 100);
	assert_true(rates_of(&r, 10) == 50);
	assert_true(rates_of(&r, 30) == 35.25);
	assert_true(rates_of(&r, 50) == 20.5 && rates_of(&r, 1000000) == 20.5);
	assert_true(rates_parse("100=5", &r));
	assert_true(rates_of(&r, 99) == 0 && rates_of(&r, 100) == 5);
	assert_true(rates_parse("", &r) && rates_of(&r, 5) == 0);
}

static void lists_that_are_none_are_told(void **state)
{
	static const char *const bad[] = {"x", "1", "1=", "=1", "1=a", "1=-1", "1=1,2=2", "2=1 1=1",
	        "1=1 1=2", "1=nan", "-1=1"};
	struct rates r;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(bad); i++)
		assert_false(rates_parse(bad[i], &r));
}

static struct ratelimit *limit_of(const char *max_sleep)
{
	const struct unit_options options = {.ratelimit_account = "0",
	        .ratelimit_max_sleep = max_sleep,
	        .ratelimit_log_sleep = "0",
	        .ratelimit_container = "",
	        .ratelimit_listing = "",
	        .ratelimit_whitelist = "",
	        .ratelimit_blacklist = "",
	        .ratelimit_buffer_s = 5};
	struct ratelimit *limit;
	const char *why;

	assert_int_equal(ratelimit_new(&options, &limit, &why), ERR_OK);
	return limit;
}

static void who_is_ahead_waits_its_turn(void **state)
{
	struct ratelimit *limit = limit_of("60");
	uint64_t now = 1000000000;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(ratelimit_take(limit, "a", 4, now), i * 250000);
	assert_int_equal(ratelimit_take(limit, "b", 4, now), 0);
	assert_int_equal(ratelimit_take(limit, "a", 4, now + 2500000), 0);
	/* Five seconds of quiet may be made up for, not more. */
	now += 1000000000;
	assert_int_equal(ratelimit_take(limit, "a", 4, now), 0);
	assert_int_equal(ratelimit_take(limit, "a", 4, now + 4000000), 0);
	int at_once = 0;
	while (ratelimit_take(limit, "a", 4, now + 4000000) == 0)
		at_once++;
	assert_in_range(at_once, 13, 15);
	free(limit);
}

static void who_would_wait_too_long_does_not_count(void **state)
{
	struct ratelimit *limit = limit_of("1");
	uint64_t now = 1000000000;

	(void)state;
	assert_int_equal(ratelimit_take(limit, "a", 2, now), 0);
	assert_int_equal(ratelimit_take(limit, "a", 2, now), 500000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(ratelimit_take(limit, "a", 2, now), -1);
	assert_int_equal(ratelimit_take(limit, "a", 2, now + 500000), 500000);
	free(limit);
}

static void many_keys_have_room(void **state)
{
	struct ratelimit *limit = limit_of("60");
	char key[32];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100000; i++) {
			snprintf(key, sizeof(key), "key-%d", i);
			assert_true(ratelimit_take(limit, key, 10, 1000000000) >= 0);
		}
	}
	free(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rates_lie_on_lines_between_sizes),
	        cmocka_unit_test(lists_that_are_none_are_told),
	        cmocka_unit_test(who_is_ahead_waits_its_turn),
	        cmocka_unit_test(who_would_wait_too_long_does_not_count),
	        cmocka_unit_test(many_keys_have_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
