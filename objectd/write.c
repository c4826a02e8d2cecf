/* PUT, POST, DELETE, FORGET, GRANT, COMMIT and DROP, one at a time for a key.
 *
 *   lock -> check the version -> PUT, DELETE: [pieces done -> sync] -> append -> answer -> unlock
 *                                POST: read the version -> append -> answer -> unlock
 *                                GRANT: lease -> answer -> unlock
 *                                COMMIT: read the draft -> append -> answer -> unlock
 *                                DROP: append -> answer -> unlock */
#include "objectd/objectd_internal.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include "lib/base/ts.h"
#include <stdlib.h>
#include <string.h>

struct write {
	struct hash_node node;
	struct write *waiting, **waiting_tail; /* of the same key, in order; the holder's */
	struct write *next;
	struct task task; /* runs the next one: long queues must not nest */
	struct objectd *objectd;
	struct backend_call *call;
	struct upload *upload; /* PUT of staged pieces */
	bool was_live;
	uint8_t space;      /* where it is written: the policy's, or a draft's */
	struct buf headers; /* with that of the fragment before them */
	struct device_sync sync;
	struct device_write write;
	struct device_read read;
	struct device_extent_write piece; /* a body too large for the record, not staged */
	struct device_extent extent;
};

static void run(struct write *w);

/* --- locks --- */

static struct write *lock_find(struct objectd *o, const struct backend_msg *msg)
{
	struct hash_node *node = hash_find(&o->locks, objectd_hash(msg->key, msg->policy));

	for (; node; node = hash_find_next(node)) {
		struct write *w = CONTAINER_OF(node, struct write, node);
		const struct backend_msg *m = w->call->msg;
		if (m->policy == msg->policy && memcmp(m->key, msg->key, 16) == 0)
			return w;
	}
	return NULL;
}

static void on_next(struct task *task)
{
	run(CONTAINER_OF(task, struct write, task));
}

static void finish(struct write *w, enum err err)
{
	struct objectd *o = w->objectd;
	struct write *next = w->waiting;
	struct backend_call *call = w->call;

	hash_remove(&o->locks, &w->node);
	if (next) {
		next->waiting = next->next;
		next->waiting_tail = next->waiting ? w->waiting_tail : &next->waiting;
		next->next = NULL;
		hash_insert(&o->locks, &next->node,
		        objectd_hash(next->call->msg->key, next->call->msg->policy));
		next->task.run = on_next;
		reactor_post(o->reactor, &next->task);
	}
	device_read_done(&w->read);
	buf_done(&w->headers);
	if (w->upload)
		stage_free(w->upload);
	free(w);
	backend_finish(call, err);
}

void write_start(struct objectd *o, struct backend_call *call)
{
	if (horizon_waits(o, call) || lease_stops(o, call))
		return;
	struct write *w = mem_zalloc(sizeof(*w)), *holder = lock_find(o, call->msg);
	w->objectd = o;
	w->call = call;
	w->waiting_tail = &w->waiting;
	if (holder) {
		*holder->waiting_tail = w;
		holder->waiting_tail = &w->next;
		return;
	}
	hash_insert(&o->locks, &w->node, objectd_hash(call->msg->key, call->msg->policy));
	run(w);
}

static void run_grant(struct write *w, const struct device_version *version, bool known)
{
	w->call->reply.promised = lease_promised(w->objectd, w->call->msg);
	enum err err = lease_take(w->objectd, w->call->msg);

	if (known)
		objectd_reply_version(w->call, version);
	objectd_reply_drafts(w->objectd, w->call);
	finish(w, err ? err : known ? ERR_OK : ERR_NOT_FOUND);
}

/* --- the record --- */

static void on_written(struct device_write *write, enum err err)
{
	struct write *w = CONTAINER_OF(write, struct write, write);

	if (w->extent.len)
		device_extents_release(w->objectd->device, &w->extent, 1);
	if (!err && w->call->msg->op == BACKEND_OBJECT_DROP)
		device_settled(w->objectd->device, w->space, write->key, write->ts);
	if (!err && w->call->msg->op == BACKEND_OBJECT_DELETE && !w->was_live)
		err = ERR_NOT_FOUND;
	finish(w, err);
}

