#include "proxy/commit.h"
#include "proxy/ec_put.h"
#include "proxy/handoff.h"
#include "proxy/params.h"
#include "proxy/s3/event.h"
#include "proxy/settle.h"
#include "proxy/sync_queue.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include "lib/base/mutant.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 30000
#define TRIES_MAX   8

enum { START, VERSIONS, GRANTS, LOOK, RECORD, ROWS, SETTLED };

struct backend_msg *commit_message(struct commit *c, enum backend_op op, struct op *owner,
        struct proxy *proxy, unsigned policy, const char *account, const char *container,
        const char *object)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	backend_msg_path(msg, account, container, object);
	msg->policy = (uint8_t)policy;
	c->op = owner;
	c->proxy = proxy;
	c->msg = msg;
	proxy_place(proxy->cluster, policy, account, container, object, &c->place);
	place_address(&c->place, msg);
	msg->ts = hlc_stamp(proxy->cluster->hlc, msg->key);
	return msg;
}

static void expiry_update(
        struct commit *c, struct backend_update *update, uint64_t at, bool deleted)
{
	struct backend_msg *msg = c->msg;
	size_t size = strlen(msg->account) + strlen(msg->container) + strlen(msg->object) + 16;
	char *name = backend_msg_alloc(msg, size);

	snprintf(name, size, "%010llu-%s/%s/%s", (unsigned long long)at, msg->account,
	        msg->container, msg->object);
	*update = (struct backend_update){
	        .account = EXPIRY_ACCOUNT,
	        .container = EXPIRY_CONTAINER,
	        .row = {.name = name,
	                .content_type = "text/plain",
	                .etag = "",
	                .ts = msg->ts,
	                .deleted = deleted},
	};
}

static void sync_update(struct commit *c, struct backend_update *update, bool deleted)
{
	struct backend_msg *msg = c->msg;
	AUTO(buf) struct buf name = BUF_NONE;

	sync_row_name(&name, msg->account, msg->container, c->synced, msg->object);
	*update = (struct backend_update){
	        .account = SYNC_ACCOUNT,
	        .container = SYNC_CONTAINER,
	        .row = {.name = backend_msg_strdup(msg, buf_text(&name)),
	                .content_type = deleted ? SYNC_DELETED : "text/plain",
	                .etag = "",
	                .ts = msg->ts},
	};
}

/* What a target is told of the object is what its own row says. */
static void event_update(
        struct commit *c, struct backend_update *update, const struct backend_row *own)
{
	struct backend_msg *msg = c->msg;
	uint64_t bytes = own->bytes;

	if (own->content_type)
		params_swift_bytes(own->content_type, &bytes);
	*update = (struct backend_update){
	        .account = EVENTS_ACCOUNT,
	        .container = EVENTS_CONTAINER,
	        .row = {.name = backend_msg_strdup(msg, c->event->name),
	                .content_type = backend_msg_strdup(msg, c->event->note),
	                .etag = backend_msg_strdup(
	                        msg, own->etag && !own->deleted ? own->etag : ""),
	                .bytes = bytes,
	                .ts = msg->ts},
	};
}

#define OVERRIDE "X-Object-Sysmeta-Container-Update-Override-"

/* What the object's own headers want its row to have instead. */
static struct backend_row overridden(struct backend_msg *msg, const struct backend_row *row)
{
	struct backend_row own = *row;
	const char *etag = kv_get(msg->headers, msg->headers_len, OVERRIDE "Etag"),
	           *type = kv_get(msg->headers, msg->headers_len, OVERRIDE "Content-Type"),
	           *size = kv_get(msg->headers, msg->headers_len, OVERRIDE "Size");

	if (etag)
		own.etag = etag;
	if (type)
		own.content_type = type;
	if (size)
		own.bytes = strtoull(size, NULL, 10);
	if (own.etag && kv_get(msg->headers, msg->headers_len, VERSIONS_NULL)) {
		AUTO(buf) struct buf text = BUF_NONE;
		buf_printf(&text, "%s; " VERSIONS_NULL_ROW "=true", own.etag);
		own.etag = backend_msg_strdup(msg, buf_text(&text));
	}
	return own;
}

