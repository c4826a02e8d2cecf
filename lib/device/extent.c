/* Pieces of large bodies: written O_DIRECT straight from the message's bytes into EXTENT units,
 * not synced one by one; one sync makes all that were written stable before records name them. */
#include "lib/device/device_internal.h"

#include <stdlib.h>
#include <string.h>

static void extent_task(struct task *task)
{
	struct device *device = CONTAINER_OF(task, struct device, ext.task);

	device->ext.task_queued = false;
	extent_kick(device);
}

void extent_init(struct device *device)
{
	device->ext.tail = &device->ext.head;
	device->ext.unit = UNIT_NO;
	device->ext.task.run = extent_task;
}

static void queue_task(struct device *device)
{
	if (device->ext.task_queued)
		return;
	device->ext.task_queued = true;
	reactor_post(device->reactor, &device->ext.task);
}

static void finish(struct device_extent_write *write, enum err err)
{
	bytes_unref(write->head);
	write->head = NULL;
	write->done(write, err);
}

static struct device_extent_write *pop(struct device *device)
{
	struct device_extent_write *write = device->ext.head;

	device->ext.head = write->next;
	if (!write->next)
		device->ext.tail = &device->ext.head;
	return write;
}

static void leave_unit(struct device *device)
{
	uint32_t u = device->ext.unit;

	device->ext.unit = UNIT_NO;
	if (u == UNIT_NO)
		return;
	device->units[u].end = device->ext.off;
	device->units[u].sealed = true;
	unit_check(device, u);
}

static void on_head(struct device *device, uint32_t u, enum err err)
{
	device->ext.opening = false;
	if (!err) {
		leave_unit(device);
		device->ext.unit = u;
		device->ext.off = FORMAT_DATA;
	}
	extent_kick(device);
	unit_zero(device);
}

/* Writes end in any order: nothing behind one that had no room is taken for written. */
static void note_blocks(struct unit *unit, uint32_t from, uint32_t to, enum err err)
{
	if (!err && to > unit->zeroed)
		unit->zeroed = to;
	unit_cut(unit, err ? from : unit->limit);
}

static void on_written(struct disk_io *io, enum err err)
{
	struct device_extent_write *write = CONTAINER_OF(io, struct device_extent_write, io);
	struct device *device = write->device;
	uint32_t from = write->extent.block * DISK_BLOCK, space = format_piece_space(write->len);

	device->flying--;
	note_blocks(&device->units[write->extent.unit], from, from + space, err);
	if (err == ERR_NO_SPACE)
		device->full_until_us = reactor_now_us(device->reactor) + 1000000u;
	else if (err)
		device_fail(device, err);
	if (err)
		unit_release(device, write->extent.unit, space);
	finish(write, err);
}

/* The disk takes from no other addresses. What a read gave from the cache may lie at any. */
static bool aligned(const struct device_extent_write *write)
{
	return (uintptr_t)(write->body->data + write->at) % DISK_BLOCK == 0;
}

/* Head block, whole blocks of the body as they are, and the last part block padded; behind the
 * head block there is room for that part, or for all of a body that is not aligned. */
static void submit(struct device *device, struct device_extent_write *write)
{
	struct format_piece *piece = (void *)write->head->data;
	const uint8_t *data = write->body->data + write->at;
	uint8_t *tail = write->head->data + DISK_BLOCK;
	uint32_t whole = aligned(write) ? write->len / DISK_BLOCK * DISK_BLOCK : 0,
	         space = format_piece_space(write->len);
	unsigned count = 0;

	memset(write->head->data, 0, DISK_BLOCK);
	piece->policy = write->policy;
	memcpy(piece->key, write->key, 16);
	piece->stage = write->stage;
	piece->offset = write->offset;
	write->extent = (struct device_extent){
	        .unit = device->ext.unit,
	        .block = device->ext.off / DISK_BLOCK,
	        .len = write->len,
	        .crc = format_piece_seal(piece, data, write->len),
	};
	write->iov[count++] = (struct iovec){piece, DISK_BLOCK};
	if (whole)
		write->iov[count++] = (struct iovec){(void *)(uintptr_t)data, whole};
	if (whole < write->len) {
		uint32_t len = write->len - whole, padded = format_up(len, DISK_BLOCK);
		memcpy(tail, data + whole, len);
		memset(tail + len, 0, padded - len);
		write->iov[count++] = (struct iovec){tail, padded};
	}
	unit_claim(device, device->ext.unit, space);
	device->ext.used_us = reactor_now_us(device->reactor);
	write->io.done = on_written;
	device->flying++;
	disk_write(device->disk, &write->io, write->iov, count,
	        unit_at(device, device->ext.unit) + device->ext.off, false);
	device->ext.off += space;
	device->units[device->ext.unit].end = device->ext.off;
}

static void start_sync(struct device *device);

void extent_kick(struct device *device)
{
	if (device->failed) {
		extent_fail_all(device);
		return;
	}
	while (device->ext.head && !device->ext.opening) {
		struct device_extent_write *write = device->ext.head;
		uint32_t space = format_piece_space(write->len);

		if (!write->head) {
			finish(pop(device), ERR_NO_MEMORY);
			continue;
		}
		if (device->ext.unit != UNIT_NO &&
		        device->ext.off + space <= device->units[device->ext.unit].limit) {
			submit(device, pop(device));
			continue;
		}
		uint32_t u = unit_take(device, write->urgency);
		if (u == UNIT_NO) {
			finish(pop(device), ERR_NO_SPACE);
			continue;
		}
		device->ext.opening = true;
		unit_head(device, u, UNIT_EXTENT, 0, on_head);
	}
	start_sync(device);
}

void device_extent_write(struct device *device, struct device_extent_write *write)
{
	assert(write->len && write->len <= BACKEND_PIECE);
	write->device = device;
	write->next = NULL;
	write->head = bytes_new(DISK_BLOCK + (aligned(write) ? DISK_BLOCK : write->len));
	*device->ext.tail = write;
	device->ext.tail = &write->next;
	queue_task(device);
}

/* --- syncs --- */

static void finish_syncs(struct device_sync *list, enum err err)
{
	while (list) {
		struct device_sync *next = list->next;
		list->done(list, err);
		list = next;
	}
}

static void on_synced(struct disk_io *io, enum err err)
{
	struct device *device = CONTAINER_OF(io, struct device, ext.io);
	struct device_sync *list = device->ext.running;

	device->flying--;
	device->ext.syncing = false;
	device->ext.running = NULL;
	if (err)
		device_fail(device, err); /* what it lost is unknown: never tried again as if not */
	finish_syncs(list, err);
	start_sync(device);
}

static void start_sync(struct device *device)
{
	if (device->ext.syncing || !device->ext.waiting)
		return;
	if (device->failed) {
		struct device_sync *list = device->ext.waiting;
		device->ext.waiting = NULL;
		finish_syncs(list, device->fail_err);
		return;
	}
	device->ext.running = device->ext.waiting;
	device->ext.waiting = NULL;
	device->ext.syncing = true;
	device->ext.io.done = on_synced;
	device->flying++;
	disk_sync(device->disk, &device->ext.io);
}

void device_sync(struct device *device, struct device_sync *sync)
{
	sync->next = device->ext.waiting;
	device->ext.waiting = sync;
	queue_task(device);
}

void extent_fail_all(struct device *device)
{
	while (device->ext.head)
		finish(pop(device), device->fail_err);
	start_sync(device);
}
