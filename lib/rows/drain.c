/* The way of rows from the overlay into the store, and of their records out of the log:
 *
 *   active --freeze--> frozen --resolved, written in batches--> gone
 *   nothing frozen --flush--> all drained is in tables --note in the log--> device_checkpoint
 *
 * Each batch brings rows together with the totals that count them, so that a store which lost
 * its newest batches is still exact. After an error the store is opened again; the frozen
 * generation is still in memory and goes on where the last whole batch ended. */
#include "lib/backend/points.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

#define RETRY_US 1000000

void totals_sum(const struct totals *totals, uint64_t *ret_count, uint64_t *ret_bytes)
{
	*ret_count = *ret_bytes = 0;
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		*ret_count += totals->count[i];
		*ret_bytes += totals->bytes[i];
	}
}

bool space_pending(const struct rows *rows, const struct info *info, const struct totals *totals)
{
	uint64_t count, bytes, moved_count, moved_bytes;

	if (rows->config.kind == BACKEND_ACCOUNT)
		return info->delete_ts && !info_is_put(info) && totals->rows > 0;
	totals_sum(totals, &count, &bytes);
	points_totals(&info->points, &moved_count, &moved_bytes);
	return info_is_put(info) && (count + moved_count != info->reported_count ||
	                                    bytes + moved_bytes != info->reported_bytes ||
	                                    info->put_ts != info->reported_put_ts);
}

/* It is opened again, at once or a second after the last time. */
void store_failed(struct rows *rows)
{
	uint64_t now_us = reactor_now_us(rows->reactor);

	rows->broken = true;
	if (rows->retry_us < now_us)
		rows->retry_us = now_us;
}

/* --- the store's own mark --- */

static void put_applied(struct rows *rows, struct store_batch *batch, uint64_t lsn, uint64_t number)
{
	AUTO(buf) struct buf value = BUF_NONE;
	char key = KEY_APPLIED;

	buf_char(&value, 1);
	buf_add(&value, rows->store_id, sizeof(rows->store_id));
	buf_le64(&value, lsn);
	buf_le64(&value, number);
	store_batch_put(batch, &key, 1, value.data, value.len);
}

enum err applied_read(struct rows *rows, uint64_t *ret_lsn, uint64_t *ret_batch)
{
	AUTO(buf) struct buf value = BUF_NONE;
	char key = KEY_APPLIED;
	enum err err = store_get(rows->store, &key, 1, &value);

	if (err)
		return err;
	if (value.len != 33 || value.data[0] != 1)
		return ERR_FORMAT;
	memcpy(rows->store_id, value.data + 1, 16);
	memcpy(ret_lsn, value.data + 17, 8);
	memcpy(ret_batch, value.data + 25, 8);
	return ERR_OK;
}

enum err applied_create(struct rows *rows)
{
	const struct env *env = reactor_env(rows->reactor);
	struct store_batch *batch = store_batch_new();

	env->random(env, rows->store_id, sizeof(rows->store_id));
	put_applied(rows, batch, 0, 0);
	enum err err = store_write(rows->store, batch);
	store_batch_free(batch);
	return err;
}

/* --- freezing --- */

static void copy_info(struct info *to, const struct info *from)
{
	*to = *from;
	to->headers = BUF_NONE;
	buf_add(&to->headers, from->headers.data, from->headers.len);
	to->points = BUF_NONE;
	buf_add(&to->points, from->points.data, from->points.len);
}

static void freeze(struct rows *rows)
{
	uint64_t lsn = rows->active.lsn;

	rows->frozen = rows->active;
	rows->frozen.seq = rows->seq_in;
	for (struct touch *touch = rows->frozen.touches; touch; touch = touch->next) {
		copy_info(&touch->info, &touch->space->info);
		touch->space->touch = NULL;
	}
	rows->active = (struct generation){.overlay = overlay_new(++rows->seed), .lsn = lsn};
}

