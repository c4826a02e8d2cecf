/* hlc: a hybrid logical clock that prints Swift timestamps: never behind the wall clock, never
 * behind what it has seen, strictly growing. One per process; any thread. */
#ifndef LIB_ENV_HLC_H
#define LIB_ENV_HLC_H

#include "lib/base/ts.h"
#include "lib/env/env.h"
#include <stdatomic.h>

/* Timestamps further ahead of our wall clock than this are refused (DESIGN 5.4). */
#define HLC_AHEAD_MAX (60 * TS_PER_SECOND)

struct hlc {
	const struct env *env; /* borrowed */
	atomic_uint_least64_t last;
};

void hlc_init(struct hlc *hlc, const struct env *env);

/* A timestamp later than every one given or seen so far. */
uint64_t hlc_now(struct hlc *hlc);

/* Takes notice of a timestamp from a log or a peer. False, without effect, when it is more than
 * HLC_AHEAD_MAX ahead of the wall clock. */
bool hlc_see(struct hlc *hlc, uint64_t ts);

#endif
