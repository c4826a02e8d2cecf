/* Crashes: a random load on a fake disk, then for many points in the row of its writes and syncs
 * the disk as a power cut there would leave it: what was stable, and any part of the rest. Each
 * image is recovered and held against the contract:
 *   what was acknowledged is there, newer or as it was, and whole;
 *   what is there was asked for, and nothing of it is half-written;
 *   what was forgotten does not come back;
 *   updates and rows that were acknowledged are still open, or there, in their order;
 *   what one recovery showed, the next one shows, and nothing that it did not.
 * Then it is crashed again: while it recovers, and after it took more writes.
 *
 * CRASH_POINTS: how many (1,500); CRASH_SEED: where to begin (1). fault_fuse.c includes all but the
 * fake disk's own load. */
#include "tests/lib/test.h"

#include "lib/base/mem.h"
#include "tests/lib/objects_rig.c"
#include <limits.h>

#define T        START_TS
#define KEYS     24
#define OPS_MAX  400
#define ROWS_MAX 200
#define FLYING   12

enum kind { PUT, STAGED, POST, DELETE, FORGET };

struct op {
	struct rig_call call;
	enum kind kind;
	unsigned key, started, acked; /* events submitted then; acked: UINT_MAX when never */
	uint64_t ts;
	bool ok, settled, busy;
	unsigned settled_at;
};

struct row {
	struct device_append append;
	uint32_t number;
	unsigned acked, started;
	bool busy, ok;
};

struct seen {
	uint64_t ts, meta_ts;
	bool known, deleted;
};

static struct rig rig;
static struct op ops[OPS_MAX];
static unsigned op_count, life_start; /* life_start: first op of this device's present life */
static struct row rows[ROWS_MAX];
static unsigned row_count;
static unsigned flying;
static bool key_busy[KEYS];
static uint64_t seed, next_ts;
static uint32_t replayed[ROWS_MAX * 4];
static unsigned replayed_count;
static uint64_t replay_lsn;

static uint64_t draw_next(unsigned below)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % below;
}

static unsigned (*recorder)(void); /* counts events in place of the fake disk */

static unsigned events(void)
{
	const struct disk_event *all;

	if (recorder)
		return recorder();
	return disk_fake_events(rig.fake, &all);
}

static const char *name_of(unsigned key)
{
	static char name[KEYS][16];

	snprintf(name[key], sizeof(name[key]), "key%u", key);
	return name[key];
}

/* --- rows --- */

static void on_replay(struct device_replay *replay, uint64_t lsn, const void *payload, size_t len)
{
	(void)replay;
	assert_true(lsn > replay_lsn); /* in the order of the log */
	assert_true(len >= 4);
	replay_lsn = lsn;
	assert_true(replayed_count < COUNT_OF(replayed));
	memcpy(&replayed[replayed_count++], payload, 4);
	for (size_t i = 4; i < len; i++)
		assert_int_equal(((const uint8_t *)payload)[i], (uint8_t)len);
}

static struct device_replay replay = {on_replay};

static void on_row(struct device_append *append)
{
	struct row *row = CONTAINER_OF(append, struct row, append);

	row->busy = false;
	row->ok = append->err == ERR_OK;
	row->acked = events();
	free((void *)(uintptr_t)append->payload);
	flying--;
}

static void start_row(void)
{
	struct row *row = &rows[row_count];
	size_t len = 4 + draw_next(3000);
	uint8_t *payload = malloc(len);

	*row = (struct row){.number = row_count++, .acked = UINT_MAX, .busy = true};
	row->started = events();
	memset(payload, (uint8_t)len, len);
	memcpy(payload, &row->number, 4);
	row->append = (struct device_append){
	        .role = DEVICE_ROLE_CONTAINER, .payload = payload, .len = len, .done = on_row};
	flying++;
	device_append(rig.device, &row->append);
}

/* --- objects --- */

static void on_op(struct backend_call *call)
{
	struct op *op = CONTAINER_OF(call, struct op, call.call);

	op->busy = false;
	op->ok = call->reply.err == ERR_OK ||
	         (op->kind == DELETE && call->reply.err == ERR_NOT_FOUND);
	op->acked = events();
	key_busy[op->key] = false;
	flying--;
	backend_call_done(call);
}

static struct seen look(unsigned key);

