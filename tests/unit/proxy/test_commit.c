/* The end of a write, with devices that answer as a table says. */
#include "tests/lib/proxy_rig.h"

#include "proxy/commit.h"
#include <stdlib.h>

static uint64_t newest[DEVICES]; /* what each device knows of the key */
static bool down[DEVICES], is_tombstone[DEVICES];
static uint64_t drafts[DEVICES]; /* for a delete */
static bool had_it[DEVICES];     /* what a tombstone has replaced is just what comes */
static uint64_t posted[DEVICES]; /* when its metadata was */
static uint64_t promised, replaced;
static uint64_t post_to, put_over; /* the version that it is for; or 0 */
static unsigned records;

/* A device that keeps timestamps only. */
static void device_send(struct backend *b, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	uint64_t *known = &newest[call->device];
	enum err err = ERR_OK;

	(void)b;
	call->origin = reactor;
	if (down[call->device]) {
		err = ERR_UNAVAILABLE;
	} else if (msg->op == BACKEND_OBJECT_PUT) {
		records++;
		if (msg->ts <= *known) {
			call->reply.ts = *known;
			call->reply.promised = promised;
			call->reply.deleted = is_tombstone[call->device];
			call->reply.size = had_it[call->device] ? msg->ts : 0;
			err = ERR_CONFLICT;
		} else {
			*known = msg->ts;
			is_tombstone[call->device] = false;
		}
	} else if (msg->op == BACKEND_OBJECT_POST) {
		records++;
		call->reply.ts = *known;
		call->reply.meta_ts = posted[call->device];
		call->reply.promised = promised;
		call->reply.replaced = replaced;
		if (is_tombstone[call->device])
			err = ERR_NOT_FOUND;
		else if (msg->ts <= posted[call->device])
			err = ERR_CONFLICT;
		else
			posted[call->device] = msg->ts;
	} else if (msg->op == BACKEND_OBJECT_DELETE && replaced && msg->ts <= *known) {
		records++;
		call->reply.ts = *known;
		call->reply.replaced = replaced;
		err = ERR_CONFLICT;
	} else if (msg->op == BACKEND_OBJECT_DELETE) {
		records++;
		call->reply.ts = *known;
		call->reply.deleted = is_tombstone[call->device];
		call->reply.drafts[0] = drafts[call->device];
		err = *known && !is_tombstone[call->device] ? ERR_OK : ERR_NOT_FOUND;
		*known = msg->ts;
		is_tombstone[call->device] = true;
	} else if (msg->op == BACKEND_OBJECT_GRANT || msg->op == BACKEND_OBJECT_VERSION ||
	           msg->op == BACKEND_OBJECT_GET) {
		call->reply.ts = *known;
		err = *known ? ERR_OK : ERR_NOT_FOUND;
	}
	backend_finish(call, err);
}

static int setup(void **state)
{
	(void)state;
	memset(newest, 0, sizeof(newest));
	memset(down, 0, sizeof(down));
	memset(is_tombstone, 0, sizeof(is_tombstone));
	memset(drafts, 0, sizeof(drafts));
	memset(had_it, 0, sizeof(had_it));
	memset(posted, 0, sizeof(posted));
	records = 0;
	promised = replaced = post_to = put_over = 0;
	rig_init(device_send);
	return 0;
}

static struct commit commit;
static bool ended;
static enum err outcome;

static enum step run_commit(struct op *op)
{
	if (!commit_ready(&commit))
		return STEP_WAIT;
	(void)op;
	outcome = commit.err;
	return STEP_DONE;
}

static const struct op_state states[] = {{"commit", run_commit, 0, 0}};

static void release(struct op *op)
{
	(void)op;
	commit_done(&commit);
	ended = true;
}

static void run_one(enum backend_op what, bool only_if_absent)
{
	struct op op;

	commit = (struct commit){
	        .only_if_absent = only_if_absent, .only_if_at = put_over, .known = post_to};
	ended = false;
	op_init(&op, reactor, states, release);
	commit_message(&commit, what, &op, &proxy, 0, "a", "c", "o");
	commit.msg->handle = 1;
	if (what == BACKEND_OBJECT_POST)
		commit_updates(&commit, &(struct backend_row){.ts = post_to}, 0, 0);
	commit_start(&commit);
	op_start(&op);
	rig_wait(&ended);
}

