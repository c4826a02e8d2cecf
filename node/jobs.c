/* wait -> report (-> reported)* -> update (-> read -> look (-> grant -> look -> drop | rows))*
 * -> wait */
#include "node/jobs.h"

#include "lib/backend/points.h"
#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include "lib/log/log.h"
#include "proxy/commit.h"
#include "proxy/ec_read.h"
#include "proxy/grants.h"
#include "proxy/reader.h"
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS    200
#define DEADLINE_MS 10000
/* A listing update this old was left behind by its writer. */
#define LEFT_BEHIND (15 * TS_PER_SECOND)
/* A draft this old is taken from its writer by no device any more, as long as clocks are no more
 * than a minute apart. */
#define ABANDONED ((BACKEND_DRAFT_S + 65) * TS_PER_SECOND)

/* A range that is so old was known to its container, if ever. */
#define NOBODYS (3600 * TS_PER_SECOND)

enum { WAIT, REPORT, REPORTED, UPDATE, READ, LOOK, GRANT, DROP, ROWS };

struct jobs {
	struct op op;
	struct node_device *device;
	struct proxy *proxy;
	struct fan fan;
	struct rows_report report;
	uint64_t lsn; /* of the last update looked at in this round */
	struct objectd_unsettled unsettled;
	struct reader reader;     /* of an object that this device has a draft of */
	struct backend_msg *drop; /* owned: of a dead draft, from the grant on */
	struct place place;
	struct grants grants;
	struct row_put rows[8];
	unsigned row_count, rows_done;
	enum err read_err;
	bool read_done, rows_failed;
	bool overtaken; /* a later version of the object is sure */
};

static struct jobs *jobs_of(struct op *op)
{
	return CONTAINER_OF(op, struct jobs, op);
}

static enum step jobs_wait(struct op *op)
{
	const struct node *node = jobs_of(op)->device->node;

	if (!op->expired)
		return STEP_WAIT;
	return op_go(op, atomic_load(&node->joined) ? REPORT : WAIT);
}

/* --- totals of containers --- */

static enum step jobs_report(struct op *op)
{
	struct jobs *j = jobs_of(op);
	struct cluster *c = j->proxy->cluster;
	struct place place;

	if (!containerd_next_report(j->device->containerd, &j->report))
		return op_go(op, UPDATE);
	struct backend_msg *msg = containerd_report_msg(&j->report);
	proxy_place(c, 0, msg->account, msg->container, NULL, &place);
	fan_ask(&j->fan, op, j->proxy, msg, &place, DEADLINE_MS);
	return op_go(op, REPORTED);
}

/* A range that was made for a split which somebody else then made otherwise. */
static bool is_nobodys(const struct jobs *j)
{
	return strcmp(j->report.account, RANGES_ACCOUNT) == 0 && fan_says(&j->fan, ERR_CONFLICT) &&
	       j->report.put_ts + NOBODYS < hlc_now(j->proxy->cluster->hlc);
}

static enum step jobs_reported(struct op *op)
{
	struct jobs *j = jobs_of(op);

	if (fan_open(&j->fan))
		return STEP_WAIT;
	bool ok = fan_knows(&j->fan) || is_nobodys(j);
	containerd_reported(j->device->containerd, &j->report, ok);
	fan_done(&j->fan);
	return op_go(op, ok ? REPORT : UPDATE);
}

/* --- listing updates that are still open --- */

static void on_read(struct objectd_unsettled *unsettled, enum err err)
{
	struct jobs *j = CONTAINER_OF(unsettled, struct jobs, unsettled);

	j->read_done = true;
	j->read_err = err;
	op_child_end(&j->op);
}

static enum step jobs_update(struct op *op)
{
	struct jobs *j = jobs_of(op);

	j->unsettled = (struct objectd_unsettled){.done = on_read, .lsn = j->lsn};
	j->read_done = j->overtaken = false;
	if (MUTANT(updates_left_behind) ||
	        !objectd_next_unsettled(j->device->objectd, &j->unsettled)) {
		j->lsn = 0;
		return op_go(op, WAIT);
	}
	op_child_begin(op);
	return op_go(op, READ);
}

