/* replicate: one device compares what it holds with the other primaries of its partitions, round
 * after round, and brings them what they lack or have older. Each device only gives; what it lacks
 * itself the others bring. Comparing costs messages and memory, no disk (docs/replication.md).
 *
 * Runs on the device's reactor. */
#ifndef NODE_REPLICATE_H
#define NODE_REPLICATE_H

#include "node/node.h"

struct replicator;

enum err replicate_start(struct node_device *device, struct replicator **ret_replicator);

/* Begins a round now instead of after the pause. */
void replicate_now(struct replicator *replicator);

/* Once a second: what the metrics tell of the present. */
void replicate_snapshot(struct replicator *replicator);

/* When (monotonic) the last round of that kind began that left every primary of the newest ring
 * with all that the device had; 0: there was none by the rings of now. Those that only older rings
 * have may be away: they may be what the newest was made for. */
uint64_t replicate_moved_us(
        const struct node_device *device, enum backend_kind kind, unsigned policy);

void replicate_metrics(const struct node *node, struct buf *out);

/* What `theirs` (NULL: nothing known) needs to be brought up to `ours`, by last writer wins: the
 * newer body or tombstone, then the newer POST. A tombstone older than before_ts need not be
 * brought to who knows nothing of its key: it may be gone there because all had it. UNREADABLE:
 * we would bring it, but ours is damaged. Pure. */
enum replicate_need {
	REPLICATE_NOTHING,
	REPLICATE_WHOLE,
	REPLICATE_METADATA,
	REPLICATE_UNREADABLE
};
enum replicate_need replicate_need(
        const struct backend_key *ours, const struct backend_key *theirs, uint64_t before_ts);

/* Is this a difference at all, whoever has to bring something? */
bool replicate_differs(
        const struct backend_key *ours, const struct backend_key *theirs, uint64_t before_ts);

/* Is there, of before until_ts, what they have and we do not? */
bool replicate_lacks(const struct backend_key *ours, const struct backend_key *theirs,
        uint64_t before_ts, uint64_t until_ts);

#endif
