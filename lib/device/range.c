/* What ranges of keys hold, out of the index: no read of the disk, and never more at a time than
 * the caller asks for. */
#include "lib/device/device_internal.h"

#include <endian.h>
#include <string.h>

void device_agreed(struct device *device, uint8_t policy, uint64_t lsn)
{
	device->agreed_lsn[policy] = lsn;
}

static uint64_t top_of(const uint8_t key[16])
{
	uint64_t top;

	memcpy(&top, key, sizeof(top));
	return be64toh(top);
}

void device_range_start(struct device_range *range)
{
	uint64_t first = htobe64(range->prefix);

	memset(range->key, 0, sizeof(range->key));
	memcpy(range->key, &first, sizeof(first));
	range->done = false;
}

static bool inside(const struct device_range *range, const uint8_t key[16])
{
	return range->bits == 0 || (top_of(key) ^ range->prefix) >> (64 - range->bits) == 0;
}

/* The next slice begins behind this key. */
static void step_behind(struct device_range *range, const uint8_t key[16])
{
	int i = 15;

	memcpy(range->key, key, 16);
	while (i >= 0 && ++range->key[i] == 0)
		i--;
	range->done = i < 0;
}

/* Entries of the range that lie side by side; 0: it is done. */
static uint32_t next_run(struct device *device, struct device_range *range, unsigned most,
        const struct index_entry **ret_run)
{
	const struct index *index = device->index[range->policy];
	uint32_t count = 0, n = 0;

	*ret_run = !range->done && index ? index_run(index, range->key, &count) : NULL;
	if (count > most)
		count = most;
	while (n < count && inside(range, (*ret_run)[n].key))
		n++;
	if (!n)
		range->done = true;
	return n;
}

/* Both halves of a product of 64 bits: each bit of the operands reaches the whole of it. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static bool is_misplaced(const struct device_range *range, const struct index_entry *entry)
{
	unsigned has = index_fragment(entry);

	return has && range->fragment && has != range->fragment;
}

static void add_entry(struct backend_digest *sum, const struct index_entry *entry, uint64_t meta_ts,
        bool misplaced)
{
	uint64_t key[2], times;

	memcpy(key, entry->key, sizeof(key));
	times = fold((uint64_t)entry->ts ^ 0x9e3779b97f4a7c15u, meta_ts ^ 0xc2b2ae3d27d4eb4fu) +
	        (entry->flags & INDEX_DELETED);
	times ^= misplaced ? 0xd6e8feb86659fd93u : 0;
	uint64_t low = fold(key[0] ^ times, key[1] ^ 0xa0761d6478bd642fu);
	uint64_t high = fold(key[1] ^ times ^ 0xe7037ed1a0b428dbu, key[0] ^ 0x8ebc6af09c88c6e3u);
	sum->count++;
	sum->sum[0] += fold(low ^ 0x589965cc75374cc3u, high ^ times);
	sum->sum[1] += fold(high ^ 0x1d8e4e27c47d124fu, low + times);
}

unsigned device_range_digest(struct device *device, struct device_range *range,
        struct backend_digest *sums, unsigned most)
{
	const struct index_entry *run;
	unsigned looked = 0;
	uint32_t n;

	while (looked < most && (n = next_run(device, range, most - looked, &run))) {
		for (uint32_t i = 0; i < n; i++) {
			const struct index_entry *e = &run[i];
			bool old = e->flags & INDEX_DELETED && e->ts < range->before_ts;
			if (old || e->flags & INDEX_FORGOTTEN)
				continue;
			uint64_t rest = range->bits == 64 ? 0 : top_of(e->key) << range->bits;
			uint64_t part = range->fan_out ? rest >> (64 - range->fan_out) : 0;
			add_entry(&sums[part], e, object_meta_ts(device, range->policy, e),
			        is_misplaced(range, e));
		}
		looked += n;
		step_behind(range, run[n - 1].key);
	}
	return looked;
}

unsigned device_range_oldest(
        struct device *device, struct device_range *range, uint64_t *ret_oldest, unsigned most)
{
	const struct index_entry *run;
	unsigned looked = 0;
	uint32_t n;

	while (looked < most && (n = next_run(device, range, most - looked, &run))) {
		for (uint32_t i = 0; i < n; i++) {
			if (!(run[i].flags & (INDEX_DELETED | INDEX_FORGOTTEN)) &&
			        (!*ret_oldest || run[i].ts < *ret_oldest))
				*ret_oldest = run[i].ts;
		}
		looked += n;
		step_behind(range, run[n - 1].key);
	}
	return looked;
}

unsigned device_range_keys(
        struct device *device, struct device_range *range, struct buf *keys, unsigned most)
{
	const struct index_entry *run;
	unsigned looked = 0;
	uint32_t n;

	while (looked < most && (n = next_run(device, range, most - looked, &run))) {
		for (uint32_t i = 0; i < n; i++) {
			const struct index_entry *e = &run[i];
			if (e->flags & INDEX_FORGOTTEN)
				continue;
			struct backend_key key = {
			        .ts = e->ts,
			        .meta_ts = object_meta_ts(device, range->policy, e),
			        .deleted = e->flags & INDEX_DELETED ? 1 : 0,
			        .corrupt = e->flags & INDEX_CORRUPT ? 1 : 0,
			        .misplaced = is_misplaced(range, e),
			};
			memcpy(key.key, e->key, 16);
			buf_add(keys, &key, sizeof(key));
		}
		looked += n;
		step_behind(range, run[n - 1].key);
	}
	return looked;
}
