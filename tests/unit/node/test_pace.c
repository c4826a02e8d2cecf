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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(it_finds_what_there_is_room_for),
	        cmocka_unit_test(it_never_stops),
	        cmocka_unit_test(nothing_is_saved_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
