/* The log: records wait in a queue, leave in batches, and are acknowledged in their order.
 *
 *   unit full -> next unit headed -> go on there     old unit: last batch durable -> footer, seal
 *   no space met in a batch -> wait for those in flight -> seal the end -> go on in a new unit */
#include "lib/device/device_internal.h"

#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include <stdlib.h>
#include <string.h>

#define STUCK_MAX_US   5000000u /* a record waits this long for space */
#define STUCK_CHECK_US 100000u
#define BATCH_WAIT_US  200u

struct batch {
	struct batch *next;
	struct device *device;
	struct disk_io io;
	struct iovec iov;
	struct bytes *bytes; /* owned */
	struct log_append *appends;
	uint32_t unit, off, last_crc;
	uint64_t next_lsn, sent_us;
	bool complete, foreground;
	enum err err;
};

static void log_task(struct task *task)
{
	struct device *device = CONTAINER_OF(task, struct device, log.task);

	device->log.task_queued = false;
	if (device->log.flying && device->log.queued < BATCH_MAX && !device->failed) {
		/* The batch in flight will send these when it completes. */
		if (!device->log.batch_timer.index)
			timer_set(device->reactor, &device->log.batch_timer, BATCH_WAIT_US);
		return;
	}
	log_kick(device);
}

static void batch_timer(struct timer *timer)
{
	log_kick(CONTAINER_OF(timer, struct device, log.batch_timer));
}

static void log_timer(struct timer *timer)
{
	log_kick(CONTAINER_OF(timer, struct device, log.timer));
}

void log_init(struct device *device)
{
	for (int i = 0; i < 2; i++)
		device->log.tail[i] = &device->log.head[i];
	device->log.last = &device->log.first;
	device->log.unit = device->log.next = UNIT_NO;
	device->log.task.run = log_task;
	device->log.timer.fire = log_timer;
	device->log.batch_timer.fire = batch_timer;
}

void log_append(struct device *device, struct log_append *append)
{
	int q = append->urgency == DEVICE_MOVE;

	append->next = NULL;
	append->queued_us = reactor_now_us(device->reactor);
	*device->log.tail[q] = append;
	device->log.tail[q] = &append->next;
	device->log.queued += append->len;
	if (!device->log.task_queued) {
		device->log.task_queued = true;
		reactor_post(device->reactor, &device->log.task);
	}
}

static struct log_append *pop(struct device *device, int q)
{
	struct log_append *append = device->log.head[q];

	device->log.head[q] = append->next;
	if (!append->next)
		device->log.tail[q] = &device->log.head[q];
	append->next = NULL;
	device->log.queued -= append->len;
	return append;
}

static void fail_all(struct device *device, enum err err)
{
	for (int q = 0; q < 2; q++) {
		while (device->log.head[q]) {
			struct log_append *append = pop(device, q);
			append->done(append, err);
		}
	}
}

/* --- units --- */

static void on_next_head(struct device *device, uint32_t u, enum err err)
{
	if (err)
		device->log.next = UNIT_NO;
	else
		device->log.next_ready = true;
	(void)u;
	log_kick(device);
	unit_zero(device);
}

/* False when there is no unit for writes of that urgency. */
static bool open_next(struct device *device, uint8_t urgency)
{
	uint32_t unit = device->log.unit;

	if (device->log.next != UNIT_NO)
		return true;
	uint32_t u = unit_take(device, urgency);
	if (u == UNIT_NO)
		return false;
	device->log.next = u;
	device->log.next_ready = false;
	device->log.next_urgency = urgency;
	unit_head(device, u, UNIT_LOG, unit == UNIT_NO ? 0 : device->units[unit].incarnation,
	        on_next_head);
	return true;
}

static void leave_unit(struct device *device)
{
	uint32_t u = device->log.unit;

	device->log.unit = UNIT_NO;
	if (u != UNIT_NO && !device->units[u].flying)
		footer_write(device, u);
}

