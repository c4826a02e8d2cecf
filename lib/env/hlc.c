#include "lib/env/hlc.h"

void hlc_init(struct hlc *hlc, const struct env *env)
{
	hlc->env = env;
	atomic_init(&hlc->last, 0);
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
