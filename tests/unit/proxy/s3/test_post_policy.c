#include "proxy/s3/post_policy.h"

#include "lib/base/auto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1000000000 /* 2001-09-09T01:46:40Z */

static enum s3_error check(const char *conditions, const char *key, struct post_range *ret_range)
{
	struct post_field signature = {NULL, "x-amz-signature", "s", false};
	struct post_field name = {&signature, "key", key, false};
	struct arena arena;
	const char *text;

	arena_init(&arena);
	const char *json = arena_printf(&arena,
	        "{\"expiration\": \"2001-09-09T01:46:41.000Z\", \"conditions\": [%s]}", conditions);
	enum s3_error error = post_policy_check(json, NOW, &name, &arena, ret_range, &text);
	arena_done(&arena);
	return error;
}

static void conditions(void **state)
{
	static const struct {
		const char *conditions;
		enum s3_error error;
	} rows[] = {
	        {"{\"key\": \"a/b\"}", S3_OK},
	        {"{\"KEY\": \"a/b\"}", S3_OK},
	        {"[\"eq\", \"$key\", \"a/b\"]", S3_OK},
	        {"[\"Starts-With\", \"$Key\", \"a/\"]", S3_OK},
	        {"[\"starts-with\", \"$key\", \"\"]", S3_OK},
	        {"[\"starts-with\", \"$key\", \"\"], {\"key\": \"other\"}", S3_AccessDenied},
	        {"[\"starts-with\", \"$key\", \"a/b/c\"]", S3_AccessDenied},
	        {"{\"key\": \"a/b\"}, {\"acl\": \"private\"}", S3_AccessDenied},
	        {"{\"key\": \"a/b\"}, [\"starts-with\", \"$acl\", \"\"]", S3_OK},
	        {"", S3_AccessDenied},
	        {"[\"content-length-range\", 0, 1]", S3_AccessDenied},
	        {"[\"eq\", \"key\", \"a/b\"]", S3_InvalidPolicyDocument},
	        {"[\"eq\", \"$key\"]", S3_InvalidPolicyDocument},
	        {"[\"eq\", \"$key\", 1]", S3_InvalidPolicyDocument},
	        {"\"key\"", S3_InvalidPolicyDocument},
	};
	struct post_range range;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(check(rows[i].conditions, "a/b", &range), rows[i].error);
}

static void ranges(void **state)
{
	struct post_range range;

	(void)state;
	assert_int_equal(check("{\"key\": \"k\"}", "k", &range), S3_OK);
	assert_int_equal(range.min, 0);
	assert_true(range.max == UINT64_MAX);
	assert_int_equal(check("{\"key\": \"k\"}, [\"content-length-range\", 1, 9], "
	                       "[\"content-length-range\", \"2\", \"10\"]",
	                         "k", &range),
	        S3_OK);
	assert_int_equal(range.min, 2);
	assert_true(range.max == 9);
}

static void escapes_that_json_does_not_know(void **state)
{
	struct post_range range;

	(void)state;
	assert_int_equal(check("{\"key\": \"\\$\\v\\\\\"}", "$\v\\", &range), S3_OK);
}

static void ends(void **state)
{
	static const struct {
		const char *text;
		enum s3_error error;
	} rows[] = {
	        {"2001-09-09T01:46:40Z", S3_OK},
	        {"2001-09-09T01:46:39Z", S3_AccessDenied},
	        {"2001-09-09T01:46:41", S3_InvalidPolicyDocument},
	        {"2001-09-09 01:46:41Z", S3_InvalidPolicyDocument},
	        {"", S3_InvalidPolicyDocument},
	};
	struct post_range range;
	struct arena arena;
	const char *text;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		const char *json = arena_printf(
		        &arena, "{\"expiration\": \"%s\", \"conditions\": []}", rows[i].text);
		assert_int_equal(
		        post_policy_check(json, NOW, NULL, &arena, &range, &text), rows[i].error);
	}
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(conditions),
	        cmocka_unit_test(ranges),
	        cmocka_unit_test(escapes_that_json_does_not_know),
	        cmocka_unit_test(ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
