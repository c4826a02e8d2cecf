#include "lib/backend/points.h"

#include <string.h>

static bool same_totals(const struct backend_row *a, const struct backend_row *b)
{
	return a->totals_ts == b->totals_ts && a->count == b->count && a->bytes == b->bytes;
}

static void newer_totals(struct backend_row *point, const struct backend_row *other)
{
	if (other->totals_ts > point->totals_ts ||
	        (other->totals_ts == point->totals_ts && other->count > point->count)) {
		point->totals_ts = other->totals_ts;
		point->count = other->count;
		point->bytes = other->bytes;
	}
}

/* Two that moved behind the same name are the same. */
static struct backend_row join(const struct backend_row *a, const struct backend_row *b)
{
	struct backend_row both = *a;

	if (b->ts > both.ts)
		both.ts = b->ts;
	newer_totals(&both, b);
	return both;
}

static bool is_stale(const struct buf *points, const struct backend_row *proposed)
{
	struct backend_row old;
	const char *cut = points_cut(points);

	return (cut && strcmp(proposed->name, cut) >= 0) ||
	       (points_proposed(points, &old) && old.ts >= proposed->ts);
}

bool points_join(struct buf *points, const struct backend_row *point)
{
	struct buf joined = BUF_NONE;
	struct backend_row old, new = *point;
	bool placed = false, changed = true;

	if (point->deleted && is_stale(points, point))
		return false;
	for (size_t at = 0; backend_rows_next(points, &at, &old);) {
		int order = strcmp(old.name, point->name);
		/* One proposal at a time; none behind what moved. */
		if (old.deleted && (point->deleted || order >= 0))
			continue;
		if (order == 0) {
			new = join(&old, point);
			changed = new.ts != old.ts || !same_totals(&new, &old);
			continue;
		}
		if (order > 0 && !placed) {
			backend_rows_add(&joined, &new);
			placed = true;
		}
		backend_rows_add(&joined, &old);
	}
	if (!placed)
		backend_rows_add(&joined, &new);
	buf_done(points);
	*points = joined;
	return changed;
}

bool points_find(const struct buf *points, const char *name, struct backend_row *ret_point)
{
	struct backend_row point;
	bool found = false;

	for (size_t at = 0; backend_rows_next(points, &at, &point);) {
		if (strcmp(point.name, name) >= 0)
			break;
		*ret_point = point;
		found = true;
	}
	return found;
}

bool points_with_id(const struct buf *points, const char *id, struct backend_row *ret_point)
{
	for (size_t at = 0; backend_rows_next(points, &at, ret_point);) {
		if (strcmp(ret_point->content_type, id) == 0)
			return true;
	}
	return false;
}

const char *points_cut(const struct buf *points)
{
	struct backend_row point;

	for (size_t at = 0; backend_rows_next(points, &at, &point);) {
		if (!point.deleted)
			return point.name;
	}
	return NULL;
}

bool points_proposed(const struct buf *points, struct backend_row *ret_point)
{
	for (size_t at = 0; backend_rows_next(points, &at, ret_point);) {
		if (ret_point->deleted)
			return true;
	}
	return false;
}

void points_forget(struct buf *points, uint64_t ts)
{
	struct buf kept = BUF_NONE;
	struct backend_row point;

	for (size_t at = 0; backend_rows_next(points, &at, &point);) {
		if (point.ts > ts)
			backend_rows_add(&kept, &point);
	}
	buf_done(points);
	*points = kept;
}

void points_totals(const struct buf *points, uint64_t *ret_count, uint64_t *ret_bytes)
{
	struct backend_row point;

	*ret_count = *ret_bytes = 0;
	for (size_t at = 0; backend_rows_next(points, &at, &point);) {
		if (point.deleted)
			continue;
		*ret_count += point.count;
		*ret_bytes += point.bytes;
	}
}

void range_path(const char *account, const char *container, const char *id, struct buf *room,
        const char **ret_account, const char **ret_container)
{
	*ret_account = account;
	*ret_container = container;
	if (!*id)
		return;
	buf_printf(room, "%s/%s/%s", account, container, id);
	*ret_account = RANGES_ACCOUNT;
	*ret_container = buf_text(room);
}

bool range_parts(
        char *name, const char **ret_account, const char **ret_container, const char **ret_id)
{
	char *first = strchr(name, '/'), *last = strrchr(name, '/');

	if (!first || last == first)
		return false;
	*first = *last = 0;
	*ret_account = name;
	*ret_container = first + 1;
	*ret_id = last + 1;
	return true;
}
