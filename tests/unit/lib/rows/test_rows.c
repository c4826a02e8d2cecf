#include "tests/lib/rows_rig.h"

#include "lib/base/ts.h"

static struct rig rig;

static int container_rig(void **state)
{
	(void)state;
	rig_init(&rig, BACKEND_CONTAINER);
	return rig_open(&rig);
}

static int account_rig(void **state)
{
	(void)state;
	rig_init(&rig, BACKEND_ACCOUNT);
	return rig_open(&rig);
}

static int no_rig(void **state)
{
	(void)state;
	rowlog_release(&rig.device);
	rig_done(&rig);
	return 0;
}

static void expect_totals(const char *name, uint64_t count, uint64_t bytes)
{
	struct backend_call *call = rig_head(&rig, name);

	assert_int_equal(call->reply.err, ERR_OK);
	assert_int_equal(call->reply.count[0], count);
	assert_int_equal(call->reply.bytes[0], bytes);
	rig_free(call);
}

static void a_container_lives_and_dies(void **state)
{
	(void)state;
	assert_int_equal(rig_row(&rig, "c", "o", 50, 5), ERR_NOT_FOUND);
	assert_int_equal(rig_put(&rig, "c", 100), ERR_OK);
	assert_int_equal(rig_put(&rig, "c", 110), ERR_EXISTS);
	assert_int_equal(rig_row(&rig, "c", "b", 120, 5), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "a", 121, 7), ERR_OK);
	expect_totals("c", 2, 12);
	assert_string_equal(rig_names(&rig, "c", (struct backend_list){0}), "a b ");
	assert_int_equal(rig_delete(&rig, "c", 130), ERR_CONFLICT);
	assert_int_equal(rig_unrow(&rig, "c", "a", 131), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "a", 125, 9), ERR_OK);
	expect_totals("c", 1, 5);
	rig_settle(&rig);
	assert_int_equal(rig_row(&rig, "c", "a", 126, 9), ERR_OK);
	expect_totals("c", 1, 5);
	assert_string_equal(rig_names(&rig, "c", (struct backend_list){0}), "b ");
	assert_int_equal(rig_unrow(&rig, "c", "b", 140), ERR_OK);
	assert_int_equal(rig_delete(&rig, "c", 105), ERR_CONFLICT);
	assert_int_equal(rig_delete(&rig, "c", 150), ERR_OK);
	assert_int_equal(rig_delete(&rig, "c", 151), ERR_NOT_FOUND);
	assert_int_equal(rig_row(&rig, "c", "a", 160, 9), ERR_NOT_FOUND);
	assert_int_equal(rig_put(&rig, "c", 149), ERR_CONFLICT);
	assert_int_equal(rig_put(&rig, "c", 170), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "a", 145, 9), ERR_OK);
	expect_totals("c", 0, 0);
}

static void headers(struct backend_msg *msg, const char *name, const char *value)
{
	AUTO(buf) struct buf block = BUF_NONE;

	kv_add(&block, name, value);
	backend_msg_headers(msg, &block);
}

static void headers_are_merged_each_by_its_time(void **state)
{
	struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_PUT, "c", 100);

	(void)state;
	headers(msg, "X-Container-Meta-A", "1");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	msg = rig_msg(&rig, BACKEND_DB_POST, "c", 120);
	headers(msg, "x-container-meta-b", "2");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	msg = rig_msg(&rig, BACKEND_DB_POST, "c", 110);
	headers(msg, "x-container-meta-b", "older");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	msg = rig_msg(&rig, BACKEND_DB_POST, "c", 130);
	headers(msg, "x-container-meta-a", "");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	struct backend_call *call = rig_head(&rig, "c");
	struct buf *block = &call->reply.headers;
	assert_null(kv_get(block->data, block->len, "x-container-meta-a"));
	assert_string_equal(kv_get(block->data, block->len, "x-container-meta-b"), "2");
	rig_free(call);
}

