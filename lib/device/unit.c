#include "lib/device/device_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define RETRY_GROWTH_US 10000000u
#define ZERO_PAUSE_US   20000u
#define ZERO_QUIET_US   500000u

static const _Alignas(DISK_BLOCK) uint8_t zeros[ZERO_PIECE / 16];

struct unit *unit_add(struct device *device)
{
	if (device->unit_count == device->unit_cap) {
		device->unit_cap = device->unit_cap ? device->unit_cap * 2 : 16;
		device->units =
		        mem_realloc(device->units, device->unit_cap * sizeof(*device->units));
	}
	struct unit *unit = &device->units[device->unit_count++];
	*unit = (struct unit){.limit = device->unit_bytes};
	return unit;
}

uint32_t unit_most(const struct device *device, uint64_t bytes)
{
	uint64_t units = bytes > FORMAT_BASE ? (bytes - FORMAT_BASE) / device->unit_bytes : 0;

	return units < (1u << 24) - 1 ? (uint32_t)units : (1u << 24) - 1;
}

void device_may_grow(struct device *device, uint64_t bytes_max)
{
	uint64_t max = device->disk->size_max;
	uint32_t units = unit_most(device, bytes_max < max ? bytes_max : max);

	if (units <= device->units_max || !device->serving)
		return;
	device->untouched_units += units - device->units_max;
	device->units_max = units;
	unit_zero(device);
	log_kick(device);
	extent_kick(device);
}

static bool may_grow(const struct device *device)
{
	return reactor_now_us(device->reactor) >= device->full_until_us;
}

uint32_t unit_available(const struct device *device)
{
	return device->free_units + (may_grow(device) ? device->untouched_units : 0);
}

/* Two are kept: one for tombstones and other small records, one for compaction's output. */
static uint32_t reserve(uint8_t urgency)
{
	return urgency == DEVICE_PUT ? 2 : urgency == DEVICE_SMALL ? 1 : 0;
}

/* What is reserved must exist: as long as the file may grow, units that are written already are
 * left to those it is reserved for. A device that writes none ahead of use keeps none. */
static bool may_take_free(const struct device *device, uint8_t urgency)
{
	uint32_t kept = reserve(urgency), ahead = device->options.zero_ahead;

	if (kept > ahead)
		kept = ahead ? ahead - 1 : 0;
	return device->free_units > kept || !may_grow(device) || !device->untouched_units;
}

uint32_t unit_take(struct device *device, uint8_t urgency)
{
	bool take_free = may_take_free(device, urgency);
	uint32_t found = UNIT_NO;

	if (unit_available(device) <= reserve(urgency))
		return UNIT_NO;
	for (uint32_t u = 0; u < device->unit_count; u++) {
		struct unit *unit = &device->units[u];
		if (unit->freeing || unit->stuck || (device->zero.busy && device->zero.unit == u))
			continue; /* zeros in flight must not land on what the taker writes */
		if (unit->type == UNIT_FREE && take_free) {
			device->free_units--;
			unit->limit = may_grow(device) ? device->unit_bytes : unit->zeroed;
			unit->freeing = true; /* taken; unit_head makes it what it will be */
			return u;
		}
		if (unit->type == UNIT_NONE && found == UNIT_NO)
			found = u;
	}
	if (!may_grow(device))
		return UNIT_NO;
	if (found == UNIT_NO && device->unit_count < device->units_max) {
		found = device->unit_count;
		unit_add(device);
	}
	if (found == UNIT_NO)
		return UNIT_NO;
	device->untouched_units--;
	device->units[found].limit = device->unit_bytes;
	device->units[found].freeing = true;
	return found;
}

void unit_count_free(struct device *device, uint32_t u)
{
	struct unit *unit = &device->units[u];

	if (unit->zeroed >= device->unit_bytes / 2) {
		device->free_units++;
		return;
	}
	unit->type = UNIT_NONE;
	device->untouched_units++;
}

/* --- small durable writes --- */

struct unit_write *unit_write_new(struct device *device, uint32_t unit, uint32_t len)
{
	struct unit_write *write = mem_zalloc(sizeof(*write));

	write->device = device;
	write->unit = unit;
	write->bytes = bytes_new(len);
	if (!write->bytes)
		abort(); /* bounded: a header, or a footer of what one unit holds */
	memset(write->bytes->data, 0, len);
	write->bytes->len = len;
	return write;
}

void unit_write_free(struct unit_write *write)
{
	bytes_unref(write->bytes);
	free(write);
}

static void on_unit_write(struct disk_io *io, enum err err)
{
	struct unit_write *write = CONTAINER_OF(io, struct unit_write, io);

	write->device->flying--;
	write->done(write, err);
}

void unit_write_start(struct unit_write *write, uint32_t off)
{
	write->io.done = on_unit_write;
	write->iov = (struct iovec){write->bytes->data, write->bytes->len};
	write->device->flying++;
	disk_write(write->device->disk, &write->io, &write->iov, 1,
	        unit_at(write->device, write->unit) + off, true);
}

