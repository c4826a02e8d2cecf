#include "objectd/objectd_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

static void on_sweep(struct timer *timer)
{
	struct objectd *o = CONTAINER_OF(timer, struct objectd, sweep);

	stage_sweep(o, false);
	read_sweep(o, false);
	timer_set(o->reactor, &o->sweep, SWEEP_US);
}

struct objectd *objectd_open(const struct objectd_options *options)
{
	struct objectd *o = mem_zalloc(sizeof(*o));

	o->device = options->device;
	o->reactor = options->reactor;
	o->grant_us = options->grant_us ? options->grant_us : GRANT_US;
	list_init(&o->upload_list);
	list_init(&o->handle_list);
	list_init(&o->promises);
	o->sweep.fire = on_sweep;
	timer_set(o->reactor, &o->sweep, SWEEP_US);
	return o;
}

void objectd_close(struct objectd *o)
{
	if (!o)
		return;
	timer_cancel(o->reactor, &o->sweep);
	stage_sweep(o, true);
	read_sweep(o, true);
	leases_drop(o);
	hash_done(&o->locks);
	hash_done(&o->leases);
	hash_done(&o->uploads);
	hash_done(&o->handles);
	free(o);
}

void objectd_reply_version(struct backend_call *call, const struct device_version *version)
{
	call->reply.ts = version->ts;
	call->reply.meta_ts = version->meta_ts;
	call->reply.deleted = version->deleted;
}

void objectd_reply_drafts(struct objectd *o, struct backend_call *call)
{
	struct device_version drafts[DEVICE_DRAFTS];
	uint8_t spaces[DEVICE_DRAFTS];
	unsigned n = device_drafts(o->device, call->msg->policy, call->msg->key, drafts, spaces);

	for (unsigned i = 0; i < n; i++)
		call->reply.drafts[i] = drafts[i].ts;
}

static void version(struct objectd *o, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct device_version version;
	enum err err = device_find(o->device, msg->policy, msg->key, &version);

	if (!err)
		objectd_reply_version(call, &version);
	objectd_reply_drafts(o, call);
	call->reply.promised = lease_promised(o, msg);
	backend_finish(call, err);
}

static void settled(struct objectd *o, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;

	for (unsigned i = 0; i < msg->settled_count; i++) {
		const struct backend_settled *s = &msg->settled[i];
		device_settled(o->device, s->policy, s->key, s->ts);
		/* The updates of a fragment ride with the record of its draft. */
		for (unsigned slot = 0; slot < DEVICE_DRAFTS; slot++)
			device_settled(o->device, device_draft(s->policy, slot), s->key, s->ts);
	}
	backend_finish(call, ERR_OK);
}

void objectd_handle(struct objectd *o, struct backend_call *call)
{
	if (call->msg->policy >= BACKEND_POLICIES) {
		backend_finish(call, ERR_BAD_REQUEST);
		return;
	}
	switch (call->msg->op) {
	case BACKEND_OBJECT_STAGE:
		stage_write(o, call);
		break;
	case BACKEND_OBJECT_UNSTAGE:
		stage_drop(o, call);
		break;
	case BACKEND_OBJECT_PUT:
	case BACKEND_OBJECT_POST:
	case BACKEND_OBJECT_DELETE:
	case BACKEND_OBJECT_GRANT:
	case BACKEND_OBJECT_COMMIT:
	case BACKEND_OBJECT_DROP:
	case BACKEND_OBJECT_FORGET:
		write_start(o, call);
		break;
	case BACKEND_OBJECT_RELEASE:
		lease_release(o, call);
		break;
	case BACKEND_OBJECT_VERSION:
		version(o, call);
		break;
	case BACKEND_OBJECT_GET:
		read_get(o, call);
		break;
	case BACKEND_OBJECT_READ:
		read_more(o, call);
		break;
	case BACKEND_OBJECT_CLOSE:
		read_close(o, call);
		break;
	case BACKEND_OBJECT_SETTLED:
		settled(o, call);
		break;
	case BACKEND_OBJECT_DIGEST:
	case BACKEND_OBJECT_KEYS:
		compare_start(o, call);
		break;
	default:
		backend_finish(call, ERR_UNSUPPORTED);
		break;
	}
}

/* --- open updates --- */

static void load_updates(struct objectd_unsettled *u)
{
	struct device_record record;
	size_t at = 0;

	device_record(&u->read, &record);
	u->update_count = 0;
	while (u->update_count < COUNT_OF(u->updates) &&
	        device_record_update(&record, &at, &u->updates[u->update_count]))
		u->update_count++;
}

static void on_unsettled_read(struct device_read *read, enum err err)
{
	struct objectd_unsettled *u = CONTAINER_OF(read, struct objectd_unsettled, read);

	u->update_count = 0;
	if (!err)
		load_updates(u);
	u->done(u, err);
}

static void on_unsettled_task(struct task *task)
{
	struct device_read *read = CONTAINER_OF(task, struct device_read, task);

	on_unsettled_read(read, ERR_OK);
}

bool objectd_next_unsettled(struct objectd *o, struct objectd_unsettled *u)
{
	struct device_unsettled next;

	if (!device_next_unsettled(o->device, u->lsn, &next))
		return false;
	u->lsn = next.lsn;
	u->policy = next.policy;
	u->ts = next.ts;
	memcpy(u->key, next.key, 16);
	u->read = (struct device_read){.done = on_unsettled_read};
	if (device_read_version(o->device, u->policy, u->key, &next.version, &u->read)) {
		u->read.task.run = on_unsettled_task;
		reactor_post(o->reactor, &u->read.task);
	}
	return true;
}

void objectd_unsettled_done(struct objectd_unsettled *u)
{
	device_read_done(&u->read);
	u->update_count = 0;
}

uint64_t objectd_unsettled_count(const struct objectd *o)
{
	return device_unsettled_count(o->device);
}
