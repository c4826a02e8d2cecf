/* A device that came back empty asks like any other, but what it hears tells it whether it has all
 * again that others may have acknowledged with its help (filling.c). */
#include "node/replicate_internal.h"

bool replicate_is_filling(const struct replicator *r)
{
	return atomic_load_explicit(&r->device->filling, memory_order_relaxed);
}

void replicate_doubt(struct replicator *r)
{
	if (!replicate_is_filling(r) ||
	        (r->doubted_count && r->doubted[r->doubted_count - 1] == r->peer))
		return;
	if (r->doubted_count == r->doubted_cap) {
		r->doubted_cap = r->doubted_cap ? 2 * r->doubted_cap : 16;
		r->doubted = mem_realloc(r->doubted, r->doubted_cap * sizeof(*r->doubted));
	}
	r->doubted[r->doubted_count++] = r->peer;
}

/* Are those that we have all from so many that each write that counted us is among it? */
static bool has_all(const struct replicator *r, const struct place *place)
{
	uint64_t own = place_bit(place, r->device->id), sure = place_all(place) & ~own;

	for (unsigned i = 0; i < r->doubted_count; i++)
		sure &= ~place_bit(place, r->doubted[i]);
	for (unsigned i = 0; i < place->set_count; i++) {
		unsigned all = (unsigned)__builtin_popcountll(place->sets[i]);
		unsigned good = (unsigned)__builtin_popcountll(place->sets[i] & sure);
		if ((place->sets[i] & own) && good < all - 1 && good + place->need[i] <= all)
			return false;
	}
	return true;
}

void replicate_end_chunk(struct replicator *r)
{
	struct place place;

	for (uint64_t part = r->chunk_from; replicate_is_filling(r) && part < r->part; part++) {
		replicate_place(r, part, &place);
		r->fills = r->fills && has_all(r, &place);
	}
	r->chunk_from = r->part;
	r->doubted_count = 0;
}

bool replicate_all_filled(const struct replicator *r)
{
	for (unsigned i = 0; i < TARGETS; i++) {
		if (proxy_rings(r->proxy->cluster, replicate_kind(i), i) && !r->filled[i])
			return false;
	}
	return true;
}
