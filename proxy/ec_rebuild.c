/* find -> [commit] -> (fetch -> stage)* -> put -> wait */
#include "proxy/ec_rebuild.h"
#include "proxy/ec_fetch.h"
#include "proxy/ec_put.h"
#include "proxy/ec_sort.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 30000

enum { FIND, COMMIT, FETCH, STAGE, PUT, WAIT };

struct ec_rebuild {
	struct op op;
	struct proxy *proxy;
	struct op *waiter; /* borrowed; NULL once it let go */
	unsigned refs;
	char *account, *container, *object; /* owned */
	struct ec_fetch fetch;
	uint8_t index[PLACE_MAX];
	uint32_t to[PLACE_MAX];
	uint8_t to_index[PLACE_MAX];
	unsigned to_count;
	uint32_t wanted; /* bits of fragments: those of `to` */
	uint64_t writer, stage, offset, archive, good,
	        written; /* good: bits of `to` that took all so far */
	bool overtaken;  /* something newer is somewhere */
	bool exchanged;  /* rings move, and the newest's primaries have all, in other places */
	unsigned head;   /* of the answers: whose headers hold */
	bool committed, decided, meant;
	uint8_t etag[16]; /* meant: of the body that it is for */
	enum err err;
	uint64_t sources; /* of the place: who has a fragment of it */
	uint64_t drafts;  /* targets among them that need only be told */
	struct fan found, commit, staged, put, unstage;
};

static struct ec_rebuild *rebuild_of(struct op *op)
{
	return CONTAINER_OF(op, struct ec_rebuild, op);
}

static struct backend_msg *message(struct ec_rebuild *r, enum backend_op op)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	backend_msg_path(msg, r->account, r->container, r->object);
	place_address(&r->fetch.place, msg);
	msg->policy = (uint8_t)r->fetch.policy;
	msg->ts = r->fetch.ts;
	msg->stage = r->stage;
	return msg;
}

static void decide(struct ec_rebuild *r, enum err err)
{
	r->decided = true;
	r->err = err;
	if (err && err != ERR_CONFLICT && err != ERR_EXISTS)
		log_warn("rebuild", "object=%s err=%s", log_quote(r->object), err_name(err));
	if (r->waiter)
		op_child_end(r->waiter);
	r->waiter = NULL;
}

/* What was not taken is let go of. */
static void unstage(struct ec_rebuild *r)
{
	if (r->offset)
		fan_start(&r->unstage, &r->op, r->proxy, message(r, BACKEND_OBJECT_UNSTAGE), r->to,
		        r->to_count, DEADLINE_MS);
}

static enum step give_up(struct ec_rebuild *r, enum err err)
{
	unstage(r);
	ec_fetch_close(&r->fetch);
	decide(r, err);
	return STEP_DONE;
}

/* With a draft comes that of the version before it. */
static uint64_t posted(const struct backend_reply *reply)
{
	return reply->draft_ts ? 0 : reply->meta_ts;
}

/* Who has a fragment of it, and whose metadata is the newest. */
static void see(struct ec_rebuild *r, unsigned at)
{
	const struct backend_call *call = &r->found.calls[at];
	const struct backend_reply *reply = &call->reply, *head = &r->found.calls[r->head].reply;

	if (!(place_bit(&r->fetch.place, call->device) & r->sources))
		return;
	bool first = !ec_fetch_usable(&r->fetch);
	ec_fetch_add(&r->fetch, reply->fragment.index, call->device, reply->handle);
	r->committed |= !reply->draft_ts;
	if (first || posted(reply) > posted(head))
		r->head = at;
	r->fetch.size = reply->fragment.size;
}

static bool has(const struct ec_rebuild *r, unsigned at, unsigned index)
{
	return (r->sources >> at & 1) && r->found.calls[at].reply.fragment.index == index;
}

static bool has_its_own(const struct ec_rebuild *r, unsigned at)
{
	return has(r, at, r->index[at]);
}

/* The first device that has another one's fragment, when all fragments are there; else PLACE_MAX.
 */
