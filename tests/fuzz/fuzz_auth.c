/* Tokens, rules of a policy, and bodies that fill a table's fields. The first byte chooses. */
#include "identity/tables.h"
#include "lib/auth/check.h"
#include "lib/auth/token.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Signed by us, whatever it says: what is behind the signature is reached. */
static void use_token(const char *text, struct arena *arena)
{
	static const uint8_t secret[32] = {1};
	struct token_key *key;
	struct token token, again;
	AUTO(buf) struct buf signed_text = BUF_NONE;

	require(!token_key_load(1, secret, true, &key));
	if (!token_check(text, key, arena, &token) && !token_sign(&token, key, &signed_text))
		require(!token_check(buf_text(&signed_text), key, arena, &again));
	token_key_free(key);
}

static void use_rule(const char *text)
{
	static const struct policy_fact facts[] = {
	        {"role", "member"}, {"user_id", "u"}, {"none", NULL}};
	const struct policy_facts known = {facts, COUNT_OF(facts)};
	struct check *check;
	const char *why = NULL;

	if (check_parse(text, &check, &why)) {
		require(why != NULL);
		return;
	}
	check_holds(check, known, known);
	check_free(check);
}

static void use_body(const char *text, struct arena *arena)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	AUTO(buf) struct buf error = BUF_NONE;
	AUTO(buf) struct buf shown = BUF_NONE;
	AUTO(jroot) struct jroot back = JROOT_NONE;
	struct jout out = {.out = &shown};
	struct user user = {.id = "u"};

	if (jread_parse(text, strlen(text), &root))
		return;
	if (fields_read(&user_fields, root.value, FOR_CREATE, arena, &user, &error)) {
		require(error.len > 0);
		return;
	}
	jout_object(&out, NULL);
	fields_show(&user_fields, &user, &out);
	jout_end_object(&out);
	require(!jread_parse(shown.data, shown.len, &back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;

	if (size < 1)
		return 0;
	char *text = strndup((const char *)data + 1, size - 1);
	require(text != NULL);
	arena_init(&arena);
	if (data[0] % 3 == 0)
		use_token(text, &arena);
	else if (data[0] % 3 == 1)
		use_rule(text);
	else
		use_body(text, &arena);
	arena_done(&arena);
	free(text);
	return 0;
}
