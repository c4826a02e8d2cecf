/* From the disk to a device that serves.
 *
 *   superblocks -> unit headers -> LOG units in the order of their incarnations: a footer where
 *   there is one, else the chain of batches -> rows above the checkpoints -> seals of the units
 *   that were open -> opened                 (an empty disk: superblocks are written -> opened)
 *
 * Footers of the units sealed here are written once the device serves. */
#include "lib/device/device_internal.h"

#include "lib/base/mem.h"
#include "lib/crypto/crc32c.h"
#include <stdlib.h>
#include <string.h>

#define HEADS_FLYING 16
#define SUPER_AREA   65536u
#define UNITS_MIN    4
#define LSN_STEP     4096u /* numbers left out, so that no lost record's comes back */

struct head {
	struct disk_io io;
	struct recovery *recovery;
	struct bytes *bytes;
	uint32_t unit;
};

/* What a LOG unit's first blocks said. */
struct log_unit {
	struct format_unit head;
	struct format_seal seal; /* magic 0: none */
	uint32_t unit;
	bool sealed, has_footer, scanned;
};

struct recovery {
	struct device *device;
	struct task task;
	struct disk_io io;
	struct iovec iov;
	struct bytes *bytes; /* superblocks, or a footer */
	struct head heads[HEADS_FLYING];
	uint32_t next_head, heads_flying, count;
	struct log_unit *units; /* owned, by incarnation */
	uint32_t unit_count, unit_cap, at;
	struct scan scan;
	/* the chain as far as it was accepted */
	uint64_t chain_incarnation, next_lsn;
	uint64_t durable; /* all records up to here are known to have been durable */
	uint32_t chain_crc;
	uint32_t seals;
	enum err err;
};

static void finish(struct recovery *r, enum err err)
{
	struct device *device = r->device;
	void (*opened)(void *, struct device *, enum err) = device->options.opened;
	void *owner = device->options.owner;

	bytes_unref(r->bytes);
	free(r->units);
	free(r);
	device->recovery = NULL;
	if (err) {
		device_free(device);
		opened(owner, NULL, err);
		return;
	}
	opened(owner, device, ERR_OK);
}

static void fail_later(struct recovery *r, enum err err);

static void on_fail(struct task *task)
{
	struct recovery *r = CONTAINER_OF(task, struct recovery, task);

	if (r->device->flying) { /* heads still being read */
		fail_later(r, r->err);
		return;
	}
	finish(r, r->err);
}

static void fail_later(struct recovery *r, enum err err)
{
	r->err = err;
	r->task.run = on_fail;
	reactor_post(r->device->reactor, &r->task);
}

/* --- the end: from here the device serves --- */

static void on_opened(struct task *task)
{
	struct recovery *r = CONTAINER_OF(task, struct recovery, task);
	struct device *device = r->device;

	object_sort_unsettled(device);
	device->serving = true;
	for (int p = 0; p < BACKEND_POLICIES; p++) {
		if (device->index[p])
			index_trim(device->index[p]);
	}
	mem_trim();
	for (uint32_t i = 0; i < r->unit_count; i++)
		footer_write(device, r->units[i].unit);
	for (uint32_t u = 0; u < device->unit_count; u++) {
		if (device->units[u].type == UNIT_FREE)
			unit_count_free(device, u);
		unit_check(device, u);
	}
	unit_zero(device);
	compact_start(device);
	scrub_start(device);
	finish(r, ERR_OK);
}

static void serve(struct recovery *r)
{
	struct device *device = r->device;

	device->log.next_lsn = r->next_lsn;
	device->log.durable_lsn = r->next_lsn - 1;
	device->log.prev_crc = device->log.durable_crc = r->chain_crc;
	r->task.run = on_opened;
	reactor_post(device->reactor, &r->task);
}

/* --- a new device --- */

