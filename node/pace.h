/* pace: how fast background work may go while others work with the same disks, processors and
 * links. It starts one piece after the other, and looks at how long they take: clearly longer than
 * when they were few means that something they share is busy, and whoever else wants it waits as
 * long. Then there are fewer, else slowly more. Pure but for the caller's clock. */
#ifndef NODE_PACE_H
#define NODE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	double rate;             /* pieces a second; 0: not begun */
	double took_us, best_us; /* lately, and when little was going on */
	uint64_t next_us, judged_us;
};

/* When the next piece may start: now_us or later. */
uint64_t pace_next_us(const struct pace *pace, uint64_t now_us);

void pace_begin(struct pace *pace, uint64_t now_us);
void pace_end(struct pace *pace, uint64_t now_us, uint64_t took_us);

#endif
