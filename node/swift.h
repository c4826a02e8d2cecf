/* A proxy in front of a Swift cluster ([swift] dir): docs/migration.md. */
#ifndef NODE_SWIFT_H
#define NODE_SWIFT_H

#include "lib/backend/backend.h"

struct node;
struct node_ring;

/* Policies and hash secrets from swift.conf, when [swift] dir is set. */
enum err node_swift_conf(struct node *node, struct buf *error);
/* Do the other options go with it? */
enum err node_swift_check(struct node *node, struct buf *error);
/* One ring of the folder comes into use; with rings_lock once the loops run. */
enum err node_swift_ring(struct node *node, struct node_ring *ring, struct buf *error);
/* Looks for changed rings; any thread that may block. */
void node_swift_look(struct node *node);
void node_swift_tick(struct node *node); /* once a second, on reactor 0 */
enum err node_swift_start(struct node *node, struct backend **ret_backend);
void node_swift_metrics(const struct node *node, struct buf *out);

#endif
