/* A round, for the rings of each policy, of containers and of accounts:
 *
 *   wait -> target -> (chunk -> (peer -> (ask -> answer (-> push))*)*)* -> target ... -> wait
 *
 * A chunk is some partitions and the peers we share them with. Each peer and we are asked for
 * digests of all that is shared; then, peer by peer, of parts of what differed, and, where a part
 * is small, for its keys.
 * Objects that we have newer are pushed; databases that differ are reconciled (reconcile.c). */
#include "node/replicate.h"

#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include "lib/log/log.h"
#include "node/handoff.h"
#include "node/handoff_db.h"
#include "node/pace.h"
#include "node/reconcile.h"
#include "proxy/repair.h"
#include <stdlib.h>
#include <string.h>

#define TICK_MS      250
#define DEADLINE_MS  30000
#define CHUNK_PARTS  2048 /* partitions looked up at a time: some hundred microseconds */
#define FAN_OUT      4    /* a range that differs is split into 16 */
#define KEYS_EASY    64   /* a range of so few keys is not split any more */
#define KEYS_A_TIME  4096 /* entries that one KEYS asks for */
#define PUSHES       8    /* under way at once */
#define RECONCILES   2
#define FAILURES_MAX 16 /* pushes to one peer that failed in a row: it has to wait */

#define SOON_US  1000000
#define LEFT_US  100        /* and so much later for each that others are bringing */
#define BUSY_US  2000000    /* so long after the last of them clients are at work */
#define START_US 10000000   /* at most, until the first round */
#define NOBODY   UINT32_MAX /* in place of a peer: partitions we are no primary of */

enum { WAIT, TARGET, CHUNK, PEER, ASK, ANSWER, PUSH };

/* What is compared one after the other: objects of policy n, then these. */
enum { TARGET_CONTAINERS = BACKEND_POLICIES, TARGET_ACCOUNTS, TARGETS };

struct pair {
	uint32_t peer;
	uint64_t prefix;
};

/* Keys that begin with the first `bits` bits of prefix. */
struct range {
	uint64_t prefix;
	uint32_t count; /* entries of who has more */
	uint32_t lacks; /* of those, at least so many that one side does not have */
	uint8_t bits;
};

struct found {
	uint32_t peer;
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
	uint64_t began_wall_us, differences, parts_differ;
	bool lagging; /* something could not be compared or brought */
	unsigned target;
	enum backend_kind kind;
	/* its rings */
	const struct ring_set *rings; /* only to be compared: whether they changed */
	uint64_t version, agreed_version[TARGETS];
	uint64_t began_lsn, began_us, before_ts, part, parts;
	unsigned bits;
	bool unsure; /* as lagging, of this target */
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
	struct repair *pushes[PUSHES];
	struct reconcile *reconciles[RECONCILES];
	struct handoff *handoffs[PUSHES];
	struct handoff_db *handoff_dbs[RECONCILES];
	double rate; /* pushes a second, lately */
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
	struct pace pace;
	struct timer turn;                            /* of the next push */
	uint64_t push_us[PUSHES], handoff_us[PUSHES]; /* when they began */
};

static struct replicator *replicator_of(struct op *op)
{
	return CONTAINER_OF(op, struct replicator, op);
}

static enum backend_kind kind_of(unsigned target)
{
	return target == TARGET_CONTAINERS ? BACKEND_CONTAINER
	       : target == TARGET_ACCOUNTS ? BACKEND_ACCOUNT
	                                   : BACKEND_OBJECT;
}

static const struct ring_set *rings_of(const struct replicator *r)
{
	return proxy_rings(r->proxy->cluster, r->kind, r->target);
}

/* Returns the first bits of its keys. */
static uint64_t place_of_part(const struct replicator *r, uint64_t part, struct place *ret_place)
{
	uint64_t prefix = r->bits ? part << (64 - r->bits) : 0;
	uint8_t key[16] = {0};

	for (unsigned i = 0; i < 8; i++)
		key[i] = (uint8_t)(prefix >> (56 - 8 * i));
	place_of_key(rings_of(r), key, ret_place);
	return prefix;
}

static uint64_t now_us(const struct replicator *r)
{
	return reactor_now_us(r->op.reactor);
}

/* --- while the device is being filled --- */

static bool is_filling(const struct replicator *r)
{
	return atomic_load_explicit(&r->device->filling, memory_order_relaxed);
}

/* The peer has, or may have, what we do not. */
static void doubt(struct replicator *r)
{
	if (!is_filling(r) || (r->doubted_count && r->doubted[r->doubted_count - 1] == r->peer))
		return;
	if (r->doubted_count == r->doubted_cap) {
		r->doubted_cap = r->doubted_cap ? 2 * r->doubted_cap : 16;
		r->doubted = mem_realloc(r->doubted, r->doubted_cap * sizeof(*r->doubted));
	}
	r->doubted[r->doubted_count++] = r->peer;
}