/* --- headers --- */

/* File systems that copy what is written over need space for headers, too. */
static void not_headed(struct device *device, struct unit *unit)
{
	if (unit->type == UNIT_LOG || unit->type == UNIT_EXTENT) {
		unit->sealed = true; /* to be freed still: compaction comes back to it */
		return;
	}
	unit->type = UNIT_NONE;
	unit->zeroed = 0;
	device->untouched_units++;
}

static void on_head(struct unit_write *write, enum err err)
{
	struct device *device = write->device;
	struct unit *unit = &device->units[write->unit];
	const struct format_unit *head = (const void *)write->bytes->data;

	unit->freeing = false;
	if (err == ERR_OK) {
		unit->type = head->type;
		unit->lsn = head->lsn;
		if (unit->zeroed < FORMAT_DATA)
			unit->zeroed = FORMAT_DATA;
		if (head->type == UNIT_FREE)
			unit_count_free(device, write->unit);
	} else if (err == ERR_NO_SPACE) {
		not_headed(device, unit);
		device->full_until_us = reactor_now_us(device->reactor) + RETRY_GROWTH_US;
	} else {
		device_fail(device, err);
	}
	if (write->then)
		write->then(device, write->unit, err);
	unit_write_free(write);
}

static void on_room(struct unit_write *room, enum err err)
{
	struct unit_write *head = room->next;

	unit_write_free(room);
	if (err)
		on_head(head, err);
	else
		unit_write_start(head, 0);
}

/* The blocks of the seals come to be with the unit, of bodies too: it is one of the log some day,
 * and a full file system must not refuse them then. */
static void start_head(struct device *device, struct unit_write *head)
{
	if (device->units[head->unit].zeroed >= FORMAT_DATA) {
		unit_write_start(head, 0);
		return;
	}
	struct unit_write *room = unit_write_new(device, head->unit, FORMAT_DATA - FORMAT_SEAL_A);
	room->done = on_room;
	room->next = head;
	unit_write_start(room, FORMAT_SEAL_A);
}

void unit_head(struct device *device, uint32_t u, uint8_t type, uint64_t prev,
        void (*then)(struct device *device, uint32_t unit, enum err err))
{
	struct unit *unit = &device->units[u];
	struct unit_write *write = unit_write_new(device, u, 2 * DISK_BLOCK);
	struct format_unit *head = (void *)write->bytes->data;
	const struct env *env = reactor_env(device->reactor);

	unit->incarnation = device->next_incarnation++;
	env->random(env, &unit->nonce, sizeof(unit->nonce));
	memset(unit->row_max, 0, sizeof(unit->row_max));
	unit->opened_us = reactor_now_us(device->reactor);
	unit->end = FORMAT_DATA;
	unit->sealed = unit->moving = unit->stuck = false;
	unit->live = 0;
	unit->freeing = true;
	*head = (struct format_unit){
	        .incarnation = unit->incarnation,
	        .nonce = unit->nonce,
	        .prev = prev,
	        .lsn = device->log.durable_lsn + 1,
	        .unit = u,
	        .type = type,
	};
	memcpy(head->uuid, device->uuid, 16);
	memcpy(head->checkpoint, device->checkpoint, sizeof(head->checkpoint));
	format_unit_seal(head);
	memcpy(write->bytes->data + DISK_BLOCK, head, sizeof(*head));
	write->done = on_head;
	write->then = then;
	start_head(device, write);
}

/* --- claims and freeing --- */

static void on_freed(struct device *device, uint32_t u, enum err err)
{
	if (err)
		return;
	(void)u;
	device->stats.freed_units++;
	log_kick(device);
	extent_kick(device);
}

void unit_check(struct device *device, uint32_t u)
{
	struct unit *unit = &device->units[u];

	if (unit->live || !unit->sealed || unit->freeing || unit->moving || unit->flying ||
	        unit->footer || device->failed || !device->serving || device->closing ||
	        (unit->type != UNIT_LOG && unit->type != UNIT_EXTENT))
		return;
	for (int role = 0; role < DEVICE_ROLES; role++) {
		if (unit->row_max[role] > device->checkpoint[role])
			return;
	}
	unit_head(device, u, UNIT_FREE, 0, on_freed);
}

void unit_release(struct device *device, uint32_t u, uint32_t bytes)
{
	struct unit *unit = &device->units[u];

	assert(unit->live >= bytes);
	unit->live -= bytes;
	if (!unit->live)
		unit_check(device, u);
}

/* --- zeroing: real writes, so that later ones change no metadata of the file system --- */

static void zero_next(struct device *device);

static void on_zero_timer(struct timer *timer)
{
	zero_next(CONTAINER_OF(timer, struct device, zero.timer));
}

