/* A deletion that one device took, or a majority: what readers are told. */
#include "tests/lib/proxy_rig.h"

#include "proxy/db.h"
#include "proxy/rows.h"

/* ANEW: put again after the deletion; BEFORE: deleted before the put, which it has missed. */
enum { NEVER, LIVE, GONE, DOWN, ANEW, SLOW, BEFORE };

#define PUT_TS    100
#define DELETE_TS 200
#define ANEW_TS   300

static int devices[DEVICES];
static struct backend_call *slow;

static void say(struct backend_call *call, int what)
{
	struct backend_reply *reply = &call->reply;

	reply->put_ts = what == ANEW ? ANEW_TS : what == LIVE || what == GONE ? PUT_TS : 0;
	reply->delete_ts = what == GONE ? DELETE_TS : what == BEFORE ? PUT_TS - 1 : 0;
	reply->hash[0] = (uint8_t)(what + (int)call->device * 16); /* no two agree */
	backend_finish(call, what == DOWN                   ? ERR_UNAVAILABLE
	                     : what == LIVE || what == ANEW ? ERR_OK
	                                                    : ERR_NOT_FOUND);
}

static void device_send(struct backend *b, struct backend_call *call)
{
	(void)b;
	call->origin = reactor;
	if (devices[call->device] == SLOW)
		slow = call;
	else
		say(call, devices[call->device]);
}

static int setup(void **state)
{
	(void)state;
	rig_init(device_send);
	return 0;
}

static struct db_read reading;
static struct info_fetch fetch;
static bool ended, asks_info;
static enum err outcome;

static enum step run_read(struct op *op)
{
	if (!asks_info) {
		if (!db_read_of(&reading, NULL))
			return STEP_WAIT;
		outcome = reading.err;
	} else {
		if (!info_get(&fetch, op, &proxy, "a", "c"))
			return STEP_WAIT;
		outcome = fetch.err ? fetch.err : fetch.info->exists ? ERR_OK : ERR_NOT_FOUND;
	}
	return STEP_DONE;
}

static const struct op_state states[] = {{"read", run_read, 0, 0}};

static void release(struct op *op)
{
	(void)op;
	db_read_done(&reading);
	info_fetch_done(&fetch);
	ended = true;
}

static enum err read_it(bool info, const char *account)
{
	struct op op;

	info_forget_all(&proxy);
	reading =
	        (struct db_read){.op = &op, .proxy = &proxy, .account = account, .container = "c"};
	fetch = (struct info_fetch){0};
	ended = false;
	asks_info = info;
	op_init(&op, reactor, states, release);
	op_start(&op);
	rig_wait(&ended);
	return outcome;
}

static void test_what_a_majority_says(void **state)
{
	static const struct {
		int say[DEVICES];
		enum err told;
	} cases[] = {
	        {{LIVE, LIVE, LIVE}, ERR_OK},
	        {{GONE, LIVE, LIVE}, ERR_OK},
	        {{LIVE, GONE, LIVE}, ERR_OK},
	        {{LIVE, LIVE, GONE}, ERR_OK},
	        {{GONE, GONE, LIVE}, ERR_NOT_FOUND},
	        {{LIVE, GONE, GONE}, ERR_NOT_FOUND},
	        {{GONE, GONE, DOWN}, ERR_NOT_FOUND},
	        {{LIVE, LIVE, DOWN}, ERR_OK},
	        /* the third may have either */
	        {{GONE, LIVE, DOWN}, ERR_UNAVAILABLE},
	        {{DOWN, GONE, LIVE}, ERR_UNAVAILABLE},
	        /* which of the two comes to the third, decides */
	        {{GONE, LIVE, NEVER}, ERR_UNAVAILABLE},
	        {{NEVER, GONE, LIVE}, ERR_UNAVAILABLE},
	        {{GONE, NEVER, DOWN}, ERR_UNAVAILABLE},
	        /* nor does an earlier one tell of this one */
	        {{GONE, LIVE, BEFORE}, ERR_UNAVAILABLE},
	        {{DOWN, LIVE, BEFORE}, ERR_OK},
	        {{GONE, DOWN, BEFORE}, ERR_UNAVAILABLE},
	        {{GONE, NEVER, NEVER}, ERR_NOT_FOUND},
	        {{NEVER, NEVER, DOWN}, ERR_NOT_FOUND},
	        {{NEVER, NEVER, GONE}, ERR_NOT_FOUND},
	        {{LIVE, NEVER, DOWN}, ERR_OK},
	        {{GONE, ANEW, DOWN}, ERR_OK},
	        {{GONE, GONE, ANEW}, ERR_OK},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		memcpy(devices, cases[i].say, sizeof(devices));
		assert_int_equal(read_it(false, "a"), cases[i].told);
		assert_int_equal(read_it(true, "a"), cases[i].told);
	}
}