static void on_formatted(struct disk_io *io, enum err err)
{
	struct recovery *r = CONTAINER_OF(io, struct recovery, io);

	r->device->flying--;
	if (err)
		fail_later(r, err);
	else
		serve(r);
}

static void write_supers(struct recovery *r, const struct format_super *super)
{
	memset(r->bytes->data, 0, SUPER_AREA);
	memcpy(r->bytes->data, super, sizeof(*super));
	memcpy(r->bytes->data + FORMAT_SUPER_2, super, sizeof(*super));
	r->iov = (struct iovec){r->bytes->data, SUPER_AREA};
	r->io.done = on_formatted;
	r->device->flying++;
	disk_write(r->device->disk, &r->io, &r->iov, 1, 0, true);
}

static void set_units_max(struct device *device, uint32_t units)
{
	device->units_max = device->untouched_units = units;
}

static void set_geometry(struct device *device, const struct format_super *super)
{
	uint64_t max = device->disk->size_max;

	device->unit_bytes = super->unit_bytes;
	memcpy(device->uuid, super->uuid, 16);
	if (device->options.bytes_max && device->options.bytes_max < max)
		max = device->options.bytes_max;
	set_units_max(device, unit_most(device, max));
}

static void format(struct recovery *r)
{
	struct device *device = r->device;
	struct format_super super = {.unit_bytes = device->options.unit_bytes};
	const struct env *env = reactor_env(device->reactor);

	env->random(env, super.uuid, sizeof(super.uuid));
	format_super_seal(&super);
	set_geometry(device, &super);
	if (!format_super_ok(&super) || device->units_max < UNITS_MIN) {
		fail_later(r, ERR_CONFIG);
		return;
	}
	write_supers(r, &super);
}

/* --- units that were open: nothing after the accepted end may ever count --- */

static void seal_next(struct recovery *r);

static void on_seal(struct device *device, uint32_t u, enum err err)
{
	struct recovery *r = device->recovery;

	(void)u;
	r->seals--;
	if (err)
		r->err = err;
	if (r->seals)
		return;
	if (r->err)
		fail_later(r, r->err);
	else
		serve(r);
}

static void seal_next(struct recovery *r)
{
	struct device *device = r->device;

	r->seals = 1;
	for (uint32_t i = 0; i < r->unit_count; i++) {
		const struct log_unit *l = &r->units[i];
		if (l->sealed)
			continue;
		r->seals++;
		footer_seal_end(device, l->unit, device->units[l->unit].seal_crc,
		        device->units[l->unit].seal_lsn, on_seal);
	}
	r->next_lsn += LSN_STEP;
	on_seal(device, UNIT_NO, ERR_OK);
}

/* --- rows above the checkpoints, in the order of the log --- */

static void row_unit(struct recovery *r);

static bool row_record(struct scan *scan, const struct format_record *record, uint32_t off)
{
	struct device *device = scan->device;
	struct device_replay *replay =
	        record->role < DEVICE_ROLES ? device->options.replay[record->role] : NULL;

	(void)off;
	if (record->type == RECORD_ROW && replay && record->lsn > device->checkpoint[record->role])
		replay->record(replay, record->lsn, record + 1, record->meta_len - sizeof(*record));
	return true;
}

static void row_done(struct scan *scan, enum err err)
{
	struct recovery *r = CONTAINER_OF(scan, struct recovery, scan);

	if (err) {
		fail_later(r, err);
		return;
	}
	r->at++;
	row_unit(r);
}

static bool wants_rows(const struct device *device, const struct unit *unit)
{
	for (int role = 0; role < DEVICE_ROLES; role++) {
		if (unit->row_max[role] > device->checkpoint[role])
			return true;
	}
	return false;
}

