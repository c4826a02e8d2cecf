/* A deletion of a container that one device took, or a majority: where replication brings it. */
#include "tests/lib/proxy_rig.h"

#include "lib/backend/points.h"
#include "lib/base/ts.h"
#include "node/reconcile.h"

/* ANEW: put again after the deletion; BEFORE: deleted before the put, which it has missed; FILLED:
 * came back empty, and is being filled; BEHIND: lives, and has missed a POST. */
enum { NEVER, LIVE, GONE, DOWN, ANEW, BEFORE, FILLED, BEHIND };

#define STRAY     DEVICES /* a device that is none of the primaries */
#define NOW       (1700000000ull * TS_PER_SECOND)
#define DELETE_TS (NOW - 1000 * TS_PER_SECOND)
#define PUT_TS    (DELETE_TS - TS_PER_SECOND)
#define ANEW_TS   (DELETE_TS + TS_PER_SECOND)

static int devices[DEVICES + 1];
static uint64_t delete_ts;
static const char *account;
static uint32_t pair[2];
static bool forgot[DEVICES + 1], merged[DEVICES + 1];
static int told_by[DEVICES + 1]; /* what the device that told it was */

static uint64_t put_ts_of(int what)
{
	bool put = what == LIVE || what == GONE || what == BEHIND;

	return what == ANEW ? ANEW_TS : put ? PUT_TS : 0;
}

static void tell(struct backend_call *call, int what)
{
	struct backend_reply *reply = &call->reply;

	reply->put_ts = put_ts_of(what);
	reply->delete_ts = what == GONE ? delete_ts : what == BEFORE ? PUT_TS - 1 : 0;
	reply->hash[0] = (uint8_t)what;
}

static enum err state_of(struct backend_call *call, int what)
{
	tell(call, what);
	call->reply.filling = what == FILLED;
	if (what == NEVER || what == FILLED)
		return ERR_NOT_FOUND;
	buf_printf(&call->reply.items, "%d", what);
	buf_add(&call->reply.path, account, strlen(account) + 1);
	buf_add(&call->reply.path, "c\0", 3);
	return ERR_OK;
}

static enum err forget(const struct backend_msg *msg, int *device)
{
	assert_int_equal(msg->ts, put_ts_of(*device));
	assert_int_equal(msg->meta_ts, delete_ts);
	assert_int_equal(msg->etag[0], *device);
	*device = NEVER;
	return ERR_OK;
}

static void device_send(struct backend *b, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	int *device = &devices[call->device];
	enum err err = ERR_OK;

	(void)b;
	call->origin = reactor;
	if (*device == DOWN) {
		err = ERR_UNAVAILABLE;
	} else if (msg->op == BACKEND_DB_STATE) {
		err = state_of(call, *device);
	} else if (msg->op == BACKEND_DB_FORGET) {
		forgot[call->device] = true;
		err = forget(msg, device);
	} else if (msg->op == BACKEND_DB_MERGE) {
		merged[call->device] = true;
		told_by[call->device] = *(const char *)msg->headers - '0';
	}
	backend_finish(call, err);
}

static int setup(void **state)
{
	(void)state;
	delete_ts = DELETE_TS;
	account = "a";
	pair[0] = 0;
	pair[1] = 1;
	rig_init(device_send);
	return 0;
}

static struct reconcile *reconcile;
static bool ended, both;
static enum err outcome;
static uint64_t asked_us;

static enum step run(struct op *op)
{
	uint64_t rows;

	if (!reconcile)
		reconcile = reconcile_start(&proxy, op, BACKEND_CONTAINER, (const uint8_t[16]){1},
		        0, pair, both, &asked_us);
	if (!reconcile_outcome(reconcile, &outcome, &rows))
		return STEP_WAIT;
	reconcile_unref(TAKE(reconcile));
	return STEP_DONE;
}

static const struct op_state states[] = {{"run", run, 0, 0}};

static void release(struct op *op)
{
	(void)op;
	ended = true;
}

static enum err reconcile_them(int first, int second, int third)
{
	struct op op;

	devices[0] = first;
	devices[1] = second;
	devices[2] = third;
	memset(forgot, 0, sizeof(forgot));
	memset(merged, 0, sizeof(merged));
	ended = false;
	op_init(&op, reactor, states, release);
	op_start(&op);
	rig_wait(&ended);
	return outcome;
}

static void test_what_counts_is_brought(void **state)
{
	static const int cases[][DEVICES] = {{GONE, LIVE, GONE}, {LIVE, GONE, GONE},
	        {GONE, LIVE, ANEW}, {GONE, NEVER, GONE}, {GONE, NEVER, NEVER}, {GONE, NEVER, ANEW},
	        {GONE, NEVER, FILLED}, {GONE, FILLED, NEVER}, {GONE, FILLED, GONE},
	        {GONE, BEFORE, NEVER}, {GONE, BEFORE, GONE}};

	(void)state;
	both = true;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		unsigned gone = cases[i][0] == GONE ? 0 : 1;
		assert_int_equal(reconcile_them(cases[i][0], cases[i][1], cases[i][2]), ERR_OK);
		assert_true(merged[!gone]);
		assert_int_equal(told_by[!gone], GONE);
		assert_false(forgot[gone]);
	}
}

