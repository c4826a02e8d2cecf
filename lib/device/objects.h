/* objects: the part of a device that objectd uses: versions of objects as records in the log, an
 * index of them in memory, and large bodies in extents. All calls on the thread of the reactor
 * that owns the device; completions come from its loop, never inside the call, unless said.
 *
 * A version is visible in the index from the moment its record is durable, in the order of the
 * log. Each of `write`, `read`, `extent_write` and `sync` lives with the caller, who leaves it
 * alone until done. */
#ifndef LIB_DEVICE_OBJECTS_H
#define LIB_DEVICE_OBJECTS_H

#include "lib/backend/backend.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/device/device.h"

/* One piece (at most BACKEND_PIECE bytes) of a large body. */
struct device_extent {
	uint32_t unit, block; /* where its header block is, in DISK_BLOCKs from the unit's start */
	uint32_t len, crc;    /* data bytes; CRC of the header block */
};

/* What the index knows of a key. */
struct device_version {
	uint64_t ts, meta_ts; /* meta_ts: last POST, or ts */
	bool deleted, extents, corrupt, expires;
	bool forgotten;   /* device_find_any, device_next: the key is known no more, up to this */
	uint8_t fragment; /* as it was written */
	uint64_t at;      /* the device's */
};

/* A version that is not committed yet, a draft, lives beside the committed one of its key: its
 * `policy` is that of one of DEVICE_DRAFTS spaces, each of which holds one version of a key as the
 * committed space does. It is gone once a committed version or tombstone has a ts that is not
 * smaller (then its record stays in the log as long as the other's may be needed to say so). */
#define DEVICE_DRAFTS BACKEND_DRAFTS
#define DEVICE_SPACES (BACKEND_POLICIES * (1 + DEVICE_DRAFTS))
static inline uint8_t device_draft(uint8_t policy, unsigned slot)
{
	return (uint8_t)(policy + BACKEND_POLICIES * (1 + slot));
}

/* ERR_NOT_FOUND: nothing known, no tombstone either. */
enum err device_find(struct device *device, uint8_t policy, const uint8_t key[16],
        struct device_version *ret_version);
/* The same, and what was forgotten: nothing older of that key can come back here. */
enum err device_find_any(struct device *device, uint8_t policy, const uint8_t key[16],
        struct device_version *ret_version);

/* The drafts of a key that are there, the newest first; ret_spaces: the `policy` of each. Returns
 * how many. */
unsigned device_drafts(struct device *device, uint8_t policy, const uint8_t key[16],
        struct device_version ret_versions[DEVICE_DRAFTS], uint8_t ret_spaces[DEVICE_DRAFTS]);
/* The space for a new draft; ERR_BUSY when all are in use. */
enum err device_draft_space(struct device *device, uint8_t policy, const uint8_t key[16],
        uint64_t ts, uint8_t *ret_space);

/* Steps through versions and tombstones in the order of keys: the first with a key >= *key,
 * which is set to its key. False at the end. */
bool device_next(
        struct device *device, uint8_t policy, uint8_t key[16], struct device_version *ret_version);
uint64_t device_objects(const struct device *device); /* versions and tombstones in the index */

/* --- comparing with other replicas --- */

/* A walk over a range of keys, in slices: those whose first `bits` bits (0 to 64) are those of
 * prefix. Start with key = device_range_start. */
struct device_range {
	uint8_t policy, bits, fan_out;
	uint8_t fragment; /* the number that fragments of these keys should have here; 0: not known
	                   */
	uint64_t prefix, before_ts; /* tombstones older than before_ts do not count in digests */
	uint8_t key[16];            /* where the next slice begins */
	bool done;
};
void device_range_start(struct device_range *range);

/* Adds up to `most` entries to the sums, one for each of 1 << fan_out equal parts of the range;
 * returns how many it looked at. Where an entry lies and whether its updates are settled does not
 * matter; a fragment of another number than the range's does. */
unsigned device_range_digest(struct device *device, struct device_range *range,
        struct backend_digest *sums, unsigned most);

/* Appends up to `most` backend_keys. */
unsigned device_range_keys(
        struct device *device, struct device_range *range, struct buf *keys, unsigned most);

/* *ret_oldest becomes the time of the oldest draft in the range, if that is older or 0; the range's
 * policy is that of one space of drafts. */
unsigned device_range_oldest(
        struct device *device, struct device_range *range, uint64_t *ret_oldest, unsigned most);

/* All primaries have, or have been given, the tombstones of the policy that this device had when
 * `lsn` was its newest record (0: nothing is known of that; UINT64_MAX: it is nobody's concern).
 * Only those are ever reclaimed. In memory alone: a restart waits for the next comparison. */
void device_agreed(struct device *device, uint8_t policy, uint64_t lsn);

/* --- writing --- */

struct format_record;

/* Private: a record on its way into the log. */
struct log_append {
	struct log_append *next;
	uint32_t len;        /* in the log, a multiple of 64 */
	uint32_t footer_len; /* bytes it takes in the unit's footer */
	uint8_t urgency;     /* DEVICE_PUT... */
	void (*fill)(struct log_append *append, uint8_t *dst, uint64_t lsn);
	void (*done)(struct log_append *append, enum err err);
	uint64_t queued_us;
	uint64_t lsn;                       /* out */
	uint32_t unit, off;                 /* out */
	const struct format_record *record; /* out: as written; valid during done */
};

