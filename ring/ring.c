#include "ring/ring.h"

#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include "ring/ring_internal.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ring *ring_new(void)
{
	struct ring *ring = mem_zalloc(sizeof(*ring));

	atomic_init(&ring->refs, 1);
	ring->format_version = 1;
	return ring;
}

struct ring *ring_ref(struct ring *ring)
{
	atomic_fetch_add(&ring->refs, 1);
	return ring;
}

void ring_unref(struct ring *ring)
{
	if (!ring || atomic_fetch_sub(&ring->refs, 1) != 1)
		return;
	for (uint32_t id = 0; id < ring->dev_limit; id++)
		ring_dev_clear(&ring->devs[id]);
	free(ring->devs);
	free(ring->places);
	free(ring->table);
	free(ring);
}

void ring_dev_copy(struct ring_dev *to, const struct ring_dev *from)
{
	*to = *from;
	to->ip = mem_strdup(from->ip);
	to->replication_ip = mem_strdup(from->replication_ip);
	to->device = mem_strdup(from->device);
	to->meta = mem_strdup(from->meta);
}

void ring_dev_clear(struct ring_dev *dev)
{
	free(dev->ip);
	free(dev->replication_ip);
	free(dev->device);
	free(dev->meta);
	*dev = (struct ring_dev){.id = dev->id};
}

/* How many leading tiers two devices share: 0 none, 1 region, 2 zone, 3 address. */
static int shared_tiers(const struct ring_dev *a, const struct ring_dev *b)
{
	if (a->region != b->region)
		return 0;
	if (a->zone != b->zone)
		return 1;
	return strcmp(a->ip, b->ip) ? 2 : 3;
}

