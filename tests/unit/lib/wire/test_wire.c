/* Client and server on one loop, over loopback; the storage behind answers as the test says. */
#include "tests/lib/test.h"

#include "lib/wire/client.h"
#include "lib/wire/server.h"
#include <unistd.h>

static struct reactor *reactor;
static struct wire_loop *loop;
static struct wire_server *server;
static struct wire_client *client;
static struct wire_identity ours, theirs;
static uint16_t port;
static struct backend_call *taken[64];
static unsigned taken_count, answered, changes;
static enum err told, state;
static bool hold; /* calls wait for the test */
static uint32_t disk;

static const char *const devices[] = {"d0", "d1"};

static void run(void)
{
	for (unsigned idle = 0; idle < 3;) {
		idle = reactor_turn(reactor, false) ? 0 : idle + 1;
		if (idle)
			usleep(1000); /* what is on its way through the kernel */
	}
}

static bool run_until(const unsigned *what, unsigned value)
{
	for (unsigned n = 0; *what < value && n < 5000; n++) {
		if (!reactor_turn(reactor, false))
			usleep(500);
	}
	return *what >= value;
}

static void echo(struct backend_call *call)
{
	call->reply.ts = call->msg->ts + 1;
	if (call->msg->body) {
		call->reply.body = bytes_ref(call->msg->body);
		call->reply.body_len = call->msg->body->len;
	}
	backend_finish(call, ERR_OK);
}

static void handle(void *owner, struct backend_call *call)
{
	(void)owner;
	if (hold || call->msg->op == BACKEND_OBJECT_CLOSE)
		taken[taken_count++] = call;
	else
		echo(call);
}

static enum err control(
        void *owner, uint32_t kind, const void *data, size_t len, struct buf *ret_answer)
{
	(void)owner;
	if (kind != 7)
		return ERR_NOT_FOUND;
	buf_str(ret_answer, "you said ");
	buf_add(ret_answer, data, len);
	return ERR_OK;
}

static void changed(void *owner, enum err err)
{
	(void)owner;
	state = err;
	changes++;
}

static void fill_identity(struct wire_identity *identity)
{
	*identity = (struct wire_identity){
	        .version_min = WIRE_VERSION_MIN, .version_max = WIRE_VERSION_MAX};
	memcpy(identity->cluster, "sixteen bytes...", 16);
	assert_int_equal(wire_key_add(identity, "k1 a secret that is long enough"), ERR_OK);
}

static void open_server(unsigned at, size_t credit)
{
	struct wire_server_options options = {
	        .loop = loop,
	        .identity = &theirs,
	        .ip = "127.0.0.1",
	        .port = at,
	        .devices = devices,
	        .device_count = 2,
	        .credit_bytes = credit,
	        .connections_max = 16,
	        .handle = handle,
	        .control = control,
	};
	assert_int_equal(wire_server_open(&options, &port, &server), ERR_OK);
}

static void open_client(void)
{
	struct wire_client_options options = {
	        .loop = loop,
	        .identity = &ours,
	        .ip = "127.0.0.1",
	        .port = port,
	        .changed = changed,
	};
	assert_int_equal(wire_client_new(&options, &client), ERR_OK);
	disk = wire_client_device(client, "d1");
}

static int setup(void **unused)
{
	(void)unused;
	taken_count = answered = changes = 0;
	hold = false;
	fill_identity(&ours);
	fill_identity(&theirs);
	assert_int_equal(reactor_new(env_real(), 256, &reactor), ERR_OK);
	loop = wire_loop_new(reactor);
	run();
	open_server(0, 8u << 20);
	open_client();
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	wire_client_free(client);
	wire_server_close(server);
	client = NULL;
	server = NULL;
	run();
	wire_loop_free(loop);
	reactor_free(reactor);
	bytes_cache_drop();
	return 0;
}

static void on_answer(struct backend_call *call)
{
	answered++;
	told = call->reply.err;
	assert_true(call->answered);
}