/* Are those that we have all from so many that each write that counted us is among it? */
static bool has_all(const struct replicator *r, const struct place *place)
{
	uint64_t own = place_bit(place, r->device->id), sure = place_all(place) & ~own;

	for (unsigned i = 0; i < r->doubted_count; i++)
		sure &= ~place_bit(place, r->doubted[i]);
	for (unsigned i = 0; i < place->set_count; i++) {
		unsigned all = (unsigned)__builtin_popcountll(place->sets[i]);
		unsigned good = (unsigned)__builtin_popcountll(place->sets[i] & sure);
		if ((place->sets[i] & own) && good < all - 1 && good + place->need[i] <= all)
			return false;
	}
	return true;
}

/* Of the chunk that was just compared. */
static void end_chunk(struct replicator *r)
{
	struct place place;

	for (uint64_t part = r->chunk_from; is_filling(r) && part < r->part; part++) {
		place_of_part(r, part, &place);
		r->fills = r->fills && has_all(r, &place);
	}
	r->chunk_from = r->part;
	r->doubted_count = 0;
}

/* All that has rings. */
static bool all_filled(const struct replicator *r)
{
	for (unsigned i = 0; i < TARGETS; i++) {
		if (proxy_rings(r->proxy->cluster, kind_of(i), i) && !r->filled[i])
			return false;
	}
	return true;
}

/* --- rounds --- */

static bool may_begin(const struct replicator *r)
{
	const struct node_device *d = r->device;

	return atomic_load(&d->node->joined) && atomic_load(&d->ready) && !atomic_load(&d->hung) &&
	       !d->down && !atomic_load(&d->node->devices_pending);
}

static enum step replicate_wait(struct op *op)
{
	struct replicator *r = replicator_of(op);
	const struct env *env = r->proxy->cluster->env;

	if (!op->expired)
		return STEP_WAIT;
	if (now_us(r) < r->next_us || !may_begin(r) || MUTANT(no_replication))
		return op_go(op, WAIT);
	r->began_wall_us = env->wall_us(env);
	r->differences = r->parts_differ = 0;
	r->lagging = false;
	r->left_all = 0;
	r->target = 0;
	return op_go(op, TARGET);
}

static uint64_t pause_us(const struct replicator *r)
{
	return r->device->node->conf.replicate_pause * 1000000;
}

static enum step end_round(struct replicator *r)
{
	struct node_device *d = r->device;

	atomic_fetch_add(&d->seen.rounds, 1);
	atomic_store(&d->seen.differences, r->differences);
	atomic_store(&d->seen.round_lags, r->lagging);
	atomic_store(&d->seen.parts_differ, r->parts_differ);
	if (!r->lagging)
		atomic_store(&d->seen.round_us, r->began_wall_us);
	if (!r->lagging && !r->differences)
		atomic_store(&d->seen.equal_us, r->began_wall_us);
	if (r->differences || r->lagging)
		log_info("replicated", "device=%u differences=%llu lagging=%d", d->id,
		        (unsigned long long)r->differences, r->lagging);
	/* What is left to others, or was just brought, is looked at again soon. */
	bool soon = r->left_all || (r->differences && !r->lagging) || is_filling(r);
	uint64_t soon_us = SOON_US + r->left_all * LEFT_US;
	if (is_filling(r) && all_filled(r))
		node_filling_end(d);
	uint64_t pause = pause_us(r);
	r->next_us = now_us(r) + (soon && pause > soon_us ? soon_us : pause);
	return op_go(&r->op, WAIT);
}

/* More bits than any of the rings cuts keys by: then a partition of ours is one of theirs. */
static unsigned bits_of(const struct ring_set *rings)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < rings->count; i++) {
		if (ring_part_power(rings->rings[i]) > bits)
			bits = ring_part_power(rings->rings[i]);
	}
	return bits;
}

/* Tombstones of before the target's round began are with all primaries; none: nothing is known. */
static void tell_agreed(struct replicator *r, bool any)
{
	struct node_device *d = r->device;

	atomic_store(&d->seen.agreed_us[r->target], any ? r->began_us : 0);
	if (r->target == TARGET_CONTAINERS)
		containerd_agreed(d->containerd, any ? r->began_us : 0);
	else if (r->target == TARGET_ACCOUNTS)
		accountd_agreed(d->accountd, any ? r->began_us : 0);
	else
		device_agreed(d->device, (uint8_t)r->target, any ? r->began_lsn : 0);
}

