/* place: where a path is kept, and which of those devices decide. A ring whose partitions are on
 * the move lives beside its successor: what is written must then be on a majority of the primaries
 * of each, and who reads asks a majority of each, so that proxies that know only one of the two
 * still meet the others (docs/decisions/0004-rings-that-live-together.md).
 *
 * A `ring_set` never changes once a cluster points at it; a place is a plain value. */
#ifndef PROXY_PLACE_H
#define PROXY_PLACE_H

#include "lib/backend/backend.h"
#include "ring/ring.h"

#define RINGS_MAX 4  /* of one kind that live together */
#define PLACE_MAX 64 /* devices of one path, over all of them */

/* Oldest first. handles[i][id] is the handle (backend_call.device) of that ring's device. */
struct ring_set {
	unsigned count;
	struct ring *rings[RINGS_MAX]; /* owned references */
	uint32_t *handles[RINGS_MAX];  /* owned */
	unsigned need;                 /* devices that make a write; 0: a majority */
};

/* The versions of rings that live together, as they travel: the newest, and how much older the
 * others are, 16 bits each (RING_FAR: that much or more; 0: no more of them). */
struct ring_versions {
	uint64_t newest, older;
};
#define RING_FAR 65535u

struct ring_versions ring_set_versions(const struct ring_set *set);
/* Oldest first; returns how many. */
unsigned ring_versions_list(struct ring_versions versions, uint64_t ret_list[RINGS_MAX]);
uint64_t ring_versions_oldest(struct ring_versions versions);
bool ring_versions_hold(struct ring_versions versions, uint64_t version);

struct place {
	uint8_t key[16];
	struct ring_versions versions; /* travel in messages */
	uint32_t devices[PLACE_MAX];
	unsigned count, set_count;
	uint64_t sets[RINGS_MAX]; /* newest first; bit i: devices[i] is a primary of that ring */
	unsigned need[RINGS_MAX];
};

/* Primaries of a key: those of the newest ring first, in the order of their replicas. rings
 * NULL, of a policy that is not there: no device, and never met. */
void place_of_key(const struct ring_set *rings, const uint8_t key[16], struct place *ret_place);

/* Key and ring versions into a message that was not sent yet. */
void place_address(const struct place *place, struct backend_msg *msg);

/* Are these devices (bits as in sets) enough in every ring? */
bool place_met(const struct place *place, uint64_t mask);

static inline uint64_t place_all(const struct place *place)
{
	return place->count == 64 ? UINT64_MAX : (1ull << place->count) - 1;
}

/* Can it still be met when these have failed? */
static inline bool place_possible(const struct place *place, uint64_t failed)
{
	return place_met(place, place_all(place) & ~failed);
}

/* The device's bit; 0 when it is not among them. */
uint64_t place_bit(const struct place *place, uint32_t device);

/* Moves the devices for which `front` is true ahead of the others, then as few of the rest as it
 * takes: returns how many from the start are enough. front NULL: none is preferred. */
unsigned place_order(struct place *place, bool (*front)(void *owner, uint32_t device), void *owner);

/* Owns what it is given. */
struct ring_set *ring_set_new(struct ring *const *rings, uint32_t *const *handles, unsigned count);
void ring_set_free(struct ring_set *set); /* NULL is fine */

static inline struct ring *ring_set_newest(const struct ring_set *set)
{
	return set->rings[set->count - 1];
}

#endif
