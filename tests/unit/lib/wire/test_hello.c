#include "tests/lib/test.h"

#include "lib/wire/hello.h"

static struct env_fake env;
static struct wire_identity client, server;
static struct wire_hello c, s;
static struct buf hello, challenge, proof;

static int setup(void **state)
{
	(void)state;
	env_fake_init(&env, 7);
	client = (struct wire_identity){.version_min = 1, .version_max = 2};
	memcpy(client.cluster, "sixteen bytes...", 16);
	assert_int_equal(wire_key_add(&client, "new  first secret, long enough"), ERR_OK);
	assert_int_equal(wire_key_add(&client, "old\tsecond secret, long enough"), ERR_OK);
	server = client;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_done(&hello);
	buf_done(&challenge);
	buf_done(&proof);
	return 0;
}

static enum err shake(void)
{
	enum err err;

	buf_reset(&hello);
	buf_reset(&challenge);
	buf_reset(&proof);
	wire_hello_start(&c, &client, &env.env, &hello);
	if ((err = wire_hello_challenge(
	             &s, &server, &env.env, hello.data, hello.len, &challenge)) ||
	        (err = wire_hello_prove(&c, &client, challenge.data, challenge.len, &proof)))
		return err;
	return wire_hello_check(&s, &server, proof.data, proof.len);
}

static void both_sides_come_to_the_same(void **state)
{
	(void)state;
	assert_int_equal(shake(), ERR_OK);
	assert_int_equal(c.version, 2);
	assert_int_equal(s.version, 2);
	assert_int_equal(c.salt_out, s.salt_in);
	assert_int_equal(c.salt_in, s.salt_out);
	assert_int_not_equal(c.salt_in, c.salt_out);
	uint32_t before = c.salt_out;
	assert_int_equal(shake(), ERR_OK);
	assert_int_not_equal(c.salt_out, before);
}

static void the_newest_common_version_is_spoken(void **state)
{
	static const struct {
		unsigned client_min, client_max, server_min, server_max;
		enum err err;
		unsigned version;
	} cases[] = {
	        {1, 2, 1, 1, ERR_OK, 1},
	        {1, 1, 1, 2, ERR_OK, 1},
	        {2, 3, 1, 2, ERR_OK, 2},
	        {1, 9, 2, 3, ERR_OK, 3},
	        {1, 1, 2, 3, ERR_UNSUPPORTED, 0},
	        {4, 5, 2, 3, ERR_UNSUPPORTED, 0},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		client.version_min = cases[i].client_min;
		client.version_max = cases[i].client_max;
		server.version_min = cases[i].server_min;
		server.version_max = cases[i].server_max;
		assert_int_equal(shake(), cases[i].err);
		if (!cases[i].err)
			assert_int_equal(c.version, cases[i].version);
	}
}

static void who_is_not_of_us_is_refused(void **state)
{
	(void)state;
	server.cluster[15] ^= 1;
	assert_int_equal(shake(), ERR_FORBIDDEN);
	server.cluster[15] ^= 1;
	server.keys[0].secret[0] ^= 1;
	assert_int_equal(shake(), ERR_UNAUTHORIZED);
	server.keys[0] = server.keys[1];
	server.key_count = 1;
	assert_int_equal(shake(), ERR_UNAUTHORIZED);
	client.keys[0] = client.keys[1];
	assert_int_equal(shake(), ERR_OK);
}

static void words_that_were_changed_on_the_way_are_noticed(void **state)
{
	(void)state;
	assert_int_equal(shake(), ERR_OK);
	struct wire_hello s_before = s;
	for (size_t i = 0; i < challenge.len; i++) {
		struct wire_hello again;
		AUTO(buf) struct buf out = BUF_NONE;
		buf_reset(&hello);
		wire_hello_start(&again, &client, &env.env, &hello);
		challenge.data[i] ^= 1;
		assert_int_not_equal(
		        wire_hello_prove(&again, &client, challenge.data, challenge.len, &out),
		        ERR_OK);
		challenge.data[i] ^= 1;
	}
	for (size_t i = 0; i < proof.len; i++) {
		s = s_before;
		proof.data[i] ^= 1;
		assert_int_equal(
		        wire_hello_check(&s, &server, proof.data, proof.len), ERR_UNAUTHORIZED);
		proof.data[i] ^= 1;
	}
	/* A proof of another conversation. */
	AUTO(buf) struct buf old = BUF_NONE;
	buf_add(&old, proof.data, proof.len);
	assert_int_equal(shake(), ERR_OK);
	assert_int_equal(wire_hello_check(&s, &server, old.data, old.len), ERR_UNAUTHORIZED);
}

static void a_version_that_was_talked_down_is_noticed(void **state)
{
	(void)state;
	buf_reset(&hello);
	wire_hello_start(&c, &client, &env.env, &hello);
	hello.data[2] = 1; /* the newest, on its way */
	assert_int_equal(
	        wire_hello_challenge(&s, &server, &env.env, hello.data, hello.len, &challenge),
	        ERR_OK);
	assert_int_equal(wire_hello_prove(&c, &client, challenge.data, challenge.len, &proof),
	        ERR_UNAUTHORIZED);
}

static void lengths_that_cannot_be_are_refused(void **state)
{
	(void)state;
	assert_int_equal(shake(), ERR_OK);
	for (size_t len = 0; len < hello.len; len++) {
		AUTO(buf) struct buf out = BUF_NONE;
		assert_int_equal(wire_hello_challenge(&s, &server, &env.env, hello.data, len, &out),
		        ERR_FORMAT);
	}
	for (size_t len = 0; len < challenge.len; len++) {
		AUTO(buf) struct buf out = BUF_NONE;
		assert_int_equal(
		        wire_hello_prove(&c, &client, challenge.data, len, &out), ERR_FORMAT);
	}
	assert_int_equal(wire_hello_check(&s, &server, proof.data, proof.len - 1), ERR_FORMAT);
}

static void keys_are_read_from_lines(void **state)
{
	struct wire_identity identity = {0};

	(void)state;
	assert_int_equal(wire_key_add(&identity, "short 123456789012345"), ERR_CONFIG);
	assert_int_equal(wire_key_add(&identity, "1234567890123456"), ERR_CONFIG);
	assert_int_equal(wire_key_add(&identity, ""), ERR_CONFIG);
	assert_int_equal(
	        wire_key_add(&identity, "an-id-that-is-longer-than-they-may-be 1234567890123456"),
	        ERR_CONFIG);
	assert_int_equal(identity.key_count, 0);
	assert_int_equal(wire_key_add(&identity, "a 1234567890123456"), ERR_OK);
	assert_int_equal(wire_key_add(&identity, "a 6543210987654321"), ERR_CONFIG);
	assert_string_equal(identity.keys[0].id, "a");
	assert_int_equal(identity.keys[0].secret_len, 16);
	assert_memory_equal(identity.keys[0].secret, "1234567890123456", 16);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(both_sides_come_to_the_same),
	        TEST(the_newest_common_version_is_spoken),
	        TEST(who_is_not_of_us_is_refused),
	        TEST(words_that_were_changed_on_the_way_are_noticed),
	        TEST(a_version_that_was_talked_down_is_noticed),
	        TEST(lengths_that_cannot_be_are_refused),
	        TEST(keys_are_read_from_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
