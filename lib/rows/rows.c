#include "lib/rows/rows.h"

#include "lib/base/mem.h"
#include "lib/base/ts.h"
#include "lib/log/log.h"
#include "lib/rows/compare.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TICK_US     20000
#define SWEEP_US    1000000 /* after the start: the first look at tombstones */
#define PENDING_MAX 4096    /* unreported databases taken up at a time */

/* --- opening and replay --- */

static void set_defaults(struct rows_config *config)
{
	config->overlay_max = config->overlay_max ? config->overlay_max : 64u << 20;
	config->drain_bytes = config->drain_bytes ? config->drain_bytes : 1u << 20;
	config->batch_bytes = config->batch_bytes ? config->batch_bytes : 256u << 10;
	config->drain_us = config->drain_us ? config->drain_us : 500000;
	config->checkpoint_bytes = config->checkpoint_bytes ? config->checkpoint_bytes : 16u << 20;
	config->checkpoint_us = config->checkpoint_us ? config->checkpoint_us : 30000000;
	config->write_buffer = config->write_buffer ? config->write_buffer : 1u << 20;
	config->idle_max = config->idle_max ? config->idle_max : 512;
	config->reclaim_age = config->reclaim_age ? config->reclaim_age : 7 * 86400 * TS_PER_SECOND;
}

static void take_note(struct rows *rows, const struct record *record)
{
	if (record->ts < rows->note_lsn)
		return;
	rows->note_lsn = record->ts;
	memcpy(rows->note_id, record->key, sizeof(rows->note_id));
}

static enum err replay_one(struct rows *rows, const struct record *record)
{
	struct backend_row row;
	char etag[33];
	size_t at = 0;

	if (record->type == RECORD_NOTE) {
		take_note(rows, record);
		return ERR_OK;
	}
	if (record->type == RECORD_FORGET)
		return forget_now(rows, record->key);
	struct space *space = space_get(rows, record->key);
	enum err err = space_load_now(space);
	if (!err && record->type == RECORD_ROWS) {
		space_name(space, record->account, record->container);
		while (record_next_row(record, &at, etag, &row))
			apply_row(space, &row);
	} else if (!err) {
		rows->newest_ts = record->ts > rows->newest_ts ? record->ts : rows->newest_ts;
		apply_record(space, record);
	}
	space_unref(space);
	return err;
}

/* What fails here is told by rows_start: a device cannot do anything about it. */
static void on_replay(struct device_replay *replay, uint64_t lsn, const void *payload, size_t len)
{
	struct rows *rows = CONTAINER_OF(replay, struct rows, replay);
	struct record record;

	if (rows->replay_err)
		return;
	rows->replay_err = record_parse(payload, len, &record);
	if (!rows->replay_err)
		rows->replay_err = replay_one(rows, &record);
	if (rows->replay_err)
		return;
	applied(rows, lsn);
	if (overlay_bytes(rows->active.overlay) >= rows->config.drain_bytes)
		rows->replay_err = drain_now(rows);
}

/* A job that the pool has no room for must still end before all is freed. */
static void close_tick(struct rows *rows)
{
	if (!list_empty(&rows->jobs))
		timer_set(rows->reactor, &rows->tick, TICK_US);
}

static void on_tick(struct timer *timer)
{
	struct rows *rows = CONTAINER_OF(timer, struct rows, tick);

	rows->tick_us = 0;
	jobs_retry(rows);
	if (rows->closing) {
		close_tick(rows);
		return;
	}
	requests_expire(rows);
	if (rows->broken)
		requests_wake_blocked(rows);
	rows_pump(rows);
}

static void rows_free(struct rows *rows)
{
	store_batch_free(rows->drain.batch);
	generation_free(&rows->active);
	generation_free(&rows->frozen);
	spaces_free(rows);
	digest_done(rows);
	store_close(rows->store);
	buf_done(&rows->resolve.values);
	buf_done(&rows->flush.payload);
	buf_done(&rows->split.names);
	buf_done(&rows->split.rows);
	buf_done(&rows->split.payload);
	buf_done(&rows->sweep.at);
	buf_done(&rows->compact.from);
	buf_done(&rows->compact.to);
	buf_done(&rows->pending_keys);
	free((char *)rows->config.path);
	free(rows);
}

enum err rows_open(const struct rows_config *config, struct rows **ret_rows)
{
	struct rows *rows = mem_zalloc(sizeof(*rows));

	assert(config->kind == BACKEND_ACCOUNT || config->kind == BACKEND_CONTAINER);
	rows->config = *config;
	rows->config.path = mem_strdup(config->path);
	set_defaults(&rows->config);
	rows->reactor = config->reactor;
	rows->replay.record = on_replay;
	rows->replaying = true;
	list_init(&rows->idle);
	list_init(&rows->requests);
	list_init(&rows->jobs);
	list_init(&rows->resolving);
	list_init(&rows->blocked);
	list_init(&rows->by_change);
	list_init(&rows->by_age);
	list_init(&rows->tails);
	list_init(&rows->splits);
	list_init(&rows->digest.changed);
	list_init(&rows->digest.calls);
	rows->queue_end = &rows->queue;
	rows->tick.fire = on_tick;
	rows->active.overlay = overlay_new(++rows->seed);
	enum err err = store_open(config->path, rows->config.write_buffer, &rows->store);
	if (!err)
		err = applied_read(rows, &rows->applied_lsn, &rows->applied_batch);
	if (err == ERR_NOT_FOUND && rows->store)
		err = applied_create(rows);
	if (err) {
		rows_free(rows);
		return err;
	}
	rows->opened_lsn = rows->applied_lsn;
	*ret_rows = rows;
	return ERR_OK;
}

struct device_replay *rows_replay(struct rows *rows)
{
	return &rows->replay;
}

