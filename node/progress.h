/* progress: how much of what has to move is done, and how long the rest takes. A device knows what
 * it has to bring to others, what of its own is to be forgotten here now, and what will be once the
 * older rings have gone; all of it is counted in objects: one that is forgotten takes as long as
 * one that is brought (measured: 0.7 to 1.2 times). Pure but for being called once a second. */
#ifndef NODE_PROGRESS_H
#define NODE_PROGRESS_H

#include <stdbool.h>

/* Objects that are still to be dealt with. */
struct progress_left {
	double pushes, forgets, later; /* later: forgotten when what is to be brought was */
};

struct progress {
	double done, rate; /* objects; a second, lately */
	unsigned idle_s, busy_s;
	bool moved; /* rings did, a second ago */
};

/* A second has gone by in which `done` was done; `moves`: rings do. What was done is forgotten when
 * a new move begins, and when next to nothing was left for a while. */
void progress_tick(
        struct progress *progress, double done, const struct progress_left *left, bool moves);

/* What is left, in objects. */
double progress_weight(const struct progress_left *left);

/* Seconds that the rest takes if it goes on as lately; 0: nothing is left, or it is not known yet.
 */
double progress_seconds(const struct progress *progress, const struct progress_left *left);

#endif