static enum step replicate_target(struct op *op)
{
	struct replicator *r = replicator_of(op);
	const struct env *env = r->proxy->cluster->env;
	const struct ring_set *rings;

	for (; r->target < TARGETS; r->target++) {
		r->kind = kind_of(r->target);
		if (rings_of(r))
			break;
	}
	if (r->target == TARGETS)
		return end_round(r);
	r->rings = rings = rings_of(r);
	r->version = ring_version(ring_set_newest(rings));
	if (r->agreed_version[r->target] != r->version) /* the others may be others now */
		tell_agreed(r, false);
	r->agreed_version[r->target] = r->version;
	r->began_lsn = device_lsn(r->device->device);
	r->began_us = now_us(r);
	r->before_ts = env->wall_us(env) / 10 - NODE_RECLAIM_TICKS;
	r->bits = bits_of(rings);
	r->part = r->chunk_from = 0;
	r->parts = 1ull << r->bits;
	r->fills = true;
	r->doubted_count = 0;
	r->unsure = false;
	r->leaves = !r->stalled[r->target] && !is_filling(r);
	r->left = 0;
	return op_go(op, CHUNK);
}

static bool rings_changed(const struct replicator *r)
{
	const struct ring_set *rings = rings_of(r);

	return rings != r->rings || ring_version(ring_set_newest(rings)) != r->version;
}

static enum step end_target(struct replicator *r)
{
	if (is_filling(r)) {
		r->filled[r->target] = r->filled[r->target] || r->fills;
		r->unsure = true; /* it brings nothing to anybody */
	}
	if (!r->unsure)
		tell_agreed(r, true);
	r->lagging |= r->unsure;
	r->stalled[r->target] =
	        r->left && r->left_last[r->target] && r->left >= r->left_last[r->target];
	r->left_last[r->target] = r->left;
	r->left_all += r->left;
	r->target++;
	return op_go(&r->op, TARGET);
}

/* --- chunks --- */

static void add_pair(struct replicator *r, uint32_t peer, uint64_t prefix)
{
	if (r->pair_count == r->pair_cap) {
		r->pair_cap = r->pair_cap ? 2 * r->pair_cap : 1024;
		r->pairs = mem_realloc(r->pairs, r->pair_cap * sizeof(*r->pairs));
	}
	r->pairs[r->pair_count++] = (struct pair){peer, prefix};
}

static int by_peer(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	return x->prefix < y->prefix ? -1 : x->prefix > y->prefix;
}

static void look_up(struct replicator *r, uint64_t part)
{
	struct place place;
	uint64_t prefix = place_of_part(r, part, &place);

	if (!place_bit(&place, r->device->id)) {
		add_pair(r, NOBODY, prefix);
		return;
	}
	for (unsigned i = 0; i < place.count; i++) {
		if (place.devices[i] != r->device->id)
			add_pair(r, place.devices[i], prefix);
	}
}

static enum step replicate_chunk(struct op *op)
{
	struct replicator *r = replicator_of(op);

	/* Many chunks may have nobody to ask: others get their turn between them. */
	r->yielded = !r->yielded;
	if (r->yielded) {
		op_wake(op);
		return STEP_WAIT;
	}
	end_chunk(r);
	if (rings_changed(r)) {
		r->unsure = true;
		r->fills = false;
		return end_target(r);
	}
	if (r->part == r->parts)
		return end_target(r);
	r->pair_count = r->pair_at = r->found_count = r->found_at = 0;
	r->surveys = true;
	for (unsigned i = 0; i < CHUNK_PARTS && r->part < r->parts; i++)
		look_up(r, r->part++);
	if (r->pair_count)
		qsort(r->pairs, r->pair_count, sizeof(*r->pairs), by_peer);
	return op_go(op, PEER);
}

/* --- one peer --- */

static void add_range(struct ranges *ranges, const struct range *range)
{
	if (ranges->count == ranges->cap) {
		ranges->cap = ranges->cap ? 2 * ranges->cap : 256;
		ranges->items = mem_realloc(ranges->items, ranges->cap * sizeof(*ranges->items));
	}
	ranges->items[ranges->count++] = *range;
}

static void add_found(struct replicator *r, const struct range *range)
{
	if (r->found_count == r->found_cap) {
		r->found_cap = r->found_cap ? 2 * r->found_cap : 256;
		r->found = mem_realloc(r->found, r->found_cap * sizeof(*r->found));
	}
	r->found[r->found_count++] = (struct found){r->peer, *range};
}

