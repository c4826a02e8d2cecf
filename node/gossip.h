/* gossip: what nodes tell each other once a second: their clocks, and for each ring the newest
 * version they use, the one they have fenced, and the one whose partitions have moved
 * (docs/decisions/0004-rings-that-live-together.md); and how far the move is. This part is pure. */
#ifndef NODE_GOSSIP_H
#define NODE_GOSSIP_H

#include "lib/base/buf.h"
#include "lib/err/err.h"
#include "proxy/place.h"
#include <stdbool.h>
#include <stdint.h>

#define GOSSIP_RINGS_MAX (2 + BACKEND_POLICIES)

struct ring_word {
	uint8_t kind, policy;
	struct ring_versions live;
	uint64_t fenced, moved; /* versions */
	uint8_t digest[16];     /* of the newest's bytes */
};

/* What a node says of itself. */
struct gossip {
	uint64_t clock;   /* newest timestamp given or seen (see lib/base/ts.h) */
	uint64_t wall_us; /* since 1970 */
	char ip[46];      /* where its wire listens; "": nowhere */
	uint32_t port;
	bool joined;         /* it knows all rings that live */
	uint16_t program[3]; /* version of the program; zeros: one that does not tell */
	unsigned ring_count;
	struct ring_word rings[GOSSIP_RINGS_MAX];
};

/* What a node has done of a move and has still to do (progress.h), and in how many seconds (0: not
 * known). */
struct move_word {
	uint64_t done, left, seconds;
};

void gossip_move_encode(const struct move_word *word, struct buf *bytes);
enum err gossip_move_decode(const void *data, size_t len, struct move_word *ret_word);

void gossip_encode(const struct gossip *gossip, struct buf *bytes);
/* ERR_FORMAT when it is none. */
enum err gossip_decode(const void *data, size_t len, struct gossip *ret_gossip);

/* NULL when it says nothing of that ring. */
const struct ring_word *gossip_ring(
        const struct gossip *gossip, enum backend_kind kind, unsigned policy);

/* Are these two rings of one version, and not the same? */
bool gossip_differs(const struct ring_word *a, const struct ring_word *b);

/* Does for every partition a part of the older rings' primaries say `has_moved` that meets every
 * quorum they had? */
bool gossip_settled(
        const struct ring_set *set, bool (*has_moved)(void *owner, uint32_t device), void *owner);

#endif
