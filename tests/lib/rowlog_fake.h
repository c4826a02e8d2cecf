/* rowlog_fake: lib/device's row log in memory, for tests that include this file and link no real
 * device: records become durable when the test says so, in order. */
#ifndef TESTS_LIB_ROWLOG_FAKE_H
#define TESTS_LIB_ROWLOG_FAKE_H

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include "lib/device/device.h"
#include <stdlib.h>
#include <string.h>

struct rowlog_record {
	uint64_t lsn;
	uint8_t role;
	void *payload;
	size_t len;
};

struct device {
	struct reactor *reactor;
	struct task task;
	bool posted;
	bool held;        /* nothing becomes durable */
	bool discard;     /* nothing is kept for a replay */
	enum err failing; /* appends end with this */
	struct device_append *first, **last;
	struct rowlog_record *records;
	size_t count;
	uint64_t lsn;
	uint64_t checkpoint[DEVICE_ROLES];
};

static void rowlog_commit(struct device *device)
{
	struct device_append *append;

	while ((append = device->first)) {
		device->first = append->next;
		if (!device->first)
			device->last = &device->first;
		append->err = device->failing;
		append->lsn = ++device->lsn;
		if (!append->err && !device->discard) {
			device->records = mem_realloc(
			        device->records, (device->count + 1) * sizeof(*device->records));
			device->records[device->count++] = (struct rowlog_record){append->lsn,
			        append->role, mem_dup(append->payload, append->len), append->len};
		}
		append->done(append);
	}
}

static void rowlog_run(struct task *task)
{
	struct device *device = CONTAINER_OF(task, struct device, task);

	device->posted = false;
	if (!device->held)
		rowlog_commit(device);
}

static void rowlog_wake(struct device *device)
{
	if (!device->posted) {
		device->posted = true;
		reactor_post(device->reactor, &device->task);
	}
}

/* What was held becomes durable. */
static inline void rowlog_release(struct device *device)
{
	device->held = false;
	rowlog_wake(device);
}

static void rowlog_open(struct device *device, struct reactor *reactor)
{
	device->reactor = reactor;
	device->posted = false;
	device->first = NULL;
	device->last = &device->first;
	device->task.run = rowlog_run;
}

static void rowlog_replay(struct device *device, uint8_t role, struct device_replay *replay)
{
	for (size_t i = 0; i < device->count; i++) {
		const struct rowlog_record *record = &device->records[i];
		if (record->role == role && record->lsn > device->checkpoint[role])
			replay->record(replay, record->lsn, record->payload, record->len);
	}
}

static void rowlog_free(struct device *device)
{
	for (size_t i = 0; i < device->count; i++)
		free(device->records[i].payload);
	free(device->records);
	memset(device, 0, sizeof(*device));
}

void device_append(struct device *device, struct device_append *append)
{
	append->next = NULL;
	*device->last = append;
	device->last = &append->next;
	rowlog_wake(device);
}

void device_checkpoint(struct device *device, uint8_t role, uint64_t lsn)
{
	device->checkpoint[role] = lsn;
}

uint64_t device_lsn(const struct device *device)
{
	return device->lsn;
}

#endif
