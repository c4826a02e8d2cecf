/* peers: what one node knows of the others; peers.c keeps it, on reactor 0, peers_tell.c tells it
 * to whoever asks for metrics. */
#ifndef NODE_PEERS_H
#define NODE_PEERS_H

#include "node/node.h"

#define PEER_SILENT_US 10000000 /* who says nothing for so long is not waited for */
#define PEER_SKEW_US   500000   /* a clock so far off is reported */

struct peer {
	struct list link;
	char *ip; /* owned */
	uint32_t port;
	struct node *node;
	struct wire_ask ask;
	bool asking, skewed, mismatched;
	bool heard; /* since our start */
	uint64_t asked_us;
	bool named; /* by a ring that lives */
	/* Under node->words_lock: the metrics look at them. */
	bool up, in_rings;
	uint64_t heard_us; /* 0: never */
	uint64_t since_us; /* wall clock: when it came up, or was lost */
	int64_t skew_us;   /* its clock minus ours */
	unsigned wire_version;
	struct gossip said;
	struct move_word move;
};

/* A ring on its way here; one at a time. */
struct fetch {
	struct wire_ask ask;
	struct peer *peer;
	struct node_ring *ring;
	uint64_t version;
	uint8_t digest[16];
	struct buf file;
	struct work work;
	bool busy, announced; /* announced: with its digest */
};

/* What blocks: fences and settling. */
struct chore {
	struct work work;
	struct node *node;
	struct node_ring *ring;
	uint64_t version; /* to fence; 0: settle */
	uint8_t *moved;   /* owned; by handle */
	uint32_t handles;
	bool busy;
};

struct peers {
	struct list list; /* struct peer */
	unsigned count, ticks;
	struct fetch fetch;
	struct chore chore;
};

static inline bool peer_is_heard(const struct peer *peer, uint64_t now_us)
{
	return peer->heard_us && now_us - peer->heard_us < PEER_SILENT_US;
}

#endif