static void append(struct write *w, const char *account, const char *container, const char *object)
{
	const struct backend_msg *msg = w->call->msg;

	w->write.policy = w->space;
	memcpy(w->write.key, msg->key, 16);
	w->write.account = account;
	w->write.container = container;
	w->write.object = object;
	w->write.updates = msg->updates;
	w->write.update_count = msg->update_count;
	w->write.expires = kv_get(w->write.headers, w->write.headers_len, "X-Delete-At");
	w->write.fragment = fragment_number(w->write.headers, w->write.headers_len);
	w->write.done = on_written;
	enum err err = device_write(w->objectd->device, &w->write);
	if (!err)
		return;
	if (w->extent.len)
		device_extents_release(w->objectd->device, &w->extent, 1);
	finish(w, err);
}

/* Under the names of the message. */
static void append_named(struct write *w)
{
	const struct backend_msg *msg = w->call->msg;

	append(w, msg->account, msg->container, msg->object);
}

/* --- PUT --- */

static void on_synced(struct device_sync *sync, enum err err)
{
	struct write *w = CONTAINER_OF(sync, struct write, sync);

	if (!err) {
		append_named(w);
		return;
	}
	if (w->extent.len)
		device_extents_release(w->objectd->device, &w->extent, 1);
	finish(w, err);
}

/* All pieces are there and add up to the whole body. */
static bool whole(const struct upload *upload, uint64_t size)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < upload->count; i++) {
		bool last = i + 1 == upload->count;
		if (!upload->extents[i].len || (!last && upload->extents[i].len != BACKEND_PIECE))
			return false;
		sum += upload->extents[i].len;
	}
	return sum == size;
}

static void on_pieces(struct upload *upload)
{
	struct write *w = upload->quiet_owner;

	if (upload->err || !whole(upload, w->call->msg->size)) {
		finish(w, upload->err ? upload->err : ERR_BAD_REQUEST);
		return;
	}
	w->write.extents = upload->extents;
	w->write.extent_count = upload->count;
	w->sync.done = on_synced;
	device_sync(w->objectd->device, &w->sync);
}

static void on_piece(struct device_extent_write *piece, enum err err)
{
	struct write *w = CONTAINER_OF(piece, struct write, piece);

	if (err) {
		finish(w, err);
		return;
	}
	w->extent = piece->extent;
	w->write.extents = &w->extent;
	w->write.extent_count = 1;
	w->sync.done = on_synced;
	device_sync(w->objectd->device, &w->sync);
}

static void put_as_piece(struct write *w)
{
	const struct backend_msg *msg = w->call->msg;

	w->piece = (struct device_extent_write){
	        .policy = msg->policy,
	        .body = msg->body,
	        .len = (uint32_t)msg->body->len,
	        .urgency = DEVICE_PUT,
	        .done = on_piece,
	};
	memcpy(w->piece.key, msg->key, 16);
	device_extent_write(w->objectd->device, &w->piece);
}

/* The message's, behind the fragment's own; borrowed until the end of the write. */
static void set_headers(struct write *w, const struct fragment *fragment)
{
	const struct backend_msg *msg = w->call->msg;

	w->write.headers = msg->headers;
	w->write.headers_len = msg->headers_len;
	if (!fragment->k)
		return;
	fragment_add(&w->headers, fragment);
	buf_add(&w->headers, msg->headers, msg->headers_len);
	w->write.headers = w->headers.data;
	w->write.headers_len = w->headers.len;
}