/* 90 items of user metadata, 4096 bytes: counted over all that was ever posted. */
static void metadata_is_bounded_over_all_posts(void **state)
{
	char name[64], value[4000];

	(void)state;
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	for (unsigned i = 0; i < 91; i++) {
		struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_POST, "c", 10 + i);
		snprintf(name, sizeof(name), "X-Container-Meta-%u", i);
		headers(msg, name, "v");
		assert_int_equal(rig_do(&rig, msg), i < 90 ? ERR_OK : ERR_BAD_REQUEST);
	}
	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = 0;
	struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_POST, "c", 200);
	headers(msg, "X-Container-Meta-1", value);
	assert_int_equal(rig_do(&rig, msg), ERR_BAD_REQUEST);
	msg = rig_msg(&rig, BACKEND_DB_POST, "c", 201);
	headers(msg, "X-Container-Meta-1", "");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	msg = rig_msg(&rig, BACKEND_DB_POST, "c", 202);
	headers(msg, "X-Container-Meta-90", "v");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
}

static void an_account_stays_deleted_until_it_is_empty(void **state)
{
	(void)state;
	assert_int_equal(rig_put(&rig, "a", 100), ERR_OK);
	struct backend_row row = {
	        .name = "c", .ts = 110, .count = 3, .bytes = 30, .totals_ts = 111};
	assert_int_equal(rig_update(&rig, "a", &row, 1), ERR_OK);
	struct backend_call *call = rig_head(&rig, "a");
	assert_int_equal(call->reply.containers, 1);
	assert_int_equal(call->reply.count[0], 3);
	assert_int_equal(call->reply.bytes[0], 30);
	rig_free(call);
	assert_int_equal(rig_delete(&rig, "a", 120), ERR_OK);
	call = rig_head(&rig, "a");
	assert_int_equal(call->reply.err, ERR_NOT_FOUND);
	assert_true(call->reply.deleted);
	rig_free(call);
	assert_int_equal(rig_put(&rig, "a", 130), ERR_FORBIDDEN);
	assert_int_equal(rig_update(&rig, "a", &row, 1), ERR_NOT_FOUND);
	assert_string_equal(rig_names(&rig, "a", (struct backend_list){0}), "c ");
	assert_int_equal(rig_unrow(&rig, "a", "c", 125), ERR_OK);
	assert_int_equal(rig_put(&rig, "a", 130), ERR_OK);
	call = rig_head(&rig, "a");
	assert_int_equal(call->reply.containers, 0);
	assert_int_equal(call->reply.err, ERR_OK);
	rig_free(call);
}

/* One message of many rows takes several records; all of it or an error is the answer. */
static void a_large_update_takes_several_records(void **state)
{
	enum { COUNT = 2000 };
	static char names[COUNT][300];
	static struct backend_row rows[COUNT];

	(void)state;
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "%0250u", i);
		rows[i] = (struct backend_row){.name = names[i], .ts = 2, .bytes = 1};
	}
	size_t before = rig.device.count;
	assert_int_equal(rig_update(&rig, "c", rows, COUNT), ERR_OK);
	assert_true(rig.device.count - before >= 3);
	expect_totals("c", COUNT, COUNT);
}

static void what_makes_no_row_is_refused(void **state)
{
	static char long_name[5000];

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", long_name, 5, 1), ERR_BAD_REQUEST);
	assert_int_equal(rig_row(&rig, "c", "", 5, 1), ERR_BAD_REQUEST);
	assert_int_equal(rig_row(&rig, "c", "o", 0, 1), ERR_BAD_REQUEST);
	assert_int_equal(rig_put(&rig, "c", 0), ERR_BAD_REQUEST);
	struct backend_row row = {.name = "o", .ts = 5, .policy = BACKEND_POLICIES};
	assert_int_equal(rig_update(&rig, "c", &row, 1), ERR_BAD_REQUEST);
	assert_int_equal(
	        rig_do(&rig, backend_msg_new(BACKEND_DB_HEAD, BACKEND_ACCOUNT)), ERR_BAD_REQUEST);
}

