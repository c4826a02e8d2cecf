/* splitter: splits containers that have too many rows (docs/decisions/0006-ranges.md), while they
 * are written and listed. One runs beside each device's containerd; of a container's replicas the
 * first primary's works, and the next one when nothing has happened for a while. Two at a time
 * agree, or one of them gives up; a container is left half-way by none for long. */
#ifndef NODE_SPLIT_H
#define NODE_SPLIT_H

#include "node/node.h"

struct splitter;

enum err splitter_start(struct node_device *device, struct splitter **ret_splitter);

#endif
