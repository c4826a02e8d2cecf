/* Containers in ranges. What is behind a point (lib/backend/points.h) is counted apart while it is
 * copied, so that the totals are exact in the moment it has moved; then it is taken away:
 *
 *   proposed -> counted, slice by slice -> moved -> tombstones in the log, which the drain does not
 * write to the store but takes as word to remove the row -> nothing is left
 *
 * Each device does that for itself. Beside that: which containers are too large. */
#include "lib/backend/points.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/rows/compare.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

#define COUNT_ROWS 2048 /* at a time; fewer when names among them keep changing */
#define COUNT_MIN  16
#define TRIM_ROWS  256

bool space_totals(const struct space *space, struct totals *ret_totals)
{
	const char *cut = points_cut(&space->info.points);
	const struct totals *tail = &space->tail;

	*ret_totals = space->now;
	if (!cut)
		return true;
	if (!space->tail_after || strcmp(space->tail_after, cut) != 0 || space->tail_to)
		return false;
	ret_totals->rows -= tail->rows;
	for (unsigned i = 0; i < COUNT_OF(tail->hash); i++)
		ret_totals->hash[i] -= tail->hash[i];
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		ret_totals->count[i] -= tail->count[i];
		ret_totals->bytes[i] -= tail->bytes[i];
	}
	return true;
}

static void queue(struct space *space)
{
	if (!list_empty(&space->tails))
		return;
	space->refs++;
	list_append(&space->rows->tails, &space->tails);
}

static bool is_moved(const struct space *space)
{
	const char *cut = points_cut(&space->info.points);

	return cut && space->tail_after && strcmp(space->tail_after, cut) == 0;
}

void split_changed(struct space *space)
{
	const struct buf *points = &space->info.points;
	struct backend_row proposed;
	const char *after = points_proposed(points, &proposed) ? proposed.name : points_cut(points);

	bool same = after && space->tail_after && strcmp(after, space->tail_after) == 0;
	if (!same && (after || space->tail_after)) {
		free(space->tail_after);
		free(space->tail_to);
		free(TAKE(space->touched));
		space->tail_after = after ? mem_strdup(after) : NULL;
		space->tail_to = after ? mem_strdup(after) : NULL;
		space->tail = (struct totals){0};
		digest_changed(space);
		space->tail_seq++;
		space->tail_step = COUNT_ROWS;
	}
	if (after && (space->tail_to || is_moved(space)))
		queue(space);
}

void split_recount(
        struct space *space, const struct weight *old, const struct weight *new, const char *name)
{
	split_watch(space);
	if (!space->tail_after || strcmp(name, space->tail_after) <= 0)
		return;
	if (!space->tail_to || strcmp(name, space->tail_to) <= 0) {
		totals_sub(&space->tail, old);
		totals_add(&space->tail, new);
		/* It was not yet known when the rest was taken away. */
		if (new->live && is_moved(space))
			queue(space);
	} else if (!space->touched || strcmp(name, space->touched) < 0) {
		free(space->touched);
		space->touched = mem_strdup(name);
	}
}

/* --- slices --- */

static void end(struct split *split)
{
	struct space *space = TAKE(split->space);
	bool wants = space->tail_after && (space->tail_to || is_moved(space)) &&
	             (space->tail_to || space->tail.rows > 0);

	split->busy = false;
	list_remove(&space->tails);
	if (wants)
		list_append(&space->rows->tails, &space->tails); /* it stays counted */
	else
		space_unref(space);
}

static void slice_run(struct work *work)
{
	struct split *split = CONTAINER_OF(work, struct split, job.work);
	enum backend_kind kind = split->job.rows->config.kind;
	struct backend_row row;
	struct weight weight;

	split->sum = (struct totals){0};
	split->err = list_rows(&split->source, &split->list, &split->rows, NULL);
	for (size_t at = 0; !split->err && backend_rows_next(&split->rows, &at, &row);) {
		row_weigh(kind, &row, &weight);
		totals_add(&split->sum, &weight);
	}
}

/* What is counted holds unless one of its names changed meanwhile: then it is counted again. */
static void take_count(struct split *split)
{
	struct space *space = split->space;
	const char *last = NULL;
	struct backend_row row;
	unsigned n = 0;

	for (size_t at = 0; backend_rows_next(&split->rows, &at, &row); n++)
		last = row.name;
	bool ended = n < split->list.limit;
	bool changed = space->touched && (ended || strcmp(space->touched, last) <= 0);
	free(TAKE(space->touched));
	if (changed) {
		if (space->tail_step > COUNT_MIN)
			space->tail_step /= 2;
		return;
	}
	space->tail.rows += split->sum.rows;
	for (unsigned i = 0; i < COUNT_OF(split->sum.hash); i++)
		space->tail.hash[i] += split->sum.hash[i];
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		space->tail.count[i] += split->sum.count[i];
		space->tail.bytes[i] += split->sum.bytes[i];
	}
	digest_changed(space);
	free(space->tail_to);
	space->tail_to = ended ? NULL : mem_strdup(last);
	if (ended)
		report_changed(space);
}

static struct backend_row tombstone(const struct backend_row *row)
{
	return (struct backend_row){.name = row->name,
	        .content_type = "",
	        .etag = "",
	        .ts = row->meta_ts > row->ts ? row->meta_ts : row->ts,
	        .deleted = true};
}