/* It differs: its keys are asked for where they are few, else the digests of its parts. */
static void look_closer(struct replicator *r, const struct range *range)
{
	bool small = range->count <= KEYS_EASY || range->bits + FAN_OUT > 64;

	add_range(small ? &r->keys : &r->digests, range);
}

static enum step replicate_peer(struct op *op)
{
	struct replicator *r = replicator_of(op);

	if (r->surveys && r->pair_at < r->pair_count) {
		r->peer = r->pairs[r->pair_at].peer;
		while (r->pair_at < r->pair_count && r->pairs[r->pair_at].peer == r->peer)
			add_range(&r->digests,
			        &(struct range){.prefix = r->pairs[r->pair_at++].prefix,
			                .bits = (uint8_t)r->bits});
		return op_go(op, ASK);
	}
	r->surveys = false;
	if (r->found_at == r->found_count)
		return op_go(op, CHUNK);
	r->peer = r->found[r->found_at].peer;
	r->failures = 0;
	for (; r->found_at < r->found_count && r->found[r->found_at].peer == r->peer; r->found_at++)
		look_closer(r, &r->found[r->found_at].range);
	return op_go(op, ASK);
}

/* Nothing more with this peer in this chunk. What is not ours has no part in what is agreed. */
static enum step leave_peer(struct replicator *r)
{
	fan_done(&r->fan);
	doubt(r);
	r->lagging = true;
	r->unsure |= r->peer != NOBODY;
	r->digests.count = r->keys.count = 0;
	while (r->surveys && r->found_count && r->found[r->found_count - 1].peer == r->peer)
		r->found_count--;
	r->change_count = r->change_at = 0;
	return op_go(&r->op, PEER);
}

/* --- questions --- */

static int by_prefix(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->prefix < y->prefix ? -1 : x->prefix > y->prefix;
}

/* Takes from the end what one message may ask for: ranges of one size. */
static void take_ranges(struct replicator *r, struct ranges *ranges, unsigned most)
{
	uint64_t keys = 0;

	r->asked_count = 0;
	while (ranges->count && r->asked_count < most) {
		const struct range *last = &ranges->items[ranges->count - 1];
		if (r->asked_count &&
		        (last->bits != r->asked[0].bits || keys + last->count > KEYS_A_TIME))
			break;
		keys += last->count;
		r->asked[r->asked_count++] = *last;
		ranges->count--;
	}
	qsort(r->asked, r->asked_count, sizeof(*r->asked), by_prefix);
}

static struct backend_msg *question(struct replicator *r)
{
	bool objects = r->kind == BACKEND_OBJECT;
	enum backend_op keys = objects ? BACKEND_OBJECT_KEYS : BACKEND_DB_KEYS;
	enum backend_op digest = objects ? BACKEND_OBJECT_DIGEST : BACKEND_DB_DIGEST;
	struct backend_msg *msg = backend_msg_new(r->asked_keys ? keys : digest, r->kind);
	uint64_t *ranges = backend_msg_alloc(msg, r->asked_count * sizeof(*ranges));

	for (unsigned i = 0; i < r->asked_count; i++)
		ranges[i] = r->asked[i].prefix;
	msg->policy = objects ? (uint8_t)r->target : 0;
	msg->ts = r->before_ts;
	msg->ranges = ranges;
	msg->range_count = r->asked_count;
	msg->range_bits = r->asked[0].bits;
	msg->fan_out = r->fan_out;
	return msg;
}

static enum step replicate_ask(struct op *op)
{
	struct replicator *r = replicator_of(op);
	uint32_t devices[] = {r->device->id, r->peer};

	if (!r->digests.count && !r->keys.count)
		return op_go(op, PEER);
	r->asked_keys = r->keys.count >= BACKEND_RANGES_MAX || !r->digests.count;
	if (r->asked_keys) {
		r->fan_out = 0;
		take_ranges(r, &r->keys, BACKEND_RANGES_MAX);
	} else {
		/* Whole partitions are expected to be equal, parts of them are known not to be. */
		bool whole = r->digests.items[r->digests.count - 1].bits == r->bits &&
		             !r->digests.items[r->digests.count - 1].count;
		r->fan_out = whole ? 0 : FAN_OUT;
		take_ranges(r, &r->digests,
		        whole ? BACKEND_RANGES_MAX : BACKEND_DIGESTS_MAX >> FAN_OUT);
	}
	fan_start(&r->fan, op, r->proxy, question(r), devices, r->peer == NOBODY ? 1 : 2,
	        DEADLINE_MS);
	return op_go(op, ANSWER);
}

/* --- answers --- */

