/* Devices of other nodes that fail are left alone; the connection is the test. */
#include "tests/lib/test.h"

#include "node/wire.c"

static struct env_fake env;
static struct node node;
static struct node_reactor *r;
static unsigned sent, answered;
static enum err outcome;
static struct wire_client_options on_outcome;

enum err wire_client_new(const struct wire_client_options *options, struct wire_client **ret_client)
{
	assert_string_equal(options->ip, "192.0.2.7");
	assert_int_equal(options->port, 6200);
	*ret_client = (struct wire_client *)&node;
	on_outcome = *options;
	return ERR_OK;
}

uint32_t wire_client_device(struct wire_client *client, const char *name)
{
	(void)client;
	return (uint32_t)(name[1] - '0');
}

void wire_client_send(struct wire_client *client, uint32_t device, struct backend_call *call)
{
	(void)client;
	assert_int_equal(device, call->device + 3);
	sent++;
	on_outcome.answered(on_outcome.owner, device, outcome);
	backend_finish(call, outcome);
}

void wire_ask(struct wire_client *client, struct wire_ask *ask, uint32_t kind, const void *data,
        size_t len, uint64_t timeout_us)
{
	(void)client;
	(void)ask;
	(void)kind;
	(void)data;
	(void)len;
	(void)timeout_us;
}

void wire_client_stats(const struct wire_client *client, struct wire_client_stats *ret_stats)
{
	(void)client;
	*ret_stats = (struct wire_client_stats){0};
}

static void run(void)
{
	while (reactor_turn(r->reactor, false))
		;
}

static void on_answer(struct backend_call *call)
{
	answered++;
	backend_call_done(call);
}

/* Did it get through? */
static bool ask(uint32_t device, enum err err)
{
	struct backend_call call = {
	        .msg = backend_msg_new(BACKEND_OBJECT_GET, BACKEND_OBJECT),
	        .device = device,
	        .done = on_answer,
	};
	unsigned before = sent, told = answered;

	outcome = err;
	node_wire_send(r, &call);
	run();
	assert_int_equal(answered, told + 1);
	assert_int_equal(call.reply.err, sent > before ? err : ERR_UNAVAILABLE);
	return sent > before;
}

static void pass_s(uint64_t seconds)
{
	env.mono_us += seconds * 1000000;
	run();
}

static struct node_member members[2] = {
        {.ip = (char *)"192.0.2.7", .name = (char *)"d3", .port = 6200},
        {.ip = (char *)"192.0.2.7", .name = (char *)"d4", .port = 6200},
};

static int setup(void **state)
{
	(void)state;
	memset(&node, 0, sizeof(node));
	sent = answered = 0;
	env_fake_init(&env, 1);
	r = &node.reactors[0];
	r->node = &node;
	node.reactor_count = 1;
	node.wire.key_count = 1;
	node.conf.error_limit = 3;
	node.conf.error_window = 60;
	node.conf.error_pause = 2;
	for (unsigned i = 0; i < 2; i++) {
		atomic_store(&members[i].limited, 0);
		node.members[i] = &members[i];
	}
	atomic_store(&node.member_count, 2);
	assert_int_equal(reactor_new(&env.env, 64, &r->reactor), ERR_OK);
	run();
	list_init(&r->peers);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (!list_empty(&r->peers)) {
		struct list *node_ = r->peers.next;
		list_remove(node_);
		struct node_peer *peer = LIST_ENTRY(node_, struct node_peer, link);
		free(peer->handles);
		free(peer);
	}
	free(r->routes);
	reactor_free(r->reactor);
	return 0;
}

static void a_device_that_fails_is_left_alone_and_tried(void **state)
{
	(void)state;
	assert_true(ask(0, ERR_IO));
	assert_true(ask(0, ERR_DEADLINE));
	assert_int_equal(members[0].limited, 0);
	assert_true(ask(0, ERR_IO));
	assert_int_equal(members[0].limited, 1);
	assert_false(ask(0, ERR_OK));
	assert_true(ask(1, ERR_OK)); /* the others are as before */
	pass_s(2);
	assert_true(ask(0, ERR_DEADLINE)); /* the one that tries */
	assert_false(ask(0, ERR_OK));
	pass_s(2);
	assert_true(ask(0, ERR_NOT_FOUND)); /* an answer like any other */
	assert_int_equal(members[0].limited, 0);
	assert_true(ask(0, ERR_IO));
	assert_true(ask(0, ERR_IO));
	assert_int_equal(members[0].limited, 0);
}

static void answers_in_between_and_old_failures_do_not_count(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_true(ask(0, ERR_IO));
		assert_true(ask(0, ERR_DEADLINE));
		assert_true(ask(0, i % 2 ? ERR_OK : ERR_CONFLICT));
	}
	for (unsigned i = 0; i < 10; i++) {
		assert_true(ask(0, ERR_IO));
		pass_s(61);
	}
	assert_int_equal(members[0].limited, 0);
}

/* That is the connection's business, and over once it is there again. */
static void a_node_that_is_away_is_not_limited(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_true(ask(0, ERR_UNAVAILABLE));
	assert_true(ask(0, ERR_OK));
}

static void zero_is_never(void **state)
{
	(void)state;
	node.conf.error_limit = 0;
	for (unsigned i = 0; i < 100; i++)
		assert_true(ask(0, ERR_IO));
}

static void a_handle_of_nothing_is_unavailable(void **state)
{
	(void)state;
	assert_false(ask(2, ERR_OK));
	node.wire.key_count = 0;
	assert_false(ask(0, ERR_OK));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(a_device_that_fails_is_left_alone_and_tried),
	        TEST(answers_in_between_and_old_failures_do_not_count),
	        TEST(a_node_that_is_away_is_not_limited),
	        TEST(zero_is_never),
	        TEST(a_handle_of_nothing_is_unavailable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
