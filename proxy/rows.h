/* rows: listing updates on their way to containers and accounts. Updates of one container that
 * wait at the same time travel in one message; of a container in ranges, to the range whose names
 * they are, and while that is being filled to both that have them. */
#ifndef PROXY_ROWS_H
#define PROXY_ROWS_H

#include "proxy/proxy.h"

/* One update; lives in its owner until done has run from the loop. */
struct row_put {
	struct backend_row row;            /* borrowed texts, until done */
	void (*done)(struct row_put *put); /* err says: a majority has it, or why not */
	enum err err;
	void *owner; /* the caller's */
	bool awaits; /* the container will be made soon (by a node that has just started): until
	                then the row waits, as for one that is busy */
	/* private */
	struct proxy *proxy;
	const char *account, *container;
	unsigned legs, tries; /* ways it has to go, still open; rounds of them */
	bool again;
	uint64_t until_us;
	struct timer timer;
};

/* Queues a row for a container (of objects), or for an account (container NULL); the names are
 * borrowed until done. */
void rows_put(struct proxy *proxy, const char *account, const char *container, struct row_put *put);

#endif