static void enter_next(struct device *device)
{
	uint32_t u = device->log.next;

	leave_unit(device);
	device->log.unit = u;
	device->log.urgency = device->log.next_urgency;
	device->log.next = UNIT_NO;
	device->log.off = FORMAT_DATA;
	device->units[u].lsn = device->log.next_lsn;
	device->units[u].seal_lsn = device->log.next_lsn;
	device->units[u].seal_crc = device->log.prev_crc;
	device->units[u].footer = footer_new();
}

/* A record may not use up a unit that was taken for more urgent ones. */
static bool may_enter(const struct device *device, uint8_t urgency)
{
	return urgency >= device->log.urgency ||
	       unit_available(device) > (urgency == DEVICE_PUT ? 2 : 1);
}

/* --- a batch that failed for want of space --- */

static void on_rolled(struct device *device, uint32_t u, enum err err)
{
	struct unit *unit = &device->units[u];

	device->log.rolling--;
	unit->sealing = false;
	if (err) {
		device_fail(device, err);
		return;
	}
	unit->sealed = true;
	unit_check(device, u);
	if (device->log.rolling)
		return;
	device->log.broken = false;
	log_kick(device);
}

/* Seals every unit whose batches were not all accepted; the chain goes on behind the last one
 * that was. */
static void roll(struct device *device)
{
	device->log.unit = UNIT_NO;
	device->log.next_lsn = device->log.durable_lsn + 1;
	device->log.prev_crc = device->log.durable_crc;
	device->log.rolling = 1;
	for (uint32_t u = 0; u < device->unit_count; u++) {
		struct unit *unit = &device->units[u];
		if (unit->type != UNIT_LOG || !unit->footer || unit->sealing)
			continue;
		footer_free(unit->footer);
		unit->footer = NULL;
		unit->sealing = true;
		device->log.rolling++;
		footer_seal_end(device, u, device->log.prev_crc, device->log.next_lsn, on_rolled);
	}
	if (--device->log.rolling == 0)
		device->log.broken = false;
}

/* --- acknowledgement --- */

static void remember(struct device *device, struct batch *batch, const struct log_append *append)
{
	const struct unit *unit = &device->units[append->unit];
	struct cache_key key = {device->options.id, append->unit, unit->nonce, append->off};
	struct cache_item item = {batch->bytes, append->off - batch->off, append->len};

	if (device->cache && append->record->type == RECORD_OBJECT)
		cache_put(device->cache, &key, &item);
}

static void accept(struct device *device, struct batch *batch)
{
	struct unit *unit = &device->units[batch->unit];

	unit->end = batch->off + (uint32_t)batch->bytes->len;
	device->log.durable_lsn = batch->next_lsn - 1;
	device->log.durable_crc = batch->last_crc;
	unit->seal_lsn = batch->next_lsn;
	unit->seal_crc = batch->last_crc;
	device->stats.batches++;
	while (batch->appends) {
		struct log_append *append = batch->appends;
		batch->appends = append->next;
		append->record = (const void *)(batch->bytes->data + (append->off - batch->off));
		device->stats.records++;
		remember(device, batch, append);
		append->done(append, ERR_OK);
	}
}

static void refuse(struct device *device, struct batch *batch)
{
	enum err err = batch->err ? batch->err : ERR_NO_SPACE;

	if (err != ERR_NO_SPACE)
		device_fail(device, err);
	if (batch->err == ERR_NO_SPACE)
		unit_cut(&device->units[batch->unit], batch->off);
	if (!device->log.broken) {
		/* What follows is chained to this one and can never be accepted. */
		device->log.broken = true;
		if (err == ERR_NO_SPACE)
			device->full_until_us = reactor_now_us(device->reactor) + 1000000u;
	}
	while (batch->appends) {
		struct log_append *append = batch->appends;
		batch->appends = append->next;
		append->done(append, device->failed ? device->fail_err : err);
	}
}

