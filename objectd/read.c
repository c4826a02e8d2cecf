/* GET, READ, CLOSE. A version whose body is in its record is answered whole; one with extents is
 * pinned by a handle while there is more to read. */
#include "objectd/objectd_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

/* A version somebody reads: its extents stay where they are. */
struct handle {
	struct hash_node node;
	struct list list;
	uint64_t id, used_us, size;
	uint8_t policy, key[16];       /* policy: the space, for a draft */
	struct device_extent *extents; /* owned, pinned */
	uint32_t count;
	unsigned flying;
	bool closed;
};

struct get {
	struct objectd *objectd;
	struct backend_call *call;
	struct device_read read, piece;
	struct handle *handle;
	uint64_t offset, len;
	uint32_t from; /* in the piece */
	uint8_t space; /* the policy, or a draft's */
};

/* --- handles --- */

static struct handle *handle_find(struct objectd *o, uint64_t id)
{
	struct hash_node *node = hash_find(&o->handles, id);

	for (; node; node = hash_find_next(node)) {
		struct handle *handle = CONTAINER_OF(node, struct handle, node);
		if (handle->id == id)
			return handle;
	}
	return NULL;
}

static struct handle *handle_new(
        struct objectd *o, uint8_t space, const uint8_t key[16], const struct device_record *record)
{
	size_t size = record->extent_count * sizeof(struct device_extent);
	struct handle *handle = mem_zalloc(sizeof(*handle));

	handle->id = ++o->next_handle;
	handle->used_us = reactor_now_us(o->reactor);
	handle->size = record->size;
	handle->policy = space;
	memcpy(handle->key, key, 16);
	handle->extents = mem_dup(record->extents, size);
	handle->count = record->extent_count;
	device_extents_pin(o->device, handle->extents, handle->count);
	hash_insert(&o->handles, &handle->node, handle->id);
	list_append(&o->handle_list, &handle->list);
	return handle;
}

static void handle_close(struct objectd *o, struct handle *handle)
{
	if (!handle->closed) {
		handle->closed = true;
		hash_remove(&o->handles, &handle->node);
		list_remove(&handle->list);
	}
	if (handle->flying)
		return;
	device_extents_release(o->device, handle->extents, handle->count);
	free(handle->extents);
	free(handle);
}

void read_sweep(struct objectd *o, bool all)
{
	uint64_t now = reactor_now_us(o->reactor);

	LIST_EACH_SAFE (node, &o->handle_list) {
		struct handle *handle = LIST_ENTRY(node, struct handle, list);
		if (all || (!handle->flying && now - handle->used_us > IDLE_MAX_US))
			handle_close(o, handle);
	}
}

void read_close(struct objectd *o, struct backend_call *call)
{
	struct handle *handle = handle_find(o, call->msg->handle);

	if (handle)
		handle_close(o, handle);
	backend_finish(call, ERR_OK);
}

/* --- bytes --- */

static void end_get(struct get *get, enum err err)
{
	struct backend_call *call = get->call;
	struct objectd *o = get->objectd;
	struct handle *handle = get->handle;

	device_read_done(&get->read);
	device_read_done(&get->piece);
	if (handle) {
		uint64_t end = get->offset + call->reply.body_len;
		handle->flying--;
		bool opens = call->msg->op == BACKEND_OBJECT_GET;
		if (handle->closed || (opens && (err || end >= handle->size)))
			handle_close(o, handle);
		else
			call->reply.handle = handle->id;
	}
	if (get->call->msg->op != BACKEND_OBJECT_GET && err)
		call->reply.body_len = 0;
	free(get);
	backend_finish(call, err);
}

static void give_body(struct get *get, const struct device_read *read, uint32_t from, uint64_t len)
{
	struct backend_reply *reply = &get->call->reply;

	reply->body = bytes_ref(read->bytes);
	reply->body_offset = read->at + from;
	reply->body_len = len;
}

static void piece_there(struct get *get)
{
	uint64_t left = get->piece.len - get->from;

	give_body(get, &get->piece, get->from, left < get->len ? left : get->len);
	end_get(get, ERR_OK);
}

static void on_piece(struct device_read *read, enum err err)
{
	struct get *get = CONTAINER_OF(read, struct get, piece);

	if (err)
		end_get(get, err);
	else
		piece_there(get);
}

