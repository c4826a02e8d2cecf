/* make -> wait -> list -> (next -> facts -> manifest -> read -> delete)* -> wait */
#include "node/expirer.h"

#include "proxy/commit.h"
#include "proxy/reader.h"
#include "proxy/sync_queue.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS    1000
#define DEADLINE_MS 10000
#define PAGE        500

enum { WAIT, MAKE, MAKING, LIST, NEXT, FACTS, MANIFEST, READ, DELETE, FORGET };

struct expirer {
	struct op op;
	struct proxy *proxy;
	struct fan fan;
	unsigned made;  /* hidden account, then container */
	struct buf due; /* encoded rows */
	size_t due_at;
	struct backend_row row;
	char path[2048]; /* the row's name, cut into the parts below */
	const char *account, *container, *object;
	uint64_t at, began; /* began: to look at it */
	struct info_fetch facts, manifest_facts;
	char awaited[2048]; /* the container, and behind its NUL: */
	const char *awaited_object;
	struct buf gone; /* type and time of the row whose manifest was gone last; owned */
	uint64_t gone_ts;
	struct reader reader;
	struct commit commit;
	struct row_put forget;
	bool reading, forgetting, forgotten;
};

static struct expirer *expirer_of(struct op *op)
{
	return CONTAINER_OF(op, struct expirer, op);
}

static void send_db(struct expirer *e, enum backend_op op, const char *container, uint64_t now_s)
{
	struct cluster *c = e->proxy->cluster;
	struct backend_msg *msg =
	        backend_msg_new(op, container ? BACKEND_CONTAINER : BACKEND_ACCOUNT);
	struct place place;

	backend_msg_path(msg, EXPIRY_ACCOUNT, container, NULL);
	msg->ts = hlc_now(c->hlc);
	msg->policy = (uint8_t)c->policy_default;
	if (op == BACKEND_DB_LIST) {
		char *end = backend_msg_alloc(msg, 24);
		snprintf(end, 24, "%010llu", (unsigned long long)now_s + 1);
		msg->list.end_marker = end;
		msg->list.limit = PAGE;
	}
	proxy_place(c, 0, EXPIRY_ACCOUNT, container, NULL, &place);
	fan_ask(&e->fan, &e->op, e->proxy, msg, &place, DEADLINE_MS);
}

static enum step expirer_make(struct op *op)
{
	struct expirer *e = expirer_of(op);

	send_db(e, BACKEND_DB_PUT, e->made ? EXPIRY_CONTAINER : NULL, 0);
	return op_go(op, MAKING);
}

static enum step expirer_making(struct op *op)
{
	struct expirer *e = expirer_of(op);

	if (fan_open(&e->fan))
		return STEP_WAIT;
	uint64_t there = fan_mask(&e->fan, e->fan.place, ERR_OK) |
	                 fan_mask(&e->fan, e->fan.place, ERR_EXISTS);
	if (place_met(e->fan.place, there))
		e->made++;
	fan_done(&e->fan);
	return op_go(op, e->made == 1 ? MAKE : WAIT);
}

static enum step expirer_wait(struct op *op)
{
	const struct expirer *e = expirer_of(op);

	if (!op->expired)
		return STEP_WAIT;
	if (!atomic_load(e->proxy->cluster->joined))
		return op_go(op, WAIT);
	return op_go(op, e->made < 2 ? MAKE : LIST);
}

static enum step expirer_list(struct op *op)
{
	struct expirer *e = expirer_of(op);
	const struct env *env = e->proxy->cluster->env;

	if (!e->fan.count) {
		send_db(e, BACKEND_DB_LIST, EXPIRY_CONTAINER, env->wall_us(env) / 1000000);
		return STEP_WAIT;
	}
	if (fan_open(&e->fan))
		return STEP_WAIT;
	buf_reset(&e->due);
	e->due_at = 0;
	e->gone_ts = 0;
	for (unsigned i = 0; i < e->fan.count && !e->due.len; i++) {
		const struct backend_reply *r = &e->fan.calls[i].reply;
		if (!r->err)
			buf_add(&e->due, r->rows.data, r->rows.len);
	}
	fan_done(&e->fan);
	return op_go(op, NEXT);
}