static void ask_for(struct backend_call *call, enum backend_op op, size_t body, uint64_t ms)
{
	*call = (struct backend_call){
	        .msg = backend_msg_new(op, BACKEND_OBJECT),
	        .done = on_answer,
	        .deadline_us = ms ? reactor_now_us(reactor) + ms * 1000 : 0,
	};
	backend_msg_path(call->msg, "a", "c", "o");
	call->msg->ts = body;
	if (body) {
		call->msg->body = bytes_new(body);
		call->msg->body->len = body;
		for (size_t i = 0; i < body; i++)
			call->msg->body->data[i] = (uint8_t)(i * 7 + i / 251);
	}
	wire_client_send(client, disk, call);
}

static void calls_of_all_sizes_come_back(void **unused)
{
	static const size_t sizes[] = {0, 1, 4096, 8191, 8192, 40000, 262144, 1u << 20};
	struct backend_call calls[COUNT_OF(sizes)];

	(void)unused;
	for (unsigned round = 1; round <= 3; round++) {
		for (unsigned i = 0; i < COUNT_OF(sizes); i++)
			ask_for(&calls[i], BACKEND_OBJECT_PUT, sizes[i], 20000);
		assert_int_equal(answered, (round - 1) * COUNT_OF(sizes)); /* from the loop only */
		assert_true(run_until(&answered, round * COUNT_OF(sizes)));
		for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
			struct backend_reply *reply = &calls[i].reply;
			assert_int_equal(reply->err, ERR_OK);
			assert_int_equal(reply->ts, sizes[i] + 1);
			assert_int_equal(reply->body_len, sizes[i]);
			if (sizes[i])
				assert_memory_equal(
				        reply->body->data, calls[i].msg->body->data, sizes[i]);
			backend_call_done(&calls[i]);
		}
	}
	struct wire_client_stats stats;
	wire_client_stats(client, &stats);
	assert_int_equal(stats.calls, 24);
	assert_int_equal(stats.connects, 1);
	assert_int_equal(stats.open, 0);
}

static void answers_come_in_any_order(void **unused)
{
	struct backend_call calls[3];

	(void)unused;
	hold = true;
	for (unsigned i = 0; i < 3; i++)
		ask_for(&calls[i], BACKEND_OBJECT_PUT, i + 1, 20000);
	assert_true(run_until(&taken_count, 3));
	for (unsigned i = 3; i-- > 0;) {
		assert_int_equal(taken[i]->device, 1);
		echo(taken[i]);
		assert_true(run_until(&answered, 3 - i));
		assert_int_equal(calls[i].reply.ts, i + 2);
		backend_call_done(&calls[i]);
	}
}

static void a_device_that_is_not_there_is_unavailable(void **unused)
{
	struct backend_call call;

	(void)unused;
	disk = wire_client_device(client, "elsewhere");
	ask_for(&call, BACKEND_OBJECT_GET, 0, 20000);
	assert_true(run_until(&answered, 1));
	assert_int_equal(told, ERR_UNAVAILABLE);
	backend_call_done(&call);
	ask_for(&call, BACKEND_OBJECT_GET, 0, 20000); /* now that it is known */
	assert_true(run_until(&answered, 2));
	assert_int_equal(told, ERR_UNAVAILABLE);
	backend_call_done(&call);
}

static void the_deadline_answers_and_a_late_pin_is_given_up(void **unused)
{
	struct backend_call call;

	(void)unused;
	hold = true;
	ask_for(&call, BACKEND_OBJECT_GET, 0, 50);
	assert_true(run_until(&answered, 1));
	assert_int_equal(told, ERR_DEADLINE);
	assert_int_equal(taken_count, 1);
	assert_true(taken[0]->deadline_us != 0);
	backend_call_done(&call);
	taken[0]->reply.handle = 42;
	backend_finish(taken[0], ERR_OK);
	assert_true(run_until(&taken_count, 2));
	assert_int_equal(taken[1]->msg->op, BACKEND_OBJECT_CLOSE);
	assert_int_equal(taken[1]->msg->handle, 42);
	assert_int_equal(taken[1]->device, 1);
	backend_finish(taken[1], ERR_OK);
	run();
	assert_int_equal(answered, 1);
}

