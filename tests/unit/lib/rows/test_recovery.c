/* Crashes, exact totals, and the same contents from any order of arrival. Closing loses all that
 * is not in a synced table of the store, as a power cut does: the next open removes the store's
 * own log. */
#include "tests/lib/rows_rig.h"

#include "lib/rows/record.h"
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define NAMES      200
#define CONTAINERS 3

static struct rig rig;
static uint64_t seed;

static unsigned roll(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static const char *const containers[CONTAINERS] = {"c1", "c2", "c3"};
static struct {
	uint64_t ts, bytes;
	unsigned policy;
	bool deleted;
} model[CONTAINERS][NAMES];

/* The model follows what was acknowledged. */
static enum err try_change(uint64_t *clock)
{
	unsigned c = roll(CONTAINERS), n = roll(NAMES);
	char name[32];
	struct backend_row row = {
	        .name = name,
	        .ts = roll(4) ? ++*clock : *clock / 2 + roll(1000) * 7919,
	        .bytes = roll(1000),
	        .policy = (uint8_t)roll(3),
	        .deleted = roll(3) == 0,
	        .content_type = "t",
	        .etag = "e",
	};

	snprintf(name, sizeof(name), "name-%03u", n);
	enum err err = rig_update(&rig, containers[c], &row, 1);
	if (!err && row.ts > model[c][n].ts) {
		model[c][n].ts = row.ts;
		model[c][n].bytes = row.bytes;
		model[c][n].policy = row.policy;
		model[c][n].deleted = row.deleted;
	}
	return err;
}

static void one_change(uint64_t *clock)
{
	assert_int_equal(try_change(clock), ERR_OK);
}

static void expect_model(void)
{
	for (unsigned c = 0; c < CONTAINERS; c++) {
		AUTO(buf) struct buf names = BUF_NONE;
		uint64_t count[BACKEND_POLICIES] = {0}, bytes[BACKEND_POLICIES] = {0};
		for (unsigned n = 0; n < NAMES; n++) {
			if (!model[c][n].ts || model[c][n].deleted)
				continue;
			count[model[c][n].policy]++;
			bytes[model[c][n].policy] += model[c][n].bytes;
			buf_printf(&names, "name-%03u ", n);
		}
		struct backend_call *call = rig_head(&rig, containers[c]);
		assert_int_equal(call->reply.err, ERR_OK);
		assert_memory_equal(call->reply.count, count, sizeof(count));
		assert_memory_equal(call->reply.bytes, bytes, sizeof(bytes));
		rig_free(call);
		assert_string_equal(
		        rig_names(&rig, containers[c], (struct backend_list){0}), buf_text(&names));
	}
}

static void put_all(void)
{
	memset(model, 0, sizeof(model));
	for (unsigned c = 0; c < CONTAINERS; c++)
		assert_int_equal(rig_put(&rig, containers[c], 1), ERR_OK);
}

/* One goes from this device, and begins anew. */
static void forget_one(void)
{
	unsigned c = roll(CONTAINERS);
	struct backend_call *told =
	        rig_ask(&rig, rig_msg(&rig, BACKEND_DB_STATE, containers[c], 0));
	struct backend_msg *msg =
	        rig_msg(&rig, BACKEND_DB_FORGET, containers[c], told->reply.put_ts);

	msg->meta_ts = told->reply.delete_ts;
	memcpy(msg->etag, told->reply.hash, sizeof(msg->etag));
	rig_free(told);
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	memset(model[c], 0, sizeof(model[c]));
	assert_int_equal(rig_put(&rig, containers[c], 1), ERR_OK);
}

static void totals_stay_exact_through_crashes(void **state)
{
	uint64_t clock = 1000000;

	(void)state;
	for (seed = 11; seed < 14; seed++) {
		uint64_t kept = seed;
		rig_init(&rig, BACKEND_CONTAINER);
		rig.config.drain_us = 1000;
		rig.config.drain_bytes = 20000;
		rig.config.checkpoint_bytes = 60000;
		rig.config.batch_bytes = 2000;
		rig.config.write_buffer = 65536;
		assert_int_equal(rig_open(&rig), ERR_OK);
		put_all();
		for (unsigned crash = 0; crash < 12; crash++) {
			for (unsigned n = roll(400); n > 0; n--) {
				one_change(&clock);
				if (roll(100) == 0)
					forget_one();
			}
			if (roll(2))
				expect_model();
			rig_close(&rig);
			assert_int_equal(rig_open(&rig), ERR_OK);
			expect_model();
		}
		struct rows_stats stats;
		rows_stats(rig.rows, &stats);
		assert_true(rig.device.checkpoint[DEVICE_ROLE_CONTAINER] > 0);
		rig_done(&rig);
		seed = kept;
	}
}

/* After a power cut pages of an unsynced file may be missing anywhere. */
static void tear_logs(void)
{
	char command[1024];

	snprintf(command, sizeof(command),
	        "for f in %s/*.log; do dd if=/dev/zero of=$f bs=512 seek=3 count=4 conv=notrunc "
	        "2>/dev/null; done",
	        rig.path);
	assert_int_equal(system(command), 0);
}

static void a_hole_in_the_stores_log_does_no_harm(void **state)
{
	uint64_t clock = 1000000;

	(void)state;
	seed = 3;
	rig_init(&rig, BACKEND_CONTAINER);
	rig.config.drain_us = 1000;
	rig.config.batch_bytes = 500;
	assert_int_equal(rig_open(&rig), ERR_OK);
	put_all();
	for (unsigned i = 0; i < 500; i++)
		one_change(&clock);
	rig_settle(&rig);
	rig_close(&rig);
	tear_logs();
	assert_int_equal(rig_open(&rig), ERR_OK);
	expect_model();
	rig_done(&rig);
}

static bool is_note(const struct rowlog_record *record)
{
	return ((const uint8_t *)record->payload)[1] == RECORD_NOTE;
}

/* Turns until the log has given all rows away. */
static void checkpoint(void)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < rig.device.count; i++) {
		if (!is_note(&rig.device.records[i]))
			newest = rig.device.records[i].lsn;
	}
	while (rig.device.checkpoint[DEVICE_ROLE_CONTAINER] < newest)
		rig_turn(&rig);
	rig_settle(&rig);
}

