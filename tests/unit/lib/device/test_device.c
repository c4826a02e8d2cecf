/* The rules of the log, of recovery and of space, one by one. */
#include "tests/lib/test.h"

#include "lib/base/mem.h"
#include "lib/device/device_internal.h"
#include "tests/lib/objects_rig.c"

#define T    START_TS
#define UNIT (1u << 20)

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_init(&rig, 0);
	rig.options.unit_bytes = UNIT;
	rig.options.bytes_max = 20u << 20;
	disk_fake_record(rig.fake);
	assert_int_equal(rig_open(&rig), ERR_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}

static void reopen(void)
{
	rig_crash(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
}

static void open_image(uint8_t *image, uint64_t size)
{
	rig_close(&rig);
	rig_image(&rig, image, size);
	disk_fake_record(rig.fake);
	assert_int_equal(rig_open(&rig), ERR_OK);
}

static enum err get(const char *name)
{
	return rig_get(&rig, name, NULL, NULL);
}

/* --- batches that were in flight at the crash --- */

static unsigned last_batch(unsigned before)
{
	const struct disk_event *all;

	for (unsigned i = before; i-- > 0;) {
		disk_fake_events(rig.fake, &all);
		const struct format_batch *batch = (const void *)all[i].data;
		if (all[i].durable && all[i].data && batch->magic == 0x68634243u)
			return i;
	}
	return 0;
}

static unsigned lost_event;

static bool is_lost(const struct disk_event *event, unsigned index)
{
	(void)event;
	return index == lost_event;
}

/* Writes to the first unit but the seal of a recovery: its footer. */
static bool is_footer(const struct disk_event *event, unsigned index)
{
	(void)index;
	return event->offset / UNIT == FORMAT_BASE / UNIT && event->offset % UNIT != FORMAT_SEAL_A;
}

static struct rig_call held[2];

/* Five objects: the first three acknowledged; the fourth ends a unit, the fifth begins the next,
 * both in flight. Returns the number of events. */
static unsigned two_in_flight(void)
{
	const struct disk_event *all;

	assert_int_equal(rig_put(&rig, "1", T + 1, 200000), ERR_OK);
	assert_int_equal(rig_put(&rig, "2", T + 2, 200000), ERR_OK);
	assert_int_equal(rig_put(&rig, "3", T + 3, 200000), ERR_OK);
	rig_sleep(&rig, 100000); /* the next unit is zeroed and has its header */
	disk_fake_hold(rig.fake, true);
	rig_start(&rig, &held[0], rig_put_msg("4", T + 4, 200000));
	rig_sleep(&rig, 5000);
	rig_start(&rig, &held[1], rig_put_msg("5", T + 5, 250000));
	rig_sleep(&rig, 5000);
	return disk_fake_events(rig.fake, &all);
}

static void let_go(void)
{
	disk_fake_hold(rig.fake, false);
	for (int i = 0; i < 2; i++) {
		rig_wait(&rig, &held[i]);
		backend_call_done(&held[i].call);
	}
}

static void order_spans_units_and_recovered_tails_are_sealed(void **state)
{
	unsigned count = two_in_flight(), fifth = last_batch(count), fourth = last_batch(fifth);
	const struct disk_event *all;
	uint64_t size;

	(void)state;
	disk_fake_events(rig.fake, &all);
	struct disk_event late = all[fourth];
	late.data = mem_dup(late.data, late.len);
	assert_true(late.offset / UNIT != all[fifth].offset / UNIT);
	lost_event = fourth;
	uint8_t *image = disk_fake_without(rig.fake, count, is_lost, &size);
	let_go();
	open_image(image, size);
	assert_int_equal(get("3"), ERR_OK);
	assert_int_equal(get("4"), ERR_NOT_FOUND);
	/* It is whole on the disk, but what came before it is not. */
	assert_int_equal(get("5"), ERR_NOT_FOUND);
	assert_int_equal(rig_put(&rig, "6", T + 6, 1000), ERR_OK);
	/* What was lost turns up on the disk after all: it was shown as not there, and stays so,
	 * also when a second crash came before the footer of the old unit. */
	image = disk_fake_without(rig.fake, disk_fake_events(rig.fake, &all), is_footer, &size);
	open_image(image, size);
	for (int i = 0; i < 3; i++) {
		memcpy(disk_fake_bytes(rig.fake) + late.offset, late.data, late.len);
		reopen();
		assert_int_equal(get("3"), ERR_OK);
		assert_int_equal(get("4"), ERR_NOT_FOUND);
		assert_int_equal(get("5"), ERR_NOT_FOUND);
		assert_int_equal(get("6"), ERR_OK);
	}
	free(late.data);
}

static void a_footer_waits_for_all_batches(void **state)
{
	const struct disk_event *all;
	unsigned count = two_in_flight();
	unsigned fourth = last_batch(last_batch(count));

	(void)state;
	disk_fake_events(rig.fake, &all);
	uint64_t unit = all[fourth].offset / UNIT * UNIT;
	for (int held_back = 1; held_back >= 0; held_back--) {
		bool sealed = false;
		if (!held_back)
			let_go();
		rig_sleep(&rig, 1000);
		count = disk_fake_events(rig.fake, &all);
		for (unsigned i = 0; i < count; i++)
			sealed |= all[i].data && all[i].offset == unit + FORMAT_SEAL_B;
		assert_int_equal(sealed, !held_back);
	}
}

static void acknowledgements_keep_the_order_of_the_log(void **state)
{
	struct rig_call calls[24];

	(void)state;
	disk_fake_shuffle(rig.fake, 5);
	for (unsigned i = 0; i < 24; i++) {
		char name[8];
		snprintf(name, sizeof(name), "%u", i);
		rig_start(&rig, &calls[i], rig_put_msg(name, T + i, 200000));
	}
	for (bool all = false; !all;) {
		bool before = true;
		if (!reactor_turn(rig.reactor, false))
			rig.env.mono_us += 100;
		all = true;
		for (unsigned i = 0; i < 24; i++) {
			assert_true(before || !calls[i].done);
			before = calls[i].done;
			all &= calls[i].done;
		}
	}
	for (unsigned i = 0; i < 24; i++) {
		assert_int_equal(calls[i].call.reply.err, ERR_OK);
		backend_call_done(&calls[i].call);
	}
}

/* --- what makes a batch count: each check alone decides --- */

enum spoil { NOTHING, MAGIC, INCARNATION, NONCE, LSN, CHAIN, UNIT_NUMBER, PAYLOAD, HEADER };

static void spoil(struct format_batch *batch, enum spoil how)
{
	batch->incarnation -= how == INCARNATION;
	batch->nonce += how == NONCE;
	batch->lsn += how == LSN;
	batch->prev_crc ^= how == CHAIN;
	batch->unit += how == UNIT_NUMBER;
	if (how != NOTHING && how != PAYLOAD && how != HEADER)
		format_batch_seal(batch);
	if (how == MAGIC)
		batch->magic ^= 1; /* the CRC covers it: the header fails as a whole */
	if (how == HEADER)
		batch->crc ^= 1;
	if (how == PAYLOAD)
		((uint8_t *)batch)[5000] ^= 1;
}

static void a_batch_counts_when_all_of_it_is_right(void **state)
{
	const struct disk_event *all;
	uint64_t size;

	(void)state;
	assert_int_equal(rig_put(&rig, "1", T + 1, 100), ERR_OK);
	assert_int_equal(rig_put(&rig, "2", T + 2, 10000), ERR_OK);
	unsigned count = disk_fake_events(rig.fake, &all), batch = last_batch(count);
	struct disk_event event = all[batch];
	uint8_t *bytes = mem_dup(event.data, event.len);
	lost_event = UINT32_MAX;
	uint8_t *image = disk_fake_without(rig.fake, count, is_lost, &size);
	for (enum spoil how = NOTHING; how <= HEADER; how++) {
		memcpy(image + event.offset, bytes, event.len);
		spoil((void *)(image + event.offset), how);
		open_image(mem_dup(image, size), size);
		assert_int_equal(get("1"), ERR_OK);
		assert_int_equal(get("2"), how == NOTHING ? ERR_OK : ERR_NOT_FOUND);
	}
	free(image);
	free(bytes);
}

/* --- footers, and damage --- */

static void fill_units(unsigned objects)
{
	for (unsigned i = 0; i < objects; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(rig_put(&rig, name, T + i, 50000), ERR_OK);
	}
	rig_sleep(&rig, 1000);
}

static void check_units(unsigned objects)
{
	for (unsigned i = 0; i < objects; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(get(name), ERR_OK);
	}
}

static const struct format_seal *seal_at(uint32_t unit)
{
	return (const void *)(disk_fake_bytes(rig.fake) + FORMAT_BASE + (uint64_t)unit * UNIT +
	                      FORMAT_SEAL_B);
}

static void a_bad_superblock_is_written_again(void **state)
{
	static const uint32_t at[] = {0, FORMAT_SUPER_2, 0};

	(void)state;
	assert_int_equal(rig_put(&rig, "o", T, 100), ERR_OK);
	for (unsigned i = 0; i < COUNT_OF(at); i++) {
		rig_close(&rig);
		disk_fake_bytes(rig.fake)[at[i] + 9] ^= 1;
		assert_int_equal(rig_open(&rig), ERR_OK);
		assert_int_equal(get("o"), ERR_OK);
	}
	rig_close(&rig);
	disk_fake_bytes(rig.fake)[9] ^= 1;
	disk_fake_bytes(rig.fake)[FORMAT_SUPER_2 + 9] ^= 1;
	assert_int_equal(rig_open(&rig), ERR_FORMAT);
}

static void damaged_footers_are_not_believed(void **state)
{
	(void)state;
	fill_units(60);
	rig_close(&rig);
	for (uint32_t u = 0; u < 2; u++) {
		assert_true(seal_at(u)->footer_len > 0);
		disk_fake_bytes(rig.fake)[FORMAT_BASE + u * UNIT + seal_at(u)->footer + 77] ^= 4;
	}
	assert_int_equal(rig_open(&rig), ERR_OK);
	check_units(60);
}

static void damage_in_a_sealed_unit_costs_only_what_it_hit(void **state)
{
	(void)state;
	fill_units(60);
	struct device_version version;
	uint8_t key[16];
	md5_digest("f3", 2, key);
	assert_int_equal(device_find(rig.device, 0, key, &version), ERR_OK);
	assert_int_equal(at_unit(version.at), 0);
	rig_close(&rig);
	/* Record and footer both: the unit is walked, and the rest of it kept. */
	uint8_t *unit = disk_fake_bytes(rig.fake) + FORMAT_BASE;
	unit[at_off(version.at) + 100] ^= 1;
	unit[seal_at(0)->footer + 50] ^= 1;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(get("f3"), ERR_NOT_FOUND);
	assert_int_equal(get("f2"), ERR_OK);
	assert_int_equal(get("f4"), ERR_OK);
	assert_int_equal(get("f59"), ERR_OK);
}

static struct format_batch *batch_of(const char *name)
{
	struct device_version version;
	uint8_t key[16];

	md5_digest(name, strlen(name), key);
	assert_int_equal(device_find(rig.device, 0, key, &version), ERR_OK);
	/* One record in each batch: its header is right before it. */
	return (void *)(disk_fake_bytes(rig.fake) + FORMAT_BASE +
	                at_unit(version.at) * (uint64_t)UNIT + at_off(version.at) -
	                sizeof(struct format_batch));
}

enum harm { RECORD, BATCH_HEADER, ALL_OF_IT, ITS_DATA };

static void damage_in_the_open_unit_costs_only_what_it_hit(void **state)
{
	static const struct {
		enum harm harm;
		unsigned told;
		enum err err;
	} cases[] = {{RECORD, 1, ERR_NOT_FOUND}, {BATCH_HEADER, 0, ERR_OK},
	        {ALL_OF_IT, 0, ERR_NOT_FOUND}, {ITS_DATA, 0, ERR_CORRUPT}};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		teardown(NULL);
		setup(NULL);
		fill_units(12);
		struct format_batch *batch = batch_of("f3");
		uint32_t len = batch->len;
		if (cases[i].harm == RECORD)
			((uint8_t *)batch)[64 + 200] ^= 1;
		else if (cases[i].harm == ITS_DATA)
			((uint8_t *)batch)[30000] ^= 1;
		else
			memset(batch, 0, cases[i].harm == BATCH_HEADER ? 64 : len);
		for (int again = 0; again < 2; again++) {
			reopen();
			assert_int_equal(rig.corrupt, again ? 0 : cases[i].told);
			rig.corrupt = 0;
			assert_int_equal(get("f3"), cases[i].err);
			assert_int_equal(get("f2"), ERR_OK);
			assert_int_equal(get("f4"), ERR_OK);
			assert_int_equal(get("f11"), ERR_OK);
			rig.corrupt = 0;
		}
		assert_int_equal(rig_put(&rig, "new", T, 10), ERR_OK);
		reopen();
		assert_int_equal(get("new"), ERR_OK);
		assert_int_equal(get("f11"), ERR_OK);
	}
}

