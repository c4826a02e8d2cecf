/* drop: a container is deleted, with all its ranges, when none of them has a row.
 *
 *   empty -> still -> write (-> ranges)
 *
 * empty: the sum over all ranges; still: they, and the container itself, take no rows for a while;
 * write: the container itself, if its devices know of no more points than we; ranges: empty, and
 * nobody looks for them any more, so what cannot be reached stays as it is. When it is refused all
 * take rows again at once.
 *
 * Nothing is written before a majority has promised: a deletion that a replica which missed the
 * rows took alone, of a container that the others keep, would spread and take it from them. */
#ifndef PROXY_DROP_H
#define PROXY_DROP_H

#include "proxy/ranged.h"

struct drop {
	struct ranged read; /* root: op, proxy, account, container are the caller's, borrowed */
	uint64_t ts;        /* the caller's */
	struct fan still, write;
	struct fan *ranges; /* owned; one for each of read.heads */
	uint8_t phase;
	enum err err; /* OK, NOT_FOUND, CONFLICT, UNAVAILABLE */
};

/* Call from a state until it returns true. */
bool drop_ready(struct drop *drop);
void drop_done(struct drop *drop);

#endif
