#include "tests/lib/test.h"

#include "lib/backend/fault.h"

static struct env_fake env;
static struct reactor *reactor;
static struct fault *fault;
static struct fault_plan next_plan;
static uint64_t order[64]; /* msg->ts of what the devices heard */
static unsigned heard, answered;

static void inner_send(struct backend *backend, struct backend_call *call)
{
	(void)backend;
	order[heard++ % 64] = call->msg->ts;
	call->origin = reactor;
	call->reply.ts = call->msg->ts + 1;
	call->reply.body = bytes_copy("answer", 6);
	backend_finish(call, ERR_OK);
}

static struct backend inner = {.send = inner_send};

static void decide(void *owner, const struct backend_call *call, struct fault_plan *plan)
{
	(void)owner;
	(void)call;
	*plan = next_plan;
	next_plan = (struct fault_plan){0};
}

static void run(void)
{
	while (reactor_turn(reactor, false))
		;
}

static void pass_us(uint64_t us)
{
	env.mono_us += us;
	run();
}

static int setup(void **state)
{
	(void)state;
	heard = answered = 0;
	env_fake_init(&env, 1);
	assert_int_equal(reactor_new(&env.env, 64, &reactor), ERR_OK);
	run();
	fault = fault_new(&(struct fault_options){reactor, &inner, decide, NULL});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fault_free(fault);
	reactor_free(reactor);
	bytes_cache_drop();
	return 0;
}

static void on_answer(struct backend_call *call)
{
	assert_true(call->answered);
	answered++;
}

static void ask(struct backend_call *call, uint32_t device, uint64_t ts)
{
	*call = (struct backend_call){
	        .msg = backend_msg_new(BACKEND_OBJECT_VERSION, BACKEND_OBJECT),
	        .device = device,
	        .deadline_us = env.mono_us + 1000000,
	        .done = on_answer,
	};
	call->msg->ts = ts;
	backend_send(fault_backend(fault), call);
	run();
}

static void told(struct backend_call *call, enum err err)
{
	assert_true(call->answered);
	assert_int_equal(call->reply.err, err);
	if (!err) {
		assert_int_equal(call->reply.ts, call->msg->ts + 1);
		assert_memory_equal(call->reply.body->data, "answer", 6);
	}
	backend_call_done(call);
}

static void without_a_fault_it_is_not_there(void **state)
{
	struct backend_call call;

	(void)state;
	ask(&call, 1, 10);
	told(&call, ERR_OK);
	assert_int_equal(heard, 1);
}

static void requests_and_replies_are_delayed(void **state)
{
	struct backend_call call;

	(void)state;
	next_plan = (struct fault_plan){.delay_us = 500, .reply_delay_us = 300};
	ask(&call, 1, 10);
	pass_us(499);
	assert_int_equal(heard, 0);
	pass_us(1);
	assert_int_equal(heard, 1);
	pass_us(299);
	assert_int_equal(answered, 0);
	pass_us(1);
	told(&call, ERR_OK);
}

static void what_is_lost_is_told_at_the_deadline(void **state)
{
	struct backend_call request, reply;

	(void)state;
	next_plan = (struct fault_plan){.lose_request = true};
	ask(&request, 1, 10);
	next_plan = (struct fault_plan){.lose_reply = true};
	ask(&reply, 1, 20);
	pass_us(999999);
	assert_int_equal(answered, 0);
	assert_int_equal(heard, 1);
	assert_int_equal(order[0], 20); /* it was done */
	pass_us(1);
	assert_int_equal(answered, 2);
	told(&request, ERR_DEADLINE);
	told(&reply, ERR_DEADLINE);
}

static void a_delay_beyond_the_deadline_is_a_loss(void **state)
{
	struct backend_call before, after;

	(void)state;
	next_plan = (struct fault_plan){.delay_us = 2000000};
	ask(&before, 1, 10);
	next_plan = (struct fault_plan){.reply_delay_us = 2000000};
	ask(&after, 1, 20);
	pass_us(1000000);
	assert_int_equal(answered, 2);
	told(&before, ERR_DEADLINE);
	told(&after, ERR_DEADLINE);
	pass_us(5000000);
	assert_int_equal(heard, 1);
	assert_int_equal(answered, 2);
}

