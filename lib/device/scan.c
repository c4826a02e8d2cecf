#include "lib/device/device_internal.h"

#include <stdlib.h>

#define SCAN_BUFFER (1u << 20)
/* Behind a batch that fails: more than what can be in flight with it. */
#define LOOK_AHEAD (8 * BATCH_MAX)
static_assert(LOOK_AHEAD > BATCHES_FLYING * BATCH_MAX, "the batch behind those is seen");
static_assert(SCAN_BUFFER > BATCH_MAX + FORMAT_RECORD_MAX / 2, "a batch fits the buffer");

static void on_read(struct disk_io *io, enum err err);

static void finish(struct scan *scan, enum err err)
{
	bytes_unref(scan->bytes);
	scan->bytes = NULL;
	scan->done(scan, err);
}

/* Reads on from `off`; the buffer then begins there. */
static void refill(struct scan *scan)
{
	struct device *device = scan->device;
	uint64_t at = unit_at(device, scan->unit) + scan->off;
	uint64_t left = scan->limit - scan->off;

	if (at + left > device->disk->size && device->disk->size > at && !device->serving)
		left = (device->disk->size - at) / DISK_BLOCK * DISK_BLOCK;
	else if (device->disk->size <= at && !device->serving)
		left = 0;
	if (left > SCAN_BUFFER)
		left = SCAN_BUFFER;
	scan->from = scan->off;
	scan->have = (uint32_t)left;
	scan->io.done = on_read;
	device->flying++;
	disk_read(device->disk, &scan->io, scan->bytes->data, left, at);
}

static bool at_end(const struct scan *scan)
{
	const struct device *device = scan->device;

	return scan->off + DISK_BLOCK > scan->limit ||
	       (!device->serving &&
	               unit_at(device, scan->unit) + scan->off + DISK_BLOCK > device->disk->size);
}

static bool follows(const struct scan *scan, const struct format_batch *batch)
{
	if (scan->chained)
		return batch->prev_crc == scan->prev_crc && batch->lsn == scan->lsn;
	return batch->lsn >= scan->lsn;
}

enum verdict { GOOD, DAMAGED, NO_BATCH, READ_MORE };

static uint32_t left_of(const struct scan *scan)
{
	return scan->from + scan->have - scan->off;
}

static const void *here(const struct scan *scan)
{
	return scan->bytes->data + (scan->off - scan->from);
}

static bool head_ok(const struct scan *scan, const struct format_batch *batch)
{
	return format_batch_head_ok(batch, scan->head, scan->limit - scan->off) &&
	       batch->len <= SCAN_BUFFER;
}

static enum verdict judge(const struct scan *scan, const struct format_batch *batch)
{
	if (scan->off + DISK_BLOCK > scan->from + scan->have)
		return READ_MORE;
	if (!head_ok(scan, batch) || !follows(scan, batch))
		return NO_BATCH;
	if (batch->len > left_of(scan))
		return scan->off == scan->from ? NO_BATCH : READ_MORE;
	return format_batch_ok(batch) ? GOOD : DAMAGED;
}

/* Records that begin in data[at, end), where `room` bytes are. Returns where the last one ended, or
 * UINT32_MAX when it has been enough. */
static uint32_t records(
        struct scan *scan, const uint8_t *data, uint32_t at, uint32_t end, uint32_t room)
{
	while (at < end && at + sizeof(struct format_record) <= room) {
		const struct format_record *record = (const void *)(data + at);
		if (!format_record_ok(record, room - at, scan->head->nonce)) {
			if (scan->broken && format_record_was(record, room - at, scan->head->nonce))
				scan->broken(scan, record);
			at += 64;
			continue;
		}
		if (!scan->record(scan, record, scan->off + at))
			return UINT32_MAX;
		at += record->len;
	}
	return at;
}

