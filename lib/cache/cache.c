#include "lib/cache/cache.h"

#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

enum { PROBATION, MAIN, PARTS };

struct entry {
	struct hash_node node;
	struct list list;
	struct cache_key key;
	struct cache_item item; /* owned reference */
	uint32_t cost;
	uint8_t part;
};

struct cache {
	struct hash hash;
	struct list parts[PARTS]; /* newest first */
	size_t bytes[PARTS], bytes_max;
};

#define SHARED_MIN 32768u /* memory this large may be a batch that many items share */
#define ENTRY_COST ((uint32_t)(sizeof(struct entry) + sizeof(struct bytes) + 32))

struct cache *cache_new(size_t bytes_max)
{
	struct cache *cache = mem_zalloc(sizeof(*cache));

	cache->bytes_max = bytes_max;
	for (int i = 0; i < PARTS; i++)
		list_init(&cache->parts[i]);
	return cache;
}

static void drop(struct cache *cache, struct entry *entry)
{
	hash_remove(&cache->hash, &entry->node);
	list_remove(&entry->list);
	cache->bytes[entry->part] -= entry->cost;
	bytes_unref(entry->item.bytes);
	free(entry);
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	for (int i = 0; i < PARTS; i++) {
		LIST_EACH_SAFE (node, &cache->parts[i])
			drop(cache, LIST_ENTRY(node, struct entry, list));
	}
	hash_done(&cache->hash);
	free(cache);
}

static uint64_t hash_of(const struct cache_key *key)
{
	uint64_t h = key->nonce * 0x9e3779b97f4a7c15u;

	h ^= ((uint64_t)key->unit << 32 | key->offset) * 0xd6e8feb86659fd93u;
	h = (h ^ key->device) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static struct entry *find(struct cache *cache, const struct cache_key *key, uint64_t hash)
{
	struct hash_node *node = hash_find(&cache->hash, hash);

	for (; node; node = hash_find_next(node)) {
		struct entry *entry = CONTAINER_OF(node, struct entry, node);
		if (entry->key.offset == key->offset && entry->key.unit == key->unit &&
		        entry->key.nonce == key->nonce && entry->key.device == key->device)
			return entry;
	}
	return NULL;
}

static void evict(struct cache *cache)
{
	while (cache->bytes[PROBATION] + cache->bytes[MAIN] > cache->bytes_max) {
		bool first = cache->bytes[PROBATION] > cache->bytes_max / 8 ||
		             list_empty(&cache->parts[MAIN]);
		struct list *part = &cache->parts[first ? PROBATION : MAIN];
		drop(cache, LIST_ENTRY(part->prev, struct entry, list));
	}
}

static void place(struct cache *cache, struct entry *entry, uint8_t part)
{
	list_remove(&entry->list);
	list_prepend(&cache->parts[part], &entry->list);
	cache->bytes[entry->part] -= entry->cost;
	entry->part = part;
	cache->bytes[part] += entry->cost;
}

/* Whether the item's memory is much larger than the item, or a small aligned piece, around which
 * an allocator leaves gaps. */
static bool wasteful(const struct cache_item *item)
{
	return item->bytes->cap > (size_t)item->len + item->len / 8;
}

static struct bytes *exact_copy(const struct cache_item *item)
{
	struct bytes *copy = bytes_new_exact(item->len);

	if (copy) {
		memcpy(copy->data, item->bytes->data + item->at, item->len);
		copy->len = item->len;
	}
	return copy;
}

/* Gives a much used item memory of its own. */
static void unshare(struct cache *cache, struct entry *entry)
{
	struct cache_item *item = &entry->item;

	if (!wasteful(item))
		return;
	struct bytes *copy = exact_copy(item);
	if (!copy)
		return;
	bytes_unref(item->bytes);
	*item = (struct cache_item){copy, 0, item->len};
	cache->bytes[entry->part] -= entry->cost;
	entry->cost = (uint32_t)copy->cap + ENTRY_COST;
	cache->bytes[entry->part] += entry->cost;
}

bool cache_get(struct cache *cache, const struct cache_key *key, struct cache_item *ret_item)
{
	struct entry *entry = find(cache, key, hash_of(key));

	if (!entry)
		return false;
	if (entry->part == PROBATION)
		unshare(cache, entry);
	place(cache, entry, MAIN);
	*ret_item = entry->item;
	if (cache->bytes[PROBATION] + cache->bytes[MAIN] > cache->bytes_max) {
		/* The copy may have outgrown the bound: the item just used goes last. */
		evict(cache);
		if (!find(cache, key, hash_of(key)))
			return false;
	}
	return true;
}

void cache_put(struct cache *cache, const struct cache_key *key, const struct cache_item *item)
{
	uint64_t hash = hash_of(key);
	struct entry *entry = find(cache, key, hash);

	if (entry)
		drop(cache, entry);
	bool shared = item->bytes->cap >= SHARED_MIN && wasteful(item);
	uint32_t cost = (shared || wasteful(item) ? item->len : (uint32_t)item->bytes->cap);
	cost += ENTRY_COST;
	if (cost > cache->bytes_max / 4)
		return;
	struct bytes *own = shared || !wasteful(item) ? bytes_ref(item->bytes) : exact_copy(item);
	if (!own)
		return;
	entry = mem_zalloc(sizeof(*entry));
	entry->key = *key;
	entry->item = (struct cache_item){own, own == item->bytes ? item->at : 0, item->len};
	entry->cost = cost;
	list_init(&entry->list);
	hash_insert(&cache->hash, &entry->node, hash);
	cache->bytes[PROBATION] += cost;
	entry->part = PROBATION;
	list_prepend(&cache->parts[PROBATION], &entry->list);
	evict(cache);
}

void cache_drop(struct cache *cache, const struct cache_key *key)
{
	struct entry *entry = find(cache, key, hash_of(key));

	if (entry)
		drop(cache, entry);
}

size_t cache_bytes(const struct cache *cache)
{
	return cache->bytes[PROBATION] + cache->bytes[MAIN];
}
