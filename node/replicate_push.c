/* What was found to be lacking is brought: objects are pushed, databases made equal, and what is
 * not ours is handed off. At a pace (pace.h) while clients are at work too. */
#include "node/replicate_internal.h"

#include "lib/log/log.h"

#define FAILURES_MAX 16 /* pushes to one peer that failed in a row: it has to wait */

/* After an object: it goes on where all is slow, and large ones do not wait for seconds. */
#define REST_MAX_US 100000

static void pushed(struct replicator *r, enum err err, uint64_t count)
{
	struct node_device *d = r->device;

	if (err)
		replicate_doubt(r);
	if (!err || err == ERR_CONFLICT) {
		r->failures = 0;
		atomic_fetch_add(&d->seen.pushed, count);
		return;
	}
	if (err == ERR_EXISTS) { /* the primaries have all, in other places than they should */
		r->lagging = r->unsure = true;
		return;
	}
	replicate_left_out(r);
	if (err == ERR_BUSY) /* that one alone has to wait */
		return;
	if (!r->failures++)
		log_debug("replicate", "device=%u peer=%d kind=%d err=%s", d->id, (int)r->peer,
		        r->kind, err_name(err));
	atomic_fetch_add(&d->seen.push_errors, 1);
}

static bool rings_move(const struct node *node)
{
	bool any = false;

	for (unsigned i = 0; i < node->ring_count; i++) {
		const struct node_ring *ring = &node->rings[i];
		any |= atomic_load(&ring->oldest) != atomic_load(&ring->newest);
	}
	return any;
}

bool replicate_see_clients(struct replicator *r)
{
	bool moves = rings_move(r->device->node);

	if (moves)
		r->asked_us = replicate_now_us(r);
	else if (r->device->asked_us > r->asked_us)
		r->asked_us = r->device->asked_us;
	return moves;
}

static bool is_paced(struct replicator *r)
{
	replicate_see_clients(r);
	return pace_is_wanted(r->asked_us, replicate_now_us(r));
}

static void rest(struct replicator *r, uint64_t began_us)
{
	uint64_t now = replicate_now_us(r), rest_us = pace_rest_us(now - began_us);

	r->rested_us = now + (rest_us < REST_MAX_US ? rest_us : REST_MAX_US);
}

static unsigned collect_pushed(struct replicator *r)
{
	unsigned busy = 0;
	enum err err;

	for (unsigned i = 0; i < REPLICATE_PUSHES; i++) {
		if (!r->pushes[i])
			continue;
		if (!repair_outcome(r->pushes[i], &err)) {
			busy++;
			continue;
		}
		repair_unref(TAKE(r->pushes[i]));
		rest(r, r->push_us[i]);
		r->objects_done++;
		pushed(r, err, 1);
	}
	return busy;
}

static unsigned collect_reconciled(struct replicator *r)
{
	unsigned busy = 0;
	uint64_t rows;
	enum err err;

	for (unsigned i = 0; i < REPLICATE_RECONCILES; i++) {
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

	for (unsigned i = 0; i < REPLICATE_PUSHES; i++) {
		if (!r->handoffs[i])
			continue;
		if (!handoff_outcome(r->handoffs[i], &err)) {
			busy++;
			continue;
		}
		handoff_unref(TAKE(r->handoffs[i]));
		rest(r, r->handoff_us[i]);
		r->objects_done++;
		pushed(r, err, 1);
	}
	return busy;
}

static void on_turn(struct timer *timer)
{
	op_wake(&CONTAINER_OF(timer, struct replicator, turn)->op);
}

/* One more now? Else it is looked at again when it has rested. */
static bool may_push(struct replicator *r, uint64_t *ret_began_us)
{
	uint64_t now = replicate_now_us(r);

	*ret_began_us = now;
	if (now >= r->rested_us || !is_paced(r))
		return true;
	r->turn.fire = on_turn;
	timer_set(r->op.reactor, &r->turn, r->rested_us - now);
	return false;
}

/* One at a time at a pace, and while others wait clearly longer for this disk than they would
 * alone. */
static unsigned pushes_at_once(struct replicator *r)
{
	return is_paced(r) || device_slowed(r->device->device) ? 1 : REPLICATE_PUSHES;
}

/* They rest in between (reconcile.c). */
static unsigned databases_at_once(struct replicator *r)
{
	return is_paced(r) ? 1 : REPLICATE_RECONCILES;
}

static unsigned collect_handoff_dbs(struct replicator *r)
{
	unsigned busy = 0;
	uint64_t rows;
	enum err err;

	for (unsigned i = 0; i < REPLICATE_RECONCILES; i++) {
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
	unsigned started = 0, most = databases_at_once(r);

	for (unsigned i = 0; i < most && r->change_at < r->change_count; i++) {
		if (r->handoff_dbs[i])
			continue;
		const struct change *c = &r->changes[r->change_at++];
		r->handoff_dbs[i] = handoff_db_start(r->proxy, &r->op, r->kind, c->version.key,
		        r->before_ts, r->device->id, &r->asked_us);
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
	unsigned started = 0, most = databases_at_once(r);

	for (unsigned i = 0; i < most && r->change_at < r->change_count; i++) {
		if (r->reconciles[i])
			continue;
		const struct change *c = &r->changes[r->change_at++];
		r->reconciles[i] = reconcile_start(r->proxy, &r->op, r->kind, c->version.key,
		        r->before_ts, devices, true, &r->asked_us);
		started++;
	}
	return started;
}

static unsigned start_pushes(struct replicator *r)
{
	if (r->kind == BACKEND_OBJECT)
		return r->peer == REPLICATE_NOBODY ? push_strays(r) : push_objects(r);
	return r->peer == REPLICATE_NOBODY ? push_stray_databases(r) : push_databases(r);
}

enum step replicate_push(struct op *op)
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
		return replicate_leave_peer(r);
	r->change_count = r->change_at = 0;
	return op_go(op, ASK);
}
