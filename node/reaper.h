/* reaper: empties deleted accounts: every object of every container, then the containers, then
 * the account's rows. One runs beside each device's accountd; of an account's replicas only the
 * first primary's reaper works. */
#ifndef NODE_REAPER_H
#define NODE_REAPER_H

#include "node/node.h"

struct reaper;

enum err reaper_start(struct node_device *device, struct reaper **ret_reaper);

#endif