static struct fan posted;

static enum step run_post(struct op *op)
{
	bool open;

	if (!posted.count) {
		struct backend_msg *msg = backend_msg_new(BACKEND_DB_POST, BACKEND_CONTAINER);
		struct place place;
		backend_msg_path(msg, "a", "c", NULL);
		proxy_place(&cluster, 0, "a", "c", NULL, &place);
		fan_ask(&posted, op, &proxy, msg, &place, 10000);
	}
	outcome = db_outcome(&posted, &open);
	return open ? STEP_WAIT : STEP_DONE;
}

static const struct op_state post_states[] = {{"post", run_post, 0, 0}};

static void release_post(struct op *op)
{
	(void)op;
	fan_done(&posted);
	ended = true;
}

static void on_row(struct row_put *put)
{
	outcome = put->err;
	ended = true;
}

static void test_what_writers_are_told(void **state)
{
	static const struct {
		int say[DEVICES];
		enum err told;
	} cases[] = {
	        {{GONE, LIVE, LIVE}, ERR_OK},
	        {{GONE, GONE, LIVE}, ERR_NOT_FOUND},
	        {{GONE, NEVER, NEVER}, ERR_NOT_FOUND},
	        {{NEVER, LIVE, NEVER}, ERR_NOT_FOUND},
	        {{GONE, LIVE, NEVER}, ERR_UNAVAILABLE},
	        {{NEVER, GONE, DOWN}, ERR_UNAVAILABLE},
	        {{BEFORE, GONE, DOWN}, ERR_UNAVAILABLE},
	};
	struct op op;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		memcpy(devices, cases[i].say, sizeof(devices));
		ended = false;
		op_init(&op, reactor, post_states, release_post);
		op_start(&op);
		rig_wait(&ended);
		assert_int_equal(outcome, cases[i].told);
		struct row_put put = {.row = {.name = "o", .ts = ANEW_TS + 1}, .done = on_row};
		ended = false;
		rows_put(&proxy, "a", "c", &put);
		rig_wait(&ended);
		assert_int_equal(outcome, cases[i].told);
	}
}

/* What is left of a range when its container is gone. */
static void test_ranges_are_not_asked(void **state)
{
	(void)state;
	devices[0] = GONE;
	devices[1] = devices[2] = LIVE;
	assert_int_equal(read_it(false, RANGES_ACCOUNT), ERR_NOT_FOUND);
}

static void test_the_third_is_waited_for(void **state)
{
	struct op op;

	(void)state;
	devices[0] = GONE;
	devices[1] = LIVE;
	devices[2] = SLOW;
	for (unsigned info = 0; info < 2; info++) {
		info_forget_all(&proxy);
		reading = (struct db_read){
		        .op = &op, .proxy = &proxy, .account = "a", .container = "c"};
		fetch = (struct info_fetch){0};
		ended = false;
		asks_info = info;
		op_init(&op, reactor, states, release);
		op_start(&op);
		for (unsigned ms = 0; ms < 5000; ms++) {
			env.mono_us += 1000;
			reactor_turn(reactor, false);
		}
		assert_false(ended);
		say(slow, LIVE);
		rig_wait(&ended);
		assert_int_equal(outcome, ERR_OK);
	}
}

#define GONE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, rig_done)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        GONE_TEST(test_what_a_majority_says),
	        GONE_TEST(test_what_writers_are_told),
	        GONE_TEST(test_ranges_are_not_asked),
	        GONE_TEST(test_the_third_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
