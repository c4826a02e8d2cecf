/* ask -> [sort -> ask]* -> [bury | rebuild -> commit] -> [again] -> [post] -> fetch -> ready */
#include "proxy/ec_read.h"
#include "proxy/commit.h"
#include "proxy/ec_put.h"
#include "proxy/ec_rebuild.h"
#include "proxy/grants.h"
#include "proxy/repair.h"

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 15000
#define EAGER       (64u << 10) /* of each fragment, for who wants more: all of most bodies */
#define SETTLED     (10 * TS_PER_SECOND) /* a write this old is over: who lacks it missed it */

/* Who writes now takes times from the clock; of other times drafts need not be one write. */
#define FRESH (TS_PER_SECOND / 2)

enum { ASK, SORT, BURY, REBUILD, COMMIT, AGAIN, POST, FETCH, READY };

static struct backend_msg *message(const struct ec_read *r, enum backend_op op)
{
	const struct ec_fetch *f = &r->fetch;
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	backend_msg_path(msg, f->account, f->container, f->object);
	place_address(&f->place, msg);
	msg->policy = (uint8_t)f->policy;
	msg->ts = f->ts;
	return msg;
}

/* Versions from all; from the first k their fragments' beginnings, too, or only the headers of
 * one, when what is wanted lies elsewhere. */
static void ask(struct ec_read *r)
{
	struct backend_msg *msgs[PLACE_MAX];
	const struct place *place = &r->fetch.place;
	bool eager = !r->want_offset && r->want_len > EAGER;
	unsigned gets = eager ? r->fetch.ec->k : 1;

	for (unsigned i = 0; i < place->count; i++) {
		msgs[i] = message(r, i < gets ? BACKEND_OBJECT_GET : BACKEND_OBJECT_VERSION);
		msgs[i]->len = eager ? EAGER : 0;
	}
	patience_start(&r->patience, r->fetch.op);
	fan_start_each(&r->asked, r->fetch.op, r->fetch.proxy, msgs, place->devices, place->count,
	        DEADLINE_MS);
}

struct ec_read *ec_read_open(struct op *op, struct proxy *proxy, unsigned policy,
        const char *account, const char *container, const char *object, uint64_t offset,
        uint64_t len)
{
	struct ec_read *r = mem_zalloc(sizeof(*r));
	const struct ring_set *rings = proxy_rings(proxy->cluster, BACKEND_OBJECT, policy);

	r->want_offset = offset;
	r->want_len = len;
	r->fetch = (struct ec_fetch){
	        .ec = proxy->cluster->policies[policy].ec,
	        .op = op,
	        .proxy = proxy,
	        .account = account,
	        .container = container,
	        .object = object,
	        .policy = policy,
	};
	proxy_place(proxy->cluster, policy, account, container, object, &r->fetch.place);
	r->moved = ec_indices(rings, &r->fetch.place, r->index);
	ask(r);
	return r;
}

/* --- which version --- */

/* Said what it knows, also when it cannot read it. */
static bool is_known(const struct backend_call *call)
{
	return call->answered && (call->reply.err == ERR_OK || call->reply.err == ERR_NOT_FOUND ||
	                                 call->reply.err == ERR_CORRUPT);
}

/* The newest version older than `below` that somebody knows; 0: none. */
static uint64_t candidate(const struct ec_read *r, uint64_t below)
{
	uint64_t best = 0;

	for (unsigned i = 0; i < r->asked.count; i++) {
		const struct backend_reply *reply = &r->asked.calls[i].reply;
		if (!is_known(&r->asked.calls[i]))
			continue;
		if (reply->ts < below && reply->ts > best)
			best = reply->ts;
		for (unsigned d = 0; d < BACKEND_DRAFTS; d++) {
			if (reply->drafts[d] < below && reply->drafts[d] > best)
				best = reply->drafts[d];
		}
	}
	return best;
}

