/* A durable record becomes visible: info at once, a row when it has been compared with what the
 * store has of that name: only then the totals are exact, and only then it is known whether the
 * row is not older than a tombstone there. Those reads go to the pool in batches, first come
 * first served, so that a reader waits only for what was there when it came. */
#include "lib/backend/points.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/rows/compare.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

#define RESOLVE_EAGER 64 /* waiting nodes that are worth a batch although nobody asks */

void touch(struct space *space)
{
	struct generation *active = &space->rows->active;

	digest_changed(space);
	if (active->born_us == 0)
		active->born_us = reactor_now_us(space->rows->reactor) | 1;
	if (space->touch)
		return;
	struct touch *touch = mem_zalloc(sizeof(*touch));
	touch->space = space;
	touch->next = active->touches;
	active->touches = touch;
	space->touch = touch;
	space->refs++;
}

void apply_record(struct space *space, const struct record *record)
{
	space_name(space, record->account, record->container);
	info_apply(&space->info, record);
	touch(space);
	split_changed(space);
	report_changed(space);
}

void applied(struct rows *rows, uint64_t lsn)
{
	if (lsn > rows->active.lsn)
		rows->active.lsn = lsn;
}

static void publish(struct overlay_node *node, const struct backend_row *row)
{
	node->row = row;
	atomic_store_explicit(&node->shown, row, memory_order_release);
}

static void recount(struct space *space, const struct weight *old, const struct backend_row *row)
{
	struct weight new;

	row_weigh(space->rows->config.kind, row, &new);
	totals_sub(&space->now, old);
	totals_add(&space->now, &new);
	digest_changed(space);
	split_recount(space, old, &new, row->name);
}

/* `below` is what the store, or the generation below, says of the name; NULL: nothing. */
static void resolve_node(struct overlay_node *node, const struct backend_row *below)
{
	struct space *space = node->space;
	enum backend_kind kind = space->rows->config.kind;
	const struct backend_row *row = node->row;

	if (below) {
		struct backend_row joined;
		row_weigh(kind, below, &node->base);
		row_join(kind, node->row, below, &joined);
		if (!row_equal(&joined, node->row))
			row = overlay_copy_row(node->overlay, node->name, &joined);
		node->below = below->deleted ? BELOW_TOMBSTONE : BELOW_LIVE;
	}
	node->resolved = true;
	recount(space, &node->base, row);
	publish(node, row);
	if (node->newer) {
		resolve_node(node->newer, row);
		node->newer = NULL;
	}
}

static void enqueue(struct rows *rows, struct overlay_node *node)
{
	*rows->queue_end = node;
	rows->queue_end = &node->waiting;
	rows->queued++;
	node->space->seq = ++rows->seq_in;
}

static void add_node(struct space *space, const struct backend_row *row, size_t len)
{
	struct rows *rows = space->rows;
	struct overlay_node *node = overlay_add(rows->active.overlay, space->key, row->name, len);
	struct overlay_node *older = NULL;

	node->space = space;
	node->row = overlay_copy_row(rows->active.overlay, node->name, row);
	rows->active.rows++;
	if (rows->frozen.overlay)
		older = overlay_find(rows->frozen.overlay, space->key, row->name, len);
	if (!older)
		enqueue(rows, node);
	else if (older->resolved)
		resolve_node(node, older->row);
	else
		older->newer = node;
}

static void change_node(struct overlay_node *node, const struct backend_row *row)
{
	enum backend_kind kind = node->space->rows->config.kind;
	struct backend_row joined;

	row_join(kind, row, node->row, &joined);
	if (row_equal(&joined, node->row))
		return;
	const struct backend_row *copy = overlay_copy_row(node->overlay, node->name, &joined);
	if (!node->resolved) {
		node->row = copy;
		return;
	}
	struct weight old;
	row_weigh(kind, node->row, &old);
	recount(node->space, &old, copy);
	publish(node, copy);
}

void apply_row(struct space *space, const struct backend_row *from)
{
	struct rows *rows = space->rows;
	struct backend_row row = *from;
	size_t len = strlen(row.name);

	row_normalise(rows->config.kind, &row);
	if (row.ts > rows->newest_ts)
		rows->newest_ts = row.ts;
	/* A container that was deleted starts anew: what was put before does not come back.
	 * Tombstones do count, or a replay could miss the one that emptied it. */
	if (rows->config.kind == BACKEND_CONTAINER && !row.deleted &&
	        row.ts <= space->info.delete_ts)
		return;
	/* What moved is kept elsewhere, also when a replica that does not know it yet brings it. */
	const char *cut = points_cut(&space->info.points);
	if (cut && !row.deleted && strcmp(row.name, cut) > 0)
		return;
	if (row.deleted)
		sweep_see_tombstone(rows, row.ts);
	touch(space);
	struct overlay_node *node = overlay_find(rows->active.overlay, space->key, row.name, len);
	if (node)
		change_node(node, &row);
	else
		add_node(space, &row, len);
	report_changed(space);
}

