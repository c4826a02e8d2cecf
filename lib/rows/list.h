/* list: pages of a database's live rows: the store's view with the overlays laid over it.
 * Follows what Swift's container and account servers answer (swift/container/backend.py,
 * list_objects_iter), names ordered bytewise. Blocks on the store; any thread. */
#ifndef LIB_ROWS_LIST_H
#define LIB_ROWS_LIST_H

#include "lib/rows/overlay.h"
#include "lib/store/store.h"

#define LIST_LIMIT_MAX 10200 /* 10000, and some for those who merge replicas */

struct list_source {
	struct store *store;
	const uint8_t *key;          /* the database's */
	struct overlay *overlays[2]; /* newest first; NULL: none */
	const char *cut;             /* names behind it are not there; NULL: all are */
};

/* The slowest seek, when it took LIST_GAP_SLOW_US: what lies between the two keys is full of
 * removed rows that LevelDB stepped over, worth store_compact. */
#define LIST_GAP_SLOW_US 4000
struct list_gap {
	uint64_t us;
	struct buf from, to; /* owned; store keys */
};

/* Appends encoded rows (backend_rows_add). `gap` (zeroed) may be NULL. */
enum err list_rows(const struct list_source *source, const struct backend_list *list,
        struct buf *ret_rows, struct list_gap *gap);

/* Appends what is known of each of these names, tombstones too. */
enum err list_names(const struct list_source *source, const struct backend_row *names,
        unsigned count, struct buf *ret_rows);

#endif
