/* state -> (bring)* -> forget: what is forgotten is what it was before it was brought. */
#include "node/handoff_db.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 60000

enum { STATE, BRING, FORGET };

struct handoff_db {
	struct op op;
	struct proxy *proxy;
	struct op *waiter; /* borrowed; NULL once told */
	unsigned refs, at; /* at: the primary at hand */
	enum backend_kind kind;
	uint8_t key[16];
	uint64_t before_ts, sent;
	const uint64_t *asked_us; /* borrowed */
	uint32_t from;
	struct place place;
	struct fan state, forget;
	struct reconcile *reconcile;
	enum err err;
	bool decided;
};

static struct handoff_db *handoff_of(struct op *op)
{
	return CONTAINER_OF(op, struct handoff_db, op);
}

static enum step end(struct handoff_db *h, enum err err)
{
	h->err = err;
	h->decided = true;
	if (h->waiter)
		op_child_end(h->waiter);
	h->waiter = NULL;
	return STEP_DONE;
}

static void ask(struct handoff_db *h, struct fan *fan, enum backend_op op)
{
	struct backend_msg *msg = backend_msg_new(op, h->kind);

	backend_msg_path(msg, "", h->kind == BACKEND_CONTAINER ? "" : NULL, NULL);
	memcpy(msg->key, h->key, 16);
	if (op == BACKEND_DB_FORGET) {
		const struct backend_reply *state = &h->state.calls[0].reply;
		msg->ts = state->put_ts;
		msg->meta_ts = state->delete_ts;
		memcpy(msg->etag, state->hash, sizeof(msg->etag));
	}
	fan_start(fan, &h->op, h->proxy, msg, &h->from, 1, DEADLINE_MS);
}

static enum step handoff_state(struct op *op)
{
	struct handoff_db *h = handoff_of(op);

	if (!h->state.count)
		ask(h, &h->state, BACKEND_DB_STATE);
	if (fan_open(&h->state))
		return STEP_WAIT;
	enum err err = h->state.calls[0].reply.err;
	if (err)
		return end(h, err == ERR_NOT_FOUND ? ERR_OK : err);
	return op_go(op, BRING);
}

/* One primary after the other; all, also when one fails. */
static enum step handoff_bring(struct op *op)
{
	struct handoff_db *h = handoff_of(op);
	uint64_t rows;
	enum err err;

	for (; h->at < h->place.count; h->at++) {
		const uint32_t devices[] = {h->from, h->place.devices[h->at]};
		if (!h->reconcile)
			h->reconcile = reconcile_start(h->proxy, op, h->kind, h->key, h->before_ts,
			        devices, false, h->asked_us);
		if (!reconcile_outcome(h->reconcile, &err, &rows))
			return STEP_WAIT;
		reconcile_unref(TAKE(h->reconcile));
		h->sent += rows;
		h->err = h->err ? h->err : err;
	}
	return h->err ? end(h, h->err) : op_go(op, FORGET);
}

static enum step handoff_forget(struct op *op)
{
	struct handoff_db *h = handoff_of(op);

	if (!h->forget.count)
		ask(h, &h->forget, BACKEND_DB_FORGET);
	if (fan_open(&h->forget))
		return STEP_WAIT;
	enum err err = h->forget.calls[0].reply.err;
	return end(h, err == ERR_NOT_FOUND ? ERR_OK : err);
}

static const struct op_state states[] = {
        [STATE] = {"state", handoff_state, TO(BRING), 0},
        [BRING] = {"bring", handoff_bring, TO(FORGET), 0},
        [FORGET] = {"forget", handoff_forget, 0, 0},
};

void handoff_db_unref(struct handoff_db *h)
{
	if (h && !--h->refs)
		free(h);
}

static void release(struct op *op)
{
	struct handoff_db *h = handoff_of(op);

	fan_done(&h->state);
	fan_done(&h->forget);
	reconcile_unref(h->reconcile);
	handoff_db_unref(h);
}

struct handoff_db *handoff_db_start(struct proxy *proxy, struct op *op, enum backend_kind kind,
        const uint8_t key[16], uint64_t before_ts, uint32_t from, const uint64_t *asked_us)
{
	struct handoff_db *h = mem_zalloc(sizeof(*h));

	h->proxy = proxy;
	h->waiter = op;
	h->refs = 2;
	h->kind = kind;
	memcpy(h->key, key, 16);
	h->before_ts = before_ts;
	h->asked_us = asked_us;
	h->from = from;
	place_of_key(proxy_rings(proxy->cluster, kind, 0), key, &h->place);
	op_child_begin(op);
	op_init(&h->op, proxy->reactor, states, release);
	op_start(&h->op);
	return h;
}

bool handoff_db_outcome(const struct handoff_db *h, enum err *ret_err, uint64_t *ret_rows)
{
	*ret_err = h->err;
	*ret_rows = h->sent;
	return h->decided;
}
