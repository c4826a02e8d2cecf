/* fetch: one request and the whole of its answer, waited for: for threads that may block. */
#ifndef LIB_HTTP_FETCH_H
#define LIB_HTTP_FETCH_H

#include "lib/http/client.h"
#include <stdatomic.h>

struct fetch {
	const char *method, *url; /* borrowed */
	struct buf headers;       /* kv block; owned */
	const char *text;         /* of the request's body, borrowed; NULL: none */
	uint64_t timeout_ms;      /* as struct exchange has them */
	uint64_t idle_timeout_ms;
	size_t body_max;         /* of the answer; 0: no bound */
	const atomic_bool *stop; /* borrowed: gives up when it becomes true; NULL: never */
	/* The answer: */
	int status;
	struct buf answer, body; /* owned; answer: kv block of its headers */
};

/* OK whatever the status; else what struct exchange's done says, ERR_TOO_LARGE for a body past
 * body_max, or ERR_CANCELLED. The client belongs to the calling thread. */
enum err fetch_run(struct client *client, struct fetch *fetch);
/* Its memory may have held secrets: it is overwritten. */
void fetch_done(struct fetch *fetch);
AUTO_DEFINE(fetch, fetch_done);

const char *fetch_header(const struct fetch *fetch, const char *name); /* or NULL */

#endif
