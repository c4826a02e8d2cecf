#include "proxy/s3/upload.h"

#include "lib/base/auto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PART(number, etag) "<Part><ETag>" etag "</ETag><PartNumber>" number "</PartNumber></Part>"

static enum s3_error parse(
        const char *parts, struct arena *arena, struct upload_listed **ret, unsigned *ret_count)
{
	const struct xml *root;
	const char *text =
	        arena_printf(arena, "<CompleteMultipartUpload>%s</CompleteMultipartUpload>", parts);

	assert_int_equal(xml_parse(text, strlen(text), arena, &root), ERR_OK);
	return upload_list_parse(root, arena, ret, ret_count);
}

static void numbers(void **state)
{
	static const char *const bad[] = {"", "0", "10001", "-1", "+1", "1 ", " 1", "1x", "000001"};

	(void)state;
	assert_int_equal(upload_number("1"), 1);
	assert_int_equal(upload_number("00017"), 17);
	assert_int_equal(upload_number("10000"), 10000);
	assert_int_equal(upload_number(NULL), 0);
	for (unsigned i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(upload_number(bad[i]), 0);
}

static void names_of_parts(void **state)
{
	static const char *const bad[] = {"", "1", "00000", "00001-", "00001-0123456789abcde",
	        "00001-0123456789abcdef0", "00001-0123456789abcdeF", "10001-0123456789abcdef",
	        "0001-0123456789abcdef", "00001/0123456789abcdef"};

	(void)state;
	assert_int_equal(upload_part_number("00017"), 17);
	assert_int_equal(upload_part_number("10000-0123456789abcdef"), 10000);
	for (unsigned i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(upload_part_number(bad[i]), 0);
}

static void lists(void **state)
{
	static const struct {
		const char *parts;
		enum s3_error error;
		unsigned count;
	} cases[] = {
	        {"", S3_MalformedXML, 0},
	        {"<Part/>", S3_MalformedXML, 0},
	        {PART("x", "e"), S3_MalformedXML, 0},
	        {PART("0", "e"), S3_InvalidArgument, 0},
	        {PART("10001", "e"), S3_InvalidArgument, 0},
	        {PART("2", "e") PART("1", "e"), S3_InvalidPartOrder, 0},
	        {PART("1", "e") PART("2", "&quot;f&quot;"), S3_OK, 2},
	        {PART("1", "e") PART("1", "f"), S3_OK, 1},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct upload_listed *parts = NULL;
		struct arena arena;
		unsigned count = 0;
		arena_init(&arena);
		assert_int_equal(parse(cases[i].parts, &arena, &parts, &count), cases[i].error);
		assert_int_equal(count, cases[i].count);
		if (count)
			assert_string_equal(parts[count - 1].etag, "f");
		arena_done(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(numbers),
	        cmocka_unit_test(names_of_parts),
	        cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
