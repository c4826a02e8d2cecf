/* Listing updates that object records carry and that are still open. */
#include "objectd/objectd_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

/* --- those that were left behind, one after the other --- */

static void load_updates(struct objectd_unsettled *u)
{
	struct device_record record;
	size_t at = 0;

	device_record(&u->read, &record);
	memcpy(u->etag, record.etag, sizeof(u->etag));
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

/* --- those of one version --- */

struct updates {
	struct backend_call *call;
	struct device_read read;
};

static void on_updates(struct device_read *read, enum err err)
{
	struct updates *u = CONTAINER_OF(read, struct updates, read);
	struct backend_call *call = u->call;
	struct backend_update update;
	struct device_record record;
	size_t at = 0;

	if (!err) {
		device_record(read, &record);
		while (device_record_update(&record, &at, &update))
			backend_updates_add(&call->reply.rows, &update);
	}
	device_read_done(read);
	free(u);
	backend_finish(call, err);
}

void updates_get(struct objectd *o, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct device_version version;

	enum err err = device_find(o->device, msg->policy, msg->key, &version);
	if (!err && (version.ts != msg->ts || (msg->meta_ts && msg->meta_ts != version.meta_ts)))
		err = ERR_NOT_FOUND;
	if (err || !device_is_unsettled(o->device, msg->policy, msg->key, &version)) {
		backend_finish(call, err);
		return;
	}
	struct updates *u = mem_zalloc(sizeof(*u));
	u->call = call;
	u->read.done = on_updates;
	if (device_read_version(o->device, msg->policy, msg->key, &version, &u->read))
		on_updates(&u->read, ERR_OK);
}
