/* sender: brings what changes in synced containers to the other cluster (container sync), as
 * Swift's container-sync daemon does. What is to be brought are rows of a hidden container
 * (proxy/sync_queue.h); each goes when the other cluster has what it says, so nothing else is kept:
 * a node that dies half-way begins with the rows that are left.
 *
 * One runs on each node that stores, and brings what the container's primaries of this node are
 * first for; what those of other nodes have left lying, after a while. No container holds up
 * another: one that cannot be brought anywhere is tried at ever longer intervals. */
#ifndef NODE_SENDER_H
#define NODE_SENDER_H

#include "node/node.h"

struct sender;

/* Runs on the proxy's reactor until the process ends. */
enum err sender_start(struct node *node, struct proxy *proxy, struct sender **ret_sender);
/* Any thread; NULL: nothing. */
void sender_metrics(const struct sender *sender, struct buf *out);

#endif
