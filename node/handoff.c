/* ask -> push -> forget: only those that lack it, or have it older, are brought it. */
#include "node/handoff.h"
#include "node/replicate.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 30000

enum { ASK, PUSH, FORGET };

struct handoff {
	struct op op;
	struct proxy *proxy;
	struct op *waiter; /* borrowed; NULL once told */
	unsigned refs, policy;
	bool pushing, away; /* away: a primary did not answer */
	struct backend_key version;
	uint32_t from;
	struct place place;
	struct repair *pushes[PLACE_MAX];
	struct fan asked, forget;
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

static enum step handoff_ask(struct op *op)
{
	struct handoff *h = handoff_of(op);

	if (!h->asked.count) {
		struct backend_msg *msg = backend_msg_new(BACKEND_OBJECT_VERSION, BACKEND_OBJECT);
		msg->policy = (uint8_t)h->policy;
		fan_ask(&h->asked, op, h->proxy, msg, &h->place, DEADLINE_MS);
	}
	return fan_open(&h->asked) ? STEP_WAIT : op_go(op, PUSH);
}

/* As the index of a primary has it; false: nothing. */
static bool has(const struct backend_reply *reply, struct backend_key *ret_key)
{
	*ret_key = (struct backend_key){.ts = reply->ts,
	        .meta_ts = reply->meta_ts,
	        .deleted = reply->deleted,
	        .misplaced = reply->more};
	return !reply->err && reply->ts;
}

static void push(struct handoff *h, unsigned at)
{
	const struct backend_call *call = &h->asked.calls[at];
	struct backend_key theirs;

	if (call->reply.err && call->reply.err != ERR_NOT_FOUND) {
		h->away = true;
		return;
	}
	enum replicate_need need =
	        replicate_need(&h->version, has(&call->reply, &theirs) ? &theirs : NULL, 0);
	if (need != REPLICATE_NOTHING)
		h->pushes[at] = repair_push(h->proxy, &h->op, h->policy, &h->version,
		        need == REPLICATE_METADATA ? REPAIR_METADATA : REPAIR_WHOLE, h->from,
		        call->device);
}

/* The first that fails decides, when all have ended. */
static enum step handoff_push(struct op *op)
{
	struct handoff *h = handoff_of(op);
	enum err err;

	for (unsigned i = 0; i < h->asked.count && !h->pushing; i++)
		push(h, i);
	h->pushing = true;
	enum err first = h->away ? ERR_UNAVAILABLE : ERR_OK;
	for (unsigned i = 0; i < h->asked.count; i++) {
		if (!h->pushes[i])
			continue;
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
        [ASK] = {"ask", handoff_ask, TO(PUSH), 0},
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

	for (unsigned i = 0; i < PLACE_MAX; i++)
		repair_unref(h->pushes[i]);
	fan_done(&h->asked);
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
