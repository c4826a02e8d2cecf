#include "tests/lib/test.h"

#include "lib/auth/revocation.h"
#include <stdio.h>
#include <string.h>

static struct token sample(void)
{
	return (struct token){.news = 10,
	        .scope = TOKEN_PROJECT,
	        .scope_id = "p",
	        .scope_domain_id = "pd",
	        .user_id = "u",
	        .user_domain_id = "ud",
	        .trust_id = "t",
	        .application_id = "a",
	        .audit = "AAECAwQFBgcICQoLDA0ODw",
	        .parent = "BAECAwQFBgcICQoLDA0ODw",
	        .role_count = 2,
	        .roles = {{"r1", "one"}, {"r2", "two"}}};
}

static bool hit(const struct token *token, enum revocation_kind kind, const char *first,
        const char *second, uint64_t number)
{
	struct revocations *set = revocations_new();
	struct revocation r = {.number = number,
	        .expires_us = 100,
	        .kind = kind,
	        .first = first,
	        .second = second};

	revocations_add(set, &r);
	revocations_known(set, 20);
	bool is = revocations_hit(set, token);
	revocations_prune(set, 99);
	assert_int_equal(revocations_hit(set, token), is);
	revocations_prune(set, 100);
	assert_false(revocations_hit(set, token));
	revocations_free(set);
	return is;
}

static void test_what_is_named_is_ended(void **state)
{
	const struct {
		enum revocation_kind kind;
		const char *first, *second;
		bool project, domain, system, none;
	} cases[] = {
	        {REVOKE_TOKEN, "AAECAwQFBgcICQoLDA0ODw", NULL, 1, 1, 1, 1},
	        {REVOKE_TOKEN, "BAECAwQFBgcICQoLDA0ODw", NULL, 0, 0, 0, 0},
	        {REVOKE_CHAIN, "BAECAwQFBgcICQoLDA0ODw", NULL, 1, 1, 1, 1},
	        {REVOKE_CHAIN, "AAECAwQFBgcICQoLDA0ODw", NULL, 0, 0, 0, 0},
	        {REVOKE_USER, "u", NULL, 1, 1, 1, 1},
	        {REVOKE_USER, "p", NULL, 0, 0, 0, 0},
	        {REVOKE_USER_ROLES, "u", NULL, 1, 1, 1, 0},
	        {REVOKE_USER_PROJECT, "u", "p", 1, 0, 0, 0},
	        {REVOKE_USER_PROJECT, "u", "q", 0, 0, 0, 0},
	        {REVOKE_USER_PROJECT, "p", "u", 0, 0, 0, 0},
	        {REVOKE_USER_DOMAIN, "u", "p", 0, 1, 0, 0},
	        {REVOKE_USER_SYSTEM, "u", NULL, 0, 0, 1, 0},
	        {REVOKE_PROJECT, "p", NULL, 1, 0, 0, 0},
	        {REVOKE_DOMAIN, "p", NULL, 0, 1, 0, 0},
	        {REVOKE_DOMAIN, "pd", NULL, 1, 0, 0, 0},
	        {REVOKE_DOMAIN, "ud", NULL, 1, 1, 1, 1},
	        {REVOKE_ROLE, "r2", NULL, 1, 1, 1, 1},
	        {REVOKE_ROLE, "r3", NULL, 0, 0, 0, 0},
	        {REVOKE_TRUST, "t", NULL, 1, 1, 1, 1},
	        {REVOKE_APPLICATION, "a", NULL, 1, 1, 1, 1},
	};
	const enum token_scope scopes[] = {
	        TOKEN_PROJECT, TOKEN_DOMAIN, TOKEN_SYSTEM, TOKEN_UNSCOPED};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		const bool wants[] = {
		        cases[i].project, cases[i].domain, cases[i].system, cases[i].none};
		for (unsigned s = 0; s < COUNT_OF(scopes); s++) {
			struct token token = sample();
			token.scope = scopes[s];
			for (uint64_t number = 10; number <= 11; number++) {
				bool want = wants[s] && number == 11;
				if (hit(&token, cases[i].kind, cases[i].first, cases[i].second,
				            number) != want)
					fail_msg("case %u, scope %u, number %u", i, s,
					        (unsigned)number);
			}
		}
	}
}

static void test_the_first_of_a_chain_is_of_it(void **state)
{
	struct token token = sample();

	(void)state;
	*token.parent = 0;
	assert_true(hit(&token, REVOKE_CHAIN, token.audit, NULL, 11));
}

static void test_many(void **state)
{
	struct revocations *set = revocations_new();
	struct token token = sample();
	char id[16];

	(void)state;
	for (unsigned i = 1; i <= 10000; i++) {
		snprintf(id, sizeof(id), "%u", i % 5000);
		struct revocation r = {
		        .number = i, .expires_us = i, .kind = REVOKE_USER, .first = id};
		revocations_add(set, &r);
		revocations_known(set, i);
	}
	assert_int_equal(revocations_last(set), 10000);
	token.user_id = "17";
	token.news = 5016;
	assert_true(revocations_hit(set, &token)); /* the newer one of the two counts */
	token.news = 5017;
	assert_false(revocations_hit(set, &token));
	revocations_known(set, 7);
	assert_int_equal(revocations_last(set), 10000);
	revocations_prune(set, 5016);
	token.news = 5016;
	assert_true(revocations_hit(set, &token));
	revocations_free(set);
}

/* However often somebody logs out: in the end all its tokens are ended at once. */
static void test_one_for_many(void **state)
{
	struct revocations *set = revocations_new();
	struct token token = sample();
	char id[16];

	(void)state;
	for (unsigned i = 1; i <= 1000; i++) {
		snprintf(id, sizeof(id), "audit %u", i);
		struct revocation r = {.number = i,
		        .expires_us = 9999,
		        .kind = REVOKE_TOKEN,
		        .first = id,
		        .second = i % 2 ? "u" : "other"};
		revocations_add(set, &r);
	}
	revocations_known(set, 1000);
	strcpy(token.audit, "audit 501");
	assert_true(revocations_hit(set, &token)); /* whose it is does not matter */
	assert_int_equal(revocations_count(set), 1000);
	struct revocation all = {
	        .number = 1001, .expires_us = 9999, .kind = REVOKE_USER, .first = "u"};
	revocations_add(set, &all);
	revocations_known(set, 1001);
	assert_int_equal(revocations_count(set), 501);
	assert_true(revocations_hit(set, &token));
	revocations_free(set);
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < REVOKE_KINDS; i++)
		assert_int_equal(revocation_kind(revocation_name((enum revocation_kind)i)), i);
	assert_int_equal(revocation_kind("none"), REVOKE_KINDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_what_is_named_is_ended),
	        cmocka_unit_test(test_the_first_of_a_chain_is_of_it),
	        cmocka_unit_test(test_many),
	        cmocka_unit_test(test_one_for_many),
	        cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
