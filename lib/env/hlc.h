/* hlc: a hybrid logical clock that prints Swift timestamps: never behind the wall clock, never
 * behind what it has seen, strictly growing. One per process; any thread. */
#ifndef LIB_ENV_HLC_H
#define LIB_ENV_HLC_H

#include "lib/base/ts.h"
#include "lib/env/env.h"
#include <stdatomic.h>

/* Timestamps further ahead of our wall clock than this are refused (DESIGN 5.4). */
#define HLC_AHEAD_MAX (60 * TS_PER_SECOND)

#define HLC_SLOTS   32
#define HLC_STRIPES 1024

struct hlc {
	const struct env *env; /* borrowed */
	atomic_uint_least64_t last;
	atomic_uint slots, slot; /* slots: 1, or HLC_SLOTS where other nodes write, too */
	atomic_uint_least64_t stripes[HLC_STRIPES];
};

void hlc_init(struct hlc *hlc, const struct env *env);

/* A timestamp later than every one given or seen so far. */
uint64_t hlc_now(struct hlc *hlc);

/* The same for a write of a key: what it gives for one key grows strictly, and no node with another
 * slot gives the same, also when several count on from the same timestamp that is ahead of all
 * their wall clocks. Times of different keys may be equal. Up to 310 us ahead of the wall clock, or
 * more where keys of the stripe are written more than 3,000 times a second. */
uint64_t hlc_stamp(struct hlc *hlc, const uint8_t key[16]);

/* The latest that it has given or seen. */
uint64_t hlc_latest(struct hlc *hlc);

/* Takes notice of a timestamp from a log or a peer. False, without effect, when it is more than
 * HLC_AHEAD_MAX ahead of the wall clock. */
bool hlc_see(struct hlc *hlc, uint64_t ts);

#endif
