#include "tests/lib/test.h"

#include "node/pace.h"

/* A machine that ends a piece in 1 ms when it has less than `room` of them a second to do, and in
 * 5 ms when it has more. Returns how many it was given in so many seconds. */
static unsigned run(struct pace *p, uint64_t *now_us, unsigned seconds, unsigned room)
{
	uint64_t end = *now_us + seconds * 1000000ull;
	unsigned count = 0;

	while (*now_us < end) {
		*now_us = pace_next_us(p, *now_us);
		pace_begin(p, *now_us);
		pace_end(p, *now_us, p->rate < room ? 1000 : 5000);
		count++;
	}
	return count;
}

static void it_finds_what_there_is_room_for(void **state)
{
	struct pace p = {0};
	uint64_t now_us = 1000000;

	(void)state;
	run(&p, &now_us, 30, 1000);
	assert_in_range(run(&p, &now_us, 20, 1000), 20 * 500, 20 * 1050);
	/* Others come, and go. */
	run(&p, &now_us, 5, 200);
	assert_in_range(run(&p, &now_us, 20, 200), 20 * 100, 20 * 210);
	run(&p, &now_us, 60, 1000000);
	assert_true(run(&p, &now_us, 5, 1000000) > 5 * 1500);
}

static void it_never_stops(void **state)
{
	struct pace p = {0};
	uint64_t now_us = 1000000;

	(void)state;
	run(&p, &now_us, 2, 1000);
	run(&p, &now_us, 20, 0);
	assert_in_range(run(&p, &now_us, 10, 0), 180, 400);
}

static void nothing_is_saved_up(void **state)
{
	struct pace p = {0};
	uint64_t now_us = 1000000;

	(void)state;
	run(&p, &now_us, 1, 1000);
	now_us += 3600 * 1000000ull;
	assert_int_equal(pace_next_us(&p, now_us), now_us);
	pace_begin(&p, now_us);
	assert_true(pace_next_us(&p, now_us) > now_us);
}

static void it_begins_gently(void **state)
{
	struct pace p = {0};
	uint64_t now_us = 1000000;

	(void)state;
	assert_in_range(run(&p, &now_us, 1, 1000000), 20, 40);
	assert_in_range(run(&p, &now_us, 4, 1000000), 100, 400);
	run(&p, &now_us, 25, 1000000);
	assert_true(run(&p, &now_us, 1, 1000000) > 400);
}

/* Most of the time it stays below what was too much. */
static void it_remembers_what_was_too_much(void **state)
{
	struct pace p = {0};
	uint64_t now_us = 1000000;
	unsigned slow = 0, all = 0;

	(void)state;
	run(&p, &now_us, 30, 300);
	for (unsigned i = 0; i < 400; i++, all++) {
		run(&p, &now_us, 1, 300);
		slow += p.slower;
	}
	assert_in_range(slow, 1, all / 10);
	assert_in_range(run(&p, &now_us, 30, 300), 30 * 200, 30 * 310);
}

/* A rate that nobody uses says nothing of a higher one. */
static void what_is_not_used_does_not_grow(void **state)
{
	struct pace p = {0};
	uint64_t now_us = 1000000;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		now_us += 20000; /* 50 a second, whatever it allows */
		pace_begin(&p, now_us);
		pace_end(&p, now_us + 1000, 1000);
	}
	assert_true(p.rate < 100);
}

static void long_pieces_are_followed_by_longer_rests(void **state)
{
	(void)state;
	assert_true(pace_rest_us(1000) >= 4000);
	assert_int_equal(pace_rest_us(20000), 20 * pace_rest_us(1000));
	assert_true(pace_rest_us(60000000) <= 5000000);
	assert_false(pace_is_wanted(0, 100));
	assert_true(pace_is_wanted(1000000, 2000000));
	assert_false(pace_is_wanted(1000000, 4000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(it_finds_what_there_is_room_for),
	        cmocka_unit_test(it_never_stops),
	        cmocka_unit_test(nothing_is_saved_up),
	        cmocka_unit_test(it_begins_gently),
	        cmocka_unit_test(it_remembers_what_was_too_much),
	        cmocka_unit_test(what_is_not_used_does_not_grow),
	        cmocka_unit_test(long_pieces_are_followed_by_longer_rests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
