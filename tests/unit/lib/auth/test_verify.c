#include "tests/lib/test.h"

#include "lib/auth/verify.h"

static void test_paths(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool match;
	} cases[] = {
	        {"/v1/a", "/v1/a", true},
	        {"/v1/a", "/v1/a/", false},
	        {"/v1/a", "/v1/ab", false},
	        {"/v1/*", "/v1/a", true},
	        {"/v1/*", "/v1/", false},
	        {"/v1/*", "/v1/a/b", false},
	        {"/v1/{account}/c", "/v1/x/c", true},
	        {"/v1/{account}/c", "/v1/x/y/c", false},
	        {"/v1/{account}/c", "/v1//c", false},
	        {"/v1/**", "/v1/a/b/c", true},
	        {"/v1/**", "/v1/", true},
	        {"/v1/**", "/v2/", false},
	        {"/**/c", "/a/b/c", true},
	        {"/**/c", "/a/b/d", false},
	        {"/a.b", "/axb", false},
	        {"/a*c", "/abbc", true},
	        {"/a*c", "/ac", false},
	        {"/{open", "/{open", true},
	        {"", "", true},
	        {"", "/", false},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		if (access_path(cases[i].pattern, cases[i].path) != cases[i].match)
			fail_msg("%s and %s", cases[i].pattern, cases[i].path);
	}
}

static void test_rules(void **state)
{
	static const struct access_rule rule = {"object-store", "GET", "/v1/*"};
	struct verified v = {.rules = &rule, .rule_count = 1};

	(void)state;
	assert_true(verified_may(&v, "image", "PUT", "/x"));
	v.token.restricted = true;
	assert_true(verified_may(&v, "object-store", "GET", "/v1/a"));
	assert_false(verified_may(&v, "object-store", "PUT", "/v1/a"));
	assert_false(verified_may(&v, "image", "GET", "/v1/a"));
	assert_false(verified_may(&v, "object-store", "GET", "/v2/a"));
	v.rule_count = 0;
	assert_false(verified_may(&v, "object-store", "GET", "/v1/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_paths),
	        cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