static void what_a_checkpoint_gave_away_is_in_tables(void **state)
{
	char name[32];

	(void)state;
	rig_init(&rig, BACKEND_CONTAINER);
	rig.config.drain_us = 1000;
	rig.config.checkpoint_us = 1;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "%03u", i);
		assert_int_equal(rig_row(&rig, "c", name, 10 + i, 1), ERR_OK);
	}
	checkpoint();
	rig_close(&rig);
	unsigned replayed = 0;
	for (size_t i = 0; i < rig.device.count; i++)
		replayed +=
		        !is_note(&rig.device.records[i]) &&
		        rig.device.records[i].lsn > rig.device.checkpoint[DEVICE_ROLE_CONTAINER];
	assert_int_equal(replayed, 0);
	assert_int_equal(rig_open(&rig), ERR_OK);
	struct backend_call *call = rig_head(&rig, "c");
	assert_int_equal(call->reply.count[0], 50);
	rig_free(call);
	rig_done(&rig);
}

static void shell(const char *format, const char *a, const char *b)
{
	char command[1024];

	snprintf(command, sizeof(command), format, a, b);
	assert_int_equal(system(command), 0);
}

static void a_lost_or_old_store_is_refused(void **state)
{
	char copy[400], name[1000];

	(void)state;
	rig_init(&rig, BACKEND_CONTAINER);
	rig.config.drain_us = 1000;
	rig.config.drain_bytes = 4000; /* replay drains too, which must not hide the loss */
	rig.config.write_buffer = 65536;
	rig.config.checkpoint_us = 1;
	snprintf(copy, sizeof(copy), "%s/copy", rig.top);
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
	checkpoint();
	rig_close(&rig);
	shell("cp -r %s %s", rig.path, copy);
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "o", 2, 1), ERR_OK);
	checkpoint();
	rig.config.checkpoint_us = 1000000000;
	rig_close(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%0900u", i);
		assert_int_equal(rig_row(&rig, "c", name, 3 + i, 1), ERR_OK);
	}
	rig_close(&rig);

	shell("mv %s %s.new", rig.path, rig.path);
	shell("mv %s %s", copy, rig.path);
	for (unsigned again = 0; again < 3; again++) {
		assert_int_equal(rig_open(&rig), ERR_CORRUPT);
		rig_close(&rig);
	}
	shell("rm -r %s%s", rig.path, "");
	for (unsigned again = 0; again < 3; again++) {
		assert_int_equal(rig_open(&rig), ERR_CORRUPT);
		rig_close(&rig);
	}
	shell("rm -r %s%s", rig.path, "");
	shell("mv %s.new %s", rig.path, rig.path);
	assert_int_equal(rig_open(&rig), ERR_OK);
	rig_done(&rig);
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The store cannot write for a while: changes are acknowledged all the same, and nothing is lost
 * or counted twice. */