void commit_updates(struct commit *c, const struct backend_row *given, uint64_t old_at, uint64_t at)
{
	struct backend_msg *msg = c->msg;
	struct backend_update *updates = backend_msg_alloc(msg, COMMIT_ROWS * sizeof(*updates));
	struct backend_row own = overridden(msg, given), *row = &own;
	AUTO(buf) struct buf sealed = BUF_NONE;
	unsigned n = 0;

	if (seal_hides_etag(kv_get(msg->headers, msg->headers_len, SEAL_HEADER))) {
		seal_row(c->proxy->cluster->seal, msg->account, msg->container, own.etag, &sealed);
		own.etag = buf_text(&sealed);
	}

	updates[n++] = (struct backend_update){
	        .account = msg->account,
	        .container = msg->container,
	        .row = {.name = msg->object,
	                .content_type =
	                        backend_msg_strdup(msg, row->content_type ? row->content_type : ""),
	                .etag = backend_msg_strdup(msg, row->etag ? row->etag : ""),
	                .ts = row->ts ? row->ts : msg->ts,
	                .meta_ts = row->ts ? msg->ts : 0,
	                .bytes = row->bytes,
	                .policy = msg->policy,
	                .deleted = row->deleted},
	};
	if (at)
		expiry_update(c, &updates[n++], at, false);
	if (old_at && old_at != at)
		expiry_update(c, &updates[n++], old_at, true);
	if (c->synced && !c->proxy->backend->plain)
		sync_update(c, &updates[n++], row->deleted);
	if (c->event && !c->proxy->backend->plain)
		event_update(c, &updates[n++], row);
	msg->updates = updates;
	msg->update_count = n;
}

/* What was written that long before a read began, by any node's clock, the read has found, or it
 * was not acknowledged. */
#define FLIGHT (2 * HLC_AHEAD_MAX)

uint64_t commit_time_behind(uint64_t found, uint64_t began)
{
	return began - FLIGHT > found ? began - FLIGHT : found + 1;
}

void commit_behind(struct commit *c, const struct backend_reply *found, uint64_t began)
{
	c->set_time = true;
	c->msg->ts =
	        commit_time_behind(found->meta_ts > found->ts ? found->meta_ts : found->ts, began);
}

static void send_rows(struct commit *c);

static bool finish(struct commit *c, enum err err)
{
	grants_release(&c->grants, c->msg);
	c->err = err;
	c->phase = SETTLED;
	return true;
}

/* Fragments that come with a time from elsewhere: somebody else may bring others, of the same time,
 * and of neither there would be enough. So they have the key to themselves. */
static bool brings(const struct commit *c)
{
	return c->set_time && c->fragments && !c->proxy->backend->plain;
}

static void send_record(struct commit *c)
{
	if (MUTANT(rows_before_record) && !c->row_count)
		send_rows(c);
	c->phase = RECORD;
	c->msg->known = c->only_if_at ? 0 : c->known;
	if (c->fragments) {
		struct backend_msg *msgs[PLACE_MAX];
		ec_put_messages(c->fragments, c->msg, msgs);
		for (unsigned i = 0; brings(c) && i < c->place.count; i++) {
			/* A writer's own would be late by its time. */
			msgs[i]->lease = msgs[i]->handle;
			msgs[i]->handle = 0;
		}
		fan_start_each(&c->record, c->op, c->proxy, msgs, c->place.devices, c->place.count,
		        DEADLINE_MS);
		return;
	}
	fan_start(&c->record, c->op, c->proxy, backend_msg_ref(c->msg), c->place.devices,
	        c->place.count, DEADLINE_MS);
}

static void restamp(struct commit *c)
{
	struct backend_msg *later =
	        backend_msg_at(c->msg, hlc_stamp(c->proxy->cluster->hlc, c->msg->key));

	backend_msg_unref(c->msg);
	c->msg = later;
}