static bool take_batch(struct scan *scan, const struct format_batch *batch)
{
	uint32_t end = records(scan, (const void *)batch, sizeof(*batch), batch->used, batch->used);

	scan->prev_crc = batch->crc;
	scan->lsn = batch->lsn + batch->count;
	scan->chained = true;
	scan->off += batch->len;
	return end != UINT32_MAX;
}

/* A block of damage: the header of its batch is gone, but not each record. False: read more. */
static bool take_gap(struct scan *scan, bool *ret_go_on)
{
	uint32_t left = left_of(scan);
	uint32_t at = scan->gap_at > scan->off ? scan->gap_at - scan->off : 0;

	if (left < FORMAT_RECORD_MAX + DISK_BLOCK && scan->off != scan->from &&
	        scan->from + scan->have < scan->limit)
		return false;
	at = records(scan, here(scan), at, DISK_BLOCK, left);
	*ret_go_on = at != UINT32_MAX;
	scan->gap_at = scan->off + at;
	scan->off += DISK_BLOCK;
	scan->chained = false;
	return true;
}

/* --- where the log seems to end --- */

/* A batch that was sent when others before it had been acknowledged says so. */
static void look(struct scan *scan)
{
	const struct format_batch *batch = here(scan);

	if (!head_ok(scan, batch)) {
		scan->off += DISK_BLOCK;
		return;
	}
	if (scan->durable < batch->durable)
		scan->durable = batch->durable;
	bool may_resume = scan->off > scan->looked || scan->off == FORMAT_DATA;
	if (!scan->found && may_resume && batch->lsn > scan->lsn) {
		scan->found = scan->off;
		scan->found_lsn = batch->lsn;
	}
	scan->off += batch->len;
}

static void look_ahead(struct scan *scan)
{
	scan->looked = scan->off;
	scan->look_end =
	        scan->limit - scan->off < LOOK_AHEAD ? scan->limit : scan->off + LOOK_AHEAD;
	scan->found = 0;
}

static bool looking(struct scan *scan)
{
	return scan->off < scan->look_end && !at_end(scan);
}

/* Back to where it began, with what is known now. */
static void looked(struct scan *scan)
{
	scan->look_end = 0;
	scan->off = scan->looked;
	if (scan->found && scan->durable + 1 >= scan->found_lsn) {
		scan->gap_end = scan->found;
		scan->chained = false; /* from the first batch behind the damage */
	}
}

static bool was_durable(const struct scan *scan, const struct format_batch *batch)
{
	return scan->salvage || batch->lsn + batch->count - 1 <= scan->durable;
}

/* One turn over what the buffer holds. False: the scan goes on with a read. */
static bool walk(struct scan *scan)
{
	bool go_on = true;

	while (go_on) {
		if (scan->look_end && !looking(scan)) {
			if (scan->look)
				return true;
			looked(scan);
			break;
		}
		if (at_end(scan))
			return true;
		const struct format_batch *batch = here(scan);
		enum verdict verdict = judge(scan, batch);
		bool in_gap = scan->salvage || scan->off < scan->gap_end;

		if (verdict == READ_MORE)
			break;
		if (scan->look_end) {
			look(scan);
		} else if (verdict == GOOD || (verdict == DAMAGED && was_durable(scan, batch))) {
			go_on = take_batch(scan, batch);
		} else if (verdict == NO_BATCH && in_gap) {
			if (!take_gap(scan, &go_on))
				break;
		} else if (scan->looked != scan->off) {
			look_ahead(scan);
		} else {
			return true;
		}
	}
	if (go_on)
		refill(scan);
	return !go_on;
}

static void on_read(struct disk_io *io, enum err err)
{
	struct scan *scan = CONTAINER_OF(io, struct scan, io);

	scan->device->flying--;
	if (err || walk(scan))
		finish(scan, err);
}

void scan_start(struct scan *scan)
{
	scan->bytes = bytes_new(SCAN_BUFFER);
	if (!scan->bytes)
		abort(); /* fixed and small */
	scan->from = scan->off;
	scan->have = 0;
	if (scan->look)
		look_ahead(scan);
	refill(scan);
}
