/* What the files of lib/device share. Their parts:
 *   device.c   opening, closing, rows, checkpoints, stats
 *   unit.c     units: taking, heading, freeing, zeroing
 *   log.c      the queue of records, batches, acknowledgements, switching units
 *   footer.c   footers and seals of units that are full
 *   object.c   index, claims on space, open updates
 *   range.c    what ranges of keys hold, for comparison with other replicas
 *   extent.c   pieces of large bodies and their syncs
 *   read.c     records and pieces from cache or disk
 *   recover.c  from the disk to all of that; scan.c walks a unit's chain of batches
 *   compact.c, scrub.c   the two background jobs
 */
#ifndef LIB_DEVICE_INTERNAL_H
#define LIB_DEVICE_INTERNAL_H

#include "lib/cache/cache.h"
#include "lib/device/format.h"
#include "lib/device/index.h"

#define UNIT_NO         UINT32_MAX
#define BATCH_MAX       (512u << 10) /* a batch closes at this size */
#define BATCHES_FLYING  4
#define QUEUE_MAX       (64u << 20) /* bytes waiting for the log; then ERR_BUSY */
#define ZERO_PIECE      (1u << 20)
#define SETTLED_A_BATCH 1024

struct footer;

struct unit {
	uint64_t incarnation, nonce;
	uint64_t live; /* bytes claimed: by the index, open updates, readers, uploads */
	uint64_t lsn;  /* LOG: of its first record or smaller */
	uint64_t row_max[DEVICE_ROLES];
	uint64_t seal_lsn; /* LOG: the chain behind its last durable batch */
	uint32_t seal_crc;
	uint64_t opened_us;
	uint32_t end;    /* LOG: after the last durable batch; EXTENT: after the last used */
	uint32_t zeroed; /* written at least once up to here */
	uint32_t limit;  /* usable up to here */
	uint16_t flying; /* batches in flight */
	uint8_t type;
	bool sealed; /* nothing is added any more, and its footer is written */
	bool freeing, sealing, moving, stuck;
	struct footer *footer; /* owned: LOG, until it is on the disk */
};

/* What the index is told of a record. */
struct applied {
	uint8_t policy;
	const uint8_t *key;
	uint64_t ts, meta_ts, lsn;
	uint64_t at;
	uint64_t from; /* a copy by compaction: where it was; else 0 */
	const struct device_extent *extents;
	uint32_t extent_count;
	bool deleted, open;
	bool expires, forgotten;
	uint8_t fragment;
	bool gone; /* superseded, or its extents are used for something else: only updates count */
};

/* How long batches of others than compaction take: lately, and when compaction does nothing. */
struct pace {
	uint64_t lately_us, quiet_us; /* sliding means; 0: none seen */
	uint64_t seen_us;             /* when the last one came back */
};

/* Bytes a second that compaction may move, out of its full rate: a sixteenth while others wait
 * clearly longer than without it, eight times as much when they wait for space. */
uint64_t pace_rate(const struct pace *pace, uint64_t now_us, uint64_t full, bool no_space);

struct batch;
struct recovery;
struct compaction;
struct scrub;

struct device {
	struct device_options options;
	struct reactor *reactor; /* borrowed */
	struct disk *disk;       /* owned */
	struct cache *cache;     /* borrowed or NULL */
	uint8_t uuid[16];
	uint32_t unit_bytes, units_max;

	struct unit *units; /* owned */
	uint32_t unit_count, unit_cap;
	uint32_t free_units;      /* of type UNIT_FREE */
	uint32_t untouched_units; /* of type UNIT_NONE, also those past the end of the file */
	uint64_t next_incarnation;
	uint64_t full_until_us; /* the file system had no space: no growth until then */

	bool failed, serving, closing;
	enum err fail_err;
	unsigned flying; /* disk operations that device_close waits for */

	struct {
		struct log_append *head[2], **tail[2]; /* [1]: DEVICE_MOVE */
		size_t queued;
		struct batch *first, **last; /* in flight, oldest first */
		unsigned flying;
		uint32_t unit, off, next;
		bool next_ready, broken, task_queued;
		unsigned rolling;               /* units being sealed after a batch failed */
		uint8_t urgency, next_urgency;  /* what the units were taken for */
		uint32_t prev_crc, durable_crc; /* of the last batch sent; of the last accepted */
		uint64_t next_lsn, durable_lsn;
		struct task task;
		struct timer timer, batch_timer;
	} log;