/* Those who granted are told the later time, too. */
static bool grant_again(struct commit *c)
{
	uint64_t was = c->msg->ts;

	/* Nor can a plain backend's stage be sent again. */
	if (c->set_time || (c->proxy->backend->plain && c->msg->stage))
		return finish(c, ERR_CONFLICT);
	restamp(c);
	if (++c->tries == TRIES_MAX)
		return finish(c, c->msg->ts > was ? ERR_UNAVAILABLE : ERR_CLOCK);
	c->phase = GRANTS;
	grants_start(&c->grants, c->op, c->proxy, &c->place, c->msg);
	return false;
}

/* Only a read can tell what a version that is on too few, or a draft, will be: it makes it the
 * version, or sees that it cannot be. */
static void start_look(struct commit *c)
{
	const struct backend_msg *msg = c->msg;

	c->phase = LOOK;
	reader_open(&c->look, c->op, c->proxy, msg->policy, msg->account, msg->container,
	        msg->object, 0, 0);
	reader_as(&c->look, msg->handle, &c->grants);
}

static uint64_t newest_of(const struct backend_reply *r)
{
	return r->meta_ts > r->ts ? r->meta_ts : r->ts;
}

static bool is_conditional(const struct commit *c)
{
	return c->only_if_absent || c->only_if_at;
}

static bool is_as_wanted(const struct commit *c, bool there, uint64_t newest)
{
	if (!is_conditional(c))
		return true;
	if (c->only_if_at)
		return there && (newest == c->only_if_at || MUTANT(replace_blind));
	return !there;
}

static bool look(struct commit *c)
{
	if (!reader_ready(&c->look))
		return false;
	enum err err = c->look.err;
	uint64_t there = err ? 0 : newest_of(c->look.reply),
	         version = c->look.reply ? c->look.reply->ts : 0;
	c->known = c->look.reply ? newest_of(c->look.reply) : 0;
	reader_close(&c->look);
	reader_done(&c->look);
	c->look = (struct reader){0};
	if (err && err != ERR_NOT_FOUND)
		return finish(c, ERR_UNAVAILABLE);
	if (!is_as_wanted(c, there != 0, there))
		return finish(c, ERR_PRECONDITION);
	if (c->set_time && version >= c->msg->ts && !MUTANT(ec_brings_again))
		return finish(c, ERR_CONFLICT);
	if (!c->fragments && !c->proxy->backend->plain)
		return grant_again(c);
	if (c->known >= c->msg->ts && c->proxy->backend->plain)
		return grant_again(c);
	if (c->known >= c->msg->ts && !c->set_time)
		restamp(c);
	send_record(c);
	return false;
}

static uint64_t promised(const struct fan *fan)
{
	uint64_t newest = 0;

	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_call *call = &fan->calls[i];
		if (call->answered && call->reply.promised > newest)
			newest = call->reply.promised;
	}
	return newest;
}

static bool granted(struct commit *c)
{
	if (!grants_ready(&c->grants, c->msg))
		return false;
	if (c->grants.err)
		return finish(c, c->grants.err);
	struct grants_known k = {0};
	grants_take(&c->grants.first, &c->place, &k);
	grants_take(&c->grants.rest, &c->place, &k);
	bool lasting = !k.newest || place_met(&c->place, k.holders) || MUTANT(create_blind) ||
	               MUTANT(grant_of_one);
	if (c->fragments ? !MUTANT(ec_create_blind) : !lasting) {
		start_look(c);
		return false;
	}
	if (!is_as_wanted(c, k.live, k.newest))
		return finish(c, ERR_PRECONDITION);
	/* What we saw is before us: a delete that made room for us must not end up as the later
	 * one. */
	bool too_early =
	        promised(&c->grants.first) > c->msg->ts || promised(&c->grants.rest) > c->msg->ts;
	if (k.newest >= c->msg->ts || (too_early && !MUTANT(no_lease)))
		return grant_again(c);
	c->known = k.newest;
	send_record(c);
	return false;
}

/* --- other nodes' clocks: what was written before must have an earlier time --- */

