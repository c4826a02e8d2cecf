/* Names that are ours, and what listings show. */
#include "tests/lib/test.h"

#include "proxy/unit/reserved.h"
#include "proxy/unit/shown.h"
#include "proxy/unit/web_page.h"

static const char *const names[] = {
        "a", "a\x01", "a\x01\x01", "a\x01\x02", "a!", "aa", "b", "\xc3\xbc"};

static void versions_sort_as_their_objects_do_and_from_the_newest_on(void **state)
{
	(void)state;
	struct arena arena;

	arena_init(&arena);
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		const char *old = versions_object(&arena, names[i], 1),
		           *new = versions_object(&arena, names[i], TS_MAX);
		assert_true(strcmp(new, old) < 0);
		if (i)
			assert_true(strcmp(versions_object(&arena, names[i - 1], 0), new) < 0);
	}
	arena_done(&arena);
}

static void names_of_versions_come_apart_again(void **state)
{
	(void)state;
	struct arena arena;
	uint64_t ts;

	arena_init(&arena);
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		AUTO(buf) struct buf name = BUF_NONE;
		const char *version = versions_object(&arena, names[i], 123456789012345);
		assert_true(versions_parse(version, &name, &ts) && ts == 123456789012345);
		assert_true(strcmp(buf_text(&name), names[i]) == 0);
	}
	static const char *const bad[] = {"", "a", "a\x01\x01", "a\x01\x01x",
	        "a\x01\x03"
	        "b\x01\x01"
	        "1",
	        "a\x01\x01"
	        "99999999999.00000"};
	for (unsigned i = 0; i < COUNT_OF(bad); i++) {
		AUTO(buf) struct buf name = BUF_NONE;
		assert_true(!versions_parse(bad[i], &name, &ts));
	}
	arena_done(&arena);
}

static struct shown show(const char *etag, const char *type)
{
	struct backend_row row = {.name = "o", .etag = etag, .content_type = type, .bytes = 7};
	struct shown s;

	shown_make(&row, "AUTH_a", "c", &s);
	return s;
}

static void rows_of_links_say_where_they_lead(void **state)
{
	(void)state;
	struct shown s = show("md5; symlink_target=x/y%3Bz", "a/b");
	assert_true(strcmp(s.etag, "md5") == 0 && strcmp(s.link_path, "/v1/AUTH_a/x/y%3Bz") == 0);
	assert_true(!s.target_etag && !s.version && s.bytes == 7);
	shown_done(&s);
	s = show("md5; slo_etag=slo; symlink_target=x/y; symlink_target_account=AUTH_o; "
	         "symlink_target_etag=e; symlink_target_bytes=12",
	        "a/b");
	assert_true(
	        strcmp(s.etag, "md5") == 0 && s.slo_len == 3 && memcmp(s.slo_etag, "slo", 3) == 0);
	assert_true(strcmp(s.link_path, "/v1/AUTH_o/x/y") == 0 && strcmp(s.target_etag, "e") == 0);
	assert_true(s.target_bytes == 12 && s.bytes == 7);
	shown_done(&s);
	s = show("md5", "a/b;swift_bytes=99");
	assert_true(!s.link_path && s.bytes == 99 && strcmp(s.content_type, "a/b") == 0);
	shown_done(&s);
}

static void rows_of_versions_are_shown_as_those(void **state)
{
	(void)state;
	struct shown s = show("md5; symlink_target=%FFversions%FFc/o%01%01"
	                      "9999999999.99998; "
	                      "symlink_target_etag=e; symlink_target_bytes=12",
	        "a/b");
	assert_true(s.version == 1 && s.bytes == 12 && strcmp(s.etag, "e") == 0 && !s.target_etag);
	assert_true(strcmp(s.link_path, "/v1/AUTH_a/c/o?version-id=0000000000.00001") == 0);
	shown_done(&s);
	/* Not of this container: a link as any other. */
	s = show("md5; symlink_target=%FFversions%FFd/o%01%01"
	         "9999999999.99998; "
	         "symlink_target_etag=e; symlink_target_bytes=12",
	        "a/b");
	assert_true(!s.version && s.bytes == 7 && strcmp(s.target_etag, "e") == 0);
	shown_done(&s);
}

static void sizes_for_people(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{0, "0"}, {1023, "1023"}, {1024, "1Ki"}, {1535, "1Ki"}, {1 << 20, "1Mi"},
	        {5ull << 30, "5Gi"}, {UINT64_MAX / 2, "8Ei"}};

	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf) struct buf out = BUF_NONE;
		web_page_size(cases[i].bytes, &out);
		assert_true(strcmp(buf_text(&out), cases[i].text) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(versions_sort_as_their_objects_do_and_from_the_newest_on),
	        cmocka_unit_test(names_of_versions_come_apart_again),
	        cmocka_unit_test(rows_of_links_say_where_they_lead),
	        cmocka_unit_test(rows_of_versions_are_shown_as_those),
	        cmocka_unit_test(sizes_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