static void settle_batches(struct device *device)
{
	while (device->log.first && device->log.first->complete) {
		struct batch *batch = device->log.first;
		uint32_t u = batch->unit;

		device->log.first = batch->next;
		if (!batch->next)
			device->log.last = &device->log.first;
		device->log.flying--;
		device->units[u].flying--;
		if (batch->err || device->log.broken || device->failed)
			refuse(device, batch);
		else
			accept(device, batch);
		if (!device->log.broken && !device->failed && !device->units[u].flying &&
		        u != device->log.unit)
			footer_write(device, u);
		bytes_unref(batch->bytes);
		free(batch);
	}
}

static void on_batch(struct disk_io *io, enum err err)
{
	struct batch *batch = CONTAINER_OF(io, struct batch, io);
	struct device *device = batch->device;

	device->flying--;
	batch->complete = true;
	batch->err = err;
	if (batch->foreground)
		compact_see(device, batch->sent_us);
	settle_batches(device);
	log_kick(device);
}

/* --- building a batch --- */

struct plan {
	struct log_append *first, **tail;
	uint32_t len, footer, count;
};

static bool fits(
        const struct device *device, const struct plan *plan, const struct log_append *append)
{
	const struct unit *unit = &device->units[device->log.unit];
	uint64_t end = (uint64_t)device->log.off +
	               format_up((uint64_t)plan->len + append->len, DISK_BLOCK);

	return end + footer_len(unit->footer, plan->footer + append->footer_len) <= unit->limit;
}

static void gather(struct device *device, struct plan *plan, int q)
{
	while (device->log.head[q]) {
		struct log_append *append = device->log.head[q];
		if (plan->count && plan->len + append->len > BATCH_MAX)
			break;
		if (!may_enter(device, append->urgency) || !fits(device, plan, append))
			break;
		pop(device, q);
		plan->len += append->len;
		plan->footer += append->footer_len;
		plan->count++;
		*plan->tail = append;
		plan->tail = &append->next;
	}
}

static void fill(struct device *device, struct batch *batch, const struct plan *plan)
{
	struct unit *unit = &device->units[batch->unit];
	struct format_batch *head = (void *)batch->bytes->data;
	uint32_t at = sizeof(*head);

	*head = (struct format_batch){
	        .len = (uint32_t)batch->bytes->len,
	        .incarnation = unit->incarnation,
	        .nonce = unit->nonce,
	        .lsn = device->log.next_lsn,
	        .count = plan->count,
	        .prev_crc = device->log.prev_crc,
	        .used = plan->len,
	        .durable = device->log.durable_lsn,
	        .unit = batch->unit,
	};
	for (struct log_append *append = plan->first; append; append = append->next) {
		struct format_record *record = (void *)(batch->bytes->data + at);
		batch->foreground |= append->urgency != DEVICE_MOVE;
		append->lsn = device->log.next_lsn++;
		append->unit = batch->unit;
		append->off = batch->off + at;
		append->fill(append, batch->bytes->data + at, append->lsn);
		record->len = append->len;
		record->lsn = append->lsn;
		record->nonce = unit->nonce;
		format_record_seal(record);
		footer_note(unit->footer, record, append->off);
		at += append->len;
	}
	memset(batch->bytes->data + at, 0, batch->bytes->len - at);
	format_batch_seal(head);
	device->log.prev_crc = batch->last_crc = head->crc;
	batch->next_lsn = device->log.next_lsn;
}

static void fail_plan(struct plan *plan, enum err err)
{
	while (plan->first) {
		struct log_append *append = plan->first;
		plan->first = append->next;
		append->done(append, err);
	}
}

static void submit(struct device *device, struct plan *plan)
{
	uint32_t len = format_up(plan->len, DISK_BLOCK);
	struct bytes *bytes = bytes_new(len);

	if (!bytes) {
		fail_plan(plan, ERR_NO_MEMORY);
		return;
	}
	struct batch *batch = mem_zalloc(sizeof(*batch));
	bytes->len = len;
	batch->device = device;
	batch->bytes = bytes;
	batch->unit = device->log.unit;
	batch->off = device->log.off;
	batch->appends = plan->first;
	batch->io.done = on_batch;
	batch->sent_us = reactor_now_us(device->reactor);
	fill(device, batch, plan);
	device->log.off += len;
	device->units[batch->unit].flying++;
	device->log.flying++;
	device->flying++;
	*device->log.last = batch;
	device->log.last = &batch->next;
	batch->iov = (struct iovec){bytes->data, len};
	disk_write(device->disk, &batch->io, &batch->iov, 1,
	        unit_at(device, batch->unit) + batch->off, !MUTANT(unsynced_log));
}

