#include "lib/device/index.h"

#include "lib/base/mem.h"
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_AVERAGE 128 /* more than that, and a shard doubles its arrays */
#define BITS_MAX       16

static_assert(sizeof(struct index_entry) == 32, "DESIGN 5.2");

struct index *index_new(void)
{
	struct index *index = mem_zalloc(sizeof(*index));

	for (int i = 0; i < 256; i++)
		index->shards[i].buckets = mem_zalloc(sizeof(struct index_bucket));
	return index;
}

void index_free(struct index *index)
{
	if (!index)
		return;
	for (int i = 0; i < 256; i++) {
		struct index_shard *shard = &index->shards[i];
		for (uint32_t b = 0; b < 1u << shard->bits; b++)
			free(shard->buckets[b].entries);
		free(shard->buckets);
	}
	free(index);
}

static uint32_t bucket_of(const struct index_shard *shard, const uint8_t key[16])
{
	uint32_t bits = (uint32_t)key[1] << 8 | key[2];

	return bits >> (16 - shard->bits);
}

/* In the order of their bytes: as numbers they compare in one step, and here that counts. */
struct wide {
	uint64_t high, low;
};

static struct wide wide_of(const uint8_t key[16])
{
	struct wide wide;

	memcpy(&wide, key, sizeof(wide));
	return (struct wide){be64toh(wide.high), be64toh(wide.low)};
}

static bool before(struct wide a, struct wide b)
{
	return a.high < b.high || (a.high == b.high && a.low < b.low);
}

/* Place of the first entry >= key. */
static uint32_t lower(const struct index_bucket *bucket, const uint8_t key[16])
{
	uint32_t low = 0, high = bucket->count;
	struct wide wanted = wide_of(key);

	while (low < high) {
		uint32_t mid = (low + high) / 2;
		if (before(wide_of(bucket->entries[mid].key), wanted))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct index_entry *index_find(struct index *index, const uint8_t key[16])
{
	struct index_shard *shard = &index->shards[key[0]];
	struct index_bucket *bucket = &shard->buckets[bucket_of(shard, key)];
	uint32_t i = lower(bucket, key);

	if (i == bucket->count || memcmp(bucket->entries[i].key, key, 16) != 0)
		return NULL;
	return &bucket->entries[i];
}

static void resize(struct index_bucket *bucket, uint32_t cap)
{
	bucket->cap = cap;
	if (cap) {
		bucket->entries = mem_realloc(bucket->entries, cap * sizeof(*bucket->entries));
		return;
	}
	free(bucket->entries);
	bucket->entries = NULL;
}

static void split(struct index_shard *shard)
{
	uint32_t count = 1u << shard->bits;
	struct index_bucket *buckets = mem_zalloc(2 * count * sizeof(*buckets));

	shard->bits++;
	for (uint32_t b = 0; b < count; b++) {
		struct index_bucket *low = &buckets[2 * b], *high = low + 1;
		*low = shard->buckets[b];
		uint32_t at = 0;
		while (at < low->count && bucket_of(shard, low->entries[at].key) == 2 * b)
			at++;
		high->count = low->count - at;
		resize(high, high->count);
		if (high->count)
			memcpy(high->entries, low->entries + at,
			        high->count * sizeof(*high->entries));
		low->count = at;
		resize(low, at);
	}
	free(shard->buckets);
	shard->buckets = buckets;
}

struct index_entry *index_add(struct index *index, const uint8_t key[16])
{
	struct index_shard *shard = &index->shards[key[0]];

	if (shard->count >= (uint64_t)BUCKET_AVERAGE << shard->bits && shard->bits < BITS_MAX)
		split(shard);
	struct index_bucket *bucket = &shard->buckets[bucket_of(shard, key)];
	uint32_t i = lower(bucket, key);
	if (bucket->count == bucket->cap)
		resize(bucket, bucket->cap + 2 + bucket->cap / 8);
	struct index_entry *entry = &bucket->entries[i];
	memmove(entry + 1, entry, (bucket->count - i) * sizeof(*entry));
	bucket->count++;
	shard->count++;
	index->count++;
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->key, key, 16);
	return entry;
}

void index_remove(struct index *index, struct index_entry *entry)
{
	struct index_shard *shard = &index->shards[entry->key[0]];
	struct index_bucket *bucket = &shard->buckets[bucket_of(shard, entry->key)];
	uint32_t i = (uint32_t)(entry - bucket->entries);

	assert(i < bucket->count);
	bucket->count--;
	memmove(entry, entry + 1, (bucket->count - i) * sizeof(*entry));
	if (bucket->cap > 16 && bucket->count < bucket->cap / 2)
		resize(bucket, bucket->count);
	shard->count--;
	index->count--;
}

const struct index_entry *index_run(
        const struct index *index, const uint8_t key[16], uint32_t *ret_count)
{
	uint32_t b = bucket_of(&index->shards[key[0]], key);
	uint32_t i = lower(&index->shards[key[0]].buckets[b], key);

	for (unsigned s = key[0]; s < 256; s++, b = 0, i = 0) {
		const struct index_shard *shard = &index->shards[s];
		for (; b < 1u << shard->bits; b++, i = 0) {
			if (i == shard->buckets[b].count)
				continue;
			*ret_count = shard->buckets[b].count - i;
			return &shard->buckets[b].entries[i];
		}
	}
	return NULL;
}

struct index_entry *index_from(struct index *index, const uint8_t key[16])
{
	uint32_t count;

	return (struct index_entry *)(uintptr_t)index_run(index, key, &count);
}

/* Copies the arrays of a shard side by side: shrunk in place, each would leave a gap too small to
 * give back. */
static void pack(struct index_shard *shard)
{
	uint32_t count = 1u << shard->bits;
	struct index_bucket *old = shard->buckets;

	shard->buckets = mem_dup(old, count * sizeof(*old));
	for (uint32_t b = 0; b < count; b++) {
		struct index_bucket *bucket = &shard->buckets[b];
		bucket->cap = bucket->count;
		bucket->entries = bucket->count ? mem_dup(bucket->entries,
		                                          bucket->count * sizeof(*bucket->entries))
		                                : NULL;
	}
	for (uint32_t b = 0; b < count; b++)
		free(old[b].entries);
	free(old);
}

void index_trim(struct index *index)
{
	for (int i = 0; i < 256; i++)
		pack(&index->shards[i]);
}