static void run_put(struct write *w)
{
	const struct backend_msg *msg = w->call->msg;
	size_t len = msg->body ? msg->body->len : 0;

	enum err err = device_admits(w->objectd->device, len);
	if (err) {
		finish(w, err);
		return;
	}
	w->write.ts = msg->ts;
	w->write.meta_ts = msg->meta_ts;
	set_headers(w, &msg->fragment);
	w->write.size = msg->size;
	memcpy(w->write.etag, msg->etag, 16);
	w->write.urgency = DEVICE_PUT;
	if (msg->stage && !len && msg->size) {
		struct upload *upload = stage_find(w->objectd, msg->stage);
		if (!upload || upload->quiet) {
			finish(w, ERR_BAD_REQUEST);
			return;
		}
		w->upload = upload;
		upload->quiet = on_pieces;
		upload->quiet_owner = w;
		if (!upload->flying)
			on_pieces(upload);
		return;
	}
	if (len != msg->size || len > BACKEND_PIECE) {
		finish(w, ERR_BAD_REQUEST);
		return;
	}
	if (len > BACKEND_INLINE_MAX) {
		put_as_piece(w);
		return;
	}
	w->write.data = len ? msg->body->data : NULL;
	w->write.data_len = len;
	append_named(w);
}

/* --- POST and DELETE --- */

static void post_with(struct write *w)
{
	const struct backend_msg *msg = w->call->msg;
	AUTO(buf) struct buf old = BUF_NONE;
	struct fragment fragment;
	struct device_record record;

	device_record(&w->read, &record);
	enum err err = fragment_split(record.headers, record.headers_len, &fragment, &old);
	if (err) {
		finish(w, err);
		return;
	}
	w->call->reply.ts = w->write.ts = record.ts;
	w->write.meta_ts = msg->ts;
	set_headers(w, &fragment);
	w->write.size = record.size;
	memcpy(w->write.etag, record.etag, 16);
	w->write.data = record.data;
	w->write.data_len = record.data_len;
	w->write.extents = record.extents;
	w->write.extent_count = record.extent_count;
	w->write.urgency = DEVICE_SMALL;
	append_named(w);
}

static void on_version_read(struct device_read *read, enum err err)
{
	struct write *w = CONTAINER_OF(read, struct write, read);

	if (err)
		finish(w, err);
	else
		post_with(w);
}

static void run_post(struct write *w, const struct device_version *version)
{
	const struct backend_msg *msg = w->call->msg;

	w->read.done = on_version_read;
	if (device_read_version(w->objectd->device, msg->policy, msg->key, version, &w->read))
		post_with(w);
}

static void run_delete(struct write *w, uint64_t replaced_ts)
{
	w->write.ts = w->call->msg->ts;
	w->write.size = replaced_ts;
	w->write.deleted = true;
	w->write.urgency = DEVICE_SMALL;
	append_named(w);
}

/* --- what comes too late --- */

static void refuse_deleted(struct write *w)
{
	struct device_record record;

	device_record(&w->read, &record);
	w->call->reply.size = record.size;
	finish(w, ERR_CONFLICT);
}

static void on_tombstone_read(struct device_read *read, enum err err)
{
	struct write *w = CONTAINER_OF(read, struct write, read);

	if (err)
		finish(w, err);
	else
		refuse_deleted(w);
}

/* Where a tombstone is it is told what that has replaced. */
static void refuse(struct write *w, const struct device_version *version)
{
	const struct backend_msg *msg = w->call->msg;

	objectd_reply_version(w->call, version);
	if (!version->deleted) {
		finish(w, ERR_CONFLICT);
		return;
	}
	w->read.done = on_tombstone_read;
	if (device_read_version(w->objectd->device, msg->policy, msg->key, version, &w->read))
		refuse_deleted(w);
}

/* --- drafts: see docs/formats/ec.md --- */

static bool is_draft(const struct write *w)
{
	const struct backend_msg *msg = w->call->msg;
	struct device_version drafts[DEVICE_DRAFTS];
	uint8_t spaces[DEVICE_DRAFTS];
	unsigned n = device_drafts(w->objectd->device, msg->policy, msg->key, drafts, spaces);

	for (unsigned i = 0; i < n; i++) {
		if (drafts[i].ts == msg->ts)
			return true;
	}
	return false;
}

