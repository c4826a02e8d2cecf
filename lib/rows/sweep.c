/* Upkeep of the store: tombstones past their age go, in slices that never run beside a drain (a
 * newer tombstone of the same name must not go with the old one); ranges full of removed keys
 * are rewritten, because LevelDB steps over each of them on every read. */
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_KEYS 4096
#define SLICE_US   1000000    /* between slices */
#define ROUND_US   3600000000 /* between rounds */
#define HOLES_MIN  32768
#define GAP_US     10000000 /* between compactions that a slow seek asked for */

/* --- compaction of ranges --- */

/* LevelDB has one thread for all databases of the process: more than one of these at a time would
 * only hold pool threads that reads wait for. */
static atomic_flag compacting = ATOMIC_FLAG_INIT;

static void compact_run(struct work *work)
{
	struct compact *compact = CONTAINER_OF(work, struct compact, job.work);

	store_compact(compact->job.rows->store, compact->from.data, compact->from.len,
	        compact->to.data, compact->to.len);
}

static void compact_done(struct job *job)
{
	struct compact *compact = CONTAINER_OF(job, struct compact, job);

	atomic_flag_clear(&compacting);
	compact->state = COMPACT_NONE;
	job->rows->stats.compactions++;
	buf_done(&compact->from);
	buf_done(&compact->to);
}

static void compact_pump(struct rows *rows)
{
	if (rows->compact.state != COMPACT_WAITING || atomic_flag_test_and_set(&compacting))
		return;
	rows->compact.state = COMPACT_RUNNING;
	job_start(&rows->compact.job, rows, compact_run, compact_done);
}

static bool start_compact(
        struct rows *rows, const void *from, size_t from_len, const void *to, size_t to_len)
{
	struct compact *compact = &rows->compact;

	if (compact->state != COMPACT_NONE || rows->closing)
		return false;
	buf_add(&compact->from, from, from_len);
	buf_add(&compact->to, to, to_len);
	compact->state = COMPACT_WAITING;
	compact_pump(rows);
	return true;
}

/* A seek may be slow because the disk is: so not often. */
void sweep_gap(struct rows *rows, const struct list_gap *gap)
{
	uint64_t now_us = reactor_now_us(rows->reactor);

	if (!gap->us || now_us < rows->gap_us)
		return;
	if (start_compact(rows, gap->from.data, gap->from.len, gap->to.data, gap->to.len))
		rows->gap_us = now_us + GAP_US;
}

/* Worth it when a good part of what a reader would step over is holes: the cost of rewriting is
 * then shared by as many deletes. */
void sweep_holes(struct rows *rows, struct space *space)
{
	struct key from, to;

	if (space->holes < HOLES_MIN || space->holes < space->stored.rows / 4)
		return;
	key_database(&from, KEY_LIVE, space->key);
	to = from;
	key_successor(&to);
	if (start_compact(rows, from.data, from.len, to.data, to.len))
		space->holes = 0;
}

/* --- tombstones --- */

static bool sweep_one(struct store_iter *iter, uint64_t before_ts, struct store_batch *batch)
{
	struct backend_row row = {.name = ""};
	size_t key_len, len, at = 0;
	char etag[33];
	const char *key = store_iter_key(iter, &key_len);
	const char *value = store_iter_value(iter, &len);

	if (row_decode(value, len, &at, etag, &row) && row.ts < before_ts &&
	        row.meta_ts < before_ts && row.totals_ts < before_ts) {
		store_batch_delete(batch, key, key_len);
		return true;
	}
	return false;
}

static void sweep_run(struct work *work)
{
	struct sweep *sweep = CONTAINER_OF(work, struct sweep, job.work);
	struct store *store = sweep->job.rows->store;
	struct store_iter *iter = store_iter_new(store);
	struct store_batch *batch = store_batch_new();
	unsigned seen = 0, swept = 0;
	char first = KEY_TOMBS;
	size_t len;

	if (sweep->at.len)
		store_iter_seek(iter, sweep->at.data, sweep->at.len);
	else
		store_iter_seek(iter, &first, 1);
	for (; store_iter_valid(iter) && *store_iter_key(iter, &len) == KEY_TOMBS &&
	        seen < SLICE_KEYS;
	        seen++, store_iter_next(iter))
		swept += sweep_one(iter, sweep->before_ts, batch);
	buf_reset(&sweep->at);
	if (store_iter_valid(iter) && seen == SLICE_KEYS) {
		const char *key = store_iter_key(iter, &len);
		buf_add(&sweep->at, key, len);
	}
	sweep->err = store_iter_err(iter);
	store_iter_free(iter);
	if (!sweep->err && swept)
		sweep->err = store_write(store, batch);
	store_batch_free(batch);
}