static void ask_versions(struct commit *c)
{
	c->phase = VERSIONS;
	fan_done(&c->versions);
	fan_start(&c->versions, c->op, c->proxy,
	        grants_message(&c->place, c->msg, BACKEND_OBJECT_VERSION), c->place.devices,
	        c->place.count, DEADLINE_MS);
}

static bool versions(struct commit *c)
{
	if (!place_met(&c->place, fan_known(&c->versions, &c->place)))
		return fan_open(&c->versions) ? false : finish(c, ERR_UNAVAILABLE);
	struct grants_known k = {0};
	grants_take(&c->versions, &c->place, &k);
	uint64_t newest = promised(&c->versions);
	if (k.newest > newest)
		newest = k.newest;
	if (newest >= c->msg->ts)
		restamp(c);
	if (newest >= c->msg->ts)
		return finish(c, ERR_CLOCK);
	send_record(c);
	return false;
}

/* --- the record --- */

static void on_row(struct row_put *put)
{
	struct commit *c = put->owner;

	c->rows_done++;
	if (put->err) {
		c->unsettled = true;
		if (put == c->rows)
			c->row_err = put->err;
	}
	op_child_end(c->op);
}

static void send_rows(struct commit *c)
{
	c->row_count = c->msg->update_count;
	for (unsigned i = 0; i < c->row_count; i++) {
		const struct backend_update *u = &c->msg->updates[i];
		c->rows[i] = (struct row_put){.row = u->row, .done = on_row, .owner = c};
		op_child_begin(c->op);
		rows_put(c->proxy, u->account, u->container, &c->rows[i]);
	}
}

/* Fragments that are durable where it takes them become the version: nobody waits for that, readers
 * finish what is not. */
static void send_decision(struct commit *c)
{
	struct backend_msg *msg = grants_message(&c->place, c->msg, BACKEND_OBJECT_COMMIT);

	msg->stage = 0;
	memcpy(msg->etag, c->msg->etag, sizeof(msg->etag));
	fan_start(
	        &c->decision, c->op, c->proxy, msg, c->place.devices, c->place.count, DEADLINE_MS);
}

/* Who had it before our message came: a reader that saw it elsewhere has brought it there; it may
 * have been deleted since. Where a later POST to the same version is, ours may have been, and been
 * read: it must not come once more, at another time. */
static uint64_t brought(const struct commit *c)
{
	bool deletes = c->msg->op == BACKEND_OBJECT_DELETE,
	     posts = c->msg->op == BACKEND_OBJECT_POST, puts = !deletes && !posts;
	uint64_t mask = 0;

	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		const struct backend_reply *r = &call->reply;
		if (!call->answered || r->err != ERR_CONFLICT)
			continue;
		if ((r->deleted == deletes && (posts ? r->meta_ts : r->ts) == c->msg->ts) ||
		        (puts && r->deleted && r->size == c->msg->ts) ||
		        (posts && !r->deleted && r->ts == c->msg->known && r->meta_ts > c->msg->ts))
			mask |= place_bit(&c->place, call->device);
	}
	/* Of fragments there is more to bring than one; and equal times that were not ours to
	 * choose need not be the same write. */
	return !deletes && (c->fragments || c->set_time || c->proxy->backend->plain) ? 0 : mask;
}

uint64_t commit_astray(const struct fan *posted, const struct place *place, uint64_t ts)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < posted->count; i++) {
		const struct backend_call *call = &posted->calls[i];
		if (call->answered && call->reply.ts && call->reply.ts < ts)
			mask |= place_bit(place, call->device);
	}
	return mask;
}

static uint64_t astray(const struct commit *c)
{
	const struct backend_msg *msg = c->msg;

	if (msg->op != BACKEND_OBJECT_POST || !msg->updates[0].row.meta_ts ||
	        c->proxy->backend->plain)
		return 0;
	return commit_astray(&c->record, &c->place, msg->updates[0].row.ts);
}

/* Does a conditional writer's version stand in our way, who has not seen ours? To delete what a
 * writer found gone is no harm. */
