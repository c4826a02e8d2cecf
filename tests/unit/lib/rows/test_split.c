/* Containers in ranges, as one device sees them: what it takes behind a point, what it counts, and
 * what is left when the names have moved. */
#include "tests/lib/rows_rig.h"

#include "lib/backend/points.h"

#define ROWS 300

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_init(&rig, BACKEND_CONTAINER);
	rig.config.split_rows = ROWS - 1;
	assert_int_equal(rig_open(&rig), ERR_OK);
	return rig_put(&rig, "c", 10);
}

static int teardown(void **state)
{
	(void)state;
	rowlog_release(&rig.device);
	rig_done(&rig);
	return 0;
}

static void reopen(void)
{
	rig_close(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
}

static struct backend_msg *split_msg(
        enum split_stage stage, const char *after, const char *id, uint64_t ts)
{
	struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_SPLIT, "c", ts);
	struct backend_row *row = backend_msg_alloc(msg, sizeof(*row));

	*row = (struct backend_row){
	        .name = after, .content_type = id, .etag = "", .ts = ts, .totals_ts = ts};
	msg->stage = stage;
	msg->meta_ts = UINT64_MAX;
	msg->rows = row;
	msg->row_count = stage != SPLIT_PREPARE && stage != SPLIT_STILL;
	return msg;
}

static enum err split(enum split_stage stage, const char *after, const char *id, uint64_t ts)
{
	return rig_do(&rig, split_msg(stage, after, id, ts));
}

/* A row whose writer brings it to that range too. */
static enum err row_also(const char *object, uint64_t ts, const char *id)
{
	struct backend_row row = {.name = object, .ts = ts, .bytes = 1};
	struct backend_msg *msg = rig_rows_msg(&rig, "c", &row, 1);

	msg->list.marker = id;
	return rig_do(&rig, msg);
}

static const char *name_of(unsigned i)
{
	static char name[8];

	snprintf(name, sizeof(name), "n%03u", i);
	return name;
}

static void fill(void)
{
	for (unsigned i = 0; i < ROWS; i++)
		assert_int_equal(rig_row(&rig, "c", name_of(i), 100 + i, 1), ERR_OK);
}

static void expect_rows(uint64_t count)
{
	struct backend_call *call = rig_head(&rig, "c");

	assert_int_equal(call->reply.err, ERR_OK);
	assert_int_equal(call->reply.count[0], count);
	assert_int_equal(call->reply.bytes[0], count);
	rig_free(call);
}

/* All rows and tombstones of these names that the device still has. */
static unsigned known_behind(const char *after)
{
	struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_ROW_RANGE, "c", 0);
	struct backend_row row;
	unsigned n = 0;

	msg->list.marker = after;
	msg->list.limit = 10000;
	struct backend_call *call = rig_ask(&rig, msg);
	for (size_t at = 0; backend_rows_next(&call->reply.rows, &at, &row);)
		n++;
	rig_free(call);
	return n;
}

static void behind_a_proposed_point_only_who_knows_it_writes(void **state)
{
	(void)state;
	fill();
	assert_int_equal(split(SPLIT_PREPARE, "", "", 1000), ERR_OK);
	assert_int_equal(split(SPLIT_ACCEPT, "n149", "id", 1000), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "n149", 1001, 1), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "n150", 1001, 1), ERR_MOVED);
	assert_int_equal(row_also("n150", 1001, "other"), ERR_MOVED);
	assert_int_equal(row_also("n150", 1001, "id"), ERR_OK);
	assert_int_equal(row_also("n999", 1002, "id"), ERR_OK);
	expect_rows(ROWS + 1); /* nothing has moved yet */
	assert_int_equal(known_behind("n149"), ROWS / 2 + 1);
}

static void what_moved_is_not_counted_from_that_moment_on(void **state)
{
	(void)state;
	fill();
	assert_int_equal(split(SPLIT_ACCEPT, "n149", "id", 1000), ERR_OK);
	while (!rows_idle(rig.rows)) {
		/* Names among those that are being counted go on to change. */
		assert_int_equal(row_also("n200", 2000 + rig.clock.mono_us, "id"), ERR_OK);
		expect_rows(ROWS);
		rig_pass(&rig, 300000);
		rig_settle(&rig);
	}
	assert_int_equal(split(SPLIT_MOVED, "n149", "id", 1000), ERR_OK);
	expect_rows(ROWS / 2);
	assert_int_equal(row_also("n200", 9000000000, "id"), ERR_MOVED);
	struct backend_call *call = rig_list(&rig, "c", &(struct backend_list){.limit = 10000});
	struct backend_row row = {0};
	unsigned n = 0;
	for (size_t at = 0; backend_rows_next(&call->reply.rows, &at, &row);)
		n++;
	assert_int_equal(n, ROWS / 2);
	assert_string_equal(row.name, "n149");
	assert_string_equal(points_cut(&call->reply.points), "n149");
	rig_free(call);
}

