/* jobs: what a device's roles do by themselves, on the device's reactor: totals of containers
 * to their accounts, listing updates that stayed open, and (on device 0) expired objects. Each
 * round looks for work, does one piece at a time and goes to sleep when there is none. */
#ifndef NODE_JOBS_H
#define NODE_JOBS_H

#include "node/node.h"

struct jobs;

enum err jobs_start(struct node_device *device, struct jobs **ret_jobs);

#endif