static void damage_where_an_open_unit_ends(void **state)
{
	char last[16] = "";

	(void)state;
	fill_units(30);
	for (unsigned i = 0; i < 30; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%u", i);
		if ((uint8_t *)batch_of(name) < disk_fake_bytes(rig.fake) + FORMAT_BASE + UNIT)
			memcpy(last, name, sizeof(last));
	}
	memset(batch_of(last), 0, sizeof(struct format_batch));
	for (uint32_t u = 0; u < 2; u++)
		memset((void *)(uintptr_t)seal_at(u), 0, DISK_BLOCK);
	reopen();
	assert_int_equal(get(last), ERR_NOT_FOUND);
	for (unsigned i = 0; i < 30; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(get(name), strcmp(name, last) ? ERR_OK : ERR_NOT_FOUND);
	}
}

/* The second and the third are whole on the disk, but they were in flight with the first, which is
 * not: nothing says that it was ever durable. */
static void what_was_in_flight_with_damage_is_dropped(void **state)
{
	const struct disk_event *all;
	struct rig_call calls[3];
	uint64_t size;

	(void)state;
	assert_int_equal(rig_put(&rig, "0", T, 100), ERR_OK);
	disk_fake_hold(rig.fake, true);
	for (unsigned i = 0; i < 3; i++) {
		char name[8];
		snprintf(name, sizeof(name), "%u", i + 1);
		rig_start(&rig, &calls[i], rig_put_msg(name, T, 20000));
		rig_sleep(&rig, 5000);
	}
	unsigned count = disk_fake_events(rig.fake, &all);
	lost_event = last_batch(last_batch(last_batch(count)));
	uint8_t *image = disk_fake_without(rig.fake, count, is_lost, &size);
	disk_fake_hold(rig.fake, false);
	for (unsigned i = 0; i < 3; i++) {
		rig_wait(&rig, &calls[i]);
		backend_call_done(&calls[i].call);
	}
	open_image(image, size);
	assert_int_equal(get("0"), ERR_OK);
	assert_int_equal(get("1"), ERR_NOT_FOUND);
	assert_int_equal(get("2"), ERR_NOT_FOUND);
	assert_int_equal(get("3"), ERR_NOT_FOUND);
}

