/* disk_fake: a disk in memory that remembers every write and sync since it was made, so that a
 * test can ask for the disk as a crash at any point would have left it; and that fails on
 * request. One thread; completions come from the reactor's loop. */
#ifndef TESTS_LIB_DISK_FAKE_H
#define TESTS_LIB_DISK_FAKE_H

#include "lib/env/disk.h"
#include "lib/reactor/reactor.h"

struct disk_fake;

/* An event in the life of the disk, in the order of submission. */
struct disk_event {
	uint64_t offset;
	uint8_t *data; /* NULL: a sync */
	uint32_t len;
	bool durable;     /* a synced write */
	bool done;        /* completed, as the caller was told */
	uint64_t done_at; /* number of events submitted when it completed */
};

enum { DISK_READ = 1, DISK_WRITE = 2, DISK_SYNC = 4 };

struct disk_fake *disk_fake_new(struct reactor *reactor, uint64_t size_max);
/* The bytes of `image` as they are; the copy is the fake's. */
struct disk_fake *disk_fake_from(
        struct reactor *reactor, uint64_t size_max, const void *image, uint64_t size);
/* Hands the disk to a device, whose close does not free the fake. */
struct disk *disk_fake_disk(struct disk_fake *fake);
void disk_fake_free(struct disk_fake *fake);

/* Remembers writes and syncs from now on. */
void disk_fake_record(struct disk_fake *fake);
unsigned disk_fake_events(const struct disk_fake *fake, const struct disk_event **ret_events);

/* What another recorder saw, for images of crashes; array and data are the fake's from then on. */
void disk_fake_set_events(struct disk_fake *fake, struct disk_event *events, unsigned count);

/* The nth operation of these kinds from now (1: the next) gives err; `for_ever`: and all after. */
void disk_fake_fail(
        struct disk_fake *fake, unsigned kinds, unsigned nth, enum err err, bool for_ever);

/* As on a file whose file system has no block left: a write to where none was before gives
 * ERR_NO_SPACE. */
void disk_fake_full(struct disk_fake *fake, bool full);

/* Delays completions: they come in an order drawn from the seed (0: in order). */
void disk_fake_shuffle(struct disk_fake *fake, uint64_t seed);

/* Holds back completions of writes until released: the operation is on the disk or not as the
 * crash image says, but nobody was told. */
void disk_fake_hold(struct disk_fake *fake, bool hold);

uint8_t *disk_fake_bytes(struct disk_fake *fake); /* the current content, all written */
uint64_t disk_fake_size(const struct disk_fake *fake);

/* The disk after a crash when `count` events were submitted: what was stable by then, and of the
 * rest a part drawn from the seed, each write whole, torn at 512 bytes, or not at all. Free it. */
uint8_t *disk_fake_crash(
        const struct disk_fake *fake, unsigned count, uint64_t seed, uint64_t *ret_size);

/* The disk with the first `count` events but those that `lost` names. Free it. */
uint8_t *disk_fake_without(const struct disk_fake *fake, unsigned count,
        bool (*lost)(const struct disk_event *event, unsigned index), uint64_t *ret_size);

#endif