static uint32_t at_least_one(uint64_t n)
{
	return n == 0 ? 1 : n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* We have nothing there to bring: to know what it is they have would cost much, and help nobody. (A
 * database is made equal by either side.) */
static bool is_theirs_alone(struct replicator *r, const struct backend_digest *ours,
        const struct backend_digest *theirs)
{
	if (r->kind != BACKEND_OBJECT || ours->count ||
	        (is_filling(r) &&
	                theirs->count <= KEYS_EASY)) /* it may be younger than asked for */
		return false;
	r->differences += theirs->count;
	doubt(r);
	return true;
}

/* theirs NULL: nobody has anything. */
static bool take_digests(struct replicator *r, const struct buf *ours, const struct buf *theirs)
{
	size_t count = (size_t)r->asked_count << r->fan_out;

	if (ours->len != count * sizeof(struct backend_digest) ||
	        (theirs && theirs->len != ours->len))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct range *from = &r->asked[i >> r->fan_out];
		unsigned bits = from->bits + r->fan_out;
		uint64_t part = i & ((1ull << r->fan_out) - 1);
		uint64_t prefix = from->prefix | (r->fan_out ? part << (64 - bits) : 0);
		struct backend_digest a, b = {0};
		memcpy(&a, ours->data + i * sizeof(a), sizeof(a));
		if (theirs)
			memcpy(&b, theirs->data + i * sizeof(b), sizeof(b));
		if (memcmp(&a, &b, sizeof(a)) == 0)
			continue;
		if (is_theirs_alone(r, &a, &b))
			continue;
		uint64_t most = a.count > b.count ? a.count : b.count;
		uint64_t lacks = most - (a.count < b.count ? a.count : b.count);
		const struct range range = {.prefix = prefix,
		        .bits = (uint8_t)bits,
		        .count = at_least_one(most),
		        .lacks = at_least_one(lacks)};
		r->parts_differ += bits == r->bits;
		if (r->surveys)
			add_found(r, &range);
		else
			look_closer(r, &range);
	}
	return true;
}

static void add_change(struct replicator *r, const struct backend_key *version, uint8_t part)
{
	if (r->change_count == r->change_cap) {
		r->change_cap = r->change_cap ? 2 * r->change_cap : 256;
		r->changes = mem_realloc(r->changes, r->change_cap * sizeof(*r->changes));
	}
	r->changes[r->change_count++] = (struct change){*version, part};
}

/* Of the primaries but the peer, the first brings it what it lacks. When that one lacks it too, or
 * is away, the others do some rounds later. */
static bool is_left(struct replicator *r, const uint8_t key[16])
{
	struct place place;
	unsigned i = 0;

	if (!r->leaves)
		return false;
	place_of_key(rings_of(r), key, &place);
	while (i < place.count && place.devices[i] == r->peer)
		i++;
	if (i == place.count || place.devices[i] == r->device->id)
		return false;
	r->left++;
	r->unsure = true;
	return true;
}

static void judge(
        struct replicator *r, const struct backend_key *ours, const struct backend_key *theirs)
{
	enum replicate_need need = replicate_need(ours, theirs, r->before_ts);

	r->differences += replicate_differs(ours, theirs, r->before_ts);
	if (is_filling(r)) {
		if (replicate_lacks(ours, theirs, r->before_ts, r->device->filling_ts))
			doubt(r);
		return;
	}
	if (need != REPLICATE_NOTHING && !is_left(r, ours->key))
		add_change(r, ours, need == REPLICATE_METADATA ? REPAIR_METADATA : REPAIR_WHOLE);
}

/* Databases are joined, whoever has what. */
static void judge_database(struct replicator *r, const void *ours, const void *theirs)
{
	struct backend_key version = {0};

	if (ours && theirs && memcmp(ours, theirs, sizeof(struct backend_db_key)) == 0)
		return;
	memcpy(version.key, ours ? ours : theirs, 16);
	r->differences++;
	if (!is_left(r, version.key))
		add_change(r, &version, REPAIR_WHOLE);
}

static void judge_item(struct replicator *r, const void *ours, const void *theirs)
{
	struct backend_key a, b;

	if (r->kind != BACKEND_OBJECT) {
		judge_database(r, ours, theirs);
		return;
	}
	if (ours)
		memcpy(&a, ours, sizeof(a));
	if (theirs)
		memcpy(&b, theirs, sizeof(b));
	judge(r, ours ? &a : NULL, theirs ? &b : NULL);
}

/* All that we have of keys that are not ours; a database's key comes first too. */
static void take_strays(struct replicator *r, const struct backend_reply *ours)
{
	size_t size = r->kind == BACKEND_OBJECT ? sizeof(struct backend_key)
	                                        : sizeof(struct backend_db_key);
	struct backend_key key = {0};

	for (size_t at = 0; ours->items.len - at >= size; at += size) {
		memcpy(&key, ours->items.data + at, r->kind == BACKEND_OBJECT ? size : 16);
		r->differences++;
		if (!key.corrupt && !is_filling(r))
			add_change(r, &key, REPAIR_WHOLE);
	}
}

