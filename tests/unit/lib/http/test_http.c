#include "tests/lib/test.h"

#include "lib/http/guard.h"
#include "lib/http/range.h"
#include "lib/http/url.h"

static void guard_refuses_what_two_parsers_read_differently(void **state)
{
	static const struct {
		const char *method;
		struct http_header headers[4];
		const char *why;
	} cases[] = {
	        {"GET", {{"Host", "a"}}, NULL},
	        {"GET", {{"X", "y"}}, "Missing Host"},
	        {"GET", {{"Host", "a"}, {"host", "b"}}, "Duplicate Host"},
	        {"PUT", {{"Host", "a"}, {"Content-Length", "5"}}, NULL},
	        {"PUT", {{"Host", "a"}, {"Content-Length", "5"}, {"Content-Length", "5"}},
	                "Duplicate Content-Length"},
	        {"PUT", {{"Host", "a"}, {"Content-Length", "+5"}}, "Invalid Content-Length"},
	        {"PUT", {{"Host", "a"}, {"Content-Length", "5, 5"}}, "Invalid Content-Length"},
	        {"PUT", {{"Host", "a"}, {"Content-Length", ""}}, "Invalid Content-Length"},
	        {"PUT", {{"Host", "a"}, {"Content-Length", "99999999999999999999"}},
	                "Invalid Content-Length"},
	        {"PUT", {{"Host", "a"}, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}},
	                "Content-Length with Transfer-Encoding"},
	        {"PUT", {{"Host", "a"}, {"Transfer-Encoding", "Chunked"}}, NULL},
	        {"PUT", {{"Host", "a"}, {"Transfer-Encoding", "gzip, chunked"}},
	                "Unsupported Transfer-Encoding"},
	        {"PUT",
	                {{"Host", "a"}, {"Transfer-Encoding", "chunked"},
	                        {"Transfer-Encoding", "chunked"}},
	                "Duplicate Transfer-Encoding"},
	        {"PUT", {{"Host", "a"}, {"Content-Length ", "5"}}, "Bad header name"},
	        {"G ET", {{"Host", "a"}}, "Bad method"},
	};

	int status;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct http_header headers[4];
		struct http_req req = {
		        .method = cases[i].method, .target = "/v1/a", .headers = headers};
		for (; req.header_count < 4 && cases[i].headers[req.header_count].name;
		        req.header_count++)
			headers[req.header_count] = cases[i].headers[req.header_count];
		const char *why = guard_check(&req, &status);
		if (cases[i].why)
			assert_string_equal(why ? why : "", cases[i].why);
		else
			assert_null(why);
	}
	struct http_header host = {"Host", "a"};
	struct http_req bad = {
	        .method = "GET", .target = "/a\x01", .headers = &host, .header_count = 1};
	assert_non_null(guard_check(&bad, &status));
}