static void row_unit(struct recovery *r)
{
	struct device *device = r->device;

	while (r->at < r->unit_count && !wants_rows(device, &device->units[r->units[r->at].unit]))
		r->at++;
	if (r->at == r->unit_count) {
		seal_next(r);
		return;
	}
	const struct log_unit *l = &r->units[r->at];
	r->scan = (struct scan){
	        .device = device,
	        .unit = l->unit,
	        .off = FORMAT_DATA,
	        .limit = device->units[l->unit].end,
	        .head = &l->head,
	        .salvage = true,
	        .record = row_record,
	        .done = row_done,
	};
	scan_start(&r->scan);
}

/* --- the log --- */

static void next_unit(struct recovery *r);

/* Whether the extents of a record can be there: in a unit that is free or holds log by now, they
 * are gone, and so is the version: a newer one follows. A unit whose own header is damaged is
 * taken for what records say it is. */
static bool adopt_extents(
        struct device *device, const struct device_extent *extents, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct device_extent *e = &extents[i];
		uint64_t end = (uint64_t)e->block * DISK_BLOCK + DISK_BLOCK + e->len;
		if (e->unit >= device->units_max || e->len > BACKEND_PIECE ||
		        e->block < FORMAT_DATA / DISK_BLOCK || end > device->unit_bytes)
			return false;
		while (device->unit_count <= e->unit)
			unit_add(device);
		if (device->units[e->unit].type == UNIT_LOG ||
		        device->units[e->unit].type == UNIT_FREE)
			return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct unit *unit = &device->units[extents[i].unit];
		if (unit->type == UNIT_NONE) {
			device->untouched_units -= !unit->stuck; /* or its head was unreadable */
			unit->incarnation = device->next_incarnation++;
			unit->type = UNIT_EXTENT;
			unit->sealed = true;
		}
		uint32_t end = extents[i].block * DISK_BLOCK + format_piece_space(extents[i].len);
		if (unit->end < end)
			unit->end = end;
	}
	return true;
}

static void apply_record(struct recovery *r, const struct format_record *record, uint32_t off)
{
	struct device *device = r->device;
	uint32_t u = r->units[r->at].unit;
	struct unit *unit = &device->units[u];

	footer_note(unit->footer, record, off);
	bool superseded = record->flags & RECORD_SUPERSEDED;
	switch (record->type) {
	case RECORD_OBJECT:
	case RECORD_TOMBSTONE:
		object_apply_record(device, record, at_make(u, off, record->len), 0,
		        !superseded && !adopt_extents(device, format_extents(record),
		                               format_object(record)->extent_count));
		break;
	case RECORD_SETTLED: {
		const struct format_settled *s = (const void *)(record + 1);
		size_t n = (record->meta_len - sizeof(*record)) / sizeof(*s);
		for (size_t i = 0; i < n; i++) {
			if (s[i].policy < DEVICE_SPACES)
				object_settle(device, s[i].policy, s[i].key, s[i].ts);
		}
		break;
	}
	case RECORD_ROW:
		if (unit->row_max[record->role] < record->lsn)
			unit->row_max[record->role] = record->lsn;
		break;
	case RECORD_CHECKPOINT: {
		const struct format_checkpoint *c = (const void *)(record + 1);
		if (device->checkpoint[record->role] < c->lsn)
			device->checkpoint[record->role] = c->lsn;
		break;
	}
	}
}

static bool log_record(struct scan *scan, const struct format_record *record, uint32_t off)
{
	apply_record(CONTAINER_OF(scan, struct recovery, scan), record, off);
	return true;
}

/* It is asked of the other replicas by what looks like its key; they know better what it was. */
static void log_broken(struct scan *scan, const struct format_record *record)
{
	struct device *device = scan->device;
	const struct format_object *object = format_object(record);

	device->stats.corrupt++;
	if (device->options.corrupt)
		device->options.corrupt(
		        device->options.owner, record->policy, object->key, object->ts);
}