static void pins_of_a_peer_that_went_are_given_up(void **unused)
{
	struct backend_call call;

	(void)unused;
	hold = true;
	ask_for(&call, BACKEND_OBJECT_GET, 0, 0);
	assert_true(run_until(&taken_count, 1));
	taken[0]->reply.handle = 9;
	backend_finish(taken[0], ERR_OK);
	assert_true(run_until(&answered, 1));
	backend_call_done(&call);
	wire_client_free(client);
	client = NULL;
	assert_true(run_until(&taken_count, 2));
	assert_int_equal(taken[1]->msg->op, BACKEND_OBJECT_CLOSE);
	assert_int_equal(taken[1]->msg->handle, 9);
	backend_finish(taken[1], ERR_OK);
}

static void a_lost_connection_fails_calls_and_is_made_again(void **unused)
{
	struct backend_call calls[2], call;

	(void)unused;
	hold = true;
	ask_for(&calls[0], BACKEND_OBJECT_PUT, 10, 0);
	ask_for(&calls[1], BACKEND_OBJECT_PUT, 1u << 20, 0);
	assert_true(run_until(&taken_count, 2));
	wire_server_close(server);
	assert_true(run_until(&answered, 2));
	assert_int_equal(calls[0].reply.err, ERR_UNAVAILABLE);
	assert_int_equal(calls[1].reply.err, ERR_UNAVAILABLE);
	backend_call_done(&calls[0]);
	backend_call_done(&calls[1]);
	assert_int_equal(state, ERR_CLOSED);
	ask_for(&call, BACKEND_OBJECT_GET, 0, 0);
	run();
	assert_int_equal(answered, 3); /* at once */
	assert_int_equal(told, ERR_UNAVAILABLE);
	backend_call_done(&call);
	echo(taken[0]);
	echo(taken[1]);
	run();
	hold = false;
	unsigned seen = changes;
	open_server(port, 8u << 20);
	while (state || changes == seen)
		reactor_turn(reactor, true);
	ask_for(&call, BACKEND_OBJECT_GET, 0, 0);
	assert_true(run_until(&answered, 4));
	assert_int_equal(told, ERR_OK);
	backend_call_done(&call);
}

static void credit_bounds_what_is_under_way(void **unused)
{
	struct backend_call calls[8];

	(void)unused;
	wire_client_free(client);
	wire_server_close(server);
	run();
	open_server(0, 1u << 20);
	open_client();
	hold = true;
	for (unsigned i = 0; i < 8; i++)
		ask_for(&calls[i], BACKEND_OBJECT_PUT, 400000, 0);
	assert_true(run_until(&taken_count, 2));
	run();
	assert_int_equal(taken_count, 2);
	for (unsigned i = 0; i < 8; i++) {
		assert_true(run_until(&taken_count, i + 1));
		assert_true(taken_count <= i + 2);
		backend_finish(taken[i], ERR_OK);
		assert_true(run_until(&answered, i + 1));
		backend_call_done(&calls[i]);
	}
}

static void too_many_calls_are_refused(void **unused)
{
	enum { MANY = WIRE_CALLS_MAX + 3 };
	struct backend_call *calls = calloc(MANY, sizeof(*calls));

	(void)unused;
	for (unsigned i = 0; i < MANY; i++)
		ask_for(&calls[i], BACKEND_OBJECT_VERSION, 0, 0);
	assert_true(run_until(&answered, MANY));
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(calls[i].reply.err, i < WIRE_CALLS_MAX ? ERR_OK : ERR_BUSY);
		backend_call_done(&calls[i]);
	}
	free(calls);
}

