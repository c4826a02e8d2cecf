#include "lib/device/device_internal.h"

#include <stdlib.h>

#define SCAN_BUFFER (1u << 20)
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

static enum verdict judge(const struct scan *scan, const struct format_batch *batch)
{
	uint32_t left = scan->from + scan->have - scan->off;

	if (left < DISK_BLOCK)
		return READ_MORE;
	if (!format_batch_head_ok(batch, scan->head, scan->limit - scan->off) ||
	        batch->len > SCAN_BUFFER || !follows(scan, batch))
		return NO_BATCH;
	if (batch->len > left)
		return scan->off == scan->from ? NO_BATCH : READ_MORE;
	return format_batch_ok(batch) ? GOOD : DAMAGED;
}

/* One turn over what the buffer holds. False: the scan goes on with a read. */
static bool walk(struct scan *scan)
{
	while (!at_end(scan)) {
		const struct format_batch *batch =
		        (const void *)(scan->bytes->data + (scan->off - scan->from));
		enum verdict verdict = judge(scan, batch);

		if (verdict == READ_MORE) {
			refill(scan);
			return false;
		}
		if (verdict != GOOD && !scan->salvage)
			return true;
		if (verdict == NO_BATCH) {
			scan->off += DISK_BLOCK;
			scan->chained = false;
			scan->damaged++;
			continue;
		}
		scan->prev_crc = batch->crc;
		scan->lsn = batch->lsn + batch->count;
		scan->chained = true;
		scan->off += batch->len;
		scan->damaged += verdict == DAMAGED;
		if (!scan->batch(scan, batch, verdict == GOOD))
			return true;
	}
	return true;
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
	refill(scan);
}