static void put(bool only_if_absent)
{
	run_one(BACKEND_OBJECT_PUT, only_if_absent);
}

static void test_a_write_comes_after_those_of_a_clock_ahead(void **state)
{
	(void)state;
	uint64_t ahead = hlc_now(&hlc) + 20 * TS_PER_SECOND;

	newest[0] = newest[1] = ahead;
	put(false);
	assert_int_equal(outcome, ERR_OK);
	for (unsigned i = 0; i < DEVICES; i++)
		assert_true(newest[i] > ahead);
	assert_true(hlc_now(&hlc) > ahead);
}

static void test_one_lagging_replica_needs_no_second_try(void **state)
{
	(void)state;
	newest[2] = hlc_now(&hlc) + 20 * TS_PER_SECOND;
	put(false);
	assert_int_equal(outcome, ERR_OK);
	assert_int_equal(records, 3);
}

static void test_a_time_that_no_clock_may_have_is_given_up(void **state)
{
	(void)state;
	newest[0] = newest[1] = hlc_now(&hlc) + 2 * HLC_AHEAD_MAX;
	put(false);
	assert_int_equal(outcome, ERR_CLOCK);
	assert_int_equal(records, 0);
}

static void test_if_absent_asks_again_and_finds_it(void **state)
{
	(void)state;
	newest[0] = newest[1] = hlc_now(&hlc) + 20 * TS_PER_SECOND;
	put(true);
	assert_int_equal(outcome, ERR_PRECONDITION);
	assert_int_equal(records, 0);
}

/* Its writer died. That must not stand in the way of all who come after. */
static void test_what_is_on_one_device_alone_is_brought_first(void **state)
{
	(void)state;
	uint64_t now = hlc_now(&hlc);

	for (unsigned alone = 0; alone < DEVICES; alone++) {
		for (unsigned i = 0; i < DEVICES; i++)
			newest[i] = now - 2 * TS_PER_SECOND;
		newest[alone] = now - TS_PER_SECOND;
		put_over = now - 2 * TS_PER_SECOND;
		put(false);
		assert_int_equal(outcome, ERR_PRECONDITION);
		for (unsigned i = 0; i < DEVICES; i++)
			assert_int_equal(newest[i], now - TS_PER_SECOND);
		put_over = now - TS_PER_SECOND;
		put(false);
		assert_int_equal(outcome, ERR_OK);
	}
}

/* By the time its record comes, others have written later: it was there just before them. */
static void test_overtaken_while_under_way(void **state)
{
	(void)state;
	cluster.one_clock = true; /* no look before */
	newest[0] = newest[1] = hlc_now(&hlc) + TS_PER_SECOND;
	put(false);
	assert_int_equal(outcome, ERR_OK);
	assert_int_equal(records, 3);
}

/* Not so where the other had made sure that nothing was there: it goes behind that. */
static void test_overtaken_by_a_conditional_write(void **state)
{
	(void)state;
	uint64_t ahead = hlc_now(&hlc) + TS_PER_SECOND;

	cluster.one_clock = true;
	newest[0] = newest[1] = newest[2] = promised = ahead;
	put(false);
	assert_int_equal(outcome, ERR_OK);
	assert_int_equal(records, 6);
	assert_true(newest[0] > ahead && newest[1] > ahead);
}

/* Somebody may have read it where it was taken, and acted on it: it must not happen twice. */
static void test_taken_and_overtaken_by_a_conditional_write(void **state)
{
	(void)state;
	cluster.one_clock = true;
	for (unsigned silent = 0; silent < 2; silent++) {
		newest[0] = newest[1] = promised = hlc_now(&hlc) + TS_PER_SECOND;
		newest[2] = 0;
		down[2] = silent;
		records = 0;
		put(false);
		assert_int_equal(outcome, ERR_UNAVAILABLE);
		assert_int_equal(records, silent ? 2 : 3);
	}
}