static void refused(enum err why)
{
	struct backend_call call;
	struct wire_server_stats stats;

	ask_for(&call, BACKEND_OBJECT_GET, 0, 0);
	assert_true(run_until(&answered, 1));
	assert_int_equal(told, ERR_UNAVAILABLE);
	assert_int_equal(state, why);
	backend_call_done(&call);
	run();
	wire_server_stats(server, &stats);
	assert_true(stats.accepted >= 1);
	assert_int_equal(stats.connections, 0);
	assert_int_equal(stats.calls, 0);
}

static void another_key_is_refused(void **unused)
{
	(void)unused;
	theirs.keys[0].secret[3] ^= 1;
	refused(ERR_UNAUTHORIZED);
}

static void an_unknown_key_is_refused(void **unused)
{
	(void)unused;
	theirs.keys[0].id[0] = 'x';
	refused(ERR_UNAUTHORIZED);
}

static void another_cluster_is_refused(void **unused)
{
	(void)unused;
	theirs.cluster[0] ^= 1;
	refused(ERR_FORBIDDEN);
}

static void versions_without_one_in_common_are_refused(void **unused)
{
	(void)unused;
	ours.version_max = ours.version_min = 1;
	theirs.version_max = theirs.version_min = 2;
	refused(ERR_UNSUPPORTED);
}

static void neighbours_speak_the_older_version(void **unused)
{
	struct backend_call call;

	(void)unused;
	theirs.version_max = 1;
	ask_for(&call, BACKEND_OBJECT_PUT, 9000, 0);
	assert_true(run_until(&answered, 1));
	assert_int_equal(told, ERR_OK);
	assert_int_equal(call.reply.ts, 9001);
	backend_call_done(&call);
}

static void a_key_is_replaced_while_both_run(void **unused)
{
	struct backend_call call;

	(void)unused;
	assert_int_equal(wire_key_add(&theirs, "k2 another long enough secret"), ERR_OK);
	struct wire_key first = theirs.keys[0];
	theirs.keys[0] = theirs.keys[1];
	theirs.keys[1] = first;
	ask_for(&call, BACKEND_OBJECT_GET, 0, 0);
	assert_true(run_until(&answered, 1));
	assert_int_equal(told, ERR_OK);
	backend_call_done(&call);
}

static char heard[64];
static unsigned asked;

static void on_told(struct wire_ask *ask, enum err err, const void *data, size_t len)
{
	(void)ask;
	asked++;
	told = err;
	snprintf(heard, sizeof(heard), "%.*s", (int)len, data ? (const char *)data : "");
}

static void nodes_ask_each_other(void **unused)
{
	struct wire_ask ask = {.done = on_told};

	(void)unused;
	wire_ask(client, &ask, 7, "hello", 5, 20000000);
	assert_true(run_until(&asked, 1));
	assert_int_equal(told, ERR_OK);
	assert_string_equal(heard, "you said hello");
	wire_ask(client, &ask, 8, NULL, 0, 20000000);
	assert_true(run_until(&asked, 2));
	assert_int_equal(told, ERR_NOT_FOUND);
	assert_string_equal(heard, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(calls_of_all_sizes_come_back),
	        TEST(answers_come_in_any_order),
	        TEST(a_device_that_is_not_there_is_unavailable),
	        TEST(the_deadline_answers_and_a_late_pin_is_given_up),
	        TEST(pins_of_a_peer_that_went_are_given_up),
	        TEST(a_lost_connection_fails_calls_and_is_made_again),
	        TEST(credit_bounds_what_is_under_way),
	        TEST(too_many_calls_are_refused),
	        TEST(another_key_is_refused),
	        TEST(an_unknown_key_is_refused),
	        TEST(another_cluster_is_refused),
	        TEST(versions_without_one_in_common_are_refused),
	        TEST(neighbours_speak_the_older_version),
	        TEST(a_key_is_replaced_while_both_run),
	        TEST(nodes_ask_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
