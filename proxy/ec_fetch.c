#include "proxy/ec_fetch.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 15000

static unsigned total(const struct ec_fetch *f)
{
	return f->ec->k + f->ec->m;
}

static struct backend_msg *message(const struct ec_fetch *f, enum backend_op op)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	backend_msg_path(msg, f->account, f->container, f->object);
	place_address(&f->place, msg);
	msg->policy = (uint8_t)f->policy;
	return msg;
}

void ec_fetch_add(struct ec_fetch *f, unsigned index, uint32_t device, uint64_t handle)
{
	struct ec_source *s = &f->sources[index];

	s->usable = s->told = true;
	s->device = device;
	s->handle = handle;
}

void ec_fetch_try(struct ec_fetch *f, unsigned index, uint32_t device)
{
	unsigned at = index;

	for (unsigned i = 0; i < total(f) && f->sources[at].usable; i++)
		at = i;
	if (!f->sources[at].usable)
		f->sources[at] = (struct ec_source){.usable = true, .device = device};
}

void ec_fetch_keep(struct ec_fetch *f, unsigned index, const struct backend_reply *reply)
{
	struct ec_source *s = &f->sources[index];

	if (!reply->body)
		return;
	s->bytes = bytes_ref(reply->body);
	s->at = reply->body_offset;
	s->segment = 0;
	s->from = 0;
	s->len = (uint32_t)reply->body_len;
}

unsigned ec_fetch_usable(const struct ec_fetch *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < total(f); i++)
		n += f->sources[i].usable;
	return n;
}

static bool is_there(const struct ec_fetch *f, unsigned index)
{
	const struct ec_source *s = &f->sources[index];

	return s->bytes && s->segment == f->segment && s->from <= f->from &&
	       s->from + s->len >= f->from + f->len;
}

const uint8_t *ec_fetch_bytes(const struct ec_fetch *f, unsigned index)
{
	const struct ec_source *s = &f->sources[index];

	return s->bytes->data + s->at + (f->from - s->from);
}

static void forget(struct ec_source *s)
{
	bytes_unref(s->bytes);
	s->bytes = NULL;
}

static void ask(struct ec_fetch *f, unsigned index)
{
	struct ec_source *s = &f->sources[index];
	struct backend_msg *msg = message(f, s->handle ? BACKEND_OBJECT_READ : BACKEND_OBJECT_GET);

	msg->draft = true; /* of exactly this version, committed or not */
	msg->ts = f->ts;
	msg->handle = s->handle;
	msg->offset = f->segment * EC_PIECE + f->from;
	msg->len = f->len;
	fan_start(&s->io, f->op, f->proxy, msg, &s->device, 1, DEADLINE_MS);
}

/* The bytes that were asked for, of this fragment of this version. */
static bool good(const struct ec_fetch *f, unsigned index, const struct backend_call *call)
{
	const struct backend_reply *r = &call->reply;

	if (r->err || r->body_len != call->msg->len)
		return false;
	return call->msg->op == BACKEND_OBJECT_READ ||
	       (r->fragment.k == f->ec->k && r->fragment.index == index &&
	               r->fragment.size == f->size &&
	               memcmp(r->fragment.etag, f->etag, sizeof(f->etag)) == 0);
}

static void take(struct ec_fetch *f, unsigned index);

static void swap_devices(struct ec_source *a, struct ec_source *b)
{
	struct ec_source was = *a;

	a->usable = b->usable;
	a->told = b->told;
	a->device = b->device;
	a->handle = b->handle;
	b->usable = was.usable;
	b->told = was.told;
	b->device = was.device;
	b->handle = was.handle;
}

/* A device that has moved to another place in the ring may have this version's fragment of before.
 * Who was thought to have that may have this one. */
static void take_other(struct ec_fetch *f, unsigned index, unsigned given)
{
	struct ec_source *s = &f->sources[index], *other = &f->sources[given];
	uint32_t device = s->device;

	if (other->usable && !other->told)
		take(f, given); /* perhaps it has answered, and has changed places with us */
	if (other->device != device) {
		if (other->usable && other->told)
			return;
		fan_done(&other->io);
		swap_devices(s, other);
	}
	other->usable = other->told = true;
}

static void take(struct ec_fetch *f, unsigned index)
{
	struct ec_source *s = &f->sources[index];

	if (!s->io.count || fan_open(&s->io))
		return;
	struct fan io = s->io;
	struct backend_call *call = &io.calls[0];
	struct backend_reply *r = &call->reply;
	s->io = (struct fan){0};
	unsigned given = call->msg->op == BACKEND_OBJECT_READ ? index : r->fragment.index;
	bool is_good = given < total(f) && good(f, given, call);
	if (r->handle)
		s->handle = r->handle;
	s->usable = is_good && given == index;
	if (s->usable) {
		s->told = true;
		forget(s);
		s->bytes = TAKE(r->body);
		s->at = r->body_offset;
		/* Asked for, perhaps, when something else was wanted. */
		s->segment = call->msg->offset / EC_PIECE;
		s->from = (uint32_t)(call->msg->offset % EC_PIECE);
		s->len = (uint32_t)call->msg->len;
	} else if (is_good)
		take_other(f, index, given);
	fan_done(&io);
}