void generation_free(struct generation *generation)
{
	struct touch *touch = generation->touches;

	while (touch) {
		struct touch *next = touch->next;
		info_done(&touch->info);
		if (touch->space->touch == touch)
			touch->space->touch = NULL;
		space_unref(touch->space);
		free(touch);
		touch = next;
	}
	overlay_unref(generation->overlay);
	*generation = (struct generation){0};
}

/* --- writing, on a pool thread --- */

static void batch_put(struct drain *drain, const struct key *key, const struct buf *value)
{
	store_batch_put(drain->batch, key->data, key->len, value ? value->data : "",
	        value ? value->len : 0);
	drain->batch_bytes += key->len + (value ? value->len : 0) + 16;
}

static void batch_delete(struct drain *drain, const struct key *key)
{
	store_batch_delete(drain->batch, key->data, key->len);
	drain->batch_bytes += key->len + 16;
}

/* What is deleted behind the cut has moved to a range: it goes without a trace. */
static void erase_row(struct drain *drain, const struct overlay_node *node, struct key *key)
{
	static const char prefixes[] = {[BELOW_LIVE] = KEY_LIVE, [BELOW_TOMBSTONE] = KEY_TOMBS};

	if (node->below == BELOW_NOTHING)
		return;
	key->data[0] = prefixes[node->below];
	batch_delete(drain, key);
	node->space->holes++;
}

static void write_row(struct drain *drain, const struct overlay_node *node, const char *cut)
{
	AUTO(buf) struct buf value = BUF_NONE;
	struct weight weight;
	struct key key;

	row_weigh(drain->job.rows->config.kind, node->row, &weight);
	totals_sub(&drain->run, &node->base);
	totals_add(&drain->run, &weight);
	if (node->row->deleted && cut && strcmp(node->name, cut) > 0) {
		key_row(&key, KEY_LIVE, node->key, node->name, node->name_len, true);
		erase_row(drain, node, &key);
		return;
	}
	row_encode(&value, node->row);
	key_row(&key, node->row->deleted ? KEY_TOMBS : KEY_LIVE, node->key, node->name,
	        node->name_len, true);
	batch_put(drain, &key, &value);
	drain->rows++;
	if (node->below == (node->row->deleted ? BELOW_LIVE : BELOW_TOMBSTONE)) {
		key.data[0] = node->row->deleted ? KEY_LIVE : KEY_TOMBS;
		batch_delete(drain, &key);
		node->space->holes += node->row->deleted;
	}
}

static void write_space(struct drain *drain, struct touch *touch)
{
	AUTO(buf) struct buf value = BUF_NONE;
	struct space *space = touch->space;
	bool pending = space_pending(drain->job.rows, &touch->info, &drain->run);
	struct key key;

	touch->after = drain->run;
	touch->pending = pending;
	bool containers = drain->job.rows->config.kind == BACKEND_ACCOUNT;
	buf_char(&value,
	        (char)((pending ? DATABASE_PENDING : 0) | (containers ? DATABASE_CONTAINERS : 0)));
	totals_encode(&value, &drain->run, containers);
	info_encode(&value, &touch->info, space->account ? space->account : "",
	        space->container ? space->container : "");
	key_database(&key, KEY_DATABASE, space->key);
	batch_put(drain, &key, &value);
	key.data[0] = KEY_PENDING;
	if (pending && !space->pending_stored)
		batch_put(drain, &key, NULL);
	else if (!pending && space->pending_stored)
		batch_delete(drain, &key);
}

/* Writes what is gathered: all touches before `touch`, and that one up to `node`. */
static enum err commit(struct drain *drain, struct touch *touch, struct overlay_node *node)
{
	struct rows *rows = drain->job.rows;
	bool last = !touch;
	uint64_t lsn = rows->applied_lsn;

	if (last && !rows->replaying && rows->frozen.lsn > lsn)
		lsn = rows->frozen.lsn;

	put_applied(rows, drain->batch, lsn, rows->applied_batch + 1);
	enum err err = store_write(rows->store, drain->batch);
	store_batch_clear(drain->batch);
	drain->batch_bytes = 0;
	if (err)
		return err;
	rows->applied_batch++;
	rows->applied_lsn = lsn;
	for (struct touch *t = drain->from; t; t = t->next) {
		if (t == touch && !node)
			break;
		t->space->stored = t->after;
		t->space->pending_stored = t->pending;
		if (t == touch)
			break;
	}
	drain->from = touch;
	drain->node = node;
	return ERR_OK;
}

