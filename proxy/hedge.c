#include "proxy/hedge.h"

#define LEAST_US    2000u
#define LOOK_EVERY  64u
#define TOTAL_MAX   2048u /* then the old ones count half */
#define SHARE       5u    /* hundredths of a request that each read adds */
#define CREDIT_MAX  1000u
#define CREDIT_COST 100u

/* Four to a doubling, from 4 us. */
static unsigned bucket_of(uint64_t us)
{
	if (us < 4)
		return 0;
	unsigned log = 63 - (unsigned)__builtin_clzll(us);
	unsigned b = (log - 2) * 4 + (unsigned)(us >> (log - 2) & 3);
	return b < HEDGE_BUCKETS ? b : HEDGE_BUCKETS - 1;
}

/* Where the bucket ends. */
static uint64_t bound_of(unsigned bucket)
{
	return (uint64_t)(bucket % 4 + 5) << bucket / 4;
}

static void look(struct hedge *hedge, enum hedge_kind kind)
{
	uint32_t total = hedge->kinds[kind].total, seen = 0;
	unsigned b = 0;

	for (; b < HEDGE_BUCKETS - 1; b++) {
		seen += hedge->kinds[kind].counts[b];
		if (seen * 20ull >= total * 19ull)
			break;
	}
	uint64_t after = 2 * bound_of(b);
	hedge->kinds[kind].after_us = after > UINT32_MAX ? UINT32_MAX
	                              : after < LEAST_US ? LEAST_US
	                                                 : (uint32_t)after;
	hedge->kinds[kind].since = 0;
	if (total < TOTAL_MAX)
		return;
	hedge->kinds[kind].total = 0;
	for (b = 0; b < HEDGE_BUCKETS; b++)
		hedge->kinds[kind].total += hedge->kinds[kind].counts[b] /= 2;
}

uint64_t hedge_begin(struct hedge *hedge, enum hedge_kind kind, uint64_t most_us)
{
	uint64_t after = hedge->kinds[kind].after_us;

	hedge->credit += SHARE;
	if (hedge->credit > CREDIT_MAX)
		hedge->credit = CREDIT_MAX;
	return after && after < most_us ? after : most_us;
}

void hedge_end(struct hedge *hedge, enum hedge_kind kind, uint64_t us)
{
	hedge->kinds[kind].counts[bucket_of(us)]++;
	hedge->kinds[kind].total++;
	if (++hedge->kinds[kind].since >= LOOK_EVERY)
		look(hedge, kind);
}

bool hedge_take(struct hedge *hedge)
{
	if (hedge->credit < CREDIT_COST)
		return false;
	hedge->credit -= CREDIT_COST;
	return true;
}
