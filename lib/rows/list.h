/* list: pages of a database's live rows: the store's view with the overlays laid over it.
 * Follows what Swift's container and account servers answer (swift/container/backend.py,
 * list_objects_iter), names ordered bytewise. Blocks on the store; any thread. */
#ifndef LIB_ROWS_LIST_H
#define LIB_ROWS_LIST_H

#include "lib/rows/overlay.h"
#include "lib/store/store.h"

#define LIST_LIMIT_MAX 10000

struct list_source {
	struct store *store;
	const uint8_t *key;          /* the database's */
	struct overlay *overlays[2]; /* newest first; NULL: none */
};

/* Rows from `from` to `to` that cost this long to step over are worth store_compact. */
struct list_gap {
	uint64_t us;
	struct buf from, to; /* owned; store keys */
};

/* Appends encoded rows (backend_rows_add). `gap` may be NULL; it tells the slowest step. */
enum err list_rows(const struct list_source *source, const struct backend_list *list,
        struct buf *ret_rows, struct list_gap *gap);

#endif
