#include "proxy/reader.h"
#include "proxy/ec_read.h"

#include "lib/base/auto.h"
#include "lib/base/kv.h"
#include "lib/base/mutant.h"
#include <string.h>

#define DEADLINE_MS 15000

enum { ASKING, ASKING_REST, REPAIRING, FETCHING, READY };

static struct backend_msg *message(struct reader *r, enum backend_op op)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	backend_msg_path(msg, r->account, r->container, r->object);
	place_address(&r->place, msg);
	msg->policy = (uint8_t)r->policy;
	return msg;
}

static void let_go(struct reader *r, uint64_t handle)
{
	struct fan close;

	if (!handle)
		return;
	struct backend_msg *msg = message(r, BACKEND_OBJECT_CLOSE);
	msg->handle = handle;
	fan_start(&close, r->op, r->proxy, msg, &r->device, 1, DEADLINE_MS);
	fan_done(&close);
}

static enum hedge_kind hedge_kind(const struct reader *r)
{
	return r->want_len ? HEDGE_BODY : HEDGE_HEAD;
}

static void ask_get(struct reader *r, uint32_t device)
{
	struct backend_msg *msg = message(r, BACKEND_OBJECT_GET);

	msg->offset = r->ask_offset;
	msg->len = r->ask_len;
	if (r->get.count && r->get.calls[0].answered)
		let_go(r, r->get.calls[0].reply.handle);
	r->device = device;
	fan_done(&r->get);
	fan_start(&r->get, r->op, r->proxy, msg, &device, 1, DEADLINE_MS);
}

static void ask_rest(struct reader *r)
{
	if (r->asked < r->place.count)
		fan_start(&r->rest, r->op, r->proxy, message(r, BACKEND_OBJECT_VERSION),
		        r->place.devices + r->asked, r->place.count - r->asked, DEADLINE_MS);
}

static void ask(struct reader *r)
{
	r->phase = ASKING;
	r->tried = 1;
	r->began_us = reactor_now_us(r->op->reactor);
	r->early = r->asked < r->place.count && !r->writer;
	patience_start_for(&r->patience, r->op,
	        r->early ? hedge_begin(&r->proxy->hedge, hedge_kind(r), PATIENCE_US) : PATIENCE_US);
	ask_get(r, r->place.devices[0]);
	if (r->asked > 1)
		fan_start(&r->versions, r->op, r->proxy, message(r, BACKEND_OBJECT_VERSION),
		        r->place.devices + 1, r->asked - 1, DEADLINE_MS);
	if (r->writer)
		ask_rest(r);
}

/* Which stored bytes have the wanted ones, be they sealed or not: that is known with the answer. Of
 * what is sealed where not all is, a range is asked for again. */
static void plan(struct reader *r)
{
	uint64_t offset = r->want_offset, len = r->want_len;

	r->ask_offset = offset;
	r->ask_len = len;
	const struct seal_keys *keys = r->proxy->cluster->seal;
	if (!keys || !keys->active || !len)
		return;
	uint64_t start = seal_chunk_at(offset);
	if (start < offset)
		r->ask_offset = start;
	if (len > UINT64_MAX / 4)
		return;
	uint64_t end = seal_chunk_at(offset + len - 1) + SEAL_CHUNK;
	r->ask_len = end - r->ask_offset;
}

void reader_open(struct reader *r, struct op *op, struct proxy *proxy, unsigned policy,
        const char *account, const char *container, const char *object, uint64_t offset,
        uint64_t len)
{
	*r = (struct reader){
	        .proxy = proxy,
	        .op = op,
	        .account = account,
	        .container = container,
	        .object = object,
	        .policy = policy,
	        .want_offset = offset,
	        .want_len = len,
	};
	plan(r);
	if (policy < BACKEND_POLICIES && proxy->cluster->policies[policy].ec) {
		r->ec = ec_read_open(
		        op, proxy, policy, account, container, object, r->ask_offset, r->ask_len);
		return;
	}
	proxy_place(proxy->cluster, policy, account, container, object, &r->place);
	r->asked = proxy_prefer_local(proxy, &r->place);
	ask(r);
}

void reader_as(struct reader *r, uint64_t writer, const struct grants *grants)
{
	r->writer = writer;
	if (r->ec) {
		r->ec->writer = writer;
		r->ec->grants = grants;
		return;
	}
	/* The version that the grants told of may be on one that no reader would ask. */
	r->early = false;
	patience_start(&r->patience, r->op);
	ask_rest(r);
}

