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

void fan_done(struct fan *fan)
{
	for (unsigned i = 0; i < fan->count; i++)
		backend_call_done(&fan->calls[i]);
	free(fan->calls);
	*fan = (struct fan){0};
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