static void a_flipped_byte_is_told_and_repaired(void **state)
{
	struct device_version version;
	uint8_t key[16];

	(void)state;
	assert_int_equal(rig_put(&rig, "o", T, 50000), ERR_OK);
	fill_units(
	        30); /* the batches of a unit that is still open are the log's end to a restart */
	md5_digest("o", 1, key);
	assert_int_equal(device_find(rig.device, 0, key, &version), ERR_OK);
	disk_fake_bytes(rig.fake)[FORMAT_BASE + at_unit(version.at) * (uint64_t)UNIT +
	                          at_off(version.at) + 30000] ^= 0x10;
	assert_int_equal(get("o"), ERR_CORRUPT);
	assert_int_equal(rig.corrupt, 1);
	assert_int_equal(get("o"), ERR_CORRUPT);
	assert_int_equal(rig_put(&rig, "o", T - 1, 50000), ERR_CONFLICT);
	assert_int_equal(rig_put(&rig, "o", T, 50000), ERR_OK);
	assert_int_equal(get("o"), ERR_OK);
	reopen();
	assert_int_equal(get("o"), ERR_OK);
}

static void flip(const char *name, uint32_t at)
{
	struct device_version version;
	uint8_t key[16];

	md5_digest(name, strlen(name), key);
	assert_int_equal(device_find(rig.device, 0, key, &version), ERR_OK);
	disk_fake_bytes(rig.fake)[FORMAT_BASE + at_unit(version.at) * (uint64_t)UNIT +
	                          at_off(version.at) + at] ^= 0x10;
}

static enum err repair(struct backend_msg *msg, uint64_t meta_ts)
{
	struct rig_call call;

	msg->meta_ts = meta_ts;
	rig_send(&rig, &call, msg);
	enum err err = call.call.reply.err;
	backend_call_done(&call.call);
	return err;
}

static void a_posted_version_is_repaired_with_its_post(void **state)
{
	struct device_version version;
	uint8_t key[16];

	(void)state;
	md5_digest("o", 1, key);
	assert_int_equal(rig_put(&rig, "o", T, 50000), ERR_OK);
	assert_int_equal(rig_post(&rig, "o", T + 5, "x"), ERR_OK);
	assert_int_equal(repair(rig_put_msg("o", T, 50000), T + 5), ERR_CONFLICT);
	fill_units(30);
	flip("o", 30000);
	assert_int_equal(get("o"), ERR_CORRUPT);
	assert_int_equal(repair(rig_put_msg("o", T, 50000), 0), ERR_CONFLICT);
	assert_int_equal(repair(rig_put_msg("o", T, 50000), T + 5), ERR_OK);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(get("o"), ERR_OK);
		assert_int_equal(device_find(rig.device, 0, key, &version), ERR_OK);
		assert_int_equal(version.ts, T);
		assert_int_equal(version.meta_ts, T + 5);
		reopen();
	}
}

static void a_body_that_was_missed_is_taken_behind_its_post(void **state)
{
	uint64_t ts;

	(void)state;
	assert_int_equal(rig_put(&rig, "o", T, 100), ERR_OK);
	assert_int_equal(rig_post(&rig, "o", T + 5, "x"), ERR_OK);
	assert_int_equal(repair(rig_put_msg("o", T + 2, 200), T + 5), ERR_OK);
	assert_int_equal(rig_get(&rig, "o", &ts, NULL), ERR_OK);
	assert_int_equal(ts, T + 2);
}

static void a_tombstone_is_repaired(void **state)
{
	(void)state;
	rig_close(&rig);
	rig.options.scrub_rate = 1 << 20;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "o", T, 100), ERR_OK);
	assert_int_equal(rig_delete(&rig, "o", T + 1), ERR_OK);
	flip("o", 100);
	rig_sleep(&rig, 65000000);
	assert_int_equal(rig.corrupt, 1);
	assert_int_equal(rig_delete(&rig, "o", T + 1), ERR_NOT_FOUND);
	assert_int_equal(rig_delete(&rig, "o", T + 1), ERR_CONFLICT);
	rig_sleep(&rig, 65000000);
	assert_int_equal(rig.corrupt, 1);
}

