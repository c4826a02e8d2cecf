/* What a proxy learns of ranges from those who refused it. */
#include "proxy/ranges.h"

#include "tests/lib/test.h"
#include <string.h>

static struct proxy proxy;
static struct place place = {
        .devices = {7, 8, 9}, .count = 3, .set_count = 1, .sets = {7}, .need = {2}};
static struct backend_call calls[3];
static struct fan fan = {.count = 3, .calls = calls, .place = &place};

static int setup(void **state)
{
	(void)state;
	memset(calls, 0, sizeof(calls));
	for (unsigned i = 0; i < 3; i++)
		calls[i].device = place.devices[i];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		buf_done(&calls[i].reply.points);
	ranges_forget_all(&proxy);
	hash_done(&proxy.ranges);
	return 0;
}

static void tells(unsigned device, const char *name, const char *id, uint64_t ts, bool proposed)
{
	calls[device].answered = true;
	points_join(&calls[device].reply.points, &(struct backend_row){.name = name,
	                                                 .content_type = id,
	                                                 .etag = "",
	                                                 .ts = ts,
	                                                 .deleted = proposed});
}

/* "id " for a point that is sure, "id? " for one that is not. */
static const char *known(void)
{
	static struct buf text;
	const struct buf *points = ranges_known(&proxy, "a", "c");
	struct backend_row point;

	buf_reset(&text);
	for (size_t at = 0; points && backend_rows_next(points, &at, &point);)
		buf_printf(&text, "%s%s ", point.content_type, point.deleted ? "?" : "");
	return buf_text(&text);
}

static void a_point_is_sure_when_a_majority_says_so(void **state)
{
	(void)state;
	assert_string_equal(known(), "");
	tells(0, "m", "1", 5, false);
	tells(1, "m", "1", 5, true);
	ranges_learn(&proxy, "a", "c", "", &fan);
	assert_string_equal(known(), "1? ");
	tells(2, "m", "1", 5, false);
	ranges_learn(&proxy, "a", "c", "", &fan);
	assert_string_equal(known(), "1 ");
}

static void what_is_sure_stays_so(void **state)
{
	(void)state;
	tells(0, "m", "1", 5, false);
	tells(1, "m", "1", 5, false);
	ranges_learn(&proxy, "a", "c", "", &fan);
	teardown(NULL);
	assert_string_equal(known(), "");
	setup(NULL);
	tells(0, "m", "1", 5, false);
	tells(1, "m", "1", 5, false);
	ranges_learn(&proxy, "a", "c", "", &fan);
	buf_reset(&calls[1].reply.points);
	ranges_learn(&proxy, "a", "c", "", &fan);
	assert_string_equal(known(), "1 ");
}

static void a_proposal_that_came_to_nothing_is_forgotten(void **state)
{
	(void)state;
	tells(0, "m", "first", 5, true);
	ranges_learn(&proxy, "a", "c", "", &fan);
	assert_string_equal(known(), "first? ");
	buf_reset(&calls[0].reply.points);
	tells(0, "k", "second", 6, true);
	tells(1, "k", "second", 6, true);
	ranges_learn(&proxy, "a", "c", "", &fan);
	assert_string_equal(known(), "second? ");
}

static void a_range_tells_of_what_is_behind_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		tells(i, "m", "1", 5, false);
	ranges_learn(&proxy, "a", "c", "", &fan);
	for (unsigned i = 0; i < 2; i++) {
		buf_reset(&calls[i].reply.points);
		tells(i, "t", "2", 6, true);
	}
	ranges_learn(&proxy, "a", "c", "1", &fan);
	assert_string_equal(known(), "1 2? ");
	/* The container's own devices know nothing of that, and do not undo it. */
	for (unsigned i = 0; i < 2; i++) {
		buf_reset(&calls[i].reply.points);
		tells(i, "m", "1", 5, false);
	}
	ranges_learn(&proxy, "a", "c", "", &fan);
	assert_string_equal(known(), "1 2? ");
}

static void points_of_before_a_delete_do_not_count(void **state)
{
	(void)state;
	tells(0, "m", "1", 5, false);
	tells(1, "m", "1", 5, false);
	calls[2].answered = true;
	calls[2].reply.delete_ts = 6;
	calls[2].reply.put_ts = 7;
	ranges_learn(&proxy, "a", "c", "", &fan);
	assert_string_equal(known(), "");
	/* One that no put has followed may be of one device alone. */
	calls[2].reply.put_ts = 4;
	ranges_learn(&proxy, "a", "c", "", &fan);
	assert_string_equal(known(), "1 ");
}

static void the_name_of_a_range_says_whose_it_is(void **state)
{
	AUTO(buf) struct buf room = BUF_NONE;
	const char *account, *container, *a, *c, *id;

	(void)state;
	range_path("acc", "box", "", &room, &account, &container);
	assert_string_equal(account, "acc");
	assert_string_equal(container, "box");
	range_path("acc", "box", "12", &room, &account, &container);
	assert_string_equal(account, RANGES_ACCOUNT);
	assert_string_equal(container, "acc/box/12");
	assert_true(range_parts(room.data, &a, &c, &id));
	assert_string_equal(a, "acc");
	assert_string_equal(c, "box");
	assert_string_equal(id, "12");
	char none[] = "acc/box";
	assert_false(range_parts(none, &a, &c, &id));
}

int main(void)
{
#define RANGES_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        RANGES_TEST(a_point_is_sure_when_a_majority_says_so),
	        RANGES_TEST(what_is_sure_stays_so),
	        RANGES_TEST(a_proposal_that_came_to_nothing_is_forgotten),
	        RANGES_TEST(a_range_tells_of_what_is_behind_it),
	        RANGES_TEST(points_of_before_a_delete_do_not_count),
	        RANGES_TEST(the_name_of_a_range_says_whose_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
