/* lifecycle: once a day what the rules of buckets say is done (proxy/s3/lifecycle_walk.h). Each
 * device looks through its containers, and walks those whose first primary it is; nobody else does.
 * One page of one bucket at a time, with rests that leave most of the time to clients. */
#ifndef NODE_LIFECYCLE_H
#define NODE_LIFECYCLE_H

#include "node/node.h"

struct lifecycler;

enum err lifecycle_start(struct node_device *device, struct lifecycler **ret_lifecycler);
void lifecycle_metrics(struct node *node, struct buf *out);

#endif