static void what_moved_goes_without_a_trace(void **state)
{
	struct rows_split wanted;

	(void)state;
	fill();
	rig_settle(&rig);
	assert_true(rows_next_split(rig.rows, &wanted));
	assert_string_equal(wanted.container, "c");
	rows_split_done(&wanted);
	assert_int_equal(split(SPLIT_ACCEPT, "n149", "id", 1000), ERR_OK);
	assert_int_equal(split(SPLIT_MOVED, "n149", "id", 1000), ERR_OK);
	assert_int_equal(split(SPLIT_PREPARE, "", "", 2000), ERR_BUSY);
	for (unsigned i = 0; i < 3; i++) {
		rig_pass(&rig, 600000);
		rig_settle(&rig);
	}
	assert_int_equal(split(SPLIT_PREPARE, "", "", 2000), ERR_OK);
	assert_false(rows_next_split(rig.rows, &wanted));
	reopen();
	rig_settle(&rig);
	expect_rows(ROWS / 2);
	/* Its tombstones are not there either. */
	struct backend_call *call = rig_ask(&rig, rig_msg(&rig, BACKEND_DB_STATE, "c", 0));
	assert_int_equal(call->reply.size, ROWS / 2);
	rig_free(call);
	assert_int_equal(known_behind("n000"), ROWS / 2 - 1);
}

static void a_start_goes_on_with_what_was_left(void **state)
{
	(void)state;
	fill();
	rig_settle(&rig);
	assert_int_equal(split(SPLIT_ACCEPT, "n149", "id", 1000), ERR_OK);
	reopen();
	assert_int_equal(row_also("n150", 1001, "id"), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "n151", 1001, 1), ERR_MOVED);
	assert_int_equal(split(SPLIT_MOVED, "n149", "id", 1000), ERR_OK);
	for (unsigned i = 0; i < 12; i++) {
		reopen();
		rig_turn(&rig);
	}
	rig_pass(&rig, 600000);
	rig_settle(&rig);
	expect_rows(ROWS / 2);
	assert_int_equal(split(SPLIT_PREPARE, "", "", 2000), ERR_OK);
}

/* What was written just before is not compared with the store yet when the names move. */
static void rows_that_were_not_counted_yet_go_too(void **state)
{
	struct backend_row row = {.name = "n250", .ts = 100, .bytes = 1};

	(void)state;
	assert_int_equal(rig_row(&rig, "c", "n000", 100, 1), ERR_OK);
	assert_int_equal(split(SPLIT_ACCEPT, "n149", "id", 1000), ERR_OK);
	bool taken;
	struct backend_msg *msg = rig_rows_msg(&rig, "c", &row, 1);
	msg->list.marker = "id";
	struct backend_call *late = rig_send(&rig, msg, &taken);
	assert_int_equal(split(SPLIT_MOVED, "n149", "id", 1000), ERR_OK);
	rig_wait(&rig, &taken);
	rig_free(late);
	for (unsigned i = 0; i < 3; i++) {
		rig_pass(&rig, 600000);
		rig_settle(&rig);
	}
	assert_int_equal(split(SPLIT_PREPARE, "", "", 2000), ERR_OK);
	expect_rows(1);
}

static void of_two_who_split_one_gives_up(void **state)
{
	(void)state;
	fill();
	assert_int_equal(split(SPLIT_PREPARE, "", "", 1000), ERR_OK);
	assert_int_equal(split(SPLIT_PREPARE, "", "", 1000), ERR_CONFLICT);
	assert_int_equal(split(SPLIT_PREPARE, "", "", 1001), ERR_OK);
	assert_int_equal(split(SPLIT_ACCEPT, "n100", "first", 1000), ERR_CONFLICT);
	assert_int_equal(split(SPLIT_ACCEPT, "n149", "second", 1001), ERR_OK);
	struct backend_call *call = rig_ask(&rig, split_msg(SPLIT_PREPARE, "", "", 1002));
	struct backend_row point;
	assert_true(points_proposed(&call->reply.points, &point));
	assert_string_equal(point.content_type, "second");
	rig_free(call);
	assert_int_equal(split(SPLIT_ACCEPT, "n149", "second", 1001), ERR_CONFLICT);
	assert_int_equal(split(SPLIT_ACCEPT, "n149", "second", 1002), ERR_OK);
}