/* Who knows a version as what: bits of the place. One that is being filled is none of the known,
 * since what it does not know says nothing; but a fragment that it has is there, and one that it
 * lacks is not. */
struct view {
	uint64_t known, committed, drafts, tombs, filling, lacking;
};

static bool has_draft(const struct backend_reply *reply, uint64_t ts)
{
	for (unsigned d = 0; d < BACKEND_DRAFTS; d++) {
		if (reply->drafts[d] == ts)
			return true;
	}
	return false;
}

static const struct ec_sorted *sorted_of(const struct ec_read *r, uint64_t ts)
{
	for (unsigned i = 0; i < r->sorted_count; i++) {
		if (r->sorted[i].ts == ts)
			return &r->sorted[i];
	}
	return NULL;
}

static struct view view_of(const struct ec_read *r, uint64_t ts)
{
	const struct ec_sorted *sorted = sorted_of(r, ts);
	struct view v = {0};

	for (unsigned i = 0; i < r->asked.count; i++) {
		const struct backend_reply *reply = &r->asked.calls[i].reply;
		uint64_t bit = place_bit(&r->fetch.place, r->asked.calls[i].device);
		if (r->asked.calls[i].answered && reply->filling) {
			v.filling |= bit;
			v.drafts |= has_draft(reply, ts) ? bit : 0;
			v.committed |= reply->ts == ts && !reply->deleted ? bit : 0;
			v.lacking |= reply->ts != ts && !has_draft(reply, ts) ? bit : 0;
		}
		if (!is_known(&r->asked.calls[i]))
			continue;
		v.known |= bit;
		if (reply->ts == ts)
			*(reply->deleted ? &v.tombs : &v.committed) |= bit;
		v.drafts |= has_draft(reply, ts) ? bit : 0;
	}
	if (sorted) {
		uint64_t silent = (v.drafts | v.committed) & ~sorted->told;
		v.known &= ~silent;
		v.filling &= ~silent;
		v.drafts &= sorted->told & ~sorted->foreign;
		v.committed &= sorted->told & ~sorted->foreign;
	}
	return v;
}

/* Those that may have another one's fragment, or have shown it. */
static uint64_t misplaced(const struct ec_read *r)
{
	uint64_t mask = r->moved;

	for (unsigned i = 0; i < r->asked.count; i++) {
		const struct backend_call *call = &r->asked.calls[i];
		const struct backend_reply *reply = &call->reply;
		uint64_t bit = place_bit(&r->fetch.place, call->device);
		if (!bit || !call->answered || reply->err)
			continue;
		if (reply->fragment.k ? reply->fragment.index != r->index[__builtin_ctzll(bit)]
		                      : reply->more) /* of a VERSION */
			mask |= bit;
	}
	return mask;
}

/* How many different fragments of a version these devices may have at most: too few said, and what
 * was acknowledged would be taken for lost. */
static unsigned distinct(const struct ec_read *r, uint64_t ts, uint64_t devices)
{
	const struct ec_sorted *sorted = sorted_of(r, ts);
	uint64_t told = sorted ? devices & sorted->told & ~sorted->damaged : 0;
	uint64_t unsure = devices & misplaced(r) & ~told;
	uint32_t indices = 0;

	for (uint64_t left = devices & ~unsure; left; left &= left - 1) {
		unsigned at = (unsigned)__builtin_ctzll(left);
		indices |= 1u << (told >> at & 1 ? sorted->index[at] : r->index[at]);
	}
	return (unsigned)(__builtin_popcount(indices) + __builtin_popcountll(unsure));
}

/* Every write that was acknowledged is known to one of these, in each ring. */
static bool meets_writes(const struct place *place, uint64_t known)
{
	for (unsigned i = 0; i < place->set_count; i++) {
		unsigned all = (unsigned)__builtin_popcountll(place->sets[i]);
		unsigned met = (unsigned)__builtin_popcountll(place->sets[i] & known);
		if (met + place->need[i] <= all)
			return false;
	}
	return true;
}