static unsigned first_of_all(const struct ec_rebuild *r)
{
	unsigned n = r->fetch.ec->k + r->fetch.ec->m, first = PLACE_MAX;
	uint64_t newest = r->sources & r->fetch.place.sets[0];
	uint32_t there = 0;

	for (unsigned at = r->found.count; at-- > 0;) {
		if (!(newest >> at & 1))
			continue;
		there |= 1u << r->found.calls[at].reply.fragment.index;
		first = has_its_own(r, at) ? first : at;
	}
	return (unsigned)__builtin_popcount(there) == n ? first : PLACE_MAX;
}

/* What it has instead of its own is given up when that is where it belongs, or in an earlier place
 * too: whoever is the best of those that have the same keeps it, also when all others give it up at
 * once. Of those that nobody else has one at a time is given up, and made again by its own: by one
 * ring, for nodes of which some know a newer one would not agree on which. */
static bool may_replace(const struct ec_rebuild *r, unsigned target)
{
	unsigned index = r->found.calls[target].reply.fragment.index;

	for (unsigned at = 0; at < r->found.count; at++) {
		if (has(r, at, index) && (at < target || has_its_own(r, at)))
			return true;
	}
	return r->fetch.place.set_count == 1 && first_of_all(r) == target;
}

/* Several may be at the same at once: what a target has by now is not made again. Of a draft it has
 * it is told that it is the version. */
static void skip_written(struct ec_rebuild *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->to_count; i++) {
		uint64_t bit = place_bit(&r->fetch.place, r->to[i]);
		unsigned at = (unsigned)__builtin_ctzll(bit);
		const struct backend_reply *reply = &r->found.calls[at].reply;
		if ((bit & r->sources) && reply->fragment.index == r->to_index[i]) {
			*(r->committed && reply->draft_ts ? &r->drafts : &r->written) |= bit;
			continue;
		}
		if ((bit & r->sources) && !may_replace(r, at)) {
			r->overtaken = true;
			r->exchanged = r->fetch.place.set_count > 1 && first_of_all(r) < PLACE_MAX;
			continue;
		}
		r->to[n] = r->to[i];
		r->to_index[n++] = r->to_index[i];
		r->wanted |= 1u << r->to_index[i];
	}
	r->to_count = n;
	r->good = n ? ~0ull >> (64 - n) : 0;
}

static enum step make(struct ec_rebuild *r)
{
	if (!r->to_count && r->exchanged)
		return give_up(r, ERR_EXISTS);
	if (!r->to_count)
		return give_up(r, r->overtaken ? ERR_CONFLICT : ERR_OK);
	if (ec_fetch_usable(&r->fetch) < r->fetch.ec->k)
		return give_up(r, ERR_UNAVAILABLE);
	r->archive = fragment_archive(r->fetch.ec->k, r->fetch.size);
	return op_go(&r->op, r->archive ? FETCH : PUT);
}

static enum step rebuild_find(struct op *op)
{
	struct ec_rebuild *r = rebuild_of(op);

	if (!r->to_count)
		return give_up(r, ERR_OK);
	if (!r->found.count) {
		struct backend_msg *msg = message(r, BACKEND_OBJECT_GET);
		msg->draft = true;
		fan_start(&r->found, op, r->proxy, msg, r->fetch.place.devices,
		        r->fetch.place.count, DEADLINE_MS);
	}
	if (fan_open(&r->found))
		return STEP_WAIT;
	struct ec_sorted sorted = ec_sort(&r->found, &r->fetch.place, r->fetch.ec, r->fetch.ts);
	if (r->meant && memcmp(sorted.etag, r->etag, sizeof(r->etag)) != 0)
		return give_up(r, ERR_CONFLICT);
	r->sources = sorted.told & ~sorted.foreign & ~sorted.damaged;
	memcpy(r->fetch.etag, sorted.etag, sizeof(r->fetch.etag));
	for (unsigned i = 0; i < r->found.count; i++)
		see(r, i);
	skip_written(r);
	return r->drafts ? op_go(op, COMMIT) : make(r);
}

