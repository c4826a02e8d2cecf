/* Facts of containers that are kept: which, for whom, and how long. */
#include "tests/lib/proxy_rig.h"

static bool there, ended;
static unsigned asked;
static struct info_fetch fetch;

static void device_send(struct backend *b, struct backend_call *call)
{
	(void)b;
	call->origin = reactor;
	asked += call->device == 0;
	call->reply.put_ts = there;
	backend_finish(call, there ? ERR_OK : ERR_NOT_FOUND);
}

static int setup(void **state)
{
	(void)state;
	rig_init(device_send);
	asked = 0;
	return 0;
}

static enum step run_get(struct op *op)
{
	return info_get(&fetch, op, &proxy, "a", "c") ? STEP_DONE : STEP_WAIT;
}

static const struct op_state states[] = {{"get", run_get, 0, 0}};

static void release(struct op *op)
{
	(void)op;
	assert_int_equal(fetch.err, ERR_OK);
	assert_true(fetch.info->exists == there);
	info_fetch_done(&fetch);
	ended = true;
}

/* How often the devices have been asked by then. */
static unsigned get(bool lacks)
{
	struct op op;

	fetch = (struct info_fetch){.lacks = lacks};
	ended = false;
	op_init(&op, reactor, states, release);
	op_start(&op);
	rig_wait(&ended);
	return asked;
}

static void test_what_is_there_is_kept(void **state)
{
	(void)state;
	there = true;
	assert_int_equal(get(false), 1);
	assert_int_equal(get(true), 1);
	env.mono_us += 9000000;
	assert_int_equal(get(false), 1);
	env.mono_us += 1000001;
	assert_int_equal(get(false), 2);
}

static void test_what_is_not_there_is_asked_for_again(void **state)
{
	(void)state;
	there = false;
	assert_int_equal(get(false), 1);
	assert_int_equal(get(false), 2);
	assert_int_equal(get(true), 3);
}

static void test_who_says_so_goes_by_what_was_not_there(void **state)
{
	(void)state;
	there = false;
	assert_int_equal(get(true), 1);
	assert_int_equal(get(true), 1);
	assert_int_equal(get(false), 2);
	env.mono_us += 1000001;
	assert_int_equal(get(true), 3);
	there = true; /* another node has made it */
	env.mono_us += 1000001;
	assert_int_equal(get(true), 4);
	assert_int_equal(get(false), 4);
}

static void test_not_once_it_was_made_here(void **state)
{
	(void)state;
	there = false;
	assert_int_equal(get(true), 1);
	there = true;
	info_changed(&cluster, "a", "c");
	assert_int_equal(get(true), 2);
}

#define INFO_TEST(test) cmocka_unit_test_setup_teardown(test, setup, rig_done)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        INFO_TEST(test_what_is_there_is_kept),
	        INFO_TEST(test_what_is_not_there_is_asked_for_again),
	        INFO_TEST(test_who_says_so_goes_by_what_was_not_there),
	        INFO_TEST(test_not_once_it_was_made_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