static void log_scanned(struct scan *scan, enum err err)
{
	struct recovery *r = CONTAINER_OF(scan, struct recovery, scan);
	struct log_unit *l = &r->units[r->at];
	struct unit *unit = &r->device->units[l->unit];

	if (err) {
		fail_later(r, err);
		return;
	}
	r->durable = scan->durable;
	if (!l->sealed) {
		unit->end = scan->off;
		unit->seal_lsn = scan->lsn;
		unit->seal_crc = scan->prev_crc;
		r->next_lsn = scan->lsn;
		r->chain_crc = scan->prev_crc;
	}
	if (r->next_lsn < unit->seal_lsn)
		r->next_lsn = unit->seal_lsn;
	r->chain_incarnation = unit->incarnation;
	r->at++;
	next_unit(r);
}

static void scan_unit(struct recovery *r)
{
	struct device *device = r->device;
	struct log_unit *l = &r->units[r->at];
	bool follows = l->head.prev && l->head.prev == r->chain_incarnation;

	device->units[l->unit].footer = footer_new();
	l->scanned = true;
	r->scan = (struct scan){
	        .device = device,
	        .unit = l->unit,
	        .off = FORMAT_DATA,
	        .limit = l->sealed ? l->seal.end : device->unit_bytes,
	        .head = &l->head,
	        .salvage = l->sealed,
	        .chained = !l->sealed && follows,
	        .prev_crc = r->chain_crc,
	        .lsn = l->sealed ? 0 : r->next_lsn,
	        .durable = r->durable,
	        .record = log_record,
	        .broken = log_broken,
	        .done = log_scanned,
	};
	scan_start(&r->scan);
}

static void apply_footer(struct recovery *r, const struct format_footer *footer)
{
	struct device *device = r->device;
	uint32_t u = r->units[r->at].unit;
	const struct format_entry *entry = (const void *)(footer + 1);
	const struct device_extent *extent = (const void *)(entry + footer->entries);

	for (uint32_t i = 0; i < footer->entries; i++, extent += entry->extent_count, entry++) {
		if (entry->type == RECORD_SETTLED) {
			object_settle(device, entry->policy, entry->key, entry->ts);
			continue;
		}
		if (entry->off >= device->unit_bytes ||
		        entry->off + (uint64_t)entry->len > device->unit_bytes)
			continue;
		struct applied applied = {
		        .policy = entry->policy,
		        .key = entry->key,
		        .ts = entry->ts,
		        .meta_ts = entry->meta_ts,
		        .lsn = entry->first_lsn,
		        .at = at_make(u, entry->off, entry->len),
		        .extents = extent,
		        .extent_count = entry->extent_count,
		        .deleted = entry->type == RECORD_TOMBSTONE,
		        .open = entry->open,
		        .fragment = entry->fragment,
		        .expires = entry->flags & RECORD_EXPIRES,
		        .forgotten = entry->flags & RECORD_FORGOTTEN,
		        .gone = entry->flags & RECORD_SUPERSEDED ||
		                !adopt_extents(device, extent, entry->extent_count),
		};
		object_apply(device, &applied);
	}
}

static void on_footer(struct disk_io *io, enum err err)
{
	struct recovery *r = CONTAINER_OF(io, struct recovery, io);
	struct device *device = r->device;
	struct log_unit *l = &r->units[r->at];

	device->flying--;
	if (err || crc32c(0, r->bytes->data, l->seal.footer_len) != l->seal.footer_crc ||
	        !format_footer_ok(r->bytes->data, l->seal.footer_len, l->head.incarnation)) {
		scan_unit(r); /* the records themselves still tell */
		return;
	}
	apply_footer(r, (const void *)r->bytes->data);
	struct unit *unit = &device->units[l->unit]; /* not before: there may be more by now */
	unit->sealed = true;
	if (r->next_lsn < unit->seal_lsn)
		r->next_lsn = unit->seal_lsn;
	r->chain_incarnation = unit->incarnation;
	r->at++;
	next_unit(r);
}

