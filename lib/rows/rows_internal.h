/* The parts of rows. Thread: the reactor's, but for the `run` of jobs. */
#ifndef LIB_ROWS_ROWS_INTERNAL_H
#define LIB_ROWS_ROWS_INTERNAL_H

#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/rows/info.h"
#include "lib/rows/list.h"
#include "lib/rows/overlay.h"
#include "lib/rows/rows.h"
#include "lib/rows/sums.h"

/* A piece of work for the pool that is sent again when the pool has no room. */
struct job {
	struct work work;
	struct list link;
	struct rows *rows;
	void (*done)(struct job *job);
};

/* One database. Kept while somebody needs it (refs), then for a while in case of more. */
struct space {
	struct hash_node node;
	struct rows *rows;
	uint8_t key[16];
	unsigned refs;
	struct list idle; /* while refs is 0 */
	bool loading, loaded;
	char *account, *container; /* owned; NULL until known */
	struct info info;
	struct totals now;    /* with all resolved rows of the overlay */
	struct totals stored; /* as in the store; the drain's while it runs */
	bool pending_stored;  /* KEY_PENDING is in the store; the drain's while it runs */
	struct touch *touch;  /* in the active generation, or NULL */
	unsigned changes;     /* records in flight that change info: others wait */
	unsigned updates;     /* records in flight that bring rows */
	struct list waiting;  /* requests */
	uint64_t seq; /* rows->seq_in of its newest row: counted in when seq_done is there */
	/* reports */
	bool dirty, reporting;
	uint64_t dirty_us, changed_us;
	struct list by_change, by_age;
	uint64_t holes;    /* live rows removed from the store since it was last compacted */
	uint64_t still_us; /* until then no row is taken */
	uint64_t split_us; /* when somebody last worked at its split, or it became too large */
	/* ranges, split.c: the rows behind a point are counted apart */
	char *tail_after; /* owned; that point's name, NULL: none */
	char *tail_to;    /* owned; they are counted up to here, NULL: all are */
	char *touched; /* owned; the least name behind that which changed while more was counted */
	struct totals tail;  /* part of `now` */
	uint64_t tail_seq;   /* changes with tail_after */
	unsigned tail_step;  /* rows to count at a time */
	struct list tails;   /* rows->tails: there is something to count or to trim; counted */
	struct list splits;  /* rows->splits; counted */
	struct list changed; /* rows->digest.changed */
};

/* That a generation changed a database. */
struct touch {
	struct touch *next;
	struct space *space; /* counted */
	struct info info;    /* as of the freeze; owned */
	struct totals after; /* the drain's */
	bool pending;
};

struct generation {
	struct overlay *overlay;
	struct touch *touches;
	uint64_t lsn;     /* newest record in it */
	uint64_t seq;     /* resolves that must be over before it drains */
	uint64_t born_us; /* of its first change */
	uint64_t rows;
};

#define RESOLVE_MAX 256

struct resolve {
	struct job job;
	bool busy;
	unsigned count;
	struct overlay_node *nodes[RESOLVE_MAX];
	uint8_t below[RESOLVE_MAX];
	uint32_t at[RESOLVE_MAX + 1];
	struct buf values;
	enum err err;
};

struct drain {
	struct job job;
	bool busy;
	enum err err;
	struct store_batch *batch;
	size_t batch_bytes;
	struct touch *from;        /* first that is not wholly committed; NULL: all are */
	struct overlay_node *node; /* its first row that is not; NULL: its first */
	struct totals run;         /* of the database being written */
	uint64_t rows;
};

struct flush {
	struct job job;
	bool busy;
	bool reopen; /* or a checkpoint */
	enum err err;
	uint64_t lsn;
	struct device_append append;
	struct buf payload;
	uint64_t read_lsn, read_batch;
};

struct sweep {
	struct job job;
	bool busy;
	struct buf at; /* owned; store key where the next slice begins */
	uint64_t before_ts;
	enum err err;
};

struct compact {
	struct job job;
	enum { COMPACT_NONE, COMPACT_WAITING, COMPACT_RUNNING } state;
	struct buf from, to; /* owned; store keys */
};

/* Counts what is behind a point, or takes away what moved: one slice at a time. */
struct split {
	struct job job;
	bool busy;
	struct space *space; /* counted */
	struct list_source source;
	struct backend_list list;
	uint64_t seq;
	struct buf names; /* owned; the marker */
	struct buf rows;  /* owned */
	struct totals sum;
	struct device_append append;
	struct buf payload;
	enum err err;
};

/* What the databases come to, in memory: begun when it is first asked for. */
struct digest {
	struct job job;
	struct sums sums;    /* of all but those in `changed` */
	struct list changed; /* spaces, since they were last counted */
	struct list calls;   /* struct digest_call: until all were read once */
	bool complete, busy;
	uint8_t behind[16]; /* read so far */
	bool begun;
	struct backend_db_key *found; /* owned; of one slice */
	unsigned found_count;
	enum err err;
};

struct merge;

struct forget {
	struct job job;
	bool busy, more, durable;
	uint64_t began_us, next_us; /* the slice at hand, or that comes next */
	struct request *request;    /* NULL: none is under way */
	uint8_t key[16];
	enum err err;
};

struct request {
	struct job job;
	struct rows *rows;
	struct space *space; /* counted */
	struct backend_call *call;
	struct list link; /* while it waits: space->waiting, rows->resolving, rows->blocked */
	struct list all;  /* rows->requests */
	struct device_append append;
	struct buf payload;
	unsigned row_from, row_to;
	uint64_t need_seq;
	bool has_seq;
	struct list_source source;
	struct list_gap gap;
	char *cut;           /* owned; of the source */
	struct merge *merge; /* owned; MERGE */
	enum err err;
};

