#include "proxy/proxy.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

unsigned majority(unsigned replicas)
{
	return replicas / 2 + 1;
}

static void on_answer(struct backend_call *call)
{
	struct fan *fan = call->owner;

	fan->answered++;
	op_child_end(fan->op);
}

void fan_start(struct fan *fan, struct op *op, struct proxy *proxy, struct backend_msg *msg,
        const uint32_t *devices, unsigned count, unsigned deadline_ms)
{
	fan->op = op;
	fan->count = count;
	fan->answered = 0;
	fan->calls = mem_zalloc(count * sizeof(*fan->calls));
	for (unsigned i = 0; i < count; i++) {
		fan->calls[i] = (struct backend_call){
		        .msg = backend_msg_ref(msg),
		        .device = devices[i],
		        .deadline_us =
		                reactor_now_us(proxy->reactor) + (uint64_t)deadline_ms * 1000,
		        .done = on_answer,
		        .owner = fan,
		};
		op_child_begin(op);
		backend_send(proxy->backend, &fan->calls[i]);
	}
	backend_msg_unref(msg);
}

unsigned fan_with(const struct fan *fan, enum err err)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fan->count; i++)
		n += fan->calls[i].answered && fan->calls[i].reply.err == err;
	return n;
}

static void release(struct fan *fan)
{
	for (unsigned i = 0; i < fan->count; i++)
		backend_call_done(&fan->calls[i]);
	free(fan->calls);
}

static void on_late(struct backend_call *call)
{
	struct fan *orphan = call->owner;

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

void fan_done(struct fan *fan)
{
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

void patience_start(struct patience *patience, struct op *op)
{
	patience_done(patience);
	patience->op = op;
	patience->timer.fire = on_impatient;
	timer_set(op->reactor, &patience->timer, PATIENCE_US);
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

unsigned proxy_place(const struct cluster *cluster, struct ring *ring, const char *account,
        const char *container, const char *object, uint8_t ret_key[16],
        uint32_t ret_devices[REPLICAS_MAX])
{
	ring_hash_path(cluster->hash_prefix, cluster->hash_suffix, name_of(account),
	        name_of(container), name_of(object), ret_key);
	return ring_primaries(ring, ring_partition(ring, ret_key), ret_devices, REPLICAS_MAX);
}

struct ring *proxy_object_ring(const struct cluster *cluster, unsigned policy)
{
	return policy < BACKEND_POLICIES ? cluster->policies[policy].ring : NULL;
}

void proxy_prefer_local(struct proxy *proxy, uint32_t *devices, unsigned count)
{
	unsigned front = 0;

	for (unsigned i = 0; i < count; i++) {
		if (proxy->is_local && proxy->is_local(proxy, devices[i])) {
			uint32_t device = devices[i];
			devices[i] = devices[front];
			devices[front++] = device;
		}
	}
}
