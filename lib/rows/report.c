/* What containers have to tell their accounts. Two orders of the same databases: by last change,
 * whose head has been idle longest, and by first change, whose head has waited longest. */
#include "lib/backend/points.h"
#include "lib/base/mem.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

#define IDLE_US   500000
#define LATEST_US 8000000

static bool is_counted(const struct space *space)
{
	return space->loaded && space->seq <= space->rows->seq_done;
}

static bool needs_report(const struct space *space)
{
	struct totals totals;

	space_totals(space, &totals);
	return !is_counted(space) || space_pending(space->rows, &space->info, &totals);
}

static void set_clean(struct space *space)
{
	if (!space->dirty)
		return;
	space->dirty = false;
	list_remove(&space->by_change);
	list_remove(&space->by_age);
	space_unref(space);
}

static void set_dirty(struct space *space, uint64_t now_us)
{
	struct rows *rows = space->rows;

	if (!space->dirty) {
		space->dirty = true;
		space->dirty_us = now_us;
		list_append(&rows->by_age, &space->by_age);
		space->refs++;
	}
	space->changed_us = now_us;
	list_remove(&space->by_change);
	list_append(&rows->by_change, &space->by_change);
}

void report_changed(struct space *space)
{
	if (space->rows->config.kind != BACKEND_CONTAINER)
		return;
	split_watch(space);
	if (needs_report(space))
		set_dirty(space, reactor_now_us(space->rows->reactor));
	else if (!space->reporting)
		set_clean(space);
}

/* Due, and what there is to tell is known; NULL when none is. */
static struct space *ready(struct rows *rows, struct space *space)
{
	if (space->reporting)
		return NULL;
	if (!is_counted(space)) {
		rows->report_waits = true;
		return NULL;
	}
	return space;
}

static struct space *due(struct rows *rows)
{
	uint64_t now_us = reactor_now_us(rows->reactor);

	LIST_EACH (node, &rows->by_change) {
		struct space *space = LIST_ENTRY(node, struct space, by_change);
		if (space->changed_us + IDLE_US > now_us)
			break;
		if (ready(rows, space))
			return space;
	}
	LIST_EACH (node, &rows->by_age) {
		struct space *space = LIST_ENTRY(node, struct space, by_age);
		if (space->dirty_us + LATEST_US > now_us)
			break;
		/* Never idle, so never all counted in: tell what is known. */
		struct totals totals;
		space_totals(space, &totals);
		if (!space->reporting && space->loaded &&
		        space_pending(rows, &space->info, &totals))
			return space;
	}
	return NULL;
}

static uint64_t next_ts(struct rows *rows)
{
	const struct env *env = reactor_env(rows->reactor);
	uint64_t ts = env->wall_us(env) / 10;

	rows->report_ts = ts > rows->report_ts ? ts : rows->report_ts + 1;
	return rows->report_ts;
}

bool rows_next_report(struct rows *rows, struct rows_report *ret_report)
{
	struct space *space;
	struct totals totals;
	uint64_t count, bytes;

	while ((space = due(rows)) && !needs_report(space))
		set_clean(space);
	if (rows->report_waits)
		resolve_pump(rows);
	if (!space) {
		if (list_empty(&rows->by_age))
			pending_look(rows);
		return false;
	}
	*ret_report = (struct rows_report){
	        .account = mem_strdup(space->account),
	        .container = mem_strdup(space->container),
	        .put_ts = space->info.put_ts,
	        .totals_ts = next_ts(rows),
	        .policy = space->info.policy,
	};
	memcpy(ret_report->key, space->key, sizeof(space->key));
	space_totals(space, &totals);
	totals_sum(&totals, &ret_report->count, &ret_report->bytes);
	points_totals(&space->info.points, &count, &bytes);
	ret_report->count += count;
	ret_report->bytes += bytes;
	space->reporting = true;
	return true;
}

void rows_reported(struct rows *rows, const struct rows_report *report, bool ok)
{
	struct space *space = space_get(rows, report->key);

	space->reporting = false;
	if (ok && space->loaded) {
		space->info.reported_count = report->count;
		space->info.reported_bytes = report->bytes;
		space->info.reported_put_ts = report->put_ts;
		touch(space);
	}
	if (!needs_report(space)) {
		set_clean(space);
	} else {
		space->dirty_us = reactor_now_us(rows->reactor);
		list_remove(&space->by_age);
		list_append(&rows->by_age, &space->by_age);
		set_dirty(space, space->dirty_us);
	}
	space_unref(space);
	rows_pump(rows);
}

void rows_report_done(struct rows_report *report)
{
	free(report->account);
	free(report->container);
	*report = (struct rows_report){0};
}
