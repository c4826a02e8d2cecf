/* handoff: a write that a primary missed leaves one more copy on the first device behind the
 * primaries, which brings it there later. Beside the request, after its answer: it counts for
 * nothing (DESIGN 5.4), but while two of three are away it is one copy more. */
#ifndef PROXY_HANDOFF_H
#define PROXY_HANDOFF_H

#include "proxy/proxy.h"

#define HANDOFFS_MAX 32 /* under way, of one proxy; beyond, replication alone mends it */

/* The version (or tombstone) that the message, a PUT or DELETE, has made, from a device that has
 * it. */
void handoff_copy(struct proxy *proxy, const struct backend_msg *msg, uint32_t from);

#endif
