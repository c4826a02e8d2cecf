/* overlay: rows that are durable in the log and not yet in the store, in order of (database key,
 * name). One generation at a time takes new rows, the one before it may be on its way to the
 * store; a generation goes as a whole.
 *
 * A skip list with one writing thread (the reactor) and any number of readers: nodes are only
 * added, and a node's row is replaced by one pointer store, so readers need no lock. What a
 * replaced row occupied stays until the generation goes. */
#ifndef LIB_ROWS_OVERLAY_H
#define LIB_ROWS_OVERLAY_H

#include "lib/rows/row.h"
#include <stdatomic.h>

#define OVERLAY_LEVELS 14

struct overlay;
struct space;

struct overlay_node {
	struct space *space; /* the overlay's users'; the database */
	uint8_t key[16];
	const char *name;
	uint16_t name_len;
	uint8_t below; /* BELOW_... once resolved */
	bool resolved;
	/* What this generation knows, merged with what lies below once that was read. Readers see
	 * it then, not before: an older row would show that a tombstone in the store outdates. */
	const struct backend_row *row;
	_Atomic(const struct backend_row *) shown;
	struct weight base; /* of the row below */
	struct overlay *overlay;
	struct overlay_node *waiting; /* next in the queue of unresolved nodes */
	struct overlay_node *newer;   /* same name in the next generation, waits for this one */
	uint8_t height;
	_Atomic(struct overlay_node *) next[];
};

enum { BELOW_NOTHING, BELOW_LIVE, BELOW_TOMBSTONE };

struct overlay *overlay_new(uint64_t seed);
struct overlay *overlay_ref(struct overlay *overlay);
void overlay_unref(struct overlay *overlay); /* the writing thread only */
size_t overlay_bytes(const struct overlay *overlay);

/* Memory that lives as long as the generation. The writing thread only. */
void *overlay_alloc(struct overlay *overlay, size_t size);
const struct backend_row *overlay_copy_row(
        struct overlay *overlay, const char *name, const struct backend_row *row);

/* The node of that name, or NULL. */
struct overlay_node *overlay_find(
        const struct overlay *overlay, const uint8_t key[16], const char *name, size_t len);

/* Adds a node that is not there. The writing thread only. */
struct overlay_node *overlay_add(
        struct overlay *overlay, const uint8_t key[16], const char *name, size_t len);

/* First node >= (key, name), last node < it; NULL at the ends. Nodes of other databases too. */
struct overlay_node *overlay_seek(
        const struct overlay *overlay, const uint8_t key[16], const char *name, size_t len);
struct overlay_node *overlay_seek_before(
        const struct overlay *overlay, const uint8_t key[16], const char *name, size_t len);
struct overlay_node *overlay_next(const struct overlay_node *node);

#endif
