#include "lib/backend/fault.h"

#include "lib/base/list.h"
#include "lib/base/mem.h"
#include <assert.h>
#include <stdlib.h>

#define HOLD_US 100000

/* A call on its way through. It stays until its caller has an answer and the inner backend, if it
 * was asked, too. */
struct passing {
	struct backend_call inner;
	struct fault *fault;
	struct backend_call *outer; /* NULL: answered */
	struct list link;           /* of held */
	struct timer next;          /* what its delay puts off */
	struct timer deadline;
	struct fault_plan plan;
	bool flying; /* the inner backend has it */
};

struct fault {
	struct backend backend;
	struct fault_options options;
	struct list held; /* behind their device's next call */
	struct fault_stats stats;
	unsigned open;
};

static void release(struct passing *p)
{
	if (p->outer || p->flying)
		return;
	timer_cancel(p->fault->options.reactor, &p->next);
	timer_cancel(p->fault->options.reactor, &p->deadline);
	list_remove(&p->link);
	p->fault->open--;
	backend_call_done(&p->inner);
	free(p);
}

/* With the reply that is in p->inner. From the loop. */
static void answer(struct passing *p, enum err err)
{
	struct backend_call *outer = TAKE(p->outer);

	outer->reply = p->inner.reply;
	outer->reply.err = err;
	p->inner.reply = (struct backend_reply){0};
	release(p);
	outer->answered = true;
	outer->done(outer);
}

/* What the device says later is for nobody. */
static void on_deadline(struct timer *timer)
{
	struct passing *p = CONTAINER_OF(timer, struct passing, deadline);
	struct backend_call *outer = TAKE(p->outer);

	timer_cancel(p->fault->options.reactor, &p->next);
	list_remove(&p->link);
	release(p);
	outer->reply.err = ERR_DEADLINE;
	outer->answered = true;
	outer->done(outer);
}

static void on_late(struct timer *timer)
{
	struct passing *p = CONTAINER_OF(timer, struct passing, next);

	answer(p, p->inner.reply.err);
}

static void on_inner(struct backend_call *inner)
{
	struct passing *p = CONTAINER_OF(inner, struct passing, inner);

	p->flying = false;
	if (!p->outer || p->plan.lose_reply) {
		release(p);
	} else if (p->plan.reply_delay_us) {
		p->next.fire = on_late;
		timer_set(p->fault->options.reactor, &p->next, p->plan.reply_delay_us);
	} else {
		answer(p, inner->reply.err);
	}
}

static void pass_on(struct passing *p)
{
	p->flying = true;
	backend_send(p->fault->options.inner, &p->inner);
}

/* Those that let this one go first. */
static void pass_held(struct fault *fault, uint32_t device)
{
	LIST_EACH_SAFE (n, &fault->held) {
		struct passing *p = LIST_ENTRY(n, struct passing, link);
		if (p->inner.device != device)
			continue;
		list_remove(n);
		timer_cancel(fault->options.reactor, &p->next);
		pass_on(p);
	}
}

static void on_next(struct timer *timer)
{
	struct passing *p = CONTAINER_OF(timer, struct passing, next);

	list_remove(&p->link);
	if (p->plan.err)
		answer(p, p->plan.err);
	else
		pass_on(p);
}

static void count(struct fault_stats *stats, const struct fault_plan *plan)
{
	stats->calls++;
	stats->delayed += plan->delay_us || plan->reply_delay_us;
	stats->reordered += plan->behind_next;
	stats->lost_requests += plan->lose_request;
	stats->lost_replies += plan->lose_reply;
	stats->failed += plan->err != ERR_OK;
}

static void fault_send(struct backend *backend, struct backend_call *call)
{
	struct fault *fault = CONTAINER_OF(backend, struct fault, backend);
	struct reactor *reactor = fault->options.reactor;
	uint64_t now = reactor_now_us(reactor);
	struct passing *p = mem_zalloc(sizeof(*p));

	call->origin = reactor;
	p->fault = fault;
	p->outer = call;
	list_init(&p->link);
	fault->open++;
	p->inner.msg = backend_msg_ref(call->msg);
	p->inner.device = call->device;
	p->inner.deadline_us = call->deadline_us;
	p->inner.done = on_inner;
	fault->options.decide(fault->options.owner, call, &p->plan);
	count(&fault->stats, &p->plan);
	p->deadline.fire = on_deadline;
	p->next.fire = on_next;
	if (call->deadline_us)
		timer_set(reactor, &p->deadline,
		        call->deadline_us > now ? call->deadline_us - now : 0);
	if (p->plan.lose_request)
		return;
	if (p->plan.behind_next) {
		list_append(&fault->held, &p->link);
		timer_set(reactor, &p->next, HOLD_US);
	} else if (p->plan.delay_us || p->plan.err) {
		timer_set(reactor, &p->next, p->plan.delay_us);
	} else {
		pass_on(p);
		pass_held(fault, call->device);
	}
}

struct fault *fault_new(const struct fault_options *options)
{
	struct fault *fault = mem_zalloc(sizeof(*fault));

	fault->backend.send = fault_send;
	fault->options = *options;
	list_init(&fault->held);
	return fault;
}

void fault_free(struct fault *fault)
{
	if (!fault)
		return;
	assert(!fault->open);
	free(fault);
}

struct backend *fault_backend(struct fault *fault)
{
	return &fault->backend;
}

void fault_stats(const struct fault *fault, struct fault_stats *ret_stats)
{
	*ret_stats = fault->stats;
}

static uint64_t draw(struct fault_random *random)
{
	uint64_t z = random->seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool happens(struct fault_random *random, unsigned chance)
{
	return draw(random) % 1000 < chance;
}

void fault_random(void *owner, const struct backend_call *call, struct fault_plan *plan)
{
	struct fault_random *r = owner;
	const struct fault_odds *odds = &r->odds;
	uint64_t longest = odds->delay_max_us ? odds->delay_max_us : 1;

	if (r->only_device != UINT32_MAX && r->only_device != call->device)
		return;
	/* Always as many draws, so that one chance changes nothing for the others. */
	bool delays = happens(r, odds->delay), delays_reply = happens(r, odds->reply_delay);
	uint64_t delay = draw(r) % longest + 1, reply_delay = draw(r) % longest + 1;
	plan->behind_next = happens(r, odds->reorder);
	plan->lose_request = happens(r, odds->lose_request);
	plan->lose_reply = happens(r, odds->lose_reply);
	plan->err = happens(r, odds->fail) ? odds->err : ERR_OK;
	plan->delay_us = delays ? delay : 0;
	plan->reply_delay_us = delays_reply ? reply_delay : 0;
}