static bool is_late(const struct commit *c)
{
	bool deletes = c->msg->op == BACKEND_OBJECT_DELETE;

	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_reply *r = &c->record.calls[i].reply;
		uint64_t promised = !deletes                 ? r->promised
		                    : MUTANT(delete_unaware) ? 0
		                                             : r->replaced;
		if (c->record.calls[i].answered && r->err && promised > c->msg->ts)
			return true;
	}
	return false;
}

/* Of a body: tombstones in its way; `first`: only where it cannot have been before them. */
static uint64_t tombstones(const struct commit *c, bool first)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		const struct backend_reply *r = &call->reply;
		if (call->answered && r->err == ERR_CONFLICT && r->deleted &&
		        !(first && r->size >= c->msg->ts))
			mask |= place_bit(&c->place, call->device);
	}
	return c->msg->op == BACKEND_OBJECT_PUT && !MUTANT(ec_deleted_unseen) ? mask : 0;
}

/* Of fragments, a newer version that refuses us is on k + 1, or a tombstone that every reader will
 * complete. When so many took ours that it cannot have been complete before, we came just before
 * it, and are done: somebody may have acted on ours already, and it must not happen twice. But it
 * may not know of ours: a conditional writer's, or of a delete that found nothing. And a tombstone
 * or a POST need not be complete: of several rings it may be in one alone, as ours. */
static bool overtaken(const struct commit *c, uint64_t written, uint64_t newer)
{
	bool unaware = is_late(c) || tombstones(c, false),
	     everywhere = c->msg->op == BACKEND_OBJECT_PUT || c->place.set_count == 1 ||
	                  place_met(&c->place, written | newer);

	return newer && written && !unaware && everywhere &&
	       c->proxy->cluster->policies[c->msg->policy].ec &&
	       !place_met(&c->place, place_all(&c->place) & ~written);
}

static bool written(struct commit *c, enum err err)
{
	c->err = err;
	grants_release(&c->grants, c->msg);
	if (!MUTANT(rows_before_record))
		send_rows(c);
	c->phase = ROWS;
	return false;
}

static bool again(struct commit *c)
{
	if (++c->tries == TRIES_MAX)
		return finish(c, ERR_UNAVAILABLE);
	c->passed = false;
	restamp(c);
	fan_done(&c->record);
	commit_start(c);
	return false;
}

/* The same newer version, or tombstone, everywhere; a draft of another writer's with our time is
 * none. */
static bool is_one(const struct commit *c, uint64_t newer)
{
	uint64_t ts = 0;

	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		const struct backend_reply *r = &call->reply;
		uint64_t its = r->meta_ts > r->ts ? r->meta_ts : r->ts;
		if (!(place_bit(&c->place, call->device) & newer))
			continue;
		if ((its <= c->msg->ts && c->msg->op == BACKEND_OBJECT_PUT) || (ts && its != ts))
			return false;
		ts = its;
	}
	return true;
}

/* With ERR_CONFLICT, ERR_BUSY, or `other`. */
static bool refused_by_all(const struct commit *c, enum err other)
{
	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		enum err err = call->reply.err;
		if (!call->answered || (err != ERR_CONFLICT && err != ERR_BUSY && err != other))
			return false;
	}
	return !brought(c);
}

/* Somebody wrote at a later time, and began before we had ended: then we were there just before,
 * and done. Not so when that was a conditional writer who had not seen ours: when all have
 * refused it, it goes behind; else it may have been seen, and must not come twice. So it is when a
 * delete was first, which may have said that nothing was there. Of fragments a newer version may
 * come to nothing: it counts when it is whole; and drafts of ours, where they are, might become a
 * version twice. */
