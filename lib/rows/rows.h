/* rows: the accounts or containers of one device: databases of rows in order, with headers and
 * exact totals. A change is one record in the device's log, acknowledged when that is durable;
 * from then on it is seen, first in an overlay in memory, later in a store (lib/store) that pool
 * threads fill. DESIGN 5.3, docs/formats/rows.md.
 *
 * Invariant: store + overlay = all records of the log up to the newest acknowledged one. The
 * store may lose its newest batches in a crash: they are in the log until a checkpoint.
 *
 * All calls on the thread of the device's reactor; only rows_open blocks on the disk. */
#ifndef LIB_ROWS_ROWS_H
#define LIB_ROWS_ROWS_H

#include "lib/backend/backend.h"
#include "lib/device/device.h"
#include "lib/work/work.h"

struct rows;

struct rows_config {
	enum backend_kind kind; /* BACKEND_ACCOUNT or BACKEND_CONTAINER */
	struct reactor *reactor;
	struct work_pool *pool;
	const char *path; /* the store's folder; its parent exists */
	/* 0 takes the default */
	size_t overlay_max;      /* bytes; beyond it changes wait: 64 MiB */
	size_t drain_bytes;      /* overlay that is worth a drain at once: 1 MiB */
	size_t batch_bytes;      /* of one write to the store: 256 KiB */
	uint64_t drain_us;       /* age at which any overlay is drained: 500 ms */
	size_t checkpoint_bytes; /* drained since the last checkpoint: 16 MiB */
	uint64_t checkpoint_us;  /* or this long after a drain: 30 s */
	size_t write_buffer;     /* of the store: 1 MiB */
	unsigned idle_max;       /* databases kept in memory without need: 512 */
	uint64_t reclaim_age;    /* ticks of 10 us after which tombstones go: 7 days */
	uint64_t split_rows;     /* a container with more wants to be split; 0: none does */
};

/* Opens the store, creating it when it is not there. Next comes the device with the replay hook,
 * then rows_start. The hook drains when much is replayed: it may block on the disk. */
enum err rows_open(const struct rows_config *config, struct rows **ret_rows);
struct device_replay *rows_replay(struct rows *rows);

/* After recovery of the device (borrowed). ERR_CORRUPT, with a line in the log: the store is gone
 * or older than what the log has given away to it, or a record is malformed; nothing but
 * rows_close is possible then. */
enum err rows_start(struct rows *rows, struct device *device);

/* Calls that wait are answered ERR_CLOSED; `closed` runs from the loop when all is freed. What is
 * in memory only is in the log too. */
void rows_close(struct rows *rows, void (*closed)(void *arg), void *arg);

/* Takes a BACKEND_DB_ call of the configured kind and finishes it. */
void rows_handle(struct rows *rows, struct backend_call *call);

/* Newest timestamp that any record carried, for the clock at start. */
uint64_t rows_newest_ts(const struct rows *rows);

/* All primaries have, or have been given, what tombstones of rows this device had at `began_us`
 * (monotonic; 0: nothing is known; UINT64_MAX: it is nobody's concern). Only those are ever swept.
 * In memory alone: a restart waits for the next comparison. */
void rows_agreed(struct rows *rows, uint64_t began_us);

struct rows_stats {
	size_t overlay_bytes;
	unsigned databases; /* in memory */
	uint64_t drained_rows, drains, checkpoints, reopens, compactions;
	bool failed; /* the store lost what it had: restart to replay the log */
};
void rows_stats(const struct rows *rows, struct rows_stats *ret_stats);

/* True when all is in the store and nothing waits. */
bool rows_idle(const struct rows *rows);

/* --- containers: what their account should be told --- */

struct rows_report {
	uint8_t key[16];           /* the container's */
	char *account, *container; /* owned: rows_report_done */
	uint64_t put_ts, count, bytes;
	uint64_t totals_ts; /* when this was so: later than in any report before */
	uint8_t policy;
};

/* A container whose totals differ from what was reported last: half a second after its last
 * change, or 8 s after the first. False: none is due; ask again some 100 ms later. */
bool rows_next_report(struct rows *rows, struct rows_report *ret_report);

/* Its fate: not ok, and it comes again 1 s later. Frees nothing. */
void rows_reported(struct rows *rows, const struct rows_report *report, bool ok);
void rows_report_done(struct rows_report *report);

/* --- containers: those that should be split --- */

struct rows_split {
	char *account, *container; /* owned: rows_split_done */
	uint64_t idle_us;          /* since somebody last worked at that */
};

/* The next container that has more rows than it should, or whose split is under way. False: there
 * is none. */
bool rows_next_split(struct rows *rows, struct rows_split *ret_split);
void rows_split_done(struct rows_split *split);

/* --- accounts: the deleted ones that still have rows --- */

struct rows_reap {
	uint8_t after[16]; /* in: begin behind this key (zeros: at the start); out: the found one */
	void (*done)(struct rows_reap *reap); /* from the loop */
	enum err err;                         /* out: ERR_NOT_FOUND: no more */
	char *account;                        /* out: owned, free() */
	uint64_t delete_ts;
	void *private_;
};
void rows_next_deleted(struct rows *rows, struct rows_reap *reap);

/* --- containers: all that somebody wants to look at --- */

struct rows_walk {
	uint8_t after[16]; /* in: begin behind this key (zeros: at the start); out: how far it came
	                    */
	/* On any thread. headers: a kv block. */
	bool (*wanted)(const char *account, const char *container, const struct buf *headers);
	void (*done)(struct rows_walk *walk); /* from the loop */
	enum err err;                         /* out: ERR_NOT_FOUND: no more */
	char *account, *container; /* out: owned, free(); NULL: none on this stretch, go on */
};
void rows_walk_next(struct rows *rows, struct rows_walk *walk);

#endif
