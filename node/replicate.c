/* A round, for the rings of each policy, of containers and of accounts:
 *
 *   wait -> target -> (chunk -> (peer -> (ask -> answer (-> push))*)*)* -> target ... -> wait
 *
 * A chunk is some partitions and the peers we share them with. Each peer and we are asked for
 * digests of all that is shared; then, peer by peer, of parts of what differed, and, where a part
 * is small, for its keys.
 * Objects that we have newer are pushed; databases that differ are reconciled (reconcile.c). */
#include "node/replicate_internal.h"

#include "lib/base/mutant.h"
#include "lib/log/log.h"
#include <stdlib.h>
#include <string.h>

#define TICK_MS     250
#define CHUNK_PARTS 2048 /* partitions looked up at a time: some hundred microseconds */
#define SOON_US     1000000
#define LEFT_US     100      /* and so much later for each that others are bringing */
#define START_US    10000000 /* at most, until the first round */

struct replicator *replicator_of(struct op *op)
{
	return CONTAINER_OF(op, struct replicator, op);
}

enum backend_kind replicate_kind(unsigned target)
{
	return target == TARGET_CONTAINERS ? BACKEND_CONTAINER
	       : target == TARGET_ACCOUNTS ? BACKEND_ACCOUNT
	                                   : BACKEND_OBJECT;
}

const struct ring_set *replicate_rings(const struct replicator *r)
{
	return proxy_rings(r->proxy->cluster, r->kind, r->target);
}

void replicate_first_key(uint64_t prefix, uint8_t ret_key[16])
{
	memset(ret_key, 0, 16);
	for (unsigned i = 0; i < 8; i++)
		ret_key[i] = (uint8_t)(prefix >> (56 - 8 * i));
}

uint64_t replicate_place(const struct replicator *r, uint64_t part, struct place *ret_place)
{
	uint64_t prefix = r->bits ? part << (64 - r->bits) : 0;
	uint8_t key[16];

	replicate_first_key(prefix, key);
	place_of_key(replicate_rings(r), key, ret_place);
	return prefix;
}

uint64_t replicate_now_us(const struct replicator *r)
{
	return reactor_now_us(r->op.reactor);
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
	if (replicate_now_us(r) < r->next_us || !may_begin(r) || MUTANT(no_replication))
		return op_go(op, WAIT);
	r->began_wall_us = env->wall_us(env);
	r->began_round_us = replicate_now_us(r);
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
	atomic_store(&d->seen.round_took_us, replicate_now_us(r) - r->began_round_us);
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
	bool soon = r->left_all || (r->differences && !r->lagging) || replicate_is_filling(r);
	uint64_t soon_us = SOON_US + r->left_all * LEFT_US;
	if (replicate_is_filling(r) && replicate_all_filled(r))
		node_filling_end(d);
	uint64_t pause = pause_us(r);
	r->next_us = replicate_now_us(r) + (soon && pause > soon_us ? soon_us : pause);
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
		r->kind = replicate_kind(r->target);
		if (replicate_rings(r))
			break;
	}
	if (r->target == TARGETS)
		return end_round(r);
	r->rings = rings = replicate_rings(r);
	r->version = ring_version(ring_set_newest(rings));
	if (r->agreed_version[r->target] != r->version) { /* the others may be others now */
		tell_agreed(r, false);
		atomic_store(&r->device->seen.moved_us[r->target], 0);
	}
	r->agreed_version[r->target] = r->version;
	r->began_lsn = device_lsn(r->device->device);
	r->began_us = replicate_now_us(r);
	r->before_ts = env->wall_us(env) / 10 - NODE_RECLAIM_TICKS;
	r->bits = bits_of(rings);
	r->part = r->chunk_from = 0;
	r->parts = 1ull << r->bits;
	r->fills = true;
	r->doubted_count = 0;
	r->unsure = r->unmoved = false;
	r->leaves = !r->stalled[r->target] && !replicate_is_filling(r);
	r->left = r->lacks_found = r->strays_found = r->later_found = 0;
	return op_go(op, CHUNK);
}