static bool superseded(struct commit *c, uint64_t taken, uint64_t newer)
{
	bool late = is_late(c);

	c->passed = true;
	if (c->set_time || c->proxy->backend->plain)
		return finish(c, ERR_CONFLICT);
	if (is_conditional(c))
		return finish(c, ERR_UNAVAILABLE);
	uint64_t missed = tombstones(c, true);
	if (missed && !place_met(&c->place, place_all(&c->place) & ~missed))
		return again(c);
	if ((c->fragments && taken) || tombstones(c, false))
		return finish(c, ERR_UNAVAILABLE);
	if (c->fragments && (late || !is_one(c, newer)))
		return again(c);
	if (late && fan_open(&c->record))
		return false;
	if (late)
		return refused_by_all(c, ERR_CONFLICT) ? again(c) : finish(c, ERR_UNAVAILABLE);
	return written(c, ERR_OK);
}

/* A POST met tombstones. It may have been there before them, and been read; not so when none took
 * it, nor where the key was somebody's who deletes what he has seen: without it, or he would not
 * have. */
static bool deleted_before(struct commit *c)
{
	bool conditional = false, untouched = refused_by_all(c, ERR_NOT_FOUND);

	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		conditional |= call->answered && call->reply.replaced > c->known;
	}
	if (!conditional)
		return finish(c, ERR_CONFLICT);
	if (!untouched && fan_open(&c->record))
		return false;
	return finish(c, untouched ? ERR_NOT_FOUND : ERR_UNAVAILABLE);
}

/* Who has this draft, or may have. */
static uint64_t draft_holders(const struct commit *c, uint64_t ts)
{
	uint64_t holders = 0;

	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		enum err err = call->reply.err;
		bool has = !call->answered || (err && err != ERR_NOT_FOUND);
		for (unsigned d = 0; !has && d < BACKEND_DRAFTS && call->reply.drafts[d]; d++)
			has = call->reply.drafts[d] == ts;
		if (has)
			holders |= place_bit(&c->place, call->device);
	}
	return holders;
}

/* Was a draft later than `newest` an object? A later one still, on too few, hides none. */
static bool draft_was_there(const struct commit *c, uint64_t newest)
{
	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		for (unsigned d = 0; call->answered && d < BACKEND_DRAFTS; d++) {
			uint64_t ts = call->reply.drafts[d];
			if (ts > newest && place_met(&c->place, draft_holders(c, ts)))
				return true;
		}
	}
	return false;
}

/* Was it there for a read, by the newest of what those had who took the delete? One that missed a
 * delete before still had a body; drafts on enough of them were an object. */
static bool was_there(const struct commit *c)
{
	uint64_t newest = 0;
	bool there = false;

	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		const struct backend_reply *r = &call->reply;
		if (!call->answered || (r->err && r->err != ERR_NOT_FOUND) || r->ts < newest)
			continue;
		there = r->err == ERR_OK || (there && r->ts == newest);
		newest = r->ts;
	}
	/* Who has something newer, or has the tombstone from a reader, may have had it. */
	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		const struct backend_reply *r = &call->reply;
		if (call->answered && r->err == ERR_CONFLICT)
			there |= !r->deleted || r->size > newest;
	}
	return there || draft_was_there(c, newest);
}

/* Where a POST found nothing. Who has not heard that a draft is the version has nothing, too: of
 * fragments only a later tombstone says that it has gone. */
static uint64_t found_nothing(const struct commit *c)
{
	bool posts = c->msg->op == BACKEND_OBJECT_POST && c->msg->known,
	     fragments = c->proxy->cluster->policies[c->msg->policy].ec;
	uint64_t mask = 0;

	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		if (!call->answered || call->reply.err != ERR_NOT_FOUND ||
		        (posts && fragments && call->reply.ts <= c->msg->known))
			continue;
		mask |= place_bit(&c->place, call->device);
	}
	return mask;
}

