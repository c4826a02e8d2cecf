#include "tests/lib/test.h"

#include "identity/keyfile.h"
#include "identity/session.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];
static struct vault *vault;
static struct arena arena;

static int setup(void **state)
{
	AUTO(buf) struct buf error = BUF_NONE;

	(void)state;
	arena_init(&arena);
	snprintf(folder, sizeof(folder), "/tmp/session-XXXXXX");
	return mkdtemp(folder) && !vault_open(folder, &vault, &error) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[80];

	(void)state;
	vault_free(vault);
	arena_done(&arena);
	snprintf(path, sizeof(path), "%s/1", folder);
	return unlink(path) || rmdir(folder);
}

static const struct session whole = {.access = "ASIA1",
        .secret = "secret",
        .credential_id = "credential",
        .role_id = "role",
        .name = "me",
        .policy = "{\"a\": \"\u00fc\"}",
        .expires_us = 1000};

static void says_what_was_sealed(void **state)
{
	AUTO(buf) struct buf token = BUF_NONE;
	struct session got = {.access = NULL};

	(void)state;
	session_seal(vault, &whole, &token);
	assert_int_equal(session_open(vault, "ASIA1", buf_text(&token), 999, &arena, &got), ERR_OK);
	assert_string_equal(got.secret, whole.secret);
	assert_string_equal(got.credential_id, whole.credential_id);
	assert_string_equal(got.role_id, whole.role_id);
	assert_string_equal(got.name, whole.name);
	assert_string_equal(got.policy, whole.policy);
	assert_null(strstr(buf_text(&token), "secret"));
}

static void opens_for_its_key_until_its_end(void **state)
{
	AUTO(buf) struct buf token = BUF_NONE;
	AUTO(buf) struct buf credential = BUF_NONE;
	struct session got = {.access = NULL};

	(void)state;
	session_seal(vault, &whole, &token);
	assert_int_equal(session_open(vault, "ASIA1", buf_text(&token), 1000, &arena, &got),
	        ERR_PRECONDITION);
	assert_int_equal(
	        session_open(vault, "ASIA2", buf_text(&token), 0, &arena, &got), ERR_UNPROCESSABLE);
	token.data[token.len / 2] ^= 1;
	assert_int_equal(
	        session_open(vault, "ASIA1", buf_text(&token), 0, &arena, &got), ERR_UNPROCESSABLE);
	assert_int_equal(session_open(vault, "ASIA1", "", 0, &arena, &got), ERR_UNPROCESSABLE);
	/* What is sealed as a credential is no session, whatever it says. */
	vault_seal(vault, "ASIA1",
	        "{\"secret\": \"s\", \"credential\": \"c\", \"expires_us\": 1000}", &credential);
	assert_int_equal(session_open(vault, "ASIA1", buf_text(&credential), 0, &arena, &got),
	        ERR_UNPROCESSABLE);
	assert_null(got.secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(says_what_was_sealed, setup, teardown),
	        cmocka_unit_test_setup_teardown(opens_for_its_key_until_its_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