static void on_row(struct row_put *put)
{
	struct jobs *j = put->owner;

	j->rows_done++;
	/* A container that is gone wants no row any more; that of expiry will be made. */
	if (put->err && (put->err != ERR_NOT_FOUND || strcmp(put->account, EXPIRY_ACCOUNT) == 0))
		j->rows_failed = true;
	op_child_end(&j->op);
}

/* The object's own row, its first, is that of the latest version: an earlier one's would be listed
 * again once the row of what deleted it has been reclaimed. It may be open again so late: a restart
 * knows only of updates that they were settled while compaction has left the record that says so.
 */
static enum step send_rows(struct jobs *j)
{
	const struct objectd_unsettled *u = &j->unsettled;
	unsigned count = j->read_err ? 0 : u->update_count;

	j->rows_done = j->row_count = 0;
	j->rows_failed = j->read_err;
	for (unsigned i = j->overtaken; i < count; i++) {
		const struct backend_update *update = &u->updates[i];
		struct row_put *put = &j->rows[j->row_count++];
		*put = (struct row_put){.row = update->row, .done = on_row, .owner = j};
		op_child_begin(&j->op);
		rows_put(j->proxy, update->account, update->container, put);
	}
	return op_go(&j->op, ROWS);
}

static enum step jobs_read(struct op *op)
{
	struct jobs *j = jobs_of(op);
	const struct objectd_unsettled *u = &j->unsettled;

	if (!j->read_done)
		return STEP_WAIT;
	j->lsn = u->lsn;
	if (!j->read_err && u->ts + LEFT_BEHIND > hlc_now(j->proxy->cluster->hlc)) {
		objectd_unsettled_done(&j->unsettled);
		j->lsn = 0;
		return op_go(op, WAIT); /* those after it are younger still */
	}
	if (!j->read_err && u->update_count)
		return op_go(op, LOOK);
	return send_rows(j);
}

/* --- its writer is gone, and may not have reached a majority: reading the object decides what
 * becomes of it --- */

static void let_go(struct jobs *j)
{
	if (!j->drop)
		return;
	grants_release(&j->grants, j->drop);
	grants_done(&j->grants);
	j->grants = (struct grants){0};
	backend_msg_unref(TAKE(j->drop));
}

static enum step leave(struct jobs *j)
{
	let_go(j);
	objectd_unsettled_done(&j->unsettled);
	return op_go(&j->op, UPDATE);
}

static uint64_t wall(const struct jobs *j)
{
	const struct env *env = j->proxy->cluster->env;

	return env->wall_us(env) / 10;
}

/* A draft of a time from elsewhere is as old as that from the first: whoever brings it has the key
 * to himself, and so has who drops it. */
static enum step grant(struct jobs *j, const struct backend_update *own, uint8_t policy)
{
	struct backend_msg *msg = j->drop = backend_msg_new(BACKEND_OBJECT_DROP, BACKEND_OBJECT);

	proxy_place(
	        j->proxy->cluster, policy, own->account, own->container, own->row.name, &j->place);
	backend_msg_path(msg, own->account, own->container, own->row.name);
	place_address(&j->place, msg);
	msg->policy = policy;
	msg->ts = j->unsettled.ts;
	msg->handle = atomic_fetch_add(&j->proxy->cluster->next_stage, 1);
	msg->under_lease = true;
	j->grants.of_all = true;
	grants_start(&j->grants, &j->op, j->proxy, &j->place, msg);
	return op_go(&j->op, GRANT);
}

static enum step jobs_grant(struct op *op)
{
	struct jobs *j = jobs_of(op);

	if (!grants_ready(&j->grants, j->drop))
		return STEP_WAIT;
	return j->grants.err ? leave(j) : op_go(op, LOOK);
}

static enum step drop(struct jobs *j)
{
	fan_ask(&j->fan, &j->op, j->proxy, backend_msg_ref(j->drop), &j->place, DEADLINE_MS);
	return op_go(&j->op, DROP);
}

static uint64_t newest_of(const struct backend_reply *r)
{
	return r->meta_ts > r->ts ? r->meta_ts : r->ts;
}