static void nothing_is_seen_before_it_is_durable(void **state)
{
	bool updated, deleted;

	(void)state;
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	rig.device.held = true;
	struct backend_call *update = rig_send(&rig,
	        rig_rows_msg(&rig, "c", &(struct backend_row){.name = "o", .ts = 5}, 1), &updated);
	struct backend_call *delete =
	        rig_send(&rig, rig_msg(&rig, BACKEND_DB_DELETE, "c", 10), &deleted);
	rig_pass(&rig, 100000);
	assert_false(updated);
	assert_false(deleted); /* it waits for the row that is on its way */
	expect_totals("c", 0, 0);
	rowlog_release(&rig.device);
	rig_wait(&rig, &updated);
	rig_wait(&rig, &deleted);
	assert_int_equal(update->reply.err, ERR_OK);
	assert_int_equal(delete->reply.err, ERR_CONFLICT);
	rig_free(update);
	rig_free(delete);
	expect_totals("c", 1, 0);
}

static void a_record_that_fails_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	rig.device.failing = ERR_NO_SPACE;
	assert_int_equal(rig_row(&rig, "c", "o", 5, 1), ERR_NO_SPACE);
	assert_int_equal(rig_put(&rig, "d", 5), ERR_NO_SPACE);
	assert_int_equal(rig_delete(&rig, "c", 5), ERR_NO_SPACE);
	rig.device.failing = ERR_OK;
	expect_totals("c", 0, 0);
	assert_int_equal(rig_put(&rig, "d", 6), ERR_OK);
}

/* Beyond the overlay's bound changes wait, up to their deadline; reads do not. */
static void a_full_overlay_holds_changes_back(void **state)
{
	enum { COUNT = 100 };
	struct backend_call *calls[COUNT];
	bool answered[COUNT];
	char name[32];
	unsigned late = 0, waiting = 0;

	(void)state;
	rig_close(&rig);
	rig.config.overlay_max = 4000;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	rig.device.held = true;
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%020u", i);
		struct backend_msg *msg =
		        rig_rows_msg(&rig, "c", &(struct backend_row){.name = name, .ts = 5}, 1);
		struct backend_call *call = calls[i] = mem_zalloc(sizeof(*call));
		*call = (struct backend_call){.msg = msg,
		        .done = rig_answered,
		        .owner = &answered[i],
		        .origin = rig.reactor,
		        .deadline_us = i % 2 ? rig.clock.mono_us + 50000 : 0};
		answered[i] = false;
		rows_handle(rig.rows, call);
	}
	rig_pass(&rig, 200000);
	for (unsigned i = 0; i < COUNT; i++) {
		waiting += !answered[i];
		late += answered[i] && calls[i]->reply.err == ERR_DEADLINE;
	}
	assert_true(late > 0 && waiting > late);
	struct backend_call *head = rig_head(&rig, "c");
	assert_int_equal(head->reply.err, ERR_OK);
	rig_free(head);
	rowlog_release(&rig.device);
	for (unsigned i = 0; i < COUNT; i++) {
		rig_wait(&rig, &answered[i]);
		assert_true(calls[i]->reply.err == ERR_OK || calls[i]->reply.err == ERR_DEADLINE);
		rig_free(calls[i]);
	}
	expect_totals("c", COUNT - late, 0);
}

static void closing_answers_what_waits(void **state)
{
	struct backend_call *calls[3];
	bool answered[3];

	(void)state;
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	for (unsigned i = 0; i < 3; i++)
		calls[i] = rig_send(
		        &rig, rig_msg(&rig, BACKEND_DB_HEAD, i ? "d" : "e", 0), &answered[i]);
	rig_close(&rig);
	for (unsigned i = 0; i < 3; i++) {
		rig_wait(&rig, &answered[i]);
		assert_int_equal(calls[i]->reply.err, ERR_CLOSED);
		rig_free(calls[i]);
	}
}