/* What is whole on each of these, a tombstone or metadata, outlasts the loss of m, and every reader
 * meets it: k answers are the least it takes to read anything, and of several rings they may come
 * from all. */
static bool is_lasting(const struct ec_read *r, uint64_t holders)
{
	const struct place *place = &r->fetch.place;

	if (distinct(r, 0, place_all(place) & ~holders) >= r->fetch.ec->k)
		return false;
	for (unsigned i = 0; i < place->set_count; i++) {
		unsigned all = (unsigned)__builtin_popcountll(place->sets[i]);
		unsigned met = (unsigned)__builtin_popcountll(place->sets[i] & holders);
		if (met + place->need[i] < all + 2)
			return false;
	}
	return true;
}

/* Versions that devices keep open for us, of which nothing will be read. */
static void let_go(struct ec_read *r)
{
	struct backend_msg *msgs[PLACE_MAX];
	uint32_t devices[PLACE_MAX];
	struct fan close;
	unsigned n = 0;

	for (unsigned i = 0; i < r->asked.count; i++) {
		struct backend_call *call = &r->asked.calls[i];
		if (!call->answered || !call->reply.handle)
			continue;
		msgs[n] = message(r, BACKEND_OBJECT_CLOSE);
		msgs[n]->handle = call->reply.handle;
		devices[n++] = call->device;
		call->reply.handle = 0;
	}
	if (!n)
		return;
	fan_start_each(&close, r->fetch.op, r->fetch.proxy, msgs, devices, n, DEADLINE_MS);
	fan_done(&close);
}

static bool finish(struct ec_read *r, enum err err)
{
	let_go(r);
	patience_done(&r->patience);
	r->err = err;
	r->phase = READY;
	return true;
}

static bool enter(struct ec_read *r, uint8_t phase)
{
	r->phase = phase;
	patience_start(&r->patience, r->fetch.op);
	return ec_read_ready(r);
}

/* A tombstone that is on too few is brought to more. */
static bool bury(struct ec_read *r, const struct view *v, uint64_t ts)
{
	const struct ec_fetch *f = &r->fetch;
	uint64_t lagging = v->known & ~v->tombs;
	uint32_t to[PLACE_MAX];
	unsigned n = 0;

	for (; lagging; lagging &= lagging - 1)
		to[n++] = f->place.devices[__builtin_ctzll(lagging)];
	r->repair = repair_start(f->proxy, f->op, f->policy, f->account, f->container, f->object,
	        ts, 0, true, f->place.devices[__builtin_ctzll(v->tombs)], to, n, &f->place,
	        v->tombs, r->writer);
	return enter(r, BURY);
}

static bool deleted(struct ec_read *r, const struct view *v, uint64_t ts, bool open)
{
	r->reply.ts = r->reply.meta_ts = ts;
	r->reply.deleted = true;
	if (is_lasting(r, v->tombs))
		return finish(r, ERR_NOT_FOUND);
	return open ? false : bury(r, v, ts);
}

static uint64_t posted(const struct ec_read *r, uint64_t meta_ts)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < r->asked.count; i++) {
		const struct backend_call *call = &r->asked.calls[i];
		if (is_known(call) && call->reply.ts == r->fetch.ts &&
		        call->reply.meta_ts == meta_ts)
			mask |= place_bit(&r->fetch.place, call->device);
	}
	return mask;
}

/* Newest metadata of the version; ts itself when there was no POST. */
static uint64_t newest_meta(const struct ec_read *r, uint64_t ts)
{
	uint64_t newest = ts;

	for (unsigned i = 0; i < r->asked.count; i++) {
		const struct backend_call *call = &r->asked.calls[i];
		if (is_known(call) && call->reply.ts == ts && call->reply.meta_ts > newest)
			newest = call->reply.meta_ts;
	}
	return newest;
}

