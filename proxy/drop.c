#include "proxy/drop.h"

#include "lib/base/mem.h"
#include "proxy/ranges.h"
#include <stdlib.h>

#define DEADLINE_MS 10000

enum { EMPTY, STILL, WRITE, RANGES, DONE };

/* The points that are known of a range: a device that knows others refuses. */
static void name_points(struct backend_msg *msg, const struct buf *points)
{
	struct backend_row point, *rows;
	unsigned count = 0;

	for (size_t at = 0; backend_rows_next(points, &at, &point);)
		count++;
	msg->rows = rows = count ? backend_msg_alloc(msg, count * sizeof(*rows)) : NULL;
	for (size_t at = 0; backend_rows_next(points, &at, &point);)
		rows[msg->row_count++] =
		        (struct backend_row){.name = backend_msg_strdup(msg, point.content_type),
		                .content_type = "",
		                .etag = "",
		                .ts = point.ts};
}

static void ask(
        struct drop *d, const struct db_read *read, struct backend_msg *msg, struct fan *ret_fan)
{
	backend_msg_path(msg, read->account, read->container, NULL);
	msg->ts = d->ts;
	name_points(msg, &read->points);
	fan_done(ret_fan);
	fan_ask(ret_fan, d->read.root.op, d->read.root.proxy, msg, &read->place, DEADLINE_MS);
}

static void ask_ranges(struct drop *d, enum backend_op op, bool still)
{
	if (!d->ranges)
		d->ranges = mem_zalloc((d->read.head_count + 1) * sizeof(*d->ranges));
	for (unsigned i = 0; i < d->read.head_count; i++) {
		struct backend_msg *msg = backend_msg_new(op, BACKEND_CONTAINER);
		msg->stage = op == BACKEND_DB_SPLIT ? SPLIT_STILL : 0;
		msg->len = still;
		ask(d, &d->read.heads[i]->read, msg, &d->ranges[i]);
	}
}

static void ask_root(struct drop *d, bool still)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_DB_SPLIT, BACKEND_CONTAINER);

	msg->stage = SPLIT_STILL;
	msg->len = still;
	ask(d, &d->read.root, msg, &d->still);
}

static bool end(struct drop *d, enum err err)
{
	if (err && d->still.count)
		ask_root(d, false);
	if (err && d->ranges)
		ask_ranges(d, BACKEND_DB_SPLIT, false);
	d->err = err;
	d->phase = DONE;
	return true;
}

static void write_root(struct drop *d)
{
	d->phase = WRITE;
	ask(d, &d->read.root, backend_msg_new(BACKEND_DB_DELETE, BACKEND_CONTAINER), &d->write);
}

static bool empty(struct drop *d)
{
	uint64_t objects = 0;

	d->read.proposals = true;
	if (!ranged_head(&d->read))
		return false;
	for (unsigned p = 0; p < BACKEND_POLICIES && !d->read.err; p++)
		objects += d->read.count[p];
	if (d->read.err || objects)
		return end(d, d->read.err ? d->read.err : ERR_CONFLICT);
	/* Other systems' devices promise nothing. */
	if (d->read.root.proxy->backend->plain) {
		write_root(d);
		return false;
	}
	d->phase = STILL;
	ask_root(d, true);
	if (d->read.head_count)
		ask_ranges(d, BACKEND_DB_SPLIT, true);
	return false;
}

/* A range that is not there has no rows. */
static bool still(struct drop *d)
{
	for (unsigned i = 0; i <= d->read.head_count; i++) {
		const struct fan *fan = i ? &d->ranges[i - 1] : &d->still;
		if (fan_knows(fan))
			continue;
		if (fan_open(fan))
			return false;
		return end(d, fan_with(fan, ERR_CONFLICT) ? ERR_CONFLICT : ERR_UNAVAILABLE);
	}
	write_root(d);
	return false;
}

static bool written(struct drop *d)
{
	bool open;
	enum err err = db_outcome(&d->write, &open);

	if (open)
		return false;
	if (err || !d->read.head_count)
		return end(d, err);
	d->phase = RANGES;
	ask_ranges(d, BACKEND_DB_DELETE, false);
	return false;
}

static bool ranges(struct drop *d)
{
	const struct db_read *root = &d->read.root;

	for (unsigned i = 0; i < d->read.head_count; i++) {
		if (fan_open(&d->ranges[i]))
			return false;
	}
	ranges_forget(root->proxy, root->account, root->container);
	return end(d, ERR_OK);
}

bool drop_ready(struct drop *d)
{
	if (d->phase == EMPTY && empty(d))
		return true;
	if (d->phase == STILL && still(d))
		return true;
	if (d->phase == WRITE && written(d))
		return true;
	if (d->phase == RANGES && ranges(d))
		return true;
	return d->phase == DONE;
}

void drop_done(struct drop *d)
{
	for (unsigned i = 0; d->ranges && i < d->read.head_count; i++)
		fan_done(&d->ranges[i]);
	free(d->ranges);
	fan_done(&d->still);
	fan_done(&d->write);
	ranged_done(&d->read);
	*d = (struct drop){0};
}