static void calls_change_places(void **state)
{
	struct backend_call first, elsewhere, second, alone;

	(void)state;
	next_plan = (struct fault_plan){.behind_next = true};
	ask(&first, 1, 10);
	ask(&elsewhere, 2, 15);
	assert_int_equal(heard, 1);
	ask(&second, 1, 20);
	assert_int_equal(heard, 3);
	assert_int_equal(order[1], 20);
	assert_int_equal(order[2], 10);
	told(&first, ERR_OK);
	told(&elsewhere, ERR_OK);
	told(&second, ERR_OK);
	next_plan = (struct fault_plan){.behind_next = true};
	ask(&alone, 1, 30);
	pass_us(100000); /* nobody came */
	told(&alone, ERR_OK);
}

static void errors_come_in_the_devices_stead(void **state)
{
	struct backend_call call;

	(void)state;
	next_plan = (struct fault_plan){.err = ERR_IO, .delay_us = 10};
	ask(&call, 1, 10);
	assert_int_equal(answered, 0);
	pass_us(10);
	told(&call, ERR_IO);
	assert_int_equal(heard, 0);
}

enum { MANY = 2000 };

static void play(uint64_t seed, enum err *ret_outcomes, struct fault_stats *ret_stats)
{
	struct fault_random random = {
	        .seed = seed,
	        .odds = {100, 100, 50, 50, 50, 50, 200000, ERR_IO},
	        .only_device = UINT32_MAX,
	};
	struct backend_call *calls = calloc(MANY, sizeof(*calls));

	setup(NULL);
	fault_free(fault);
	fault = fault_new(&(struct fault_options){reactor, &inner, fault_random, &random});
	for (unsigned i = 0; i < MANY; i++) {
		ask(&calls[i], i % 3, i);
		pass_us(50);
	}
	pass_us(2000000);
	assert_int_equal(answered, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		ret_outcomes[i] = calls[i].reply.err;
		backend_call_done(&calls[i]);
	}
	fault_stats(fault, ret_stats);
	free(calls);
	teardown(NULL);
}

static void a_seed_repeats(void **state)
{
	static enum err one[MANY], two[MANY], other[MANY];
	struct fault_stats stats, again, others;

	(void)state;
	play(1, one, &stats);
	play(1, two, &again);
	play(2, other, &others);
	assert_memory_equal(one, two, sizeof(one));
	assert_memory_equal(&stats, &again, sizeof(stats));
	assert_memory_not_equal(one, other, sizeof(one));
	assert_int_equal(stats.calls, MANY);
	assert_in_range(stats.lost_requests, MANY / 40, MANY / 10);
	assert_in_range(stats.lost_replies, MANY / 40, MANY / 10);
	assert_in_range(stats.failed, MANY / 40, MANY / 10);
	assert_in_range(stats.reordered, MANY / 40, MANY / 10);
	assert_in_range(stats.delayed, MANY / 10, MANY / 4);
}

static void one_device_alone_is_hit(void **state)
{
	struct fault_random random = {
	        .seed = 3, .odds = {.fail = 1000, .err = ERR_IO}, .only_device = 2};
	struct backend_call call = {.device = 1};
	struct fault_plan plan = {0};

	(void)state;
	fault_random(&random, &call, &plan);
	assert_int_equal(plan.err, ERR_OK);
	call.device = 2;
	fault_random(&random, &call, &plan);
	assert_int_equal(plan.err, ERR_IO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(without_a_fault_it_is_not_there),
	        TEST(requests_and_replies_are_delayed),
	        TEST(what_is_lost_is_told_at_the_deadline),
	        TEST(a_delay_beyond_the_deadline_is_a_loss),
	        TEST(calls_change_places),
	        TEST(errors_come_in_the_devices_stead),
	        cmocka_unit_test(a_seed_repeats),
	        TEST(one_device_alone_is_hit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
