#include "lib/backend/points.h"
#include "tests/lib/test.h"

static struct backend_row point(const char *name, const char *id, uint64_t ts, bool proposed)
{
	return (struct backend_row){
	        .name = name, .content_type = id, .etag = "", .ts = ts, .deleted = proposed};
}

static bool join(struct buf *points, const char *name, const char *id, uint64_t ts, bool proposed)
{
	struct backend_row row = point(name, id, ts, proposed);

	return points_join(points, &row);
}

static void a_name_is_found_behind_its_nearest_point(void **state)
{
	AUTO(buf) struct buf points = BUF_NONE;
	struct backend_row found;

	(void)state;
	assert_false(points_find(&points, "x", &found));
	join(&points, "m", "1", 5, false);
	join(&points, "t", "2", 6, false);
	join(&points, "c", "3", 7, true);
	assert_false(points_find(&points, "c", &found));
	assert_true(points_find(&points, "d", &found));
	assert_string_equal(found.content_type, "3");
	assert_true(points_find(&points, "t", &found));
	assert_string_equal(found.content_type, "1");
	assert_true(points_find(&points, "t\x01", &found));
	assert_string_equal(found.content_type, "2");
	assert_string_equal(points_cut(&points), "m");
	assert_true(points_proposed(&points, &found));
	assert_string_equal(found.name, "c");
}

static void of_proposals_the_latest_counts(void **state)
{
	AUTO(buf) struct buf points = BUF_NONE;
	struct backend_row found;

	(void)state;
	assert_true(join(&points, "m", "1", 5, true));
	assert_false(join(&points, "k", "2", 4, true));
	assert_true(join(&points, "k", "2", 6, true));
	assert_true(points_proposed(&points, &found));
	assert_string_equal(found.content_type, "2");
	assert_null(points_cut(&points));
}

static void what_moved_ends_the_proposals_behind_it(void **state)
{
	AUTO(buf) struct buf points = BUF_NONE;
	struct backend_row found;

	(void)state;
	join(&points, "m", "1", 5, true);
	assert_true(join(&points, "m", "1", 5, false));
	assert_false(points_proposed(&points, &found));
	assert_false(join(&points, "m", "1", 5, false));
	assert_false(join(&points, "p", "2", 9, true));
	assert_true(join(&points, "b", "3", 9, true));
	assert_true(join(&points, "t", "4", 8, false));
	assert_true(points_proposed(&points, &found));
	assert_string_equal(points_cut(&points), "m");
}

static void totals_are_the_newest_and_only_of_what_moved(void **state)
{
	AUTO(buf) struct buf points = BUF_NONE;
	uint64_t count, bytes;

	(void)state;
	join(&points, "m", "1", 5, false);
	struct backend_row told = point("m", "1", 5, false);
	told.totals_ts = 9, told.count = 3, told.bytes = 30;
	assert_true(points_join(&points, &told));
	told.totals_ts = 8, told.count = 1;
	assert_false(points_join(&points, &told));
	join(&points, "a", "2", 6, true);
	points_totals(&points, &count, &bytes);
	assert_int_equal(count, 3);
	assert_int_equal(bytes, 30);
	points_forget(&points, 5);
	assert_null(points_cut(&points));
	points_forget(&points, 6);
	assert_int_equal(points.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_name_is_found_behind_its_nearest_point),
	        cmocka_unit_test(of_proposals_the_latest_counts),
	        cmocka_unit_test(what_moved_ends_the_proposals_behind_it),
	        cmocka_unit_test(totals_are_the_newest_and_only_of_what_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
