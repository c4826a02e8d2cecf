#include "tests/lib/disk_fake.h"

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct request {
	struct task task;
	struct disk_fake *fake;
	struct disk_io *io;
	struct request *next;
	enum err err;
	unsigned event; /* its number + 1, or 0 */
	bool writes;
};

struct disk_fake {
	struct disk disk;
	struct reactor *reactor;
	uint8_t *bytes, *base; /* base: content when recording began */
	uint8_t *taken;        /* of each block: whether it was written */
	uint64_t size, cap, base_size;
	struct disk_event *events;
	unsigned event_count, event_cap;
	bool recording, hold, full;
	unsigned fail_kinds, fail_nth;
	enum err fail_err;
	bool fail_for_ever;
	uint64_t seed;
	struct request *waiting, **waiting_tail;
	struct task task;
	bool task_queued;
};

static uint64_t draw(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void ensure(struct disk_fake *fake, uint64_t size)
{
	if (size > fake->cap) {
		uint64_t cap = fake->cap ? fake->cap : 1u << 20;
		while (cap < size)
			cap *= 2;
		fake->bytes = mem_realloc(fake->bytes, cap);
		memset(fake->bytes + fake->cap, 0, cap - fake->cap);
		fake->taken = mem_realloc(fake->taken, cap / DISK_BLOCK);
		memset(fake->taken + fake->cap / DISK_BLOCK, 0, (cap - fake->cap) / DISK_BLOCK);
		fake->cap = cap;
	}
	if (size > fake->size)
		fake->size = size;
}

static void deliver(struct disk_fake *fake, struct request *q)
{
	struct disk_io *io = q->io;
	enum err err = q->err;

	if (q->event) {
		fake->events[q->event - 1].done = true;
		fake->events[q->event - 1].done_at = fake->event_count;
	}
	free(q);
	io->done(io, err);
}

static void queue_task(struct disk_fake *fake);

/* Delivers what waits: all in order, or one drawn at a time. */
static void on_task(struct task *task)
{
	struct disk_fake *fake = CONTAINER_OF(task, struct disk_fake, task);
	unsigned count = 0;

	fake->task_queued = false;
	for (struct request *q = fake->waiting; q; q = q->next)
		count += !(fake->hold && q->writes);
	if (!count)
		return;
	unsigned pick = fake->seed ? (unsigned)(draw(&fake->seed) % count) : 0;
	struct request **at = &fake->waiting;
	for (;; at = &(*at)->next) {
		if (fake->hold && (*at)->writes)
			continue;
		if (pick-- == 0)
			break;
	}
	struct request *q = *at;
	*at = q->next;
	if (!q->next)
		fake->waiting_tail = at;
	if (count > 1)
		queue_task(fake);
	deliver(fake, q);
}

static void queue_task(struct disk_fake *fake)
{
	if (fake->task_queued || !fake->waiting)
		return;
	fake->task_queued = true;
	reactor_post(fake->reactor, &fake->task);
}

static enum err fails(struct disk_fake *fake, unsigned kind)
{
	if (!(fake->fail_kinds & kind) || !fake->fail_nth)
		return ERR_OK;
	if (fake->fail_nth > 1) {
		fake->fail_nth--;
		return ERR_OK;
	}
	if (!fake->fail_for_ever)
		fake->fail_nth = 0;
	return fake->fail_err;
}

static struct request *request(struct disk_fake *fake, struct disk_io *io, enum err err)
{
	struct request *q = mem_zalloc(sizeof(*q));

	q->fake = fake;
	q->io = io;
	q->err = err;
	*fake->waiting_tail = q;
	fake->waiting_tail = &q->next;
	queue_task(fake);
	return q;
}

static unsigned note(
        struct disk_fake *fake, uint64_t offset, const void *data, uint32_t len, bool durable)
{
	if (!fake->recording)
		return 0;
	if (fake->event_count == fake->event_cap) {
		fake->event_cap = fake->event_cap ? fake->event_cap * 2 : 256;
		fake->events = mem_realloc(fake->events, fake->event_cap * sizeof(*fake->events));
	}
	fake->events[fake->event_count++] = (struct disk_event){
	        .offset = offset,
	        .data = data ? mem_dup(data, len) : NULL,
	        .len = len,
	        .durable = durable,
	};
	return fake->event_count;
}

static void fake_read(
        struct disk *disk, struct disk_io *io, void *data, size_t len, uint64_t offset)
{
	struct disk_fake *fake = CONTAINER_OF(disk, struct disk_fake, disk);
	enum err err = fails(fake, DISK_READ);

	assert(len % DISK_BLOCK == 0 && offset % DISK_BLOCK == 0);
	assert((uintptr_t)data % DISK_BLOCK == 0);
	if (!err && offset + len > fake->size)
		err = ERR_IO;
	if (!err)
		memcpy(data, fake->bytes + offset, len);
	request(fake, io, err);
}

static bool has_room(const struct disk_fake *fake, uint64_t offset, uint64_t len)
{
	for (uint64_t at = offset; at < offset + len; at += DISK_BLOCK) {
		if (fake->full && (at >= fake->size || !fake->taken[at / DISK_BLOCK]))
			return false;
	}
	return true;
}

static void fake_write(struct disk *disk, struct disk_io *io, const struct iovec *iov,
        unsigned iov_count, uint64_t offset, bool durable)
{
	struct disk_fake *fake = CONTAINER_OF(disk, struct disk_fake, disk);
	enum err err = fails(fake, DISK_WRITE);
	uint64_t len = 0;

	for (unsigned i = 0; i < iov_count; i++) {
		assert((uintptr_t)iov[i].iov_base % DISK_BLOCK == 0);
		len += iov[i].iov_len;
	}
	assert(len && len % DISK_BLOCK == 0 && offset % DISK_BLOCK == 0);
	if (!err && !has_room(fake, offset, len))
		err = ERR_NO_SPACE;
	struct request *q = request(fake, io, err);
	q->writes = true;
	if (err)
		return;
	ensure(fake, offset + len);
	memset(fake->taken + offset / DISK_BLOCK, 1, len / DISK_BLOCK);
	uint64_t at = offset;
	for (unsigned i = 0; i < iov_count; i++) {
		memcpy(fake->bytes + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	q->event = note(fake, offset, fake->bytes + offset, (uint32_t)len, durable);
}

static void fake_sync(struct disk *disk, struct disk_io *io)
{
	struct disk_fake *fake = CONTAINER_OF(disk, struct disk_fake, disk);
	enum err err = fails(fake, DISK_SYNC);
	struct request *q = request(fake, io, err);

	q->writes = true;
	if (!err)
		q->event = note(fake, 0, NULL, 0, true);
}

static uint64_t fake_hole(struct disk *disk, uint64_t offset)
{
	struct disk_fake *fake = CONTAINER_OF(disk, struct disk_fake, disk);

	while (offset < fake->size && fake->taken[offset / DISK_BLOCK])
		offset += DISK_BLOCK;
	return offset;
}

static void fake_close(struct disk *disk)
{
	(void)disk; /* the test frees it */
}

static const struct disk_ops ops = {fake_read, fake_write, fake_sync, fake_hole, fake_close};

struct disk_fake *disk_fake_new(struct reactor *reactor, uint64_t size_max)
{
	struct disk_fake *fake = mem_zalloc(sizeof(*fake));

	fake->reactor = reactor;
	fake->disk = (struct disk){&ops, 0, size_max};
	fake->waiting_tail = &fake->waiting;
	fake->task.run = on_task;
	return fake;
}

struct disk_fake *disk_fake_from(
        struct reactor *reactor, uint64_t size_max, const void *image, uint64_t size)
{
	struct disk_fake *fake = disk_fake_new(reactor, size_max);

	ensure(fake, size);
	if (size) {
		memcpy(fake->bytes, image, size);
		memset(fake->taken, 1, size / DISK_BLOCK);
	}
	fake->disk.size = size;
	return fake;
}

struct disk *disk_fake_disk(struct disk_fake *fake)
{
	fake->disk.size = fake->size;
	return &fake->disk;
}

void disk_fake_free(struct disk_fake *fake)
{
	if (!fake)
		return;
	while (fake->waiting) {
		struct request *q = fake->waiting;
		fake->waiting = q->next;
		free(q);
	}
	for (unsigned i = 0; i < fake->event_count; i++)
		free(fake->events[i].data);
	free(fake->events);
	free(fake->bytes);
	free(fake->taken);
	free(fake->base);
	free(fake);
}

void disk_fake_record(struct disk_fake *fake)
{
	fake->recording = true;
	fake->base = fake->size ? mem_dup(fake->bytes, fake->size) : NULL;
	fake->base_size = fake->size;
}

unsigned disk_fake_events(const struct disk_fake *fake, const struct disk_event **ret_events)
{
	*ret_events = fake->events;
	return fake->event_count;
}

void disk_fake_set_events(struct disk_fake *fake, struct disk_event *events, unsigned count)
{
	fake->events = events;
	fake->event_count = fake->event_cap = count;
}

void disk_fake_fail(
        struct disk_fake *fake, unsigned kinds, unsigned nth, enum err err, bool for_ever)
{
	fake->fail_kinds = kinds;
	fake->fail_nth = nth;
	fake->fail_err = err;
	fake->fail_for_ever = for_ever;
}

void disk_fake_full(struct disk_fake *fake, bool full)
{
	fake->full = full;
}

void disk_fake_shuffle(struct disk_fake *fake, uint64_t seed)
{
	fake->seed = seed;
}

void disk_fake_hold(struct disk_fake *fake, bool hold)
{
	fake->hold = hold;
	if (!hold)
		queue_task(fake);
}

uint8_t *disk_fake_bytes(struct disk_fake *fake)
{
	return fake->bytes;
}

uint64_t disk_fake_size(const struct disk_fake *fake)
{
	return fake->size;
}

/* --- crashes --- */

/* Told complete before event `count` was submitted. */
static bool told(const struct disk_event *event, unsigned count)
{
	return event->done && event->done_at <= count;
}

/* A write is stable when it was synced itself, or a sync was submitted after it was complete and
 * that sync was complete in time. */
static bool stable(const struct disk_fake *fake, unsigned i, unsigned count)
{
	const struct disk_event *e = &fake->events[i];

	if (e->durable && told(e, count))
		return true;
	for (unsigned s = i + 1; s < count; s++) {
		if (!fake->events[s].data && e->done && e->done_at <= s &&
		        told(&fake->events[s], count))
			return true;
	}
	return false;
}

static void put(uint8_t *image, const struct disk_event *e, uint32_t from, uint32_t len)
{
	memcpy(image + e->offset + from, e->data + from, len);
}

static uint8_t *base_image(const struct disk_fake *fake, unsigned count, uint64_t *ret_size)
{
	uint64_t size = fake->base_size;

	for (unsigned i = 0; i < count; i++) {
		const struct disk_event *e = &fake->events[i];
		if (e->data && e->offset + e->len > size)
			size = e->offset + e->len;
	}
	uint8_t *image = mem_zalloc(size + 1);
	if (fake->base_size)
		memcpy(image, fake->base, fake->base_size);
	*ret_size = size;
	return image;
}

uint8_t *disk_fake_without(const struct disk_fake *fake, unsigned count,
        bool (*lost)(const struct disk_event *event, unsigned index), uint64_t *ret_size)
{
	uint8_t *image = base_image(fake, count, ret_size);

	for (unsigned i = 0; i < count; i++) {
		const struct disk_event *e = &fake->events[i];
		if (e->data && !lost(e, i))
			put(image, e, 0, e->len);
	}
	return image;
}

uint8_t *disk_fake_crash(
        const struct disk_fake *fake, unsigned count, uint64_t seed, uint64_t *ret_size)
{
	uint8_t *image = base_image(fake, count, ret_size);

	for (unsigned i = 0; i < count; i++) {
		const struct disk_event *e = &fake->events[i];
		if (!e->data)
			continue;
		if (stable(fake, i, count)) {
			put(image, e, 0, e->len);
			continue;
		}
		switch (draw(&seed) % 4) {
		case 0: /* lost */
			break;
		case 1: /* whole */
			put(image, e, 0, e->len);
			break;
		case 2: /* a beginning */
			put(image, e, 0, (uint32_t)(draw(&seed) % (e->len / 512)) * 512);
			break;
		default: /* any of its sectors */
			for (uint32_t at = 0; at < e->len; at += 512) {
				if (draw(&seed) % 2)
					put(image, e, at, 512);
			}
		}
	}
	return image;
}