static enum err drain_space(struct drain *drain, struct touch *touch, struct overlay_node *node)
{
	struct overlay *overlay = drain->job.rows->frozen.overlay;
	const char *cut = points_cut(&touch->info.points);
	enum err err = ERR_OK;

	drain->run = touch->space->stored;
	if (!node)
		node = overlay_seek(overlay, touch->space->key, "", 0);
	while (!err && node && node->space == touch->space) {
		struct overlay_node *next = overlay_next(node);
		write_row(drain, node, cut);
		if (drain->batch_bytes >= drain->job.rows->config.batch_bytes && next &&
		        next->space == touch->space) {
			write_space(drain, touch);
			err = commit(drain, touch, next);
		}
		node = next;
	}
	if (!err)
		write_space(drain, touch);
	return err;
}

static void drain_run(struct work *work)
{
	struct drain *drain = CONTAINER_OF(work, struct drain, job.work);
	struct touch *touch = drain->from;
	struct overlay_node *node = drain->node;
	enum err err = ERR_OK;

	store_batch_clear(drain->batch);
	drain->batch_bytes = 0;
	for (; touch && !err; touch = touch->next, node = NULL) {
		err = drain_space(drain, touch, node);
		if (!err && drain->batch_bytes >= drain->job.rows->config.batch_bytes &&
		        touch->next)
			err = commit(drain, touch->next, NULL);
	}
	drain->err = err ? err : commit(drain, NULL, NULL);
}

static void finish_frozen(struct rows *rows)
{
	rows->stats.drains++;
	rows->stats.drained_rows += rows->drain.rows;
	rows->drain.rows = 0;
	rows->drained_bytes += overlay_bytes(rows->frozen.overlay);
	if (!rows->drained_us)
		rows->drained_us = reactor_now_us(rows->reactor) | 1;
	for (struct touch *touch = rows->frozen.touches; touch; touch = touch->next)
		sweep_holes(rows, touch->space);
	generation_free(&rows->frozen);
}

static void drain_done(struct job *job)
{
	struct rows *rows = job->rows;

	rows->drain.busy = false;
	if (!rows->drain.err) {
		finish_frozen(rows);
		requests_wake_blocked(rows);
		return;
	}
	log_warn("rows_drain", "error=%s path=%s", err_name(rows->drain.err),
	        log_quote(rows->config.path));
	store_failed(rows);
}

static void drain_begin(struct rows *rows)
{
	if (!rows->drain.batch)
		rows->drain.batch = store_batch_new();
	rows->drain.job.rows = rows;
}

enum err drain_now(struct rows *rows)
{
	freeze(rows);
	rows->drain.from = rows->frozen.touches;
	rows->drain.node = NULL;
	enum err err = resolve_now(rows);
	if (err)
		return err;
	drain_begin(rows);
	drain_run(&rows->drain.job.work);
	if (!rows->drain.err)
		finish_frozen(rows);
	return rows->drain.err;
}

/* --- checkpoint and reopening --- */

static void flush_run(struct work *work)
{
	struct flush *flush = CONTAINER_OF(work, struct flush, job.work);
	struct rows *rows = flush->job.rows;

	if (!flush->reopen) {
		flush->err = store_flush(rows->store);
		return;
	}
	flush->err = store_reopen(rows->store);
	if (!flush->err)
		flush->err = applied_read(rows, &flush->read_lsn, &flush->read_batch);
}

static void on_note(struct device_append *append)
{
	struct flush *flush = CONTAINER_OF(append, struct flush, append);
	struct rows *rows = flush->job.rows;

	flush->busy = false;
	if (append->err) {
		log_warn("rows_checkpoint", "error=%s path=%s", err_name(append->err),
		        log_quote(rows->config.path));
	} else {
		rows->checkpoint_lsn = flush->lsn;
		rows->stats.checkpoints++;
		device_checkpoint(rows->device, append->role, flush->lsn);
	}
	rows_pump(rows);
	rows_ended(rows);
}

