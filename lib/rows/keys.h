/* keys: names of things in the store (docs/formats/rows.md). `X` 16 bytes of database key, and
 * for rows the name with its NUL, so that names sort bytewise. Pure. */
#ifndef LIB_ROWS_KEYS_H
#define LIB_ROWS_KEYS_H

#include "lib/rows/row.h"
#include <assert.h>
#include <string.h>

#define KEY_APPLIED  'A' /* alone: how far the log is applied */
#define KEY_DATABASE 'D' /* totals and info of a database */
#define KEY_LIVE     'L' /* rows that listings show */
#define KEY_PENDING  'P' /* empty: the database has something to tell (report, reaping) */
#define KEY_TOMBS    'T' /* deleted rows */

/* The first byte of a database's value. */
enum { DATABASE_PENDING = 1, DATABASE_CONTAINERS = 2 /* counted by policy: accounts */ };

struct key {
	size_t len;
	char data[1 + 16 + ROW_NAME_MAX + 3];
};

static inline void key_database(struct key *key, char prefix, const uint8_t database[16])
{
	key->data[0] = prefix;
	memcpy(key->data + 1, database, 16);
	key->len = 17;
}

/* `len` bytes of the name, and a NUL if `whole`. */
static inline void key_row(struct key *key, char prefix, const uint8_t database[16],
        const char *name, size_t len, bool whole)
{
	assert(len <= ROW_NAME_MAX + 1);
	key_database(key, prefix, database);
	memcpy(key->data + 17, name, len);
	key->data[17 + len] = 0;
	key->len = 17 + len + whole;
}

/* Makes the least key that does not begin with this one. */
static inline void key_successor(struct key *key)
{
	while (key->len > 0 && (uint8_t)key->data[key->len - 1] == 0xff)
		key->len--;
	if (key->len > 0)
		key->data[key->len - 1]++;
}

#endif
