#include "node/progress.h"

#define MEAN_S  45 /* the pace goes up and down: a mean of so many seconds told best */
#define SURE_S  10 /* before, nobody can know */
#define IDLE_S  600
#define KNOWN_S (100 * 86400) /* more is no time: nothing goes on */
#define REST    0.01          /* of what was done: what clients change all the time, not a move */

double progress_weight(const struct progress_left *left)
{
	return left->pushes + left->forgets + left->later;
}

static bool is_idle(const struct progress *p, double weight)
{
	return weight <= REST * p->done;
}

void progress_tick(struct progress *p, double done, const struct progress_left *left, bool moves)
{
	double weight = progress_weight(left);
	bool idle = is_idle(p, weight) && !moves;

	p->idle_s = idle ? p->idle_s + 1 : 0;
	if (p->idle_s >= IDLE_S || (moves && !p->moved))
		p->done = p->busy_s = 0;
	p->moved = moves;
	p->done += done;
	/* A mean since it began, later of the last while; to wait for others is no work. */
	if (done <= 0 && left->pushes + left->forgets <= 0)
		return;
	p->busy_s++;
	p->rate += (done - p->rate) / (p->busy_s < MEAN_S ? p->busy_s : MEAN_S);
}

double progress_seconds(const struct progress *p, const struct progress_left *left)
{
	double weight = progress_weight(left);

	return p->busy_s >= SURE_S && p->rate > 0 && weight <= KNOWN_S * p->rate ? weight / p->rate
	                                                                         : 0;
}
