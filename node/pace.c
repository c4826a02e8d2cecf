#include "node/pace.h"

#define RATE_FIRST 50.0
#define RATE_LEAST 20.0
#define RATE_MOST  20000.0
#define RATE_STEP  10.0
#define JUDGE_US   250000
#define SLOWER     2.0
#define SLOWER_US  1000.0 /* what is not worth a thought */

uint64_t pace_next_us(const struct pace *p, uint64_t now_us)
{
	return p->next_us > now_us ? p->next_us : now_us;
}

void pace_begin(struct pace *p, uint64_t now_us)
{
	if (p->rate <= 0)
		p->rate = RATE_FIRST;
	/* What was not used is not saved up. */
	p->next_us = pace_next_us(p, now_us) + (uint64_t)(1e6 / p->rate);
}

static void judge(struct pace *p)
{
	if (p->best_us <= 0 || p->took_us < p->best_us)
		p->best_us = p->took_us;
	bool slower = p->took_us > SLOWER * p->best_us + SLOWER_US;
	p->rate = slower ? p->rate * 0.7 : p->rate + RATE_STEP;
	if (p->rate < RATE_LEAST)
		p->rate = RATE_LEAST;
	if (p->rate > RATE_MOST)
		p->rate = RATE_MOST;
	p->best_us *= 1.001; /* what was best may be no more: in minutes, not seconds */
}

void pace_end(struct pace *p, uint64_t now_us, uint64_t took_us)
{
	p->took_us = p->took_us > 0 ? (p->took_us * 15 + (double)took_us) / 16 : (double)took_us;
	if (now_us < p->judged_us + JUDGE_US)
		return;
	p->judged_us = now_us;
	judge(p);
}
