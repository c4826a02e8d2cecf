/* Names of rows of the queue of container sync: what was put into one comes out of it. */
#include "tests/lib/test.h"

#include "proxy/sync_queue.h"
#include <string.h>

static void a_name_has_its_parts(void **state)
{
	static const char *const objects[] = {"o", "", "a/b//c/", "/", "päth"};
	struct sync_row row;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(objects); i++) {
		AUTO(buf) struct buf name = BUF_NONE;
		sync_row_name(&name, "AUTH_a", "c 1", "1700000000.12345", objects[i]);
		assert_true(sync_row_parts(name.data, &row));
		assert_string_equal(row.account, "AUTH_a");
		assert_string_equal(row.container, "c 1");
		assert_string_equal(row.object, objects[i]);
		assert_int_equal(row.since, 170000000012345);
	}
}

static void what_is_no_such_name_is_told(void **state)
{
	static const char *const names[] = {"", "a", "a/c", "a/c/1700000000.12345",
	        "a/c/1700000000.1234/o", "a/c/170000000012345x/o", "/c/1700000000.12345/o",
	        "a//1700000000.12345/o", "a/c/o/1700000000.12345"};
	struct sync_row row = {.since = 7};
	char name[64];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		strcpy(name, names[i]);
		assert_false(sync_row_parts(name, &row));
		assert_int_equal(row.since, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_name_has_its_parts),
	        cmocka_unit_test(what_is_no_such_name_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