static void start_rebuild(struct ec_read *r, uint64_t lagging)
{
	const struct ec_fetch *f = &r->fetch;
	const struct ec_sorted *sorted = sorted_of(r, f->ts);
	uint32_t to[PLACE_MAX];
	unsigned n = 0;

	for (; lagging; lagging &= lagging - 1)
		to[n++] = f->place.devices[__builtin_ctzll(lagging)];
	r->rebuild = ec_rebuild_start(f->proxy, f->op, f->policy, f->account, f->container,
	        f->object, f->ts, to, n, r->writer, sorted ? sorted->etag : NULL);
}

static void send_commit(struct ec_read *r)
{
	const struct ec_fetch *f = &r->fetch;
	struct backend_msg *msg = message(r, BACKEND_OBJECT_COMMIT);
	const struct ec_sorted *sorted = sorted_of(r, f->ts);

	if (sorted)
		memcpy(msg->etag, sorted->etag, sizeof(msg->etag));
	fan_start(&r->commit, f->op, f->proxy, msg, f->place.devices, f->place.count, DEADLINE_MS);
}

static bool may_be_two(const struct ec_read *r, uint64_t ts)
{
	const struct env *env = r->fetch.proxy->cluster->env;
	uint64_t now = env->wall_us(env) / 10;

	return (ts + FRESH < now || ts > now || r->writer) && !MUTANT(ec_unsorted);
}

/* The version is decided on; what of it has to be completed? False: more answers are waited for. */
static bool accept(struct ec_read *r, const struct view *v, uint64_t ts, bool open)
{
	const struct place *place = &r->fetch.place;

	r->fetch.ts = ts;
	r->holders = v->committed | v->drafts;
	r->committed = v->committed;
	r->only_committed = v->committed && may_be_two(r, ts) && !sorted_of(r, ts);
	r->newest_meta = newest_meta(r, ts);
	bool durable = v->committed || place_met(place, r->holders) || MUTANT(ec_read_draft);
	bool meta = r->newest_meta == ts || is_lasting(r, posted(r, r->newest_meta));
	if (open && !(durable && meta))
		return false;
	if (durable && v->committed && v->drafts)
		send_commit(r); /* beside this read */
	if (durable)
		return enter(r, v->committed ? AGAIN : COMMIT);
	start_rebuild(r, (v->known | v->filling) & ~r->holders);
	return enter(r, REBUILD);
}

#define RESTARTS_MAX 4

/* What was to be completed was overtaken, and was nobody's answer: a DELETE that met too few drafts
 * of it has told that nothing was there. */
static bool start_over(struct ec_read *r)
{
	if (++r->restarts > RESTARTS_MAX)
		return finish(r, ERR_UNAVAILABLE);
	let_go(r);
	repair_unref(TAKE(r->repair));
	ec_rebuild_unref(TAKE(r->rebuild));
	fan_done(&r->asked);
	r->sorted_count = 0;
	r->reply = (struct backend_reply){0};
	r->phase = ASK;
	ask(r);
	return false;
}

static bool to_sort(const struct ec_read *r, const struct view *v, uint64_t ts)
{
	return v->drafts && may_be_two(r, ts) && !sorted_of(r, ts);
}

static bool start_sort(struct ec_read *r, const struct view *v, uint64_t ts)
{
	const struct ec_fetch *f = &r->fetch;
	struct backend_msg *msg = message(r, BACKEND_OBJECT_GET);
	uint32_t devices[PLACE_MAX];
	unsigned n = 0;

	if (r->sorted_count == COUNT_OF(r->sorted)) {
		backend_msg_unref(msg);
		return finish(r, ERR_UNAVAILABLE);
	}
	for (uint64_t left = v->drafts | v->committed; left; left &= left - 1)
		devices[n++] = f->place.devices[__builtin_ctzll(left)];
	msg->draft = true;
	msg->ts = r->sorted[r->sorted_count].ts = ts;
	fan_start(&r->sort, f->op, f->proxy, msg, devices, n, DEADLINE_MS);
	return enter(r, SORT);
}