void reader_key(struct reader *r, const char *customer_key)
{
	r->customer_key = customer_key;
}

static bool known(const struct backend_call *call)
{
	return call->answered && (call->reply.err == ERR_OK || call->reply.err == ERR_NOT_FOUND);
}

/* What each primary said of its version: from the GET for the first, else from VERSIONs. */
struct votes {
	const struct place *place;
	uint64_t known, bodies, holders; /* of the place: who has the version; the last POST, too */
	uint64_t newest, newest_meta;
	bool deleted;
	uint32_t holder, lagging[PLACE_MAX],
	        unposted[PLACE_MAX]; /* who lacks it, or the POST alone */
	unsigned lagging_count, unposted_count;
};

static void vote(struct votes *v, const struct backend_call *call)
{
	const struct backend_reply *reply = &call->reply;

	if (!known(call))
		return;
	v->known |= place_bit(v->place, call->device);
	if (reply->ts > v->newest) {
		v->newest = reply->ts;
		v->newest_meta = 0;
		v->deleted = reply->deleted;
	}
	if (reply->ts == v->newest && reply->meta_ts > v->newest_meta)
		v->newest_meta = reply->meta_ts;
}

static void place_vote(struct votes *v, const struct backend_call *call)
{
	uint64_t bit = place_bit(v->place, call->device);

	if (!known(call))
		return;
	if (call->reply.ts != v->newest) {
		v->lagging[v->lagging_count++] = call->device;
		return;
	}
	v->bodies |= bit;
	if (call->reply.meta_ts >= v->newest_meta) {
		v->holder = call->device;
		v->holders |= bit;
	} else {
		v->unposted[v->unposted_count++] = call->device;
	}
}

static void each(const struct reader *r, struct votes *v,
        void (*visit)(struct votes *v, const struct backend_call *call))
{
	if (r->get.count && r->phase != FETCHING)
		visit(v, &r->get.calls[0]);
	for (unsigned i = 0; i < r->versions.count; i++)
		visit(v, &r->versions.calls[i]);
	for (unsigned i = 0; i < r->rest.count; i++)
		visit(v, &r->rest.calls[i]);
}

static struct votes count_votes(const struct reader *r)
{
	struct votes v = {.place = &r->place};

	each(r, &v, vote);
	each(r, &v, place_vote);
	return v;
}

static struct seal_path path_of(const struct reader *r)
{
	return (struct seal_path){r->account, r->container, r->object};
}

/* The bytes that came along, as they were written. */
static enum err unseal_first(struct reader *r)
{
	const struct backend_reply *s = r->stored;
	struct backend_reply *plain = &r->unseal.reply;
	uint64_t start = seal_chunk_at(r->want_offset);
	size_t used;

	if (!s->body || start < r->ask_offset || start >= r->ask_offset + s->body_len)
		return ERR_OK;
	size_t skip = start - r->ask_offset;
	enum err err = unseal_chunks(&r->unseal, start, s->body->data + s->body_offset + skip,
	        s->body_len - skip, &plain->body, &used);
	plain->body_len = plain->body ? plain->body->len : 0;
	r->want_offset = seal_chunk_plain(start);
	return err;
}

static void take_stored_body(struct reader *r)
{
	struct backend_reply *reply = &r->unseal.reply;

	if (!r->stored->body)
		return;
	reply->body = bytes_ref(r->stored->body);
	reply->body_offset = r->stored->body_offset;
	reply->body_len = r->stored->body_len;
}

/* It is known which version it is: what its maker wrote. */
static enum err understand(struct reader *r, enum err err)
{
	r->stored = r->reply;
	if (err || !(seal_is_sealed(r->reply) ||
	                   kv_get(r->reply->headers.data, r->reply->headers.len, SEAL_METADATA))) {
		r->want_offset = r->ask_offset;
		return err;
	}
	err = unseal_begin(
	        &r->unseal, r->proxy->cluster->seal, path_of(r), r->customer_key, r->reply);
	r->reply = &r->unseal.reply;
	if (!err && r->unseal.aead)
		return unseal_first(r);
	if (!err && !r->unseal.lock)
		take_stored_body(r);
	r->want_offset = r->ask_offset;
	return err ? ERR_CORRUPT : ERR_OK;
}

