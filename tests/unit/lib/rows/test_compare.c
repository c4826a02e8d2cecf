/* What two replicas say of their databases and rows, and what MERGE makes of it. */
#include "tests/lib/rows_rig.h"

#include "lib/base/kv.h"
#include "lib/rows/row.h"

static struct rig a, b;

static int setup(void **state)
{
	(void)state;
	rig_init(&a, BACKEND_CONTAINER);
	rig_init(&b, BACKEND_CONTAINER);
	rig_turn(&a);
	assert_int_equal(rig_open(&a), ERR_OK);
	rig_turn(&b);
	return rig_open(&b);
}

static int teardown(void **state)
{
	(void)state;
	rig_turn(&a);
	rig_done(&a);
	rig_turn(&b);
	rig_done(&b);
	return 0;
}

/* Jobs go to the loop that turned last. */
static struct backend_call *ask(struct rig *rig, struct backend_msg *msg)
{
	rig_turn(rig);
	return rig_ask(rig, msg);
}

static struct backend_msg *range_msg(enum backend_op op, uint8_t bits, uint8_t fan_out)
{
	static const uint64_t all[] = {0, 1ull << 63};
	struct backend_msg *msg = backend_msg_new(op, BACKEND_CONTAINER);

	msg->ranges = all;
	msg->range_count = bits ? 2 : 1;
	msg->range_bits = bits;
	msg->fan_out = fan_out;
	return msg;
}

static bool equal(void)
{
	struct backend_call *x = ask(&a, range_msg(BACKEND_DB_DIGEST, 0, 5));
	struct backend_call *y = ask(&b, range_msg(BACKEND_DB_DIGEST, 0, 5));

	assert_int_equal(x->reply.err, ERR_OK);
	assert_int_equal(x->reply.items.len, 32 * sizeof(struct backend_digest));
	bool same = memcmp(x->reply.items.data, y->reply.items.data, x->reply.items.len) == 0;
	rig_free(x);
	rig_free(y);
	return same;
}

static enum err put_with(
        struct rig *rig, const char *name, uint64_t ts, const char *header, const char *value)
{
	AUTO(buf) struct buf block = BUF_NONE;
	struct backend_msg *msg = rig_msg(rig, BACKEND_DB_PUT, name, ts);

	kv_add(&block, header, value);
	backend_msg_headers(msg, &block);
	rig_turn(rig);
	enum err err = rig_do(rig, msg);
	return err == ERR_EXISTS ? ERR_OK : err;
}

/* Brings what `from` knows of itself to `to`. */
static void merge_info(struct rig *from, struct rig *to, const char *name)
{
	struct backend_call *state = ask(from, rig_msg(from, BACKEND_DB_STATE, name, 0));

	assert_int_equal(state->reply.err, ERR_OK);
	struct backend_msg *msg = rig_msg(to, BACKEND_DB_MERGE, name, 1);
	backend_msg_headers(msg, &state->reply.items);
	rig_free(state);
	rig_turn(to);
	assert_int_equal(rig_do(to, msg), ERR_OK);
}

static void fill(struct rig *rig, unsigned from, unsigned to, uint64_t ts)
{
	char names[100][16];
	struct backend_row rows[100];
	unsigned n = 0;

	rig_turn(rig);
	for (unsigned i = from; i < to; i++) {
		snprintf(names[n], sizeof(names[n]), "o%06u", i);
		rows[n] = (struct backend_row){
		        .name = names[n], .content_type = "", .etag = "", .ts = ts};
		if (++n == 100 || i + 1 == to) {
			assert_int_equal(rig_update(rig, "c", rows, n), ERR_OK);
			n = 0;
		}
	}
}

static void databases_are_told_from_memory_and_store_alike(void **state)
{
	(void)state;
	assert_true(equal());
	for (unsigned i = 0; i < 30; i++) {
		char name[16];
		snprintf(name, sizeof(name), "c%u", i);
		assert_int_equal(put_with(&a, name, 10 + i, "X-Container-Meta-A", "1"), ERR_OK);
		assert_int_equal(put_with(&b, name, 10 + i, "X-Container-Meta-A", "1"), ERR_OK);
	}
	assert_true(equal());
	rig_turn(&a);
	rig_settle(&a);
	rig_close(&a); /* what was in memory alone is read from the store now */
	assert_int_equal(rig_open(&a), ERR_OK);
	assert_true(equal());
	assert_int_equal(put_with(&a, "c7", 100, "X-Container-Meta-A", "2"), ERR_OK);
	assert_false(equal());
	struct backend_call *keys = ask(&a, range_msg(BACKEND_DB_KEYS, 1, 0));
	assert_int_equal(keys->reply.items.len, 30 * sizeof(struct backend_db_key));
	assert_false(keys->reply.more);
	for (unsigned i = 1; i < 30; i++)
		assert_true(memcmp(keys->reply.items.data + (i - 1) * sizeof(struct backend_db_key),
		                    keys->reply.items.data + i * sizeof(struct backend_db_key),
		                    16) < 0);
	rig_free(keys);
}