static bool sorting(struct ec_read *r)
{
	struct ec_sorted *s = &r->sorted[r->sorted_count];

	if (fan_open(&r->sort) && !r->patience.over)
		return false;
	bool gone = fan_with(&r->sort, ERR_NOT_FOUND);
	*s = ec_sort(&r->sort, &r->fetch.place, r->fetch.ec, s->ts);
	r->sorted_count++;
	fan_done(&r->sort);
	return gone ? start_over(r) : enter(r, ASK);
}

static bool asking(struct ec_read *r)
{
	bool open = fan_open(&r->asked) && !r->patience.over;
	struct view v = view_of(r, 0);

	/* Who granted the key to nobody lets others make whole what it has not. */
	uint64_t counts = r->grants ? grants_given(r->grants, &r->fetch.place) : ~0ull;
	if (!meets_writes(&r->fetch.place, v.known & counts))
		return open ? false : finish(r, ERR_UNAVAILABLE);
	for (uint64_t ts = candidate(r, UINT64_MAX); ts; ts = candidate(r, ts)) {
		v = view_of(r, ts);
		if (v.tombs)
			return deleted(r, &v, ts, open);
		if (to_sort(r, &v, ts))
			return open ? false : start_sort(r, &v, ts);
		uint64_t holders = v.committed | v.drafts;
		uint64_t unknown = place_all(&r->fetch.place) & ~v.known & ~v.lacking;
		if (distinct(r, ts, holders) >= r->fetch.ec->k)
			return accept(r, &v, ts, open);
		/* Whoever does not answer may make it whole. */
		bool possible = distinct(r, ts, holders | unknown) >= r->fetch.ec->k;
		if (v.committed || (possible && !MUTANT(ec_read_older)))
			return open ? false : finish(r, ERR_UNAVAILABLE);
	}
	return finish(r, ERR_NOT_FOUND);
}

static bool burying(struct ec_read *r)
{
	enum err err;

	if (!repair_outcome(r->repair, &err))
		return false;
	if (err == ERR_CONFLICT)
		return start_over(r);
	return finish(r, err ? ERR_UNAVAILABLE : ERR_NOT_FOUND);
}

static bool rebuilding(struct ec_read *r)
{
	uint64_t written;
	enum err err;

	if (!ec_rebuild_outcome(r->rebuild, &err, &written))
		return false;
	if (err == ERR_CONFLICT || err == ERR_EXISTS)
		return start_over(r);
	r->holders |= written;
	if (!place_met(&r->fetch.place, r->holders))
		return finish(r, ERR_UNAVAILABLE);
	return enter(r, COMMIT);
}

/* It is durable on enough: the answer does not depend on who has heard of that. */
static bool committing(struct ec_read *r)
{
	const struct ec_fetch *f = &r->fetch;

	if (!r->commit.count)
		send_commit(r);
	bool met = place_met(&f->place, fan_mask(&r->commit, &f->place, ERR_OK));
	if (!met && fan_open(&r->commit) && !r->patience.over)
		return false;
	return enter(r, AGAIN);
}

/* --- its headers and fragments --- */

/* Of the version, with the newest metadata. */
static bool is_head(const struct ec_read *r, const struct backend_call *call)
{
	const struct backend_reply *reply = &call->reply;
	const struct ec_sorted *sorted = sorted_of(r, r->fetch.ts);

	if (sorted && memcmp(reply->fragment.etag, sorted->etag, sizeof(sorted->etag)) != 0)
		return false;
	if (!call->answered || reply->err || call->msg->op != BACKEND_OBJECT_GET ||
	        reply->fragment.k != r->fetch.ec->k || reply->fragment.m != r->fetch.ec->m)
		return false;
	if (reply->draft_ts)
		return reply->draft_ts == r->fetch.ts && r->newest_meta == r->fetch.ts &&
		       !r->only_committed;
	return reply->ts == r->fetch.ts && reply->meta_ts >= r->newest_meta;
}