	struct {
		uint32_t unit, off;
		bool ready, opening, syncing;
		struct device_extent_write *head, **tail;
		struct device_sync *waiting, *running;
		struct disk_io io;
		struct task task;
		bool task_queued;
		uint64_t used_us; /* when a piece was last written */
	} ext;

	struct {
		struct disk_io io;
		struct iovec iov[16];
		struct timer timer;
		uint32_t unit;
		bool busy;
	} zero;

	struct index *index[DEVICE_SPACES]; /* owned; NULL until used */
	struct hash posted;                 /* versions with a POST: its time */
	struct hash extents;                /* versions with extents: the list */
	struct hash unsettled;
	struct list unsettled_list; /* by LSN */
	struct unsettled *cursor;
	struct hash writing; /* keys with a write queued or in flight */
	struct format_settled *settled;
	uint32_t settled_count, settled_cap;
	struct timer settled_timer;
	uint64_t checkpoint[DEVICE_ROLES];
	uint64_t agreed_lsn[BACKEND_POLICIES]; /* see device_agreed */
	uint64_t newest_ts;

	struct recovery *recovery;     /* owned by itself; only while opening */
	struct compaction *compaction; /* owned */
	struct scrub *scrub;           /* owned */
	struct pace pace;
	struct device_stats stats; /* counters */

	void (*closed)(void *owner);
	void *closed_owner;
	struct timer close_timer;
};

/* device.c */
void device_fail(struct device *device, enum err err);
void device_free(struct device *device);

/* unit.c */
static inline uint64_t unit_at(const struct device *device, uint32_t unit)
{
	return FORMAT_BASE + (uint64_t)unit * device->unit_bytes;
}
/* Whole ones in so many bytes of a disk. */
uint32_t unit_most(const struct device *device, uint64_t bytes);
struct unit *unit_add(struct device *device); /* one more, of type UNIT_NONE */
uint32_t unit_available(const struct device *device);
/* A unit for writes of that urgency, or UNIT_NO; it is no longer free. */
uint32_t unit_take(struct device *device, uint8_t urgency);
/* Writes its header with a new incarnation; durable when done says OK. */
void unit_head(struct device *device, uint32_t unit, uint8_t type, uint64_t prev,
        void (*done)(struct device *device, uint32_t unit, enum err err));
static inline void unit_claim(struct device *device, uint32_t unit, uint32_t bytes)
{
	device->units[unit].live += bytes;
}
void unit_release(struct device *device, uint32_t unit, uint32_t bytes);
/* There is no room from `at` on. */
static inline void unit_cut(struct unit *unit, uint32_t at)
{
	if (at < unit->limit)
		unit->limit = at;
	if (unit->zeroed > unit->limit)
		unit->zeroed = unit->limit;
}
/* Its header says FREE: one of those there are, or, of too few blocks, as good as untouched. */
void unit_count_free(struct device *device, uint32_t unit);
/* Frees it when nothing in it is needed. */
void unit_check(struct device *device, uint32_t unit);
void unit_zero(struct device *device); /* goes on with zeroing, if there is need */

/* One durable write of a buffer of its own, then a callback. */
struct unit_write {
	struct disk_io io;
	struct iovec iov;
	struct bytes *bytes; /* owned */
	struct device *device;
	uint32_t unit;
	void (*done)(struct unit_write *write, enum err err); /* frees it with unit_write_free */
	void (*then)(struct device *device, uint32_t unit, enum err err);
	struct unit_write *next; /* owned: what is written when this is there */
};
struct unit_write *unit_write_new(struct device *device, uint32_t unit, uint32_t len);
void unit_write_start(struct unit_write *write, uint32_t off);
void unit_write_free(struct unit_write *write);

/* log.c */
void log_init(struct device *device);
void log_append(struct device *device, struct log_append *append);
void log_kick(struct device *device);
static inline void log_push_front(struct device *device, struct log_append *append)
{
	append->next = device->log.head[0];
	if (!append->next)
		device->log.tail[0] = &append->next;
	device->log.head[0] = append;
	device->log.queued += append->len;
}