/* Both in the order of keys. What one side had no room for is left to the next round. */
static void take_keys(
        struct replicator *r, const struct backend_reply *ours, const struct backend_reply *theirs)
{
	size_t size = r->kind == BACKEND_OBJECT ? sizeof(struct backend_key)
	                                        : sizeof(struct backend_db_key);
	size_t i = 0, j = 0;

	r->unsure |= ours->more || theirs->more;
	if (ours->more || theirs->more)
		doubt(r);
	for (;;) {
		const char *a = ours->items.len - i < size ? NULL : ours->items.data + i;
		const char *b = theirs->items.len - j < size ? NULL : theirs->items.data + j;
		if ((!a && (ours->more || !b)) || (!b && (theirs->more || !a)))
			return;
		int order = !a ? 1 : !b ? -1 : memcmp(a, b, 16); /* the key comes first */
		judge_item(r, order <= 0 ? a : NULL, order >= 0 ? b : NULL);
		i += order <= 0 ? size : 0;
		j += order >= 0 ? size : 0;
	}
}

static enum step replicate_answer(struct op *op)
{
	struct replicator *r = replicator_of(op);

	if (fan_open(&r->fan))
		return STEP_WAIT;
	bool alone = r->peer == NOBODY;
	const struct backend_reply *ours = &r->fan.calls[0].reply;
	const struct backend_reply *theirs = alone ? NULL : &r->fan.calls[1].reply;
	if (ours->err || (theirs && theirs->err))
		return leave_peer(r);
	if (theirs && theirs->filling)
		doubt(r);
	if (!r->asked_keys && !take_digests(r, &ours->items, theirs ? &theirs->items : NULL))
		return leave_peer(r);
	if (r->asked_keys && alone)
		take_strays(r, ours);
	else if (r->asked_keys)
		take_keys(r, ours, theirs);
	fan_done(&r->fan);
	return op_go(op, r->change_count ? PUSH : ASK);
}

/* --- pushing --- */

static void pushed(struct replicator *r, enum err err, uint64_t count)
{
	struct node_device *d = r->device;

	if (err)
		doubt(r);
	if (!err || err == ERR_CONFLICT) {
		r->failures = 0;
		atomic_fetch_add(&d->seen.pushed, count);
		return;
	}
	if (!r->failures++)
		log_debug("replicate", "device=%u peer=%d kind=%d err=%s", d->id, (int)r->peer,
		        r->kind, err_name(err));
	r->lagging = true;
	r->unsure |= r->peer != NOBODY;
	atomic_fetch_add(&d->seen.push_errors, 1);
}

static bool is_paced(const struct replicator *r)
{
	uint64_t asked_us = r->device->asked_us;

	return asked_us && now_us(r) < asked_us + BUSY_US;
}

static void has_ended(struct replicator *r, uint64_t began_us)
{
	if (is_paced(r))
		pace_end(&r->pace, now_us(r), now_us(r) - began_us);
}

static unsigned collect_pushed(struct replicator *r)
{
	unsigned busy = 0;
	enum err err;

	for (unsigned i = 0; i < PUSHES; i++) {
		if (!r->pushes[i])
			continue;
		if (!repair_outcome(r->pushes[i], &err)) {
			busy++;
			continue;
		}
		repair_unref(TAKE(r->pushes[i]));
		has_ended(r, r->push_us[i]);
		pushed(r, err, 1);
	}
	return busy;
}

static unsigned collect_reconciled(struct replicator *r)
{
	unsigned busy = 0;
	uint64_t rows;
	enum err err;

	for (unsigned i = 0; i < RECONCILES; i++) {
		if (!r->reconciles[i])
			continue;
		if (!reconcile_outcome(r->reconciles[i], &err, &rows)) {
			busy++;
			continue;
		}
		reconcile_unref(TAKE(r->reconciles[i]));
		pushed(r, err, rows);
	}
	return busy;
}

static unsigned collect_handoffs(struct replicator *r)
{
	unsigned busy = 0;
	enum err err;

	for (unsigned i = 0; i < PUSHES; i++) {
		if (!r->handoffs[i])
			continue;
		if (!handoff_outcome(r->handoffs[i], &err)) {
			busy++;
			continue;
		}
		handoff_unref(TAKE(r->handoffs[i]));
		has_ended(r, r->handoff_us[i]);
		pushed(r, err, 1);
	}
	return busy;
}

