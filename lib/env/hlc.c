#include "lib/env/hlc.h"

void hlc_init(struct hlc *hlc, const struct env *env)
{
	hlc->env = env;
	atomic_init(&hlc->last, 0);
	atomic_init(&hlc->slots, 1);
	atomic_init(&hlc->slot, 0);
	for (unsigned i = 0; i < HLC_STRIPES; i++)
		atomic_init(&hlc->stripes[i], 0);
}

static uint64_t wall(const struct hlc *hlc)
{
	return hlc->env->wall_us(hlc->env) / (1000000 / TS_PER_SECOND);
}

uint64_t hlc_now(struct hlc *hlc)
{
	uint64_t last = atomic_load(&hlc->last), now;

	do {
		now = wall(hlc);
		if (now <= last)
			now = last + 1;
	} while (!atomic_compare_exchange_weak(&hlc->last, &last, now));
	return now;
}

uint64_t hlc_stamp(struct hlc *hlc, const uint8_t key[16])
{
	uint64_t slots = atomic_load(&hlc->slots), slot = atomic_load(&hlc->slot) % slots;

	if (slots == 1)
		return hlc_now(hlc);
	atomic_uint_least64_t *stripe = &hlc->stripes[(key[8] | key[9] << 8) % HLC_STRIPES];
	uint64_t before = atomic_load(stripe), seen = atomic_load(&hlc->last), ts;
	do {
		ts = wall(hlc);
		if (ts <= seen)
			ts = seen + 1;
		if (ts <= before)
			ts = before + 1;
		ts += (slot + slots - ts % slots) % slots;
	} while (!atomic_compare_exchange_weak(stripe, &before, ts));
	return ts;
}

uint64_t hlc_latest(struct hlc *hlc)
{
	uint64_t ts = atomic_load(&hlc->last);

	for (unsigned i = 0; i < HLC_STRIPES; i++) {
		uint64_t one = atomic_load(&hlc->stripes[i]);
		ts = one > ts ? one : ts;
	}
	return ts;
}

bool hlc_see(struct hlc *hlc, uint64_t ts)
{
	uint64_t last = atomic_load(&hlc->last);

	if (ts <= last)
		return true;
	if (ts > wall(hlc) + HLC_AHEAD_MAX)
		return false;
	while (ts > last && !atomic_compare_exchange_weak(&hlc->last, &last, ts))
		;
	return true;
}
