/* Merging what replicas list when they do not agree. */
#include "tests/lib/test.h"

#include "proxy/listing.h"

static struct buf blocks[8];
static struct listing_pages pages;

static int setup(void **state)
{
	(void)state;
	pages = (struct listing_pages){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT_OF(blocks); i++)
		buf_done(&blocks[i]);
	return 0;
}

/* Rows of a replica, as "a1 b2-": name, time, deleted. */
static void replica(const char *text, bool is_state)
{
	unsigned n = pages.count + pages.states;
	char name[2] = "";

	for (; *text; text++) {
		struct backend_row row = {.name = name};
		name[0] = *text++;
		while (*text >= '0' && *text <= '9')
			row.ts = row.ts * 10 + (uint64_t)(*text++ - '0');
		row.deleted = *text == '-';
		text += row.deleted;
		backend_rows_add(&blocks[n], &row);
		if (!*text)
			break;
	}
	pages.pages[n] = &blocks[n];
	*(is_state ? &pages.states : &pages.count) += 1;
}

static void expect(const struct buf *rows, const char *expected)
{
	AUTO(buf) struct buf text = BUF_NONE;
	struct backend_row row;

	for (size_t at = 0; backend_rows_next(rows, &at, &row);)
		buf_printf(&text, "%s%llu ", row.name, (unsigned long long)row.ts);
	assert_string_equal(buf_text(&text), expected);
}

static void expect_merged(unsigned need, unsigned limit, const char *expected)
{
	AUTO(buf) struct buf rows = BUF_NONE;

	listing_merge(&pages, need, limit, &rows);
	expect(&rows, expected);
}

static void expect_disputed(const char *expected)
{
	AUTO(buf) struct buf rows = BUF_NONE;

	listing_disputed(&pages, &rows);
	expect(&rows, expected);
}

static void of_all_replicas_a_majority_decides(void **state)
{
	(void)state;
	replica("a1 b5 g3", false);
	replica("a1 b2 c4", false);
	replica("a1 c4", false);
	expect_merged(2, 10, "a1 b5 c4 ");
	expect_merged(2, 2, "a1 b5 ");
}

static void of_some_the_newest_word_counts(void **state)
{
	(void)state;
	replica("a1 b2 c3 d4", false);
	replica("a1 c5 e6", false);
	expect_disputed("b2 d4 e6 ");
	/* b was deleted since, d and e are new, and the first has an old tombstone of e. */
	replica("b2 d4 e1-", true);
	replica("b9- e6", true);
	expect_merged(1, 10, "a1 c5 d4 e6 ");
}

static void a_delete_wins_over_a_put_of_its_moment(void **state)
{
	(void)state;
	replica("a7", false);
	replica("", false);
	replica("a7", true);
	replica("a7-", true);
	expect_merged(1, 10, "");
}

static void in_reverse_too(void **state)
{
	(void)state;
	pages.reverse = true;
	replica("d4 c3 a1", false);
	replica("d4 b2 a1", false);
	expect_disputed("c3 b2 ");
	replica("c3", true);
	replica("c8- b2", true);
	expect_merged(1, 10, "d4 b2 a1 ");
}

static void behind_a_full_page_nothing_is_known(void **state)
{
	(void)state;
	pages.asked = 3;
	replica("a1 b2 c3", false);
	replica("a1 d4 e5", false);
	replica("a1 d4", false);
	/* The first may have d and more. */
	expect_merged(2, 3, "a1 ");
	expect_disputed("b2 c3 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                of_all_replicas_a_majority_decides, setup, teardown),
	        cmocka_unit_test_setup_teardown(of_some_the_newest_word_counts, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_delete_wins_over_a_put_of_its_moment, setup, teardown),
	        cmocka_unit_test_setup_teardown(in_reverse_too, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                behind_a_full_page_nothing_is_known, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