static void ranges_read_as_swift_reads_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
		enum range_result result;
		unsigned count;
		struct range first;
	} cases[] = {
	        {"bytes=0-3", 10, RANGE_SOME, 1, {0, 3}},
	        {"bytes=3-", 10, RANGE_SOME, 1, {3, 9}},
	        {"bytes=-3", 10, RANGE_SOME, 1, {7, 9}},
	        {"bytes=-30", 10, RANGE_SOME, 1, {0, 9}},
	        {"BYTES = 1-2", 10, RANGE_SOME, 1, {1, 2}},
	        {"bytes=5-3", 10, RANGE_NONE, 0, {0, 0}},
	        {"bytes=-", 10, RANGE_NONE, 0, {0, 0}},
	        {"bytes=a-b", 10, RANGE_NONE, 0, {0, 0}},
	        {"bytes=1-2,x", 10, RANGE_NONE, 0, {0, 0}},
	        {"bytes=10-", 10, RANGE_UNSATISFIABLE, 0, {0, 0}},
	        {"bytes=-0", 10, RANGE_UNSATISFIABLE, 0, {0, 0}},
	        {"bytes=20-30, 1-2", 10, RANGE_SOME, 1, {1, 2}},
	        {"bytes=0-1,3-4,6-7", 10, RANGE_SOME, 3, {0, 1}},
	        {"bytes=0-5,1-6,2-7", 10, RANGE_UNSATISFIABLE, 0, {0, 0}},
	        {"bytes=9-9,8-8,7-7,6-6,5-5,4-4,3-3,2-2", 10, RANGE_UNSATISFIABLE, 0, {0, 0}},
	        {"bytes=1-99999999999999999999999", 10, RANGE_SOME, 1, {1, 9}},
	        {"bytes=0-", 0, RANGE_NONE, 0, {0, 0}},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct range ranges[RANGE_MAX];
		unsigned count = 0;
		assert_int_equal(
		        range_parse(cases[i].text, cases[i].size, ranges, &count), cases[i].result);
		assert_int_equal(count, cases[i].count);
		if (count) {
			assert_int_equal(ranges[0].start, cases[i].first.start);
			assert_int_equal(ranges[0].end, cases[i].first.end);
		}
	}
}

static void url_decodes_and_encodes(void **state)
{
	struct arena arena;
	struct query q;
	size_t len;
	AUTO(buf) struct buf out = BUF_NONE;

	(void)state;
	arena_init(&arena);
	assert_string_equal(url_unquote(&arena, "a%2Fb%zz%4", 10, &len), "a/b%zz%4");
	assert_string_equal(url_unquote(&arena, "%41", 3, &len), "A");
	url_unquote(&arena, "a%00b", 5, &len);
	assert_int_equal(len, 3);
	query_parse(&arena, "a=1&b=x+y%20z&&c&a=2", &q);
	assert_int_equal(q.count, 4);
	assert_string_equal(query_get(&q, "a"), "2");
	assert_string_equal(query_get(&q, "b"), "x y z");
	assert_string_equal(query_get(&q, "c"), "");
	assert_null(query_get(&q, "d"));
	assert_false(q.bad);
	query_parse(&arena, "p=%ff", &q);
	assert_true(q.bad);
	url_quote(&out, "a b/\xc3\xa9?", "");
	assert_string_equal(buf_text(&out), "a%20b/%C3%A9%3F");
	arena_done(&arena);
}

static void dates_read_in_three_forms(void **state)
{
	static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
	        "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"};
	static const struct {
		int64_t seconds;
		const char *text;
	} told[] = {{784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
	        {0, "Thu, 01 Jan 1970 00:00:00 GMT"}, {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
	        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"}};
	char text[HTTP_DATE_SIZE], iso[ISO_DATE_SIZE];
	int64_t seconds;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(same); i++) {
		assert_true(http_date_parse(same[i], &seconds));
		assert_int_equal(seconds, 784111777);
	}
	assert_false(http_date_parse("tomorrow", &seconds));
	for (unsigned i = 0; i < COUNT_OF(told); i++) {
		http_date_format(told[i].seconds, text);
		assert_string_equal(text, told[i].text);
	}
	iso_date_format(78411177712345, iso);
	assert_string_equal(iso, "1994-11-06T08:49:37.123450");
}

static void utf8_is_checked(void **state)
{
	(void)state;
	assert_true(utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
	assert_false(utf8_valid("\xc0\x80", 2));
	assert_false(utf8_valid("\xed\xa0\x80", 3));
	assert_false(utf8_valid("\xf5\x80\x80\x80", 4));
	assert_false(utf8_valid("\xe2\x82", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(guard_refuses_what_two_parsers_read_differently),
	        cmocka_unit_test(ranges_read_as_swift_reads_them),
	        cmocka_unit_test(url_decodes_and_encodes),
	        cmocka_unit_test(dates_read_in_three_forms),
	        cmocka_unit_test(utf8_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
