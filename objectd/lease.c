/* A key that a conditional writer has to itself: what it was told of the version must still hold
 * when its record comes, on a majority. So others' writes wait; and what was written at an earlier
 * time and comes later than it must not slip in behind it, or become the version where its record
 * is not.
 *
 *   GRANT -> leased -> RELEASE of nothing -> gone
 *                   -> RELEASE, or the time is over -> promised -> a minute later -> gone */
#include "objectd/objectd_internal.h"

#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include <stdlib.h>
#include <string.h>

struct lease {
	struct hash_node node;
	struct list link; /* of objectd's promises */
	struct objectd *objectd;
	uint8_t policy, key[16];
	uint64_t ts, replaced, known, holder; /* holder 0: it has ended */
	struct timer timer;
	struct list waiting; /* struct late, the first to come first */
};

struct late {
	struct list link;
	struct task task;
	struct objectd *objectd;
	struct backend_call *call;
};

static struct lease *find(struct objectd *o, const struct backend_msg *msg)
{
	struct hash_node *node = hash_find(&o->leases, objectd_hash(msg->key, msg->policy));

	for (; node; node = hash_find_next(node)) {
		struct lease *l = CONTAINER_OF(node, struct lease, node);
		if (l->policy == msg->policy && memcmp(l->key, msg->key, 16) == 0)
			return l;
	}
	return NULL;
}

static void on_late(struct task *task)
{
	struct late *late = CONTAINER_OF(task, struct late, task);
	struct backend_call *call = late->call;

	if (call->deadline_us && reactor_now_us(late->objectd->reactor) >= call->deadline_us)
		backend_finish(call, ERR_DEADLINE);
	else
		write_start(late->objectd, call);
	free(late);
}

static void end(struct lease *l)
{
	l->holder = 0;
	while (!list_empty(&l->waiting)) {
		struct late *late = LIST_ENTRY(list_first(&l->waiting), struct late, link);
		list_remove(&late->link);
		late->task.run = on_late;
		reactor_post(l->objectd->reactor, &late->task);
	}
}

static void drop(struct lease *l)
{
	timer_cancel(l->objectd->reactor, &l->timer);
	end(l);
	list_remove(&l->link);
	hash_remove(&l->objectd->leases, &l->node);
	free(l);
}

static void on_timer(struct timer *timer)
{
	struct lease *l = CONTAINER_OF(timer, struct lease, timer);

	if (!l->holder) {
		drop(l);
		return;
	}
	end(l);
	list_append(&l->objectd->promises, &l->link);
	timer_set(l->objectd->reactor, timer, PROMISE_US);
}

static void refuse(struct lease *l)
{
	while (!list_empty(&l->waiting)) {
		struct late *late = LIST_ENTRY(list_first(&l->waiting), struct late, link);
		list_remove(&late->link);
		backend_finish(late->call, ERR_UNAVAILABLE);
		free(late);
	}
}

void leases_drop(struct objectd *o)
{
	for (size_t i = 0; i < o->leases.size; i++) {
		while (o->leases.slots[i]) {
			struct lease *l = CONTAINER_OF(o->leases.slots[i], struct lease, node);
			refuse(l);
			drop(l);
		}
	}
}

static struct lease *create(struct objectd *o, const struct backend_msg *msg)
{
	if (o->leases.count >= GRANTS_MAX) {
		if (list_empty(&o->promises))
			return NULL;
		drop(LIST_ENTRY(list_first(&o->promises), struct lease, link));
	}
	struct lease *l = mem_zalloc(sizeof(*l));
	l->objectd = o;
	l->policy = msg->policy;
	memcpy(l->key, msg->key, 16);
	l->timer.fire = on_timer;
	list_init(&l->link);
	list_init(&l->waiting);
	hash_insert(&o->leases, &l->node, objectd_hash(msg->key, msg->policy));
	return l;
}

static void promise(struct lease *l, uint64_t ts)
{
	if (ts > l->ts)
		l->ts = ts;
}

enum err lease_take(struct objectd *o, const struct backend_msg *msg)
{
	struct lease *l = find(o, msg);

	if (l && l->holder && l->holder != msg->stage && !MUTANT(no_lease))
		return ERR_BUSY;
	if (!l && !(l = create(o, msg)))
		return ERR_BUSY;
	if (l->holder != msg->stage)
		l->known = 0;
	l->holder = msg->stage;
	promise(l, msg->ts);
	if (msg->known)
		l->replaced = l->ts;
	list_remove(&l->link);
	timer_set(o->reactor, &l->timer, o->grant_us);
	return ERR_OK;
}

void lease_release(struct objectd *o, struct backend_call *call)
{
	struct lease *l = find(o, call->msg);

	if (l && l->holder == call->msg->stage) {
		promise(l, call->msg->ts);
		if (call->msg->ts)
			on_timer(&l->timer);
		else
			drop(l);
	}
	backend_finish(call, ERR_OK);
}

static bool is_holder(const struct lease *l, const struct backend_msg *msg)
{
	return l->holder && (l->holder == msg->handle || l->holder == msg->lease);
}

/* Repairs of a version's fragments pass; a draft that a reader completes would be one beside the
 * holder's. */
static bool claims(const struct backend_msg *msg)
{
	if (msg->op == BACKEND_OBJECT_PUT)
		return !msg->fragment.k || msg->handle || msg->draft;
	return msg->op == BACKEND_OBJECT_POST || msg->op == BACKEND_OBJECT_DELETE;
}

bool lease_stops(struct objectd *o, struct backend_call *call)
{
	struct lease *l = o->leases.count ? find(o, call->msg) : NULL;

	if (l && is_holder(l, call->msg)) {
		if (call->msg->under_lease)
			l->known = call->msg->known;
		return false;
	}
	if (call->msg->under_lease && !MUTANT(no_lease)) {
		backend_finish(call, ERR_BUSY);
		return true;
	}
	if (!l || !l->holder || !claims(call->msg) || MUTANT(lease_lets_pass))
		return false;
	struct late *late = mem_zalloc(sizeof(*late));
	late->objectd = o;
	late->call = call;
	list_append(&l->waiting, &late->link);
	return true;
}

uint64_t lease_promised(struct objectd *o, const struct backend_msg *msg)
{
	struct lease *l = o->leases.count ? find(o, msg) : NULL;
	uint64_t floor = horizon_floor(o, msg);

	if (MUTANT(lease_lets_pass) || (l && is_holder(l, msg)))
		return 0;
	/* What the holder knew was a deletion: only that, or one before it, may still come. */
	if (!l || (msg->op == BACKEND_OBJECT_DELETE && msg->ts <= l->known))
		return floor;
	return l->ts > floor ? l->ts : floor;
}

uint64_t lease_replaced(struct objectd *o, const struct backend_msg *msg)
{
	struct lease *l = o->leases.count ? find(o, msg) : NULL;
	uint64_t forgotten = horizon_forgotten(o);

	return l && l->replaced > forgotten ? l->replaced : forgotten;
}
