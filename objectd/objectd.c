#include "objectd/objectd_internal.h"

#include "lib/base/mem.h"
#include <endian.h>
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
	o->fragment_of = options->fragment_of;
	o->owner = options->owner;
	o->grant_us = options->grant_us ? options->grant_us : GRANT_US;
	list_init(&o->upload_list);
	list_init(&o->handle_list);
	list_init(&o->promises);
	o->sweep.fire = on_sweep;
	timer_set(o->reactor, &o->sweep, SWEEP_US);
	horizon_open(o, options->horizon);
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
	horizon_close(o);
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

uint8_t objectd_fragment_of(const struct objectd *o, uint8_t policy, uint64_t prefix, unsigned bits)
{
	return o->fragment_of ? o->fragment_of(o->owner, policy, prefix, bits) : 0;
}

bool objectd_misplaced(const struct objectd *o, const struct backend_msg *msg,
        const struct device_version *version)
{
	uint64_t prefix;

	if (!version->fragment || version->deleted)
		return false;
	memcpy(&prefix, msg->key, sizeof(prefix));
	uint8_t own = objectd_fragment_of(o, msg->policy, be64toh(prefix), 64);
	return own && own != version->fragment;
}

void objectd_reply_drafts(struct objectd *o, struct backend_call *call)
{
	struct device_version drafts[DEVICE_DRAFTS];
	uint8_t spaces[DEVICE_DRAFTS];
	unsigned n = device_drafts(o->device, call->msg->policy, call->msg->key, drafts, spaces);

	for (unsigned i = 0; i < n; i++)
		call->reply.drafts[i] = drafts[i].ts;
}

void objectd_refuse(struct objectd *o, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct device_version version;

	if (msg->policy < BACKEND_POLICIES) {
		if (!device_find(o->device, msg->policy, msg->key, &version))
			objectd_reply_version(call, &version);
		objectd_reply_drafts(o, call);
	}
	call->reply.promised = horizon_floor(o, msg);
	backend_finish(call, ERR_UNAVAILABLE);
}

static void version(struct objectd *o, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct device_version version;
	enum err err = device_find(o->device, msg->policy, msg->key, &version);

	if (!err) {
		objectd_reply_version(call, &version);
		call->reply.more = objectd_misplaced(o, msg, &version);
	}
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
	case BACKEND_OBJECT_UPDATES:
		updates_get(o, call);
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