/* "0123456789-account/container/object" */
static bool cut(struct expirer *e)
{
	char *dash, *end;

	snprintf(e->path, sizeof(e->path), "%s", e->row.name);
	e->at = strtoull(e->path, &dash, 10);
	if (*dash != '-')
		return false;
	e->account = dash + 1;
	end = strchr(e->account, '/');
	if (!end)
		return false;
	*end = 0;
	e->container = end + 1;
	end = strchr(e->container, '/');
	if (!end)
		return false;
	*end = 0;
	e->object = end + 1;
	return *e->object;
}

static enum step expirer_next(struct op *op)
{
	struct expirer *e = expirer_of(op);

	info_fetch_done(&e->facts);
	info_fetch_done(&e->manifest_facts);
	e->facts = e->manifest_facts = (struct info_fetch){0};
	if (!backend_rows_next(&e->due, &e->due_at, &e->row))
		return op_go(op, WAIT);
	e->began = hlc_now(e->proxy->cluster->hlc);
	return op_go(op, cut(e) ? FACTS : NEXT);
}

static enum step expirer_facts(struct op *op)
{
	struct expirer *e = expirer_of(op);

	if (!info_get(&e->facts, op, e->proxy, e->account, e->container))
		return STEP_WAIT;
	if (fan_open(&e->facts.fan))
		return STEP_WAIT;
	if (e->facts.err)
		return op_go(op, NEXT);
	return op_go(op, e->facts.info->exists ? MANIFEST : FORGET);
}

/* --- segments that are to go with their manifest --- */

static bool is_at_once(const struct expirer *e)
{
	return strncmp(e->row.content_type, EXPIRY_AT_ONCE, strlen(EXPIRY_AT_ONCE)) == 0;
}

/* Cuts the manifest's name into its parts; false: it waits for none. */
static bool cut_awaited(struct expirer *e)
{
	const char *path = e->row.content_type + strlen(EXPIRY_AT_ONCE);
	char *slash;

	if (!is_at_once(e) || *path != '/')
		return false;
	snprintf(e->awaited, sizeof(e->awaited), "%s", path + 1);
	if (!(slash = strchr(e->awaited, '/')))
		return false;
	*slash = 0;
	e->awaited_object = slash + 1;
	return true;
}

/* The other rows of the same request need not ask again. */
static enum step awaited_gone(struct expirer *e)
{
	buf_reset(&e->gone);
	buf_str(&e->gone, e->row.content_type);
	e->gone_ts = e->row.ts;
	return op_go(&e->op, READ);
}

static enum step awaited_read(struct expirer *e)
{
	const struct env *env = e->proxy->cluster->env;
	bool over = env->wall_us(env) / 1000000 > e->at + EXPIRY_WAIT_S;

	if (!e->reading) {
		e->reading = true;
		reader_open(&e->reader, &e->op, e->proxy, e->manifest_facts.info->policy,
		        e->account, e->awaited, e->awaited_object, 0, 0);
	}
	if (!reader_ready(&e->reader))
		return STEP_WAIT;
	reader_close(&e->reader);
	if (e->op.children)
		return STEP_WAIT;
	enum err err = e->reader.err;
	bool there = !err && e->reader.reply->ts <= e->row.ts;
	reader_done(&e->reader);
	e->reading = false;
	if (there)
		return op_go(&e->op, over ? FORGET : NEXT);
	return err && err != ERR_NOT_FOUND ? op_go(&e->op, NEXT) : awaited_gone(e);
}

static enum step expirer_manifest(struct op *op)
{
	struct expirer *e = expirer_of(op);

	if (!cut_awaited(e) ||
	        (e->gone_ts == e->row.ts && strcmp(buf_text(&e->gone), e->row.content_type) == 0))
		return op_go(op, READ);
	if (!info_get(&e->manifest_facts, op, e->proxy, e->account, e->awaited))
		return STEP_WAIT;
	if (fan_open(&e->manifest_facts.fan))
		return STEP_WAIT;
	if (e->manifest_facts.err)
		return op_go(op, NEXT);
	return e->manifest_facts.info->exists ? awaited_read(e) : awaited_gone(e);
}

static bool still_due(const struct expirer *e)
{
	const struct backend_reply *r = e->reader.reply;

	if (is_at_once(e))
		return !e->reader.err && r->ts <= e->row.ts;
	const char *at =
	        e->reader.err ? NULL : kv_get(r->headers.data, r->headers.len, "X-Delete-At");

	return at && strtoull(at, NULL, 10) == e->at;
}