/* The note tells the next start that the log has given these records away, and to whom. It comes
 * before the checkpoint: at any moment the log has a note for all that it gave away. */
static void append_note(struct rows *rows)
{
	struct flush *flush = &rows->flush;
	struct record record = {
	        .type = RECORD_NOTE, .account = "", .container = "", .ts = flush->lsn};

	memcpy(record.key, rows->store_id, sizeof(record.key));
	buf_reset(&flush->payload);
	record_encode(&flush->payload, &record);
	flush->append = (struct device_append){
	        .role = rows->config.kind == BACKEND_CONTAINER ? DEVICE_ROLE_CONTAINER
	                                                       : DEVICE_ROLE_ACCOUNT,
	        .payload = flush->payload.data,
	        .len = flush->payload.len,
	        .done = on_note,
	};
	flush->busy = true;
	rows->outstanding++;
	device_append(rows->device, &flush->append);
}

static void reopened(struct rows *rows)
{
	struct flush *flush = &rows->flush;

	if (flush->err == ERR_NOT_FOUND || (!flush->err && flush->read_batch < rows->applied_batch))
		rows->failed = true; /* what it lost is in the log, but no more in memory */
	log_warn("rows_reopen", "error=%s failed=%d path=%s", err_name(flush->err), rows->failed,
	        log_quote(rows->config.path));
	rows->stats.reopens++;
	rows->retry_us = reactor_now_us(rows->reactor) + RETRY_US;
	rows->broken = flush->err || rows->failed;
	if (rows->failed) {
		requests_wake_resolved(rows, ERR_IO);
		requests_wake_blocked(rows);
	}
}

static void flush_done(struct job *job)
{
	struct rows *rows = job->rows;
	struct flush *flush = &rows->flush;

	flush->busy = false;
	if (flush->reopen) {
		reopened(rows);
	} else if (flush->err) {
		store_failed(rows);
	} else {
		rows->drained_bytes = 0;
		rows->drained_us = 0;
		append_note(rows);
	}
}

static void start_flush(struct rows *rows, bool reopen)
{
	rows->flush.busy = true;
	rows->flush.reopen = reopen;
	rows->flush.lsn = rows->applied_lsn;
	job_start(&rows->flush.job, rows, flush_run, flush_done);
}

static bool checkpoint_due(const struct rows *rows)
{
	return rows->applied_lsn > rows->checkpoint_lsn && rows->drained_us &&
	       (rows->drained_bytes >= rows->config.checkpoint_bytes ||
	               reactor_now_us(rows->reactor) >=
	                       rows->drained_us + rows->config.checkpoint_us);
}

static bool freeze_due(const struct rows *rows)
{
	return rows->active.born_us &&
	       (overlay_bytes(rows->active.overlay) >= rows->config.drain_bytes ||
	               reactor_now_us(rows->reactor) >=
	                       rows->active.born_us + rows->config.drain_us);
}

void drain_pump(struct rows *rows)
{
	if (rows->failed || rows->drain.busy || rows->flush.busy || rows->sweep.busy ||
	        rows->forget.busy)
		return;
	if (rows->broken) {
		if (!rows->resolve.busy && reactor_now_us(rows->reactor) >= rows->retry_us)
			start_flush(rows, true);
		return;
	}
	if (!rows->frozen.overlay && !rows->forget.request && checkpoint_due(rows)) {
		start_flush(rows, false);
		return;
	}
	if (!rows->frozen.overlay && freeze_due(rows)) {
		freeze(rows);
		rows->drain.from = rows->frozen.touches;
		rows->drain.node = NULL;
		resolve_pump(rows);
	}
	if (rows->frozen.overlay && rows->seq_done >= rows->frozen.seq) {
		drain_begin(rows);
		rows->drain.busy = true;
		job_start(&rows->drain.job, rows, drain_run, drain_done);
	}
}
