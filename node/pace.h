/* pace: how fast background work may go while others work with the same disks, processors and
 * links. It starts one piece after the other, and looks at how long they take: clearly longer than
 * when they were few means that something they share is busy, and whoever else wants it waits as
 * long. Then there are fewer, else more: quickly as long as that is far from where it was too much,
 * slowly near it. A pace is of pieces of one kind; for work that comes in long ones of all sizes
 * there is pace_rest_us. Pure but for the caller's clock. */
#ifndef NODE_PACE_H
#define NODE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	double rate;             /* pieces a second; 0: not begun */
	double much;             /* at this rate they were slower; 0: at none that counts */
	double took_us, best_us; /* lately, and when little was going on */
	bool slower;
	uint64_t next_us, judged_us, begun; /* begun: since it was judged */
};

/* Are clients at work too, who were last at asked_us (0: never)? */
bool pace_is_wanted(uint64_t asked_us, uint64_t now_us);

/* When the next piece may start: now_us or later. */
uint64_t pace_next_us(const struct pace *pace, uint64_t now_us);

void pace_begin(struct pace *pace, uint64_t now_us);
void pace_end(struct pace *pace, uint64_t now_us, uint64_t took_us);

/* How long to do nothing after a piece that took so long, so that most of the time is left to
 * others. What is busy makes pieces longer, and so the rests. */
uint64_t pace_rest_us(uint64_t took_us);

#endif
