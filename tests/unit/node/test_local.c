/* The local backend, with storage roles that answer when the test says so. */
#include "tests/lib/test.h"

#include "node/handle.c"
#include "node/local.c"

static struct env_fake env;
static struct node node;
static struct backend_call *taken[4];
static unsigned taken_count, answered;
static enum err told;

void objectd_handle(struct objectd *objectd, struct backend_call *call)
{
	(void)objectd;
	taken[taken_count++] = call;
}

void objectd_refuse(struct objectd *objectd, struct backend_call *call)
{
	(void)objectd;
	backend_finish(call, ERR_UNAVAILABLE);
}

void containerd_handle(struct containerd *containerd, struct backend_call *call)
{
	(void)containerd;
	backend_finish(call, ERR_EXISTS);
}

void accountd_handle(struct accountd *accountd, struct backend_call *call)
{
	(void)accountd;
	backend_finish(call, ERR_CONFLICT);
}

void node_wire_send(struct node_reactor *reactor, struct backend_call *call)
{
	(void)reactor;
	backend_finish(call, ERR_CLOSED);
}

static void run(void)
{
	while (reactor_turn(node.reactors[0].reactor, false))
		;
}

static int setup(void **state)
{
	(void)state;
	memset(&node, 0, sizeof(node));
	taken_count = answered = 0;
	env_fake_init(&env, 1);
	node_backend_init(&node);
	node.reactor_count = 1;
	node.device_count = 1;
	node.devices[0].node = &node;
	hlc_init(&node.hlc, &env.env);
	node.devices[0].ready = true;
	list_init(&node.reactors[0].calls);
	list_init(&node.reactors[0].open);
	node.reactors[0].node = &node;
	assert_int_equal(reactor_new(&env.env, 64, &node.reactors[0].reactor), ERR_OK);
	run();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reactor_free(node.reactors[0].reactor);
	return 0;
}

static void on_answer(struct backend_call *call)
{
	answered++;
	told = call->reply.err;
	assert_true(call->answered);
}

static void ask_for(struct backend_call *call, enum backend_kind kind, uint64_t seconds)
{
	*call = (struct backend_call){
	        .msg = backend_msg_new(BACKEND_OBJECT_GET, kind),
	        .deadline_us = seconds ? env.mono_us + seconds * 1000000 : 0,
	        .done = on_answer,
	};
	call->msg->body = bytes_copy("body", 4);
	backend_send(&node.backend, call);
	run();
}

static void sleep_s(uint64_t seconds)
{
	env.mono_us += seconds * 1000000;
	run();
	node_backend_tick(&node.reactors[0]);
	run();
}

static void an_answer_is_handed_over(void **state)
{
	struct backend_call call;

	(void)state;
	ask_for(&call, BACKEND_OBJECT, 10);
	assert_int_equal(answered, 0);
	taken[0]->reply.ts = 7;
	taken[0]->reply.body = bytes_copy("answer", 6);
	backend_finish(taken[0], ERR_OK);
	run();
	assert_int_equal(answered, 1);
	assert_int_equal(told, ERR_OK);
	assert_int_equal(call.reply.ts, 7);
	assert_memory_equal(call.reply.body->data, "answer", 6);
	backend_call_done(&call);
	ask_for(&call, BACKEND_CONTAINER, 10);
	assert_int_equal(told, ERR_EXISTS);
	backend_call_done(&call);
	ask_for(&call, BACKEND_ACCOUNT, 10);
	assert_int_equal(told, ERR_CONFLICT);
	backend_call_done(&call);
	sleep_s(20);
	assert_int_equal(answered, 3);
}

