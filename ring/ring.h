/* ring: which devices hold which partition. A ring is read from a file that means the same to
 * Swift (docs/formats/ring.md) and never changes after that, so that every thread may look into
 * it without a lock; who needs a newer one loads a newer one and drops its reference. */
#ifndef RING_RING_H
#define RING_RING_H

#include "lib/base/auto.h"
#include "lib/base/buf.h"
#include "lib/err/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_KEY_BYTES 16
#define RING_ROWS_MAX  256u       /* replicas of one partition */
#define RING_DEVS_MAX  (1u << 20) /* length of the device list, holes included */
#define RING_FILE_MAX  (1ull << 31)

struct ring_dev {
	uint32_t id;
	uint32_t region, zone;
	uint32_t port, replication_port;
	double weight;
	char *ip, *replication_ip; /* owned by the ring, never NULL */
	char *device, *meta;       /* the same */
};

struct ring;
struct ring_ref {
	struct ring *ring;
};

/* Reads a file of format 1 or 2. ERR_NOT_FOUND and other errno outcomes; ERR_FORMAT when it is
 * no ring or of an unknown version, ERR_CORRUPT when it is one that does not hold together (a
 * checksum, a length, a device that is named but missing), ERR_TOO_LARGE past RING_FILE_MAX. */
enum err ring_load(const char *path, struct ring **ret_ring);

/* The same from memory. */
enum err ring_parse(const void *data, size_t len, struct ring **ret_ring);

/* Writes format 1 beside the path, syncs it and renames it into place. ERR_UNSUPPORTED when an
 * assigned device has an id past 65534, which format 1 cannot hold. */
enum err ring_save(const struct ring *ring, const char *path);

/* The bytes ring_save writes. */
enum err ring_format(const struct ring *ring, struct buf *file);

/* One reference comes with a loaded ring. Any thread; unref takes NULL. */
struct ring *ring_ref(struct ring *ring);
void ring_unref(struct ring *ring);
static inline void ring_ref_drop(struct ring_ref *ref)
{
	ring_unref(ref->ring);
}
AUTO_DEFINE(ring_ref, ring_ref_drop);

unsigned ring_part_power(const struct ring *ring);
uint64_t ring_parts(const struct ring *ring);

/* Rows of the table: the replica count rounded up; 0 when nothing was ever assigned. */
unsigned ring_rows(const struct ring *ring);

/* 3.25 when a quarter of the partitions has a fourth replica. */
double ring_replicas(const struct ring *ring);

/* 0 when no increase of the partition power is under way. */
unsigned ring_next_part_power(const struct ring *ring);

/* Version of the builder that made it, 0 when the file does not say. */
uint64_t ring_version(const struct ring *ring);

/* 1 or 2, as the file was; 1 for a ring from a builder. */
unsigned ring_format_version(const struct ring *ring);

/* Length of the device list; ids are below it and some of them may be holes. */
uint32_t ring_dev_limit(const struct ring *ring);

/* Borrowed from the ring; NULL for a hole or an id past the list. */
const struct ring_dev *ring_dev(const struct ring *ring, uint32_t id);

/* md5(prefix / account [/ container [/ object]] suffix). container and object may be NULL, as
 * may prefix and suffix. Lengths matter, not NULs: names are bytes. */
struct ring_name {
	const char *text;
	size_t len;
};
void ring_hash_path(struct ring_name prefix, struct ring_name suffix, struct ring_name account,
        struct ring_name container, struct ring_name object, uint8_t ret_key[RING_KEY_BYTES]);

/* The partition of a hash: its first bits. */
uint32_t ring_partition(const struct ring *ring, const uint8_t key[RING_KEY_BYTES]);

/* Device of one replica; false when that row is too short to reach the partition. */
bool ring_assigned(const struct ring *ring, unsigned row, uint32_t part, uint32_t *ret_dev);

/* The devices of a partition in order of their replicas, each once; the place in the list is
 * the index of the device. At most devs_max (RING_ROWS_MAX is always enough) are stored. */
unsigned ring_primaries(
        const struct ring *ring, uint32_t part, uint32_t *ret_devs, unsigned devs_max);

/* Steps through the devices that are not primaries of a partition, in the order Swift tries
 * them: first those in a region not seen yet, then in a zone, then on an address, then all. */
struct ring_handoffs {
	const struct ring *ring; /* borrowed */
	uint32_t part;
	uint64_t start, step; /* the walk over the partitions */
	unsigned row, pass;
	uint64_t *seen; /* bits: regions, zones, servers, devices; owned unless it is `small` */
	uint32_t seen_count[4];
	uint64_t small[32];
};
#define RING_HANDOFFS_NONE ((struct ring_handoffs){.ring = NULL})

/* The ring must outlive the iterator. */
void ring_handoffs_init(struct ring_handoffs *handoffs, const struct ring *ring, uint32_t part);
bool ring_handoffs_next(struct ring_handoffs *handoffs, uint32_t *ret_dev);
void ring_handoffs_done(struct ring_handoffs *handoffs);
AUTO_DEFINE(ring_handoffs, ring_handoffs_done);

#endif