static void rows_make_a_database_differ(void **state)
{
	(void)state;
	assert_int_equal(put_with(&a, "c", 1, "A", "1"), ERR_OK);
	assert_int_equal(put_with(&b, "c", 1, "A", "1"), ERR_OK);
	fill(&a, 0, 3, 5);
	rig_turn(&a);
	rig_settle(&a);
	assert_false(equal());
	fill(&b, 0, 3, 5);
	rig_turn(&b);
	rig_settle(&b);
	assert_true(equal());
}

static void info_merges_both_ways(void **state)
{
	(void)state;
	assert_int_equal(put_with(&a, "c", 10, "X-Container-Meta-A", "first"), ERR_OK);
	assert_int_equal(put_with(&a, "c", 20, "X-Container-Meta-B", "a"), ERR_OK);
	assert_int_equal(put_with(&b, "c", 15, "X-Container-Meta-A", "second"), ERR_OK);
	merge_info(&a, &b, "c");
	assert_false(equal());
	merge_info(&b, &a, "c");
	assert_true(equal());
	rig_turn(&a);
	struct backend_call *head = rig_head(&a, "c");
	const struct buf *block = &head->reply.headers;
	assert_string_equal(kv_get(block->data, block->len, "X-Container-Meta-A"), "second");
	assert_string_equal(kv_get(block->data, block->len, "X-Container-Meta-B"), "a");
	assert_int_equal(head->reply.ts, 10);
	assert_int_equal(head->reply.put_ts, 20);
	rig_free(head);
}

static void a_deleted_one_is_deleted_everywhere(void **state)
{
	(void)state;
	assert_int_equal(put_with(&a, "c", 10, "A", "1"), ERR_OK);
	assert_int_equal(put_with(&b, "c", 10, "A", "1"), ERR_OK);
	rig_turn(&a);
	assert_int_equal(rig_delete(&a, "c", 20), ERR_OK);
	merge_info(&a, &b, "c");
	assert_true(equal());
	merge_info(&b, &a, "c");
	assert_true(equal());
	rig_turn(&b);
	struct backend_call *head = rig_head(&b, "c");
	assert_int_equal(head->reply.err, ERR_NOT_FOUND);
	rig_free(head);
}

/* A container unknown there comes to be, and takes the rows of the same message. */
static void merge_makes_what_is_not_there(void **state)
{
	struct backend_row row = {
	        .name = "o", .content_type = "text/plain", .etag = "", .ts = 7, .bytes = 3};

	(void)state;
	struct backend_msg *msg = rig_rows_msg(&b, "c", &row, 1);
	msg->op = BACKEND_DB_MERGE;
	rig_turn(&b);
	assert_int_equal(rig_do(&b, msg), ERR_NOT_FOUND);
	assert_int_equal(put_with(&a, "c", 10, "A", "1"), ERR_OK);
	struct backend_call *state_of = ask(&a, rig_msg(&a, BACKEND_DB_STATE, "c", 0));
	msg = rig_rows_msg(&b, "c", &row, 1);
	msg->op = BACKEND_DB_MERGE;
	backend_msg_headers(msg, &state_of->reply.items);
	rig_free(state_of);
	rig_turn(&b);
	assert_int_equal(rig_do(&b, msg), ERR_OK);
	assert_string_equal(rig_names(&b, "c", (struct backend_list){0}), "o ");
	/* Also a tombstone for one that was deleted; what lived before stays dead. */
	assert_int_equal(rig_unrow(&b, "c", "o", 20), ERR_OK);
	assert_int_equal(rig_delete(&b, "c", 30), ERR_OK);
	row.deleted = true;
	row.ts = 25;
	msg = rig_rows_msg(&b, "c", &row, 1);
	msg->op = BACKEND_DB_MERGE;
	assert_int_equal(rig_do(&b, msg), ERR_OK);
}