/* A row older than a tombstone stays away as long as the tombstone is kept. */
static void tombstones_go_after_their_time(void **state)
{
	uint64_t now;

	(void)state;
	rig_close(&rig);
	rig.config.drain_us = 1000;
	rig.config.reclaim_age = 100 * TS_PER_SECOND;
	assert_int_equal(rig_open(&rig), ERR_OK);
	now = rig.clock.wall_us / 10;
	assert_int_equal(rig_put(&rig, "c", now), ERR_OK);
	assert_int_equal(rig_unrow(&rig, "c", "o", now + 10), ERR_OK);
	rig_pass(&rig, 5000000);
	assert_int_equal(rig_row(&rig, "c", "o", now + 5, 1), ERR_OK);
	expect_totals("c", 0, 0);
	rig.clock.wall_us += 200000000;
	rig.clock.mono_us += 3700000000;
	rig_pass(&rig, 5000000);
	assert_int_equal(rig_row(&rig, "c", "o", now + 5, 1), ERR_OK);
	expect_totals("c", 0, 0); /* nobody has asked the other replicas */
	rows_agreed(rig.rows, UINT64_MAX);
	rig.clock.mono_us += 3700000000;
	rig_pass(&rig, 5000000);
	assert_int_equal(rig_row(&rig, "c", "o", now + 5, 1), ERR_OK);
	expect_totals("c", 1, 1);
}

static void pass_s(uint64_t seconds)
{
	rig.clock.wall_us += seconds * 1000000;
	rig.clock.mono_us += seconds * 1000000;
	rig_pass(&rig, 5000000);
}

/* What counts is when a tombstone came, not when its name was deleted. */
static void a_tombstone_that_came_after_the_comparison_stays(void **state)
{
	uint64_t now, agreed_us;

	(void)state;
	rig_close(&rig);
	rig.config.drain_us = 1000;
	rig.config.reclaim_age = 100 * TS_PER_SECOND;
	assert_int_equal(rig_open(&rig), ERR_OK);
	now = rig.clock.wall_us / 10;
	assert_int_equal(rig_put(&rig, "c", now), ERR_OK);
	assert_int_equal(rig_unrow(&rig, "c", "early", now + 10), ERR_OK);
	pass_s(85); /* with what passes itself: nearly old enough, but none goes yet */
	agreed_us = rig.clock.mono_us;
	rows_agreed(rig.rows, agreed_us);
	assert_int_equal(rig_unrow(&rig, "c", "late", now + 10), ERR_OK);
	pass_s(3700);
	assert_int_equal(rig_row(&rig, "c", "early", now + 5, 1), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "late", now + 5, 1), ERR_OK);
	expect_totals("c", 0, 0); /* of the late one nobody knows when it came: so all stay */
	rows_agreed(rig.rows, rig.clock.mono_us);
	pass_s(3700);
	assert_int_equal(rig_row(&rig, "c", "late", now + 5, 1), ERR_OK);
	expect_totals("c", 1, 1);
}

/* Listings while rows come: what was answered before a listing began is in it, and rows of one
 * name are never seen twice. */
