/* Tokens, rules of a policy, bodies that fill a table's fields, times, secrets of one-time
 * passwords, and patterns of access rules. The first byte chooses. */
#include "identity/tables.h"
#include "identity/totp.h"
#include "lib/auth/check.h"
#include "lib/auth/verify.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Also as if it were signed, whatever it says: what is behind the signature is reached. What could
 * be read says the same once it is signed. */
static void use_token(const char *text, struct arena *arena)
{
	static const uint8_t secret[32] = {1};
	struct token_key *key;
	struct token token, again;
	AUTO(buf) struct buf signed_text = BUF_NONE;

	require(!token_key_load(1, secret, true, &key));
	token_check(text, key, arena, &token);
	if (!token_read(text, key, arena, &token) && !token_sign(&token, key, &signed_text)) {
		require(!token_check(buf_text(&signed_text), key, arena, &again));
		require(strcmp(token.user_id, again.user_id) == 0 && token.news == again.news);
	}
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

static void use_texts(char *text)
{
	char shown[TIME_TEXT], code[TOTP_DIGITS + 1], *path = strchr(text, '\n');
	uint64_t us, again;

	if (time_parse(text, &us) && us < 253402300800000000) { /* of four digits a year */
		time_format(us, shown);
		require(time_parse(shown, &again) && again == us);
	}
	if (totp_code(text, 1, code))
		require(strlen(code) == TOTP_DIGITS);
	if (path) {
		*path++ = 0;
		access_path(text, path);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;

	if (size < 1)
		return 0;
	char *text = strndup((const char *)data + 1, size - 1);
	require(text != NULL);
	arena_init(&arena);
	if (data[0] % 4 == 0)
		use_token(text, &arena);
	else if (data[0] % 4 == 1)
		use_rule(text);
	else if (data[0] % 4 == 3)
		use_texts(text);
	else
		use_body(text, &arena);
	arena_done(&arena);
	free(text);
	return 0;
}