static void what_is_no_state_is_refused(void **state)
{
	AUTO(buf) struct buf junk = BUF_NONE;

	(void)state;
	for (unsigned len = 1; len < 200; len += 7) {
		buf_reset(&junk);
		for (unsigned i = 0; i < len; i++)
			buf_char(&junk, (char)(i * 37 + len));
		struct backend_msg *msg = rig_msg(&a, BACKEND_DB_MERGE, "c", 1);
		backend_msg_headers(msg, &junk);
		rig_turn(&a);
		assert_int_equal(rig_do(&a, msg), ERR_BAD_REQUEST);
	}
}

static struct backend_msg *rows_msg(
        enum backend_op op, const char *from, const char *to, uint32_t limit, uint64_t before_ts)
{
	struct backend_msg *msg = rig_msg(&a, op, "c", before_ts);

	msg->list.marker = backend_msg_strdup(msg, from);
	msg->list.end_marker = backend_msg_strdup(msg, to);
	msg->list.limit = limit;
	return msg;
}

/* name:count pairs. */
static void expect_parts(struct rig *rig, struct backend_msg *msg, const char *expected, bool more)
{
	AUTO(buf) struct buf text = BUF_NONE;
	struct backend_call *call = ask(rig, msg);
	struct backend_row row;

	assert_int_equal(call->reply.err, ERR_OK);
	assert_int_equal(call->reply.more, more);
	for (size_t at = 0; backend_rows_next(&call->reply.rows, &at, &row);)
		buf_printf(&text, "%s:%u ", row.name, (unsigned)row.count);
	assert_string_equal(buf_text(&text), expected);
	rig_free(call);
}

static void rows_are_told_in_parts(void **state)
{
	struct backend_row ends[2] = {{.name = "o000002"}, {.name = "o000004"}};

	(void)state;
	assert_int_equal(put_with(&a, "c", 1, "A", "1"), ERR_OK);
	for (unsigned pass = 0; pass < 2; pass++) {
		/* First from the overlay, then from the store with some over it. */
		fill(&a, pass * 3, pass * 3 + 4, 5);
		expect_parts(&a, rows_msg(BACKEND_DB_ROW_DIGEST, "", "", 100, 0),
		        pass ? ":7 " : ":4 ", false);
		rig_turn(&a);
		rig_settle(&a);
	}
	expect_parts(&a, rows_msg(BACKEND_DB_ROW_DIGEST, "", "", 3, 0), "o000002:3 o000005:3 :1 ",
	        false);
	expect_parts(&a, rows_msg(BACKEND_DB_ROW_DIGEST, "o000001", "o000005", 3, 0),
	        "o000004:3 :1 ", false);
	struct backend_msg *given = rows_msg(BACKEND_DB_ROW_DIGEST, "o000000", "", 1, 0);
	given->rows = ends;
	given->row_count = 2;
	expect_parts(&a, given, "o000002:2 o000004:2 :2 ", false);
	rig_turn(&a);
	assert_int_equal(rig_unrow(&a, "c", "o000003", 9), ERR_OK);
	expect_parts(&a, rows_msg(BACKEND_DB_ROW_DIGEST, "", "", 100, 9), ":7 ", false);
	expect_parts(&a, rows_msg(BACKEND_DB_ROW_DIGEST, "", "", 100, 10), ":6 ", false);
	struct backend_call *rows =
	        ask(&a, rows_msg(BACKEND_DB_ROW_RANGE, "o000001", "o000004", 9, 0));
	struct backend_row row;
	unsigned n = 0, dead = 0;
	for (size_t at = 0; backend_rows_next(&rows->reply.rows, &at, &row); n++)
		dead += row.deleted;
	assert_int_equal(n, 3);
	assert_int_equal(dead, 1);
	assert_false(rows->reply.more);
	rig_free(rows);
}

static void many_rows_are_told_in_several_answers(void **state)
{
	(void)state;
	assert_int_equal(put_with(&a, "c", 1, "A", "1"), ERR_OK);
	fill(&a, 0, 2000, 5);
	struct backend_call *call = ask(&a, rows_msg(BACKEND_DB_ROW_DIGEST, "", "", 2, 0));
	struct backend_row row;
	unsigned n = 0;
	for (size_t at = 0; backend_rows_next(&call->reply.rows, &at, &row); n++)
		assert_int_equal(row.count, 2);
	assert_int_equal(n, 512);
	assert_true(call->reply.more);
	rig_free(call);
	call = ask(&a, rows_msg(BACKEND_DB_ROW_RANGE, "o001000", "", 100, 0));
	n = 0;
	for (size_t at = 0; backend_rows_next(&call->reply.rows, &at, &row); n++)
		assert_true(strcmp(row.name, "o001000") > 0);
	assert_int_equal(n, 100);
	assert_true(call->reply.more);
	rig_free(call);
}

