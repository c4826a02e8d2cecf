/* Merging what replicas list when they do not agree. */
#include "tests/lib/test.h"

#include "proxy/listing.h"

static struct buf blocks[8];
static struct listing_pages pages;
static struct place place; /* three devices, two are enough */

static int setup(void **state)
{
	(void)state;
	place = (struct place){.count = 3, .set_count = 1, .sets = {7}, .need = {2}};
	pages = (struct listing_pages){.place = &place, .need = 1};
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
	pages.bits[n] = 1ull << (is_state ? pages.states : pages.count);
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

static void expect_merged(unsigned limit, const char *expected, const char *brought)
{
	AUTO(buf) struct buf rows = BUF_NONE;
	AUTO(buf) struct buf bring = BUF_NONE;

	listing_merge(&pages, limit, &rows, &bring);
	expect(&rows, expected);
	expect(&bring, brought);
}

static void expect_disputed(const char *expected)
{
	AUTO(buf) struct buf rows = BUF_NONE;

	listing_disputed(&pages, &rows);
	expect(&rows, expected);
}

static void what_a_majority_has_counts(void **state)
{
	(void)state;
	replica("a1 b5 g3", false);
	replica("a1 b2 c4", false);
	replica("a1 c4", false);
	expect_disputed("b5 g3 ");
	replica("b5 g3", true);
	replica("b2", true);
	replica("b2", true);
	/* The newer b is on one alone for sure, as is g: nobody can have been shown them. */
	expect_merged(10, "a1 b2 c4 ", "");
	expect_merged(2, "a1 b2 ", "");
}

static void what_no_majority_has_is_brought_there(void **state)
{
	(void)state;
	replica("a1 b2 c3 d4", false);
	replica("a1 c5 e6", false);
	expect_disputed("b2 c5 d4 e6 ");
	/* b was deleted since, d and e are new, and the first has an old tombstone of e. */
	replica("b2 c3 d4 e1-", true);
	replica("b9- c5 e6", true);
	expect_merged(10, "a1 c5 d4 e6 ", "b9 c5 d4 e6 ");
}

static void a_delete_that_a_majority_has_is_no_matter(void **state)
{
	(void)state;
	replica("a7", false);
	replica("", false);
	replica("", false);
	expect_disputed("a7 ");
	replica("a7", true);
	replica("a8-", true);
	replica("a8-", true);
	expect_merged(10, "", "");
}

static void a_row_that_came_meanwhile_counts(void **state)
{
	(void)state;
	replica("a7", false);
	replica("", false);
	expect_disputed("a7 ");
	replica("a7", true);
	replica("a7", true);
	expect_merged(10, "a7 ", "");
}

static void a_delete_wins_over_a_put_of_its_moment(void **state)
{
	(void)state;
	replica("a7", false);
	replica("", false);
	replica("a7", true);
	replica("a7-", true);
	expect_merged(10, "", "a7 ");
}

static void where_it_is_not_known_everywhere_the_newest_word_counts(void **state)
{
	(void)state;
	pages.place = NULL;
	replica("a1 b2", false);
	replica("a1 c5", false);
	expect_disputed("b2 c5 ");
	replica("b2 c5-", true);
	replica("b3- c5", true);
	expect_merged(10, "a1 ", "");
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
	expect_merged(10, "d4 b2 a1 ", "c8 b2 ");
}

static void behind_a_full_page_nothing_is_known(void **state)
{
	(void)state;
	pages.asked = 3;
	replica("a1 b2 c3", false);
	replica("a1 d4 e5", false);
	replica("a1 d4", false);
	/* The first may have d and more. */
	expect_disputed("b2 c3 ");
	replica("b2", true);
	replica("", true);
	replica("", true);
	expect_merged(3, "a1 ", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_a_majority_has_counts, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                what_no_majority_has_is_brought_there, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_delete_that_a_majority_has_is_no_matter, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_row_that_came_meanwhile_counts, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_delete_wins_over_a_put_of_its_moment, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                where_it_is_not_known_everywhere_the_newest_word_counts, setup, teardown),
	        cmocka_unit_test_setup_teardown(in_reverse_too, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                behind_a_full_page_nothing_is_known, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