static void a_flipped_byte_of_a_piece_is_told(void **state)
{
	(void)state;
	assert_int_equal(rig_put_staged(&rig, "o", T, 300000), ERR_OK);
	struct device_version version;
	uint8_t key[16];
	md5_digest("o", 1, key);
	assert_int_equal(device_find(rig.device, 0, key, &version), ERR_OK);
	const struct device_extent *e = object_extents(rig.device, version.at)->extents;
	uint64_t at = FORMAT_BASE + e->unit * (uint64_t)UNIT + e->block * 4096u;
	disk_fake_bytes(rig.fake)[at + 4096 + 299999] ^= 1;
	assert_int_equal(get("o"), ERR_CORRUPT);
	assert_int_equal(rig.corrupt, 1);
}

static void scrub_finds_what_nobody_reads(void **state)
{
	(void)state;
	rig_close(&rig);
	rig.options.scrub_rate = 1 << 20;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "a", T, 50000), ERR_OK);
	assert_int_equal(rig_put_staged(&rig, "b", T, 900000), ERR_OK);
	struct device_version version;
	uint8_t key[16];
	md5_digest("a", 1, key);
	assert_int_equal(device_find(rig.device, 0, key, &version), ERR_OK);
	disk_fake_bytes(rig.fake)[FORMAT_BASE + at_unit(version.at) * (uint64_t)UNIT +
	                          at_off(version.at) + 9000] ^= 1;
	rig_sleep(&rig, 65000000);
	struct device_stats stats;
	device_stats(rig.device, &stats);
	assert_int_equal(rig.corrupt, 1);
	assert_int_equal(stats.corrupt, 1);
	assert_in_range(stats.scrubbed_bytes, 900000, 900000 * 6);
}

/* --- errors --- */

static void an_error_ends_writing_and_nothing_false_is_said(void **state)
{
	static const struct {
		unsigned kind;
		enum err disk, told;
	} cases[] = {
	        {DISK_WRITE, ERR_IO, ERR_IO},
	        {DISK_WRITE, ERR_READ_ONLY, ERR_READ_ONLY},
	        {DISK_SYNC, ERR_IO, ERR_IO},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		char name[8];
		snprintf(name, sizeof(name), "e%u", i);
		assert_int_equal(rig_put(&rig, name, T, 1000), ERR_OK);
		disk_fake_fail(rig.fake, cases[i].kind, 1, cases[i].disk, false);
		if (cases[i].kind == DISK_SYNC)
			assert_int_equal(rig_put_staged(&rig, "new", T + 1, 1000), cases[i].told);
		else
			assert_int_equal(rig_put(&rig, "new", T + 1, 1000), cases[i].told);
		/* Never tried again as if nothing had been. */
		assert_int_equal(rig_put(&rig, name, T + 2, 1000), cases[i].told);
		assert_int_equal(rig_delete(&rig, name, T + 2), cases[i].told);
		assert_int_equal(get(name), ERR_OK);
		assert_int_equal(get("new"), ERR_NOT_FOUND);
		struct device_stats stats;
		device_stats(rig.device, &stats);
		assert_true(stats.failed);
		disk_fake_fail(rig.fake, 0, 0, ERR_OK, false);
		reopen();
		assert_int_equal(get(name), ERR_OK);
		assert_int_equal(get("new"), ERR_NOT_FOUND);
	}
}

static void a_batch_behind_a_failed_one_fails(void **state)
{
	(void)state;
	assert_int_equal(rig_put(&rig, "1", T, 1000), ERR_OK);
	rig_idle(&rig);
	struct rig_call calls[2];
	disk_fake_hold(rig.fake, true);
	disk_fake_fail(rig.fake, DISK_WRITE, 1, ERR_NO_SPACE, false);
	rig_start(&rig, &calls[0], rig_put_msg("2", T, 1000));
	rig_sleep(&rig, 5000);
	rig_start(&rig, &calls[1], rig_put_msg("3", T, 1000));
	rig_sleep(&rig, 5000);
	disk_fake_hold(rig.fake, false);
	for (int i = 0; i < 2; i++) {
		rig_wait(&rig, &calls[i]);
		assert_int_equal(calls[i].call.reply.err, ERR_NO_SPACE);
		backend_call_done(&calls[i].call);
	}
	/* Full is not failed: it goes on in another unit, and the chain holds. */
	rig_sleep(&rig, 2000000);
	assert_int_equal(rig_put(&rig, "4", T, 1000), ERR_OK);
	for (int again = 0; again < 3; again++) {
		assert_int_equal(get("1"), ERR_OK);
		assert_int_equal(get("2"), ERR_NOT_FOUND);
		assert_int_equal(get("3"), ERR_NOT_FOUND);
		assert_int_equal(get("4"), ERR_OK);
		reopen();
	}
}

static void only_devices_are_opened(void **state)
{
	(void)state;
	rig_close(&rig);
	rig_image(&rig, mem_zalloc(1), 0);
	rig.options.create = false;
	assert_int_equal(rig_open(&rig), ERR_FORMAT);
	uint8_t *junk = mem_zalloc(1 << 20);
	memset(junk, 0x5a, 1 << 20);
	rig_image(&rig, junk, 1 << 20);
	rig.options.create = true;
	assert_int_equal(rig_open(&rig), ERR_FORMAT);
	rig.objectd = NULL;
	for (uint64_t copy = 0; copy < 2; copy++) {
		rig_image(&rig, mem_zalloc(1), 0);
		assert_int_equal(rig_open(&rig), ERR_OK);
		assert_int_equal(rig_put(&rig, "o", T, 10), ERR_OK);
		rig_close(&rig);
		memset(disk_fake_bytes(rig.fake) + copy * FORMAT_SUPER_2, 0xff, 512);
		assert_int_equal(rig_open(&rig), ERR_OK);
		assert_int_equal(get("o"), ERR_OK);
		rig_close(&rig);
	}
}

/* --- space --- */

static unsigned fill(uint64_t ts)
{
	unsigned n = 0;
	enum err err = ERR_OK;

	for (; n < 200 && !err; n++) {
		char name[16];
		snprintf(name, sizeof(name), "s%u", n);
		err = rig_put(&rig, name, ts + n, 200000);
	}
	assert_int_equal(err, ERR_NO_SPACE);
	return n - 1;
}

