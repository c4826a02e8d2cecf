#include "proxy/ec_sort.h"

#include <string.h>

static bool has(const struct backend_call *call, const struct ec *ec, uint64_t ts)
{
	const struct backend_reply *r = &call->reply;

	return call->answered && !r->err && r->fragment.k == ec->k && r->fragment.m == ec->m &&
	       (r->draft_ts ? r->draft_ts : r->ts) == ts;
}

static bool same(const struct backend_call *a, const struct backend_call *b)
{
	return memcmp(a->reply.fragment.etag, b->reply.fragment.etag, 16) == 0;
}

struct ec_sorted ec_sort(
        const struct fan *fan, const struct place *place, const struct ec *ec, uint64_t ts)
{
	struct ec_sorted s = {.ts = ts};
	const struct backend_call *best = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_call *call = &fan->calls[i];
		uint64_t bit = place_bit(place, call->device);
		unsigned weight = 0;
		if (call->answered && call->reply.err == ERR_CORRUPT)
			s.damaged |= bit;
		if (!has(call, ec, ts))
			continue;
		s.told |= bit;
		if (bit)
			s.index[__builtin_ctzll(bit)] = call->reply.fragment.index;
		for (unsigned j = 0; j < fan->count; j++) {
			const struct backend_call *other = &fan->calls[j];
			if (has(other, ec, ts) && same(call, other))
				weight += other->reply.draft_ts ? 1 : 1 + PLACE_MAX;
		}
		if (weight > most) {
			most = weight;
			best = call;
		}
	}
	for (unsigned i = 0; best && i < fan->count; i++) {
		const struct backend_call *call = &fan->calls[i];
		if (has(call, ec, ts) && !same(call, best))
			s.foreign |= place_bit(place, call->device);
	}
	s.told |= s.damaged;
	if (best)
		memcpy(s.etag, best->reply.fragment.etag, sizeof(s.etag));
	return s;
}
