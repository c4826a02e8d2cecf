/* device: one disk (raw device or file) as a log of typed records shared by the roles on it.
 * See docs/formats.md for the bytes and DESIGN 5.2 for the rules. All calls on the thread of the
 * reactor that owns the device; completions come from its loop. */
#ifndef LIB_DEVICE_DEVICE_H
#define LIB_DEVICE_DEVICE_H

#include "lib/env/disk.h"
#include "lib/reactor/reactor.h"

struct device;

/* --- row records: opaque to the device, in the order of their LSNs --- */

/* One record of a role other than objects. done runs from the loop, in LSN order, when the
 * record is durable (or failed). */
struct device_append {
	uint8_t role;        /* DEVICE_ROLE_... */
	const void *payload; /* borrowed until done; at most DEVICE_PAYLOAD_MAX */
	size_t len;
	void (*done)(struct device_append *append);
	enum err err;               /* out */
	uint64_t lsn;               /* out: strictly growing on a device, for ever */
	struct device_append *next; /* private */
};

enum { DEVICE_ROLE_OBJECT, DEVICE_ROLE_CONTAINER, DEVICE_ROLE_ACCOUNT, DEVICE_ROLES };
#define DEVICE_PAYLOAD_MAX (256u << 10)

void device_append(struct device *device, struct device_append *append);

/* At open: every record of the role with an LSN above its checkpoint, in LSN order. The payload is
 * borrowed for the call. */
struct device_replay {
	void (*record)(struct device_replay *replay, uint64_t lsn, const void *payload, size_t len);
};

/* Says that the role keeps all its records up to lsn elsewhere, durably: they are dead here. */
void device_checkpoint(struct device *device, uint8_t role, uint64_t lsn);

/* LSN of the newest durable record. */
uint64_t device_lsn(const struct device *device);

/* --- the device itself --- */

struct cache;

struct device_options {
	struct reactor *reactor; /* borrowed, outlives the device */
	struct disk *disk;       /* owned from device_open on, also when that fails */
	struct cache *cache;     /* borrowed; NULL: none */
	uint32_t id;             /* tells the devices in one cache apart */
	bool create;             /* an empty disk is formatted; else it is ERR_FORMAT */
	uint32_t unit_bytes;     /* for a new device: a multiple of 1 MiB, 1 MiB to 1 GiB */
	uint64_t bytes_max;      /* a file grows up to this; 0: as the disk can */
	uint64_t reclaim_ticks;  /* age (see ts.h) at which tombstones may go */
	uint32_t zero_ahead;     /* units zeroed ahead of use */
	/* Bytes a second; 0: not by itself. Compaction takes less while others have to wait. */
	uint64_t compact_rate, scrub_rate;
	struct device_replay *replay[DEVICE_ROLES]; /* borrowed until opened; may be NULL */
	/* Opened, or failed: then the device is gone. */
	void (*opened)(void *owner, struct device *device, enum err err);
	uint64_t scrub_pause_us; /* between its rounds; 0: a minute */
	/* The version of key cannot be read here; NULL: nobody asks. From within a read, once in
	 * each round of the scrub while it stays so, and before `opened` for what may have been a
	 * record of that key. */
	void (*corrupt)(void *owner, uint8_t policy, const uint8_t key[16], uint64_t ts);
	void *owner;
};

/* Reads what the log says and makes the device ready; `opened` tells, from the loop. */
void device_open(const struct device_options *options);

/* A file may grow so far from now on; never less than it may already. */
void device_may_grow(struct device *device, uint64_t bytes_max);

/* Waits for what is in flight, then closes the disk and frees the device; the caller has no
 * operations open. closed runs from the loop and may be NULL. */
void device_close(struct device *device, void (*closed)(void *owner), void *owner);

struct device_stats {
	uint64_t bytes_max, used_bytes, live_bytes; /* used: units in use, whole */
	uint32_t units, units_free;
	uint64_t objects, unsettled, batches, records, moved, freed_units;
	uint64_t scrubbed_bytes, corrupt;
	bool failed; /* takes no writes any more */
	bool full;   /* takes no bodies now */
};
void device_stats(const struct device *device, struct device_stats *ret_stats);

/* Do writes take clearly longer than they do on a quiet disk? What can wait should, then. */
bool device_slowed(const struct device *device);

/* Drawn when it was formatted: 16 bytes, borrowed. */
const uint8_t *device_uuid(const struct device *device);

/* Newest timestamp in the log at open or since: the clock starts after it. */
uint64_t device_newest_ts(const struct device *device);

#endif
