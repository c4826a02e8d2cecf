/* index: versions of objects in memory, in the order of their keys: 32 bytes each in sorted
 * arrays, 256 shards by the first byte of the key, each shard split into more arrays as it
 * grows. */
#ifndef LIB_DEVICE_INDEX_H
#define LIB_DEVICE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

enum {
	INDEX_DELETED = 1,
	INDEX_POSTED = 2,
	INDEX_EXTENTS = 4,
	INDEX_CORRUPT = 8,
	INDEX_EXPIRES = 16,
	INDEX_FORGOTTEN = 32, /* as if it were not there: kept so that a restart does not find it
	                         again */
	INDEX_FRAGMENT = 6    /* from this bit on its number */
};

struct index_entry {
	uint8_t key[16];
	uint64_t ts : 50, flags : 14;
	uint64_t at; /* see at_make */
};

struct index_bucket {
	struct index_entry *entries; /* owned, sorted */
	uint32_t count, cap;
};

struct index {
	struct index_shard {
		struct index_bucket *buckets; /* owned, 1 << bits of them */
		uint32_t bits, count;
	} shards[256];
	uint64_t count;
};

/* Place of a record in 64 bits: unit, offset and length in 64 bytes. */
static inline uint64_t at_make(uint32_t unit, uint32_t off, uint32_t len)
{
	return (uint64_t)unit << 40 | (uint64_t)(off / 64) << 16 | len / 64;
}
static inline uint32_t at_unit(uint64_t at)
{
	return (uint32_t)(at >> 40);
}
static inline uint32_t at_off(uint64_t at)
{
	return (uint32_t)(at >> 16 & 0xffffff) * 64;
}
static inline uint32_t at_len(uint64_t at)
{
	return (uint32_t)(at & 0xffff) * 64;
}

static inline unsigned index_fragment(const struct index_entry *entry)
{
	return entry->flags >> INDEX_FRAGMENT & 31;
}

struct index *index_new(void);
void index_free(struct index *index); /* NULL is fine */

/* Pointers are valid until the next add or remove. */
struct index_entry *index_find(struct index *index, const uint8_t key[16]);
struct index_entry *index_add(struct index *index, const uint8_t key[16]); /* must not be there */
void index_remove(struct index *index, struct index_entry *entry);
/* The first with a key >= `key`, or NULL. */
struct index_entry *index_from(struct index *index, const uint8_t key[16]);

/* The same, and how many entries from there on lie side by side, in
 * order. NULL at the end. */
const struct index_entry *index_run(
        const struct index *index, const uint8_t key[16], uint32_t *ret_count);

/* Gives room kept for growth back. */
void index_trim(struct index *index);

#endif