static bool read_footer(struct recovery *r, const struct log_unit *l)
{
	struct device *device = r->device;
	uint64_t len = format_up(l->seal.footer_len, DISK_BLOCK);

	if (!l->has_footer || !l->seal.footer_len || l->seal.footer % DISK_BLOCK ||
	        l->seal.footer + len > device->unit_bytes)
		return false;
	if (!r->bytes || r->bytes->cap < len) {
		bytes_unref(r->bytes);
		r->bytes = bytes_new(len);
		if (!r->bytes)
			return false;
	}
	r->io.done = on_footer;
	device->flying++;
	disk_read(device->disk, &r->io, r->bytes->data, len,
	        unit_at(device, l->unit) + l->seal.footer);
	return true;
}

static void next_unit(struct recovery *r)
{
	if (r->at == r->unit_count) {
		r->at = 0;
		row_unit(r);
		return;
	}
	struct log_unit *l = &r->units[r->at];
	struct unit *unit = &r->device->units[l->unit];
	if (l->sealed) {
		unit->end = l->seal.end;
		unit->seal_lsn = l->seal.next_lsn;
		unit->seal_crc = l->seal.last_crc;
		r->chain_crc = l->seal.last_crc;
		unit->lsn = l->seal.first_lsn;
		memcpy(unit->row_max, l->seal.row_max, sizeof(unit->row_max));
		for (int role = 0; role < DEVICE_ROLES; role++) {
			if (r->device->checkpoint[role] < l->seal.checkpoint[role])
				r->device->checkpoint[role] = l->seal.checkpoint[role];
		}
	}
	if (!read_footer(r, l))
		scan_unit(r);
}

/* --- unit headers --- */

static int by_incarnation(const void *a, const void *b)
{
	const struct log_unit *x = a, *y = b;

	return x->head.incarnation < y->head.incarnation
	               ? -1
	               : x->head.incarnation > y->head.incarnation;
}

/* What the first batches of later units know of the ones before: the last of a unit may be damaged
 * as well as any. */
static void look_unit(struct recovery *r);

static void unit_looked(struct scan *scan, enum err err)
{
	struct recovery *r = CONTAINER_OF(scan, struct recovery, scan);

	if (err) {
		fail_later(r, err);
		return;
	}
	r->durable = scan->durable;
	r->at++;
	look_unit(r);
}

static void look_unit(struct recovery *r)
{
	while (r->at < r->unit_count && r->units[r->at].sealed)
		r->at++;
	if (r->at == r->unit_count) {
		r->at = 0;
		next_unit(r);
		return;
	}
	const struct log_unit *l = &r->units[r->at];
	r->scan = (struct scan){
	        .device = r->device,
	        .unit = l->unit,
	        .off = FORMAT_DATA,
	        .limit = r->device->unit_bytes,
	        .head = &l->head,
	        .look = true,
	        .durable = r->durable,
	        .done = unit_looked,
	};
	scan_start(&r->scan);
}

/* Of a unit that a full file system cut short there may be the headers alone. */
static void see_holes(struct device *device)
{
	uint64_t hole = 0;

	for (uint32_t u = 0; u < device->unit_count; u++) {
		struct unit *unit = &device->units[u];
		uint64_t at = unit_at(device, u);
		if (hole < at)
			hole = disk_hole(device->disk, at);
		if (unit->type != UNIT_NONE)
			unit->zeroed = hole - at < device->unit_bytes
			                       ? (uint32_t)(hole - at) / DISK_BLOCK * DISK_BLOCK
			                       : device->unit_bytes;
	}
}

static void heads_read(struct recovery *r)
{
	see_holes(r->device);
	if (r->unit_count)
		qsort(r->units, r->unit_count, sizeof(*r->units), by_incarnation);
	for (uint32_t i = 0; i < r->unit_count; i++) {
		const struct log_unit *l = &r->units[i];
		if (l->sealed && r->durable + 1 < l->seal.next_lsn)
			r->durable = l->seal.next_lsn - 1;
	}
	r->next_lsn = 1;
	while (r->at < r->unit_count && r->units[r->at].sealed)
		r->at++;
	r->at += r->at < r->unit_count; /* the first one that is open has none before it */
	look_unit(r);
}