static struct backend_call *find_head(const struct ec_read *r, const struct fan *fan)
{
	for (unsigned i = 0; i < fan->count; i++) {
		if (is_head(r, &fan->calls[i]))
			return &fan->calls[i];
	}
	return NULL;
}

static void take_head(struct ec_read *r, struct backend_reply *head)
{
	r->reply.ts = r->fetch.ts;
	r->reply.meta_ts = head->draft_ts ? head->draft_ts : head->meta_ts;
	r->reply.headers = head->headers;
	head->headers = BUF_NONE;
	r->reply.size = r->fetch.size = head->fragment.size;
	memcpy(r->reply.etag, head->fragment.etag, sizeof(r->reply.etag));
	memcpy(r->fetch.etag, head->fragment.etag, sizeof(r->fetch.etag));
}

/* Every holder is a source; those that gave their first bytes are done with these already. */
static void add_sources(struct ec_read *r)
{
	struct ec_fetch *f = &r->fetch;
	uint64_t given = 0;

	for (unsigned i = 0; i < r->asked.count; i++) {
		const struct backend_call *call = &r->asked.calls[i];
		struct backend_reply *reply = &r->asked.calls[i].reply;
		if (!call->answered || reply->err || !reply->fragment.k ||
		        reply->fragment.index >= f->ec->k + f->ec->m ||
		        (reply->draft_ts ? reply->draft_ts : reply->ts) != f->ts ||
		        memcmp(reply->fragment.etag, f->etag, sizeof(f->etag)) != 0)
			continue;
		given |= place_bit(&f->place, call->device);
		if (f->sources[reply->fragment.index].usable)
			continue;
		ec_fetch_add(f, reply->fragment.index, call->device, reply->handle);
		ec_fetch_keep(f, reply->fragment.index, reply);
		reply->handle = 0; /* the fetch's now */
	}
	for (unsigned i = 0; i < r->asked.count; i++) {
		const struct backend_call *call = &r->asked.calls[i];
		uint64_t bit = place_bit(&f->place, call->device);
		if ((r->holders & bit & ~given) &&
		        !(call->answered && call->reply.err == ERR_CORRUPT))
			ec_fetch_try(f, r->index[__builtin_ctzll(bit)], call->device);
	}
}

static bool go_on(struct ec_read *r, struct backend_call *head)
{
	take_head(r, &head->reply);
	add_sources(r);
	/* It may be newer than what was known when all were asked. */
	bool lags = r->reply.meta_ts > r->fetch.ts && !is_lasting(r, posted(r, r->reply.meta_ts));
	return enter(r, lags ? POST : FETCH);
}

/* Some of those that were asked for their fragment at once have it still to give. */
static bool gets_open(const struct ec_read *r)
{
	for (unsigned i = 0; i < r->asked.count; i++) {
		if (r->asked.calls[i].msg->op == BACKEND_OBJECT_GET && !r->asked.calls[i].answered)
			return true;
	}
	return false;
}

static bool heading(struct ec_read *r)
{
	const struct ec_fetch *f = &r->fetch;

	if (!r->again.count && gets_open(r) && !r->patience.over)
		return false;
	struct backend_call *head = find_head(r, &r->asked);

	if (head)
		return go_on(r, head);
	if (!r->again.count) {
		struct backend_msg *msg = message(r, BACKEND_OBJECT_GET);
		msg->draft = true;
		fan_start(&r->again, f->op, f->proxy, msg, f->place.devices, f->place.count,
		        DEADLINE_MS);
	}
	if ((head = find_head(r, &r->again)))
		return go_on(r, head);
	return fan_open(&r->again) ? false : finish(r, ERR_UNAVAILABLE);
}

