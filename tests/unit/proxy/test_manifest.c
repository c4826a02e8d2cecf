/* Manifests of static large objects: what clients may send, and what is kept. */
#include "tests/lib/test.h"

#include "proxy/manifest.h"

static void expect_fault(const char *text, const char *fault)
{
	AUTO(buf) struct buf told = BUF_NONE;
	struct manifest m;

	assert_int_equal(manifest_take(&m, text, strlen(text), "c/o", &told), ERR_BAD_REQUEST);
	assert_string_equal(buf_text(&told), fault);
}

static void all_faults_are_told(void **state)
{
	(void)state;
	expect_fault("[{\"path\": \"/c/o\"}, {\"path\": \"/c/x\", \"range\": \"1\"}, 5]",
	        "Index 0: manifest must not include itself as a segment\n"
	        "Index 1: invalid range\n"
	        "Index 2: not a JSON object\n");
	expect_fault("[{\"data\": \"YQ==\"}]",
	        "Inline data segments require at least one object-backed segment.\n");
	expect_fault("nonsense", "Manifest must be valid JSON.\n");
}

static struct manifest_segment take_one(struct manifest *m, const char *text)
{
	AUTO(buf) struct buf told = BUF_NONE;

	assert_int_equal(manifest_take(m, text, strlen(text), "c/o", &told), ERR_OK);
	assert_int_equal(told.len, 0);
	return m->segments[0];
}

static void sizes_are_numbers_of_any_form(void **state)
{
	static const char *const forms[] = {"12", "12.9", "\"12\"", "\" 12 \""};
	char text[100];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(forms); i++) {
		struct manifest m;
		snprintf(
		        text, sizeof(text), "[{\"path\": \"/c/a\", \"size_bytes\": %s}]", forms[i]);
		struct manifest_segment s = take_one(&m, text);
		assert_true(s.has_bytes);
		assert_int_equal(s.bytes, 12);
		manifest_done(&m);
	}
}

static void expect_range(const char *range, uint64_t size, bool fits, const char *expected)
{
	struct manifest_segment s = {.range = range};
	char text[50] = "";

	assert_int_equal(manifest_range(&s, size), fits);
	if (s.has_range)
		snprintf(text, sizeof(text), "%d-%d", (int)s.first, (int)s.last);
	assert_string_equal(text, expected);
}

static void a_range_means_bytes_of_the_object(void **state)
{
	(void)state;
	expect_range("3-5", 10, true, "3-5");
	expect_range("3-", 10, true, "3-9");
	expect_range("-3", 10, true, "7-9");
	expect_range("3-50", 10, true, "3-9");
	expect_range("0-9", 10, true, "");
	expect_range("-20", 10, true, "");
	expect_range("10-", 10, false, "");
	expect_range("-0", 10, false, "");
	expect_range("0-", 0, false, "");
	expect_range(NULL, 10, true, "");
}

static const char kept[] =
        "[{\"name\": \"/c/a\", \"bytes\": 10, \"hash\": \"h1\", \"content_type\": \"t\", "
        "\"last_modified\": \"m\", \"range\": \"2-4\"}, {\"data\": \"YWI=\"}, "
        "{\"name\": \"/c/b\", \"bytes\": \"7\", \"hash\": \"h2\", \"sub_slo\": true}]";

static void what_is_kept_is_read_again(void **state)
{
	AUTO(buf) struct buf text = BUF_NONE, data = BUF_NONE;
	struct manifest m, again;

	(void)state;
	assert_int_equal(manifest_read(&m, kept, strlen(kept)), ERR_OK);
	manifest_write(&m, &text);
	assert_int_equal(manifest_read(&again, buf_text(&text), text.len), ERR_OK);
	assert_int_equal(again.count, 3);
	assert_int_equal(again.size, 3 + 2 + 7);
	assert_int_equal(again.segments[2].start, 5);
	assert_true(again.segments[2].is_slo);
	assert_string_equal(again.segments[0].container, "c");
	assert_string_equal(again.segments[0].object, "a");
	manifest_data(&again.segments[1], &data);
	assert_string_equal(buf_text(&data), "ab");
	manifest_done(&again);
	manifest_done(&m);
}

static void what_cannot_be_kept_is_none(void **state)
{
	static const char *const texts[] = {"", "{}", "[5]", "[{\"name\": \"/c\"}]",
	        "[{\"name\": \"/c/a\", \"bytes\": -1, \"hash\": \"h\"}]",
	        "[{\"name\": \"/c/a\", \"bytes\": 5, \"hash\": \"h\", \"range\": \"2-9\"}]",
	        "[{\"name\": \"/c/a\", \"bytes\": 5}]", "[{\"data\": \"YQ\"}]"};
	struct manifest m;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(texts); i++)
		assert_int_equal(manifest_read(&m, texts[i], strlen(texts[i])), ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(all_faults_are_told),
	        cmocka_unit_test(sizes_are_numbers_of_any_form),
	        cmocka_unit_test(a_range_means_bytes_of_the_object),
	        cmocka_unit_test(what_is_kept_is_read_again),
	        cmocka_unit_test(what_cannot_be_kept_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
