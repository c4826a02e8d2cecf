/* updates -> get -> (read -> stage)* -> put -> wait
 * a tombstone: updates -> put -> wait; metadata: updates -> get -> put -> wait; a version in
 * fragments: get -> rebuild
 *
 * A write that came to few may have its listing update open on one device alone: the copies of
 * primaries carry it too, and send it as any (node/jobs.c). Those that stand in for primaries do
 * not: they are to be forgotten soon. */
#include "proxy/repair.h"
#include "proxy/ec_rebuild.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 30000

struct repair {
	struct op op;
	struct proxy *proxy;
	struct op *waiter; /* borrowed; NULL once it let go */
	unsigned refs;
	char *account, *container, *object; /* owned; NULL until the GET tells them */
	unsigned policy, to_count;
	struct place place;
	uint64_t have, writer;
	bool all;                            /* targets must take it: the place does not matter */
	uint64_t ts, meta_ts, offset, stage; /* meta_ts: of a POST that alone is brought, or 0 */
	uint64_t known_meta_ts;              /* of the version; 0: not known yet */
	uint32_t from, to[PLACE_MAX];
	bool deleted, decided, quiet; /* quiet: who asked tells what failed */
	enum err err;
	struct fan updates, get, read, staged, put, close;
	struct ec_rebuild *rebuild;
};

enum { UPDATES, GET, READ, STAGE, PUT, WAIT, REBUILD };

static struct repair *repair_of(struct op *op)
{
	return CONTAINER_OF(op, struct repair, op);
}

static struct backend_msg *message(struct repair *r, enum backend_op op)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	backend_msg_path(msg, r->account, r->container, r->object);
	place_address(&r->place, msg);
	msg->policy = (uint8_t)r->policy;
	msg->ts = r->ts;
	msg->stage = r->stage;
	return msg;
}

static void decide(struct repair *r, enum err err)
{
	r->decided = true;
	r->err = err;
	if (err && !r->quiet)
		log_warn("repair", "object=%s err=%s", log_quote(r->object), err_name(err));
	if (r->waiter)
		op_child_end(r->waiter);
	r->waiter = NULL;
}

/* Would it do if those that answered so were the ones that took it? */
static bool enough(const struct repair *r, const struct fan *fan, uint64_t took, unsigned count)
{
	return r->all ? count == fan->count : place_met(&r->place, r->have | took);
}

/* What was not taken is let go of. */
static void unstage(struct repair *r)
{
	if (!r->offset && !r->staged.count)
		return;
	fan_done(&r->close);
	fan_start(&r->close, &r->op, r->proxy, message(r, BACKEND_OBJECT_UNSTAGE), r->to,
	        r->to_count, DEADLINE_MS);
}

static enum step give_up(struct repair *r, enum err err)
{
	unstage(r);
	decide(r, err);
	return STEP_DONE;
}

/* Three texts, each with its NUL. */
static bool take_names(struct repair *r, const struct buf *path)
{
	char **names[] = {&r->account, &r->container, &r->object};
	size_t at = 0;

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		size_t len = strnlen(path->data + at, path->len - at);
		if (at + len == path->len)
			return false;
		*names[i] = mem_strdup(path->data + at);
		at += len + 1;
	}
	return true;
}

static bool in_fragments(const struct repair *r)
{
	return r->proxy->cluster->policies[r->policy].ec;
}

static bool to_primaries(const struct repair *r)
{
	for (unsigned i = 0; i < r->to_count; i++) {
		if (!place_bit(&r->place, r->to[i]))
			return false;
	}
	return true;
}

/* Who does not have the version any more, for its disk was replaced, took the updates with it: it
 * must not be brought without them. A fragment's stay with those it is made of. */
static enum step repair_updates(struct op *op)
{
	struct repair *r = repair_of(op);

