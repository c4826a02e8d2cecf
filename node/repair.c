/* What a device cannot read is written to it again from another replica, one version at a time.
 * A read of the object does the same (proxy/reader.c); this is for what nobody reads.
 *
 *   pause -> next -> ask -> (copy)* -> next        nothing left: next ends
 *                      `-> bury -> next             (the newest is a tombstone: its key is all) */
#include "node/node.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "proxy/repair.h"
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX   4096 /* what is beyond is told again by the next round of the scrub */
#define DEADLINE_MS 30000
#define PAUSE_MS    200

enum { PAUSE, NEXT, ASK, COPY, BURY };

struct broken {
	uint8_t policy, key[16];
};

struct mend {
	struct op op;
	struct node_device *device;
	struct broken *queue; /* owned */
	uint32_t count, cap;
	bool running;
	struct broken now;
	struct fan fan;
	unsigned at; /* of the answers: the one copied from */
	uint64_t newest;
	struct repair *repair;
};

static struct mend *mend_of(struct op *op)
{
	return CONTAINER_OF(op, struct mend, op);
}

static struct proxy *proxy_of(const struct mend *m)
{
	return &m->device->node->reactors[m->device->reactor].proxy;
}

static struct backend_msg *message(const struct mend *m, enum backend_op op)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	memcpy(msg->key, m->now.key, 16);
	msg->policy = m->now.policy;
	return msg;
}

static enum step end(struct mend *m, enum err err)
{
	log_info("mend", "device=%u policy=%u key=%02x%02x%02x%02x err=%s", m->device->id,
	        m->now.policy, m->now.key[0], m->now.key[1], m->now.key[2], m->now.key[3],
	        err_name(err));
	fan_done(&m->fan);
	return op_go(&m->op, NEXT);
}

/* Every device of the key, this one too: it knows what it should have. */
static void ask(struct mend *m, const struct ring_set *rings)
{
	uint32_t devices[PLACE_MAX + 1];
	struct place place;

	place_of_key(rings, m->now.key, &place);
	unsigned count = place.count;
	memcpy(devices, place.devices, count * sizeof(*devices));
	if (!place_bit(&place, m->device->id))
		devices[count++] = m->device->id;
	fan_start(&m->fan, &m->op, proxy_of(m), message(m, BACKEND_OBJECT_GET), devices, count,
	        DEADLINE_MS);
}

static enum step mend_pause(struct op *op)
{
	if (!op->expired)
		return STEP_WAIT;
	return op_go(op, atomic_load(&mend_of(op)->device->node->devices_pending) ? PAUSE : NEXT);
}

static enum step mend_next(struct op *op)
{
	struct mend *m = mend_of(op);

	while (m->count) {
		m->now = m->queue[--m->count];
		const struct ring_set *rings =
		        proxy_rings(proxy_of(m)->cluster, BACKEND_OBJECT, m->now.policy);
		if (!rings)
			continue;
		ask(m, rings);
		return op_go(op, ASK);
	}
	return STEP_DONE;
}

static enum step mend_ask(struct op *op)
{
	struct mend *m = mend_of(op);
	bool deleted = false;

	if (fan_open(&m->fan))
		return STEP_WAIT;
	m->newest = 0;
	for (unsigned i = 0; i < m->fan.count; i++) {
		const struct backend_reply *reply = &m->fan.calls[i].reply;
		if (reply->ts <= m->newest)
			continue;
		m->newest = reply->ts;
		deleted = reply->deleted;
	}
	m->at = 0;
	return op_go(op, deleted ? BURY : COPY);
}

/* From one that has the newest version whole; when it fails, from the next. */
static enum step mend_copy(struct op *op)
{
	struct mend *m = mend_of(op);
	enum err err = ERR_NOT_FOUND;

	if (m->repair) {
		if (!repair_outcome(m->repair, &err))
			return STEP_WAIT;
		repair_unref(TAKE(m->repair));
		if (!err)
			return end(m, ERR_OK);
		m->at++;
	}
	for (; m->at < m->fan.count; m->at++) {
		const struct backend_call *call = &m->fan.calls[m->at];
		if (call->reply.err || call->reply.ts < m->newest || !call->reply.path.len)
			continue;
		if (call->device == m->device->id)
			return end(m, ERR_OK); /* mended by a read meanwhile */
		const char *account = call->reply.path.data;
		const char *container = account + strlen(account) + 1;
		const char *object = container + strlen(container) + 1;
		m->repair = repair_start(proxy_of(m), op, m->now.policy, account, container, object,
		        m->newest, 0, false, call->device, &m->device->id, 1, NULL, 0, 0);
		return STEP_WAIT;
	}
	return end(m, err);
}

static enum step mend_bury(struct op *op)
{
	struct mend *m = mend_of(op);

	if (m->fan.calls[0].msg->op == BACKEND_OBJECT_GET) {
		struct backend_msg *msg = message(m, BACKEND_OBJECT_DELETE);
		backend_msg_path(msg, "", "", "");
		msg->ts = m->newest;
		fan_done(&m->fan);
		fan_start(&m->fan, op, proxy_of(m), msg, &m->device->id, 1, DEADLINE_MS);
	}
	if (fan_open(&m->fan))
		return STEP_WAIT;
	enum err err = m->fan.calls[0].reply.err;
	return end(m, err == ERR_NOT_FOUND || err == ERR_CONFLICT ? ERR_OK : err);
}

static const struct op_state states[] = {
        [PAUSE] = {"pause", mend_pause, TO(PAUSE) | TO(NEXT), PAUSE_MS},
        [NEXT] = {"next", mend_next, TO(ASK), 0},
        [ASK] = {"ask", mend_ask, TO(COPY) | TO(BURY), 0},
        [COPY] = {"copy", mend_copy, TO(NEXT), 0},
        [BURY] = {"bury", mend_bury, TO(NEXT), 0},
};

static void run(struct mend *m);

static void release(struct op *op)
{
	struct mend *m = mend_of(op);

	m->running = false;
	if (m->count)
		run(m); /* told of more since it ended */
}

static void run(struct mend *m)
{
	op_init(&m->op, proxy_of(m)->reactor, states, release);
	m->running = true;
	op_start(&m->op);
}

void node_corrupt(void *owner, uint8_t policy, const uint8_t key[16], uint64_t ts)
{
	struct node_device *d = owner;
	struct mend *m = d->mend;

	policy %= BACKEND_POLICIES; /* a draft's, too */
	log_warn("corrupt", "device=%u policy=%u key=%02x%02x%02x%02x ts=%llu", d->id, policy,
	        key[0], key[1], key[2], key[3], (unsigned long long)ts);
	if (!m) {
		m = d->mend = mem_zalloc(sizeof(*m));
		m->device = d;
	}
	if (m->count == QUEUE_MAX)
		return;
	if (m->count == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 16;
		m->queue = mem_realloc(m->queue, m->cap * sizeof(*m->queue));
	}
	struct broken *broken = &m->queue[m->count++];
	broken->policy = policy;
	memcpy(broken->key, key, 16);
	if (!m->running)
		run(m);
}
