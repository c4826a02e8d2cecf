/* notifier: tells targets what has happened to objects of buckets that want it told. What is to be
 * told are rows of a hidden container (proxy/s3/event.h); each goes when its target has taken it,
 * so nothing else is kept: a node that dies half-way begins with the rows that are left, and a
 * target may hear of something twice.
 *
 * Each target has a way of its own, a page of rows at a time, in their order: one that fails is
 * tried again at ever longer intervals, and holds up no other. The first primary of the container
 * that a target's name comes to does it; what it has left lying, the others after a while. */
#ifndef NODE_NOTIFIER_H
#define NODE_NOTIFIER_H

#include "node/node.h"

struct notifier;

/* Runs on the proxy's reactor until the process ends. */
enum err notifier_start(struct node *node, struct proxy *proxy, struct notifier **ret_notifier);
/* Any thread; NULL: nothing. */
void notifier_metrics(const struct notifier *notifier, struct buf *out);

#endif