static void take_log(struct recovery *r, const struct head *head, const struct format_unit *unit)
{
	struct device *device = r->device;
	const struct format_seal *b = (const void *)(head->bytes->data + FORMAT_SEAL_B);
	const struct format_seal *a = (const void *)(head->bytes->data + FORMAT_SEAL_A);

	if (r->unit_count == r->unit_cap) {
		r->unit_cap = r->unit_cap ? r->unit_cap * 2 : 64;
		r->units = mem_realloc(r->units, r->unit_cap * sizeof(*r->units));
	}
	struct log_unit *l = &r->units[r->unit_count++];
	*l = (struct log_unit){.head = *unit, .unit = head->unit};
	bool b_ok = format_seal_ok(b, unit) && b->end <= device->unit_bytes;
	bool a_ok = format_seal_ok(a, unit) && a->end <= device->unit_bytes;
	if (b_ok || a_ok)
		l->seal = b_ok ? *b : *a;
	l->has_footer = b_ok;
	l->sealed = b_ok || a_ok;
	for (int role = 0; role < DEVICE_ROLES; role++) {
		if (device->checkpoint[role] < unit->checkpoint[role])
			device->checkpoint[role] = unit->checkpoint[role];
	}
}

static void take_head(struct recovery *r, const struct head *head)
{
	struct device *device = r->device;
	const struct format_unit *one = (const void *)head->bytes->data;
	const struct format_unit *two = (const void *)(head->bytes->data + DISK_BLOCK);
	bool one_ok = format_unit_ok(one) && one->unit == head->unit &&
	              memcmp(one->uuid, device->uuid, 16) == 0;
	bool two_ok = format_unit_ok(two) && two->unit == head->unit &&
	              memcmp(two->uuid, device->uuid, 16) == 0;
	struct unit *unit = &device->units[head->unit];

	/* Torn while it was written: the one that is whole says what the unit was or is. */
	if (!one_ok && !two_ok)
		return;
	const struct format_unit *h = one_ok ? one : two;
	if (one_ok && two_ok && two->incarnation > one->incarnation)
		h = two;
	unit->type = h->type;
	unit->incarnation = h->incarnation;
	unit->nonce = h->nonce;
	unit->lsn = h->lsn;
	unit->end = FORMAT_DATA;
	unit->sealed = h->type == UNIT_EXTENT;
	device->untouched_units--;
	if (h->incarnation >= device->next_incarnation)
		device->next_incarnation = h->incarnation + 1;
	if (h->type == UNIT_LOG)
		take_log(r, head, h);
}

static void read_heads(struct recovery *r);

static void on_head(struct disk_io *io, enum err err)
{
	struct head *head = CONTAINER_OF(io, struct head, io);
	struct recovery *r = head->recovery;
	struct device *device = r->device;

	device->flying--;
	if (err) {
		/* Unreadable: never used again, and not taken for empty. */
		device->units[head->unit].stuck = true;
		device->untouched_units--;
	} else {
		take_head(r, head);
	}
	bytes_unref(head->bytes);
	head->bytes = NULL;
	r->heads_flying--;
	read_heads(r);
}

static void read_heads(struct recovery *r)
{
	struct device *device = r->device;

	for (int i = 0; i < HEADS_FLYING && r->next_head < r->count; i++) {
		struct head *head = &r->heads[i];
		if (head->bytes)
			continue;
		head->bytes = bytes_new(FORMAT_DATA);
		if (!head->bytes)
			break;
		head->recovery = r;
		head->unit = r->next_head++;
		head->io.done = on_head;
		r->heads_flying++;
		device->flying++;
		disk_read(device->disk, &head->io, head->bytes->data, FORMAT_DATA,
		        unit_at(device, head->unit));
	}
	if (!r->heads_flying)
		heads_read(r);
}