static void a_full_device_takes_deletes_and_comes_back(void **state)
{
	struct device_stats stats;

	(void)state;
	rig_close(&rig);
	rig.options.compact_rate = 64 << 20;
	assert_int_equal(rig_open(&rig), ERR_OK);
	unsigned n = fill(T), again;
	assert_in_range(n, 50, 100);
	device_stats(rig.device, &stats);
	assert_true(stats.full);
	assert_int_equal(rig_put_staged(&rig, "large", T, 1 << 20), ERR_NO_SPACE);
	for (unsigned i = 0; i < n; i++) {
		char name[16];
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(get(name), ERR_OK);
		assert_int_equal(rig_delete(&rig, name, T + 1000 + i), ERR_OK);
	}
	for (unsigned i = 0; i < n; i++) {
		uint8_t key[16];
		char name[16];
		snprintf(name, sizeof(name), "s%u", i);
		md5_digest(name, strlen(name), key);
		device_settled(rig.device, 0, key, T + i);
	}
	rig_sleep(&rig, 20000000);
	device_stats(rig.device, &stats);
	assert_false(stats.full);
	assert_true(stats.live_bytes < 200000);
	reopen();
	again = fill(T + 10000);
	assert_true(again + 6 >= n);
}

/* A unit of bodies has no block where none of them lay; once they are gone it is one of the log. */
static void units_of_bodies_become_the_logs_on_a_full_file_system(void **state)
{
	struct device_stats stats;
	char name[16];
	uint8_t key[16];

	(void)state;
	rig_close(&rig);
	rig.options.compact_rate = 64 << 20;
	rig.options.zero_ahead = 3;
	assert_int_equal(rig_open(&rig), ERR_OK);
	for (unsigned i = 0; i < 24; i++) {
		snprintf(name, sizeof(name), "body%u", i);
		assert_int_equal(rig_put_staged(&rig, name, T, 400000), ERR_OK);
	}
	for (unsigned i = 0; i < 24; i++) {
		snprintf(name, sizeof(name), "body%u", i);
		assert_int_equal(rig_delete(&rig, name, T + 1), ERR_OK);
		md5_digest(name, strlen(name), key);
		device_settled(rig.device, 0, key, T);
	}
	rig_sleep(&rig, 1000000);
	device_stats(rig.device, &stats);
	assert_true(stats.freed_units > 5);
	disk_fake_full(rig.fake, true);
	unsigned n = fill(T + 10);
	assert_in_range(n, 30, 60); /* of units of 1 MiB more than three quarters have blocks */
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(rig_delete(&rig, name, T + 1000), ERR_OK);
	}
	device_stats(rig.device, &stats);
	assert_false(stats.failed);
	disk_fake_full(rig.fake, false);
	rig_sleep(&rig, 20000000);
	assert_int_equal(rig_put(&rig, "new", T + 1000, 200000), ERR_OK);
}

static void compaction_makes_way_for_others(void **state)
{
	static const struct {
		struct pace pace;
		bool no_space;
		uint64_t rate;
	} cases[] = {
	        {{0, 0, 0}, false, 1600}, {{2000, 2000, 1000000}, false, 1600},
	        {{4900, 2000, 1000000}, false, 1600}, {{5100, 2000, 1000000}, false, 100},
	        {{5100, 2000, 1000000}, true, 12800},
	        {{5100, 2000, 700000}, false, 1600}, /* they are gone */
	        {{900, 50, 1000000}, false, 1600},   /* too little to feel */
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(
		        pace_rate(&cases[i].pace, 1050000, 1600, cases[i].no_space), cases[i].rate);
	/* A batch that takes 40 ms where they took next to nothing. */
	assert_int_equal(rig_put(&rig, "o", T, 1000), ERR_OK);
	assert_int_equal(rig.device->pace.quiet_us, rig.device->pace.lately_us);
	rig.device->pace.quiet_us = 1000;
	struct rig_call call;
	disk_fake_hold(rig.fake, true);
	rig_start(&rig, &call, rig_put_msg("p", T, 1000));
	rig_sleep(&rig, 40000);
	disk_fake_hold(rig.fake, false);
	rig_wait(&rig, &call);
	backend_call_done(&call.call);
	assert_in_range(rig.device->pace.lately_us, 4000, 6000);
	assert_in_range(rig.device->pace.quiet_us, 5000, 7000); /* not compaction's doing */
}

static void compaction_keeps_what_lives(void **state)
{
	struct device_stats stats;

	(void)state;
	rig_close(&rig);
	rig.options.compact_rate = 64 << 20;
	assert_int_equal(rig_open(&rig), ERR_OK);
	for (int round = 0; round < 12; round++) {
		for (unsigned i = 0; i < 24; i++) {
			char name[16];
			uint64_t ts = T + 1000u * (unsigned)round + i;
			snprintf(name, sizeof(name), "c%u", i);
			uint8_t key[16];
			md5_digest(name, strlen(name), key);
			if (i % 8 == 0 && round)
				continue; /* these stay in the oldest units */
			enum err err = i % 8 == 1 ? rig_put_staged(&rig, name, ts, 250000)
			                          : rig_put(&rig, name, ts, 60000);
			assert_int_equal(err, ERR_OK);
			if (i != 16) /* one whose updates stay open */
				device_settled(rig.device, 0, key, ts);
			if (i == 3)
				assert_int_equal(rig_post(&rig, name, ts + 500, "x"), ERR_OK);
		}
		rig_sleep(&rig, 4000000);
	}
	device_stats(rig.device, &stats);
	assert_true(stats.moved > 3);
	assert_true(stats.freed_units > 5);
	for (int again = 0; again < 2; again++) {
		for (unsigned i = 0; i < 24; i++) {
			char name[16];
			uint64_t ts;
			snprintf(name, sizeof(name), "c%u", i);
			assert_int_equal(rig_get(&rig, name, &ts, NULL), ERR_OK);
			assert_int_equal(ts, T + (i % 8 ? 11000u : 0u) + i);
		}
		assert_int_equal(objectd_unsettled_count(rig.objectd), 1);
		reopen();
	}
}

static void on_held(struct device_read *read, enum err err)
{
	(void)read;
	assert_int_equal(err, ERR_OK);
}

/* A POST, or a draft that becomes the version, names them again in a record of its own. */
static void pieces_stay_for_who_has_read_their_record(void **state)
{
	struct device_read read = {.done = on_held};
	struct device_version version;
	uint8_t key[16];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		char name[16];
		snprintf(name, sizeof(name), "p%u", i);
		assert_int_equal(rig_put_staged(&rig, name, T + i, 250000), ERR_OK);
	}
	md5_digest("p0", 2, key);
	assert_int_equal(device_find(rig.device, 0, key, &version), ERR_OK);
	uint32_t u = object_extents(rig.device, version.at)->extents[0].unit;
	device_read_version(rig.device, 0, key, &version, &read);
	rig_sleep(&rig, 100000);
	for (unsigned i = 0; i < 6; i++) {
		char name[16];
		snprintf(name, sizeof(name), "p%u", i);
		assert_int_equal(rig_delete(&rig, name, T + 1000 + i), ERR_OK);
	}
	rig_sleep(&rig, 4000000);
	assert_int_equal(rig.device->units[u].type, UNIT_EXTENT);
	device_read_done(&read);
	rig_sleep(&rig, 4000000);
	assert_int_equal(rig.device->units[u].type, UNIT_FREE);
}