	if ((in_fragments(r) && !r->deleted) || r->proxy->backend->plain || !to_primaries(r))
		return op_go(op, GET);
	if (!r->updates.count) {
		struct backend_msg *msg = message(r, BACKEND_OBJECT_UPDATES);
		msg->meta_ts = r->known_meta_ts;
		fan_start(&r->updates, op, r->proxy, msg, &r->from, 1, DEADLINE_MS);
	}
	if (fan_open(&r->updates))
		return STEP_WAIT;
	enum err err = r->updates.calls[0].reply.err;
	if (err && err != ERR_CORRUPT)
		return give_up(r, err == ERR_NOT_FOUND ? ERR_CONFLICT : ERR_UNAVAILABLE);
	return op_go(op, GET);
}

static enum step repair_get(struct op *op)
{
	struct repair *r = repair_of(op);

	if (r->deleted)
		return op_go(op, PUT);
	if (!r->get.count) {
		struct backend_msg *msg = message(r, BACKEND_OBJECT_GET);
		msg->draft = in_fragments(r); /* exactly this version */
		msg->len = r->meta_ts || msg->draft ? 0 : UINT64_MAX;
		fan_start(&r->get, op, r->proxy, msg, &r->from, 1, DEADLINE_MS);
	}
	if (fan_open(&r->get))
		return STEP_WAIT;
	const struct backend_reply *g = &r->get.calls[0].reply;
	if (g->err)
		return give_up(r, in_fragments(r) && g->ts > r->ts ? ERR_CONFLICT : g->err);
	if (r->meta_ts ? g->ts > r->ts || g->meta_ts != r->meta_ts : g->ts != r->ts)
		return give_up(
		        r, ERR_CONFLICT); /* moved on: whoever asked will see the newer one */
	if (!r->object && !take_names(r, &g->path))
		return give_up(r, ERR_CORRUPT);
	if (r->meta_ts)
		return op_go(op, PUT);
	if (in_fragments(r))
		return op_go(op, REBUILD);
	return op_go(op, g->body_len == g->size ? PUT : READ);
}

/* Bytes of the object from r->offset on, out of the GET's first piece or a READ. */
static enum step repair_read(struct op *op)
{
	struct repair *r = repair_of(op);
	const struct backend_reply *g = &r->get.calls[0].reply;

	if (r->offset == g->size)
		return op_go(op, PUT);
	if (!r->read.count) {
		struct backend_msg *msg = message(r, BACKEND_OBJECT_READ);
		msg->handle = g->handle;
		msg->offset = r->offset;
		msg->len =
		        g->size - r->offset < BACKEND_PIECE ? g->size - r->offset : BACKEND_PIECE;
		fan_start(&r->read, op, r->proxy, msg, &r->from, 1, DEADLINE_MS);
	}
	if (fan_open(&r->read))
		return STEP_WAIT;
	if (r->read.calls[0].reply.err)
		return give_up(r, r->read.calls[0].reply.err);
	return op_go(op, STAGE);
}

static enum step repair_stage(struct op *op)
{
	struct repair *r = repair_of(op);
	struct backend_reply *piece = &r->read.calls[0].reply;

	if (!r->staged.count) {
		struct backend_msg *msg = message(r, BACKEND_OBJECT_STAGE);
		msg->offset = r->offset;
		msg->body = bytes_copy(piece->body->data + piece->body_offset, piece->body_len);
		if (r->proxy->backend->plain)
			backend_msg_headers(msg, &r->get.calls[0].reply.headers);
		fan_start(&r->staged, op, r->proxy, msg, r->to, r->to_count, DEADLINE_MS);
	}
	if (fan_open(&r->staged))
		return STEP_WAIT;
	if (!enough(r, &r->staged, fan_mask(&r->staged, &r->place, ERR_OK),
	            fan_with(&r->staged, ERR_OK)))
		return give_up(r, ERR_UNAVAILABLE);
	r->offset += piece->body_len;
	fan_done(&r->staged);
	fan_done(&r->read);
	return op_go(op, READ);
}

