/* Where the bytes of a body are, and the header of a fragment. */
#include "tests/lib/test.h"

#include "lib/ec/fragment.h"

static const uint64_t sizes[] = {1, 63, 64, 65, 255, 256, 257, 4095, 262144, 1048575, 1048576,
        1048577, 4194303, 4194304, 4194305, 5242880, 104857600, 123456789};

/* Walking from place to place covers the body once, in order, and stays inside the archives. */
static void every_byte_has_a_place(void **state)
{
	(void)state;
	for (unsigned k = 1; k <= 20; k++) {
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			uint64_t size = sizes[s], at = 0, archive = fragment_archive(k, size);
			while (at < size) {
				struct fragment_at f = fragment_find(k, size, at);
				assert_true(f.left > 0 && f.left <= size - at);
				assert_true(f.index < k && f.offset + f.left <= f.len);
				assert_true(f.archive + f.len <= archive);
				uint64_t before = f.archive * k + (uint64_t)f.index * f.len;
				assert_int_equal(before + f.offset, at);
				at += f.left;
			}
			assert_true(archive * k >= size);
			assert_true(archive * k < size + (uint64_t)k * (EC_ALIGN + 1));
		}
	}
}

static void inside_a_fragment(void **state)
{
	struct fragment_at f = fragment_find(4, 9000000, 5000000);

	(void)state;
	assert_int_equal(f.segment, 1);
	assert_int_equal(f.index, 0);
	assert_int_equal(f.offset, 5000000 - 4194304);
	assert_int_equal(f.left, EC_PIECE - f.offset);
	f = fragment_find(4, 4194304 + 100, 4194304 + 70);
	assert_int_equal(f.len, 64);
	assert_int_equal(f.index, 1);
	assert_int_equal(f.offset, 6);
	assert_int_equal(f.left, 30);
}

static void empty_body(void **state)
{
	(void)state;
	assert_int_equal(fragment_archive(4, 0), 0);
}

static void header_comes_back(void **state)
{
	struct fragment f = {.k = 10, .m = 4, .index = 13, .size = 123456789012}, back;
	char text[EC_TEXT_SIZE];

	(void)state;
	memset(f.etag, 0xa5, 16);
	fragment_print(&f, text);
	assert_true(fragment_parse(text, &back));
	assert_int_equal(back.k, 10);
	assert_int_equal(back.m, 4);
	assert_int_equal(back.index, 13);
	assert_int_equal(back.size, f.size);
	assert_memory_equal(back.etag, f.etag, 16);
}

/* Whatever is changed in it, it is refused. */
static void damaged_header(void **state)
{
	struct fragment f = {.k = 4, .m = 2, .index = 1, .size = 99}, back;
	char text[EC_TEXT_SIZE];

	(void)state;
	fragment_print(&f, text);
	for (size_t i = 0; i < strlen(text); i++) {
		char was = text[i];
		text[i] = was == '0' ? '1' : '0';
		assert_false(fragment_parse(text, &back));
		text[i] = was;
	}
	text[20] = 0;
	assert_false(fragment_parse(text, &back));
	assert_false(fragment_parse("", &back));
}

static void header_of_what_cannot_be(void **state)
{
	struct fragment f = {.k = 4, .m = 2, .index = 6, .size = 99}, back;
	char text[EC_TEXT_SIZE];

	(void)state;
	fragment_print(&f, text);
	assert_false(fragment_parse(text, &back));
	f = (struct fragment){.k = 21, .m = 2, .index = 1, .size = 99};
	fragment_print(&f, text);
	assert_false(fragment_parse(text, &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_byte_has_a_place),
	        cmocka_unit_test(inside_a_fragment),
	        cmocka_unit_test(empty_body),
	        cmocka_unit_test(header_comes_back),
	        cmocka_unit_test(damaged_header),
	        cmocka_unit_test(header_of_what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