static void on_trimmed(struct device_append *append)
{
	struct split *split = CONTAINER_OF(append, struct split, append);
	struct rows *rows = split->job.rows;
	struct backend_row row;

	rows->inflight_bytes -= split->payload.len;
	for (size_t at = 0; !append->err && backend_rows_next(&split->rows, &at, &row);) {
		struct backend_row gone = tombstone(&row);
		apply_row(split->space, &gone);
	}
	if (!append->err)
		applied(rows, append->lsn);
	end(split);
	rows_pump(rows);
	rows_ended(rows);
}

static void trim(struct split *split)
{
	struct rows *rows = split->job.rows;
	struct space *space = split->space;
	struct record record = {.type = RECORD_ROWS,
	        .account = space->account,
	        .container = space->container,
	        .ts = 1,
	        .row_count = (uint32_t)split->sum.rows};
	struct backend_row row;

	memcpy(record.key, space->key, sizeof(record.key));
	buf_reset(&split->payload);
	record_encode(&split->payload, &record);
	for (size_t at = 0; backend_rows_next(&split->rows, &at, &row);) {
		struct backend_row gone = tombstone(&row);
		record_add_row(&split->payload, &gone);
	}
	split->append = (struct device_append){
	        .role = DEVICE_ROLE_CONTAINER,
	        .payload = split->payload.data,
	        .len = split->payload.len,
	        .done = on_trimmed,
	};
	rows->inflight_bytes += split->payload.len;
	rows->outstanding++;
	device_append(rows->device, &split->append);
}

static void slice_done(struct job *job)
{
	struct split *split = CONTAINER_OF(job, struct split, job);
	struct rows *rows = job->rows;
	struct space *space = split->space;

	for (unsigned i = 0; i < COUNT_OF(split->source.overlays); i++)
		overlay_unref(split->source.overlays[i]);
	if (split->err) {
		log_warn("rows_split", "error=%s path=%s", err_name(split->err),
		        log_quote(rows->config.path));
		store_failed(rows);
	}
	bool holds = !split->err && !rows->closing && split->seq == space->tail_seq;
	if (holds && space->tail_to) {
		take_count(split);
	} else if (holds && split->sum.rows && is_moved(space)) {
		trim(split);
		return;
	}
	end(split);
}

static void slice(struct rows *rows, struct space *space)
{
	struct split *split = &rows->split;
	const char *after = space->tail_to ? space->tail_to : space->tail_after;

	split->busy = true;
	split->space = space;
	split->seq = space->tail_seq;
	buf_reset(&split->rows);
	buf_reset(&split->names);
	buf_add(&split->names, after, strlen(after) + 1);
	free(TAKE(space->touched));
	split->list = (struct backend_list){
	        .marker = split->names.data,
	        .limit = space->tail_to ? space->tail_step : TRIM_ROWS,
	};
	split->source = (struct list_source){
	        .store = rows->store,
	        .key = space->key,
	        .overlays = {overlay_ref(rows->active.overlay),
	                rows->frozen.overlay ? overlay_ref(rows->frozen.overlay) : NULL},
	};
	job_start(&split->job, rows, slice_run, slice_done);
}

void split_pump(struct rows *rows)
{
	struct list *node;

	if (rows->split.busy || rows->broken || rows->failed ||
	        overlay_total(rows) > rows->config.overlay_max / 2)
		return;
	while ((node = list_first(&rows->tails))) {
		struct space *space = LIST_ENTRY(node, struct space, tails);
		if (space->tail_after) {
			slice(rows, space);
			return;
		}
		list_remove(node); /* it was deleted meanwhile, and its points with it */
		space_unref(space);
	}
}

/* --- too large --- */

/* A range whose points its container may not know yet. */
static bool has_unknown(const struct space *space)
{
	struct backend_row point;

	for (size_t at = 0; backend_rows_next(&space->info.points, &at, &point);) {
		if (space->account[0] == '.' && !point.deleted && !point.totals_ts)
			return true;
	}
	return false;
}

static bool wants_split(const struct space *space)
{
	const struct rows_config *config = &space->rows->config;
	struct backend_row proposed;
	struct totals totals;

	if (!config->split_rows || config->kind != BACKEND_CONTAINER || !space->loaded ||
	        !space->account || !info_is_put(&space->info))
		return false;
	/* What the cloud keeps for itself has readers of its own. */
	if (space->account[0] == '.' && strcmp(space->account, RANGES_ACCOUNT) != 0)
		return false;
	if (points_proposed(&space->info.points, &proposed) || has_unknown(space))
		return true;
	return space->now.rows > config->split_rows && space_totals(space, &totals) &&
	       totals.rows > config->split_rows && space->tail.rows == 0;
}

void split_watch(struct space *space)
{
	if (!list_empty(&space->splits) || !wants_split(space))
		return;
	space->split_us = reactor_now_us(space->rows->reactor);
	space->refs++;
	list_append(&space->rows->splits, &space->splits);
}

bool rows_next_split(struct rows *rows, struct rows_split *ret_split)
{
	struct list *node;

	while ((node = list_first(&rows->splits))) {
		struct space *space = LIST_ENTRY(node, struct space, splits);
		list_remove(node);
		if (!wants_split(space)) {
			space_unref(space);
			continue;
		}
		list_append(&rows->splits, node);
		*ret_split = (struct rows_split){
		        .account = mem_strdup(space->account),
		        .container = mem_strdup(space->container),
		        .idle_us = reactor_now_us(rows->reactor) - space->split_us,
		};
		return true;
	}
	return false;
}

void rows_split_done(struct rows_split *split)
{
	free(split->account);
	free(split->container);
	*split = (struct rows_split){0};
}
