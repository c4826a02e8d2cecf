/* Parameters behind content types and etags. */
#include "tests/lib/test.h"

#include "proxy/params.h"

static void expect(const char *text, const char *name, const char *value)
{
	size_t len;
	const char *found = params_get(text, name, &len);

	if (!value) {
		assert_null(found);
		return;
	}
	assert_non_null(found);
	assert_int_equal(len, strlen(value));
	assert_memory_equal(found, value, len);
}

static void a_value_is_found_by_its_name(void **state)
{
	(void)state;
	expect("abc; slo_etag=def", "slo_etag", "def");
	expect("abc;SLO_ETAG=def ;x=1", "slo_etag", "def");
	expect("abc;x=\"a;slo_etag=no\";slo_etag=\"yes\"", "slo_etag", "yes");
	expect("slo_etag=abc", "slo_etag", NULL);
	expect("abc;slo_etagx=1", "slo_etag", NULL);
	expect("abc;slo_etag", "slo_etag", NULL);
	expect("abc;slo_etag=", "slo_etag", "");
	expect("abc;\"", "slo_etag", NULL);
	expect("", "slo_etag", NULL);
}

static void expect_without(const char *text, const char *rest)
{
	AUTO(buf) struct buf out = BUF_NONE;

	params_without(text, "b", &out);
	assert_string_equal(buf_text(&out), rest);
}

static void the_rest_stays_as_it_was(void **state)
{
	(void)state;
	expect_without("v; a=1; b=2; c=3", "v; a=1; c=3");
	expect_without("v;b=2", "v");
	expect_without("v;b=\"x;y\";c", "v;c");
	expect_without("v;;", "v;;");
	expect_without("b=2", "b=2");
}

static void only_a_number_is_a_size(void **state)
{
	uint64_t bytes = 7;

	(void)state;
	assert_true(params_swift_bytes("text/plain;swift_bytes=12", &bytes));
	assert_int_equal(bytes, 12);
	assert_true(params_swift_bytes("text/plain; charset=utf-8;swift_bytes=0", &bytes));
	assert_int_equal(bytes, 0);
	assert_false(params_swift_bytes("text/plain", &bytes));
	assert_false(params_swift_bytes("text/plain;swift_bytes=-1", &bytes));
	assert_false(params_swift_bytes("text/plain;swift_bytes=", &bytes));
	assert_false(params_swift_bytes("text/plain;swift_bytes=99999999999999999999", &bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_value_is_found_by_its_name),
	        cmocka_unit_test(the_rest_stays_as_it_was),
	        cmocka_unit_test(only_a_number_is_a_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
