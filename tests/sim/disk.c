/* Disks that keep what was synced and, at a crash, a part of what was not. */
#include "tests/sim/sim.h"

#include "lib/base/mem.h"
#include "lib/reactor/disk_file.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SIZE_MAX_BYTES (128u << 20)

/* Content; what was never written but with zeros costs nothing. */
#define CHUNK 4096u
struct surface {
	uint8_t *bytes; /* SIZE_MAX_BYTES */
	bool used[SIZE_MAX_BYTES / CHUNK];
	uint64_t size;
};

/* A write that a crash may undo. */
struct loose {
	struct loose *next;
	uint64_t offset;
	uint32_t len;
	bool done, stable; /* stable: not in the list any more, its flight frees it */
	uint8_t *data;     /* owned; NULL: zeros */
};

struct sim_disk_image {
	struct surface view, stable;
	struct loose *loose, **loose_tail;
};

struct sim_disk {
	struct disk disk;
	struct sim_disk_image *image;
	struct sim_node *node;
	unsigned life;
};

struct flight {
	struct sim_event event;
	struct task task;
	struct sim_disk *d;
	struct disk_io *io;
	enum err err;
	struct loose *write; /* of a write */
	bool durable, sync;
};

static uint8_t *space(void)
{
	uint8_t *p = mmap(NULL, SIZE_MAX_BYTES, PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

struct sim_disk_image *sim_image_new(void)
{
	struct sim_disk_image *image = mem_zalloc(sizeof(*image));

	image->view.bytes = space();
	image->stable.bytes = space();
	image->loose_tail = &image->loose;
	return image;
}

static void put(struct surface *s, uint64_t offset, const uint8_t *data, uint64_t len)
{
	if (offset + len > s->size)
		s->size = offset + len;
	for (uint64_t at = 0, n; at < len; at += n) {
		bool *used = &s->used[(offset + at) / CHUNK];
		n = CHUNK - (offset + at) % CHUNK;
		if (n > len - at)
			n = len - at;
		if (data)
			memcpy(s->bytes + offset + at, data + at, n);
		else if (*used)
			memset(s->bytes + offset + at, 0, n);
		*used |= data != NULL;
	}
}

static void copy_all(struct surface *to, const struct surface *from)
{
	uint64_t size = to->size > from->size ? to->size : from->size;

	for (size_t i = 0; i * CHUNK < size; i++) {
		if (to->used[i] || from->used[i])
			memcpy(to->bytes + i * CHUNK, from->bytes + i * CHUNK, CHUNK);
		to->used[i] = from->used[i];
	}
	to->size = from->size;
}

/* Pages that were never written are not touched. */
static void get(const struct surface *s, uint64_t offset, uint8_t *data, uint64_t len)
{
	for (uint64_t at = 0, n; at < len; at += n) {
		n = CHUNK - (offset + at) % CHUNK;
		if (n > len - at)
			n = len - at;
		if (s->used[(offset + at) / CHUNK])
			memcpy(data + at, s->bytes + offset + at, n);
		else
			memset(data + at, 0, n);
	}
}

static void settle(struct sim_disk_image *image, const struct loose *w, uint32_t len)
{
	put(&image->stable, w->offset, w->data, len);
}

static void free_loose(struct loose *w)
{
	free(w->data);
	free(w);
}

static void unlink_loose(struct sim_disk_image *image, struct loose **at)
{
	struct loose *w = *at;

	*at = w->next;
	if (!w->next)
		image->loose_tail = at;
	w->stable = true;
	if (w->done)
		free_loose(w);
}

static bool overlap(const struct loose *a, const struct loose *b)
{
	return a->offset < b->offset + b->len && b->offset < a->offset + a->len;
}

/* A durable write is stable once told (only: that one); a sync makes all that was told before it
 * so. An earlier write of the same place never comes after it. */
static void make_stable(struct sim_disk_image *image, const struct loose *only)
{
	for (struct loose **at = &image->loose; *at;) {
		struct loose *w = *at;
		bool last = w == only;
		if (only ? last || overlap(w, only) : w->done) {
			settle(image, w, w->len);
			unlink_loose(image, at);
		} else {
			at = &w->next;
		}
		if (last)
			return;
	}
}

void sim_image_crash(struct sim_disk_image *image)
{
	while (image->loose) {
		struct loose *w = image->loose;
		switch (sim_draw(3)) {
		case 0:
			settle(image, w, w->len);
			break;
		case 1:
			settle(image, w, (uint32_t)sim_draw(w->len / 512 + 1) * 512);
			break;
		default:
			break;
		}
		w->done = true; /* nobody hears of it any more */
		unlink_loose(image, &image->loose);
	}
	copy_all(&image->view, &image->stable);
}

static void blank(struct surface *s)
{
	for (size_t i = 0; i * CHUNK < s->size; i++) {
		if (s->used[i])
			memset(s->bytes + i * CHUNK, 0, CHUNK);
		s->used[i] = false;
	}
	s->size = 0;
}

void sim_image_wipe(struct sim_disk_image *image)
{
	blank(&image->view);
	blank(&image->stable);
}

static void deliver(struct task *task)
{
	struct flight *f = CONTAINER_OF(task, struct flight, task);
	struct disk_io *io = f->io;
	enum err err = f->err;

	free(f);
	io->done(io, err);
}

static void on_time(struct sim_event *e)
{
	struct flight *f = CONTAINER_OF(e, struct flight, event);
	struct sim_disk *d = f->d;

	if (d->node->life != d->life) {
		free(f); /* its process is gone; the crash decided about the write */
		return;
	}
	if (f->write && f->write->stable) {
		free_loose(f->write); /* by a later one of the same place */
	} else if (f->write) {
		f->write->done = true;
		if (f->durable)
			make_stable(d->image, f->write);
	} else if (f->sync) {
		make_stable(d->image, NULL);
	}
	f->task.run = deliver;
	reactor_post(d->node->reactor, &f->task);
}

static struct flight *fly(struct sim_disk *d, struct disk_io *io, enum err err, uint64_t us)
{
	struct flight *f = mem_zalloc(sizeof(*f));

	f->d = d;
	f->io = io;
	f->err = err;
	f->event.fire = on_time;
	sim_after(&f->event, us * (1 + d->node->slow));
	return f;
}

static void sim_read(struct disk *disk, struct disk_io *io, void *data, size_t len, uint64_t offset)
{
	struct sim_disk *d = CONTAINER_OF(disk, struct sim_disk, disk);
	bool beyond = offset + len > d->image->view.size;

	if (!beyond)
		get(&d->image->view, offset, data, len);
	fly(d, io, beyond ? ERR_IO : ERR_OK, 20 + sim_draw(100));
}

static bool all_zero(const struct iovec *iov)
{
	const char *p = iov->iov_base;

	return *p == 0 && memcmp(p, p + 1, iov->iov_len - 1) == 0;
}

static void sim_write(struct disk *disk, struct disk_io *io, const struct iovec *iov,
        unsigned count, uint64_t offset, bool durable)
{
	struct sim_disk *d = CONTAINER_OF(disk, struct sim_disk, disk);
	struct sim_disk_image *image = d->image;
	uint64_t len = 0;

	for (unsigned i = 0; i < count; i++)
		len += iov[i].iov_len;
	if (offset + len > SIZE_MAX_BYTES) {
		fly(d, io, ERR_NO_SPACE, 20);
		return;
	}
	struct loose *w = mem_zalloc(sizeof(*w));
	w->offset = offset;
	w->len = (uint32_t)len;
	for (unsigned i = 0; i < count && !w->data; i++)
		w->data = all_zero(&iov[i]) ? NULL : mem_zalloc(len);
	for (uint64_t i = 0, at = 0; w->data && i < count; at += iov[i++].iov_len)
		memcpy(w->data + at, iov[i].iov_base, iov[i].iov_len);
	put(&image->view, offset, w->data, len);
	*image->loose_tail = w;
	image->loose_tail = &w->next;
	struct flight *f = fly(d, io, ERR_OK, 30 + sim_draw(300));
	f->write = w;
	f->durable = durable;
}

static void sim_sync(struct disk *disk, struct disk_io *io)
{
	struct sim_disk *d = CONTAINER_OF(disk, struct sim_disk, disk);

	fly(d, io, ERR_OK, 100 + sim_draw(500))->sync = true;
}

static uint64_t sim_hole(struct disk *disk, uint64_t offset)
{
	(void)disk;
	(void)offset;
	return UINT64_MAX;
}

static void sim_close(struct disk *disk)
{
	(void)disk;
}

static const struct disk_ops ops = {sim_read, sim_write, sim_sync, sim_hole, sim_close};

/* In place of lib/reactor/disk_file.c. */
enum err disk_file_open(
        struct reactor *reactor, const char *path, bool create, struct disk **ret_disk)
{
	struct sim_disk *d = mem_zalloc(sizeof(*d));

	(void)path;
	(void)create;
	d->node = sim_node_of(reactor);
	d->life = d->node->life;
	d->image = d->node->image;
	d->disk = (struct disk){&ops, d->image->view.size, SIZE_MAX_BYTES};
	*ret_disk = &d->disk;
	return ERR_OK;
}

uint64_t disk_file_stuck_us(struct disk *disk)
{
	(void)disk;
	return 0;
}
