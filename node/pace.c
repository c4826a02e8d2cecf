#include "node/pace.h"

#define RATE_FIRST 20.0
#define RATE_LEAST 20.0
#define RATE_MOST  20000.0
#define JUDGE_US   250000
#define PAUSE_US   1000000 /* nothing was counted so long: begin anew */
#define SLOWER     1.6
#define SLOWER_US  1000.0 /* what is not worth a thought */

/* Each time it is judged. */
#define FEWER     0.7
#define MORE      0.04 /* of the rate */
#define MORE_MIN  2.0
#define NEAR      0.8 /* of what was too much: from there on by less */
#define NEAR_MORE 0.005
#define BEYOND    1.2 /* what was too much there is not any more */
#define USED      0.7 /* of the rate: when less is used nothing is known of more */

#define BUSY_US  2000000 /* so long after the last of them clients are at work */
#define RESTS    6
#define REST_MAX 3000000

bool pace_is_wanted(uint64_t asked_us, uint64_t now_us)
{
	return asked_us && now_us < asked_us + BUSY_US;
}

uint64_t pace_next_us(const struct pace *p, uint64_t now_us)
{
	return p->next_us > now_us ? p->next_us : now_us;
}

void pace_begin(struct pace *p, uint64_t now_us)
{
	if (p->rate <= 0)
		p->rate = RATE_FIRST;
	if (now_us > p->judged_us + PAUSE_US) {
		p->judged_us = now_us;
		p->begun = 0;
	}
	/* What was not used is not saved up. */
	p->next_us = pace_next_us(p, now_us) + (uint64_t)(1e6 / p->rate);
	p->begun++;
}

static void grow(struct pace *p)
{
	double more = p->rate * MORE > MORE_MIN ? p->rate * MORE : MORE_MIN;

	if (p->rate > BEYOND * p->much)
		p->much = 0;
	p->rate += p->rate < NEAR * p->much || p->much <= 0 ? more : NEAR_MORE * p->rate;
}

static void shrink(struct pace *p, double used)
{
	if (used < p->rate)
		p->rate = used;
	if (!p->slower) /* else it is the same trouble still */
		p->much = p->rate;
	p->rate *= FEWER;
}

static void judge(struct pace *p, double used)
{
	if (p->best_us <= 0 || p->took_us < p->best_us)
		p->best_us = p->took_us;
	bool slower = p->took_us > SLOWER * p->best_us + SLOWER_US;
	if (slower)
		shrink(p, used);
	else if (used >= USED * p->rate)
		grow(p);
	p->slower = slower;
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
	judge(p, (double)p->begun * 1e6 / (double)(now_us - p->judged_us));
	p->judged_us = now_us;
	p->begun = 0;
}

uint64_t pace_rest_us(uint64_t took_us)
{
	return took_us < REST_MAX / RESTS ? RESTS * took_us : REST_MAX;
}
