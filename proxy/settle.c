#include "proxy/settle.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define GATHER_MAX  256
#define GATHER_US   20000
#define DEADLINE_US 30000000

struct gathered {
	struct backend_settled *items; /* owned; NULL while empty */
	unsigned count;
};

struct settle {
	struct proxy *proxy;      /* borrowed */
	struct gathered *devices; /* owned, by id */
	uint32_t device_count;
	struct timer timer;
	bool waiting;
};

static void on_told(struct backend_call *call)
{
	/* When it failed the update stays open, and is driven on and settled later. */
	backend_call_done(call);
	free(call);
}

static void flush(struct settle *s, uint32_t device)
{
	struct gathered *g = &s->devices[device];

	if (!g->count)
		return;
	struct backend_msg *msg = backend_msg_new(BACKEND_OBJECT_SETTLED, BACKEND_OBJECT);
	struct backend_settled *items = backend_msg_alloc(msg, g->count * sizeof(*items));
	memcpy(items, g->items, g->count * sizeof(*items));
	msg->settled = items;
	msg->settled_count = g->count;
	g->count = 0;
	struct backend_call *call = mem_zalloc(sizeof(*call));
	call->msg = msg;
	call->device = device;
	call->deadline_us = reactor_now_us(s->proxy->reactor) + DEADLINE_US;
	call->done = on_told;
	backend_send(s->proxy->backend, call);
}

static void on_timer(struct timer *timer)
{
	struct settle *s = CONTAINER_OF(timer, struct settle, timer);

	s->waiting = false;
	for (uint32_t i = 0; i < s->device_count; i++)
		flush(s, i);
}

struct settle *settle_new(struct proxy *proxy)
{
	struct settle *s = mem_zalloc(sizeof(*s));

	s->proxy = proxy;
	s->timer.fire = on_timer;
	return s;
}

void settle_free(struct settle *s)
{
	if (s->waiting)
		timer_cancel(s->proxy->reactor, &s->timer);
	for (uint32_t i = 0; i < s->device_count; i++)
		free(s->devices[i].items);
	free(s->devices);
	free(s);
}

void settle_add(
        struct settle *s, uint32_t device, unsigned policy, const uint8_t key[16], uint64_t ts)
{
	if (device >= s->device_count) {
		s->devices = mem_realloc(s->devices, (device + 1) * sizeof(*s->devices));
		memset(s->devices + s->device_count, 0,
		        (device + 1 - s->device_count) * sizeof(*s->devices));
		s->device_count = device + 1;
	}
	struct gathered *g = &s->devices[device];
	if (!g->items)
		g->items = mem_zalloc(GATHER_MAX * sizeof(*g->items));
	struct backend_settled *item = &g->items[g->count++];
	item->policy = (uint8_t)policy;
	memcpy(item->key, key, 16);
	item->ts = ts;
	if (g->count == GATHER_MAX)
		flush(s, device);
	if (!s->waiting) {
		s->waiting = true;
		timer_set(s->proxy->reactor, &s->timer, GATHER_US);
	}
}