/* A delete is no harm to who found nothing there; who replaced something it must come behind. */
static void test_a_delete_overtaken_by_who_replaced(void **state)
{
	(void)state;
	uint64_t ahead = hlc_now(&hlc) + TS_PER_SECOND;

	cluster.one_clock = true;
	newest[0] = newest[1] = newest[2] = replaced = ahead;
	run_one(BACKEND_OBJECT_DELETE, false);
	assert_int_equal(outcome, ERR_OK);
	assert_int_equal(records, 6);
	assert_true(is_tombstone[0] && newest[0] > ahead);
}

/* Where a later POST to the same version is, ours may have been, and been read. */
static void test_a_post_overtaken_by_a_post(void **state)
{
	(void)state;
	cluster.one_clock = true;
	newest[0] = newest[1] = newest[2] = 10;
	posted[0] = posted[1] = promised = hlc_now(&hlc) + TS_PER_SECOND;
	post_to = 10;
	run_one(BACKEND_OBJECT_POST, false);
	assert_int_equal(outcome, ERR_OK);
	assert_int_equal(records, 3);
}

/* What was deleted meanwhile may have had what was posted, and been read. Who deletes what he has
 * seen would have seen it, too. */
static void test_a_post_to_what_is_deleted(void **state)
{
	static const struct {
		bool conditional, taken, silent;
		enum err err;
	} cases[] = {
	        {false, false, false, ERR_CONFLICT},
	        {false, true, false, ERR_CONFLICT},
	        {true, false, false, ERR_NOT_FOUND},
	        {true, true, false, ERR_UNAVAILABLE},
	        {true, false, true, ERR_UNAVAILABLE},
	};

	(void)state;
	cluster.one_clock = true;
	post_to = 10;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		for (unsigned d = 0; d < DEVICES; d++) {
			newest[d] = d == 2 ? 10 : 20;
			posted[d] = 0;
			is_tombstone[d] = d < 2 || !cases[i].taken;
		}
		down[2] = cases[i].silent;
		replaced = cases[i].conditional ? 20 : 0;
		run_one(BACKEND_OBJECT_POST, false);
		assert_int_equal(outcome, cases[i].err);
	}
}

/* A body is not lost to a delete that came before it to a majority: that found nothing, and may
 * have said so. */
static void test_a_delete_came_first(void **state)
{
	(void)state;
	cluster.one_clock = true;
	for (unsigned deleted = 1; deleted <= DEVICES; deleted++) {
		uint64_t ahead = hlc_now(&hlc) + TS_PER_SECOND;
		bool brought = deleted == 3, enough = deleted != 1;
		for (unsigned d = 0; d < DEVICES; d++) {
			is_tombstone[d] = d < deleted;
			newest[d] = d < deleted ? ahead : 0;
			had_it[d] = brought && d < 2;
		}
		down[2] = deleted == 1;
		records = 0;
		put(false);
		assert_int_equal(outcome, enough ? ERR_OK : ERR_UNAVAILABLE);
		assert_int_equal(records, deleted == 1 ? 2 : deleted == 2 ? 6 : 3);
		assert_int_equal(newest[0] > ahead, deleted == 2);
	}
}

/* Where that is not on a majority, nobody knows which of the two will be seen. */
static void test_between_a_conditional_write_and_nothing(void **state)
{
	(void)state;
	cluster.one_clock = true;
	newest[0] = promised = hlc_now(&hlc) + TS_PER_SECOND;
	down[1] = true;
	put(false);
	assert_int_equal(outcome, ERR_UNAVAILABLE);
}

static void test_no_majority(void **state)
{
	(void)state;
	down[0] = down[2] = true;
	put(false);
	assert_int_equal(outcome, ERR_UNAVAILABLE);
}

/* 204 or 404, as a read would have found it: by the newest that those who took it had, whoever
 * answers first. */
