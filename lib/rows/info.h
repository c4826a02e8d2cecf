/* info: what a database (an account or container) knows of itself beside its rows: when it was
 * put and deleted, and its headers, each with the time it was set. Merging is the same in any
 * order, but for created_ts and policy when a delete comes after a younger put (the callers refuse
 * that). Pure. */
#ifndef LIB_ROWS_INFO_H
#define LIB_ROWS_INFO_H

#include "lib/rows/record.h"

struct info {
	uint64_t put_ts, delete_ts;
	uint64_t created_ts; /* of the earliest put after delete_ts that is known, or 0 */
	uint8_t policy;      /* as that put said */
	struct buf headers;  /* owned: timed headers, by name; removed ones stay with "" */
	/* containers: what the account was told last */
	uint64_t reported_count, reported_bytes, reported_put_ts;
	/* containers in ranges: lib/backend/points.h; no proposal before `promised` is taken */
	struct buf points; /* owned */
	uint64_t promised;
};
#define INFO_NONE                                                                                  \
	(struct info)                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

void info_done(struct info *info);

/* Applies a PUT, POST or DELETE record. */
void info_apply(struct info *info, const struct record *record);

/* True when it was put and not deleted since; rows may keep a deleted one alive: rows.c. */
static inline bool info_is_put(const struct info *info)
{
	return info->put_ts > info->delete_ts;
}

/* Bounds of what merged headers may hold, as Swift's servers check them (db.py, validate_metadata):
 * user metadata ("x-...-meta-...") by number and bytes without that prefix; and all of it. */
#define INFO_META_COUNT_MAX 90
#define INFO_META_BYTES_MAX 4096
#define INFO_BYTES_MAX      (64u << 10)

/* False when the info would be past a bound with this record applied. */
bool info_has_room(const struct info *info, const struct record *record);

/* When it was last put, or a header of it last set. */
uint64_t info_changed_ts(const struct info *info);

/* The headers that are set, as a kv block; and a hash of them. */
void info_headers(const struct info *info, struct buf *ret_block);
void info_hash(const struct info *info, uint64_t ret_hash[2]);

/* The same of its points; `totals`: with what the ranges told. */
void info_points_hash(const struct info *info, bool totals, uint64_t ret_hash[2]);

/* Times at which headers were set or removed: the least above `after`, or 0; and what was then set,
 * removed ones with an empty value. */
uint64_t info_next_ts(const struct info *info, uint64_t after);
void info_headers_at(const struct info *info, uint64_t ts, struct buf *ret_block);

void info_encode(
        struct buf *buf, const struct info *info, const char *account, const char *container);

/* The names are borrowed from data. False when malformed; *ret_info is then INFO_NONE. */
bool info_decode(const void *data, size_t len, size_t *at, struct info *ret_info,
        const char **ret_account, const char **ret_container);

#endif
