/* record: one change of an account or container as it stands in the device's log. Replaying a
 * record twice, or in another order, changes nothing. Pure functions; the bytes are in
 * docs/formats/rows.md. */
#ifndef LIB_ROWS_RECORD_H
#define LIB_ROWS_RECORD_H

#include "lib/rows/row.h"

enum record_type {
	RECORD_PUT = 1, /* created or updated: ts, policy, headers */
	RECORD_POST,    /* ts, headers */
	RECORD_DELETE,  /* ts */
	RECORD_ROWS,    /* rows follow */
	RECORD_NOTE,    /* ts is the LSN up to which the store `key` holds everything */
	RECORD_FORGET,  /* nothing is known of the database any more */
	RECORD_SPLIT,   /* rows are points; ts: no older proposal is taken */
	RECORD_TYPES,
};

struct record {
	uint8_t type, policy;
	uint8_t key[16];
	const char *account, *container; /* "" for none */
	uint64_t ts;
	const void *headers; /* kv block */
	size_t headers_len;
	const void *rows; /* encoded rows: record_next_row */
	size_t rows_len;
	uint32_t row_count;
};

void record_encode(struct buf *buf, const struct record *record);

/* Adds a row after record_encode of a RECORD_ROWS with that row_count. */
void record_add_row(struct buf *buf, const struct backend_row *row);

/* Everything is borrowed from data. ERR_CORRUPT when it is not a whole well-formed record: all
 * rows and headers are checked here. */
enum err record_parse(const void *data, size_t len, struct record *ret_record);

/* Steps through the rows of a parsed record; *at starts at 0. */
bool record_next_row(
        const struct record *record, size_t *at, char etag[33], struct backend_row *ret_row);

#endif
