/* A container is deleted, with devices that a row reached, or not, after it was found empty. */
#include "tests/lib/proxy_rig.h"

#include "lib/backend/points.h"
#include "proxy/drop.h"
#include <stdlib.h>

static bool has_row[DEVICES], down[DEVICES]; /* has_row: since it was found empty */
static bool is_still[DEVICES], is_deleted[DEVICES];

static enum err split(unsigned device, const struct backend_msg *msg)
{
	assert_int_equal(msg->stage, SPLIT_STILL);
	is_still[device] = msg->len && !has_row[device];
	return msg->len && has_row[device] ? ERR_CONFLICT : ERR_OK;
}

static void device_send(struct backend *b, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	unsigned d = call->device;
	enum err err = ERR_OK;

	(void)b;
	call->origin = reactor;
	call->reply.put_ts = 5;
	if (down[d]) {
		err = ERR_UNAVAILABLE;
	} else if (msg->op == BACKEND_DB_SPLIT) {
		err = split(d, msg);
	} else if (msg->op == BACKEND_DB_DELETE) {
		is_deleted[d] = !has_row[d];
		err = has_row[d] ? ERR_CONFLICT : ERR_OK;
	}
	backend_finish(call, err);
}

static int setup(void **state)
{
	(void)state;
	memset(has_row, 0, sizeof(has_row));
	memset(down, 0, sizeof(down));
	memset(is_still, 0, sizeof(is_still));
	memset(is_deleted, 0, sizeof(is_deleted));
	rig_init(device_send);
	return 0;
}

static struct drop drop;
static bool ended;
static enum err outcome;

static enum step run_drop(struct op *op)
{
	(void)op;
	if (!drop_ready(&drop))
		return STEP_WAIT;
	outcome = drop.err;
	return STEP_DONE;
}

static const struct op_state states[] = {{"drop", run_drop, 0, 0}};

static void release(struct op *op)
{
	(void)op;
	drop_done(&drop);
	ended = true;
}

static enum err delete_it(void)
{
	struct op op;

	drop = (struct drop){.ts = 100};
	drop.read.root =
	        (struct db_read){.op = &op, .proxy = &proxy, .account = "a", .container = "c"};
	ended = false;
	op_init(&op, reactor, states, release);
	op_start(&op);
	rig_wait(&ended);
	return outcome;
}

static unsigned count(const bool *of)
{
	return of[0] + of[1] + of[2];
}

static void test_an_empty_one_goes(void **state)
{
	(void)state;
	assert_int_equal(delete_it(), ERR_OK);
	assert_int_equal(count(is_deleted), 3);
}

static void test_one_that_is_away_is_not_needed(void **state)
{
	(void)state;
	down[1] = true;
	assert_int_equal(delete_it(), ERR_OK);
	assert_int_equal(count(is_deleted), 2);
}

static void test_a_row_that_one_has_never_counted(void **state)
{
	(void)state;
	has_row[2] = true;
	assert_int_equal(delete_it(), ERR_OK);
	assert_int_equal(count(is_deleted), 2);
}

/* Else the one that missed the row is deleted alone, and brings that to the others. */
static void test_what_is_refused_is_written_nowhere(void **state)
{
	(void)state;
	for (unsigned without = 0; without < DEVICES; without++) {
		for (unsigned d = 0; d < DEVICES; d++)
			has_row[d] = d != without;
		assert_int_equal(delete_it(), ERR_CONFLICT);
		assert_int_equal(count(is_deleted), 0);
		assert_int_equal(count(is_still), 0); /* and rows are taken again */
	}
}

static void test_no_majority_nothing_written(void **state)
{
	(void)state;
	has_row[0] = true;
	down[1] = true;
	assert_int_equal(delete_it(), ERR_CONFLICT);
	assert_int_equal(count(is_deleted), 0);
	down[2] = true;
	assert_int_equal(delete_it(), ERR_UNAVAILABLE);
	assert_int_equal(count(is_deleted), 0);
}

#define DROP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, rig_done)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        DROP_TEST(test_an_empty_one_goes),
	        DROP_TEST(test_one_that_is_away_is_not_needed),
	        DROP_TEST(test_a_row_that_one_has_never_counted),
	        DROP_TEST(test_what_is_refused_is_written_nowhere),
	        DROP_TEST(test_no_majority_nothing_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