/* Who missed the version, or cannot read its fragment, gets it again, beside this read. */
static void mend(struct ec_read *r)
{
	const struct ec_fetch *f = &r->fetch;
	uint64_t lacking = 0;

	if (r->mended || !r->committed || r->rebuild ||
	        hlc_now(f->proxy->cluster->hlc) < f->ts + SETTLED)
		return;
	r->mended = true;
	for (unsigned i = 0; i < r->asked.count; i++) {
		const struct backend_call *call = &r->asked.calls[i];
		uint64_t bit = place_bit(&f->place, call->device);
		if (is_known(call) && (!(r->holders & bit) || call->reply.err == ERR_CORRUPT))
			lacking |= bit;
	}
	if (!lacking)
		return;
	uint32_t to[PLACE_MAX];
	unsigned n = 0;
	for (; lacking; lacking &= lacking - 1)
		to[n++] = f->place.devices[__builtin_ctzll(lacking)];
	ec_rebuild_unref(ec_rebuild_start(f->proxy, NULL, f->policy, f->account, f->container,
	        f->object, f->ts, to, n, 0, f->etag));
}

/* A POST that is on too few is brought to all. */
static bool posting(struct ec_read *r)
{
	const struct ec_fetch *f = &r->fetch;

	if (!r->post.count) {
		struct backend_msg *msg = message(r, BACKEND_OBJECT_POST);
		msg->ts = r->reply.meta_ts;
		msg->known = f->ts;
		backend_msg_headers(msg, &r->reply.headers);
		fan_start(&r->post, f->op, f->proxy, msg, f->place.devices, f->place.count,
		        DEADLINE_MS);
	}
	/* Refused is what has it, or something newer, already. */
	uint64_t have = (fan_mask(&r->post, &f->place, ERR_OK) |
	                        fan_mask(&r->post, &f->place, ERR_CONFLICT)) &
	                ~commit_astray(&r->post, &f->place, f->ts);
	bool open = fan_open(&r->post) && !r->patience.over;
	if (place_met(&f->place, have) || (!open && is_lasting(r, have)))
		return enter(r, FETCH);
	if (open)
		return false;
	mend(r); /* who lacks the version takes no POST to it */
	return finish(r, ERR_UNAVAILABLE);
}

static bool fetching(struct ec_read *r)
{
	enum err err;

	if (!r->want_len || r->want_offset >= r->reply.size) {
		mend(r);
		return finish(r, ERR_OK);
	}
	if (!r->len)
		ec_read_on(r, r->want_offset, r->want_len);
	if (!ec_read_take(r, &err, &r->reply.body, &r->reply.body_offset, &r->reply.body_len))
		return false;
	mend(r);
	return finish(r, err ? ERR_UNAVAILABLE : ERR_OK);
}

bool ec_read_ready(struct ec_read *r)
{
	switch (r->phase) {
	case ASK:
		return asking(r);
	case SORT:
		return sorting(r);
	case BURY:
		return burying(r);
	case REBUILD:
		return rebuilding(r);
	case COMMIT:
		return committing(r);
	case AGAIN:
		return heading(r);
	case POST:
		return posting(r);
	case FETCH:
		return fetching(r);
	default:
		return true;
	}
}

/* --- reading on --- */

/* Bytes of the body in the segment of `at`. */
static uint64_t segment_bytes(const struct ec_read *r, const struct fragment_at *at)
{
	uint64_t whole = (uint64_t)r->fetch.ec->k * EC_PIECE;
	uint64_t left = r->fetch.size - at->segment * whole;

	return left < whole ? left : whole;
}

/* A short segment is answered in one piece, put together from its fragments. */
static bool is_short(const struct ec_read *r, const struct fragment_at *at)
{
	return segment_bytes(r, at) <= EC_PIECE;
}