static void listings_beside_changes_miss_nothing(void **state)
{
	enum { COUNT = 600 };
	static bool answered[COUNT];
	static struct backend_call *calls[COUNT];
	struct backend_row row;
	unsigned next = 0;
	char name[32];

	(void)state;
	rig_close(&rig);
	rig.config.drain_us = 1000;
	rig.config.drain_bytes = 3000;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	while (next < COUNT) {
		for (unsigned i = 0; i < 7 && next < COUNT; i++, next++) {
			snprintf(name, sizeof(name), "%06u", next * 7919 % 1000000);
			calls[next] = rig_send(&rig,
			        rig_rows_msg(
			                &rig, "c", &(struct backend_row){.name = name, .ts = 5}, 1),
			        &answered[next]);
		}
		unsigned known = 0, seen = 0;
		for (unsigned i = 0; i < next; i++)
			known += answered[i];
		struct backend_call *list = rig_list(
		        &rig, "c", &(struct backend_list){.limit = 10000, .reverse = next % 2});
		char last[32] = "";
		for (size_t at = 0; backend_rows_next(&list->reply.rows, &at, &row); seen++) {
			int order = strcmp(row.name, last);
			assert_true(!*last || (next % 2 ? order < 0 : order > 0));
			snprintf(last, sizeof(last), "%s", row.name);
		}
		assert_true(seen >= known);
		rig_free(list);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		rig_wait(&rig, &answered[i]);
		rig_free(calls[i]);
	}
	expect_totals("c", COUNT, 0);
}

/* The first page after many deletes does not walk what is gone: tombstones lie elsewhere, and
 * the removed keys are compacted away. */
static void expect_list(struct backend_call *call, const char *names, bool exact)
{
	AUTO(buf) struct buf text = BUF_NONE;
	struct backend_row row;

	for (size_t at = 0; backend_rows_next(&call->reply.rows, &at, &row);)
		buf_printf(&text, "%s ", row.name);
	assert_string_equal(buf_text(&text), names);
	assert_int_equal(call->reply.exact, exact);
}

/* Replicas are compared by their hashes: one of a later moment than the rows would hide that they
 * are old. */
static void a_listing_tells_the_hash_it_began_with(void **state)
{
	struct backend_list all = {.limit = 100};
	struct backend_msg *msg;
	uint8_t hash[16];
	bool listed, deleted;

	(void)state;
	assert_int_equal(rig_put(&rig, "c", 100), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "a", 120, 5), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "b", 121, 5), ERR_OK);
	struct backend_call *call = rig_list(&rig, "c", &all);
	expect_list(call, "a b ", true);
	memcpy(hash, call->reply.hash, 16);
	rig_free(call);

	rig.device.held = true;
	msg = rig_rows_msg(
	        &rig, "c", &(struct backend_row){.name = "a", .ts = 130, .deleted = true}, 1);
	struct backend_call *update = rig_send(&rig, msg, &deleted);
	msg = rig_msg(&rig, BACKEND_DB_LIST, "c", 0);
	msg->list = all;
	call = rig_send(&rig, msg, &listed);
	while (work_pool_pending(rig.pool))
		sched_yield();
	/* The rows have been read, and are not answered yet. */
	rowlog_commit(&rig.device);
	rig_wait(&rig, &listed);
	expect_list(call, "a b ", false);
	assert_memory_equal(call->reply.hash, hash, 16);
	rig_free(call);
	rowlog_release(&rig.device);
	rig_wait(&rig, &deleted);
	rig_free(update);

	call = rig_list(&rig, "c", &all);
	expect_list(call, "b ", true);
	assert_memory_not_equal(call->reply.hash, hash, 16);
	rig_free(call);
}

static void expect_known(const char *expected)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_ROWS, "c", 0);
	struct backend_row *rows = backend_msg_alloc(msg, COUNT_OF(names) * sizeof(*rows));
	AUTO(buf) struct buf text = BUF_NONE;
	struct backend_row row;

	for (unsigned i = 0; i < COUNT_OF(names); i++)
		rows[i].name = names[i];
	msg->rows = rows;
	msg->row_count = COUNT_OF(names);
	struct backend_call *call = rig_ask(&rig, msg);
	assert_int_equal(call->reply.err, ERR_OK);
	for (size_t at = 0; backend_rows_next(&call->reply.rows, &at, &row);)
		buf_printf(&text, "%s%llu%s ", row.name, (unsigned long long)row.ts,
		        row.deleted ? "-" : "+");
	assert_string_equal(buf_text(&text), expected);
	rig_free(call);
}

