#include "proxy/handoff.h"
#include "proxy/repair.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

struct copy {
	struct op op;
	struct proxy *proxy;
	struct repair *repair;
};

static struct copy *copy_of(struct op *op)
{
	return CONTAINER_OF(op, struct copy, op);
}

static enum step copy_wait(struct op *op)
{
	enum err err;

	if (!repair_outcome(copy_of(op)->repair, &err))
		return STEP_WAIT;
	copy_of(op)->proxy->stats.handoffs += err == ERR_OK;
	return STEP_DONE;
}

static const struct op_state states[] = {{"wait", copy_wait, 0, 0}};

static void release(struct op *op)
{
	struct copy *copy = copy_of(op);

	repair_unref(copy->repair);
	copy->proxy->handoffs_open--;
	free(copy);
}

/* The first device behind the primaries, by the newest ring; false: there is none. */
static bool first_handoff(
        const struct ring_set *rings, const struct place *place, uint32_t *ret_device)
{
	struct ring *ring = ring_set_newest(rings);
	AUTO(ring_handoffs) struct ring_handoffs handoffs = RING_HANDOFFS_NONE;
	uint32_t id;

	ring_handoffs_init(&handoffs, ring, ring_partition(ring, place->key));
	while (ring_handoffs_next(&handoffs, &id)) {
		*ret_device = rings->handles[rings->count - 1][id];
		if (!place_bit(place, *ret_device))
			return true;
	}
	return false;
}

/* Another system's devices know nothing by its key alone. */
static struct repair *push(
        struct copy *copy, const struct backend_msg *msg, uint32_t from, uint32_t to)
{
	bool deleted = msg->op == BACKEND_OBJECT_DELETE;
	struct backend_key version = {.ts = msg->ts, .meta_ts = msg->ts, .deleted = deleted};

	if (copy->proxy->backend->plain)
		return repair_start(copy->proxy, &copy->op, msg->policy, msg->account,
		        msg->container, msg->object, msg->ts, 0, deleted, from, &to, 1, NULL, 0, 0);
	memcpy(version.key, msg->key, sizeof(msg->key));
	return repair_push(copy->proxy, &copy->op, msg->policy, &version, REPAIR_WHOLE, from, to);
}

void handoff_copy(struct proxy *proxy, const struct backend_msg *msg, uint32_t from)
{
	const struct ring_set *rings = proxy_rings(proxy->cluster, BACKEND_OBJECT, msg->policy);
	struct place place;
	uint32_t to;

	if (!rings || proxy->handoffs_open == HANDOFFS_MAX)
		return;
	place_of_key(rings, msg->key, &place);
	if (!first_handoff(rings, &place, &to))
		return;
	struct copy *copy = mem_zalloc(sizeof(*copy));
	copy->proxy = proxy;
	proxy->handoffs_open++;
	op_init(&copy->op, proxy->reactor, states, release);
	copy->repair = push(copy, msg, from, to);
	op_start(&copy->op);
}