static enum step repair_put(struct op *op)
{
	struct repair *r = repair_of(op);
	struct backend_msg *msg = message(r, r->deleted   ? BACKEND_OBJECT_DELETE
	                                     : r->meta_ts ? BACKEND_OBJECT_POST
	                                                  : BACKEND_OBJECT_PUT);

	msg->handle = r->writer;
	if (r->updates.count && !r->updates.calls[0].reply.err)
		backend_msg_updates(msg, &r->updates.calls[0].reply.rows);
	if (r->meta_ts) {
		backend_msg_headers(msg, &r->get.calls[0].reply.headers);
		msg->ts = r->meta_ts;
		msg->known = r->ts;
	} else if (!r->deleted) {
		const struct backend_reply *g = &r->get.calls[0].reply;
		backend_msg_headers(msg, &g->headers);
		msg->meta_ts = g->meta_ts > g->ts ? g->meta_ts : 0;
		msg->size = g->size;
		memcpy(msg->etag, g->etag, 16);
		if (r->offset == 0)
			msg->stage = 0;
		if (r->offset == 0 && g->body_len)
			msg->body = bytes_copy(g->body->data + g->body_offset, g->body_len);
		if (g->handle) {
			struct backend_msg *close = message(r, BACKEND_OBJECT_CLOSE);
			close->handle = g->handle;
			fan_start(&r->close, op, r->proxy, close, &r->from, 1, DEADLINE_MS);
		}
	}
	fan_start(&r->put, op, r->proxy, msg, r->to, r->to_count, DEADLINE_MS);
	return op_go(op, WAIT);
}

/* Overtaken. A reader must not tell what was: of a conditional writer's version, who had not seen
 * this, it would be wrong. Nor does the later POST to an older body stand for this one. */
static bool is_late(const struct repair *r, const struct backend_call *call)
{
	return call->answered && call->reply.err == ERR_CONFLICT &&
	       (call->reply.promised > r->ts ||
	               (!r->all && call->reply.ts && call->reply.ts != r->ts));
}

static enum step repair_wait(struct op *op)
{
	struct repair *r = repair_of(op);
	uint64_t took = 0;
	unsigned count = 0, late = 0;

	for (unsigned i = 0; i < r->put.count; i++) {
		const struct backend_call *call = &r->put.calls[i];
		enum err err = call->reply.err;
		bool newer = err == ERR_CONFLICT, gone = err == ERR_NOT_FOUND && r->deleted;
		late += is_late(r, call);
		if (!call->answered || !(err == ERR_OK || newer || gone) || is_late(r, call))
			continue;
		took |= place_bit(&r->place, call->device);
		count++;
	}
	if (!r->decided) {
		if (enough(r, &r->put, took, count))
			decide(r, ERR_OK);
		else if (!fan_open(&r->put))
			decide(r, late ? ERR_CONFLICT : ERR_UNAVAILABLE);
	}
	if (fan_open(&r->put))
		return STEP_WAIT;
	if (fan_with(&r->put, ERR_OK) < r->put.count)
		unstage(r);
	return STEP_DONE;
}

/* Who refuses for what it has promised has neither this nor anything newer. */
static bool all_took(const struct repair *r, uint64_t written)
{
	for (unsigned i = 0; i < r->to_count; i++) {
		if (place_bit(&r->place, r->to[i]) & ~written)
			return false;
	}
	return true;
}

/* Each target gets its own fragment, made out of what all others have. */
static enum step repair_rebuild(struct op *op)
{
	struct repair *r = repair_of(op);
	uint64_t written;
	enum err err;

