/* pace: how fast background work may go while others work with the same disks, processors and
 * links. It takes a share of the time: one piece after the other, each followed by a rest several
 * times as long. What is busy makes pieces longer, and so the rests; what is quick is done often.
 * So it is as fast as it will be from its first second on, and every device as fast as the others.
 * Pure. */
#ifndef NODE_PACE_H
#define NODE_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Are clients at work too, who were last at asked_us (0: never)? */
bool pace_is_wanted(uint64_t asked_us, uint64_t now_us);

/* How long to do nothing after a piece that took so long, so that most of the time is left to
 * others. */
uint64_t pace_rest_us(uint64_t took_us);

#endif