/* As a device that has brought it to all primaries does. */
static enum err forget(struct rig *rig, const char *name, bool changed)
{
	struct backend_call *state = ask(rig, rig_msg(rig, BACKEND_DB_STATE, name, 0));
	struct backend_msg *msg = rig_msg(rig, BACKEND_DB_FORGET, name, state->reply.put_ts);

	msg->meta_ts = state->reply.delete_ts;
	memcpy(msg->etag, state->reply.hash, sizeof(msg->etag));
	msg->etag[3] ^= changed;
	rig_free(state);
	rig_turn(rig);
	return rig_do(rig, msg);
}

static void what_is_forgotten_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(forget(&a, "c", false), ERR_NOT_FOUND);
	assert_int_equal(put_with(&a, "c", 10, "X-Container-Meta-A", "1"), ERR_OK);
	assert_int_equal(put_with(&a, "other", 10, "X-Container-Meta-A", "1"), ERR_OK);
	assert_int_equal(put_with(&b, "other", 10, "X-Container-Meta-A", "1"), ERR_OK);
	fill(&a, 0, 9000, 15); /* more than a slice */
	rig_turn(&a);
	rig_settle(&a);
	fill(&a, 8990, 9010, 16); /* and some in the overlay */
	rig_turn(&a);
	assert_int_equal(rig_unrow(&a, "c", "o000001", 20), ERR_OK);
	assert_int_equal(forget(&a, "c", true), ERR_CONFLICT);
	assert_false(equal());
	assert_int_equal(forget(&a, "c", false), ERR_OK);
	for (unsigned again = 0; again < 2; again++) {
		assert_true(equal());
		assert_int_equal(rig_row(&a, "c", "o", 50, 5), ERR_NOT_FOUND);
		struct backend_call *rows = ask(&a, rows_msg(BACKEND_DB_ROW_RANGE, "", "", 9, 0));
		assert_int_equal(rows->reply.err, ERR_NOT_FOUND);
		rig_free(rows);
		rig_turn(&a);
		rig_settle(&a);
		rig_close(&a); /* the log still has all of it, and the record that ended it */
		assert_int_equal(rig_open(&a), ERR_OK);
	}
	/* It may come again; what was there before does not come with it, nor after a restart. */
	assert_int_equal(put_with(&a, "c", 12, "X-Container-Meta-A", "2"), ERR_OK);
	assert_int_equal(rig_row(&a, "c", "o000001", 18, 5), ERR_OK);
	for (unsigned again = 0; again < 2; again++) {
		assert_string_equal(rig_names(&a, "c", (struct backend_list){0}), "o000001 ");
		rig_close(&a);
		rig_turn(&a);
		assert_int_equal(rig_open(&a), ERR_OK);
	}
}

/* What DIGEST says of all databases, in 32 parts, against what KEYS tells of each. */
static void digest_is_of_the_keys(struct rig *rig)
{
	struct backend_call *digest = ask(rig, range_msg(BACKEND_DB_DIGEST, 0, 5));
	struct backend_call *keys = ask(rig, range_msg(BACKEND_DB_KEYS, 0, 0));
	struct backend_digest want[32] = {0};
	struct backend_db_key db;
	uint64_t hash[2];

	assert_int_equal(digest->reply.err, ERR_OK);
	assert_int_equal(keys->reply.err, ERR_OK);
	for (size_t at = 0; at < keys->reply.items.len; at += sizeof(db)) {
		memcpy(&db, keys->reply.items.data + at, sizeof(db));
		struct backend_digest *part = &want[db.key[0] >> 3];
		row_hash(&db, sizeof(db), 3, hash);
		part->count++;
		part->sum[0] += hash[0];
		part->sum[1] += hash[1];
	}
	assert_int_equal(digest->reply.items.len, sizeof(want));
	assert_memory_equal(digest->reply.items.data, want, sizeof(want));
	rig_free(digest);
	rig_free(keys);
}