static void a_store_that_fails_stops_nobody(void **state)
{
	struct rows_stats stats;
	uint64_t clock = 1000000;

	(void)state;
	seed = 77;
	rig_init(&rig, BACKEND_CONTAINER);
	rig.config.drain_us = 1000;
	assert_int_equal(rig_open(&rig), ERR_OK);
	put_all();
	for (unsigned i = 0; i < 300; i++)
		one_change(&clock);
	rig_settle(&rig);
	set_file_limit(30000);
	do {
		for (unsigned i = 0; i < 100; i++)
			one_change(&clock);
		rows_stats(rig.rows, &stats);
	} while (stats.reopens == 0);
	set_file_limit(RLIM_INFINITY);
	for (unsigned i = 0; i < 100; i++)
		one_change(&clock);
	expect_model();
	rig_settle(&rig);
	rows_stats(rig.rows, &stats);
	assert_false(stats.failed);
	expect_model();
	rig_close(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
	expect_model();
	rig_done(&rig);
}

/* Opened again, the store has less than it was given: the log has it, but only at a start. */
static void a_store_that_lost_rows_answers_nothing_false(void **state)
{
	struct rows_stats stats;
	uint64_t clock = 1000000;

	(void)state;
	seed = 78;
	rig_init(&rig, BACKEND_CONTAINER);
	rig.config.drain_us = 1000;
	assert_int_equal(rig_open(&rig), ERR_OK);
	put_all();
	for (unsigned i = 0; i < 300; i++)
		one_change(&clock);
	rig_settle(&rig);
	shell("rm %s/%s.log", rig.path, "*");
	set_file_limit(20000);
	for (unsigned i = 0; i < 50 && !try_change(&clock); i++)
		;
	do {
		rig_pass(&rig, 1000);
		rows_stats(rig.rows, &stats);
	} while (stats.reopens == 0);
	set_file_limit(RLIM_INFINITY);
	assert_true(stats.failed);
	struct backend_call *call = rig_head(&rig, containers[0]);
	assert_int_equal(call->reply.err, ERR_IO);
	rig_free(call);
	rig_close(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
	expect_model();
	rig_done(&rig);
}

static void shuffle(unsigned *order, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		order[i] = i;
	for (unsigned i = count; i > 1; i--) {
		unsigned j = roll(i), t = order[j];
		order[j] = order[i - 1];
		order[i - 1] = t;
	}
}

/* Few timestamps on few names: many ties and late arrivals of every kind. */
static void any_order_of_arrival_gives_the_same(void **state)
{
	enum { COUNT = 400 };
	static char names[COUNT][8], types[COUNT][8], etags[COUNT][8];
	static struct backend_row rows[COUNT];
	unsigned order[COUNT];

	(void)state;
	for (enum backend_kind kind = BACKEND_ACCOUNT; kind <= BACKEND_CONTAINER; kind++) {
		struct backend_call *first = NULL;
		seed = 5 + kind;
		for (unsigned i = 0; i < COUNT; i++) {
			snprintf(names[i], 8, "n%u", roll(20));
			snprintf(types[i], 8, "t%u", roll(4));
			snprintf(etags[i], 8, "e%u", roll(4));
			rows[i] = (struct backend_row){
			        .name = names[i],
			        .content_type = types[i],
			        .etag = etags[i],
			        .ts = 10 + roll(30),
			        .meta_ts = roll(2) ? 10 + roll(40) : 0,
			        .totals_ts = roll(2) ? 10 + roll(40) : 0,
			        .bytes = roll(5),
			        .count = roll(5),
			        .policy = (uint8_t)roll(3),
			        .deleted = roll(4) == 0,
			};
		}
		for (unsigned pass = 0; pass < 6; pass++) {
			rig_init(&rig, kind);
			rig.config.drain_us = 1000;
			assert_int_equal(rig_open(&rig), ERR_OK);
			assert_int_equal(rig_put(&rig, "x", 1), ERR_OK);
			shuffle(order, COUNT);
			for (unsigned i = 0; i < COUNT; i++) {
				assert_int_equal(rig_update(&rig, "x", &rows[order[i]], 1), ERR_OK);
				if (pass > 2 && roll(60) == 0)
					rig_settle(&rig);
			}
			struct backend_call *call =
			        rig_list(&rig, "x", &(struct backend_list){.limit = 1000});
			if (!first) {
				first = call;
			} else {
				assert_memory_equal(call->reply.hash, first->reply.hash, 16);
				assert_memory_equal(call->reply.bytes, first->reply.bytes,
				        sizeof(call->reply.bytes));
				assert_int_equal(call->reply.rows.len, first->reply.rows.len);
				assert_memory_equal(call->reply.rows.data, first->reply.rows.data,
				        call->reply.rows.len);
				rig_free(call);
			}
			rig_done(&rig);
		}
		rig_free(first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(totals_stay_exact_through_crashes),
	        cmocka_unit_test(a_hole_in_the_stores_log_does_no_harm),
	        cmocka_unit_test(what_a_checkpoint_gave_away_is_in_tables),
	        cmocka_unit_test(a_lost_or_old_store_is_refused),
	        cmocka_unit_test(a_store_that_fails_stops_nobody),
	        cmocka_unit_test(a_store_that_lost_rows_answers_nothing_false),
	        cmocka_unit_test(any_order_of_arrival_gives_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
