#include "proxy/proxy.h"

#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include <stdlib.h>
#include <string.h>

#define UNPIN_US 15000000

static void see(struct hlc *hlc, const struct backend_reply *r)
{
	hlc_see(hlc, r->ts > r->meta_ts ? r->ts : r->meta_ts);
	hlc_see(hlc, r->promised);
	hlc_see(hlc, r->put_ts > r->delete_ts ? r->put_ts : r->delete_ts);
}

static void on_answer(struct backend_call *call)
{
	struct fan *fan = call->owner;

	if (!MUTANT(no_version_first))
		see(fan->hlc, &call->reply);
	fan->answered++;
	op_child_end(fan->op);
}

static void init(struct fan *fan, struct op *op, struct proxy *proxy, unsigned count)
{
	fan->op = op;
	fan->proxy = proxy;
	fan->count = count;
	fan->answered = 0;
	fan->place = NULL;
	fan->rest = (struct patience){0};
	fan->hlc = proxy->cluster->hlc;
	fan->calls = mem_zalloc(count * sizeof(*fan->calls));
}

/* Takes the message. */
static void send_one(struct fan *fan, unsigned at, struct proxy *proxy, struct backend_msg *msg,
        uint32_t device, unsigned deadline_ms)
{
	fan->calls[at] = (struct backend_call){
	        .msg = msg,
	        .device = device,
	        .deadline_us = reactor_now_us(proxy->reactor) + (uint64_t)deadline_ms * 1000,
	        .done = on_answer,
	        .owner = fan,
	};
	op_child_begin(fan->op);
	backend_send(proxy->backend, &fan->calls[at]);
}

void fan_start(struct fan *fan, struct op *op, struct proxy *proxy, struct backend_msg *msg,
        const uint32_t *devices, unsigned count, unsigned deadline_ms)
{
	init(fan, op, proxy, count);
	for (unsigned i = 0; i < count; i++)
		send_one(fan, i, proxy, backend_msg_ref(msg), devices[i], deadline_ms);
	backend_msg_unref(msg);
}

void fan_start_each(struct fan *fan, struct op *op, struct proxy *proxy, struct backend_msg **msgs,
        const uint32_t *devices, unsigned count, unsigned deadline_ms)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < count; i++)
		sent += msgs[i] != NULL;
	init(fan, op, proxy, sent);
	for (unsigned i = 0, at = 0; i < count; i++) {
		if (msgs[i])
			send_one(fan, at++, proxy, msgs[i], devices[i], deadline_ms);
	}
}

void fan_ask(struct fan *fan, struct op *op, struct proxy *proxy, struct backend_msg *msg,
        const struct place *place, unsigned deadline_ms)
{
	place_address(place, msg);
	fan_start(fan, op, proxy, msg, place->devices, place->count, deadline_ms);
	fan->place = mem_dup(place, sizeof(*place));
}

bool fan_says(const struct fan *fan, enum err err)
{
	return place_met(fan->place, fan_mask(fan, fan->place, err));
}

bool fan_knows(const struct fan *fan)
{
	return place_met(fan->place, fan_known(fan, fan->place));
}

unsigned fan_with(const struct fan *fan, enum err err)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fan->count; i++)
		n += fan->calls[i].answered && fan->calls[i].reply.err == err;
	return n;
}

uint64_t fan_mask(const struct fan *fan, const struct place *place, enum err err)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < fan->count; i++) {
		if (fan->calls[i].answered && fan->calls[i].reply.err == err)
			mask |= place_bit(place, fan->calls[i].device);
	}
	return mask;
}

static void release(struct fan *fan)
{
	for (unsigned i = 0; i < fan->count; i++)
		backend_call_done(&fan->calls[i]);
	free(fan->calls);
	free(fan->place);
}

static void on_unpinned(struct backend_call *call)
{
	backend_call_done(call);
	free(call);
}

/* A version that was pinned for nobody. */
static void unpin(struct proxy *proxy, const struct backend_call *late)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_OBJECT_CLOSE, BACKEND_OBJECT);
	struct backend_call *call = mem_zalloc(sizeof(*call));

	msg->policy = late->msg->policy;
	memcpy(msg->key, late->msg->key, sizeof(msg->key));
	msg->ring_version = late->msg->ring_version;
	msg->handle = late->reply.handle;
	call->msg = msg;
	call->device = late->device;
	call->deadline_us = reactor_now_us(proxy->reactor) + UNPIN_US;
	call->done = on_unpinned;
	backend_send(proxy->backend, call);
}

static void on_late(struct backend_call *call)
{
	struct fan *orphan = call->owner;

	if (call->reply.handle)
		unpin(orphan->proxy, call);
	if (++orphan->answered < orphan->count)
		return;
	release(orphan);
	free(orphan);
}

/* The calls live on without their operation, until the last of them is answered. */
static void let_go(const struct fan *fan)
{
	struct fan *orphan = mem_dup(fan, sizeof(*fan));

	for (unsigned i = 0; i < fan->count; i++) {
		if (fan->calls[i].answered)
			continue;
		fan->calls[i].owner = orphan;
		fan->calls[i].done = on_late;
		op_child_end(fan->op);
	}
}

void fan_wait_rest(struct fan *fan, uint64_t us)
{
	patience_start_for(&fan->rest, fan->op, us);
}

bool fan_waits(const struct fan *fan)
{
	return fan_open(fan) && fan->rest.op && !fan->rest.over;
}

void fan_done(struct fan *fan)
{
	patience_done(&fan->rest);
	if (fan_open(fan))
		let_go(fan);
	else
		release(fan);
	*fan = (struct fan){0};
}

/* --- patience --- */

static void on_impatient(struct timer *timer)
{
	struct patience *patience = CONTAINER_OF(timer, struct patience, timer);

	patience->over = true;
	op_wake(patience->op);
}

void patience_start_for(struct patience *patience, struct op *op, uint64_t us)
{
	patience_done(patience);
	patience->op = op;
	patience->timer.fire = on_impatient;
	timer_set(op->reactor, &patience->timer, us);
}

void patience_start(struct patience *patience, struct op *op)
{
	patience_start_for(patience, op, PATIENCE_US);
}

void patience_done(struct patience *patience)
{
	if (patience->op)
		timer_cancel(patience->op->reactor, &patience->timer);
	*patience = (struct patience){0};
}

static struct ring_name name_of(const char *text)
{
	return (struct ring_name){text, text ? strlen(text) : 0};
}

const struct ring_set *proxy_rings(
        const struct cluster *cluster, enum backend_kind kind, unsigned policy)
{
	if (kind == BACKEND_ACCOUNT)
		return cluster->account_rings;
	if (kind == BACKEND_CONTAINER)
		return cluster->container_rings;
	return policy < BACKEND_POLICIES ? cluster->policies[policy].rings : NULL;
}

void proxy_place(const struct cluster *cluster, unsigned policy, const char *account,
        const char *container, const char *object, struct place *ret_place)
{
	enum backend_kind kind = object      ? BACKEND_OBJECT
	                         : container ? BACKEND_CONTAINER
	                                     : BACKEND_ACCOUNT;
	uint8_t key[16];

	ring_hash_path(cluster->hash_prefix, cluster->hash_suffix, name_of(account),
	        name_of(container), name_of(object), key);
	place_of_key(proxy_rings(cluster, kind, policy), key, ret_place);
}

static bool is_local(void *owner, uint32_t device)
{
	struct proxy *proxy = owner;

	return proxy->is_local && proxy->is_local(proxy, device);
}

unsigned proxy_prefer_local(struct proxy *proxy, struct place *place)
{
	return place_order(place, is_local, proxy);
}