/* However far it may grow by now, it has what is there, and may try for those that deletes and
 * compaction need. */
static uint32_t least_units(const struct recovery *r, uint32_t most)
{
	uint32_t least = r->count + 2 > UNITS_MIN ? r->count + 2 : UNITS_MIN;

	return least < most ? least : most;
}

static void read_units(struct recovery *r)
{
	struct device *device = r->device;
	uint32_t most = unit_most(device, device->disk->size_max);

	if (most < UNITS_MIN) {
		fail_later(r, ERR_CONFIG);
		return;
	}
	while (r->count < most && unit_at(device, r->count) + FORMAT_DATA <= device->disk->size) {
		unit_add(device);
		r->count++;
	}
	if (device->units_max < least_units(r, most))
		set_units_max(device, least_units(r, most));
	read_heads(r);
}

/* --- superblocks --- */

static bool all_zero(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i])
			return false;
	}
	return true;
}

static void on_mended(struct disk_io *io, enum err err)
{
	struct recovery *r = CONTAINER_OF(io, struct recovery, io);

	(void)err; /* the good one serves; the next start tries again */
	r->device->flying--;
	read_units(r);
}

/* The copy at `at` is bad: only that block is written, the good one is not touched. */
static void mend_super(struct recovery *r, uint32_t at, const struct format_super *good)
{
	uint8_t *block = r->bytes->data + at;

	memset(block, 0, DISK_BLOCK);
	memcpy(block, good, sizeof(*good));
	r->iov = (struct iovec){block, DISK_BLOCK};
	r->io.done = on_mended;
	r->device->flying++;
	disk_write(r->device->disk, &r->io, &r->iov, 1, at, true);
}

static void on_super(struct disk_io *io, enum err err)
{
	struct recovery *r = CONTAINER_OF(io, struct recovery, io);
	const struct format_super *one = (const void *)r->bytes->data;
	const struct format_super *two = (const void *)(r->bytes->data + FORMAT_SUPER_2);
	bool one_ok = format_super_ok(one), two_ok = format_super_ok(two);

	r->device->flying--;
	if (err) {
		fail_later(r, err);
		return;
	}
	const struct format_super *super = one_ok ? one : two;
	if (!one_ok && !two_ok) {
		if (r->device->options.create && all_zero(r->bytes->data, SUPER_AREA))
			format(r);
		else
			fail_later(r, ERR_FORMAT);
		return;
	}
	if (super->version != FORMAT_VERSION) {
		fail_later(r, ERR_FORMAT);
		return;
	}
	set_geometry(r->device, super);
	if (!one_ok || !two_ok)
		mend_super(r, one_ok ? FORMAT_SUPER_2 : 0, super);
	else
		read_units(r);
}

static void begin(struct task *task)
{
	struct recovery *r = CONTAINER_OF(task, struct recovery, task);
	struct device *device = r->device;

	r->bytes = bytes_new(SUPER_AREA);
	if (!r->bytes) {
		fail_later(r, ERR_NO_MEMORY);
		return;
	}
	if (device->disk->size < SUPER_AREA) {
		/* New, or its making was cut short: nothing was ever acknowledged. */
		if (device->options.create)
			format(r);
		else
			fail_later(r, ERR_FORMAT);
		return;
	}
	r->io.done = on_super;
	device->flying++;
	disk_read(device->disk, &r->io, r->bytes->data, SUPER_AREA, 0);
}

void recover_start(struct device *device)
{
	struct recovery *r = mem_zalloc(sizeof(*r));

	r->device = device;
	device->recovery = r;
	r->next_lsn = 1;
	device->next_incarnation = 1;
	r->task.run = begin;
	reactor_post(device->reactor, &r->task);
}
