/* gone: does the deletion of a container count, that some of its devices took and others did not?
 *
 * A DELETE that was answered 503 may be on a minority, and rows that were acknowledged after it on
 * the others. What was acknowledged, a deletion or a row, is on a majority, so when a majority has
 * the container the deletion counts for nothing (and never will: node/reconcile.c takes it back),
 * and when no majority can have it there is nothing to be lost. */
#ifndef PROXY_GONE_H
#define PROXY_GONE_H

#include "proxy/proxy.h"

enum gone {
	GONE_NO_QUESTION, /* no deletion that is later than the puts; or not of a container */
	GONE_COUNTS,
	GONE_NOT,  /* a majority lives without it */
	GONE_OPEN, /* too few have answered */
};

/* By the answers to DB_HEAD or DB_LIST. */
enum gone gone_by(const struct fan *fan, const struct place *place);

#endif