static void the_deadline_answers_and_the_role_keeps_its_message(void **state)
{
	struct backend_call call, for_ever;

	(void)state;
	ask_for(&call, BACKEND_OBJECT, 10);
	ask_for(&for_ever, BACKEND_OBJECT, 0);
	sleep_s(9);
	assert_int_equal(answered, 0);
	sleep_s(1);
	assert_int_equal(answered, 1);
	assert_int_equal(told, ERR_DEADLINE);
	/* The proxy is through with it, the role is not. */
	backend_call_done(&call);
	memset(&call, 0xee, sizeof(call));
	assert_memory_equal(taken[0]->msg->body->data, "body", 4);
	taken[0]->reply.body = bytes_copy("late", 4);
	backend_finish(taken[0], ERR_OK);
	run();
	assert_int_equal(answered, 1);
	sleep_s(1000);
	backend_finish(taken[1], ERR_OK);
	run();
	assert_int_equal(answered, 2);
	assert_int_equal(told, ERR_OK);
	backend_call_done(&for_ever);
	assert_int_equal(node.reactors[0].call_counts[0], 0);
}

static void a_device_that_hangs_is_not_waited_for(void **state)
{
	struct backend_call before, during, after;

	(void)state;
	ask_for(&before, BACKEND_OBJECT, 1000);
	atomic_store(&node.devices[0].hung, true);
	sleep_s(1);
	assert_int_equal(answered, 1);
	assert_int_equal(told, ERR_UNAVAILABLE);
	ask_for(&during, BACKEND_OBJECT, 1000);
	assert_int_equal(answered, 2);
	assert_int_equal(told, ERR_UNAVAILABLE);
	assert_int_equal(taken_count, 1);
	backend_finish(taken[0], ERR_OK);
	atomic_store(&node.devices[0].hung, false);
	ask_for(&after, BACKEND_OBJECT, 1000);
	assert_int_equal(taken_count, 2);
	backend_finish(taken[1], ERR_OK);
	run();
	assert_int_equal(answered, 3);
	assert_int_equal(told, ERR_OK);
	backend_call_done(&before);
	backend_call_done(&during);
	backend_call_done(&after);
}

static void a_fence_is_drained_when_all_before_it_ended(void **state)
{
	struct backend_call before, late, after;

	(void)state;
	ask_for(&before, BACKEND_OBJECT, 1000);
	ask_for(&late, BACKEND_OBJECT, 1);
	atomic_store(&node.fences, 1);
	assert_false(node_local_drained(&node, 1)); /* before anybody looked */
	ask_for(&after, BACKEND_OBJECT, 1000);
	sleep_s(2);
	assert_false(node_local_drained(&node, 1));
	backend_finish(taken[0], ERR_OK);
	sleep_s(1);
	assert_int_equal(answered, 2);
	assert_false(node_local_drained(&node, 1)); /* the device may still write it */
	backend_finish(taken[1], ERR_OK);
	sleep_s(1);
	assert_true(node_local_drained(&node, 1));
	atomic_store(&node.fences, 2);
	sleep_s(1);
	assert_false(node_local_drained(&node, 2));
	backend_finish(taken[2], ERR_OK);
	sleep_s(1);
	assert_true(node_local_drained(&node, 2));
	backend_call_done(&before);
	backend_call_done(&late);
	backend_call_done(&after);
}

