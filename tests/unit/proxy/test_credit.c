#include "tests/lib/test.h"

#include "proxy/credit.c"

#define KB (1u << 10)

static struct env_fake env;
static struct reactor *reactor;
static struct budget budget;
static struct op ops[8];
static struct credit credits[8];
static unsigned woken[8], hurried;
static size_t held;

size_t edge_held(const struct edge *edge)
{
	(void)edge;
	return held;
}

void edge_hurry(struct edge *edge, unsigned seconds)
{
	(void)edge;
	assert_int_equal(seconds, HURRY_S);
	hurried++;
}

static enum step on_woken(struct op *op)
{
	woken[op - ops]++;
	return STEP_WAIT;
}

static void run(void)
{
	while (reactor_turn(reactor, false))
		;
}

static void sleep_ms(uint64_t ms)
{
	env.mono_us += ms * 1000;
	run();
}

static bool take(unsigned i, size_t bytes)
{
	enum err err;

	bool taken = credit_take(&credits[i], &budget, &ops[i], bytes, &err);
	assert_int_equal(err, ERR_OK);
	return taken;
}

static int setup(void **state)
{
	static const struct op_state states[] = {{"wait", on_woken, 0, 0}};

	(void)state;
	env_fake_init(&env, 1);
	assert_int_equal(reactor_new(&env.env, 64, &reactor), ERR_OK);
	run();
	budget_init(&budget, reactor, 800 * KB);
	budget.edge = (struct edge *)(void *)&held;
	held = hurried = 0;
	memset(credits, 0, sizeof(credits));
	for (unsigned i = 0; i < COUNT_OF(ops); i++) {
		op_init(&ops[i], reactor, states, NULL);
		op_start(&ops[i]);
	}
	run();
	memset(woken, 0, sizeof(woken));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT_OF(credits); i++)
		credit_give(&credits[i]);
	assert_int_equal(budget.used, 0);
	run();
	timer_cancel(reactor, &budget.timer);
	reactor_free(reactor);
	return 0;
}

static void large_ones_leave_room_for_small_ones(void **state)
{
	(void)state;
	assert_true(take(0, 400 * KB));
	assert_true(take(1, 300 * KB));
	assert_false(take(2, 100 * KB));
	assert_true(take(3, 60 * KB));
	assert_true(take(4, 40 * KB));
	assert_false(take(5, 1 * KB));
	assert_true(budget_tight(&budget, 1));
}

static void who_came_first_is_served_first(void **state)
{
	(void)state;
	assert_true(take(0, 600 * KB));
	for (unsigned i = 1; i < 4; i++)
		assert_false(take(i, 400 * KB));
	sleep_ms(4000);
	credit_give(&credits[0]);
	run();
	assert_true(take(1, 400 * KB));
	assert_int_equal(woken[2] + woken[3], 0);
	assert_int_equal(hurried, 0);
}

static void under_a_flood_it_is_who_came_last(void **state)
{
	(void)state;
	assert_true(take(0, 600 * KB));
	for (unsigned i = 1; i < 4; i++)
		assert_false(take(i, 400 * KB));
	sleep_ms(6000);
	assert_true(hurried > 0);
	credit_give(&credits[0]);
	run();
	assert_int_equal(woken[3], 1);
	assert_int_equal(woken[1] + woken[2], 0);
	assert_true(take(3, 400 * KB));
	credit_give(&credits[2]); /* gone */
	credit_give(&credits[3]);
	run();
	assert_true(take(1, 400 * KB));
	assert_int_equal(woken[2], 0);
}

static void answers_still_sent_count(void **state)
{
	(void)state;
	held = 700 * KB;
	assert_false(take(0, 100 * KB));
	sleep_ms(200);
	assert_int_equal(woken[0], 0);
	held = 0;
	sleep_ms(200);
	assert_true(take(0, 100 * KB));
}

static void larger_than_all_goes_alone(void **state)
{
	(void)state;
	assert_true(take(0, 4000 * KB));
	assert_false(take(1, 4000 * KB));
	credit_give(&credits[0]);
	run();
	assert_true(take(1, 4000 * KB));
}

static void waiting_has_an_end(void **state)
{
	enum err err;

	(void)state;
	assert_true(take(0, 700 * KB));
	assert_false(take(1, 400 * KB));
	sleep_ms(29900);
	assert_int_equal(woken[1], 0);
	assert_false(take(2, 400 * KB));
	sleep_ms(200);
	assert_int_equal(woken[1], 1);
	assert_false(credit_take(&credits[1], &budget, &ops[1], 400 * KB, &err));
	assert_int_equal(err, ERR_BUSY);
	credit_give(&credits[0]);
	run();
	assert_true(take(2, 400 * KB));
}

static void a_grant_can_be_handed_on(void **state)
{
	(void)state;
	assert_true(take(0, 700 * KB));
	credits[1] = credit_move(&credits[0]);
	credit_give(&credits[0]);
	assert_false(take(2, 100 * KB));
	credit_give(&credits[1]);
	assert_int_equal(budget.used, 100 * KB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                large_ones_leave_room_for_small_ones, setup, teardown),
	        cmocka_unit_test_setup_teardown(who_came_first_is_served_first, setup, teardown),
	        cmocka_unit_test_setup_teardown(under_a_flood_it_is_who_came_last, setup, teardown),
	        cmocka_unit_test_setup_teardown(answers_still_sent_count, setup, teardown),
	        cmocka_unit_test_setup_teardown(larger_than_all_goes_alone, setup, teardown),
	        cmocka_unit_test_setup_teardown(waiting_has_an_end, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_grant_can_be_handed_on, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
