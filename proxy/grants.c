#include "proxy/grants.h"

#include "lib/base/mutant.h"

#define DEADLINE_MS 30000
#define RETRY_US    500
#define WAIT_US     10000000
#define FRESH_US    500000 /* less than a process takes to start anew */

enum { NOTHING, FIRST, REST, READY };

struct backend_msg *grants_message(
        const struct place *place, const struct backend_msg *of, enum backend_op op)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	backend_msg_path(msg, of->account, of->container, of->object);
	place_address(place, msg);
	msg->policy = of->policy;
	msg->stage = of->handle;
	msg->ts = of->ts;
	if (op == BACKEND_OBJECT_GRANT)
		msg->known = of->known;
	return msg;
}

static struct backend_msg *grant_message(const struct grants *g, const struct backend_msg *of)
{
	struct backend_msg *msg = grants_message(g->place, of, BACKEND_OBJECT_GRANT);

	msg->ts += g->alone;
	return msg;
}

static void ask_first(struct grants *g, const struct backend_msg *of)
{
	g->phase = FIRST;
	g->asked_us = reactor_now_us(g->proxy->reactor);
	fan_done(&g->first);
	fan_start(&g->first, g->op, g->proxy, grant_message(g, of), &g->place->devices[g->at], 1,
	        DEADLINE_MS);
}

static void ask_rest(struct grants *g, const struct backend_msg *of)
{
	unsigned left = g->place->count - g->at - 1;

	g->phase = REST;
	fan_done(&g->rest);
	patience_start(&g->patience, g->op);
	if (left)
		fan_start(&g->rest, g->op, g->proxy, grant_message(g, of),
		        &g->place->devices[g->at + 1], left, DEADLINE_MS);
}

static void on_retry(struct timer *timer)
{
	struct grants *g = CONTAINER_OF(timer, struct grants, retry);

	g->waiting = false;
	g->again = true;
	op_child_end(g->op);
}

static bool end(struct grants *g, enum err err)
{
	g->err = err;
	g->phase = READY;
	return true;
}

/* Somebody else has the key. */
static bool retry_later(struct grants *g)
{
	const struct cluster *cluster = g->proxy->cluster;
	uint64_t now = reactor_now_us(g->proxy->reactor);
	uint8_t noise;

	if (!g->until_us)
		g->until_us = now + WAIT_US;
	if (now >= g->until_us)
		return end(g, ERR_UNAVAILABLE);
	cluster->env->random(cluster->env, &noise, 1);
	g->waiting = true;
	g->retry.fire = on_retry;
	op_child_begin(g->op);
	timer_set(g->proxy->reactor, &g->retry, RETRY_US + noise * 8u);
	return false;
}

static bool on_first(struct grants *g, const struct backend_msg *of)
{
	if (fan_open(&g->first))
		return false;
	const struct backend_reply *r = &g->first.calls[0].reply;
	if (r->err == ERR_BUSY)
		return retry_later(g);
	if (r->filling)
		g->filling |= place_bit(g->place, g->first.calls[0].device);
	if (!r->err || r->err == ERR_NOT_FOUND)
		ask_rest(g, of);
	else if (++g->at == g->place->count)
		return end(g, ERR_UNAVAILABLE);
	else
		ask_first(g, of);
	return false;
}

static bool is_enough(const struct grants *g)
{
	uint64_t known = grants_given(g, g->place), filling = g->filling;

	for (unsigned i = 0; i < g->rest.count; i++) {
		const struct backend_call *call = &g->rest.calls[i];
		if (call->answered && call->reply.filling)
			filling |= place_bit(g->place, call->device);
	}
	if (g->of_all)
		return (known | filling) == place_all(g->place);
	return place_met(g->place, known) || MUTANT(grant_of_one);
}

static bool on_rest(struct grants *g)
{
	bool enough = is_enough(g);

	if (fan_open(&g->rest) && !(enough && (g->patience.over || g->hurry)))
		return false;
	/* If the key is somebody's: it was a moment ago, and word of its release is on the way. */
	if (fan_with(&g->rest, ERR_BUSY) && !enough)
		return retry_later(g);
	if (!enough)
		return end(g, ERR_UNAVAILABLE);
	/* A lease is in memory: who granted it long ago may have forgotten it, and let others pass.
	 */
	if (reactor_now_us(g->proxy->reactor) - g->asked_us <= FRESH_US)
		return end(g, ERR_OK);
	g->hurry = true;
	return retry_later(g);
}

void grants_start(struct grants *g, struct op *op, struct proxy *proxy, const struct place *place,
        const struct backend_msg *of)
{
	g->op = op;
	g->proxy = proxy;
	g->place = place;
	fan_done(&g->rest);
	ask_first(g, of);
}

bool grants_ready(struct grants *g, const struct backend_msg *of)
{
	if (g->waiting)
		return false;
	if (g->again) {
		g->again = false;
		ask_first(g, of);
	}
	if (g->phase == FIRST && on_first(g, of))
		return true;
	if (g->phase == REST && on_rest(g))
		return true;
	return g->phase == READY;
}

uint64_t grants_given(const struct grants *g, const struct place *place)
{
	return fan_known(&g->first, place) | fan_known(&g->rest, place);
}

void grants_take(const struct fan *fan, const struct place *place, struct grants_known *k)
{
	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_call *call = &fan->calls[i];
		const struct backend_reply *r = &call->reply;
		uint64_t ts = r->meta_ts > r->ts ? r->meta_ts : r->ts;
		bool live = !r->deleted;
		if (!call->answered || (r->err && r->err != ERR_NOT_FOUND))
			continue;
		if (r->drafts[0] > ts) {
			ts = r->drafts[0];
			live = true;
		}
		if (ts > k->newest)
			*k = (struct grants_known){ts, 0, live};
		if (ts == k->newest)
			k->holders |= place_bit(place, call->device);
	}
}

void grants_release(struct grants *g, const struct backend_msg *of)
{
	if (g->phase && !g->release.count)
		fan_start(&g->release, g->op, g->proxy,
		        grants_message(g->place, of, BACKEND_OBJECT_RELEASE), g->place->devices,
		        g->place->count, DEADLINE_MS);
}

void grants_done(struct grants *g)
{
	patience_done(&g->patience);
	fan_done(&g->first);
	fan_done(&g->rest);
	fan_done(&g->release);
}
