#include "tests/lib/test.h"

#include "identity/pattern.h"

static void says(const char *pattern, const char *text, bool matches)
{
	struct pattern *p = NULL;

	assert_int_equal(pattern_new(pattern, &p), ERR_OK);
	if (pattern_matches(p, text) != matches)
		fail_msg("%s and '%s': not %d", pattern, text, matches);
	pattern_free(p);
}

static void conditions_ahead(void **state)
{
	const char *both = "^(?=.*\\d)(?=.*[a-zA-Z]).{7,}$";

	(void)state;
	says(both, "abcdef1", true);
	says(both, "abcdefg", false);
	says(both, "1234567", false);
	says(both, "abcde1", false);
	says("(?!.* ).{3}", "a b", false);
	says("(?!.* ).{3}", "abc", true);
	says("(?=(a|b)c)..", "bc", true);
	says("(?=(a|b)c)..", "cc", false);
}

static void classes(void **state)
{
	(void)state;
	says("^[\\d_]+$", "12_3", true);
	says("^[\\d_]+$", "12x", false);
	says("\\d{2}$", "42", true);
	says("\\d{2}$", "x42", false); /* from the begin */
	says("a\\.b$", "a.b", true);
	says("a\\.b$", "axb", false);
	says("[\\w\\s]+$", "a b_1", true);
	says("[\\]x]$", "]", true);
}

static void what_is_none(void **state)
{
	static const char *const bad[] = {
	        "(", "a(?=b)", "(?=a", "(?=(a)", "[a", "a{2,1}", "(?<=a)b", "[x\\]]"};
	struct pattern *p = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(pattern_new(bad[i], &p), ERR_CONFIG);
		assert_null(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(conditions_ahead),
	        cmocka_unit_test(classes), cmocka_unit_test(what_is_none)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