static void test_a_delete_where_replicas_differ(void **state)
{
	(void)state;
	static const struct {
		uint64_t ts[DEVICES]; /* tens: a body; else a tombstone */
		enum err err;
	} cases[] = {
	        {{0, 0, 0}, ERR_NOT_FOUND},
	        {{10, 10, 10}, ERR_OK},
	        {{15, 15, 15}, ERR_NOT_FOUND},
	        {{10, 15, 15}, ERR_NOT_FOUND}, /* missed the delete before */
	        {{15, 10, 15}, ERR_NOT_FOUND},
	        {{15, 15, 10}, ERR_NOT_FOUND},
	        {{20, 15, 0}, ERR_OK},
	        {{0, 20, 15}, ERR_OK},
	        {{20, 20, 15}, ERR_OK},
	        {{25, 25, 0}, ERR_NOT_FOUND},
	};

	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		for (unsigned d = 0; d < DEVICES; d++) {
			newest[d] = cases[i].ts[d];
			is_tombstone[d] = cases[i].ts[d] % 10 != 0;
		}
		run_one(BACKEND_OBJECT_DELETE, false);
		assert_int_equal(outcome, cases[i].err);
	}
}

static void test_a_delete_of_drafts(void **state)
{
	(void)state;

	for (unsigned holders = 0; holders <= DEVICES; holders++) {
		memset(newest, 0, sizeof(newest));
		for (unsigned d = 0; d < DEVICES; d++)
			drafts[d] = d < holders ? 10 : 0;
		run_one(BACKEND_OBJECT_DELETE, false);
		assert_int_equal(outcome, holders > DEVICES / 2 ? ERR_OK : ERR_NOT_FOUND);
	}
	/* A device that cannot be asked may have it, too. */
	memset(newest, 0, sizeof(newest));
	down[2] = true;
	drafts[0] = 10;
	drafts[1] = drafts[2] = 0;
	run_one(BACKEND_OBJECT_DELETE, false);
	assert_int_equal(outcome, ERR_OK);
	down[2] = false;
	drafts[0] = drafts[1] = drafts[2] = 10;
	newest[0] = newest[1] = newest[2] = 15;
	is_tombstone[0] = is_tombstone[1] = is_tombstone[2] = true;
	run_one(BACKEND_OBJECT_DELETE, false);
	assert_int_equal(outcome, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                test_a_write_comes_after_those_of_a_clock_ahead, setup, rig_done),
	        cmocka_unit_test_setup_teardown(
	                test_one_lagging_replica_needs_no_second_try, setup, rig_done),
	        cmocka_unit_test_setup_teardown(
	                test_a_time_that_no_clock_may_have_is_given_up, setup, rig_done),
	        cmocka_unit_test_setup_teardown(
	                test_if_absent_asks_again_and_finds_it, setup, rig_done),
	        cmocka_unit_test_setup_teardown(
	                test_what_is_on_one_device_alone_is_brought_first, setup, rig_done),
	        cmocka_unit_test_setup_teardown(test_overtaken_while_under_way, setup, rig_done),
	        cmocka_unit_test_setup_teardown(
	                test_overtaken_by_a_conditional_write, setup, rig_done),
	        cmocka_unit_test_setup_teardown(
	                test_taken_and_overtaken_by_a_conditional_write, setup, rig_done),
	        cmocka_unit_test_setup_teardown(
	                test_a_delete_overtaken_by_who_replaced, setup, rig_done),
	        cmocka_unit_test_setup_teardown(test_a_post_overtaken_by_a_post, setup, rig_done),
	        cmocka_unit_test_setup_teardown(test_a_post_to_what_is_deleted, setup, rig_done),
	        cmocka_unit_test_setup_teardown(test_a_delete_came_first, setup, rig_done),
	        cmocka_unit_test_setup_teardown(
	                test_between_a_conditional_write_and_nothing, setup, rig_done),
	        cmocka_unit_test_setup_teardown(
	                test_a_delete_where_replicas_differ, setup, rig_done),
	        cmocka_unit_test_setup_teardown(test_a_delete_of_drafts, setup, rig_done),
	        cmocka_unit_test_setup_teardown(test_no_majority, setup, rig_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