/* --- what can leave now --- */

enum progress { SENT, WAITS, NO_ROOM };

static enum progress try_queue(struct device *device, int q)
{
	if (q == 0)
		object_queue_settled(device);
	const struct log_append *head = device->log.head[q];
	uint32_t u = device->log.unit;
	struct plan plan = {.len = sizeof(struct format_batch)};

	if (u == UNIT_NO || !may_enter(device, head->urgency) || !fits(device, &plan, head)) {
		if (!open_next(device, head->urgency))
			return NO_ROOM;
		if (!device->log.next_ready)
			return WAITS;
		enter_next(device);
		u = device->log.unit;
		if (!may_enter(device, head->urgency) || !fits(device, &plan, head))
			return NO_ROOM;
	}
	struct unit *unit = &device->units[u];
	uint32_t want = BATCH_MAX + FORMAT_RECORD_MAX;
	if (device->log.queued + DISK_BLOCK < want)
		want = format_up(device->log.queued + DISK_BLOCK, DISK_BLOCK);
	if (unit->zeroed < unit->limit && device->log.off + want > unit->zeroed) {
		unit_zero(device);
		return WAITS;
	}
	plan.tail = &plan.first;
	if (q == 0)
		gather(device, &plan, 0);
	gather(device, &plan, 1);
	submit(device, &plan);
	if (device->log.off > device->unit_bytes / 2)
		open_next(device, DEVICE_PUT); /* ahead of need, while there is plenty */
	return SENT;
}

/* Nothing can be written: bodies are refused at once, others after a while. */
static void refuse_stuck(struct device *device)
{
	uint64_t now = reactor_now_us(device->reactor);
	struct log_append *stay = NULL, **stay_tail = &stay, *refused = NULL;

	while (device->log.head[0]) {
		struct log_append *append = pop(device, 0);
		if (append->urgency == DEVICE_PUT || now >= append->queued_us + STUCK_MAX_US) {
			append->next = refused;
			refused = append;
			continue;
		}
		*stay_tail = append;
		stay_tail = &append->next;
	}
	for (struct log_append *append = stay; append; append = append->next)
		device->log.queued += append->len;
	device->log.head[0] = stay;
	device->log.tail[0] = stay ? stay_tail : &device->log.head[0];
	if (stay && !device->log.timer.index)
		timer_set(device->reactor, &device->log.timer, STUCK_CHECK_US);
	while (refused) {
		struct log_append *append = refused;
		refused = append->next;
		append->done(
		        append, append->urgency == DEVICE_PUT ? ERR_NO_SPACE : ERR_UNAVAILABLE);
	}
}

void log_kick(struct device *device)
{
	if (device->failed) {
		if (!device->log.flying)
			fail_all(device, device->fail_err);
		return;
	}
	if (device->log.broken) {
		if (!device->log.flying && !device->log.rolling)
			roll(device);
		if (device->log.broken)
			return;
	}
	while ((device->log.head[0] || device->log.head[1]) &&
	        device->log.flying < BATCHES_FLYING) {
		enum progress progress = NO_ROOM;
		if (device->log.head[0])
			progress = try_queue(device, 0);
		if (progress == NO_ROOM && device->log.head[0])
			refuse_stuck(device);
		if (progress == NO_ROOM && device->log.head[1])
			progress = try_queue(device, 1);
		if (progress == NO_ROOM && device->closing)
			fail_all(device, ERR_UNAVAILABLE);
		if (progress != SENT)
			break;
	}
	if (!device->log.queued)
		timer_cancel(device->reactor, &device->log.batch_timer);
}