static void start_delete(struct expirer *e)
{
	struct backend_row row = {.deleted = true};

	e->commit = (struct commit){0};
	commit_message(&e->commit, BACKEND_OBJECT_DELETE, &e->op, e->proxy, e->facts.info->policy,
	        e->account, e->container, e->object);
	commit_behind(&e->commit, e->reader.reply, e->began);
	e->commit.synced = sync_since(e->facts.info);
	commit_updates(&e->commit, &row, e->at, 0);
	commit_start(&e->commit);
}

static enum step expirer_read(struct op *op)
{
	struct expirer *e = expirer_of(op);
	unsigned policy = e->facts.info->policy;

	if (!e->reading) {
		e->reading = true;
		reader_open(&e->reader, op, e->proxy, policy, e->account, e->container, e->object,
		        0, 0);
	}
	if (!reader_ready(&e->reader))
		return STEP_WAIT;
	reader_close(&e->reader);
	if (op->children)
		return STEP_WAIT;
	bool due = still_due(e), gone = e->reader.err == ERR_NOT_FOUND || !e->reader.err;
	if (due)
		start_delete(e);
	reader_done(&e->reader);
	e->reading = false;
	return op_go(op, due ? DELETE : gone ? FORGET : NEXT);
}

static enum step expirer_delete(struct op *op)
{
	struct expirer *e = expirer_of(op);

	if (!commit_ready(&e->commit) || op->children)
		return STEP_WAIT;
	log_debug("expired", "object=%s err=%s", log_quote(e->object), err_name(e->commit.err));
	commit_done(&e->commit);
	return op_go(op, NEXT);
}

static void on_forgotten(struct row_put *put)
{
	struct expirer *e = put->owner;

	e->forgotten = true;
	op_child_end(&e->op);
}

/* The row names an object that is gone or lives longer now. */
static enum step expirer_forget(struct op *op)
{
	struct expirer *e = expirer_of(op);

	if (!e->forgetting) {
		e->forgetting = true;
		e->forgotten = false;
		e->forget = (struct row_put){
		        .row = {.name = e->row.name,
		                .ts = commit_time_behind(e->row.ts, e->began),
		                .deleted = true},
		        .done = on_forgotten,
		        .owner = e,
		};
		op_child_begin(op);
		rows_put(e->proxy, EXPIRY_ACCOUNT, EXPIRY_CONTAINER, &e->forget);
	}
	if (!e->forgotten)
		return STEP_WAIT;
	e->forgetting = false;
	return op_go(op, NEXT);
}

static const struct op_state states[] = {
        [MAKE] = {"make", expirer_make, TO(MAKING), 0},
        [MAKING] = {"making", expirer_making, TO(MAKE) | TO(WAIT), 0},
        [WAIT] = {"wait", expirer_wait, TO(MAKE) | TO(LIST) | TO(WAIT), PAUSE_MS},
        [LIST] = {"list", expirer_list, TO(NEXT), 0},
        [NEXT] = {"next", expirer_next, TO(FACTS) | TO(WAIT) | TO(NEXT), 0},
        [FACTS] = {"facts", expirer_facts, TO(MANIFEST) | TO(FORGET) | TO(NEXT), 0},
        [MANIFEST] = {"manifest", expirer_manifest, TO(READ) | TO(FORGET) | TO(NEXT), 0},
        [READ] = {"read", expirer_read, TO(DELETE) | TO(FORGET) | TO(NEXT), 0},
        [DELETE] = {"delete", expirer_delete, TO(NEXT), 0},
        [FORGET] = {"forget", expirer_forget, TO(NEXT), 0},
};

static void release(struct op *op)
{
	struct expirer *e = expirer_of(op);

	buf_done(&e->due);
	buf_done(&e->gone);
	free(e);
}

enum err expirer_start(struct proxy *proxy, struct expirer **ret_expirer)
{
	struct expirer *e = mem_zalloc(sizeof(*e));

	e->proxy = proxy;
	op_init(&e->op, proxy->reactor, states, release);
	op_start(&e->op);
	*ret_expirer = e;
	return ERR_OK;
}