static void start_op(void)
{
	unsigned key = (unsigned)draw_next(KEYS), kind = (unsigned)draw_next(17);
	const char *name = name_of(key);
	struct op *op = &ops[op_count];

	if (key_busy[key])
		return;
	*op = (struct op){.key = key, .ts = next_ts++, .acked = UINT_MAX, .busy = true};
	op->started = events();
	op->kind = kind < 9    ? PUT
	           : kind < 10 ? STAGED
	           : kind < 13 ? POST
	           : kind < 16 ? DELETE
	                       : FORGET;
	struct backend_msg *msg;
	if (op->kind == PUT) {
		size_t len = draw_next(12) ? draw_next(9000) : draw_next(300000);
		msg = rig_put_msg(name, op->ts, len);
	} else if (op->kind == STAGED) {
		size_t len = 1 + draw_next(200000);
		struct rig_call stage;
		msg = rig_msg(BACKEND_OBJECT_STAGE, name, op->ts);
		msg->stage = op->ts;
		msg->body = bytes_new(len);
		msg->body->len = len;
		rig_pattern(name, op->ts, msg->body->data, len);
		key_busy[key] = true;
		rig_send(&rig, &stage, msg);
		backend_call_done(&stage.call);
		msg = put_message(name, op->ts, len);
		msg->stage = op->ts;
	} else if (op->kind == POST) {
		msg = rig_msg(BACKEND_OBJECT_POST, name, op->ts);
	} else if (op->kind == DELETE) {
		msg = rig_msg(BACKEND_OBJECT_DELETE, name, op->ts);
	} else {
		struct seen seen = look(key);
		msg = rig_msg(BACKEND_OBJECT_FORGET, name, seen.ts);
		msg->meta_ts = seen.meta_ts;
	}
	key_busy[key] = true;
	flying++;
	op_count++;
	op->call.call = (struct backend_call){.msg = msg, .done = on_op, .origin = rig.reactor};
	objectd_handle(rig.objectd, &op->call.call);
}

static void settle_some(void)
{
	for (unsigned i = life_start; i < op_count; i++) {
		struct op *op = &ops[i];
		if (op->ok && !op->settled && op->kind <= STAGED && draw_next(3) == 0) {
			uint8_t key[16];
			md5_digest(name_of(op->key), strlen(name_of(op->key)), key);
			op->settled = true;
			op->settled_at = events();
			device_settled(rig.device, 0, key, op->ts);
		}
	}
}

static void turn(void)
{
	if (!reactor_turn(rig.reactor, false))
		rig.env.mono_us += 100;
}

static void load(unsigned count)
{
	unsigned end = op_count + count;

	while (op_count < end) {
		if (flying < FLYING && draw_next(3)) {
			start_op();
			if (draw_next(5) == 0 && row_count < ROWS_MAX)
				start_row();
		} else {
			turn();
		}
		if (draw_next(20) == 0)
			settle_some();
		if (rig.options.compact_rate && draw_next(30) == 0) {
			settle_some();
			rig_sleep(&rig, 1100000); /* compaction looks once a second */
		}
		if (draw_next(60) == 0 && row_count && rows[row_count / 2].ok)
			device_checkpoint(
			        rig.device, DEVICE_ROLE_CONTAINER, rows[row_count / 2].append.lsn);
	}
	while (flying)
		turn();
}

/* --- the contract --- */

static struct seen look(unsigned key)
{
	struct seen seen = {0};
	uint8_t md5[16];
	struct device_version version;

	md5_digest(name_of(key), strlen(name_of(key)), md5);
	if (device_find(rig.device, 0, md5, &version) == ERR_OK)
		seen = (struct seen){version.ts, version.meta_ts, true, version.deleted};
	return seen;
}

static uint64_t newest(const struct seen *seen)
{
	return seen->meta_ts > seen->ts ? seen->meta_ts : seen->ts;
}

/* An op that makes a version of that timestamp and was asked for before the crash. */
static bool asked_for(unsigned key, uint64_t ts, bool deleted, unsigned at, unsigned life)
{
	for (unsigned i = 0; i < op_count; i++) {
		const struct op *op = &ops[i];
		if (op->key == key && op->ts == ts && (op->kind == DELETE) == deleted &&
		        (i < life || op->started <= at))
			return true;
	}
	return false;
}

static void check_body(unsigned key, unsigned at)
{
	uint64_t ts = 0, size = 0;
	enum err err = rig_get(&rig, name_of(key), &ts, &size);

	if (err)
		fail_msg("key%u +%llu of %llu bytes reads %s at %u", key,
		        (unsigned long long)(ts - T), (unsigned long long)size, err_name(err), at);
}