static void sweep_done(struct job *job)
{
	struct rows *rows = job->rows;
	struct sweep *sweep = &rows->sweep;

	sweep->busy = false;
	rows->sweep_us = reactor_now_us(rows->reactor) + (sweep->at.len ? SLICE_US : ROUND_US);
	if (sweep->err) {
		log_warn("rows_sweep", "error=%s path=%s", err_name(sweep->err),
		        log_quote(rows->config.path));
		store_failed(rows);
	}
}

void rows_agreed(struct rows *rows, uint64_t began_us)
{
	rows->agreed_us = began_us;
}

/* The store does not know when a tombstone came. One that came before it was this old came before
 * the comparison if it is this much older now; one that came later is remembered as such. */
static uint64_t late_age(const struct rows *rows)
{
	return rows->config.reclaim_age / 8 * 7;
}

void sweep_see_tombstone(struct rows *rows, uint64_t ts)
{
	const struct env *env = reactor_env(rows->reactor);

	if (ts + late_age(rows) < env->wall_us(env) / 10)
		rows->late_us = reactor_now_us(rows->reactor);
}

/* Tombstones older than this may go: they were here when the comparison began. 0: none. */
static uint64_t sweep_before(const struct rows *rows)
{
	const struct env *env = reactor_env(rows->reactor);
	uint64_t now = env->wall_us(env) / 10, age = rows->config.reclaim_age;

	if (rows->agreed_us != UINT64_MAX) {
		uint64_t ago = (reactor_now_us(rows->reactor) - rows->agreed_us) / 10;
		if (!rows->agreed_us || rows->late_us >= rows->agreed_us)
			return 0;
		if (age < late_age(rows) + ago)
			age = late_age(rows) + ago;
	}
	return now > age ? now - age : 0;
}

void sweep_pump(struct rows *rows)
{
	compact_pump(rows);
	if (rows->sweep.busy || rows->forget.busy || rows->drain.busy || rows->flush.busy ||
	        rows->frozen.overlay || rows->broken || rows->failed ||
	        reactor_now_us(rows->reactor) < rows->sweep_us)
		return;
	rows->sweep.before_ts = sweep_before(rows);
	if (!rows->sweep.before_ts) {
		rows->sweep_us = reactor_now_us(rows->reactor) + SLICE_US;
		return;
	}
	rows->sweep.busy = true;
	job_start(&rows->sweep.job, rows, sweep_run, sweep_done);
}

/* --- accounts that wait for the reaper --- */

struct reap_job {
	struct job job;
	struct rows_reap *reap;
	enum err err;
	uint8_t key[16];
	struct buf value;
};

static enum err find_pending(struct store *store, const uint8_t after[16], uint8_t ret_key[16])
{
	struct store_iter *iter = store_iter_new(store);
	struct key key;
	size_t len;
	enum err err;

	key_database(&key, KEY_PENDING, after);
	key.data[key.len++] = 0; /* behind that key */
	store_iter_seek(iter, key.data, key.len);
	err = store_iter_err(iter);
	if (!err) {
		const char *found = store_iter_valid(iter) ? store_iter_key(iter, &len) : NULL;
		if (found && len == 17 && found[0] == KEY_PENDING)
			memcpy(ret_key, found + 1, 16);
		else
			err = ERR_NOT_FOUND;
	}
	store_iter_free(iter);
	return err;
}

static void reap_run(struct work *work)
{
	struct reap_job *job = CONTAINER_OF(work, struct reap_job, job.work);
	struct store *store = job->job.rows->store;
	struct key key;

	job->err = find_pending(store, job->reap->after, job->key);
	if (job->err)
		return;
	key_database(&key, KEY_DATABASE, job->key);
	job->err = store_get(store, key.data, key.len, &job->value);
}

static enum err take_account(const struct reap_job *job)
{
	struct rows_reap *reap = job->reap;
	const char *account, *container;
	struct totals totals;
	struct info info;
	size_t at = 1;

	if (job->value.len < 1 ||
	        !totals_decode(job->value.data, job->value.len, &at,
	                job->value.data[0] & DATABASE_CONTAINERS, &totals) ||
	        !info_decode(job->value.data, job->value.len, &at, &info, &account, &container))
		return ERR_CORRUPT;
	reap->account = mem_strdup(account);
	reap->delete_ts = info.delete_ts;
	memcpy(reap->after, job->key, sizeof(reap->after));
	info_done(&info);
	return ERR_OK;
}

static void reap_done(struct job *base)
{
	struct reap_job *job = CONTAINER_OF(base, struct reap_job, job);
	struct rows_reap *reap = job->reap;

	reap->err = job->err ? job->err : take_account(job);
	buf_done(&job->value);
	free(job);
	reap->done(reap);
}

void rows_next_deleted(struct rows *rows, struct rows_reap *reap)
{
	struct reap_job *job = mem_zalloc(sizeof(*job));

	reap->account = NULL;
	job->reap = reap;
	job_start(&job->job, rows, reap_run, reap_done);
}