/* footer.c */
struct footer *footer_new(void);
void footer_free(struct footer *footer);
void footer_note(struct footer *footer, const struct format_record *record, uint32_t off);
uint32_t footer_len(const struct footer *footer, uint32_t more); /* bytes on the disk */
/* Writes footer and seal of a LOG unit that gets no more batches. */
void footer_write(struct device *device, uint32_t unit);
/* Writes the seal of a recovered or broken unit: its end. */
void footer_seal_end(struct device *device, uint32_t unit, uint32_t last_crc, uint64_t next_lsn,
        void (*then)(struct device *device, uint32_t unit, enum err err));

/* object.c */
void object_init(struct device *device);
void object_done(struct device *device);
void object_apply(struct device *device, const struct applied *applied);
void object_apply_record(struct device *device, const struct format_record *record, uint64_t at,
        uint64_t from, bool gone);
void object_settle(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t ts);
bool object_is_live(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t ts,
        uint64_t meta_ts, uint64_t at);
bool object_is_open(
        struct device *device, uint8_t policy, const uint8_t key[16], uint64_t newest, uint64_t at);
bool object_is_writing(struct device *device, uint8_t policy, const uint8_t key[16]);
void object_forget(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t at);
void object_mark_corrupt(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t at);
struct extent_list *object_extents(struct device *device, uint64_t at);
struct extent_list {
	struct hash_node node;
	uint64_t at;
	uint32_t count;
	uint8_t policy, key[16];
	bool gone; /* its version is: freed when nobody holds it */
	unsigned holders;
	struct device_extent extents[];
};
/* Of the version whose record is there, or NULL: they stay where they are until it is let go of,
 * whatever becomes of the version. Who has read a record may use what it names for so long. */
struct extent_list *object_hold_extents(struct device *device, uint64_t at);
void object_drop_extents(struct device *device, struct extent_list *list); /* NULL is fine */
uint64_t object_meta_ts(struct device *device, uint8_t policy, const struct index_entry *entry);
void object_sort_unsettled(struct device *device);
/* Queues what was settled to ride along. */
void object_queue_settled(struct device *device);

/* extent.c */
void extent_init(struct device *device);
void extent_kick(struct device *device);
void extent_fail_all(struct device *device);

/* read.c */
bool read_cached(struct device *device, uint64_t at, struct device_read *read);

/* scan.c: the records of a LOG unit in order. Where the log may have ended (no salvage) it goes on
 * behind damage only when what is damaged is known to have been durable: then it is no torn tail.
 */
struct scan {
	struct device *device;
	uint32_t unit, off, limit;
	const struct format_unit *head; /* borrowed */
	bool salvage;                   /* everything up to limit was durable */
	bool look;                      /* only batch headers, for `durable` */
	bool chained;                   /* the first batch must go on with prev_crc, lsn */
	uint32_t prev_crc;
	uint64_t lsn;
	uint64_t durable; /* in and out: LSN up to which all records are known to have been durable
	                   */
	/* A record that is whole, but for its inline data. False ends the scan. */
	bool (*record)(struct scan *scan, const struct format_record *record, uint32_t off);
	/* NULL, or: here was one of an object, of which nothing is sure. */
	void (*broken)(struct scan *scan, const struct format_record *record);
	void (*done)(struct scan *scan, enum err err); /* off: where it ended */
	/* private */
	struct disk_io io;
	struct bytes *bytes;
	uint32_t from, have;
	uint32_t looked, look_end; /* looked ahead from; up to there, 0: not looking */
	uint32_t found;            /* first batch seen by that, 0: none */
	uint64_t found_lsn;
	uint32_t gap_end, gap_at; /* damage up to there, to be searched for records from */
};
void scan_start(struct scan *scan);

/* recover.c */
void recover_start(struct device *device);

/* compact.c, scrub.c */
void compact_start(struct device *device);
void compact_stop(struct device *device);
bool compact_busy(const struct device *device);
/* Somebody's batch, sent then, has come back: how long it took sets the pace. */
void compact_see(struct device *device, uint64_t sent_us);
void compact_free(struct device *device);
void scrub_start(struct device *device);
void scrub_stop(struct device *device);
bool scrub_busy(const struct device *device);
void scrub_free(struct device *device);

#endif