static void on_turn(struct timer *timer)
{
	op_wake(&CONTAINER_OF(timer, struct replicator, turn)->op);
}

/* One more now? Else it is looked at again when its turn comes. */
static bool may_push(struct replicator *r, uint64_t *ret_began_us)
{
	uint64_t now = now_us(r), next = pace_next_us(&r->pace, now);

	*ret_began_us = now;
	if (!is_paced(r))
		return true;
	if (next > now) {
		r->turn.fire = on_turn;
		timer_set(r->op.reactor, &r->turn, next - now);
		return false;
	}
	pace_begin(&r->pace, now);
	return true;
}

/* One at a time while others wait clearly longer for this disk than they would alone. */
static unsigned pushes_at_once(const struct replicator *r)
{
	return device_slowed(r->device->device) ? 1 : PUSHES;
}

static unsigned collect_handoff_dbs(struct replicator *r)
{
	unsigned busy = 0;
	uint64_t rows;
	enum err err;

	for (unsigned i = 0; i < RECONCILES; i++) {
		if (!r->handoff_dbs[i])
			continue;
		if (!handoff_db_outcome(r->handoff_dbs[i], &err, &rows)) {
			busy++;
			continue;
		}
		handoff_db_unref(TAKE(r->handoff_dbs[i]));
		pushed(r, err == ERR_BUSY ? ERR_OK : err, rows);
	}
	return busy;
}

static unsigned push_stray_databases(struct replicator *r)
{
	unsigned started = 0;

	for (unsigned i = 0; i < RECONCILES && r->change_at < r->change_count; i++) {
		if (r->handoff_dbs[i])
			continue;
		const struct change *c = &r->changes[r->change_at++];
		r->handoff_dbs[i] = handoff_db_start(
		        r->proxy, &r->op, r->kind, c->version.key, r->before_ts, r->device->id);
		started++;
	}
	return started;
}

static unsigned push_strays(struct replicator *r)
{
	unsigned started = 0, most = pushes_at_once(r);

	for (unsigned i = 0; i < most && r->change_at < r->change_count; i++) {
		if (r->handoffs[i])
			continue;
		if (!may_push(r, &r->handoff_us[i]))
			break;
		const struct change *c = &r->changes[r->change_at++];
		r->handoffs[i] =
		        handoff_start(r->proxy, &r->op, r->target, &c->version, r->device->id);
		started++;
	}
	return started;
}

static unsigned push_objects(struct replicator *r)
{
	unsigned started = 0, most = pushes_at_once(r);

	for (unsigned i = 0; i < most && r->change_at < r->change_count; i++) {
		if (r->pushes[i])
			continue;
		if (!may_push(r, &r->push_us[i]))
			break;
		const struct change *c = &r->changes[r->change_at++];
		r->pushes[i] = repair_push(
		        r->proxy, &r->op, r->target, &c->version, c->part, r->device->id, r->peer);
		started++;
	}
	return started;
}

static unsigned push_databases(struct replicator *r)
{
	const uint32_t devices[] = {r->device->id, r->peer};
	unsigned started = 0;

	for (unsigned i = 0; i < RECONCILES && r->change_at < r->change_count; i++) {
		if (r->reconciles[i])
			continue;
		const struct change *c = &r->changes[r->change_at++];
		r->reconciles[i] = reconcile_start(
		        r->proxy, &r->op, r->kind, c->version.key, r->before_ts, devices, true);
		started++;
	}
	return started;
}

static unsigned start_pushes(struct replicator *r)
{
	if (r->kind == BACKEND_OBJECT)
		return r->peer == NOBODY ? push_strays(r) : push_objects(r);
	return r->peer == NOBODY ? push_stray_databases(r) : push_databases(r);
}

static enum step replicate_push(struct op *op)
{
	struct replicator *r = replicator_of(op);
	unsigned busy = collect_pushed(r) + collect_reconciled(r) + collect_handoffs(r) +
	                collect_handoff_dbs(r);
	bool gives_up = r->failures >= FAILURES_MAX;

	if (!gives_up)
		busy += start_pushes(r);
	if (busy || (!gives_up && r->change_at < r->change_count))
		return STEP_WAIT; /* for one that ends, or for the next one's turn */
	if (gives_up)
		return leave_peer(r);
	r->change_count = r->change_at = 0;
	return op_go(op, ASK);
}

