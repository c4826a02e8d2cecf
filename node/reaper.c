/* wait -> find -> containers -> (container -> facts -> objects -> (delete)* -> drop -> forget)* ->
 * find */
#include "node/reaper.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "proxy/commit.h"
#include "proxy/drop.h"
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS    2000
#define DEADLINE_MS 10000
#define PAGE        1000

enum { WAIT, FIND, CONTAINERS, CONTAINER, FACTS, OBJECTS, DELETE, DROP, FORGET };

struct reaper {
	struct op op;
	struct node_device *device;
	struct proxy *proxy;
	struct rows_reap reap;
	char *account; /* owned: being emptied */
	struct fan fan;
	struct buf containers, objects; /* encoded rows */
	size_t container_at, object_at;
	struct backend_row container, object;
	struct info_fetch facts;
	struct ranged list;
	struct drop drop;
	struct commit commit;
	bool finding, found, committing, listing;
};

static struct reaper *reaper_of(struct op *op)
{
	return CONTAINER_OF(op, struct reaper, op);
}

static enum step reaper_wait(struct op *op)
{
	struct reaper *r = reaper_of(op);

	if (!op->expired)
		return STEP_WAIT;
	if (!atomic_load(&r->device->node->joined))
		return op_go(op, WAIT);
	memset(r->reap.after, 0, sizeof(r->reap.after));
	return op_go(op, FIND);
}

static void on_found(struct rows_reap *reap)
{
	struct reaper *r = CONTAINER_OF(reap, struct reaper, reap);

	r->found = true;
	op_child_end(&r->op);
}

/* The first primary of the account reaps it; the others leave it alone. */
static bool is_ours(const struct reaper *r, const char *account)
{
	const struct cluster *c = r->proxy->cluster;
	struct place place;

	proxy_place(c, 0, account, NULL, NULL, &place);
	return place.count && place.devices[0] == r->device->id;
}

static enum step reaper_find(struct op *op)
{
	struct reaper *r = reaper_of(op);

	if (!r->finding) {
		r->finding = true;
		r->found = false;
		r->reap.done = on_found;
		op_child_begin(op);
		accountd_next_deleted(r->device->accountd, &r->reap);
	}
	if (!r->found)
		return STEP_WAIT;
	r->finding = false;
	if (r->reap.err)
		return op_go(op, WAIT);
	free(r->account);
	r->account = TAKE(r->reap.account);
	return op_go(op, is_ours(r, r->account) ? CONTAINERS : FIND);
}

static void send(struct reaper *r, struct backend_msg *msg)
{
	const struct cluster *c = r->proxy->cluster;
	struct place place;

	proxy_place(c, 0, r->account, NULL, NULL, &place);
	fan_ask(&r->fan, &r->op, r->proxy, msg, &place, DEADLINE_MS);
}

/* All rows that any replica lists. */
static void take_rows(const struct fan *fan, struct buf *rows, size_t *at)
{
	const struct backend_reply *most = NULL;

	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_reply *reply = &fan->calls[i].reply;
		if (!most || reply->rows.len > most->rows.len)
			most = reply;
	}
	buf_reset(rows);
	*at = 0;
	if (most)
		buf_add(rows, most->rows.data, most->rows.len);
}

static enum step reaper_containers(struct op *op)
{
	struct reaper *r = reaper_of(op);

	if (!r->fan.count) {
		send(r, accountd_reap_list(r->account, NULL, PAGE));
		return STEP_WAIT;
	}
	if (fan_open(&r->fan))
		return STEP_WAIT;
	take_rows(&r->fan, &r->containers, &r->container_at);
	fan_done(&r->fan);
	return op_go(op, CONTAINER);
}

static enum step reaper_container(struct op *op)
{
	struct reaper *r = reaper_of(op);

	info_fetch_done(&r->facts);
	r->facts = (struct info_fetch){0};
	if (!backend_rows_next(&r->containers, &r->container_at, &r->container))
		return op_go(op, FIND);
	return op_go(op, FACTS);
}

static enum step reaper_facts(struct op *op)
{
	struct reaper *r = reaper_of(op);

	if (!info_get(&r->facts, op, r->proxy, r->account, r->container.name) ||
	        fan_open(&r->facts.fan))
		return STEP_WAIT;
	if (r->facts.err)
		return op_go(op, CONTAINER);
	return op_go(op, r->facts.info->exists ? OBJECTS : FORGET);
}

static enum step reaper_objects(struct op *op)
{
	struct reaper *r = reaper_of(op);