static void single_names_are_known_with_their_tombstones(void **state)
{
	(void)state;
	assert_int_equal(rig_put(&rig, "c", 100), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "a", 120, 5), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "b", 121, 5), ERR_OK);
	assert_int_equal(rig_unrow(&rig, "c", "b", 122), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "d", 123, 5), ERR_OK);
	expect_known("a120+ b122- d123+ ");
	rig_settle(&rig);
	expect_known("a120+ b122- d123+ ");
	assert_int_equal(rig_unrow(&rig, "c", "a", 130), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "b", 131, 5), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "d", 100, 5), ERR_OK);
	expect_known("a130- b131+ d123+ ");
}

static void many_deletes_are_compacted_away(void **state)
{
	enum { ROUNDS = 80, PART = 500 };
	static char names[PART][32];
	static struct backend_row rows[PART];
	struct rows_stats stats;

	(void)state;
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	for (unsigned deleted = 0; deleted < 2; deleted++) {
		for (unsigned round = 0; round < ROUNDS; round++) {
			for (unsigned i = 0; i < PART; i++) {
				snprintf(names[i], sizeof(names[i]), "%08u", round * PART + i);
				rows[i] = (struct backend_row){
				        .name = names[i], .ts = 10 + deleted, .deleted = deleted};
			}
			assert_int_equal(rig_update(&rig, "c", rows, PART), ERR_OK);
		}
		rig_settle(&rig);
	}
	rows_stats(rig.rows, &stats);
	assert_true(stats.compactions > 0);
	assert_string_equal(rig_names(&rig, "c", (struct backend_list){.limit = 1000}), "");
	expect_totals("c", 0, 0);
}

static void pass_until_report(struct rows_report *ret_report)
{
	while (!rows_next_report(rig.rows, ret_report))
		rig_turn(&rig);
}

static void changed_totals_are_reported(void **state)
{
	struct rows_report report;
	uint64_t first_ts;

	(void)state;
	assert_int_equal(rig_put(&rig, "c", 100), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "o", 110, 7), ERR_OK);
	assert_false(rows_next_report(rig.rows, &report)); /* not idle for long enough */
	uint64_t start_us = rig.clock.mono_us;
	pass_until_report(&report);
	assert_in_range(rig.clock.mono_us - start_us, 450000, 600000);
	assert_string_equal(report.account, "a");
	assert_string_equal(report.container, "c");
	assert_int_equal(report.count, 1);
	assert_int_equal(report.bytes, 7);
	assert_int_equal(report.put_ts, 100);
	first_ts = report.totals_ts;
	struct rows_report other;
	assert_false(rows_next_report(rig.rows, &other));
	rows_reported(rig.rows, &report, false); /* it comes again */
	rows_report_done(&report);
	pass_until_report(&report);
	assert_true(report.totals_ts > first_ts);
	rows_reported(rig.rows, &report, true);
	rows_report_done(&report);
	rig_pass(&rig, 20000000);
	assert_false(rows_next_report(rig.rows, &report));

	/* Never idle: 8 s after the first change. */
	start_us = rig.clock.mono_us;
	bool reported = false;
	for (unsigned i = 0; i < 200 && !reported; i++) {
		assert_int_equal(rig_row(&rig, "c", "o", 200 + i, 1000 + i), ERR_OK);
		rig_pass(&rig, 100000);
		reported = rows_next_report(rig.rows, &report);
	}
	assert_true(reported);
	assert_in_range(rig.clock.mono_us - start_us, 7900000, 8500000);
	rows_report_done(&report);
}