/* --- what was not reported before the restart --- */

static void pending_run(struct work *work)
{
	struct rows *rows = CONTAINER_OF(work, struct rows, pending_job.work);
	struct store_iter *iter = store_iter_new(rows->store);
	char first = KEY_PENDING;
	size_t len;

	store_iter_seek(iter, &first, 1);
	for (unsigned i = 0; i < PENDING_MAX && store_iter_valid(iter); i++) {
		const char *key = store_iter_key(iter, &len);
		if (len != 17 || key[0] != KEY_PENDING)
			break;
		buf_add(&rows->pending_keys, key + 1, 16);
		store_iter_next(iter);
	}
	rows->pending_more = rows->pending_keys.len == PENDING_MAX * 16;
	store_iter_free(iter);
}

/* Loading a database is enough: it is found to differ from what it reported. */
static void pending_done(struct job *job)
{
	struct rows *rows = job->rows;

	rows->pending_busy = false;
	for (size_t at = 0; at < rows->pending_keys.len && !rows->closing; at += 16) {
		struct space *space =
		        space_get(rows, (const uint8_t *)rows->pending_keys.data + at);
		if (!space->loaded)
			space_load(space);
		space_unref(space);
	}
	buf_done(&rows->pending_keys);
}

void pending_look(struct rows *rows)
{
	if (rows->config.kind != BACKEND_CONTAINER || rows->pending_busy || !rows->pending_more)
		return;
	rows->pending_busy = true;
	job_start(&rows->pending_job, rows, pending_run, pending_done);
}

enum err rows_start(struct rows *rows, struct device *device)
{
	enum err err = rows->replay_err;

	if (!err && rows->note_lsn &&
	        (rows->note_lsn > rows->opened_lsn ||
	                memcmp(rows->note_id, rows->store_id, sizeof(rows->note_id)) != 0)) {
		log_error("rows_lost",
		        "path=%s has=%llu needs=%llu text=\"the ordered view is missing or too "
		        "old: "
		        "the log gave its records away; remove the device and let it be rebuilt\"",
		        log_quote(rows->config.path), (unsigned long long)rows->opened_lsn,
		        (unsigned long long)rows->note_lsn);
		err = ERR_CORRUPT;
	}
	rows->replaying = false;
	rows->failed = err != ERR_OK;
	if (err)
		return err;
	rows->device = device;
	rows->started = true;
	/* Replay took nothing for applied; the next drain does, also if it is empty. */
	if (rows->active.lsn > rows->applied_lsn)
		rows->active.born_us = 1;
	rows->sweep_us = reactor_now_us(rows->reactor) + SWEEP_US;
	rows->pending_more = true;
	pending_look(rows);
	rows_pump(rows);
	return ERR_OK;
}

/* --- running --- */

static bool is_busy(const struct rows *rows)
{
	return rows->active.born_us || !list_empty(&rows->tails) || rows->frozen.overlay ||
	       !list_empty(&rows->jobs) || !list_empty(&rows->requests) || rows->broken ||
	       rows->compact.state == COMPACT_WAITING;
}

static uint64_t until(uint64_t now_us, uint64_t due_us)
{
	return due_us > now_us + TICK_US ? due_us - now_us : TICK_US;
}

static void set_tick(struct rows *rows)
{
	uint64_t now_us = reactor_now_us(rows->reactor);
	uint64_t delay_us = TICK_US;

	if (!is_busy(rows)) {
		uint64_t due_us = rows->drained_us + rows->config.checkpoint_us;
		delay_us = until(now_us, rows->sweep_us);
		if (rows->drained_us && until(now_us, due_us) < delay_us)
			delay_us = until(now_us, due_us);
	}
	if (rows->tick_us && rows->tick_us <= now_us + delay_us)
		return;
	rows->tick_us = now_us + delay_us;
	timer_set(rows->reactor, &rows->tick, delay_us);
}

void rows_pump(struct rows *rows)
{
	if (!rows->started || rows->closing)
		return;
	if (!list_empty(&rows->blocked) && overlay_total(rows) <= rows->config.overlay_max)
		requests_wake_blocked(rows);
	resolve_pump(rows);
	forget_pump(rows);
	drain_pump(rows);
	if (!rows->failed)
		sweep_pump(rows);
	split_pump(rows);
	set_tick(rows);
}

static void on_closed(struct task *task)
{
	struct rows *rows = CONTAINER_OF(task, struct rows, close_task);
	void (*closed)(void *arg) = rows->closed;
	void *arg = rows->closed_arg;

	timer_cancel(rows->reactor, &rows->tick);
	rows_free(rows);
	if (closed)
		closed(arg);
}

void rows_ended(struct rows *rows)
{
	assert(rows->outstanding > 0);
	if (--rows->outstanding == 0 && rows->closing)
		reactor_post(rows->reactor, &rows->close_task);
}

void rows_close(struct rows *rows, void (*closed)(void *arg), void *arg)
{
	rows->outstanding++;
	rows->closing = true;
	rows->closed = closed;
	rows->closed_arg = arg;
	rows->close_task.run = on_closed;
	requests_drop(rows);
	forget_drop(rows);
	close_tick(rows);
	rows_ended(rows);
}

uint64_t rows_newest_ts(const struct rows *rows)
{
	return rows->newest_ts;
}

void rows_stats(const struct rows *rows, struct rows_stats *ret_stats)
{
	*ret_stats = rows->stats;
	ret_stats->overlay_bytes = overlay_total(rows);
	ret_stats->databases = (unsigned)rows->spaces.count;
	ret_stats->failed = rows->failed;
}

bool rows_idle(const struct rows *rows)
{
	return !is_busy(rows) && rows->outstanding == 0;
}
