#include "tests/lib/test.h"

#include "identity/totp.h"

/* RFC 6238, appendix B: the last six digits of eight. */
static void test_codes(void **state)
{
	static const struct {
		int64_t seconds;
		const char *code;
	} cases[] = {{59, "287082"}, {1111111109, "081804"}, {1111111111, "050471"},
	        {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
	char code[TOTP_DIGITS + 1];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		assert_true(totp_code(
		        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", cases[i].seconds / TOTP_STEP_S, code));
		assert_string_equal(code, cases[i].code);
	}
	assert_true(totp_code("GEZDGNBVGY3TQ===", 1, code)); /* padding */
}

static void test_what_is_no_secret(void **state)
{
	char code[TOTP_DIGITS + 1], long_one[400];

	(void)state;
	memset(long_one, 'A', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = 0;
	assert_false(totp_code("", 1, code));
	assert_false(totp_code("====", 1, code));
	assert_false(totp_code("gezd", 1, code));
	assert_false(totp_code("GEZ1", 1, code));
	assert_false(totp_code("GE\xc3\xa9", 1, code));
	assert_false(totp_code(long_one, 1, code));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_codes),
	        cmocka_unit_test(test_what_is_no_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