/* A draft is newer than the version; when that was posted to makes no difference. */
static void run_draft(struct write *w, const struct device_version *version, bool known)
{
	const struct backend_msg *msg = w->call->msg;

	if (known && msg->ts <= version->ts) {
		refuse(w, version);
		return;
	}
	if (msg->handle && is_draft(w)) { /* another writer's: times are not its own alone */
		w->call->reply.ts = msg->ts;
		finish(w, ERR_CONFLICT);
		return;
	}
	if (msg->ts < w->call->reply.promised) {
		finish(w, ERR_BUSY);
		return;
	}
	const struct env *env = reactor_env(w->objectd->reactor);
	if (msg->handle && msg->ts + BACKEND_DRAFT_S * TS_PER_SECOND < env->wall_us(env) / 10) {
		finish(w, ERR_DEADLINE); /* it may have been given up already, everywhere */
		return;
	}
	enum err err =
	        device_draft_space(w->objectd->device, msg->policy, msg->key, msg->ts, &w->space);
	if (err)
		finish(w, err);
	else
		run_put(w);
}

/* Of the body that it names, or of whatever body. */
static bool is_meant(const struct backend_msg *msg, const struct device_record *record)
{
	static const uint8_t any[sizeof(msg->etag)];

	return memcmp(msg->etag, any, sizeof(any)) == 0 ||
	       memcmp(msg->etag, record->etag, sizeof(any)) == 0;
}

/* The draft becomes the version. */
static void draft_there(struct write *w)
{
	struct device_record record;

	device_record(&w->read, &record);
	if (!is_meant(w->call->msg, &record)) {
		finish(w, ERR_NOT_FOUND);
		return;
	}
	w->write.ts = record.ts;
	w->write.headers = record.headers;
	w->write.headers_len = record.headers_len;
	w->write.size = record.size;
	memcpy(w->write.etag, record.etag, 16);
	w->write.data = record.data;
	w->write.data_len = record.data_len;
	w->write.extents = record.extents;
	w->write.extent_count = record.extent_count;
	w->write.urgency = DEVICE_SMALL;
	append(w, record.account, record.container, record.object);
}

static void on_draft_read(struct device_read *read, enum err err)
{
	struct write *w = CONTAINER_OF(read, struct write, read);

	if (err)
		finish(w, err);
	else
		draft_there(w);
}

/* COMMIT and DROP. */
static void run_decision(struct write *w, const struct device_version *version, bool known)
{
	const struct backend_msg *msg = w->call->msg;
	struct device_version drafts[DEVICE_DRAFTS];
	uint8_t spaces[DEVICE_DRAFTS];
	unsigned i = 0,
	         n = device_drafts(w->objectd->device, msg->policy, msg->key, drafts, spaces);

	while (i < n && drafts[i].ts != msg->ts)
		i++;
	if (i == n) {
		if (known)
			objectd_reply_version(w->call, version);
		finish(w, !known || version->ts < msg->ts ? ERR_NOT_FOUND
		          : version->ts > msg->ts         ? ERR_CONFLICT
		                                          : ERR_OK);
	} else if (msg->op == BACKEND_OBJECT_DROP) {
		w->space = spaces[i];
		run_delete(w, drafts[i].ts);
	} else {
		w->read.done = on_draft_read;
		if (device_read_version(
		            w->objectd->device, spaces[i], msg->key, &drafts[i], &w->read))
			draft_there(w);
	}
}

static void run_forget(struct write *w, const struct device_version *version, bool known)
{
	const struct backend_msg *msg = w->call->msg;
	uint64_t meta_ts = msg->meta_ts > msg->ts ? msg->meta_ts : msg->ts;

	if (!known || version->ts != msg->ts || version->meta_ts != meta_ts) {
		finish(w, known ? ERR_CONFLICT : ERR_NOT_FOUND);
		return;
	}
	w->write.ts = msg->ts;
	w->write.meta_ts = msg->meta_ts;
	w->write.deleted = w->write.forgotten = true;
	w->write.urgency = DEVICE_SMALL;
	append_named(w);
}

static uint64_t newest(uint64_t ts, uint64_t meta_ts)
{
	return meta_ts > ts ? meta_ts : ts;
}

/* Last writer wins, also over writes that come late: ts decides, and between copies of one version
 * the last POST to it. A POST ends with the version it is for. */
