/* What of a target is logged, and lines by the fields of a template. */
#include "tests/lib/test.h"

#include "proxy/access.c"

static void expect_target(const char *target, unsigned reveal, const char *shown)
{
	AUTO(buf) struct buf out = BUF_NONE;

	access_target(&out, target, reveal);
	assert_string_equal(buf_text(&out), shown);
}

static void signatures_are_cut_short(void **state)
{
	(void)state;
	expect_target("/v1/a/c/o", 4, "/v1/a/c/o");
	expect_target("/v1/a?temp_url_sig=12345&x=12345", 4, "/v1/a?temp_url_sig=1234...&x=12345");
	expect_target("/v1/a?temp_url_sig=1234", 4, "/v1/a?temp_url_sig=1234");
	expect_target("/v1/a?a&temp%5Furl%5fsig=12345", 2, "/v1/a?a&temp%5Furl%5fsig=12...");
	expect_target("/?X-Amz-Signature=abc;temp_url_sig=abc", 0,
	        "/?X-Amz-Signature=...;temp_url_sig=...");
	expect_target("/?", 4, "/?");
	expect_target("/?temp_url_sig", 4, "/?temp_url_sig");
	expect_target("/?temp_url_sig=", 4, "/?temp_url_sig=");
	expect_target("/?temp_url_sig=12345?&&=&", 4, "/?temp_url_sig=1234...&&=&");
}

static void values_are_quoted(void **state)
{
	AUTO(buf) struct buf out = BUF_NONE;

	(void)state;
	add_text(&out, "a b/ü:{}\n\"%20", PLAIN);
	buf_char(&out, ' ');
	add_text(&out, NULL, PLAIN);
	buf_char(&out, ' ');
	add_text(&out, "", ANONYMIZED);
	buf_char(&out, ' ');
	add_text(&out, "abc", ANONYMIZED);
	assert_string_equal(buf_text(&out),
	        "a%20b/%C3%BC:{}%0A%22%2520 - - {MD5}900150983cd24fb0d6963f7d28e17f72");
}

static void times_have_forms(void **state)
{
	static const struct {
		enum form form;
		const char *text;
	} cases[] = {{PLAIN, "1400000000.012345000"}, {DATETIME, "13/May/2014/16/53/20"},
	        {ISO8601, "2014-05-13T16:53:20"}, {WHOLE, "1400000000"}, {MS, "012"},
	        {US, "012345"}, {NS, "012345000"}};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf) struct buf out = BUF_NONE;
		add_time(&out, 1400000000012345, cases[i].form);
		assert_string_equal(buf_text(&out), cases[i].text);
	}
}

static void templates_that_are_none_are_told(void **state)
{
	static const char *const good[] = {
	        "", "x", "{method}", "a{path.anonymized}b{end_time.ms}", "{headers} {ttfb}"};
	static const char *const bad[] = {"{", "}", "{}", "{nothing}", "{method", "{method}}",
	        "{end_time.anonymized}", "{method.ms}", "{path.}", "{.ms}", "{{method}}"};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(good); i++) {
		struct access_log access = {0};
		assert_true(template_parse(&access, good[i]));
	}
	for (unsigned i = 0; i < COUNT_OF(bad); i++) {
		struct access_log access = {0};
		assert_false(template_parse(&access, bad[i]));
	}
}

static void lines_go_out_whole(void **state)
{
	(void)state;
	assert_int_equal(piece_of("ab\ncd\nef\n", 9, 7), 6);
	assert_int_equal(piece_of("ab\ncd\nef\n", 9, 9), 9);
	assert_int_equal(piece_of("ab\ncd\nef\n", 9, 1), 3);
	assert_int_equal(piece_of("abcdef\nx\n", 9, 4), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(signatures_are_cut_short),
	        cmocka_unit_test(values_are_quoted),
	        cmocka_unit_test(times_have_forms),
	        cmocka_unit_test(templates_that_are_none_are_told),
	        cmocka_unit_test(lines_go_out_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