void reader_verbatim(struct reader *r)
{
	const struct buf *headers = &r->stored->headers;

	if (!r->unseal.lock)
		return;
	r->unseal.lock = SEAL_UNLOCKED;
	r->unseal.reply.size = r->stored->size;
	kv_add(&r->unseal.reply.headers, SEAL_HEADER,
	        kv_get(headers->data, headers->len, SEAL_HEADER));
	take_stored_body(r);
}

static bool finish(struct reader *r, enum err err)
{
	patience_done(&r->patience);
	if (!r->repair && (err == ERR_OK || err == ERR_NOT_FOUND))
		hedge_end(&r->proxy->hedge, hedge_kind(r),
		        reactor_now_us(r->op->reactor) - r->began_us);
	r->reply = r->get.count ? &r->get.calls[0].reply : NULL;
	r->handle = r->reply ? r->reply->handle : 0;
	r->err = understand(r, err);
	r->phase = READY;
	r->ready = true;
	return true;
}

/* The GET's own answer is of the newest version: it is the answer. */
static bool use_get(struct reader *r, const struct votes *v)
{
	const struct backend_call *get = &r->get.calls[0];
	const struct backend_reply *g = &get->reply;

	if (v->newest == 0 || v->deleted)
		return finish(r, ERR_NOT_FOUND);
	if (get->answered && g->err == ERR_OK && g->ts == v->newest && g->meta_ts == v->newest_meta)
		return finish(r, ERR_OK);
	r->corrupt = get->answered && g->err == ERR_CORRUPT;
	r->corrupt_device = r->device;
	r->phase = FETCHING;
	r->newest = v->newest;
	r->newest_meta = v->newest_meta;
	patience_start(&r->patience, r->op);
	ask_get(r, v->holder);
	return false;
}

#define RESTARTS_MAX 4

/* What was to be repaired cannot be any more, and was nobody's answer. */
static bool start_over(struct reader *r)
{
	if (++r->restarts > RESTARTS_MAX)
		return finish(r, ERR_UNAVAILABLE);
	repair_unref(TAKE(r->repair));
	fan_done(&r->versions);
	fan_done(&r->rest);
	ask(r);
	return false;
}

/* Where the version is on a majority but not its last POST, that alone is brought. */
static void start_repair(struct reader *r, struct votes *v)
{
	bool posted = v->newest_meta && !v->deleted && place_met(&r->place, v->bodies);
	const uint32_t *to = posted ? v->unposted : v->lagging;
	unsigned count = posted ? v->unposted_count : v->lagging_count;

	for (unsigned i = 0; !posted && i < v->unposted_count; i++)
		v->lagging[count++] = v->unposted[i];
	r->repair = repair_start(r->proxy, r->op, r->policy, r->account, r->container, r->object,
	        v->newest, posted ? v->newest_meta : 0, v->deleted, v->holder, to, count, &r->place,
	        v->holders, r->writer);
	r->phase = REPAIRING;
}

static bool decide(struct reader *r)
{
	struct votes v = count_votes(r);
	enum err err;

	if (!place_met(&r->place, v.known))
		return finish(r, ERR_UNAVAILABLE);
	if (!place_met(&r->place, v.holders) && v.newest && !MUTANT(no_read_repair)) {
		if (!r->repair)
			start_repair(r, &v);
		if (!repair_outcome(r->repair, &err))
			return false;
		if (err == ERR_CONFLICT)
			return start_over(r);
		if (err)
			return finish(r, ERR_UNAVAILABLE);
	}
	return use_get(r, &v);
}

/* Others that would do take much less time: may it ask one more? */
static bool hedges(struct reader *r)
{
	bool may = hedge_take(&r->proxy->hedge);

	r->early = false;
	r->proxy->stats.hedged += may;
	patience_start(&r->patience, r->op);
	return may;
}

static bool asking(struct reader *r)
{
	struct votes v;
	bool open = fan_open(&r->get) || fan_open(&r->versions) || fan_open(&r->rest);

	if (open && !r->patience.over)
		return false;
	if (open && r->early && !hedges(r))
		return false;
	v = count_votes(r);
	if (MUTANT(read_of_one) && known(&r->get.calls[0]))
		return use_get(r, &v);
	if (place_met(&r->place, v.known) && v.holders == v.known)
		return use_get(r, &v);
	r->phase = ASKING_REST;
	if (!r->writer)
		ask_rest(r);
	return false;
}

/* All have answered, or those that did will do. */
static bool asking_rest(struct reader *r)
{
	struct votes v = count_votes(r);
	bool open = fan_open(&r->get) || fan_open(&r->versions) || fan_open(&r->rest);

	if (open && !place_met(&r->place, v.holders) &&
	        (!place_met(&r->place, v.known) || !r->patience.over))
		return false;
	return decide(r);
}