static bool rings_changed(const struct replicator *r)
{
	const struct ring_set *rings = replicate_rings(r);

	return rings != r->rings || ring_version(ring_set_newest(rings)) != r->version;
}

static enum step end_target(struct replicator *r)
{
	if (replicate_is_filling(r)) {
		r->filled[r->target] = r->filled[r->target] || r->fills;
		r->unsure = r->unmoved = true; /* it brings nothing to anybody */
	}
	if (!r->unsure)
		tell_agreed(r, true);
	if (!r->unmoved)
		atomic_store(&r->device->seen.moved_us[r->target], r->began_us);
	r->lagging |= r->unsure;
	r->stalled[r->target] =
	        r->left && r->left_last[r->target] && r->left >= r->left_last[r->target];
	r->left_last[r->target] = r->left;
	r->left_all += r->left;
	r->target++;
	return op_go(&r->op, TARGET);
}

/* --- chunks --- */

static void add_pair(struct replicator *r, uint32_t peer, bool newest, uint64_t prefix)
{
	if (r->pair_count == r->pair_cap) {
		r->pair_cap = r->pair_cap ? 2 * r->pair_cap : 1024;
		r->pairs = mem_realloc(r->pairs, r->pair_cap * sizeof(*r->pairs));
	}
	r->pairs[r->pair_count++] = (struct pair){peer, newest, prefix};
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
	uint64_t prefix = replicate_place(r, part, &place);

	if (!place_bit(&place, r->device->id)) {
		add_pair(r, REPLICATE_NOBODY, false, prefix);
		return;
	}
	for (unsigned i = 0; i < place.count; i++) {
		if (place.devices[i] != r->device->id)
			add_pair(r, place.devices[i], place.sets[0] >> i & 1, prefix);
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
	replicate_end_chunk(r);
	if (rings_changed(r)) {
		r->unsure = r->unmoved = true;
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

static enum step replicate_peer(struct op *op)
{
	struct replicator *r = replicator_of(op);

	if (r->surveys && r->pair_at < r->pair_count) {
		r->peer = r->pairs[r->pair_at].peer;
		r->newest = false;
		for (; r->pair_at < r->pair_count && r->pairs[r->pair_at].peer == r->peer;
		        r->pair_at++) {
			const struct pair *pair = &r->pairs[r->pair_at];
			r->newest |= pair->newest;
			replicate_add_range(&r->digests,
			        &(struct range){.prefix = pair->prefix, .bits = (uint8_t)r->bits});
		}
		return op_go(op, ASK);
	}
	if (r->surveys)
		replicate_end_survey(r);
	r->surveys = false;
	if (r->found_at == r->found_count)
		return op_go(op, CHUNK);
	r->peer = r->found[r->found_at].peer;
	r->newest = r->found[r->found_at].newest;
	r->failures = 0;
	for (; r->found_at < r->found_count && r->found[r->found_at].peer == r->peer; r->found_at++)
		replicate_look_closer(r, &r->found[r->found_at].range);
	return op_go(op, ASK);
}

/* What is not ours has no part in what is agreed. */
void replicate_left_out(struct replicator *r)
{
	r->lagging = true;
	r->unsure |= r->peer != REPLICATE_NOBODY;
	r->unmoved |= r->newest;
}

/* Nothing more with this peer in this chunk. */
enum step replicate_leave_peer(struct replicator *r)
{
	fan_done(&r->fan);
	replicate_doubt(r);
	replicate_left_out(r);
	r->digests.count = r->keys.count = 0;
	while (r->surveys && r->found_count && r->found[r->found_count - 1].peer == r->peer)
		r->found_count--;
	r->change_count = r->change_at = 0;
	return op_go(&r->op, PEER);
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
	r->next_us = replicate_now_us(r) + (pause_us(r) < START_US ? pause_us(r) : START_US);
	op_start(&r->op);
	*ret_replicator = r;
	return ERR_OK;
}
