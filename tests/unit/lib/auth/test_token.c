#include "tests/lib/test.h"

#include "lib/auth/token.h"
#include <string.h>

#define ID   "0123456789abcdef0123456789abcdef"
#define LONG ID "fedcba9876543210fedcba9876543210"

static struct arena arena;
static struct token_key *key;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena);
	return token_key_make(7, &key);
}

static int teardown(void **state)
{
	(void)state;
	arena_done(&arena);
	token_key_free(key);
	return 0;
}

static struct token sample(void)
{
	return (struct token){
	        .issued_us = 1795281625123456,
	        .expires_us = 1795285225123456,
	        .news = 77,
	        .restricted = true,
	        .methods = TOKEN_BY_PASSWORD | TOKEN_BY_TOTP,
	        .scope = TOKEN_PROJECT,
	        .scope_id = ID,
	        .scope_domain_id = "default",
	        .user_id = LONG,
	        .user_domain_id = "default",
	        .audit = "AAECAwQFBgcICQoLDA0ODw",
	        .role_count = 2,
	        .roles = {{ID, "admin"}, {"odd id", "r\xc3\xb4le"}},
	};
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void assert_same(const struct token *a, const struct token *b)
{
	assert_true(a->issued_us == b->issued_us && a->expires_us == b->expires_us &&
	            a->news == b->news && a->restricted == b->restricted &&
	            same(a->scope_domain_id, b->scope_domain_id));
	assert_true(a->methods == b->methods && a->scope == b->scope);
	assert_true(same(a->user_id, b->user_id) && same(a->user_domain_id, b->user_domain_id) &&
	            same(a->scope_id, b->scope_id) && same(a->application_id, b->application_id) &&
	            same(a->trust_id, b->trust_id));
	assert_string_equal(a->audit, b->audit);
	assert_string_equal(a->parent, b->parent);
	assert_int_equal(a->role_count, b->role_count);
	for (unsigned i = 0; i < a->role_count; i++)
		assert_true(same(a->roles[i].id, b->roles[i].id) &&
		            same(a->roles[i].name, b->roles[i].name));
}

static void test_there_and_back(void **state)
{
	struct token tokens[] = {sample(), sample(), sample()}, got;
	uint32_t number;

	(void)state;
	tokens[1].scope = TOKEN_UNSCOPED;
	tokens[1].scope_id = NULL;
	tokens[1].role_count = 0;
	tokens[2].application_id = ID;
	tokens[2].trust_id = LONG;
	strcpy(tokens[2].parent, "_____________________w");
	for (unsigned i = 0; i < COUNT_OF(tokens); i++) {
		AUTO(buf) struct buf text = BUF_NONE;
		assert_int_equal(token_sign(&tokens[i], key, &text), ERR_OK);
		assert_int_equal(token_read(buf_text(&text), key, &arena, &got), ERR_OK);
		assert_same(&tokens[i], &got);
		assert_true(text.len <= TOKEN_TEXT_MAX);
		assert_int_equal(token_key_of(buf_text(&text), &number), ERR_OK);
		assert_int_equal(number, 7);
		assert_int_equal(token_check(buf_text(&text), key, &arena, &got), ERR_OK);
		assert_true(got.has_roles);
		assert_same(&tokens[i], &got);
	}
}

static void test_too_many_roles(void **state)
{
	struct token token = sample(), got;
	AUTO(buf) struct buf text = BUF_NONE;

	(void)state;
	token.role_count = TOKEN_ROLES_MAX;
	for (unsigned i = 0; i < TOKEN_ROLES_MAX; i++)
		token.roles[i] = (struct token_role){ID, "a role of a long name"};
	assert_int_equal(token_sign(&token, key, &text), ERR_OK);
	assert_true(text.len <= TOKEN_TEXT_MAX);
	assert_int_equal(token_check(buf_text(&text), key, &arena, &got), ERR_OK);
	assert_true(!got.has_roles && got.role_count == 0);
}

/* Every bit counts, also those that base64 leaves over. */
static void test_what_was_changed(void **state)
{
	struct token token = sample(), got;
	AUTO(buf) struct buf text = BUF_NONE;

	(void)state;
	assert_int_equal(token_sign(&token, key, &text), ERR_OK);
	for (size_t i = 0; i < text.len; i++) {
		char was = text.data[i];
		text.data[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(token_check(buf_text(&text), key, &arena, &got), ERR_OK);
		text.data[i] = '%';
		assert_int_equal(token_check(buf_text(&text), key, &arena, &got), ERR_FORMAT);
		text.data[i] = was;
	}
	for (size_t len = 0; len < text.len; len++) {
		char was = text.data[len];
		text.data[len] = 0;
		assert_int_not_equal(token_check(buf_text(&text), key, &arena, &got), ERR_OK);
		text.data[len] = was;
	}
	assert_int_equal(token_check(buf_text(&text), key, &arena, &got), ERR_OK);
}

static void test_keys(void **state)
{
	struct token token = sample(), got;
	struct token_key *other, *public, *secret;
	AUTO(buf) struct buf text = BUF_NONE;
	AUTO(buf) struct buf again = BUF_NONE;
	uint8_t bytes[32];

	(void)state;
	assert_int_equal(token_sign(&token, key, &text), ERR_OK);
	assert_int_equal(token_key_make(7, &other), ERR_OK);
	assert_int_equal(token_check(buf_text(&text), other, &arena, &got), ERR_UNAUTHORIZED);
	token_key_free(other);
	token_key_bytes(key, false, bytes);
	assert_int_equal(token_key_load(8, bytes, false, &public), ERR_OK);
	assert_int_equal(token_check(buf_text(&text), public, &arena, &got), ERR_UNAUTHORIZED);
	token_key_free(public);
	assert_int_equal(token_key_load(7, bytes, false, &public), ERR_OK);
	assert_int_equal(token_check(buf_text(&text), public, &arena, &got), ERR_OK);
	assert_int_equal(token_sign(&token, public, &again), ERR_INTERNAL);
	token_key_free(public);
	token_key_bytes(key, true, bytes);
	assert_int_equal(token_key_load(7, bytes, true, &secret), ERR_OK);
	buf_reset(&again);
	assert_int_equal(token_sign(&token, secret, &again), ERR_OK);
	assert_string_equal(buf_text(&again), buf_text(&text));
	token_key_free(secret);
}

static void test_a_receipt_is_no_token(void **state)
{
	AUTO(buf) struct buf token_text = BUF_NONE, receipt_text = BUF_NONE;
	struct token one = sample(), got;
	uint32_t number;

	(void)state;
	assert_int_equal(token_sign(&one, key, &token_text), ERR_OK);
	assert_int_equal(receipt_sign(&one, key, &receipt_text), ERR_OK);
	assert_int_equal(receipt_check(buf_text(&receipt_text), key, &arena, &got), ERR_OK);
	assert_same(&one, &got);
	assert_int_equal(token_check(buf_text(&receipt_text), key, &arena, &got), ERR_FORMAT);
	assert_int_equal(token_read(buf_text(&receipt_text), key, &arena, &got), ERR_FORMAT);
	assert_int_equal(token_key_of(buf_text(&receipt_text), &number), ERR_FORMAT);
	assert_int_equal(receipt_check(buf_text(&token_text), key, &arena, &got), ERR_FORMAT);
}

static void test_what_cannot_be_signed(void **state)
{
	struct token token = sample();
	AUTO(buf) struct buf text = BUF_NONE;
	char name[300];

	(void)state;
	strcpy(token.audit, "short");
	assert_int_equal(token_sign(&token, key, &text), ERR_FORMAT);
	token = sample();
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	token.scope_id = name;
	assert_int_equal(token_sign(&token, key, &text), ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_too_many_roles, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_what_was_changed, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_a_receipt_is_no_token, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_what_cannot_be_signed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