/* The replica that failed its checksum gets the version again, beside this read. */
static void mend(struct reader *r)
{
	const struct backend_reply *g = &r->get.calls[0].reply;

	if (r->corrupt)
		repair_unref(repair_start(r->proxy, NULL, r->policy, r->account, r->container,
		        r->object, g->ts, 0, false, r->device, &r->corrupt_device, 1, NULL, 0, 0));
}

/* A holder was asked for the body; when it fails, so may the next one not. */
static bool fetching(struct reader *r)
{
	const struct backend_reply *g = &r->get.calls[0].reply;

	if (fan_open(&r->get)) {
		if (!r->patience.over || r->tried == r->place.count)
			return false;
		patience_start(&r->patience, r->op);
		ask_get(r, r->place.devices[r->tried++]);
		return false;
	}
	/* A replica that lags behind knows an older version, or none: that is no answer. */
	if (g->err == ERR_OK && g->ts == r->newest && g->meta_ts == r->newest_meta) {
		mend(r);
		return finish(r, ERR_OK);
	}
	/* Written, deleted or posted to meanwhile: who knows whether a majority has it? */
	if ((g->err == ERR_OK || g->err == ERR_NOT_FOUND) &&
	        (g->ts > r->newest || (g->ts == r->newest && g->meta_ts > r->newest_meta)))
		return start_over(r);
	if (r->tried < r->place.count) {
		ask_get(r, r->place.devices[r->tried++]);
		return false;
	}
	return finish(r, ERR_UNAVAILABLE);
}

static bool fragments_ready(struct reader *r)
{
	if (!r->ready && ec_read_ready(r->ec)) {
		r->ready = true;
		r->reply = &r->ec->reply;
		r->err = understand(r, r->ec->err);
	}
	return r->ready;
}

bool reader_ready(struct reader *r)
{
	if (r->ec)
		return fragments_ready(r);
	switch (r->phase) {
	case ASKING:
		if (!asking(r) && r->phase != ASKING_REST)
			return r->ready;
		return reader_ready(r);
	case ASKING_REST:
		return asking_rest(r);
	case REPAIRING:
		return decide(r);
	case FETCHING:
		return fetching(r);
	default:
		return true;
	}
}

/* By the handle, where there is one; else, from a replica that was not asked before, by a GET,
 * which gives one. */
static void ask_read(struct reader *r)
{
	struct backend_msg *msg = message(r, r->handle ? BACKEND_OBJECT_READ : BACKEND_OBJECT_GET);

	msg->handle = r->handle;
	msg->offset = r->read_offset;
	msg->len = r->read_len;
	fan_start(&r->read, r->op, r->proxy, msg, &r->device, 1, DEADLINE_MS);
}

static void read_stored(struct reader *r, uint64_t offset, uint64_t len)
{
	r->reading = true;
	if (r->ec) {
		ec_read_on(r->ec, offset, len);
		return;
	}
	r->read_offset = offset;
	r->read_len = len > BACKEND_PIECE ? BACKEND_PIECE : len;
	ask_read(r);
}

void reader_read(struct reader *r, uint64_t offset, uint64_t len)
{
	struct unseal *u = &r->unseal;

	if (u->lock) {
		r->reading = true;
		op_wake(r->op);
		return;
	}
	if (!u->aead) {
		read_stored(r, offset, len);
		return;
	}
	uint64_t end = seal_chunk_at(offset + len - 1) + SEAL_CHUNK;
	u->plain_at = offset;
	u->plain_len = len;
	u->stored_at = seal_chunk_at(offset);
	read_stored(r, u->stored_at, (end < u->stored_size ? end : u->stored_size) - u->stored_at);
}

/* The bytes, of the version that was begun with. */
static bool good(const struct reader *r, const struct backend_call *call)
{
	const struct backend_reply *reply = &call->reply;

	if (reply->err || !reply->body_len)
		return false;
	return call->msg->op == BACKEND_OBJECT_READ ||
	       (reply->ts == r->stored->ts && reply->size == r->stored->size &&
	               memcmp(reply->etag, r->stored->etag, sizeof(reply->etag)) == 0);
}

