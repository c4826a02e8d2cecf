/* handoff: a version on a device that is no primary of its key goes to all primaries, and is
 * forgotten here when all have it. */
#ifndef NODE_HANDOFF_H
#define NODE_HANDOFF_H

#include "proxy/repair.h"

struct handoff;

/* Runs on its own; `op` is woken when it has ended. */
struct handoff *handoff_start(struct proxy *proxy, struct op *op, unsigned policy,
        const struct backend_key *version, uint32_t from);

/* True when it has ended: ERR_OK, it is gone from here; ERR_CONFLICT, it changed meanwhile. */
bool handoff_outcome(const struct handoff *handoff, enum err *ret_err);
void handoff_unref(struct handoff *handoff); /* NULL is fine */

#endif
