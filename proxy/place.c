#include "proxy/place.h"

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static unsigned position(struct place *place, uint32_t device)
{
	for (unsigned i = 0; i < place->count; i++) {
		if (place->devices[i] == device)
			return i;
	}
	assert(place->count < PLACE_MAX);
	place->devices[place->count] = device;
	return place->count++;
}

static void add_ring(const struct ring_set *rings, unsigned at, struct place *place)
{
	uint32_t ids[PLACE_MAX / RINGS_MAX];
	struct ring *ring = rings->rings[at];
	unsigned n = ring_primaries(ring, ring_partition(ring, place->key), ids, COUNT_OF(ids));
	uint64_t set = 0;

	for (unsigned i = 0; i < n; i++)
		set |= 1ull << position(place, rings->handles[at][ids[i]]);
	place->sets[place->set_count] = set;
	place->need[place->set_count++] = rings->need ? rings->need : n / 2 + 1;
}

/* What is asked for is never there, and nothing is ever met. */
static void place_nowhere(struct place *place)
{
	place->versions = (struct ring_versions){0};
	place->devices[0] = UINT32_MAX;
	place->sets[0] = 0;
	place->need[0] = 1;
	place->set_count = 1;
}

void place_of_key(const struct ring_set *rings, const uint8_t key[16], struct place *ret_place)
{
	memcpy(ret_place->key, key, sizeof(ret_place->key));
	ret_place->count = 0;
	ret_place->set_count = 0;
	if (!rings) {
		place_nowhere(ret_place);
		return;
	}
	ret_place->versions = ring_set_versions(rings);
	for (unsigned i = rings->count; i-- > 0;)
		add_ring(rings, i, ret_place);
}

void place_address(const struct place *place, struct backend_msg *msg)
{
	memcpy(msg->key, place->key, sizeof(msg->key));
	msg->ring_version = place->versions.newest;
	msg->ring_older = place->versions.older;
}

bool place_met(const struct place *place, uint64_t mask)
{
	for (unsigned i = 0; i < place->set_count; i++) {
		if ((unsigned)__builtin_popcountll(mask & place->sets[i]) < place->need[i])
			return false;
	}
	return true;
}

uint64_t place_bit(const struct place *place, uint32_t device)
{
	for (unsigned i = 0; i < place->count; i++) {
		if (place->devices[i] == device)
			return 1ull << i;
	}
	return 0;
}

static void swap_bits(uint64_t *set, unsigned a, unsigned b)
{
	uint64_t differ = (*set >> a ^ *set >> b) & 1;

	*set ^= differ << a | differ << b;
}

static void swap(struct place *place, unsigned a, unsigned b)
{
	uint32_t device = place->devices[a];

	place->devices[a] = place->devices[b];
	place->devices[b] = device;
	for (unsigned i = 0; i < place->set_count; i++)
		swap_bits(&place->sets[i], a, b);
}

/* Does this device bring a set closer that is not met by the first n? */
static bool helps(const struct place *place, unsigned n, unsigned at)
{
	uint64_t mask = (1ull << n) - 1;

	for (unsigned i = 0; i < place->set_count; i++) {
		if ((place->sets[i] >> at & 1) &&
		        (unsigned)__builtin_popcountll(mask & place->sets[i]) < place->need[i])
			return true;
	}
	return false;
}

unsigned place_order(struct place *place, bool (*front)(void *owner, uint32_t device), void *owner)
{
	unsigned n = 0;

	for (unsigned i = 0; front && i < place->count; i++) {
		if (front(owner, place->devices[i]))
			swap(place, i, n++);
	}
	for (n = 0; n < place->count && !place_met(place, (1ull << n) - 1); n++) {
		unsigned i = n;
		while (i < place->count && !helps(place, n, i))
			i++;
		if (i < place->count)
			swap(place, i, n);
	}
	return n;
}

struct ring_set *ring_set_new(struct ring *const *rings, uint32_t *const *handles, unsigned count)
{
	struct ring_set *set = mem_zalloc(sizeof(*set));

	set->count = count;
	memcpy(set->rings, rings, count * sizeof(*rings));
	memcpy(set->handles, handles, count * sizeof(*handles));
	return set;
}

void ring_set_free(struct ring_set *set)
{
	if (!set)
		return;
	for (unsigned i = 0; i < set->count; i++) {
		ring_unref(set->rings[i]);
		free(set->handles[i]);
	}
	free(set);
}

struct ring_versions ring_set_versions(const struct ring_set *set)
{
	struct ring_versions versions = {.newest = ring_version(ring_set_newest(set))};

	for (unsigned i = 0; i + 1 < set->count; i++) {
		uint64_t behind = versions.newest - ring_version(set->rings[i]);
		versions.older |= (behind < RING_FAR ? behind : RING_FAR) << (16 * i);
	}
	return versions;
}

unsigned ring_versions_list(struct ring_versions versions, uint64_t ret_list[RINGS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i + 1 < RINGS_MAX; i++) {
		uint64_t behind = versions.older >> (16 * i) & RING_FAR;
		if (behind && behind <= versions.newest)
			ret_list[n++] = versions.newest - behind;
	}
	ret_list[n++] = versions.newest;
	return n;
}

uint64_t ring_versions_oldest(struct ring_versions versions)
{
	uint64_t list[RINGS_MAX], oldest = versions.newest;
	unsigned n = ring_versions_list(versions, list);

	for (unsigned i = 0; i < n; i++)
		oldest = list[i] < oldest ? list[i] : oldest;
	return oldest;
}

bool ring_versions_hold(struct ring_versions versions, uint64_t version)
{
	uint64_t list[RINGS_MAX];
	unsigned n = ring_versions_list(versions, list);

	for (unsigned i = 0; i < n; i++) {
		if (list[i] == version)
			return true;
	}
	return false;
}