	if (!r->rebuild)
		r->rebuild = ec_rebuild_start(r->proxy, op, r->policy, r->account, r->container,
		        r->object, r->ts, r->to, r->to_count, r->writer, NULL);
	if (!ec_rebuild_outcome(r->rebuild, &err, &written))
		return STEP_WAIT;
	if (err == ERR_CONFLICT)
		err = all_took(r, written) ? ERR_OK : ERR_BUSY;
	if (err && !r->all && place_met(&r->place, r->have | written))
		err = ERR_OK;
	decide(r, err);
	return STEP_DONE;
}

static const struct op_state states[] = {
        [UPDATES] = {"updates", repair_updates, TO(GET), 0},
        [GET] = {"get", repair_get, TO(READ) | TO(PUT) | TO(REBUILD), 0},
        [READ] = {"read", repair_read, TO(STAGE) | TO(PUT), 0},
        [STAGE] = {"stage", repair_stage, TO(READ), 0},
        [PUT] = {"put", repair_put, TO(WAIT), 0},
        [WAIT] = {"wait", repair_wait, 0, 0},
        [REBUILD] = {"rebuild", repair_rebuild, 0, 0},
};

void repair_unref(struct repair *r)
{
	if (!r || --r->refs)
		return;
	free(r->account);
	free(r->container);
	free(r->object);
	free(r);
}

static void release(struct op *op)
{
	struct repair *r = repair_of(op);

	fan_done(&r->updates);
	fan_done(&r->get);
	fan_done(&r->read);
	fan_done(&r->staged);
	fan_done(&r->put);
	fan_done(&r->close);
	ec_rebuild_unref(r->rebuild);
	repair_unref(r);
}

static struct repair *create(struct proxy *proxy, struct op *op, unsigned policy, uint32_t from,
        const uint32_t *to, unsigned to_count)
{
	struct repair *r = mem_zalloc(sizeof(*r));

	r->proxy = proxy;
	r->waiter = op;
	r->refs = 2;
	r->policy = policy;
	r->from = from;
	r->to_count = to_count;
	memcpy(r->to, to, to_count * sizeof(*to));
	r->stage = atomic_fetch_add(&proxy->cluster->next_stage, 1);
	return r;
}

static void start(struct repair *r)
{
	if (r->waiter)
		op_child_begin(r->waiter);
	op_init(&r->op, r->proxy->reactor, states, release);
	op_start(&r->op);
}

struct repair *repair_push(struct proxy *proxy, struct op *op, unsigned policy,
        const struct backend_key *version, enum repair_part part, uint32_t from, uint32_t to)
{
	struct repair *r = create(proxy, op, policy, from, &to, 1);

	r->ts = version->ts;
	r->known_meta_ts = version->meta_ts;
	r->meta_ts = part == REPAIR_METADATA ? version->meta_ts : 0;
	r->deleted = version->deleted;
	r->all = r->quiet = true;
	place_of_key(proxy_rings(proxy->cluster, BACKEND_OBJECT, policy), version->key, &r->place);
	if (r->deleted) { /* the key is all there is to know */
		r->account = mem_strdup("");
		r->container = mem_strdup("");
		r->object = mem_strdup("");
	}
	start(r);
	return r;
}

struct repair *repair_start(struct proxy *proxy, struct op *op, unsigned policy,
        const char *account, const char *container, const char *object, uint64_t ts,
        uint64_t meta_ts, bool deleted, uint32_t from, const uint32_t *to, unsigned to_count,
        const struct place *place, uint64_t have, uint64_t writer)
{
	struct repair *r = create(proxy, op, policy, from, to, to_count);

	r->account = mem_strdup(account);
	r->container = mem_strdup(container);
	r->object = mem_strdup(object);
	r->ts = ts;
	r->meta_ts = meta_ts;
	r->deleted = deleted;
	r->have = have;
	r->writer = writer;
	r->all = !place;
	if (place)
		r->place = *place;
	else
		proxy_place(proxy->cluster, policy, account, container, object, &r->place);
	start(r);
	return r;
}

bool repair_outcome(const struct repair *repair, enum err *ret_err)
{
	*ret_err = repair->err;
	return repair->decided;
}
