/* ranged: a listing (or HEAD) of a container through all its ranges. First the container itself,
 * which tells the points; then the totals of all ranges at once, and page after page of those that
 * the listing meets, in its order. Ranges tell of further points: those are followed. */
#ifndef PROXY_RANGED_H
#define PROXY_RANGED_H

#include "proxy/db.h"

struct range_head {
	struct db_read read;
	struct buf room; /* owned: text of its name */
	char id[RANGE_ID_MAX + 1];
	bool proposed; /* its names have not moved: it does not count */
};

struct ranged {
	struct db_read root;       /* reply and headers count; rows are all that were found */
	struct backend_list list;  /* what is asked for; limit 0: no rows */
	struct buf points;         /* all that are known */
	struct range_head **heads; /* owned */
	unsigned head_count;
	struct db_read page;
	struct buf page_room, bound; /* owned: its container's name; the bound of its names */
	char *low, *high;            /* owned: the range at hand; NULL: without an end */
	struct buf rows;
	unsigned found;
	uint64_t count[BACKEND_POLICIES], bytes[BACKEND_POLICIES];
	bool proposals; /* the caller's: ranges that are being filled are asked too */
	bool listing, totals, paging, began, walked, done;
	enum err err; /* OK, NOT_FOUND, UNAVAILABLE */
};

/* Call from a state until it returns true. listing NULL: HEAD. */
bool ranged_read(struct ranged *ranged, struct request *request, const struct listing *listing);

/* Totals and headers alone, or rows alone, of another container: root's op, proxy, account and
 * container are set.
 */
bool ranged_head(struct ranged *ranged);
bool ranged_rows(struct ranged *ranged, const struct backend_list *list);

void ranged_done(struct ranged *ranged);

/* container.c: headers of an answer, of what was read. */
void container_totals(struct request *request, const struct ranged *read);

#endif
