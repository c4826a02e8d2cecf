/* cache: verified bytes of device units in memory, bounded in bytes. What was read once waits on
 * probation; a second use moves it to the main part, so one long scan cannot empty the cache. A
 * unit that is reused gets a new nonce, so old entries are never hit and age out.
 * One cache per reactor; all calls on its thread. */
#ifndef LIB_CACHE_CACHE_H
#define LIB_CACHE_CACHE_H

#include "lib/base/bytes.h"
#include <stdbool.h>

struct cache;

struct cache_key {
	uint32_t device, unit;
	uint64_t nonce;
	uint32_t offset; /* in the unit */
};

/* `len` bytes at bytes->data + at. */
struct cache_item {
	struct bytes *bytes;
	uint32_t at, len;
};

struct cache *cache_new(size_t bytes_max);
void cache_free(struct cache *cache); /* NULL is fine */

/* Lends the item: the reference is the cache's, valid until the next call; take one to keep it. */
bool cache_get(struct cache *cache, const struct cache_key *key, struct cache_item *ret_item);

/* Takes a reference of its own. An entry of that key is replaced. Items larger than a quarter of
 * the cache are not kept. Several items may share one large `bytes`; it is copied out of there on
 * the second use, so that a hot record does not hold a whole batch. */
void cache_put(struct cache *cache, const struct cache_key *key, const struct cache_item *item);

void cache_drop(struct cache *cache, const struct cache_key *key);

/* Bytes held now. */
size_t cache_bytes(const struct cache *cache);

#endif
