#include "proxy/s3/acl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int start(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

static void canned(void **state)
{
	static const struct {
		const char *name, *id; /* id NULL: anonymous */
		enum s3_right right;
		bool given;
	} rows[] = {
	        {"private", "owner", S3_FULL_CONTROL, true},
	        {"private", "other", S3_READ, false},
	        {"private", NULL, S3_READ, false},
	        {"public-read", NULL, S3_READ, true},
	        {"public-read", NULL, S3_WRITE, false},
	        {"public-read", "other", S3_READ_ACP, false},
	        {"public-read-write", NULL, S3_WRITE, true},
	        {"authenticated-read", "other", S3_READ, true},
	        {"authenticated-read", NULL, S3_READ, false},
	        {"bucket-owner-read", "bucket", S3_READ, true},
	        {"bucket-owner-read", "bucket", S3_WRITE_ACP, false},
	        {"bucket-owner-full-control", "bucket", S3_FULL_CONTROL, true},
	        {"bucket-owner-full-control", "other", S3_READ, false},
	};
	struct s3_acl acl;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(s3_acl_canned(&arena, rows[i].name, "owner", "Owner", "bucket",
		                         "Bucket", &acl),
		        S3_OK);
		assert_int_equal(
		        s3_acl_gives(&acl, rows[i].id, rows[i].right, true), rows[i].given);
		if (!rows[i].id)
			assert_false(s3_acl_gives(&acl, NULL, rows[i].right, false));
	}
	assert_int_equal(s3_acl_canned(&arena, "other", "owner", "Owner", NULL, NULL, &acl),
	        S3_InvalidArgument);
}

static void kept(void **state)
{
	AUTO(buf) struct buf text = BUF_NONE;
	AUTO(buf) struct buf again = BUF_NONE;
	struct s3_acl acl, read;

	(void)state;
	s3_acl_canned(&arena, "bucket-owner-read", "o\"wner", "\xc3\xa4", "b", "B", &acl);
	s3_acl_print(&acl, &text);
	assert_string_equal(buf_text(&text),
	        "{\"owner\": \"o\\\"wner\", \"name\": \"\\u00e4\", \"grants\": "
	        "[[\"o\\\"wner\", \"\\u00e4\", \"FULL_CONTROL\"], [\"b\", \"B\", \"READ\"]]}");
	assert_true(s3_acl_read(buf_text(&text), &arena, &read));
	s3_acl_print(&read, &again);
	assert_string_equal(buf_text(&again), buf_text(&text));
	assert_false(s3_acl_is_private(&read));
	assert_false(s3_acl_is_public(&read));
	assert_false(s3_acl_read("{}", &arena, &read));
	assert_false(s3_acl_read(
	        "{\"owner\":\"a\",\"name\":\"b\",\"grants\":[[\"x\",\"READ\"]]}", &arena, &read));
}

static void headers(void **state)
{
	struct http_header all[] = {
	        {"X-Amz-Grant-Read",
	                "id=\"a\", uri=http://acs.amazonaws.com/groups/global/AllUsers"},
	        {"x-amz-grant-full-control", "emailAddress=\"c@d\""}};
	struct http_req http = {.headers = all, .header_count = 2};
	const char *text = NULL;
	struct s3_acl acl;

	(void)state;
	arena_init(&http.arena);
	assert_int_equal(s3_acl_of_headers(&http, &acl, &text), S3_OK);
	assert_int_equal(acl.count, 3);
	assert_string_equal(acl.grants[0].id, "a");
	assert_int_equal(acl.grants[1].kind, S3_GRANTEE_ALL);
	assert_int_equal(acl.grants[2].kind, S3_GRANTEE_EMAIL);
	assert_string_equal(acl.grants[2].id, "c@d");
	for (unsigned i = 0; i < 3; i++) {
		static const char *const bad[] = {"a", "other=a", "uri=http://other"};
		all[0].value = bad[i];
		assert_int_equal(s3_acl_of_headers(&http, &acl, &text), S3_InvalidArgument);
	}
	arena_done(&http.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(canned, start, end),
	        cmocka_unit_test_setup_teardown(kept, start, end),
	        cmocka_unit_test_setup_teardown(headers, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