static bool loses(const struct backend_msg *msg, const struct device_version *version)
{
	if (MUTANT(last_arrival_wins))
		return false;
	if (version->forgotten) /* all primaries had this, or newer; here it may come again */
		return msg->ts < version->ts ||
		       (msg->ts == version->ts && newest(msg->ts, msg->meta_ts) < version->meta_ts);
	if (version->deleted || msg->op == BACKEND_OBJECT_DELETE)
		return msg->ts <= version->ts;
	if (msg->op == BACKEND_OBJECT_PUT && msg->ts != version->ts)
		return msg->ts < version->ts;
	return newest(msg->ts, msg->meta_ts) <= newest(version->ts, version->meta_ts);
}

/* By a delete: the newest that was there, be it a draft, which may have been an object. */
static uint64_t replaced(const struct backend_call *call, uint64_t version_ts)
{
	uint64_t ts = version_ts;

	for (unsigned i = 0; i < BACKEND_DRAFTS; i++) {
		uint64_t draft = call->reply.drafts[i];
		if (draft < call->msg->ts && draft > ts)
			ts = draft;
	}
	return ts;
}

/* The same object's fragment in the place of this one: is one of them this device's own (1: that
 * which comes; -1: that which is here; 0: neither, or both)? */
static int own_comes(const struct write *w, const struct device_version *version)
{
	const struct backend_msg *msg = w->call->msg;
	struct device_version then = {.fragment = msg->fragment.index + 1};

	if (msg->op != BACKEND_OBJECT_PUT || !msg->fragment.k || msg->ts != version->ts)
		return 0;
	return objectd_misplaced(w->objectd, msg, version) -
	       objectd_misplaced(w->objectd, msg, &then);
}

/* The version decides. */
static void run(struct write *w)
{
	struct backend_call *call = w->call;
	const struct backend_msg *msg = call->msg;
	struct device_version version = {0};
	bool kept = !device_find_any(w->objectd->device, msg->policy, msg->key, &version);
	bool known = kept && !version.forgotten, live = known && !version.deleted;

	w->space = msg->policy;
	if (msg->op == BACKEND_OBJECT_GRANT) {
		run_grant(w, &version, known);
		return;
	}
	if (msg->op == BACKEND_OBJECT_FORGET) {
		run_forget(w, &version, known);
		return;
	}
	if (msg->op == BACKEND_OBJECT_COMMIT || msg->op == BACKEND_OBJECT_DROP) {
		run_decision(w, &version, known);
		return;
	}
	call->reply.promised = lease_promised(w->objectd, msg);
	call->reply.replaced = lease_replaced(w->objectd, msg);
	if (msg->op == BACKEND_OBJECT_PUT && msg->draft) {
		run_draft(w, &version, known);
		return;
	}
	if (msg->op == BACKEND_OBJECT_POST && msg->known && live && version.ts > msg->known) {
		refuse(w, &version);
		return;
	}
	bool again = known && msg->ts >= version.ts &&
	             newest(msg->ts, msg->meta_ts) == newest(version.ts, version.meta_ts);
	/* A copy of what cannot be read here comes with the same timestamp; so does the fragment
	 * that should be here in the place of another. */
	int own = live && !version.corrupt ? own_comes(w, &version) : 0;
	bool same = (version.corrupt &&
	                    msg->op == (live ? BACKEND_OBJECT_PUT : BACKEND_OBJECT_DELETE)) ||
	            own > 0;
	if ((kept && loses(msg, &version) && !(again && same)) || own < 0) {
		refuse(w, &version);
		return;
	}
	if (msg->ts < call->reply.promised) {
		finish(w, ERR_BUSY);
		return;
	}
	w->was_live = live;
	if (msg->op == BACKEND_OBJECT_PUT) {
		run_put(w);
	} else if (msg->op == BACKEND_OBJECT_DELETE && msg->if_lasting && live && version.expires) {
		finish(w, ERR_PRECONDITION);
	} else if (msg->op == BACKEND_OBJECT_DELETE) {
		if (known)
			objectd_reply_version(call, &version);
		objectd_reply_drafts(w->objectd, call);
		run_delete(w, replaced(call, version.ts));
	} else if (!live) {
		if (known)
			objectd_reply_version(call, &version);
		finish(w, ERR_NOT_FOUND);
	} else {
		run_post(w, &version);
	}
}