static void change_one(struct rig *rig, unsigned i, uint64_t ts)
{
	char name[16];

	snprintf(name, sizeof(name), "c%u", i * 7919 % 60);
	switch (i % 5) {
	case 0:
		put_with(rig, name, ts, "X-Container-Meta-A", name);
		break;
	case 1:
		rig_delete(rig, name, ts);
		break;
	case 2:
		rig_unrow(rig, name, "o1", ts);
		break;
	case 3:
		if (i % 3 == 0)
			forget(rig, name, false);
		break;
	default:
		rig_row(rig, name, i % 2 ? "o1" : "o2", ts, i);
	}
}

static void digests_follow_every_change(void **state)
{
	(void)state;
	rig_turn(&a);
	rig_close(&a);
	a.config.idle_max = 4; /* most of them are in the store alone */
	assert_int_equal(rig_open(&a), ERR_OK);
	for (unsigned i = 0; i < 600; i++) {
		change_one(&a, i, 100 + i);
		if (i % 7 == 0)
			rig_pass(&a, 300000);
		if (i == 250 || i == 500) {
			rig_close(&a);
			assert_int_equal(rig_open(&a), ERR_OK);
		}
		if (i > 50 && i % 3 == 0)
			digest_is_of_the_keys(&a);
	}
}

/* More than one slice of them, and changes while they are read for the first time. */
static void digests_are_right_when_much_changes_as_they_are_made(void **state)
{
	(void)state;
	bool answered;

	rig_turn(&a);
	rig_close(&a);
	a.config.idle_max = 4;
	assert_int_equal(rig_open(&a), ERR_OK);
	for (unsigned i = 0; i < 5000; i++) {
		char name[16];
		snprintf(name, sizeof(name), "c%u", i);
		assert_int_equal(rig_put(&a, name, 10), ERR_OK);
	}
	rig_settle(&a);
	rig_close(&a);
	assert_int_equal(rig_open(&a), ERR_OK);
	struct backend_call *first = rig_send(&a, range_msg(BACKEND_DB_DIGEST, 0, 5), &answered);
	for (unsigned i = 0; i < 60; i++) {
		char name[16];
		snprintf(name, sizeof(name), "c%u", i);
		if (i % 2)
			assert_int_equal(forget(&a, name, false), ERR_OK);
		else
			assert_int_equal(rig_delete(&a, name, 20), ERR_OK);
		rig_pass(&a, i % 10 ? 0 : 600000);
	}
	rig_wait(&a, &answered);
	assert_int_equal(first->reply.err, ERR_OK);
	rig_free(first);
	rig_settle(&a);
	digest_is_of_the_keys(&a);
}

static atomic_bool held;

static void hold(struct work *work)
{
	(void)work;
	while (atomic_load(&held))
		sched_yield();
}

static void what_did_not_change_is_compared_without_reading(void **state)
{
	(void)state;
	static struct work holders[2] = {{.run = hold}, {.run = hold}};
	bool answered;

	for (unsigned i = 0; i < 30; i++) {
		char name[16];
		snprintf(name, sizeof(name), "c%u", i);
		assert_int_equal(put_with(&a, name, 10, "A", "1"), ERR_OK);
	}
	rig_settle(&a);
	digest_is_of_the_keys(&a);
	/* All that reads is kept waiting. */
	atomic_store(&held, true);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(work_submit(a.pool, &holders[i]), ERR_OK);
	struct backend_call *digest = rig_send(&a, range_msg(BACKEND_DB_DIGEST, 0, 5), &answered);
	for (unsigned i = 0; i < 100 && !answered; i++)
		reactor_turn(a.reactor, false);
	assert_true(answered);
	assert_int_equal(digest->reply.err, ERR_OK);
	rig_free(digest);
	atomic_store(&held, false);
}

int main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T_(databases_are_told_from_memory_and_store_alike),
	        T_(rows_make_a_database_differ),
	        T_(info_merges_both_ways),
	        T_(a_deleted_one_is_deleted_everywhere),
	        T_(merge_makes_what_is_not_there),
	        T_(what_is_no_state_is_refused),
	        T_(rows_are_told_in_parts),
	        T_(many_rows_are_told_in_several_answers),
	        T_(what_is_forgotten_leaves_nothing),
	        T_(digests_follow_every_change),
	        T_(digests_are_right_when_much_changes_as_they_are_made),
	        T_(what_did_not_change_is_compared_without_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
