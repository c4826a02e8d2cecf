/* push -> forget */
#include "node/handoff.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 30000

enum { PUSH, FORGET };

struct handoff {
	struct op op;
	struct proxy *proxy;
	struct op *waiter; /* borrowed; NULL once told */
	unsigned refs, policy, pushed;
	struct backend_key version;
	uint32_t from;
	struct place place;
	struct repair *pushes[PLACE_MAX];
	struct fan forget;
	enum err err;
	bool decided;
};

static struct handoff *handoff_of(struct op *op)
{
	return CONTAINER_OF(op, struct handoff, op);
}

static enum step end(struct handoff *h, enum err err)
{
	h->err = err;
	h->decided = true;
	if (h->waiter)
		op_child_end(h->waiter);
	h->waiter = NULL;
	return STEP_DONE;
}

/* To all primaries; the first that fails decides, when all have ended. */
static enum step handoff_push(struct op *op)
{
	struct handoff *h = handoff_of(op);
	enum err err, first = ERR_OK;

	for (; h->pushed < h->place.count; h->pushed++)
		h->pushes[h->pushed] = repair_push(h->proxy, op, h->policy, &h->version,
		        REPAIR_WHOLE, h->from, h->place.devices[h->pushed]);
	for (unsigned i = 0; i < h->place.count; i++) {
		if (!repair_outcome(h->pushes[i], &err))
			return STEP_WAIT;
		first = first ? first : err;
	}
	return first ? end(h, first) : op_go(op, FORGET);
}

static enum step handoff_forget(struct op *op)
{
	struct handoff *h = handoff_of(op);

	if (!h->forget.count) {
		struct backend_msg *msg = backend_msg_new(BACKEND_OBJECT_FORGET, BACKEND_OBJECT);
		backend_msg_path(msg, "", "", "");
		memcpy(msg->key, h->version.key, 16);
		msg->policy = (uint8_t)h->policy;
		msg->ts = h->version.ts;
		msg->meta_ts = h->version.meta_ts;
		fan_start(&h->forget, op, h->proxy, msg, &h->from, 1, DEADLINE_MS);
	}
	if (fan_open(&h->forget))
		return STEP_WAIT;
	enum err err = h->forget.calls[0].reply.err;
	return end(h, err == ERR_NOT_FOUND ? ERR_OK : err);
}

static const struct op_state states[] = {
        [PUSH] = {"push", handoff_push, TO(FORGET), 0},
        [FORGET] = {"forget", handoff_forget, 0, 0},
};

void handoff_unref(struct handoff *h)
{
	if (h && !--h->refs)
		free(h);
}

static void release(struct op *op)
{
	struct handoff *h = handoff_of(op);

	for (unsigned i = 0; i < h->pushed; i++)
		repair_unref(h->pushes[i]);
	fan_done(&h->forget);
	handoff_unref(h);
}

struct handoff *handoff_start(struct proxy *proxy, struct op *op, unsigned policy,
        const struct backend_key *version, uint32_t from)
{
	struct handoff *h = mem_zalloc(sizeof(*h));

	h->proxy = proxy;
	h->waiter = op;
	h->refs = 2;
	h->policy = policy;
	h->version = *version;
	h->from = from;
	place_of_key(proxy_rings(proxy->cluster, BACKEND_OBJECT, policy), version->key, &h->place);
	op_child_begin(op);
	op_init(&h->op, proxy->reactor, states, release);
	op_start(&h->op);
	return h;
}

bool handoff_outcome(const struct handoff *h, enum err *ret_err)
{
	*ret_err = h->err;
	return h->decided;
}
