/* What was promised is in memory (lease.c), but not how far: before a lease of a time beyond the
 * horizon is given, a record of a later one is durable. Who starts again knows that it may have
 * promised anything up to there, and for a minute says so of every key to who is about to write.
 * A device that came back empty has lost that record, too, and what it knew: for it that is up to
 * its start (objectd_forgot). */
#include "objectd/objectd_internal.h"

#include "lib/base/mem.h"
#include "lib/base/ts.h"
#include <stdlib.h>
#include <string.h>

#define AHEAD         TS_PER_SECOND /* one record a second at most, while there are leases */
#define HORIZON_MAGIC 0x4e5a5248u   /* "HRZN" */

struct record {
	uint32_t magic, spare;
	uint64_t ts;
};

struct late {
	struct list link;
	struct backend_call *call;
};

struct horizon {
	struct device_append append;
	struct objectd *objectd;
	uint64_t durable;     /* how far may be promised */
	struct record record; /* being written */
	struct list waiting;  /* struct late */
	bool writing;
};

static void on_record(struct device_replay *replay, uint64_t lsn, const void *payload, size_t len)
{
	struct objectd_horizon *h = CONTAINER_OF(replay, struct objectd_horizon, replay);
	struct record record;

	(void)lsn;
	if (len != sizeof(record))
		return;
	memcpy(&record, payload, len);
	if (record.magic == HORIZON_MAGIC && record.ts > h->ts)
		h->ts = record.ts;
}

struct device_replay *objectd_horizon_replay(struct objectd_horizon *h)
{
	*h = (struct objectd_horizon){.replay.record = on_record};
	return &h->replay;
}

void horizon_open(struct objectd *o, uint64_t ts)
{
	struct horizon *h = mem_zalloc(sizeof(*h));

	o->horizon = h;
	o->floor = h->durable = ts;
	o->floor_until_us = reactor_now_us(o->reactor) + PROMISE_US;
	h->objectd = o;
	list_init(&h->waiting);
}

void objectd_forgot(struct objectd *o, uint64_t ts)
{
	if (ts > o->floor)
		o->floor = ts;
	o->floor_until_us = reactor_now_us(o->reactor) + PROMISE_US;
}

void horizon_close(struct objectd *o)
{
	free(o->horizon);
}

static void on_durable(struct device_append *append)
{
	struct horizon *h = CONTAINER_OF(append, struct horizon, append);
	struct list waiting;

	h->writing = false;
	if (!append->err) {
		h->durable = h->record.ts;
		device_checkpoint(h->objectd->device, DEVICE_ROLE_OBJECT, append->lsn - 1);
	}
	list_init(&waiting);
	while (!list_empty(&h->waiting)) {
		struct list *first = list_first(&h->waiting);
		list_remove(first);
		list_append(&waiting, first);
	}
	while (!list_empty(&waiting)) {
		struct late *late = LIST_ENTRY(list_first(&waiting), struct late, link);
		struct backend_call *call = late->call;
		list_remove(&late->link);
		free(late);
		if (append->err)
			backend_finish(call, append->err);
		else
			write_start(h->objectd, call);
	}
}

bool horizon_waits(struct objectd *o, struct backend_call *call)
{
	struct horizon *h = o->horizon;

	if (call->msg->op != BACKEND_OBJECT_GRANT || call->msg->ts <= h->durable)
		return false;
	struct late *late = mem_zalloc(sizeof(*late));
	late->call = call;
	list_append(&h->waiting, &late->link);
	if (h->writing)
		return true;
	h->writing = true;
	h->record = (struct record){.magic = HORIZON_MAGIC, .ts = call->msg->ts + AHEAD};
	h->append = (struct device_append){.role = DEVICE_ROLE_OBJECT,
	        .payload = &h->record,
	        .len = sizeof(h->record),
	        .done = on_durable};
	device_append(o->device, &h->append);
	return true;
}

uint64_t horizon_forgotten(const struct objectd *o)
{
	return reactor_now_us(o->reactor) < o->floor_until_us ? o->floor : 0;
}

uint64_t horizon_floor(const struct objectd *o, const struct backend_msg *msg)
{
	bool first_hand = msg->op == BACKEND_OBJECT_VERSION || msg->op == BACKEND_OBJECT_GRANT ||
	                  (msg->op == BACKEND_OBJECT_PUT && msg->handle &&
	                          msg->ts + PROMISE_US / 10 > o->floor);

	return first_hand ? horizon_forgotten(o) : 0;
}