/* The piece that holds get->offset. */
static void read_piece(struct get *get)
{
	struct handle *handle = get->handle;
	uint64_t index = get->offset / BACKEND_PIECE;

	handle->flying++;
	handle->used_us = reactor_now_us(get->objectd->reactor);
	get->from = (uint32_t)(get->offset % BACKEND_PIECE);
	if (index >= handle->count || get->from >= handle->extents[index].len) {
		end_get(get, ERR_RANGE);
		return;
	}
	get->piece.done = on_piece;
	if (device_read_extent(get->objectd->device, handle->policy, handle->key,
	            &handle->extents[index], &get->piece))
		piece_there(get);
}

/* --- GET --- */

static void record_there(struct get *get)
{
	struct backend_reply *reply = &get->call->reply;
	const struct backend_msg *msg = get->call->msg;
	struct device_record record;

	device_record(&get->read, &record);
	if (get->space == msg->policy) {
		reply->ts = record.ts;
		reply->meta_ts = record.meta_ts;
	} else {
		reply->draft_ts = record.ts;
	}
	reply->size = record.size;
	memcpy(reply->etag, record.etag, 16);
	enum err err = fragment_split(
	        record.headers, record.headers_len, &reply->fragment, &reply->headers);
	if (err) {
		end_get(get, err);
		return;
	}
	if (!msg->object) {
		buf_add(&reply->path, record.account, strlen(record.account) + 1);
		buf_add(&reply->path, record.container, strlen(record.container) + 1);
		buf_add(&reply->path, record.object, strlen(record.object) + 1);
	}
	get->offset = msg->offset;
	get->len = msg->offset < record.size ? record.size - msg->offset : 0;
	if (get->len > msg->len)
		get->len = msg->len;
	if (!get->len) {
		end_get(get, ERR_OK);
	} else if (!record.extent_count) {
		uint32_t at = (uint32_t)(record.data - (get->read.bytes->data + get->read.at));
		give_body(get, &get->read, at + (uint32_t)get->offset, get->len);
		end_get(get, ERR_OK);
	} else if (get->objectd->handles.count >= HANDLES_MAX) {
		end_get(get, ERR_BUSY);
	} else {
		get->handle = handle_new(get->objectd, get->space, msg->key, &record);
		read_piece(get);
	}
}

static void on_record(struct device_read *read, enum err err)
{
	struct get *get = CONTAINER_OF(read, struct get, read);

	if (err)
		end_get(get, err);
	else
		record_there(get);
}

/* Which version: the committed one, or a draft that is newer or asked for. */
static enum err choose(struct objectd *o, struct backend_call *call,
        struct device_version *ret_version, uint8_t *ret_space)
{
	const struct backend_msg *msg = call->msg;
	struct device_version drafts[DEVICE_DRAFTS];
	uint8_t spaces[DEVICE_DRAFTS];
	enum err err = device_find(o->device, msg->policy, msg->key, ret_version);
	unsigned n = device_drafts(o->device, msg->policy, msg->key, drafts, spaces);

	*ret_space = msg->policy;
	if (!err)
		objectd_reply_version(call, ret_version);
	if (!err && ret_version->deleted)
		err = ERR_NOT_FOUND;
	if (!err && msg->draft && ret_version->ts != msg->ts)
		err = ERR_NOT_FOUND;
	for (unsigned i = 0; i < n; i++) {
		call->reply.drafts[i] = drafts[i].ts;
		if (msg->draft ? drafts[i].ts != msg->ts : i > 0)
			continue;
		*ret_version = drafts[i];
		*ret_space = spaces[i];
		err = ERR_OK;
	}
	return !err && ret_version->corrupt ? ERR_CORRUPT : err;
}

void read_get(struct objectd *o, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct device_version version;
	uint8_t space;

	enum err err = choose(o, call, &version, &space);
	if (err) {
		backend_finish(call, err);
		return;
	}
	struct get *get = mem_zalloc(sizeof(*get));
	get->objectd = o;
	get->call = call;
	get->space = space;
	get->read.done = on_record;
	if (device_read_version(o->device, space, msg->key, &version, &get->read))
		record_there(get);
}

void read_more(struct objectd *o, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct handle *handle = handle_find(o, msg->handle);

	if (!handle || !msg->len) {
		backend_finish(call, handle ? ERR_OK : ERR_NOT_FOUND);
		return;
	}
	struct get *get = mem_zalloc(sizeof(*get));
	get->objectd = o;
	get->call = call;
	get->handle = handle;
	get->offset = msg->offset;
	get->len = msg->len;
	read_piece(get);
}