static void a_device_that_is_filled_says_nothing_of_what_it_lacks(void **state)
{
	static const struct {
		enum backend_op op;
		enum err says, told;
		bool asked;
		unsigned updates;
		bool draft;
	} cases[] = {
	        {BACKEND_OBJECT_GET, ERR_OK, ERR_UNAVAILABLE, false, 0, false},
	        {BACKEND_OBJECT_GET, ERR_OK, ERR_OK, true, 0, true},
	        {BACKEND_OBJECT_GET, ERR_NOT_FOUND, ERR_UNAVAILABLE, true, 0, true},
	        {BACKEND_OBJECT_VERSION, ERR_NOT_FOUND, ERR_UNAVAILABLE, false, 0, false},
	        {BACKEND_OBJECT_GRANT, ERR_NOT_FOUND, ERR_UNAVAILABLE, false, 0, false},
	        {BACKEND_OBJECT_POST, ERR_OK, ERR_UNAVAILABLE, false, 1, false},
	        {BACKEND_OBJECT_POST, ERR_OK, ERR_OK, true, 0, false},
	        {BACKEND_OBJECT_PUT, ERR_OK, ERR_OK, true, 0, false},
	        {BACKEND_OBJECT_PUT, ERR_CONFLICT, ERR_CONFLICT, true, 0, false},
	        {BACKEND_OBJECT_DELETE, ERR_OK, ERR_OK, true, 0, false},
	        {BACKEND_OBJECT_DELETE, ERR_OK, ERR_UNAVAILABLE, true, 1, false},
	        {BACKEND_OBJECT_DELETE, ERR_NOT_FOUND, ERR_UNAVAILABLE, true, 1, false},
	        {BACKEND_OBJECT_DELETE, ERR_NOT_FOUND, ERR_NOT_FOUND, true, 0, false},
	        {BACKEND_OBJECT_DIGEST, ERR_OK, ERR_OK, true, 0, false},
	        {BACKEND_DB_UPDATE, ERR_OK, ERR_UNAVAILABLE, true, 0, false},
	        {BACKEND_DB_UPDATE, ERR_CONFLICT, ERR_CONFLICT, true, 0, false},
	        {BACKEND_DB_SPLIT, ERR_OK, ERR_UNAVAILABLE, false, 0, false},
	};

	struct backend_update update = {0};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct backend_call call = {
		        .msg = backend_msg_new(cases[i].op, BACKEND_OBJECT), .done = on_answer};
		taken_count = 0;
		call.msg->update_count = cases[i].updates;
		call.msg->updates = &update;
		call.msg->draft = cases[i].draft;
		atomic_store(&node.devices[0].filling, true);
		backend_send(&node.backend, &call);
		run();
		/* It counts what was when it was asked. */
		atomic_store(&node.devices[0].filling, false);
		assert_int_equal(taken_count, cases[i].asked);
		if (taken_count)
			backend_finish(taken[0], cases[i].says);
		run();
		assert_int_equal(told, cases[i].told);
		assert_int_equal(call.reply.filling, cases[i].op == BACKEND_OBJECT_DIGEST ||
		                                             cases[i].op == BACKEND_OBJECT_GET ||
		                                             cases[i].op == BACKEND_OBJECT_GRANT ||
		                                             cases[i].op == BACKEND_OBJECT_VERSION);
		backend_call_done(&call);
	}
	assert_int_equal(answered, COUNT_OF(cases));
}

/* It is not that it lacks what was asked for. */
static void who_is_not_asked_what_he_has_does_not_say_that_he_is_filled(void **state)
{
	static const enum err cases[] = {ERR_CLOCK, ERR_STALE_RING, ERR_UNAVAILABLE};

	(void)state;
	atomic_store(&node.devices[0].filling, true);
	node.ring_count = 1;
	node.rings[0].kind = BACKEND_OBJECT;
	atomic_store(&node.rings[0].fenced, 2);
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct backend_call call = {
		        .msg = backend_msg_new(BACKEND_OBJECT_VERSION, BACKEND_OBJECT),
		        .done = on_answer};
		call.msg->ts = cases[i] == ERR_CLOCK ? UINT64_MAX / 4 : 0;
		call.msg->ring_version = cases[i] == ERR_STALE_RING;
		node.devices[0].ready = cases[i] != ERR_UNAVAILABLE;
		backend_send(&node.backend, &call);
		run();
		assert_int_equal(told, cases[i]);
		assert_false(call.reply.filling);
		backend_call_done(&call);
	}
	assert_int_equal(answered, COUNT_OF(cases));
}

static void a_device_has_so_many_calls_at_most(void **state)
{
	struct backend_call call;

	(void)state;
	node.reactors[0].call_counts[0] = CALLS_MAX;
	ask_for(&call, BACKEND_OBJECT, 10);
	assert_int_equal(told, ERR_BUSY);
	backend_call_done(&call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(an_answer_is_handed_over, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_fence_is_drained_when_all_before_it_ended, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                who_is_not_asked_what_he_has_does_not_say_that_he_is_filled, setup,
	                teardown),
	        cmocka_unit_test_setup_teardown(
	                a_device_that_is_filled_says_nothing_of_what_it_lacks, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                the_deadline_answers_and_the_role_keeps_its_message, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_device_that_hangs_is_not_waited_for, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_device_has_so_many_calls_at_most, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