static void test_what_does_not_count_is_undone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		unsigned gone = i % 2;
		both = i < 2;
		assert_int_equal(
		        reconcile_them(gone ? LIVE : GONE, gone ? GONE : LIVE, LIVE), ERR_OK);
		assert_true(forgot[gone]);
		assert_false(merged[!gone]);
		assert_int_equal(merged[gone], both || gone == 1);
		if (merged[gone])
			assert_int_equal(told_by[gone], LIVE);
	}
}

/* What one of those that live has missed may be on the other one and on who took the deletion
 * alone: that would be forgotten, and what was before would be on a majority. */
static void test_what_others_missed_is_not_forgotten(void **state)
{
	static const int cases[][DEVICES] = {
	        {GONE, BEHIND, LIVE}, {GONE, LIVE, BEHIND}, {BEHIND, GONE, LIVE}};

	(void)state;
	both = true;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(reconcile_them(cases[i][0], cases[i][1], cases[i][2]), ERR_BUSY);
		assert_false(forgot[0] || forgot[1]);
		assert_false(merged[0] || merged[1]);
	}
	assert_int_equal(reconcile_them(BEHIND, LIVE, GONE), ERR_OK);
	assert_true(merged[0]);
}

/* Who deletes may be at it. */
static void test_one_that_is_young_waits(void **state)
{
	(void)state;
	both = true;
	delete_ts = NOW - 60 * TS_PER_SECOND;
	assert_int_equal(reconcile_them(GONE, LIVE, LIVE), ERR_BUSY);
	assert_false(forgot[0]);
	assert_false(merged[0] || merged[1]);
}

static void test_one_that_nobody_can_tell_waits(void **state)
{
	static const int cases[][DEVICES] = {{GONE, LIVE, DOWN}, {LIVE, GONE, DOWN},
	        {GONE, LIVE, NEVER}, {GONE, NEVER, LIVE}, {NEVER, GONE, LIVE}, {GONE, NEVER, DOWN},
	        {GONE, LIVE, FILLED}, {GONE, FILLED, LIVE}, {GONE, BEFORE, LIVE},
	        {GONE, LIVE, BEFORE}};

	(void)state;
	both = true;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(reconcile_them(cases[i][0], cases[i][1], cases[i][2]), ERR_BUSY);
		assert_false(forgot[0] || forgot[1]);
		assert_false(merged[0] || merged[1]);
	}
}

/* It goes to who lacks it, whatever somebody took: else a container would be told to be gone by
 * those who never had it, and be there again when they have. */
static void test_what_lives_is_brought(void **state)
{
	static const int thirds[] = {GONE, LIVE, NEVER, DOWN};

	(void)state;
	both = true;
	for (unsigned i = 0; i < COUNT_OF(thirds); i++) {
		assert_int_equal(reconcile_them(LIVE, NEVER, thirds[i]), ERR_OK);
		assert_true(merged[1]);
		assert_int_equal(told_by[1], LIVE);
	}
}

/* What a device has that was a primary once, and was away when the others decided. */
static void test_a_handed_off_deletion_is_asked_about_too(void **state)
{
	(void)state;
	both = false;
	pair[0] = STRAY;
	pair[1] = 0;
	devices[STRAY] = GONE;
	assert_int_equal(reconcile_them(LIVE, LIVE, LIVE), ERR_OK);
	assert_false(merged[0]);
	assert_int_equal(devices[STRAY], NEVER);
	devices[STRAY] = GONE;
	assert_int_equal(reconcile_them(LIVE, DOWN, LIVE), ERR_OK);
	assert_false(merged[0]);
	devices[STRAY] = GONE;
	assert_int_equal(reconcile_them(LIVE, DOWN, NEVER), ERR_BUSY);
	assert_false(merged[0]);
	devices[STRAY] = GONE;
	assert_int_equal(reconcile_them(LIVE, GONE, GONE), ERR_OK);
	assert_true(merged[0]);
	devices[STRAY] = GONE;
	assert_int_equal(reconcile_them(NEVER, NEVER, NEVER), ERR_OK);
	assert_true(merged[0]);
}

static void test_ranges_follow_their_container(void **state)
{
	(void)state;
	both = true;
	account = RANGES_ACCOUNT;
	assert_int_equal(reconcile_them(GONE, LIVE, LIVE), ERR_OK);
	assert_true(merged[1]);
	assert_false(forgot[0]);
}

#define RECONCILE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, rig_done)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        RECONCILE_TEST(test_what_counts_is_brought),
	        RECONCILE_TEST(test_what_does_not_count_is_undone),
	        RECONCILE_TEST(test_what_others_missed_is_not_forgotten),
	        RECONCILE_TEST(test_one_that_is_young_waits),
	        RECONCILE_TEST(test_one_that_nobody_can_tell_waits),
	        RECONCILE_TEST(test_what_lives_is_brought),
	        RECONCILE_TEST(test_a_handed_off_deletion_is_asked_about_too),
	        RECONCILE_TEST(test_ranges_follow_their_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