static void tombstones_go_when_they_are_old_and_all_have_them(void **state)
{
	bool deleted;
	uint64_t before;

	(void)state;
	rig_close(&rig);
	rig.options.compact_rate = 64 << 20;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "o", T, 1000), ERR_OK);
	before = device_lsn(rig.device);
	assert_int_equal(rig_delete(&rig, "o", T + 1), ERR_OK);
	uint8_t key[16];
	md5_digest("o", 1, key);
	device_settled(rig.device, 0, key, T);
	for (int round = 0; round < 4; round++) {
		/* The unit with the tombstone fills up, dies otherwise, and is compacted. */
		for (unsigned i = 0; i < 40; i++)
			assert_int_equal(
			        rig_put(&rig, "x", T + 2 + i + 100u * (unsigned)round, 60000),
			        ERR_OK);
		struct device_unsettled u = {0};
		while (device_next_unsettled(rig.device, u.lsn, &u))
			device_settled(rig.device, 0, u.key, u.ts);
		rig_sleep(&rig, 10000000);
		enum err err = rig_version(&rig, "o", NULL, &deleted);
		assert_int_equal(err, round == 3 ? ERR_NOT_FOUND : ERR_OK);
		/* First it is too young, then nobody has asked the others, then that was before. */
		rig.env.wall_us += 8ull * 86400 * 1000000;
		if (round)
			device_agreed(rig.device, 0, round == 1 ? before : before + 1);
	}
	reopen();
	assert_int_equal(rig_version(&rig, "o", NULL, &deleted), ERR_NOT_FOUND);
}

static enum err forget(const char *name, uint64_t ts, uint64_t meta_ts)
{
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_FORGET, name, ts);
	struct rig_call call;

	msg->meta_ts = meta_ts;
	rig_send(&rig, &call, msg);
	enum err err = call.call.reply.err;
	backend_call_done(&call.call);
	return err;
}

static void settle_all(void)
{
	struct device_unsettled u = {0};

	while (device_next_unsettled(rig.device, u.lsn, &u))
		device_settled(rig.device, 0, u.key, u.ts);
}

static void only_what_was_confirmed_is_forgotten(void **state)
{
	uint64_t ts;
	bool deleted;

	(void)state;
	assert_int_equal(forget("o", T, 0), ERR_NOT_FOUND);
	assert_int_equal(rig_put(&rig, "o", T, 300000), ERR_OK);
	assert_int_equal(rig_post(&rig, "o", T + 5, "red"), ERR_OK);
	assert_int_equal(forget("o", T + 1, 0), ERR_CONFLICT);
	assert_int_equal(forget("o", T, 0), ERR_CONFLICT);
	assert_int_equal(rig_get(&rig, "o", NULL, NULL), ERR_OK);
	assert_int_equal(forget("o", T, T + 5), ERR_OK);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(rig_version(&rig, "o", &ts, &deleted), ERR_NOT_FOUND);
		assert_int_equal(rig_get(&rig, "o", NULL, NULL), ERR_NOT_FOUND);
		assert_int_equal(rig_post(&rig, "o", T + 6, "blue"), ERR_NOT_FOUND);
		assert_int_equal(forget("o", T, T + 5), ERR_NOT_FOUND);
		assert_int_equal(rig_put(&rig, "o", T - 1, 10), ERR_CONFLICT);
		assert_int_equal(rig_put(&rig, "o", T, 10), ERR_CONFLICT);
		reopen();
	}
	/* It may come again, and be forgotten again; tombstones too. */
	assert_int_equal(rig_put(&rig, "o", T + 7, 10), ERR_OK);
	assert_int_equal(rig_get(&rig, "o", NULL, NULL), ERR_OK);
	assert_int_equal(forget("o", T + 7, 0), ERR_OK);
	assert_int_equal(rig_put(&rig, "o", T + 7, 10), ERR_OK);
	reopen();
	assert_int_equal(rig_get(&rig, "o", NULL, NULL), ERR_OK);
	assert_int_equal(rig_delete(&rig, "o", T + 8), ERR_OK);
	assert_int_equal(forget("o", T + 8, 0), ERR_OK);
	reopen();
	assert_int_equal(rig_version(&rig, "o", &ts, &deleted), ERR_NOT_FOUND);
}