int ring_dev_order(const void *left, const void *right)
{
	const struct ring_dev *a = *(const struct ring_dev *const *)left;
	const struct ring_dev *b = *(const struct ring_dev *const *)right;

	if (a->region != b->region)
		return a->region < b->region ? -1 : 1;
	if (a->zone != b->zone)
		return a->zone < b->zone ? -1 : 1;
	int order = strcmp(a->ip, b->ip);
	if (order)
		return order;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* Numbers regions, zones, addresses and devices that hold partitions. */
static void number_places(struct ring *ring, const bool *holds)
{
	const struct ring_dev **sorted = mem_zalloc((ring->dev_limit + 1) * sizeof(*sorted));
	uint32_t count = 0;

	for (uint32_t id = 0; id < ring->dev_limit; id++) {
		if (holds[id])
			sorted[count++] = &ring->devs[id];
	}
	qsort(sorted, count, sizeof(*sorted), ring_dev_order);
	for (uint32_t i = 0; i < count; i++) {
		int shared = i ? shared_tiers(sorted[i - 1], sorted[i]) : 0;
		for (int tier = shared; tier < TIER_COUNT; tier++)
			ring->place_count[tier]++;
		for (int tier = 0; tier < TIER_COUNT; tier++)
			ring->places[sorted[i]->id][tier] = ring->place_count[tier] - 1;
	}
	free(sorted);
}

enum err ring_finish(struct ring *ring)
{
	bool *holds = mem_zalloc(ring->dev_limit);
	enum err err = ERR_OK;

	for (unsigned row = 0; row < ring->rows && !err; row++) {
		uint64_t parts = ring_row_parts(ring, row);
		for (uint64_t part = 0; part < parts; part++) {
			uint32_t id = ring_entry(ring, row, part);
			if (id >= ring->dev_limit || !ring_dev_exists(&ring->devs[id])) {
				err = ERR_CORRUPT;
				break;
			}
			holds[id] = true;
		}
	}
	ring->places = mem_zalloc(ring->dev_limit * sizeof(*ring->places));
	if (!err)
		number_places(ring, holds);
	free(holds);
	return err;
}

unsigned ring_part_power(const struct ring *ring)
{
	return ring->part_power;
}

uint64_t ring_parts(const struct ring *ring)
{
	return ring->parts;
}

unsigned ring_rows(const struct ring *ring)
{
	return ring->rows;
}

double ring_replicas(const struct ring *ring)
{
	if (!ring->rows)
		return 0;
	return ring->rows - 1 + (double)ring->last_row_parts / (double)ring->parts;
}

unsigned ring_next_part_power(const struct ring *ring)
{
	return ring->next_part_power;
}

uint64_t ring_version(const struct ring *ring)
{
	return ring->version;
}

unsigned ring_format_version(const struct ring *ring)
{
	return ring->format_version;
}

uint32_t ring_dev_limit(const struct ring *ring)
{
	return ring->dev_limit;
}

const struct ring_dev *ring_dev(const struct ring *ring, uint32_t id)
{
	if (id >= ring->dev_limit || !ring_dev_exists(&ring->devs[id]))
		return NULL;
	return &ring->devs[id];
}

void ring_hash_path(struct ring_name prefix, struct ring_name suffix, struct ring_name account,
        struct ring_name container, struct ring_name object, uint8_t ret_key[RING_KEY_BYTES])
{
	char small[2048], *path = small;
	size_t size = prefix.len + suffix.len + account.len + container.len + object.len + 3;

	assert(account.text && (container.text || !object.text));
	if (size > sizeof(small))
		path = mem_realloc(NULL, size);

	char *end = path;
	if (prefix.len)
		end = mempcpy(end, prefix.text, prefix.len);
	const struct ring_name names[] = {account, container, object};
	for (size_t i = 0; i < COUNT_OF(names) && names[i].text; i++) {
		*end++ = '/';
		end = mempcpy(end, names[i].text, names[i].len);
	}
	if (suffix.len)
		end = mempcpy(end, suffix.text, suffix.len);
	md5_digest(path, (size_t)(end - path), ret_key);
	if (path != small)
		free(path);
}

uint32_t ring_partition(const struct ring *ring, const uint8_t key[RING_KEY_BYTES])
{
	uint64_t head = (uint32_t)key[0] << 24 | key[1] << 16 | key[2] << 8 | key[3];

	return (uint32_t)(head >> (32 - ring->part_power));
}

bool ring_assigned(const struct ring *ring, unsigned row, uint32_t part, uint32_t *ret_dev)
{
	if (row >= ring->rows || part >= ring_row_parts(ring, row))
		return false;
	*ret_dev = ring_entry(ring, row, part);
	return true;
}

unsigned ring_primaries(
        const struct ring *ring, uint32_t part, uint32_t *ret_devs, unsigned devs_max)
{
	unsigned count = 0;

	for (unsigned row = 0; row < ring->rows && count < devs_max; row++) {
		uint32_t dev;
		unsigned i = 0;

		if (!ring_assigned(ring, row, part, &dev))
			break;
		while (i < count && ret_devs[i] != dev)
			i++;
		if (i == count)
			ret_devs[count++] = dev;
	}
	return count;
}

/* Place of a device in one tier as a bit of `seen`, where the tiers follow each other. */
static uint64_t seen_bit(const struct ring *ring, int tier, uint32_t dev)
{
	uint64_t bit = ring->places[dev][tier];

	for (int before = 0; before < tier; before++)
		bit += ring->place_count[before];
	return bit;
}

static bool seen(const struct ring_handoffs *handoffs, int tier, uint32_t dev)
{
	uint64_t bit = seen_bit(handoffs->ring, tier, dev);

	return handoffs->seen[bit / 64] >> (bit % 64) & 1;
}

static void see(struct ring_handoffs *handoffs, uint32_t dev)
{
	for (int tier = 0; tier < TIER_COUNT; tier++) {
		uint64_t bit = seen_bit(handoffs->ring, tier, dev);
		if (seen(handoffs, tier, dev))
			continue;
		handoffs->seen[bit / 64] |= 1ull << (bit % 64);
		handoffs->seen_count[tier]++;
	}
}

/* The walk over partitions: from a start that the partition's number hashes to, up to the end in
 * steps of parts/65536, and from the bottom again until the start (swift/common/ring/ring.py,
 * get_more_nodes). Its second leg never begins at 0: a step of the walk is added first. */
static uint64_t walk_part(const struct ring *ring, uint64_t start, uint64_t step)
{
	uint64_t stride = ring->parts > 65536 ? ring->parts / 65536 : 1;
	uint64_t first_leg = (ring->parts - start + stride - 1) / stride;

	if (step < first_leg)
		return start + step * stride;
	uint64_t at = stride - (ring->parts - start) % stride + (step - first_leg) * stride;
	return at < start ? at : UINT64_MAX;
}

static uint64_t walk_start(const struct ring *ring, uint32_t part)
{
	char text[16];
	uint8_t digest[16];
	int len = snprintf(text, sizeof(text), "%u", part);

	md5_digest(text, (size_t)len, digest);
	return ring_partition(ring, digest);
}

void ring_handoffs_init(struct ring_handoffs *handoffs, const struct ring *ring, uint32_t part)
{
	uint64_t bits = 0;

	*handoffs = (struct ring_handoffs){.ring = ring, .part = part};
	for (int tier = 0; tier < TIER_COUNT; tier++)
		bits += ring->place_count[tier];
	handoffs->seen = bits <= 64 * COUNT_OF(handoffs->small)
	                         ? handoffs->small
	                         : mem_zalloc((bits / 64 + 1) * sizeof(uint64_t));

	handoffs->start = walk_start(ring, part);
	for (unsigned row = 0; row < ring->rows; row++) {
		uint32_t dev;
		if (ring_assigned(ring, row, part, &dev))
			see(handoffs, dev);
	}
}

void ring_handoffs_done(struct ring_handoffs *handoffs)
{
	if (handoffs->seen != handoffs->small)
		free(handoffs->seen);
	handoffs->seen = NULL;
}

bool ring_handoffs_next(struct ring_handoffs *handoffs, uint32_t *ret_dev)
{
	const struct ring *ring = handoffs->ring;

	for (; handoffs->pass < TIER_COUNT; handoffs->pass++, handoffs->step = 0) {
		int tier = (int)handoffs->pass;
		while (handoffs->seen_count[tier] < ring->place_count[tier]) {
			uint64_t at = walk_part(ring, handoffs->start, handoffs->step);
			uint32_t dev;

			if (at == UINT64_MAX)
				break;
			if (handoffs->row == ring->rows) {
				handoffs->row = 0;
				handoffs->step++;
				continue;
			}
			if (!ring_assigned(ring, handoffs->row++, (uint32_t)at, &dev) ||
			        seen(handoffs, tier, dev))
				continue;
			see(handoffs, dev);
			*ret_dev = dev;
			return true;
		}
		handoffs->row = 0;
	}
	return false;
}
