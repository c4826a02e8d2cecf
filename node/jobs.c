#include "node/jobs.h"

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "proxy/commit.h"
#include "proxy/reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_US        200000u  /* between looks when there was nothing to do */
#define DEADLINE_MS     10000
#define UPDATE_AGE_TICKS (5 * TS_PER_SECOND) /* an update this old was left by its writer */
#define EXPIRY_PAGE     200

enum { WAIT, REPORT, REPORTED, UPDATE, UPDATED, EXPIRE, EXPIRE_READ, EXPIRE_DELETE, MAKE_HIDDEN };

struct jobs {
	struct op op;
	struct node_device *device;
	struct proxy *proxy;
	struct fan fan;
	struct rows_report report;
	/* listing updates */
	uint64_t update_lsn;
	struct objectd_unsettled unsettled;
	struct row_put rows[COMMIT_ROWS];
	unsigned row_count, rows_done;
	bool rows_failed;
	/* expiry */
	uint64_t next_expiry_us;
	struct buf due; /* encoded rows */
	size_t due_at;
	char *expired; /* "account/container/object", cut in three */
	const char *account, *container, *object;
	uint64_t expires_at;
	unsigned policy;
	struct info_fetch info;
	struct reader reader;
	struct commit commit;
	bool reading, committing;
	unsigned hidden_made;
};

static struct jobs *jobs_of(struct op *op)
{
	return CONTAINER_OF(op, struct jobs, op);
}

static unsigned place(struct jobs *j, const char *account, const char *container, uint8_t key[16],
        uint32_t devices[REPLICAS_MAX])
{
	struct cluster *c = j->proxy->cluster;

	return proxy_place(c, container ? c->container_ring : c->account_ring, account, container, NULL,
	        key, devices);
}

static enum step jobs_wait(struct op *op)
{
	struct jobs *j = jobs_of(op);

	if (!op->expired)
		return STEP_WAIT;
	return op_go(op, j->device->id == 0 && j->hidden_made < 2 ? MAKE_HIDDEN : REPORT);
}

/* --- totals of containers --- */

static enum step jobs_report(struct op *op)
{
	struct jobs *j = jobs_of(op);
	uint32_t devices[REPLICAS_MAX];

	if (!containerd_next_report(j->device->containerd, &j->report))
		return op_go(op, UPDATE);
	struct backend_msg *msg = containerd_report_msg(&j->report);
	unsigned count = place(j, j->report.account, NULL, msg->key, devices);
	fan_start(&j->fan, op, j->proxy, msg, devices, count, DEADLINE_MS);
	return op_go(op, REPORTED);
}

static enum step jobs_reported(struct op *op)
{
	struct jobs *j = jobs_of(op);

	if (fan_open(&j->fan))
		return STEP_WAIT;
	bool ok = fan_with(&j->fan, ERR_OK) + fan_with(&j->fan, ERR_NOT_FOUND) >=
	          majority(j->fan.count);
	containerd_reported(j->device->containerd, &j->report, ok);
	fan_done(&j->fan);
	return op_go(op, ok ? REPORT : UPDATE);
}

/* --- listing updates that are still open --- */

static void on_row(struct row_put *put)
{
	struct jobs *j = put->owner;

	j->rows_done++;
	/* A container that is gone wants no row any more. */
	if (put->err && put->err != ERR_NOT_FOUND)
		j->rows_failed = true;
	op_child_end(&j->op);
}

static enum step jobs_update(struct op *op)
{
	struct jobs *j = jobs_of(op);
	uint64_t now = hlc_now(j->proxy->cluster->hlc);

	if (!j->unsettled.op && !objectd_next_unsettled(j->device->objectd, j->update_lsn,
	                                now > UPDATE_AGE_TICKS ? now - UPDATE_AGE_TICKS : 0,
	                                &j->unsettled, op)) {
		j->update_lsn = 0;
		return op_go(op, EXPIRE);
	}
	if (!j->unsettled.done)
		return STEP_WAIT;
	j->row_count = j->unsettled.err ? 0 : j->unsettled.update_count;
	j->rows_done = 0;
	j->rows_failed = j->unsettled.err;
	for (unsigned i = 0; i < j->row_count; i++) {
		const struct backend_update *u = &j->unsettled.updates[i];
		j->rows[i] = (struct row_put){.row = u->row, .done = on_row, .owner = j};
		op_child_begin(op);
		rows_put(j->proxy, u->account, u->container, &j->rows[i]);
	}
	return op_go(op, UPDATED);
}

static enum step jobs_updated(struct op *op)
{
	struct jobs *j = jobs_of(op);

	if (j->rows_done < j->row_count)
		return STEP_WAIT;
	j->update_lsn = j->unsettled.lsn;
	if (!j->rows_failed)
		objectd_settled(j->device->objectd, &j->unsettled);
	objectd_unsettled_done(&j->unsettled);
	return op_go(op, UPDATE);
}