/* Another body of the same time is what counts: its rows do, too. */
static bool is_foreign(const struct jobs *j)
{
	const struct ec_read *ec = j->reader.ec;

	return ec && !ec->err && ec->reply.ts == j->unsettled.ts &&
	       memcmp(ec->reply.etag, j->unsettled.etag, sizeof(j->unsettled.etag)) != 0;
}

/* Its rows are sent once the version, or a newer one, is sure: of one that nobody reads they would
 * be wrong. A draft that can never be whole is dropped when nobody can be writing it any more. */
static enum step jobs_look(struct op *op)
{
	struct jobs *j = jobs_of(op);
	const struct objectd_unsettled *u = &j->unsettled;
	const struct backend_update *own = &u->updates[0];
	uint8_t policy = u->policy % BACKEND_POLICIES;

	if (!j->reader.proxy) {
		reader_open(&j->reader, op, j->proxy, policy, own->account, own->container,
		        own->row.name, 0, 0);
		if (j->drop)
			reader_as(&j->reader, j->drop->handle, &j->grants);
	}
	if (!reader_ready(&j->reader))
		return STEP_WAIT;
	enum err err = j->reader.err;
	bool sure = (!err || err == ERR_NOT_FOUND) && j->reader.reply &&
	            newest_of(j->reader.reply) >= u->ts;
	j->overtaken = sure && j->reader.reply->ts > u->ts;
	bool foreign = is_foreign(j);
	/* One that is filled grants nothing, so its own cannot be dropped yet. */
	bool dead = j->reader.ec && ec_read_is_dead(j->reader.ec, u->ts) &&
	            u->ts + ABANDONED < wall(j) && !atomic_load(&j->device->filling);
	reader_close(&j->reader);
	reader_done(&j->reader);
	j->reader = (struct reader){0};
	if (foreign) {
		device_settled(j->device->device, u->policy, u->key, u->ts);
		return leave(j);
	}
	if (sure) {
		let_go(j);
		return send_rows(j);
	}
	if (!dead)
		return leave(j);
	return j->drop ? drop(j) : grant(j, own, policy);
}

static enum step jobs_drop(struct op *op)
{
	struct jobs *j = jobs_of(op);

	if (fan_open(&j->fan))
		return STEP_WAIT;
	fan_done(&j->fan);
	return leave(j);
}

static enum step jobs_rows(struct op *op)
{
	struct jobs *j = jobs_of(op);
	const struct objectd_unsettled *u = &j->unsettled;

	if (j->rows_done < j->row_count)
		return STEP_WAIT;
	/* Updates that cannot be read here are open in the record's other replicas too. */
	if (!j->rows_failed || j->read_err == ERR_CORRUPT)
		device_settled(j->device->device, u->policy, u->key, u->ts);
	objectd_unsettled_done(&j->unsettled);
	return op_go(op, UPDATE);
}

static const struct op_state states[] = {
        [WAIT] = {"wait", jobs_wait, TO(REPORT) | TO(WAIT), PAUSE_MS},
        [REPORT] = {"report", jobs_report, TO(REPORTED) | TO(UPDATE), 0},
        [REPORTED] = {"reported", jobs_reported, TO(REPORT) | TO(UPDATE), 0},
        [UPDATE] = {"update", jobs_update, TO(READ) | TO(WAIT), 0},
        [READ] = {"read", jobs_read, TO(LOOK) | TO(ROWS) | TO(WAIT), 0},
        [LOOK] = {"look", jobs_look, TO(GRANT) | TO(DROP) | TO(ROWS) | TO(UPDATE), 0},
        [GRANT] = {"grant", jobs_grant, TO(LOOK) | TO(UPDATE), 0},
        [DROP] = {"drop", jobs_drop, TO(UPDATE), 0},
        [ROWS] = {"rows", jobs_rows, TO(UPDATE), 0},
};

static void release(struct op *op)
{
	free(jobs_of(op));
}

enum err jobs_start(struct node_device *device, struct jobs **ret_jobs)
{
	struct node_reactor *r = &device->node->reactors[device->reactor];
	struct jobs *j = mem_zalloc(sizeof(*j));

	j->device = device;
	j->proxy = &r->proxy;
	op_init(&j->op, r->reactor, states, release);
	op_start(&j->op);
	*ret_jobs = j;
	return ERR_OK;
}