/* What may still be written when space ends: bodies stop first, then deletes, rows and metadata,
 * then what compaction moves. */
enum { DEVICE_PUT, DEVICE_SMALL, DEVICE_MOVE };

#define DEVICE_FRAGMENTS 28

/* A version to write: all pointers borrowed until done. */
struct device_write {
	uint8_t policy, key[16];
	bool deleted, expires; /* expires: the headers have an X-Delete-At */
	bool forgotten;   /* deleted, and with the times of the version that is to be forgotten */
	uint8_t fragment; /* its number from 1 on, DEVICE_FRAGMENTS at most; 0: it is none */
	uint64_t ts, meta_ts; /* meta_ts: of the last POST, or 0 */
	const char *account, *container, *object;
	const void *headers;
	size_t headers_len;
	uint64_t size;
	uint8_t etag[16];
	const struct backend_update *updates;
	unsigned update_count;
	const void *data; /* inline body, when there are no extents */
	size_t data_len;
	const struct device_extent *extents;
	uint32_t extent_count;
	uint8_t urgency;
	void (*done)(struct device_write *write, enum err err);
	/* private */
	struct device *device;
	struct log_append append;
	struct hash_node node;
};

/* ERR_NO_SPACE when a body would not be admitted now; why not, when the device takes no writes. */
enum err device_admits(const struct device *device, uint64_t bytes);

/* ERR_TOO_LARGE at once, without done, when it does not fit a record. The caller keeps writes of
 * one key apart. */
enum err device_write(struct device *device, struct device_write *write);

/* Allocates and writes one piece; `extent` is filled when done says OK. The space is the caller's
 * until a version with it is written (and stays so until device_extents_release). */
struct device_extent_write {
	uint8_t policy, key[16];
	uint64_t stage, offset;
	struct bytes *body; /* borrowed */
	uint32_t at, len;
	void (*done)(struct device_extent_write *write, enum err err);
	struct device_extent extent; /* out */
	/* private */
	struct device *device;
	struct disk_io io;
	struct iovec iov[3];
	struct bytes *head;
	struct device_extent_write *next;
	uint8_t urgency;
};
void device_extent_write(struct device *device, struct device_extent_write *write);

/* Ends the caller's claim: after the version that names them is visible, or to drop them. */
void device_extents_release(
        struct device *device, const struct device_extent *extents, uint32_t count);

/* Makes all extent writes that are done stable. Several callers share one sync. */
struct device_sync {
	void (*done)(struct device_sync *sync, enum err err);
	struct device_sync *next;
};
void device_sync(struct device *device, struct device_sync *sync);

/* --- reading --- */

/* A record or a piece in memory, verified. */
struct extent_list;
struct device_read {
	void (*done)(struct device_read *read, enum err err);
	struct bytes *bytes; /* out: a reference, the caller's; device_read_done drops it */
	uint32_t at, len;    /* out: the record, or the piece's data */
	/* private */
	struct device *device;
	struct disk_io io;
	struct bytes *buffer;
	uint64_t where;
	struct device_extent extent;
	struct extent_list *held; /* of the version: until device_read_done */
	struct task task;
	uint32_t unit, claimed;
	uint8_t policy, key[16];
	bool fresh; /* in: from the disk, not from the cache */
};

/* True: answered at once from memory (done is not called). False: done will come; ERR_CORRUPT when
 * the bytes fail their check (the version is then marked and the device's `corrupt` told). What a
 * version's record names stays where it is until device_read_done, so that another record may name
 * it, too, once that is written. */
bool device_read_version(struct device *device, uint8_t policy, const uint8_t key[16],
        const struct device_version *version, struct device_read *read);
bool device_read_extent(struct device *device, uint8_t policy, const uint8_t key[16],
        const struct device_extent *extent, struct device_read *read);
void device_read_done(struct device_read *read);

/* Keeps compaction from reusing the space of these extents while a reader is on them. */
void device_extents_pin(struct device *device, const struct device_extent *extents, uint32_t count);

/* What a record says; pointers into it. */
struct device_record {
	uint64_t ts, meta_ts, size;
	bool deleted;
	uint8_t policy, key[16], etag[16];
	const char *account, *container, *object;
	const void *headers;
	size_t headers_len;
	const uint8_t *data; /* inline */
	uint32_t data_len;
	const struct device_extent *extents;
	uint32_t extent_count;
	const uint8_t *updates;
	size_t updates_len;
	unsigned update_count;
};
void device_record(const struct device_read *read, struct device_record *ret_record);

/* Steps through the updates of a record; *at starts at 0. */
bool device_record_update(
        const struct device_record *record, size_t *at, struct backend_update *ret_update);

/* --- listing updates that are open --- */

struct device_unsettled {
	uint8_t policy, key[16];
	uint64_t ts; /* of the PUT, POST or DELETE */
	uint64_t lsn;
	struct device_version version; /* for device_read_version */
};

/* The oldest open one with an LSN above `after`. False: none. */
bool device_next_unsettled(
        struct device *device, uint64_t after, struct device_unsettled *ret_unsettled);
uint64_t device_unsettled_count(const struct device *device);
/* Are there updates that this version carries, and that are open? */
bool device_is_unsettled(struct device *device, uint8_t policy, const uint8_t key[16],
        const struct device_version *version);

/* Rides in a later batch; harmless when not open. */
void device_settled(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t ts);

#endif
