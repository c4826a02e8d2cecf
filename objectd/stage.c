/* Uploads of large bodies: pieces are written as they come; the PUT that names the upload turns
 * them into a version. What is never put is dropped by UNSTAGE, or after a long silence. */
#include "objectd/objectd_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

struct piece {
	struct device_extent_write write;
	struct upload *upload;
	struct backend_call *call;
	uint32_t index;
};

struct upload *stage_find(struct objectd *o, uint64_t stage)
{
	struct hash_node *node = hash_find(&o->uploads, stage * 0x9e3779b97f4a7c15u);

	for (; node; node = hash_find_next(node)) {
		struct upload *upload = CONTAINER_OF(node, struct upload, node);
		if (upload->stage == stage)
			return upload;
	}
	return NULL;
}

static struct upload *create(struct objectd *o, uint64_t stage)
{
	struct upload *upload = mem_zalloc(sizeof(*upload));

	upload->stage = stage;
	upload->objectd = o;
	hash_insert(&o->uploads, &upload->node, stage * 0x9e3779b97f4a7c15u);
	list_append(&o->upload_list, &upload->list);
	return upload;
}

static void release(struct upload *upload)
{
	for (uint32_t i = 0; i < upload->count; i++) {
		if (upload->extents[i].len)
			device_extents_release(upload->objectd->device, &upload->extents[i], 1);
	}
	free(upload->extents);
	free(upload);
}

void stage_free(struct upload *upload)
{
	if (!upload->dropped) {
		hash_remove(&upload->objectd->uploads, &upload->node);
		list_remove(&upload->list);
		upload->dropped = true;
	}
	if (!upload->flying)
		release(upload);
}

static void on_piece(struct device_extent_write *write, enum err err)
{
	struct piece *piece = CONTAINER_OF(write, struct piece, write);
	struct upload *upload = piece->upload;
	struct device_extent *slot = &upload->extents[piece->index];

	if (!err) {
		if (slot->len) /* sent twice: the later one counts */
			device_extents_release(upload->objectd->device, slot, 1);
		*slot = write->extent;
	} else if (!upload->err) {
		upload->err = err;
	}
	backend_finish(piece->call, err);
	free(piece);
	if (--upload->flying)
		return;
	if (upload->dropped)
		release(upload);
	else if (upload->quiet)
		upload->quiet(upload);
}

static bool room_for(struct upload *upload, uint64_t index)
{
	if (index >= PIECES_MAX)
		return false;
	if (index >= upload->cap) {
		uint32_t cap = upload->cap ? upload->cap : 4;
		while (cap <= index)
			cap *= 2;
		upload->extents = mem_realloc(upload->extents, cap * sizeof(*upload->extents));
		upload->cap = cap;
	}
	while (upload->count <= index)
		upload->extents[upload->count++] = (struct device_extent){0};
	return true;
}

void stage_write(struct objectd *o, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;

	if (!msg->stage || !msg->body || !msg->body->len || msg->body->len > BACKEND_PIECE ||
	        msg->offset % BACKEND_PIECE) {
		backend_finish(call, ERR_BAD_REQUEST);
		return;
	}
	struct upload *upload = stage_find(o, msg->stage);
	if (!upload && o->uploads.count >= UPLOADS_MAX) {
		backend_finish(call, ERR_BUSY);
		return;
	}
	enum err err = device_admits(o->device, msg->body->len);
	if (err) {
		backend_finish(call, err);
		return;
	}
	if (!upload)
		upload = create(o, msg->stage);
	upload->used_us = reactor_now_us(o->reactor);
	if (!room_for(upload, msg->offset / BACKEND_PIECE)) {
		backend_finish(call, ERR_TOO_LARGE);
		return;
	}
	struct piece *piece = mem_zalloc(sizeof(*piece));
	piece->upload = upload;
	piece->call = call;
	piece->index = (uint32_t)(msg->offset / BACKEND_PIECE);
	piece->write = (struct device_extent_write){
	        .policy = msg->policy,
	        .stage = msg->stage,
	        .offset = msg->offset,
	        .body = msg->body,
	        .len = (uint32_t)msg->body->len,
	        .urgency = DEVICE_PUT,
	        .done = on_piece,
	};
	memcpy(piece->write.key, msg->key, 16);
	upload->flying++;
	device_extent_write(o->device, &piece->write);
}

void stage_drop(struct objectd *o, struct backend_call *call)
{
	struct upload *upload = stage_find(o, call->msg->stage);

	if (upload && !upload->quiet) /* else a PUT is at it and will end it */
		stage_free(upload);
	backend_finish(call, ERR_OK);
}

void stage_sweep(struct objectd *o, bool all)
{
	uint64_t now = reactor_now_us(o->reactor);

	LIST_EACH_SAFE (node, &o->upload_list) {
		struct upload *upload = LIST_ENTRY(node, struct upload, list);
		if (all || (!upload->quiet && now - upload->used_us > IDLE_MAX_US))
			stage_free(upload);
	}
}