static void check_key(unsigned key, unsigned at, unsigned life)
{
	struct seen seen = look(key);
	uint64_t must = 0;
	bool deleted = false; /* then its tombstone may have gone; or it was forgotten */

	for (unsigned i = life; i < op_count; i++) {
		if (ops[i].key == key && ops[i].ok && ops[i].acked <= at && ops[i].ts > must) {
			must = ops[i].ts;
			deleted = ops[i].kind >= DELETE;
		}
	}
	for (unsigned i = life; i < op_count; i++)
		deleted |= ops[i].key == key && ops[i].kind == FORGET && ops[i].started <= at &&
		           ops[i].ts > must;
	if (must && (seen.known || !deleted) && (!seen.known || newest(&seen) < must))
		fail_msg("acknowledged version lost: key%u ts +%llu, seen +%llu", key,
		        (unsigned long long)(must - T),
		        (unsigned long long)(seen.known ? newest(&seen) - T : 0));
	if (!seen.known)
		return;
	if (!asked_for(key, newest(&seen), seen.deleted, at, life))
		fail_msg("key%u shows what nobody wrote", key);
	if (!seen.deleted)
		check_body(key, at);
}

static bool is_open(unsigned key, uint64_t ts)
{
	uint8_t md5[16];
	struct device_unsettled u = {0};

	md5_digest(name_of(key), strlen(name_of(key)), md5);
	while (device_next_unsettled(rig.device, u.lsn, &u)) {
		if (u.ts == ts && memcmp(u.key, md5, 16) == 0)
			return true;
	}
	return false;
}

static void check_updates(unsigned at, unsigned life)
{
	for (unsigned i = life; i < op_count; i++) {
		const struct op *op = &ops[i];
		if (op->kind <= STAGED && op->ok && op->acked <= at &&
		        (!op->settled || op->settled_at > at) && !is_open(op->key, op->ts))
			fail_msg("an open update was lost: key%u", op->key);
	}
}

static bool was_replayed(uint32_t number)
{
	for (unsigned i = 0; i < replayed_count; i++) {
		if (replayed[i] == number)
			return true;
	}
	return false;
}

static void check_rows(unsigned at, unsigned life_rows)
{
	uint64_t gone = 0;

	/* Those up to a checkpoint may be gone: it is known by where the replay begins. */
	for (unsigned i = life_rows; i < row_count; i++) {
		if (rows[i].ok && rows[i].acked <= at && was_replayed(rows[i].number))
			gone = gone ? gone : rows[i].append.lsn;
	}
	for (unsigned i = life_rows; i < row_count; i++) {
		const struct row *row = &rows[i];
		if (row->ok && row->acked <= at && gone && row->append.lsn > gone &&
		        !was_replayed(row->number))
			fail_msg("an acknowledged row was lost");
	}
	for (unsigned i = 0; i < replayed_count; i++)
		assert_true(replayed[i] < row_count);
}

static void recover(uint8_t *image, uint64_t size)
{
	rig_image(&rig, image, size);
	replayed_count = 0;
	replay_lsn = 0;
	rig.options.create = true;
	rig.options.replay[DEVICE_ROLE_CONTAINER] = &replay;
	disk_fake_record(rig.fake);
	assert_int_equal(rig_open(&rig), ERR_OK);
}

/* Drops the device without letting it write what counts. */
static void drop(void)
{
	uint8_t *image = mem_zalloc(1);

	rig_close(&rig);
	rig_image(&rig, image, 0);
}

struct snapshot {
	struct seen seen[KEYS];
};

static void snapshot(struct snapshot *shot)
{
	for (unsigned key = 0; key < KEYS; key++)
		shot->seen[key] = look(key);
}

/* What was shown once stays, and nothing that was not comes up, but by the ops from `life` on. */
static void check_shown(const struct snapshot *shot, unsigned at, unsigned life)
{
	for (unsigned key = 0; key < KEYS; key++) {
		struct seen now = look(key);
		const struct seen *then = &shot->seen[key];
		bool same = now.known == then->known &&
		            (!now.known || (now.ts == then->ts && now.meta_ts == then->meta_ts &&
		                                   now.deleted == then->deleted));
		bool newer = then->known && then->deleted && !now.known; /* its tombstone went */
		for (unsigned i = life; i < op_count && !same; i++)
			newer |= ops[i].key == key && ops[i].started <= at &&
			         (now.known ? ops[i].ts == newest(&now) : ops[i].kind == FORGET);
		if (!same && !newer)
			fail_msg("key%u changed over a crash: known %d deleted %d +%lld +%lld, was "
			         "known %d deleted %d +%lld +%lld",
			        key, now.known, now.deleted, (long long)(now.ts - T),
			        (long long)(now.meta_ts - T), then->known, then->deleted,
			        (long long)(then->ts - T), (long long)(then->meta_ts - T));
	}
}