static void what_was_not_reported_is_after_a_crash(void **state)
{
	struct rows_report report;

	(void)state;
	rig_close(&rig);
	rig.config.drain_us = 1000;
	rig.config.checkpoint_us = 1;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "c", 100), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "o", 110, 7), ERR_OK);
	rig_pass(&rig, 500000);
	rig_close(&rig);
	assert_true(rig.device.checkpoint[DEVICE_ROLE_CONTAINER] >= 2);
	assert_int_equal(rig_open(&rig), ERR_OK);
	pass_until_report(&report);
	assert_int_equal(report.count, 1);
	rows_reported(rig.rows, &report, true);
	rows_report_done(&report);
	assert_int_equal(rig_put(&rig, "d", 120), ERR_OK); /* the next checkpoint has both */
	rig_pass(&rig, 500000);
	rig_close(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
	pass_until_report(&report);
	assert_string_equal(report.container, "d");
	rows_reported(rig.rows, &report, true);
	rows_report_done(&report);
	rig_pass(&rig, 20000000);
	assert_false(rows_next_report(rig.rows, &report));
}

static void on_reap(struct rows_reap *reap)
{
	*(bool *)reap->private_ = true;
}

static void next_deleted(struct rows_reap *reap)
{
	bool answered = false;

	reap->done = on_reap;
	reap->private_ = &answered;
	rows_next_deleted(rig.rows, reap);
	rig_wait(&rig, &answered);
}

static void deleted_accounts_are_found_until_they_are_empty(void **state)
{
	struct backend_row row = {.name = "c", .ts = 110};
	struct rows_reap reap = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const char *name = i == 0 ? "a0" : i == 1 ? "a1" : "a2";
		assert_int_equal(rig_put(&rig, name, 100), ERR_OK);
		assert_int_equal(rig_update(&rig, name, &row, 1), ERR_OK);
		if (i != 1)
			assert_int_equal(rig_delete(&rig, name, 120), ERR_OK);
	}
	rig_pass(&rig, 2000000);
	unsigned found = 0;
	for (;; found++) {
		next_deleted(&reap);
		if (reap.err)
			break;
		assert_int_equal(reap.delete_ts, 120);
		assert_string_not_equal(reap.account, "a1");
		assert_int_equal(rig_unrow(&rig, reap.account, "c", 130), ERR_OK);
		free(reap.account);
	}
	assert_int_equal(reap.err, ERR_NOT_FOUND);
	assert_int_equal(found, 2);
	rig_pass(&rig, 2000000);
	reap = (struct rows_reap){0};
	next_deleted(&reap);
	assert_int_equal(reap.err, ERR_NOT_FOUND);
}

#define CONTAINER_TEST(name) cmocka_unit_test_setup_teardown(name, container_rig, no_rig)
#define ACCOUNT_TEST(name)   cmocka_unit_test_setup_teardown(name, account_rig, no_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CONTAINER_TEST(a_container_lives_and_dies),
	        CONTAINER_TEST(headers_are_merged_each_by_its_time),
	        CONTAINER_TEST(metadata_is_bounded_over_all_posts),
	        CONTAINER_TEST(a_large_update_takes_several_records),
	        CONTAINER_TEST(what_makes_no_row_is_refused),
	        CONTAINER_TEST(nothing_is_seen_before_it_is_durable),
	        CONTAINER_TEST(a_record_that_fails_changes_nothing),
	        CONTAINER_TEST(a_full_overlay_holds_changes_back),
	        CONTAINER_TEST(closing_answers_what_waits),
	        CONTAINER_TEST(tombstones_go_after_their_time),
	        CONTAINER_TEST(a_tombstone_that_came_after_the_comparison_stays),
	        CONTAINER_TEST(listings_beside_changes_miss_nothing),
	        CONTAINER_TEST(a_listing_tells_the_hash_it_began_with),
	        CONTAINER_TEST(single_names_are_known_with_their_tombstones),
	        CONTAINER_TEST(many_deletes_are_compacted_away),
	        CONTAINER_TEST(changed_totals_are_reported),
	        CONTAINER_TEST(what_was_not_reported_is_after_a_crash),
	        ACCOUNT_TEST(an_account_stays_deleted_until_it_is_empty),
	        ACCOUNT_TEST(deleted_accounts_are_found_until_they_are_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
