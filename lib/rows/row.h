/* row: one name of a listing: how two versions of it become one, what it adds to the totals, and
 * its bytes in records and in the store (docs/formats/rows.md). Pure functions.
 *
 * A row has two groups of fields, each last-writer-wins with a total order for ties, so that rows
 * merge to the same result in any order of arrival:
 *   objects:    { ts: deleted, bytes, etag, policy, { meta_ts: content_type } }
 *   containers: { ts: deleted, policy }               { totals_ts: count, bytes } */
#ifndef LIB_ROWS_ROW_H
#define LIB_ROWS_ROW_H

#include "lib/backend/backend.h"

#define ROW_NAME_MAX 4096  /* bytes of a name; the HTTP side asks for less */
#define ROW_TEXT_MAX 32768 /* content type, etag */

/* Merges two versions of a row of the same name. The texts stay borrowed from a and b. */
void row_join(enum backend_kind kind, const struct backend_row *a, const struct backend_row *b,
        struct backend_row *ret_row);

/* True when both say the same. */
bool row_equal(const struct backend_row *a, const struct backend_row *b);

/* Puts a row that came from outside into the form that row_join expects. */
void row_normalise(enum backend_kind kind, struct backend_row *row);

/* What a row adds to the totals of its database. */
struct weight {
	bool live;
	uint8_t policy;
	uint64_t containers, count, bytes, hash[2];
};
void row_weigh(enum backend_kind kind, const struct backend_row *row, struct weight *ret_weight);

struct totals {
	uint64_t rows; /* live ones */
	uint64_t hash[2];
	uint64_t containers[BACKEND_POLICIES], count[BACKEND_POLICIES], bytes[BACKEND_POLICIES];
};
void totals_add(struct totals *totals, const struct weight *weight);
void totals_sub(struct totals *totals, const struct weight *weight);
/* With or without `containers`, which only accounts have. */
void totals_encode(struct buf *buf, const struct totals *totals, bool containers);
bool totals_decode(
        const void *data, size_t len, size_t *at, bool containers, struct totals *ret_totals);

/* 128 bits of hash of some bytes, the same in every process: sums of them tell contents apart. */
void row_hash(const void *data, size_t len, uint64_t seed, uint64_t ret_hash[2]);

/* Everything but the name. */
void row_encode(struct buf *buf, const struct backend_row *row);

/* Takes a row from data at *at; its content_type is borrowed from there, its etag from there or
 * from `etag`. The name is untouched. False when malformed. */
bool row_decode(
        const void *data, size_t len, size_t *at, char etag[33], struct backend_row *ret_row);

#endif