/* The record of what is forgotten lies in a unit that stays longer than that of the forgetting. */
static void what_is_forgotten_stays_so_while_its_record_is_there(void **state)
{
	struct device_version version;
	char name[16];
	uint8_t key[16];

	(void)state;
	rig_close(&rig);
	rig.options.compact_rate = 64 << 20;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "o", T, 1000), ERR_OK);
	for (unsigned i = 0; i < 66; i++) {
		snprintf(name, sizeof(name), "stays%u", i);
		assert_int_equal(rig_put(&rig, name, T, 60000), ERR_OK);
	}
	for (unsigned i = 0; i < 4; i++) /* into the next unit */
		assert_int_equal(rig_put(&rig, "x", T + i, 60000), ERR_OK);
	assert_int_equal(forget("o", T, 0), ERR_OK);
	for (unsigned i = 4; i < 150; i++)
		assert_int_equal(rig_put(&rig, "x", T + i, 60000), ERR_OK);
	settle_all();
	rig_sleep(&rig, 10000000);
	struct device_stats stats;
	device_stats(rig.device, &stats);
	assert_true(stats.freed_units > 0);
	reopen();
	assert_int_equal(rig_get(&rig, "stays0", NULL, NULL), ERR_OK);
	assert_int_equal(rig_version(&rig, "o", NULL, NULL), ERR_NOT_FOUND);
	/* When that unit is gone, nothing is left of it at all. */
	for (unsigned i = 0; i < 66; i++) {
		snprintf(name, sizeof(name), "stays%u", i);
		assert_int_equal(rig_put(&rig, name, T + 1, 10), ERR_OK);
	}
	md5_digest("o", 1, key);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < 150; i++)
			assert_int_equal(
			        rig_put(&rig, "x", T + 1000 * (round + 1) + i, 60000), ERR_OK);
		settle_all();
		rig_sleep(&rig, 10000000);
	}
	assert_int_equal(device_find_any(rig.device, 0, key, &version), ERR_NOT_FOUND);
	reopen();
	assert_int_equal(rig_version(&rig, "o", NULL, NULL), ERR_NOT_FOUND);
}

/* Copies wait behind what clients write: one is taken into the log after a record of its key that
 * came later. */
static void a_copy_brings_nothing_back_that_went_while_it_waited(void **state)
{
	struct rig_call calls[BATCHES_FLYING], gone;
	struct device_stats stats;

	(void)state;
	rig_close(&rig);
	rig.options.compact_rate = 64 << 20;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "o", T, 1000), ERR_OK);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(rig_put(&rig, "x", T + i, 60000), ERR_OK);
	settle_all();
	device_stats(rig.device, &stats);
	assert_int_equal(stats.moved, 0);
	disk_fake_hold(rig.fake, true);
	for (unsigned i = 0; i < BATCHES_FLYING; i++) {
		static const char *const names[] = {"a", "b", "c", "d"};
		rig_start(&rig, &calls[i], rig_put_msg(names[i], T, 1000));
		rig_sleep(&rig, 5000);
	}
	rig_sleep(&rig, 3000000);
	assert_non_null(rig.device->log.head[1]);
	rig_start(&rig, &gone, rig_msg(BACKEND_OBJECT_FORGET, "o", T));
	rig_sleep(&rig, 5000);
	assert_non_null(rig.device->log.head[0]);
	disk_fake_hold(rig.fake, false);
	for (unsigned i = 0; i < BATCHES_FLYING; i++) {
		rig_wait(&rig, &calls[i]);
		backend_call_done(&calls[i].call);
	}
	rig_wait(&rig, &gone);
	assert_int_equal(gone.call.reply.err, ERR_OK);
	backend_call_done(&gone.call);
	rig_sleep(&rig, 3000000);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(rig_version(&rig, "o", NULL, NULL), ERR_NOT_FOUND);
		reopen();
	}
}

/* Its header cannot be read, its bodies are named by records: it is not counted twice. */
static void an_unreadable_header_is_counted_once(void **state)
{
	struct device_version version;
	uint8_t key[16];
	uint32_t touched = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		char name[16];
		snprintf(name, sizeof(name), "p%u", i);
		assert_int_equal(rig_put_staged(&rig, name, T + i, 400000), ERR_OK);
	}
	md5_digest("p0", 2, key);
	assert_int_equal(device_find(rig.device, 0, key, &version), ERR_OK);
	uint32_t u = object_extents(rig.device, version.at)->extents[0].unit;
	rig_close(&rig);
	disk_fake_fail(rig.fake, DISK_READ, 2 + u, ERR_IO, false); /* the superblocks come first */
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(get("p0"), ERR_OK);
	assert_true(rig.device->units[u].stuck);
	for (uint32_t i = 0; i < rig.device->unit_count; i++)
		touched += rig.device->units[i].type != UNIT_NONE;
	assert_int_equal(rig.device->untouched_units, rig.device->units_max - touched);
}

static void delete_them(unsigned n)
{
	char name[16];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(rig_delete(&rig, name, T + 10000), ERR_OK);
	}
}

/* The file system had room for the header of a unit, and for no more: it is none of those kept for
 * tombstones and compaction, after a restart as before. */
static void a_unit_without_blocks_is_not_kept_for_anything(bool restart)
{
	const uint32_t *next;
	unsigned x = 0;

	rig_close(&rig);
	rig.options.compact_rate = 64 << 20;
	rig.options.zero_ahead = 0;
	assert_int_equal(rig_open(&rig), ERR_OK);
	next = &rig.device->log.next;
	while (x < 80 || *next == UNIT_NO || !rig.device->log.next_ready ||
	        rig.device->units[*next].zeroed > FORMAT_DATA) {
		assert_int_equal(rig_put(&rig, "x", T + x, 60000), ERR_OK);
		assert_true(++x < 200);
	}
	uint32_t hollow = *next;
	disk_fake_full(rig.fake, true);
	settle_all(); /* those before it are free, and have all their blocks */
	rig_sleep(&rig, 1000000);
	for (unsigned i = 0; i < 20; i++)
		rig_put(&rig, "x", T + x++, 60000);
	settle_all();
	rig_sleep(&rig, 1000000);
	if (restart) {
		rig_close(&rig);
		rig.options.zero_ahead = 3;
		assert_int_equal(rig_open(&rig), ERR_OK);
	}
	assert_int_equal(rig.device->units[hollow].type, UNIT_NONE);
	delete_them(fill(T + 1000));
}

static void units_without_blocks_are_not_kept(void **state)
{
	(void)state;
	a_unit_without_blocks_is_not_kept_for_anything(false);
}

static void units_without_blocks_are_not_kept_after_a_restart(void **state)
{
	(void)state;
	a_unit_without_blocks_is_not_kept_for_anything(true);
}