void ec_fetch_want(
        struct ec_fetch *f, uint32_t wanted, uint64_t segment, uint32_t from, uint32_t len)
{
	f->wanted = wanted;
	f->segment = segment;
	f->from = from;
	f->len = len;
	f->decodes = false;
	patience_start(&f->patience, f->op);
}

static uint32_t there(const struct ec_fetch *f)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < total(f); i++)
		mask |= is_there(f, i) ? 1u << i : 0;
	return mask;
}

/* Makes the fragments `lost` out of k that are there. */
static enum err decode(struct ec_fetch *f, uint32_t have, uint32_t lost)
{
	uint8_t *in[EC_K_MAX], *out[EC_N_MAX];
	struct bytes *made[EC_N_MAX];

	if (!f->plan)
		f->plan = mem_zalloc(sizeof(*f->plan));
	if ((f->plan->want != lost || (f->plan->from & ~have)) &&
	        !ec_plan(f->ec, have, lost, f->plan))
		return ERR_INTERNAL;
	for (unsigned i = 0; i < f->ec->k; i++)
		in[i] = (uint8_t *)(uintptr_t)ec_fetch_bytes(f, f->plan->in[i]);
	for (unsigned i = 0; i < f->plan->count; i++) {
		if (!(made[i] = bytes_new(f->len))) {
			while (i-- > 0)
				bytes_unref(made[i]);
			return ERR_NO_MEMORY;
		}
		made[i]->len = f->len;
		out[i] = made[i]->data;
	}
	ec_decode(f->ec, f->plan, f->len, in, out);
	for (unsigned i = 0; i < f->plan->count; i++) {
		struct ec_source *s = &f->sources[f->plan->out[i]];
		forget(s);
		s->bytes = made[i];
		s->at = 0;
		s->segment = f->segment;
		s->from = f->from;
		s->len = f->len;
	}
	return ERR_OK;
}

/* Asks those of `mask` that are usable and neither there nor asked; returns how many are on their
 * way, at most `most`. */
static unsigned ask_some(struct ec_fetch *f, uint32_t mask, unsigned most)
{
	unsigned n = 0;

	for (unsigned i = 0; i < total(f); i++)
		n += (mask >> i & 1) && f->sources[i].io.count;
	for (unsigned i = 0; i < total(f) && n < most; i++) {
		struct ec_source *s = &f->sources[i];
		if (!(mask >> i & 1) || !s->usable || s->io.count || is_there(f, i))
			continue;
		ask(f, i);
		n++;
	}
	return n;
}

/* Those who do not answer are done without, where others will do. */
static void lose_slow(struct ec_fetch *f)
{
	unsigned usable = ec_fetch_usable(f);

	for (unsigned i = 0; i < total(f) && usable > f->ec->k; i++) {
		struct ec_source *s = &f->sources[i];
		if (!s->io.count)
			continue;
		fan_done(&s->io);
		s->usable = false;
		usable--;
	}
	patience_start(&f->patience, f->op);
}

static bool finish(struct ec_fetch *f, enum err err, enum err *ret_err)
{
	patience_done(&f->patience);
	f->wanted = 0;
	*ret_err = err;
	return true;
}

bool ec_fetch_ready(struct ec_fetch *f, enum err *ret_err)
{
	uint32_t all = (1u << total(f)) - 1;

	for (unsigned i = 0; i < total(f); i++)
		take(f, i);
	if (f->patience.over)
		lose_slow(f);
	uint32_t have = there(f), open = f->wanted & ~have, gone = 0;
	for (unsigned i = 0; i < total(f); i++) {
		if ((open >> i & 1) && !f->sources[i].usable)
			gone |= 1u << i;
	}
	if (!open)
		return finish(f, ERR_OK, ret_err);
	ask_some(f, open & ~gone, total(f));
	if (!gone)
		return false;
	unsigned count = (unsigned)__builtin_popcount(have);
	if (count < f->ec->k) {
		unsigned flying = ask_some(f, all, f->ec->k - count);
		return flying + count < f->ec->k ? finish(f, ERR_IO, ret_err) : false;
	}
	enum err err = decode(f, have, gone);
	if (err)
		return finish(f, err, ret_err);
	return open == gone ? finish(f, ERR_OK, ret_err) : false;
}

void ec_fetch_drop(struct ec_fetch *f)
{
	for (unsigned i = 0; i < total(f); i++)
		forget(&f->sources[i]);
}

void ec_fetch_close(struct ec_fetch *f)
{
	struct backend_msg *msgs[EC_N_MAX];
	uint32_t devices[EC_N_MAX];
	struct fan close;
	unsigned n = 0;

	for (unsigned i = 0; f->ec && i < total(f); i++) {
		struct ec_source *s = &f->sources[i];
		if (!s->handle)
			continue;
		msgs[n] = message(f, BACKEND_OBJECT_CLOSE);
		msgs[n]->handle = s->handle;
		devices[n++] = s->device;
		s->handle = 0;
	}
	if (!n)
		return;
	fan_start_each(&close, f->op, f->proxy, msgs, devices, n, DEADLINE_MS);
	fan_done(&close);
}

void ec_fetch_done(struct ec_fetch *f)
{
	patience_done(&f->patience);
	for (unsigned i = 0; i < EC_N_MAX; i++) {
		fan_done(&f->sources[i].io);
		forget(&f->sources[i]);
	}
	free(f->plan);
	f->plan = NULL;
}