void ec_read_on(struct ec_read *r, uint64_t offset, uint64_t len)
{
	struct ec_fetch *f = &r->fetch;
	struct fragment_at at = fragment_find(f->ec->k, f->size, offset);
	uint64_t rest = segment_bytes(r, &at) - ((uint64_t)at.index * at.len + at.offset);

	r->offset = offset;
	r->len = len < f->size - offset ? len : f->size - offset;
	if (is_short(r, &at)) {
		if (r->len > rest)
			r->len = rest;
		unsigned last =
		        (unsigned)((at.index * (uint64_t)at.len + at.offset + r->len - 1) / at.len);
		uint32_t wanted = (2u << last) - (1u << at.index);
		ec_fetch_want(f, wanted, at.segment, 0, at.len);
		return;
	}
	/* To decode takes k times the bytes: then less at a time, so that no reader holds more
	 * memory than it has asked for. */
	uint64_t most = f->sources[at.index].usable ? EC_PIECE : EC_PIECE / f->ec->k;
	if (most > at.left)
		most = at.left;
	if (r->len > most)
		r->len = most;
	ec_fetch_want(f, 1u << at.index, at.segment, at.offset, (uint32_t)r->len);
}

static enum err put_together(struct ec_read *r, const struct fragment_at *at, struct bytes **ret)
{
	struct bytes *piece = bytes_new(r->len);
	unsigned index = at->index;
	uint32_t from = at->offset;

	if (!piece)
		return ERR_NO_MEMORY;
	while (piece->len < r->len) {
		size_t n = r->len - piece->len;
		if (n > at->len - from)
			n = at->len - from;
		memcpy(piece->data + piece->len, ec_fetch_bytes(&r->fetch, index++) + from, n);
		piece->len += n;
		from = 0;
	}
	*ret = piece;
	return ERR_OK;
}

bool ec_read_take(struct ec_read *r, enum err *ret_err, struct bytes **ret_piece,
        size_t *ret_offset, size_t *ret_len)
{
	struct ec_fetch *f = &r->fetch;

	if (!ec_fetch_ready(f, ret_err))
		return false;
	if (*ret_err)
		return true;
	struct fragment_at at = fragment_find(f->ec->k, f->size, r->offset);
	*ret_len = r->len;
	*ret_offset = 0;
	if (is_short(r, &at)) {
		*ret_err = put_together(r, &at, ret_piece);
		ec_fetch_drop(f);
		return true;
	}
	struct bytes *bytes = f->sources[at.index].bytes;
	const uint8_t *from = ec_fetch_bytes(f, at.index) + (at.offset - f->from);
	*ret_piece = bytes_ref(bytes);
	*ret_offset = (size_t)(from - bytes->data);
	ec_fetch_drop(f);
	return true;
}

bool ec_read_is_dead(const struct ec_read *r, uint64_t ts)
{
	struct view v = view_of(r, ts);
	uint64_t counts = r->grants ? grants_given(r->grants, &r->fetch.place) : ~0ull;

	return ((v.known & counts) | v.filling) == place_all(&r->fetch.place) && !v.committed &&
	       r->reply.ts < ts && r->err != ERR_UNAVAILABLE &&
	       distinct(r, ts, v.drafts) < r->fetch.ec->k;
}

void ec_read_close(struct ec_read *r)
{
	ec_fetch_close(&r->fetch);
}

void ec_read_free(struct ec_read *r)
{
	if (!r)
		return;
	patience_done(&r->patience);
	fan_done(&r->asked);
	fan_done(&r->sort);
	fan_done(&r->again);
	fan_done(&r->commit);
	fan_done(&r->post);
	ec_rebuild_unref(r->rebuild);
	repair_unref(r->repair);
	ec_fetch_done(&r->fetch);
	bytes_unref(r->reply.body);
	buf_done(&r->reply.headers);
	free(r);
}