static enum step rebuild_commit(struct op *op)
{
	struct ec_rebuild *r = rebuild_of(op);
	const struct place *place = &r->fetch.place;

	if (!r->commit.count) {
		uint32_t devices[PLACE_MAX];
		unsigned n = 0;
		for (uint64_t left = r->drafts; left; left &= left - 1)
			devices[n++] = place->devices[__builtin_ctzll(left)];
		struct backend_msg *msg = message(r, BACKEND_OBJECT_COMMIT);
		memcpy(msg->etag, r->fetch.etag, sizeof(msg->etag));
		fan_start(&r->commit, op, r->proxy, msg, devices, n, DEADLINE_MS);
	}
	if (fan_open(&r->commit))
		return STEP_WAIT;
	uint64_t newer = fan_mask(&r->commit, place, ERR_CONFLICT);
	r->overtaken = newer != 0;
	r->written |= fan_mask(&r->commit, place, ERR_OK) | newer;
	if (r->drafts & ~r->written)
		return give_up(r, ERR_UNAVAILABLE);
	return make(r);
}

static enum step rebuild_fetch(struct op *op)
{
	struct ec_rebuild *r = rebuild_of(op);
	uint64_t left = r->archive - r->offset;
	enum err err;

	if (!left)
		return op_go(op, PUT);
	if (!r->fetch.wanted)
		ec_fetch_want(&r->fetch, r->wanted, r->offset / EC_PIECE, 0,
		        left < EC_PIECE ? (uint32_t)left : EC_PIECE);
	if (!ec_fetch_ready(&r->fetch, &err))
		return STEP_WAIT;
	return err ? give_up(r, err) : op_go(op, STAGE);
}

static enum step rebuild_stage(struct op *op)
{
	struct ec_rebuild *r = rebuild_of(op);

	if (!r->staged.count) {
		struct backend_msg *msgs[PLACE_MAX];
		for (unsigned i = 0; i < r->to_count; i++) {
			msgs[i] = message(r, BACKEND_OBJECT_STAGE);
			msgs[i]->offset = r->offset;
			msgs[i]->body =
			        bytes_copy(ec_fetch_bytes(&r->fetch, r->to_index[i]), r->fetch.len);
		}
		fan_start_each(&r->staged, op, r->proxy, msgs, r->to, r->to_count, DEADLINE_MS);
	}
	if (fan_open(&r->staged))
		return STEP_WAIT;
	for (unsigned i = 0; i < r->to_count; i++) {
		if (r->staged.calls[i].reply.err)
			r->good &= ~(1ull << i);
	}
	r->offset += r->fetch.len;
	ec_fetch_drop(&r->fetch);
	fan_done(&r->staged);
	return r->good ? op_go(op, FETCH) : give_up(r, ERR_UNAVAILABLE);
}

static enum step rebuild_put(struct op *op)
{
	struct ec_rebuild *r = rebuild_of(op);
	const struct backend_reply *head = &r->found.calls[r->head].reply;
	struct backend_msg *msgs[PLACE_MAX];

	ec_fetch_close(&r->fetch);
	for (unsigned i = 0; i < r->to_count; i++) {
		struct backend_msg *msg = msgs[i] = message(r, BACKEND_OBJECT_PUT);
		backend_msg_headers(msg, &head->headers);
		msg->meta_ts = posted(head) > r->fetch.ts ? posted(head) : 0;
		msg->size = r->archive;
		memcpy(msg->etag, head->etag, sizeof(msg->etag));
		msg->fragment = head->fragment;
		msg->fragment.index = r->to_index[i];
		msg->draft = !r->committed;
		msg->lease = msg->draft ? r->writer : 0;
	}
	fan_start_each(&r->put, op, r->proxy, msgs, r->to, r->to_count, DEADLINE_MS);
	return op_go(op, WAIT);
}

/* There already, or something newer: as good. An older version with a later POST is not, nor the
 * same one's other fragment: by its ring that is its own. */
static bool took(const struct ec_rebuild *r, unsigned i)
{
	const struct backend_reply *reply = &r->put.calls[i].reply;
	bool other = place_bit(&r->fetch.place, r->to[i]) & r->sources;

	return !reply->err || (reply->err == ERR_CONFLICT && reply->ts >= r->fetch.ts + other);
}

