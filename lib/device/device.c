#include "lib/device/device_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define CLOSE_CHECK_US 1000u

void device_open(const struct device_options *options)
{
	struct device *device = mem_zalloc(sizeof(*device));

	device->options = *options;
	device->reactor = options->reactor;
	device->disk = options->disk;
	device->cache = options->cache;
	log_init(device);
	extent_init(device);
	object_init(device);
	recover_start(device);
}

void device_free(struct device *device)
{
	timer_cancel(device->reactor, &device->log.timer);
	timer_cancel(device->reactor, &device->log.batch_timer);
	timer_cancel(device->reactor, &device->zero.timer);
	timer_cancel(device->reactor, &device->settled_timer);
	timer_cancel(device->reactor, &device->close_timer);
	for (uint32_t u = 0; u < device->unit_count; u++)
		footer_free(device->units[u].footer);
	free(device->units);
	compact_free(device);
	scrub_free(device);
	object_done(device);
	disk_close(device->disk);
	free(device);
}

/* --- closing: what rides along is written, what is in flight ends --- */

static void on_close_timer(struct timer *timer)
{
	struct device *device = CONTAINER_OF(timer, struct device, close_timer);
	void (*closed)(void *owner) = device->closed;
	void *owner = device->closed_owner;

	bool queued = device->log.head[0] || device->log.head[1] || device->log.flying;
	if (device->flying || compact_busy(device) || scrub_busy(device) ||
	        (queued && !device->failed) || device->log.task_queued || device->ext.task_queued) {
		log_kick(device);
		timer_set(device->reactor, &device->close_timer, CLOSE_CHECK_US);
		return;
	}
	device_free(device);
	if (closed)
		closed(owner);
}

void device_close(struct device *device, void (*closed)(void *owner), void *owner)
{
	compact_stop(device);
	scrub_stop(device);
	device->closed = closed;
	device->closed_owner = owner;
	object_queue_settled(device);
	log_kick(device);
	device->closing = true;
	device->close_timer.fire = on_close_timer;
	timer_set(device->reactor, &device->close_timer, 0);
}

void device_fail(struct device *device, enum err err)
{
	if (device->failed)
		return;
	device->failed = true;
	device->fail_err = err == ERR_READ_ONLY ? err : ERR_IO;
	if (!device->log.task_queued) {
		device->log.task_queued = true;
		reactor_post(device->reactor, &device->log.task);
	}
	if (!device->ext.task_queued) {
		device->ext.task_queued = true;
		reactor_post(device->reactor, &device->ext.task);
	}
}

/* --- rows --- */

struct row {
	struct log_append append;
	struct device *device;
	struct device_append *outer; /* borrowed; NULL: a checkpoint */
	uint8_t role;
	uint64_t lsn; /* of the checkpoint */
};

static void fill_row(struct log_append *append, uint8_t *dst, uint64_t lsn)
{
	struct row *row = CONTAINER_OF(append, struct row, append);
	struct format_record *record = (void *)dst;
	struct format_checkpoint checkpoint = {row->lsn};
	const void *payload = row->outer ? row->outer->payload : &checkpoint;
	size_t len = row->outer ? row->outer->len : sizeof(checkpoint);

	(void)lsn;
	*record = (struct format_record){
	        .type = row->outer ? RECORD_ROW : RECORD_CHECKPOINT,
	        .role = row->role,
	        .meta_len = (uint32_t)(sizeof(*record) + len),
	};
	if (len)
		memcpy(record + 1, payload, len);
	memset(dst + record->meta_len, 0, append->len - record->meta_len);
}

static void on_row(struct log_append *append, enum err err)
{
	struct row *row = CONTAINER_OF(append, struct row, append);
	struct device *device = row->device;
	struct device_append *outer = row->outer;

	if (!err && outer) {
		struct unit *unit = &device->units[append->unit];
		if (unit->row_max[row->role] < append->lsn)
			unit->row_max[row->role] = append->lsn;
	}
	if (!err && !outer && device->checkpoint[row->role] < row->lsn) {
		device->checkpoint[row->role] = row->lsn;
		for (uint32_t u = 0; u < device->unit_count; u++)
			unit_check(device, u);
	}
	if (outer) {
		outer->err = err;
		outer->lsn = append->lsn;
	}
	free(row);
	if (outer)
		outer->done(outer);
}

static void append_row(struct device *device, struct row *row, size_t len)
{
	row->device = device;
	row->append.len = format_up(sizeof(struct format_record) + len, 64);
	row->append.urgency = DEVICE_SMALL;
	row->append.fill = fill_row;
	row->append.done = on_row;
	log_append(device, &row->append);
}

void device_append(struct device *device, struct device_append *append)
{
	struct row *row = mem_zalloc(sizeof(*row));

	assert(append->role < DEVICE_ROLES && append->len <= DEVICE_PAYLOAD_MAX);
	row->outer = append;
	row->role = append->role;
	append_row(device, row, append->len);
}

void device_checkpoint(struct device *device, uint8_t role, uint64_t lsn)
{
	struct row *row = mem_zalloc(sizeof(*row));

	assert(role < DEVICE_ROLES);
	row->role = role;
	row->lsn = lsn;
	append_row(device, row, sizeof(struct format_checkpoint));
}

uint64_t device_lsn(const struct device *device)
{
	return device->log.durable_lsn;
}

const uint8_t *device_uuid(const struct device *device)
{
	return device->uuid;
}

uint64_t device_newest_ts(const struct device *device)
{
	return device->newest_ts;
}

void device_stats(const struct device *device, struct device_stats *ret_stats)
{
	*ret_stats = device->stats;
	ret_stats->bytes_max = (uint64_t)device->units_max * device->unit_bytes;
	ret_stats->units = device->units_max;
	ret_stats->units_free = unit_available(device);
	ret_stats->objects = device_objects(device);
	ret_stats->unsettled = device_unsettled_count(device);
	ret_stats->failed = device->failed;
	ret_stats->full = device_admits(device, 0) == ERR_NO_SPACE;
	for (uint32_t u = 0; u < device->unit_count; u++) {
		const struct unit *unit = &device->units[u];
		if (unit->type != UNIT_LOG && unit->type != UNIT_EXTENT)
			continue;
		ret_stats->used_bytes += device->unit_bytes;
		ret_stats->live_bytes += unit->live;
	}
}