static bool record(struct commit *c)
{
	const struct place *place = &c->place;
	uint64_t own = brought(c);
	uint64_t ok = (fan_mask(&c->record, place, ERR_OK) | own) & ~astray(c);
	uint64_t none = found_nothing(c);
	uint64_t newer = fan_mask(&c->record, place, ERR_CONFLICT) & ~own;
	bool deletes = c->msg->op == BACKEND_OBJECT_DELETE;
	uint64_t taken = deletes ? ok | none : ok;

	if (place_met(place, taken) || overtaken(c, taken, newer) ||
	        (MUTANT(write_to_one) && taken)) {
		/* A delete of nothing is told apart only by a majority. */
		if (deletes && ok == 0 && fan_open(&c->record) && !place_met(place, none))
			return false;
		if (c->fragments)
			send_decision(c);
		c->passed = !place_met(place, taken);
		return written(c, deletes && !was_there(c) ? ERR_NOT_FOUND : ERR_OK);
	}
	if (place_met(place, newer) && !(c->fragments && fan_open(&c->record)))
		return superseded(c, taken, newer);
	if (!deletes && place_met(place, none))
		return deleted_before(c);
	if (fan_open(&c->record))
		return false;
	if (fan_with(&c->record, ERR_PRECONDITION))
		return finish(c, ERR_PRECONDITION);
	if (newer && place_met(place, taken | newer))
		return superseded(c, taken, newer);
	bool full = !place_possible(place, fan_mask(&c->record, place, ERR_NO_SPACE));
	return finish(c, full ? ERR_NO_SPACE : ERR_UNAVAILABLE);
}

static void settled(struct commit *c)
{
	c->phase = SETTLED;
	c->settles = !c->unsettled;
	if (c->unsettled)
		c->proxy->stats.unsettled++;
}

void commit_start(struct commit *c)
{
	bool plain = c->proxy->backend->plain;

	/* Grants there bind nobody: they tell what a majority knows, and between two that were
	 * told the same each device decides. */
	c->msg->if_absent = c->only_if_absent && plain;
	c->msg->under_lease = (is_conditional(c) && !plain) || brings(c);
	c->msg->known = c->only_if_at;
	if (is_conditional(c) || brings(c)) {
		c->phase = GRANTS;
		c->grants.alone = brings(c);
		grants_start(&c->grants, c->op, c->proxy, &c->place, c->msg);
		return;
	}
	if (plain || c->set_time || c->proxy->cluster->one_clock || MUTANT(no_version_first))
		send_record(c);
	else
		ask_versions(c);
}

bool commit_ready(struct commit *c)
{
	if (c->phase == VERSIONS && versions(c))
		return true;
	if (c->phase == GRANTS && granted(c))
		return true;
	if (c->phase == LOOK && look(c))
		return true;
	if (c->phase == RECORD && record(c))
		return true;
	if (c->phase == ROWS && (c->rows_done == c->row_count || MUTANT(rows_unawaited)))
		settled(c);
	return c->phase == SETTLED;
}

/* A primary that did not answer, or could not, has missed what is acknowledged: a copy goes to who
 * stands in for it. A fragment would be of no use there; a POST alone has no body to stand on. */
static void hand_off(struct commit *c)
{
	const struct backend_call *has = NULL;
	unsigned missed = 0;

	bool deletes = c->msg->op == BACKEND_OBJECT_DELETE;
	if (c->err || c->fragments || (!deletes && c->msg->op != BACKEND_OBJECT_PUT))
		return;
	for (unsigned i = 0; i < c->record.count; i++) {
		const struct backend_call *call = &c->record.calls[i];
		if (call->answered && call->reply.err == ERR_OK)
			has = call;
		else
			missed += !call->answered || (call->reply.err != ERR_CONFLICT &&
			                                     call->reply.err != ERR_NOT_FOUND);
	}
	if (has && missed)
		handoff_copy(c->proxy, c->msg, has->device);
}

void commit_done(struct commit *c)
{
	if (c->phase == SETTLED)
		hand_off(c);
	/* Not before the last device has answered: word of a record that is not there yet is lost.
	 */
	for (unsigned i = 0; c->settles && i < c->place.count; i++)
		settle_add(c->proxy->settle, c->place.devices[i], c->msg->policy, c->msg->key,
		        c->msg->ts);
	grants_done(&c->grants);
	fan_done(&c->versions);
	fan_done(&c->record);
	fan_done(&c->decision);
	reader_done(&c->look);
	backend_msg_unref(c->msg);
	c->msg = NULL;
}
