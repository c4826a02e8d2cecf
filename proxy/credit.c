#include "proxy/credit.h"

#include "lib/base/auto.h"
#include "lib/http/edge.h"

#define TICK_US 100000   /* the edge does not say when it has sent something */
#define WAIT_US 30000000 /* then the client is told to come again */

static size_t taken(const struct budget *b)
{
	return b->used + (b->edge ? edge_held(b->edge) : 0);
}

bool budget_tight(const struct budget *b, size_t bytes)
{
	size_t max = bytes > CREDIT_SMALL ? b->max - b->max / 8 : b->max;

	/* One that is larger than all there is goes alone. */
	return taken(b) + bytes > max && taken(b) > 0;
}

static void grant(struct credit *c)
{
	c->budget->used += c->bytes;
	c->waits = false;
	list_remove(&c->link);
	op_wake(c->op);
}

static bool pressed(const struct budget *b, const struct list *queue)
{
	return !list_empty(queue) &&
	       reactor_now_us(b->reactor) -
	                       LIST_ENTRY(queue->prev, struct credit, link)->since_us >=
	               HURRY_S * 1000000ull;
}

static void grant_some(struct budget *b)
{
	struct list *queues[] = {&b->small, &b->large};

	for (unsigned i = 0; i < COUNT_OF(queues); i++) {
		struct list *queue = queues[i];
		while (!list_empty(queue)) {
			struct list *next = pressed(b, queue) ? queue->next : queue->prev;
			struct credit *c = LIST_ENTRY(next, struct credit, link);
			if (budget_tight(b, c->bytes))
				break;
			grant(c);
		}
	}
}

static void refuse_old(struct budget *b, struct list *queue)
{
	uint64_t now = reactor_now_us(b->reactor);

	while (!list_empty(queue)) {
		struct credit *oldest = LIST_ENTRY(queue->prev, struct credit, link);
		if (now - oldest->since_us < WAIT_US)
			break;
		list_remove(&oldest->link);
		oldest->refused = true;
		b->refused++;
		op_wake(oldest->op);
	}
}

static void on_tick(struct timer *timer)
{
	struct budget *b = CONTAINER_OF(timer, struct budget, timer);

	grant_some(b);
	refuse_old(b, &b->small);
	refuse_old(b, &b->large);
	if (list_empty(&b->small) && list_empty(&b->large))
		return;
	if (b->edge && (pressed(b, &b->small) || pressed(b, &b->large)))
		edge_hurry(b->edge, HURRY_S);
	timer_set(b->reactor, timer, TICK_US);
}

void budget_init(struct budget *b, struct reactor *reactor, size_t max)
{
	*b = (struct budget){.reactor = reactor, .max = max, .timer.fire = on_tick};
	list_init(&b->small);
	list_init(&b->large);
}

bool credit_take(struct credit *c, struct budget *b, struct op *op, size_t bytes, enum err *ret_err)
{
	*ret_err = c->refused ? ERR_BUSY : ERR_OK;
	if (c->budget)
		return !c->waits;
	*c = (struct credit){.budget = b, .op = op, .bytes = bytes};
	struct list *queue = bytes > CREDIT_SMALL ? &b->large : &b->small;
	if (list_empty(queue) && !budget_tight(b, bytes)) {
		b->used += bytes;
		list_init(&c->link);
		return true;
	}
	c->waits = true;
	c->since_us = reactor_now_us(b->reactor);
	list_prepend(queue, &c->link);
	if (!b->timer.index)
		timer_set(b->reactor, &b->timer, TICK_US);
	return false;
}

void credit_give(struct credit *c)
{
	struct budget *b = c->budget;

	if (!b)
		return;
	if (c->waits)
		list_remove(&c->link);
	else
		b->used -= c->bytes;
	*c = (struct credit){0};
	grant_some(b);
}

struct credit credit_move(struct credit *c)
{
	struct credit moved = *c;

	*c = (struct credit){0};
	list_init(&moved.link);
	return moved;
}