/* The device failed: the same bytes from another one. False when there is none left. */
static bool ask_elsewhere(struct reader *r)
{
	let_go(r, r->handle);
	r->handle = 0;
	r->lost |= place_bit(&r->place, r->device);
	for (unsigned i = 0; i < r->place.count; i++) {
		if (!(r->lost & 1ull << i)) {
			r->device = r->place.devices[i];
			ask_read(r);
			return true;
		}
	}
	return false;
}

static bool take_stored(struct reader *r, enum err *ret_err, struct bytes **ret_piece,
        size_t *ret_offset, size_t *ret_len)
{
	if (r->ec) {
		if (!r->reading || !ec_read_take(r->ec, ret_err, ret_piece, ret_offset, ret_len))
			return false;
		r->reading = false;
		return true;
	}
	if (!r->reading || fan_open(&r->read))
		return false;
	struct backend_call *call = &r->read.calls[0];
	struct backend_reply *reply = &call->reply;
	enum err err = reply->err;
	bool is_good = good(r, call);
	if (call->msg->op == BACKEND_OBJECT_GET)
		r->handle = reply->handle;
	if (!is_good) {
		fan_done(&r->read);
		if (ask_elsewhere(r))
			return false;
		r->reading = false;
		*ret_err = err ? err : ERR_IO;
		return true;
	}
	r->reading = false;
	*ret_err = ERR_OK;
	*ret_piece = TAKE(reply->body);
	*ret_offset = reply->body_offset;
	*ret_len = reply->body_len;
	fan_done(&r->read);
	return true;
}

/* Less than a chunk has come: the rest of it. False when memory is out. */
static bool read_rest(struct reader *r, const uint8_t *data, size_t len)
{
	struct unseal *u = &r->unseal;
	uint64_t left = u->stored_size - u->stored_at;
	struct bytes *carry = bytes_new(SEAL_CHUNK);

	if (!carry)
		return false;
	memcpy(carry->data, data, len);
	carry->len = len;
	bytes_unref(u->carry);
	u->carry = carry;
	read_stored(r, u->stored_at + len, (left < SEAL_CHUNK ? left : SEAL_CHUNK) - len);
	return true;
}

/* Some of what was read, opened. False: more has to come first. */
static bool take_opened(struct reader *r, enum err *ret_err, struct bytes **ret_piece,
        size_t *ret_offset, size_t *ret_len)
{
	struct unseal *u = &r->unseal;
	struct bytes *piece = *ret_piece, *plain;
	const uint8_t *data = piece->data + *ret_offset;
	size_t len = *ret_len, used;

	if (u->carry && len <= u->carry->cap - u->carry->len) {
		memcpy(u->carry->data + u->carry->len, data, len);
		u->carry->len += len;
		data = u->carry->data;
		len = u->carry->len;
	}
	*ret_err = unseal_chunks(u, u->stored_at, data, len, &plain, &used);
	bool more = !*ret_err && !used;
	if (more && !read_rest(r, data, len)) {
		*ret_err = ERR_NO_MEMORY;
		more = false;
	}
	bytes_unref(piece);
	if (more || *ret_err) {
		bytes_unref(*ret_err ? NULL : plain);
		return !more;
	}
	bytes_unref(TAKE(u->carry));
	*ret_piece = plain;
	*ret_offset = u->plain_at - seal_chunk_plain(u->stored_at);
	*ret_len =
	        plain->len - *ret_offset < u->plain_len ? plain->len - *ret_offset : u->plain_len;
	return true;
}

bool reader_take(struct reader *r, enum err *ret_err, struct bytes **ret_piece, size_t *ret_offset,
        size_t *ret_len)
{
	if (r->unseal.lock && r->reading) {
		r->reading = false;
		*ret_err = ERR_FORBIDDEN;
		return true;
	}
	if (!take_stored(r, ret_err, ret_piece, ret_offset, ret_len))
		return false;
	if (*ret_err || !r->unseal.aead)
		return true;
	return take_opened(r, ret_err, ret_piece, ret_offset, ret_len);
}

void reader_close(struct reader *r)
{
	if (r->ec) {
		ec_read_close(r->ec);
		return;
	}
	let_go(r, r->handle);
	r->handle = 0;
}

void reader_done(struct reader *r)
{
	ec_read_free(r->ec);
	r->ec = NULL;
	patience_done(&r->patience);
	fan_done(&r->get);
	fan_done(&r->versions);
	fan_done(&r->rest);
	fan_done(&r->read);
	unseal_done(&r->unseal);
	repair_unref(r->repair);
	r->repair = NULL;
}