static const struct op_state states[] = {
        [WAIT] = {"wait", replicate_wait, TO(WAIT) | TO(TARGET), TICK_MS},
        [TARGET] = {"target", replicate_target, TO(CHUNK) | TO(WAIT), 0},
        [CHUNK] = {"chunk", replicate_chunk, TO(PEER) | TO(TARGET), 0},
        [PEER] = {"peer", replicate_peer, TO(ASK) | TO(CHUNK), 0},
        [ASK] = {"ask", replicate_ask, TO(ANSWER) | TO(PEER), 0},
        [ANSWER] = {"answer", replicate_answer, TO(PUSH) | TO(ASK) | TO(PEER), 0},
        [PUSH] = {"push", replicate_push, TO(ASK) | TO(PEER), 0},
};

static void release(struct op *op)
{
	struct replicator *r = replicator_of(op);

	timer_cancel(r->op.reactor, &r->turn);
	fan_done(&r->fan);
	free(r->pairs);
	free(r->digests.items);
	free(r->keys.items);
	free(r->changes);
	free(r->found);
	free(r->doubted);
	free(r);
}

/* --- what it says of itself --- */

static uint64_t lacking(const struct ranges *ranges)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ranges->count; i++)
		sum += ranges->items[i].lacks;
	return sum;
}

void replicate_snapshot(struct replicator *r)
{
	struct node_device *d = r->device;
	uint64_t pushed = atomic_load(&d->seen.pushed);

	/* A sliding mean of some seconds. */
	r->rate = (r->rate * 3 + (double)(pushed - r->pushed_before)) / 4;
	r->pushed_before = pushed;
	atomic_store(&d->seen.push_rate, (uint64_t)(r->rate + 0.5));
	uint64_t waiting =
	        lacking(&r->digests) + lacking(&r->keys) + r->change_count - r->change_at;
	for (uint32_t i = r->found_at; i < r->found_count; i++)
		waiting += r->found[i].range.lacks;
	atomic_store(&d->seen.waiting, waiting);
	if (r->parts_differ > atomic_load(&d->seen.parts_differ))
		atomic_store(&d->seen.parts_differ, r->parts_differ);
}

static void metric(const struct node *node, struct buf *out, const char *name, const char *type,
        size_t offset, bool seconds)
{
	buf_printf(out, "# TYPE cairn_replicate_%s %s\n", name, type);
	for (unsigned i = 0; i < node->device_count; i++) {
		const struct node_device *d = &node->devices[i];
		const atomic_uint_least64_t *value = (const void *)((const char *)d + offset);
		uint64_t v = atomic_load(value);
		if (seconds)
			buf_printf(out, "cairn_replicate_%s{device=\"%u\"} %llu.%06llu\n", name, i,
			        (unsigned long long)(v / 1000000),
			        (unsigned long long)(v % 1000000));
		else
			buf_printf(out, "cairn_replicate_%s{device=\"%u\"} %llu\n", name, i,
			        (unsigned long long)v);
	}
}

uint64_t replicate_agreed_us(
        const struct node_device *device, enum backend_kind kind, unsigned policy)
{
	unsigned target = kind == BACKEND_OBJECT      ? policy
	                  : kind == BACKEND_CONTAINER ? TARGET_CONTAINERS
	                                              : TARGET_ACCOUNTS;

	return atomic_load(&device->seen.agreed_us[target]);
}

void replicate_metrics(const struct node *node, struct buf *out)
{
#define SEEN(field) offsetof(struct node_device, seen.field)
	metric(node, out, "rounds", "counter", SEEN(rounds), false);
	metric(node, out, "pushed", "counter", SEEN(pushed), false);
	metric(node, out, "push_errors", "counter", SEEN(push_errors), false);
	metric(node, out, "differences", "gauge", SEEN(differences), false);
	metric(node, out, "lagging", "gauge", SEEN(round_lags), false);
	metric(node, out, "partitions", "gauge", SEEN(parts_differ), false);
	metric(node, out, "waiting", "gauge", SEEN(waiting), false);
	metric(node, out, "push_rate", "gauge", SEEN(push_rate), false);
	metric(node, out, "complete_seconds", "gauge", SEEN(round_us), true);
	metric(node, out, "equal_seconds", "gauge", SEEN(equal_us), true);
#undef SEEN
}

void replicate_now(struct replicator *r)
{
	r->next_us = 0;
}

enum err replicate_start(struct node_device *device, struct replicator **ret_replicator)
{
	struct node_reactor *nr = &device->node->reactors[device->reactor];
	struct replicator *r = mem_zalloc(sizeof(*r));

	r->device = device;
	r->proxy = &nr->proxy;
	op_init(&r->op, nr->reactor, states, release);
	r->next_us = now_us(r) + (pause_us(r) < START_US ? pause_us(r) : START_US);
	op_start(&r->op);
	*ret_replicator = r;
	return ERR_OK;
}
