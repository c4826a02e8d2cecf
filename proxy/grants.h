/* grants: the primaries of a key grant a conditional writer that others' writes wait
 * (objectd/lease.c, docs/decisions/0008-order-of-writes.md). The first of them that can be reached
 * decides among writers; a majority must agree.
 *
 *   first -> rest -> ready; where the key is somebody's, or it took long: -> first, for 10 s */
#ifndef PROXY_GRANTS_H
#define PROXY_GRANTS_H

#include "proxy/proxy.h"

struct grants {
	struct op *op;
	struct proxy *proxy;
	const struct place *place; /* borrowed */
	struct fan first, rest, release;
	struct patience patience; /* with those that do not answer */
	struct timer retry;
	uint64_t until_us, asked_us;
	unsigned at; /* which device granted first */
	bool waiting, again, hurry;
	/* Set before the start. alone: what others write of the same time comes too late, too;
	 * of_all: all must grant it, but those that are being filled. */
	bool alone, of_all;
	uint64_t filling; /* of the place: asked first, and being filled */
	uint8_t phase;
	enum err err; /* when ready: OK, or UNAVAILABLE */
};

/* What those asked know: the newest version, and who has it. */
struct grants_known {
	uint64_t newest, holders;
	bool live;
};

/* Asks in the name of the write `of` (its handle says whose it is); once more when that has a later
 * time. It is the same `of` in all calls, or that one at its later time. */
void grants_start(struct grants *grants, struct op *op, struct proxy *proxy,
        const struct place *place, const struct backend_msg *of);
bool grants_ready(struct grants *grants, const struct backend_msg *of);

/* Adds the answers of first, rest, or of a VERSION. */
void grants_take(const struct fan *fan, const struct place *place, struct grants_known *known);

/* Who has granted it: bits of that place. */
uint64_t grants_given(const struct grants *grants, const struct place *place);

/* Nobody waits for that. */
void grants_release(struct grants *grants, const struct backend_msg *of);

/* After the last child of the op has ended. */
void grants_done(struct grants *grants);

/* A message for the key of a write, at its time. */
struct backend_msg *grants_message(
        const struct place *place, const struct backend_msg *of, enum backend_op op);

#endif