static void one_without_room_for_copies_closes(void **state)
{
	char name[16];
	enum err err = ERR_OK;

	(void)state;
	rig_close(&rig);
	rig.options.compact_rate = 64 << 20;
	rig.options.zero_ahead = 0;
	assert_int_equal(rig_open(&rig), ERR_OK);
	for (unsigned i = 0; i < 100 && !err; i++) {
		disk_fake_full(rig.fake, i > 40);
		snprintf(name, sizeof(name), i % 8 ? "x" : "s%u", i);
		err = rig_put(&rig, name, T + i, 60000);
	}
	assert_int_equal(err, ERR_NO_SPACE);
	settle_all();
	rig_sleep(&rig, 5000000);
	assert_non_null(rig.device->log.head[1]);
	rig_close(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
}

/* Units are counted as what they are, and those to be freed are. */
static void the_units_are_as_counted(void)
{
	uint32_t freed = 0, touched = 0;

	for (uint32_t u = 0; u < rig.device->unit_count; u++) {
		const struct unit *unit = &rig.device->units[u];
		freed += unit->type == UNIT_FREE && !unit->freeing;
		touched += unit->type != UNIT_NONE || unit->freeing;
		assert_false((unit->type == UNIT_LOG || unit->type == UNIT_EXTENT) &&
		             unit->sealed && !unit->live && !unit->freeing);
	}
	assert_int_equal(rig.device->free_units, freed);
	assert_int_equal(rig.device->untouched_units, rig.device->units_max - touched);
}

/* Others have filled its file system by the next start, or share it by then: what it has stays. */
static void a_device_that_may_grow_no_more_has_what_it_had(void **state)
{
	static const uint64_t max[] = {5u << 20, 1};
	char name[16];
	unsigned n = 30;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(i % 2 ? rig_put_staged(&rig, name, T + i, 400000)
		                       : rig_put(&rig, name, T + i, 100000),
		        ERR_OK);
	}
	for (unsigned m = 0; m < 2; m++) {
		rig_close(&rig);
		rig.options.bytes_max = max[m];
		assert_int_equal(rig_open(&rig), ERR_OK);
		for (unsigned i = m; i < n; i++) {
			snprintf(name, sizeof(name), "s%u", i);
			assert_int_equal(get(name), ERR_OK);
		}
		snprintf(name, sizeof(name), "s%u", m);
		assert_int_equal(rig_delete(&rig, name, T + 2000), ERR_OK);
		the_units_are_as_counted();
	}
	for (unsigned i = 0; rig_put(&rig, "new", T + 1000 + i, 500000) == ERR_OK; i++)
		assert_true(i < 10);
	device_may_grow(rig.device, 30u << 20); /* others have left it more */
	assert_int_equal(rig_put(&rig, "new", T + 2000, 500000), ERR_OK);
	the_units_are_as_counted();
}

/* What it has may be older than the tombstone, and be there again after the next start. */
static void a_tombstone_stays_while_a_unit_is_unreadable(void **state)
{
	bool deleted;

	(void)state;
	assert_int_equal(rig_put(&rig, "o", T, 1000), ERR_OK);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(rig_put(&rig, "x", T + i, 60000), ERR_OK);
	assert_int_equal(rig_delete(&rig, "o", T + 1), ERR_OK);
	rig_close(&rig);
	disk_fake_fail(rig.fake, DISK_READ, 2, ERR_IO, false); /* the superblocks come first */
	rig.options.compact_rate = 64 << 20;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_true(rig.device->units[0].stuck);
	for (unsigned i = 20; i < 80; i++)
		assert_int_equal(rig_put(&rig, "x", T + i, 60000), ERR_OK);
	settle_all();
	rig.env.wall_us += 8ull * 86400 * 1000000;
	device_agreed(rig.device, 0, device_lsn(rig.device));
	rig_sleep(&rig, 10000000);
	assert_true(rig.device->stats.moved > 0);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(rig_version(&rig, "o", NULL, &deleted), ERR_OK);
		assert_true(deleted);
		reopen();
	}
}

/* Where what is written over is copied, a full file system refuses headers, too. */
static void refused_headers_cost_no_unit(void **state)
{
	unsigned headers = 0;

	for (unsigned nth = 1; nth < 60; nth++) {
		rig_close(&rig);
		rig.options.compact_rate = 64 << 20;
		assert_int_equal(rig_open(&rig), ERR_OK);
		disk_fake_fail(rig.fake, DISK_WRITE, nth, ERR_NO_SPACE, false);
		for (unsigned i = 0; i < 16; i++) {
			rig_put_staged(&rig, "p", T + i, 400000);
			rig_put(&rig, "x", T + i, 60000);
		}
		settle_all();
		rig_sleep(&rig, 15000000);
		if (!rig.device->failed) { /* a seal that is refused fails it */
			the_units_are_as_counted();
			headers++;
		}
		teardown(state);
		setup(state);
	}
	assert_true(headers > 40);
}

int main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T_(order_spans_units_and_recovered_tails_are_sealed),
	        T_(a_footer_waits_for_all_batches),
	        T_(acknowledgements_keep_the_order_of_the_log),
	        T_(a_batch_counts_when_all_of_it_is_right),
	        T_(a_bad_superblock_is_written_again),
	        T_(damaged_footers_are_not_believed),
	        T_(damage_in_a_sealed_unit_costs_only_what_it_hit),
	        T_(damage_in_the_open_unit_costs_only_what_it_hit),
	        T_(damage_where_an_open_unit_ends),
	        T_(what_was_in_flight_with_damage_is_dropped),
	        T_(a_flipped_byte_is_told_and_repaired),
	        T_(a_posted_version_is_repaired_with_its_post),
	        T_(a_body_that_was_missed_is_taken_behind_its_post),
	        T_(a_tombstone_is_repaired),
	        T_(a_flipped_byte_of_a_piece_is_told),
	        T_(scrub_finds_what_nobody_reads),
	        T_(an_error_ends_writing_and_nothing_false_is_said),
	        T_(a_batch_behind_a_failed_one_fails),
	        T_(only_devices_are_opened),
	        T_(a_full_device_takes_deletes_and_comes_back),
	        T_(units_of_bodies_become_the_logs_on_a_full_file_system),
	        T_(compaction_makes_way_for_others),
	        T_(compaction_keeps_what_lives),
	        T_(pieces_stay_for_who_has_read_their_record),
	        T_(tombstones_go_when_they_are_old_and_all_have_them),
	        T_(only_what_was_confirmed_is_forgotten),
	        T_(what_is_forgotten_stays_so_while_its_record_is_there),
	        T_(a_copy_brings_nothing_back_that_went_while_it_waited),
	        T_(an_unreadable_header_is_counted_once),
	        T_(units_without_blocks_are_not_kept),
	        T_(units_without_blocks_are_not_kept_after_a_restart),
	        T_(one_without_room_for_copies_closes),
	        T_(a_device_that_may_grow_no_more_has_what_it_had),
	        T_(a_tombstone_stays_while_a_unit_is_unreadable),
	        T_(refused_headers_cost_no_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