static enum err read_below(struct resolve *resolve, unsigned i)
{
	const struct overlay_node *node = resolve->nodes[i];
	struct store *store = resolve->job.rows->store;
	struct key key;

	key_row(&key, KEY_LIVE, node->key, node->name, node->name_len, true);
	resolve->below[i] = BELOW_LIVE;
	enum err err = store_get(store, key.data, key.len, &resolve->values);
	if (err == ERR_NOT_FOUND) {
		key.data[0] = KEY_TOMBS;
		resolve->below[i] = BELOW_TOMBSTONE;
		err = store_get(store, key.data, key.len, &resolve->values);
	}
	if (err == ERR_NOT_FOUND)
		resolve->below[i] = BELOW_NOTHING;
	resolve->at[i + 1] = (uint32_t)resolve->values.len;
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void resolve_run(struct work *work)
{
	struct resolve *resolve = CONTAINER_OF(work, struct resolve, job.work);

	resolve->err = ERR_OK;
	resolve->at[0] = 0;
	for (unsigned i = 0; i < resolve->count && !resolve->err; i++)
		resolve->err = read_below(resolve, i);
}

static enum err take_results(struct resolve *resolve)
{
	for (unsigned i = 0; i < resolve->count; i++) {
		struct backend_row below = {.name = resolve->nodes[i]->name};
		size_t at = resolve->at[i];
		char etag[33];
		bool any = resolve->below[i] != BELOW_NOTHING;
		if (any && !row_decode(resolve->values.data, resolve->at[i + 1], &at, etag, &below))
			return ERR_CORRUPT;
		resolve_node(resolve->nodes[i], any ? &below : NULL);
		resolve->job.rows->seq_done++;
	}
	return ERR_OK;
}

/* What was not resolved goes back to the head of the queue, in its old order. */
static void put_back(struct rows *rows)
{
	struct resolve *resolve = &rows->resolve;

	for (unsigned i = resolve->count; i-- > 0;) {
		if (resolve->nodes[i]->resolved)
			break;
		resolve->nodes[i]->waiting = rows->queue;
		if (!rows->queue)
			rows->queue_end = &resolve->nodes[i]->waiting;
		rows->queue = resolve->nodes[i];
		rows->queued++;
	}
}

static enum err finish(struct rows *rows)
{
	struct resolve *resolve = &rows->resolve;

	if (!resolve->err)
		resolve->err = take_results(resolve);
	if (resolve->err)
		put_back(rows);
	buf_reset(&resolve->values);
	return resolve->err;
}

static void resolve_done(struct job *job)
{
	struct rows *rows = job->rows;

	rows->resolve.busy = false;
	enum err err = finish(rows);
	if (err) {
		log_warn("rows_resolve", "error=%s path=%s", err_name(err),
		        log_quote(rows->config.path));
		store_failed(rows);
	}
	requests_wake_resolved(rows, err);
}

static void dequeue(struct rows *rows)
{
	struct resolve *resolve = &rows->resolve;

	for (resolve->count = 0; rows->queue && resolve->count < RESOLVE_MAX; resolve->count++) {
		struct overlay_node *node = rows->queue;
		rows->queue = node->waiting;
		node->waiting = NULL;
		resolve->nodes[resolve->count] = node;
	}
	rows->queued -= resolve->count;
	if (!rows->queue)
		rows->queue_end = &rows->queue;
}

void resolve_pump(struct rows *rows)
{
	bool asked = !list_empty(&rows->resolving) || rows->report_waits ||
	             (rows->frozen.overlay && rows->seq_done < rows->frozen.seq);

	if (rows->resolve.busy || rows->broken || rows->queued == 0 ||
	        (!asked && rows->queued < RESOLVE_EAGER))
		return;
	rows->report_waits = false;
	dequeue(rows);
	rows->resolve.busy = true;
	job_start(&rows->resolve.job, rows, resolve_run, resolve_done);
}

enum err resolve_now(struct rows *rows)
{
	enum err err = ERR_OK;

	rows->resolve.job.rows = rows;
	while (!err && rows->queued) {
		dequeue(rows);
		resolve_run(&rows->resolve.job.work);
		err = finish(rows);
	}
	return err;
}
