/* points: the ranges of a container that was split. Behind a point, in the order of names, another
 * database keeps the rows (docs/decisions/0006-ranges.md). In messages a point is a row: name, the
 * last that stays; content_type, the id of who keeps the names behind it; ts, when it was proposed;
 * deleted: it is agreed upon perhaps, and rows are copied, but not moved yet; count, bytes,
 * totals_ts: what its range told last. Points are encoded as rows, in order of their names: those
 * that moved, and at most one that has not, before all of them. Pure. */
#ifndef LIB_BACKEND_POINTS_H
#define LIB_BACKEND_POINTS_H

#include "lib/backend/backend.h"

/* Hidden containers of this account are ranges: "account/container/id" of whose they are. */
#define RANGES_ACCOUNT ".ranges"
#define RANGE_ID_MAX   64

/* What DB_SPLIT does (msg->stage), with msg->rows[0] as the point. */
enum split_stage {
	SPLIT_PREPARE = 1, /* no proposal older than ts is taken from now on; no row */
	SPLIT_ACCEPT,      /* the point is proposed at ts */
	SPLIT_MOVED,       /* the rows are there: names behind it are refused here */
	SPLIT_TOTALS,      /* count and bytes of the range with that id, as of totals_ts */
	/* No row is taken for BACKEND_STILL_S, in memory alone: ERR_CONFLICT when there are rows,
	 * or points that msg->rows does not name. len 0: rows are taken again. */
	SPLIT_STILL,
};

/* Joins a point into the others, the same in any order among those that moved; of proposals the
 * latest counts. True when that changed anything. */
bool points_join(struct buf *points, const struct backend_row *point);

/* The nearest point before a name. False: there is none. */
bool points_find(const struct buf *points, const char *name, struct backend_row *ret_point);

/* That with this id. */
bool points_with_id(const struct buf *points, const char *id, struct backend_row *ret_point);

/* The last name that did not move; NULL: nothing did. Borrowed from points. */
const char *points_cut(const struct buf *points);

/* The one that has not moved. */
bool points_proposed(const struct buf *points, struct backend_row *ret_point);

/* Only those proposed later than ts stay. */
void points_forget(struct buf *points, uint64_t ts);

/* Sums of what the ranges behind moved points told. */
void points_totals(const struct buf *points, uint64_t *ret_count, uint64_t *ret_bytes);

/* Where the range with this id is kept: the names of a container (id "": the one it is of). The
 * text of a range's container is appended to `room`. */
void range_path(const char *account, const char *container, const char *id, struct buf *room,
        const char **ret_account, const char **ret_container);

/* Of which container a range is: cuts "account/container/id" into its parts, in place. */
bool range_parts(
        char *name, const char **ret_account, const char **ret_container, const char **ret_id);

/* The least name behind `name` and all that is not: for bounds that exclude what they name. */
#define POINT_BEHIND "\x01"

#endif