static void check_all(unsigned at, unsigned life, unsigned life_rows)
{
	for (unsigned key = 0; key < KEYS; key++)
		check_key(key, at, life);
	check_updates(at, life);
	check_rows(at, life_rows);
}

/* One image: recover and check; crash within the recovery; write more, crash, check. Returns how
 * many crash points that were. */
static unsigned judge_point(struct disk_fake *first, unsigned at, unsigned life, unsigned life_rows)
{
	uint64_t size, size2;
	struct snapshot shot;
	unsigned points = 1;
	const struct disk_event *all;
	uint8_t *image = disk_fake_crash(first, at, seed, &size), *image2;

	recover(image, size);
	check_all(at, life, life_rows);
	snapshot(&shot);
	unsigned opened = disk_fake_events(rig.fake, &all);
	if (draw_next(3) == 0) {
		/* The same place again, the recovery itself cut short. */
		image2 = disk_fake_crash(rig.fake, (unsigned)draw_next(opened + 1), seed, &size2);
		drop();
		recover(image2, size2);
		check_all(at, life, life_rows);
		points++;
		snapshot(&shot);
		opened = disk_fake_events(rig.fake, &all);
	}
	if (draw_next(3) == 0) {
		unsigned ops_before = op_count, rows_before = row_count;
		life_start = op_count;
		load(5);
		unsigned now = disk_fake_events(rig.fake, &all);
		unsigned cut = opened + (unsigned)draw_next(now - opened + 1);
		image2 = disk_fake_crash(rig.fake, cut, seed, &size2);
		drop();
		recover(image2, size2);
		check_all(cut, ops_before, rows_before);
		check_shown(&shot, cut, ops_before);
		points++;
		op_count = ops_before;
		row_count = rows_before;
		memset(key_busy, 0, sizeof(key_busy));
	}
	drop();
	return points;
}

#ifndef FAULT_DISK_BELOW
static uint64_t moved, freed; /* by compaction, in the loads */

static unsigned run_seed(unsigned want, bool compacts)
{
	unsigned points = 0;
	struct device_stats stats;

	rig_init(&rig, 1 << 20);
	rig.options.unit_bytes = 1u << 20;
	rig.options.bytes_max = 24u << 20;
	rig.options.zero_ahead = 0;
	rig.options.compact_rate = compacts ? 256u << 20 : 0;
	rig.options.reclaim_ticks = 1;
	rig.alone = true;
	rig.env.wall_us += 3600000000u; /* tombstones are old enough to go at once */
	op_count = row_count = life_start = 0;
	next_ts = T + 1;
	disk_fake_record(rig.fake);
	disk_fake_shuffle(rig.fake, seed | 1);
	assert_int_equal(rig_open(&rig), ERR_OK);
	load(compacts ? 300 : 150);
	device_stats(rig.device, &stats);
	moved += stats.moved;
	freed += stats.freed_units;
	struct disk_fake *first = rig.fake;
	unsigned total = events();
	/* The first fake stays for its images; closing the device adds events nobody looks at. */
	rig_close(&rig);
	rig.fake = disk_fake_new(rig.reactor, UINT64_MAX);
	unsigned step = 1 + (unsigned)draw_next(2);
	for (unsigned at = (unsigned)draw_next(3); at <= total && points < want; at += step)
		points += judge_point(first, at, 0, 0);
	disk_fake_free(first);
	rig_done(&rig);
	return points;
}

static void acknowledged_is_there_after_any_crash(void **state)
{
	const char *points_text = getenv("CRASH_POINTS"), *seed_text = getenv("CRASH_SEED");
	unsigned want = points_text ? (unsigned)atoi(points_text) : 1500, points = 0;
	uint64_t number = seed_text ? strtoull(seed_text, NULL, 10) : 1;

	(void)state;
	for (; points < want; number++) {
		seed = number * 0x2545f4914f6cdd1du;
		print_message("seed %llu, %u points\n", (unsigned long long)number, points);
		points += run_seed(want - points < 200 ? want - points : 200, number % 2);
	}
	print_message("%llu records moved, %llu units freed\n", (unsigned long long)moved,
	        (unsigned long long)freed);
	assert_true(points >= want);
	assert_true(want < 400 || (moved > 0 && freed > 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(acknowledged_is_there_after_any_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