static enum step rebuild_wait(struct op *op)
{
	struct ec_rebuild *r = rebuild_of(op);

	if (fan_open(&r->put))
		return STEP_WAIT;
	bool all = true, refused = false;
	for (unsigned i = 0; i < r->to_count; i++) {
		const struct backend_reply *reply = &r->put.calls[i].reply;
		bool newer = reply->err == ERR_CONFLICT && reply->ts >= r->fetch.ts + !r->meant,
		     promised = reply->err == ERR_BUSY;
		if (took(r, i))
			r->written |= place_bit(&r->fetch.place, r->to[i]);
		r->overtaken |= newer || promised;
		all &= took(r, i) || promised;
		refused |= reply->err != ERR_OK;
	}
	if (refused)
		unstage(r);
	decide(r, !all ? ERR_UNAVAILABLE : r->overtaken ? ERR_CONFLICT : ERR_OK);
	return STEP_DONE;
}

static const struct op_state states[] = {
        [FIND] = {"find", rebuild_find, TO(COMMIT) | TO(FETCH) | TO(PUT), 0},
        [COMMIT] = {"commit", rebuild_commit, TO(FETCH) | TO(PUT), 0},
        [FETCH] = {"fetch", rebuild_fetch, TO(STAGE) | TO(PUT), 0},
        [STAGE] = {"stage", rebuild_stage, TO(FETCH), 0},
        [PUT] = {"put", rebuild_put, TO(WAIT), 0},
        [WAIT] = {"wait", rebuild_wait, 0, 0},
};

void ec_rebuild_unref(struct ec_rebuild *r)
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
	struct ec_rebuild *r = rebuild_of(op);

	fan_done(&r->found);
	fan_done(&r->commit);
	fan_done(&r->staged);
	fan_done(&r->put);
	fan_done(&r->unstage);
	ec_fetch_done(&r->fetch);
	ec_rebuild_unref(r);
}

struct ec_rebuild *ec_rebuild_start(struct proxy *proxy, struct op *op, unsigned policy,
        const char *account, const char *container, const char *object, uint64_t ts,
        const uint32_t *to, unsigned to_count, uint64_t writer, const uint8_t *etag)
{
	struct ec_rebuild *r = mem_zalloc(sizeof(*r));

	r->proxy = proxy;
	r->waiter = op;
	r->refs = 2;
	r->writer = writer;
	r->meant = etag != NULL;
	if (etag)
		memcpy(r->etag, etag, sizeof(r->etag));
	r->account = mem_strdup(account);
	r->container = mem_strdup(container);
	r->object = mem_strdup(object);
	r->stage = atomic_fetch_add(&proxy->cluster->next_stage, 1);
	r->fetch = (struct ec_fetch){
	        .ec = proxy->cluster->policies[policy].ec,
	        .op = &r->op,
	        .proxy = proxy,
	        .account = r->account,
	        .container = r->container,
	        .object = r->object,
	        .policy = policy,
	        .ts = ts,
	};
	proxy_place(proxy->cluster, policy, account, container, object, &r->fetch.place);
	ec_indices(proxy_rings(proxy->cluster, BACKEND_OBJECT, policy), &r->fetch.place, r->index);
	for (unsigned i = 0; i < to_count; i++) {
		uint64_t bit = place_bit(&r->fetch.place, to[i]);
		if (!bit)
			continue; /* it is none of theirs any more */
		uint8_t index = r->index[__builtin_ctzll(bit)];
		r->to[r->to_count] = to[i];
		r->to_index[r->to_count++] = index;
	}
	if (op)
		op_child_begin(op);
	op_init(&r->op, proxy->reactor, states, release);
	op_start(&r->op);
	return r;
}

bool ec_rebuild_outcome(const struct ec_rebuild *r, enum err *ret_err, uint64_t *ret_written)
{
	*ret_err = r->err;
	*ret_written = r->written;
	return r->decided;
}