static void on_zero_headed(struct device *device, uint32_t u, enum err err)
{
	(void)u;
	(void)err;
	unit_zero(device);
	log_kick(device);
	extent_kick(device);
}

static void on_zero_synced(struct disk_io *io, enum err err)
{
	struct device *device = CONTAINER_OF(io, struct device, zero.io);
	uint32_t u = device->zero.unit;

	device->flying--;
	device->zero.busy = false;
	if (err) {
		device_fail(device, err);
		return;
	}
	if (device->units[u].type == UNIT_NONE && !device->units[u].freeing && !device->closing) {
		device->untouched_units--;
		unit_head(device, u, UNIT_FREE, 0, on_zero_headed);
		return;
	}
	unit_zero(device);
}

static void on_zeroed(struct disk_io *io, enum err err)
{
	struct device *device = CONTAINER_OF(io, struct device, zero.io);
	struct unit *unit = &device->units[device->zero.unit];

	device->flying--;
	device->zero.busy = false;
	if (err == ERR_NO_SPACE) {
		device->full_until_us = reactor_now_us(device->reactor) + RETRY_GROWTH_US;
		if (unit->type == UNIT_LOG)
			unit->limit = unit->zeroed;
		log_kick(device);
		return;
	}
	if (err) {
		device_fail(device, err);
		return;
	}
	unit->zeroed += ZERO_PIECE - unit->zeroed % ZERO_PIECE;
	if (unit->zeroed >= device->unit_bytes && unit->type == UNIT_NONE && !unit->freeing &&
	        !device->closing) {
		io->done = on_zero_synced;
		device->zero.busy = true;
		device->flying++;
		disk_sync(device->disk, io);
	} else {
		unit_zero(device);
	}
	log_kick(device); /* last: it may ask for zeros itself, with the same operation */
}

/* The log's units come first; then those kept ready, but not while large bodies come in: those get
 * the disk's whole bandwidth, and units not yet written will do for them. */
static uint32_t zero_target(const struct device *device, uint64_t *ret_delay_us)
{
	uint32_t found = UNIT_NO, log = device->log.unit, next = device->log.next;
	uint64_t now = reactor_now_us(device->reactor);

	*ret_delay_us = ZERO_PAUSE_US;
	if (log != UNIT_NO && device->units[log].type == UNIT_LOG &&
	        device->units[log].zeroed < device->units[log].limit) {
		if (device->units[log].zeroed < device->log.off + 2 * ZERO_PIECE)
			*ret_delay_us = 0;
		return log;
	}
	if (next != UNIT_NO && device->log.next_ready &&
	        device->units[next].zeroed < device->units[next].limit)
		return next;
	if (device->free_units >= device->options.zero_ahead || !may_grow(device))
		return UNIT_NO;
	if (now < device->ext.used_us + ZERO_QUIET_US)
		*ret_delay_us = ZERO_QUIET_US;
	for (uint32_t u = 0; u < device->unit_count && found == UNIT_NO; u++) {
		const struct unit *unit = &device->units[u];
		if (unit->type == UNIT_NONE && !unit->freeing && !unit->stuck)
			found = u;
	}
	if (found == UNIT_NO && device->unit_count < device->units_max)
		found = device->unit_count;
	return found;
}

static void zero_next(struct device *device)
{
	uint64_t delay_us;
	uint32_t u = zero_target(device, &delay_us);

	if (device->zero.busy || device->failed || device->closing || u == UNIT_NO)
		return;
	if (delay_us > ZERO_PAUSE_US) {
		timer_set(device->reactor, &device->zero.timer, delay_us);
		return;
	}
	if (u == device->unit_count)
		unit_add(device);
	struct unit *unit = &device->units[u];
	uint32_t len = ZERO_PIECE - unit->zeroed % ZERO_PIECE;
	unsigned count = 0;
	for (uint32_t left = len; left; count++) {
		uint32_t n = left < sizeof(zeros) ? left : (uint32_t)sizeof(zeros);
		device->zero.iov[count] = (struct iovec){(void *)(uintptr_t)zeros, n};
		left -= n;
	}
	device->zero.busy = true;
	device->zero.unit = u;
	device->zero.io.done = on_zeroed;
	device->flying++;
	disk_write(device->disk, &device->zero.io, device->zero.iov, count,
	        unit_at(device, u) + unit->zeroed, false);
}

void unit_zero(struct device *device)
{
	uint64_t delay_us;
	uint32_t u = zero_target(device, &delay_us);

	if (device->zero.busy || device->failed || device->closing || u == UNIT_NO)
		return;
	device->zero.timer.fire = on_zero_timer;
	if (!delay_us) {
		timer_cancel(device->reactor, &device->zero.timer);
		zero_next(device);
	} else if (!device->zero.timer.index) {
		timer_set(device->reactor, &device->zero.timer, delay_us);
	}
}
