/* gone: does the deletion of a container count, that some of its devices took and others did not?
 *
 * A DELETE that was answered 503 may be on a minority, and rows that were acknowledged after it on
 * the others. What was acknowledged, a deletion or a row, is on a majority: when a majority has the
 * container the deletion counts for nothing (and never will: node/reconcile.c takes it back), and
 * when so many took it that none can have the container, it counts for ever. Who has never heard of
 * the container says nothing either way: it is brought to that one too, by who has it. */
#ifndef PROXY_GONE_H
#define PROXY_GONE_H

#include "proxy/proxy.h"

enum gone {
	GONE_NO_QUESTION, /* no deletion later than the puts, or nobody left to have the container
	                   */
	GONE_COUNTS,
	GONE_NOT,  /* a majority lives without it */
	GONE_OPEN, /* too few have answered, or it has not come to enough of them yet */
};

/* By the answers to any DB_* but those that tell no times. delete_ts: of a deletion that one who is
 * not asked has, or 0. */
enum gone gone_by(const struct fan *fan, const struct place *place, uint64_t delete_ts);

#endif