	if (!r->listing) {
		r->listing = true;
		r->list = (struct ranged){.root = {.op = op,
		                                  .proxy = r->proxy,
		                                  .account = r->account,
		                                  .container = r->container.name}};
	}
	if (!ranged_rows(&r->list, &(struct backend_list){.limit = PAGE}))
		return STEP_WAIT;
	r->listing = false;
	enum err err = r->list.err;
	buf_reset(&r->objects);
	r->object_at = 0;
	if (!err)
		buf_add(&r->objects, r->list.root.rows->data, r->list.root.rows->len);
	ranged_done(&r->list);
	if (err && err != ERR_NOT_FOUND)
		return op_go(op, CONTAINER);
	return op_go(op, r->objects.len ? DELETE : DROP);
}

static enum step reaper_delete(struct op *op)
{
	struct reaper *r = reaper_of(op);
	struct backend_row row = {.deleted = true};

	if (!r->committing) {
		if (!backend_rows_next(&r->objects, &r->object_at, &r->object))
			return op_go(op, OBJECTS);
		r->committing = true;
		r->commit = (struct commit){0};
		commit_message(&r->commit, BACKEND_OBJECT_DELETE, op, r->proxy,
		        r->facts.info->policy, r->account, r->container.name, r->object.name);
		commit_updates(&r->commit, &row, 0, 0);
		commit_start(&r->commit);
	}
	if (!commit_ready(&r->commit) || op->children)
		return STEP_WAIT;
	enum err err = r->commit.err;
	commit_done(&r->commit);
	r->committing = false;
	/* What cannot be deleted now is tried again in a later round. */
	return err && err != ERR_NOT_FOUND ? op_go(op, CONTAINER) : STEP_NEXT;
}

static enum step reaper_drop(struct op *op)
{
	struct reaper *r = reaper_of(op);

	if (!r->drop.ts) {
		r->drop.ts = hlc_now(r->proxy->cluster->hlc);
		r->drop.read.root = (struct db_read){.op = op,
		        .proxy = r->proxy,
		        .account = r->account,
		        .container = r->container.name};
	}
	if (!drop_ready(&r->drop))
		return STEP_WAIT;
	bool dropped = !r->drop.err || r->drop.err == ERR_NOT_FOUND;
	drop_done(&r->drop);
	info_changed(r->proxy->cluster, r->account, r->container.name);
	return op_go(op, dropped ? FORGET : CONTAINER);
}

static enum step reaper_forget(struct op *op)
{
	struct reaper *r = reaper_of(op);

	if (!r->fan.count) {
		send(r, accountd_reap_row(
		                r->account, &r->container, hlc_now(r->proxy->cluster->hlc)));
		return STEP_WAIT;
	}
	if (fan_open(&r->fan))
		return STEP_WAIT;
	fan_done(&r->fan);
	log_info("reaped", "account=%s container=%s", log_quote(r->account),
	        log_quote(r->container.name));
	return op_go(op, CONTAINER);
}

static const struct op_state states[] = {
        [WAIT] = {"wait", reaper_wait, TO(FIND) | TO(WAIT), PAUSE_MS},
        [FIND] = {"find", reaper_find, TO(CONTAINERS) | TO(FIND) | TO(WAIT), 0},
        [CONTAINERS] = {"containers", reaper_containers, TO(CONTAINER), 0},
        [CONTAINER] = {"container", reaper_container, TO(FACTS) | TO(FIND), 0},
        [FACTS] = {"facts", reaper_facts, TO(OBJECTS) | TO(FORGET) | TO(CONTAINER), 0},
        [OBJECTS] = {"objects", reaper_objects, TO(DELETE) | TO(DROP) | TO(CONTAINER), 0},
        [DELETE] = {"delete", reaper_delete, TO(OBJECTS) | TO(CONTAINER), 0},
        [DROP] = {"drop", reaper_drop, TO(FORGET) | TO(CONTAINER), 0},
        [FORGET] = {"forget", reaper_forget, TO(CONTAINER), 0},
};

static void release(struct op *op)
{
	struct reaper *r = reaper_of(op);

	buf_done(&r->containers);
	buf_done(&r->objects);
	free(r->account);
	free(r);
}

enum err reaper_start(struct node_device *device, struct reaper **ret_reaper)
{
	struct node_reactor *nr = &device->node->reactors[device->reactor];
	struct reaper *r = mem_zalloc(sizeof(*r));

	r->device = device;
	r->proxy = &nr->proxy;
	op_init(&r->op, nr->reactor, states, release);
	op_start(&r->op);
	*ret_reaper = r;
	return ERR_OK;
}
