/* Listings of other clusters, and which headers are to be set. */
#include "tests/lib/test.h"

#include "lib/base/kv.h"
#include "migrate/migrate.h"

static struct names names;

static enum err parse(const char *text)
{
	return names_parse(&names, text, strlen(text));
}

static int setup(void **state)
{
	(void)state;
	names_init(&names, NULL, NULL, "AUTH_a", "c");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	names_done(&names);
	return 0;
}

static void test_a_page(void **state)
{
	(void)state;
	assert_int_equal(
	        parse("[{\"name\": \"a\", \"bytes\": 5, \"hash\": \"h\", \"content_type\": \"t\", "
	              "\"last_modified\": \"2023-11-14T22:13:20.123450\"},"
	              "{\"name\": \"b\", \"bytes\": 7, \"hash\": \"i\", \"slo_etag\": \"x\", "
	              "\"last_modified\": \"2023-11-14T22:13:20\"},"
	              "{\"name\": \"c\", \"bytes\": 0, \"symlink_path\": \"/x\"}]"),
	        ERR_OK);
	assert_int_equal(names.count, 3);
	assert_string_equal(names_peek(&names)->name, "a");
	assert_int_equal(names_peek(&names)->ts, 170000000012345);
	assert_int_equal(names_peek(&names)->bytes, 5);
	assert_false(names_peek(&names)->large);
	names_take(&names);
	assert_true(names_peek(&names)->large);
	assert_int_equal(names_peek(&names)->ts, 170000000000000);
	names_take(&names);
	assert_true(names_peek(&names)->symlink);
}

static void test_pages_that_cannot_be_trusted(void **state)
{
	static const char *const pages[] = {"{}", "[", "[{\"bytes\": 1}]",
	        "[{\"name\": \"\", \"bytes\": 1}]", "[{\"name\": \"a\"}]",
	        "[{\"name\": \"b\", \"bytes\": 1}, {\"name\": \"a\", \"bytes\": 1}]",
	        "[{\"name\": \"a\", \"bytes\": 1}, {\"name\": \"a\", \"bytes\": 1}]"};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(pages); i++)
		assert_int_equal(parse(pages[i]), ERR_FORMAT);
	/* Nor one that begins before the last one's end. */
	free(names.marker);
	names.marker = strdup("m");
	assert_int_equal(parse("[{\"name\": \"l\", \"bytes\": 1}]"), ERR_FORMAT);
	assert_int_equal(parse("[{\"name\": \"n\", \"bytes\": 1}]"), ERR_OK);
	assert_int_equal(parse(""), ERR_OK);
	assert_int_equal(names.count, 0);
}

static void test_headers_to_change(void **state)
{
	AUTO(buf) struct buf want = BUF_NONE;
	AUTO(buf) struct buf have = BUF_NONE;
	AUTO(buf) struct buf change = BUF_NONE;

	(void)state;
	kv_add(&want, "X-Container-Meta-A", "1");
	kv_add(&want, "X-Container-Meta-B", "2");
	kv_add(&want, "X-Trans-Id", "t");
	kv_add(&have, "x-container-meta-a", "1");
	assert_true(headers_change(&want, &have, carried_container, &change));
	assert_string_equal(kv_get(change.data, change.len, "X-Container-Meta-B"), "2");
	assert_null(kv_get(change.data, change.len, "X-Container-Meta-A"));
	assert_null(kv_get(change.data, change.len, "X-Trans-Id"));
	buf_reset(&change);
	kv_add(&have, "X-Container-Meta-B", "2");
	assert_false(headers_change(&want, &have, carried_container, &change));
	kv_add(&have, "X-Container-Read", ".r:*");
	assert_true(headers_change(&want, &have, carried_container, &change));
	assert_string_equal(kv_get(change.data, change.len, "X-Container-Read"), "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T(test_a_page),
	        T(test_pages_that_cannot_be_trusted),
	        T(test_headers_to_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
