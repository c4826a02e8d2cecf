/* What the files of a replicator share. It is one operation (the drawing is in replicate.c); each
 * file has some of its states:
 *
 *   replicate.c          rounds, targets, chunks of partitions, peer by peer
 *   replicate_compare.c  questions to both sides, and what follows from the answers
 *   replicate_push.c     what is brought, and how fast
 *   replicate_filling.c  does a device that came back empty have all again?
 *   replicate_need.c     which of two versions is newer
 *   replicate_metrics.c  what it says of itself
 *
 * Only these include it. */
#ifndef NODE_REPLICATE_INTERNAL_H
#define NODE_REPLICATE_INTERNAL_H

#include "lib/base/mem.h"
#include "node/handoff.h"
#include "node/handoff_db.h"
#include "node/pace.h"
#include "node/progress.h"
#include "node/reconcile.h"
#include "node/replicate.h"
#include "proxy/repair.h"

#define REPLICATE_PUSHES     8 /* under way at once */
#define REPLICATE_RECONCILES 2
#define REPLICATE_NOBODY     UINT32_MAX /* in place of a peer: partitions we are no primary of */

enum { WAIT, TARGET, CHUNK, PEER, ASK, ANSWER, PUSH };

/* What is compared one after the other: objects of policy n, then these. */
enum { TARGET_CONTAINERS = BACKEND_POLICIES, TARGET_ACCOUNTS, TARGETS };

struct pair {
	uint32_t peer;
	bool newest; /* it is a primary there by the newest ring */
	uint64_t prefix;
};

/* Keys that begin with the first `bits` bits of prefix. */
struct range {
	uint64_t prefix;
	uint32_t count; /* entries of who has more */
	uint32_t lacks; /* of those, at least so many that we bring */
	uint8_t bits;
};

struct found {
	uint32_t peer;
	bool newest;
	struct range range;
};

struct ranges {
	struct range *items; /* owned */
	uint32_t count, cap;
};

struct change {
	struct backend_key version; /* databases: the key alone */
	uint8_t part;               /* enum repair_part */
};

struct replicator {
	struct op op;
	struct node_device *device;
	struct proxy *proxy;
	uint64_t next_us; /* when a round begins */
	/* the round */
	uint64_t began_wall_us, began_round_us, differences, parts_differ;
	bool lagging; /* something could not be compared or brought */
	unsigned target;
	enum backend_kind kind;
	/* its rings */
	const struct ring_set *rings; /* only to be compared: whether they changed */
	uint64_t version, agreed_version[TARGETS];
	uint64_t began_lsn, began_us, before_ts, part, parts;
	unsigned bits;
	bool unsure;  /* as lagging, of this target */
	bool unmoved; /* the same, of primaries by the newest ring */
	bool yielded;
	/* a chunk, by peer: all are asked for digests first, so that it is known how much there is
	 * to do before any of it is done */
	struct pair *pairs; /* owned */
	uint32_t pair_count, pair_cap, pair_at;
	bool surveys;
	struct found *found; /* owned; what differs */
	uint32_t found_count, found_cap, found_at;
	/* a peer */
	uint32_t peer;
	bool newest; /* it is a primary of some of what is looked at, by the newest ring */
	unsigned failures;
	struct ranges digests, keys; /* to be asked for */
	/* a question */
	struct range asked[BACKEND_RANGES_MAX];
	unsigned asked_count;
	uint8_t fan_out;
	bool asked_keys;
	struct fan fan; /* we, then the peer */
	/* what is pushed */
	struct change *changes; /* owned */
	uint32_t change_count, change_cap, change_at;
	struct repair *pushes[REPLICATE_PUSHES];
	struct reconcile *reconciles[REPLICATE_RECONCILES];
	struct handoff *handoffs[REPLICATE_PUSHES];
	struct handoff_db *handoff_dbs[REPLICATE_RECONCILES];
	/* How far it is (replicate_metrics.c): of the round so far, what of objects is ours to
	 * bring, what is to be forgotten, and what will be when the older rings have gone; by
	 * target too. */
	struct progress progress;
	uint64_t lacks_found, strays_found, later_found, objects_done;
	double later[TARGETS], push_rate;
	uint64_t pushed_before;
	/* While the device is being filled: it has all that these targets' peers have; in this
	 * one so far; and whom it has not, in the partitions of this chunk. */
	bool filled[TARGETS], fills;
	uint64_t chunk_from;
	uint32_t *doubted; /* owned */
	unsigned doubted_count, doubted_cap;
	/* What another primary is nearer to bring is left to it, as long as that gets less from
	 * round to round. */
	bool leaves, stalled[TARGETS];
	uint64_t left, left_last[TARGETS], left_all;
	/* While clients are at work too. */
	uint64_t asked_us;  /* when they last were, or may have been */
	uint64_t rested_us; /* from the last object that was brought or forgotten */
	struct timer turn;
	uint64_t push_us[REPLICATE_PUSHES], handoff_us[REPLICATE_PUSHES]; /* when they began */
};

/* --- replicate.c --- */
struct replicator *replicator_of(struct op *op);
enum backend_kind replicate_kind(unsigned target);
/* Those of the target at hand. */
const struct ring_set *replicate_rings(const struct replicator *r);
/* Returns the first bits of its keys. */
uint64_t replicate_place(const struct replicator *r, uint64_t part, struct place *ret_place);
uint64_t replicate_now_us(const struct replicator *r);
/* The first key with that prefix. */
void replicate_first_key(uint64_t prefix, uint8_t ret_key[16]);
/* The peer may lack something that we have. */
void replicate_left_out(struct replicator *r);
/* Nothing more with this peer in this chunk. */
enum step replicate_leave_peer(struct replicator *r);

/* --- replicate_compare.c --- */
enum step replicate_ask(struct op *op);
enum step replicate_answer(struct op *op);
void replicate_add_range(struct ranges *ranges, const struct range *range);
/* Is it another primary that brings the peer what it lacks of this key? The first of them but the
 * peer does. When that one lacks it too, or is away, the others do some rounds later. */
bool replicate_leaves(const struct replicator *r, const uint8_t key[16]);
/* It differs: its keys are asked for where they are few, else the digests of its parts. */
void replicate_look_closer(struct replicator *r, const struct range *range);

/* --- replicate_push.c --- */
enum step replicate_push(struct op *op);
/* Are clients at work with the device? While rings move (true) they may be at work with those it
 * gets its partitions from. */
bool replicate_see_clients(struct replicator *r);

/* --- replicate_metrics.c --- */
/* All peers were asked about what of the target was looked at so far. */
void replicate_end_survey(struct replicator *r);

/* --- replicate_filling.c --- */
bool replicate_is_filling(const struct replicator *r);
/* The peer has, or may have, what we do not. */
void replicate_doubt(struct replicator *r);
/* Of the chunk that was just compared: does the device have all of it? */
void replicate_end_chunk(struct replicator *r);
/* All that has rings. */
bool replicate_all_filled(const struct replicator *r);

#endif