static void a_delete_must_know_all_points(void **state)
{
	struct backend_row known = {.name = "id", .ts = 1};

	(void)state;
	assert_int_equal(split(SPLIT_MOVED, "n149", "id", 1000), ERR_OK);
	rig_settle(&rig);
	assert_int_equal(rig_delete(&rig, "c", 2000), ERR_CONFLICT);
	struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_DELETE, "c", 2000);
	msg->rows = &known;
	msg->row_count = 1;
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	/* A new one begins without points, and what belonged to the old one changes nothing. */
	assert_int_equal(rig_put(&rig, "c", 3000), ERR_OK);
	assert_int_equal(split(SPLIT_MOVED, "n149", "id", 1000), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "n200", 3001, 1), ERR_OK);
	expect_rows(1);
}

static void who_is_to_stay_empty_takes_no_row(void **state)
{
	(void)state;
	struct backend_msg *msg = split_msg(SPLIT_STILL, "", "", 1000);
	msg->len = 1;
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "n", 1001, 1), ERR_BUSY);
	assert_int_equal(rig_do(&rig, split_msg(SPLIT_STILL, "", "", 1000)), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "n", 1001, 1), ERR_OK);
	msg = split_msg(SPLIT_STILL, "", "", 1000);
	msg->len = 1;
	assert_int_equal(rig_do(&rig, msg), ERR_CONFLICT);
}

static void what_is_made_anew_takes_rows(void **state)
{
	(void)state;
	struct backend_msg *msg = split_msg(SPLIT_STILL, "", "", 1000);
	msg->len = 1;
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	assert_int_equal(rig_delete(&rig, "c", 1000), ERR_OK);
	assert_int_equal(rig_put(&rig, "c", 1001), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "n", 1002, 1), ERR_OK);
}

static void points_come_with_what_a_replica_knows(void **state)
{
	(void)state;
	fill();
	split(SPLIT_ACCEPT, "n149", "id", 1000);
	split(SPLIT_MOVED, "n149", "id", 1000);
	split(SPLIT_ACCEPT, "n050", "next", 1001); /* busy: not taken */
	struct backend_call *state_of = rig_ask(&rig, rig_msg(&rig, BACKEND_DB_STATE, "c", 0));
	struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_MERGE, "d", 1);
	backend_msg_headers(msg, &state_of->reply.items);
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	rig_free(state_of);
	/* A row behind the cut, from a replica that does not know it yet. */
	struct backend_row row = {.name = "n200", .ts = 1005, .bytes = 1};
	msg = rig_rows_msg(&rig, "d", &row, 1);
	msg->op = BACKEND_DB_MERGE;
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	struct backend_call *head = rig_head(&rig, "d");
	assert_string_equal(points_cut(&head->reply.points), "n149");
	assert_int_equal(head->reply.count[0], 0);
	rig_free(head);
	assert_int_equal(rig_row(&rig, "d", "n200", 1006, 1), ERR_MOVED);
}

static void a_list_under_way_when_names_move_is_done_again(void **state)
{
	struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_LIST, "c", 0);
	bool listed, moved;

	(void)state;
	fill();
	rig_settle(&rig);
	assert_int_equal(split(SPLIT_ACCEPT, "n149", "id", 1000), ERR_OK);
	msg->list.limit = 10000;
	struct backend_call *list = rig_send(&rig, msg, &listed);
	struct backend_call *move =
	        rig_send(&rig, split_msg(SPLIT_MOVED, "n149", "id", 1000), &moved);
	rig_wait(&rig, &moved);
	rig_wait(&rig, &listed);
	/* Either before or after, but never a list that goes on behind what it says is its end. */
	const char *cut = points_cut(&list->reply.points);
	struct backend_row row = {0};
	for (size_t at = 0; backend_rows_next(&list->reply.rows, &at, &row);)
		;
	assert_string_equal(row.name, cut ? "n149" : "n299");
	rig_free(list);
	rig_free(move);
}

int main(void)
{
#define SPLIT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        SPLIT_TEST(behind_a_proposed_point_only_who_knows_it_writes),
	        SPLIT_TEST(what_moved_is_not_counted_from_that_moment_on),
	        SPLIT_TEST(what_moved_goes_without_a_trace),
	        SPLIT_TEST(a_start_goes_on_with_what_was_left),
	        SPLIT_TEST(rows_that_were_not_counted_yet_go_too),
	        SPLIT_TEST(of_two_who_split_one_gives_up),
	        SPLIT_TEST(a_delete_must_know_all_points),
	        SPLIT_TEST(who_is_to_stay_empty_takes_no_row),
	        SPLIT_TEST(what_is_made_anew_takes_rows),
	        SPLIT_TEST(points_come_with_what_a_replica_knows),
	        SPLIT_TEST(a_list_under_way_when_names_move_is_done_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
