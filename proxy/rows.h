/* rows: listing updates on their way to containers and accounts. Updates of one container that
 * wait at the same time travel in one message. */
#ifndef PROXY_ROWS_H
#define PROXY_ROWS_H

#include "proxy/proxy.h"

/* One update; lives in its owner until done has run from the loop. */
struct row_put {
	struct backend_row row;            /* borrowed texts, until done */
	void (*done)(struct row_put *put); /* err says: a majority has it, or why not */
	enum err err;
	void *owner;      /* the caller's */
	struct list link; /* private */
};

/* Queues a row for a container (of objects), or for an account (container NULL). */
void rows_put(struct proxy *proxy, const char *account, const char *container, struct row_put *put);

#endif
