/* asker: signed requests to the node of a state folder (proxy/operator.h), many at once, each tried
 * again when the node does not answer it. One thread; callbacks run inside asker_start, asker_get
 * and asker_wait. */
#ifndef CLI_ASKER_H
#define CLI_ASKER_H

#include "cli/state.h"

struct asker;

struct asked {
	int status;         /* 0: no answer */
	struct buf body;    /* lent */
	const char *target; /* lent */
	unsigned number;    /* the caller's */
	void *owner;
};
typedef void asker_done(struct asked *asked);

/* NULL, and said why. */
struct asker *asker_new(const struct state *state, unsigned concurrency);
void asker_free(struct asker *asker); /* nothing is under way; NULL is fine */

/* Waits while there are as many under way as may be. Target and body are copied; body may be NULL,
 * as may done. */
void asker_start(struct asker *asker, const char *method, const char *target, const char *body,
        asker_done *done, void *owner, unsigned number);
void asker_wait(struct asker *asker); /* until nothing is */

/* One request and its answer's body; the status. */
int asker_get(struct asker *asker, const char *method, const char *target, struct buf *ret_body);

unsigned asker_retries(const struct asker *asker);

#endif