struct rows {
	struct rows_config config;
	struct reactor *reactor;
	struct device *device;
	struct store *store;
	uint8_t store_id[16];
	struct device_replay replay;
	struct hash spaces;
	struct list idle; /* spaces, oldest first */
	unsigned idle_count;
	struct generation active, frozen; /* frozen.overlay: NULL when nothing drains */
	uint64_t seed;
	/* nodes that wait to be compared with what lies below, first come first served */
	struct overlay_node *queue, **queue_end;
	unsigned queued;
	uint64_t seq_in, seq_done;
	struct resolve resolve;
	struct drain drain;
	struct flush flush;
	struct sweep sweep;
	struct compact compact;
	struct forget forget;
	struct split split;
	struct digest digest;
	struct list tails, splits;
	struct list requests;  /* all */
	struct list jobs;      /* refused by the pool */
	struct list resolving; /* requests, by need_seq */
	struct list blocked;   /* requests, until the overlay has room */
	size_t inflight_bytes;
	unsigned outstanding; /* requests, jobs, appends: what must end before close */
	struct timer tick;
	uint64_t tick_us;                    /* when it fires; 0: not set */
	uint64_t applied_lsn, applied_batch; /* in the store */
	uint64_t opened_lsn;                 /* as found at open */
	uint64_t checkpoint_lsn;
	size_t drained_bytes; /* since the checkpoint */
	uint64_t drained_us;
	uint64_t note_lsn;
	uint8_t note_id[16];
	bool replaying, started, broken, failed, closing;
	enum err replay_err;
	uint64_t retry_us;  /* not before this time */
	uint64_t gap_us;    /* no compaction for a slow seek before then */
	uint64_t sweep_us;  /* when the next slice is due */
	uint64_t agreed_us; /* see rows_agreed */
	uint64_t late_us;   /* when a tombstone last came that was nearly old enough to go */
	uint64_t newest_ts;
	struct list by_change, by_age; /* dirty spaces */
	struct job pending_job;        /* finds what was not reported before a restart */
	struct buf pending_keys;
	bool pending_busy, pending_more;
	bool report_waits; /* for rows to be counted in */
	uint64_t report_ts;
	struct rows_stats stats;
	void (*closed)(void *arg);
	void *closed_arg;
	struct task close_task;
};

/* job.c */
void job_start(struct job *job, struct rows *rows, void (*run)(struct work *work),
        void (*done)(struct job *job));
void jobs_retry(struct rows *rows);

/* space.c: finding and loading databases */
struct space *space_get(struct rows *rows, const uint8_t key[16]); /* counted */
void space_unref(struct space *space);
void space_load(struct space *space);         /* space_wake follows */
enum err space_load_now(struct space *space); /* blocks: at replay only */
void space_name(struct space *space, const char *account, const char *container);
void space_wake(struct space *space);
void spaces_free(struct rows *rows);

/* apply.c: durable records become visible */
void apply_record(struct space *space, const struct record *record);
void apply_row(struct space *space, const struct backend_row *row);
void touch(struct space *space); /* goes to the store with the active generation */
void applied(struct rows *rows, uint64_t lsn);
void resolve_pump(struct rows *rows);
enum err resolve_now(struct rows *rows);

/* drain.c: overlay to store, checkpoints, reopening */
void drain_pump(struct rows *rows);
enum err drain_now(struct rows *rows);
enum err applied_read(struct rows *rows, uint64_t *ret_lsn, uint64_t *ret_batch);
enum err applied_create(struct rows *rows);
void generation_free(struct generation *generation);
void store_failed(struct rows *rows);
bool space_pending(const struct rows *rows, const struct info *info, const struct totals *totals);
void totals_sum(const struct totals *totals, uint64_t *ret_count, uint64_t *ret_bytes);

/* sweep.c: tombstones past their age, ranges full of holes */
void sweep_pump(struct rows *rows);
void sweep_see_tombstone(struct rows *rows, uint64_t ts);
void sweep_gap(struct rows *rows, const struct list_gap *gap);
void sweep_holes(struct rows *rows, struct space *space);

/* request.c */
void requests_wake_resolved(struct rows *rows, enum err err);
void requests_wake_blocked(struct rows *rows);
void requests_expire(struct rows *rows);
void requests_drop(struct rows *rows);
void request_run(struct request *request);
void request_finish(struct request *request, enum err err);
void request_append(struct request *request, void (*done)(struct device_append *append));
/* True when all rows that were there when the call came are counted in; else it runs again. */
bool request_resolved(struct request *request);
void space_hash(const struct space *space, uint8_t ret_hash[16]);
void request_append_rows(struct request *request); /* then finishes it */
size_t overlay_total(const struct rows *rows);

/* merge.c */
enum err merge_parse(const struct backend_msg *msg, struct merge **ret_merge);
void merge_run(struct request *request);
void merge_free(struct merge *merge); /* NULL is fine */

/* forget.c */
void forget_run(struct request *request);
void forget_pump(struct rows *rows);
void forget_drop(struct rows *rows);                           /* at close */
enum err forget_now(struct rows *rows, const uint8_t key[16]); /* blocks: at replay only */

/* split.c */
void split_changed(struct space *space); /* its points may have */
void split_recount(
        struct space *space, const struct weight *old, const struct weight *new, const char *name);
void split_watch(struct space *space);
void split_pump(struct rows *rows);
/* Without what moved; *ret_totals may be too much as long as that is not counted (false). */
bool space_totals(const struct space *space, struct totals *ret_totals);

/* report.c */
void report_changed(struct space *space);

/* rows.c */
void pending_look(struct rows *rows); /* for more that was not reported before the start */
void rows_pump(struct rows *rows);    /* starts whatever is due */
void rows_ended(struct rows *rows);   /* one outstanding thing less */

#endif
