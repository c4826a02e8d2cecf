#include "tests/lib/objects_rig.h"

#include "lib/base/auto.h"
#include "lib/base/kv.h"
#include "lib/crypto/md5.h"
#include "lib/env/env.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_TS 170000000000000ull

static void on_opened(void *owner, struct device *device, enum err err)
{
	struct rig *rig = owner;

	rig->opened = true;
	rig->device = device;
	rig->err = err;
}

static void on_corrupt(void *owner, uint8_t policy, const uint8_t key[16], uint64_t ts)
{
	struct rig *rig = owner;

	(void)policy;
	(void)key;
	(void)ts;
	rig->corrupt++;
}

void rig_init(struct rig *rig, size_t cache_bytes)
{
	*rig = (struct rig){0};
	env_fake_init(&rig->env, 7);
	rig->env.wall_us = START_TS * 10;
	if (reactor_new(&rig->env.env, 64, &rig->reactor))
		abort();
	if (cache_bytes)
		rig->cache = cache_new(cache_bytes);
	rig->fake = disk_fake_new(rig->reactor, UINT64_MAX);
	rig->options = (struct device_options){
	        .create = true,
	        .unit_bytes = RIG_UNIT,
	        .bytes_max = 64ull << 20,
	        .reclaim_ticks = 7ull * 86400 * 100000,
	        .zero_ahead = 1,
	};
}

void rig_idle(struct rig *rig)
{
	for (int quiet = 0; quiet < 3;)
		quiet = reactor_turn(rig->reactor, false) ? 0 : quiet + 1;
}

void rig_sleep(struct rig *rig, uint64_t us)
{
	uint64_t end = rig->env.mono_us + us;

	while (rig->env.mono_us < end) {
		rig->env.mono_us += us < 1000 ? us : 1000;
		rig_idle(rig);
	}
}

enum err rig_open(struct rig *rig)
{
	rig->options.reactor = rig->reactor;
	rig->options.disk = rig->disk ? rig->disk : disk_fake_disk(rig->fake);
	rig->disk = NULL;
	rig->options.cache = rig->cache;
	rig->options.opened = on_opened;
	rig->options.corrupt = on_corrupt;
	rig->options.owner = rig;
	rig->options.replay[DEVICE_ROLE_OBJECT] = objectd_horizon_replay(&rig->horizon);
	rig->opened = false;
	device_open(&rig->options);
	while (!rig->opened)
		reactor_turn(rig->reactor, false);
	for (uint8_t policy = 0; !rig->err && rig->alone && policy < BACKEND_POLICIES; policy++)
		device_agreed(rig->device, policy, UINT64_MAX);
	if (!rig->err)
		rig->objectd = objectd_open(&(struct objectd_options){.device = rig->device,
		        .reactor = rig->reactor,
		        .horizon = rig->horizon.ts,
		        .fragment_of = rig->fragment_of,
		        .owner = rig});
	return rig->err;
}

static void on_closed(void *owner)
{
	((struct rig *)owner)->closed = true;
}

void rig_close(struct rig *rig)
{
	if (!rig->objectd)
		return;
	disk_fake_hold(rig->fake, false);
	objectd_close(rig->objectd);
	rig->objectd = NULL;
	rig->closed = false;
	device_close(rig->device, on_closed, rig);
	while (!rig->closed) {
		rig->env.mono_us += 1000;
		reactor_turn(rig->reactor, false);
	}
	rig->device = NULL;
}

void rig_image(struct rig *rig, uint8_t *image, uint64_t size)
{
	disk_fake_free(rig->fake);
	rig->fake = disk_fake_from(rig->reactor, UINT64_MAX, image, size);
	free(image);
}

void rig_crash(struct rig *rig)
{
	uint64_t size = disk_fake_size(rig->fake);
	uint8_t *image = malloc(size + 1);

	/* Closing writes more: to a disk that nobody will look at. */
	if (!image)
		abort();
	memcpy(image, disk_fake_bytes(rig->fake), size);
	rig_close(rig);
	rig_image(rig, image, size);
}

void rig_done(struct rig *rig)
{
	rig_close(rig);
	rig_idle(rig);
	disk_fake_free(rig->fake);
	cache_free(rig->cache);
	reactor_free(rig->reactor);
	bytes_cache_drop();
}

struct backend_msg *rig_msg(enum backend_op op, const char *name, uint64_t ts)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	backend_msg_path(msg, "a", "c", name);
	md5_digest(name, strlen(name), msg->key);
	msg->ts = ts;
	return msg;
}

static void on_done(struct backend_call *call)
{
	CONTAINER_OF(call, struct rig_call, call)->done = true;
}

void rig_start(struct rig *rig, struct rig_call *call, struct backend_msg *msg)
{
	*call = (struct rig_call){
	        .call = {.msg = msg, .done = on_done, .origin = rig->reactor}, .rig = rig};
	objectd_handle(rig->objectd, &call->call);
}

void rig_wait(struct rig *rig, struct rig_call *call)
{
	while (!call->done) {
		if (!reactor_turn(rig->reactor, false))
			rig->env.mono_us += 100;
	}
}

void rig_send(struct rig *rig, struct rig_call *call, struct backend_msg *msg)
{
	rig_start(rig, call, msg);
	rig_wait(rig, call);
}

static enum err send_plain(struct rig *rig, struct backend_msg *msg)
{
	struct rig_call call;

	rig_send(rig, &call, msg);
	enum err err = call.call.reply.err;
	backend_call_done(&call.call);
	return err;
}

void rig_pattern(const char *name, uint64_t ts, uint8_t *dst, size_t len)
{
	uint64_t x = ts * 0x9e3779b97f4a7c15u;

	for (const char *p = name; *p; p++)
		x = (x ^ (uint8_t)*p) * 0x100000001b3u;
	for (size_t i = 0; i < len; i++) {
		if (i % 8 == 0)
			x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u + i;
		dst[i] = (uint8_t)(x >> (i % 8 * 8));
	}
}

static struct backend_msg *put_message(const char *name, uint64_t ts, size_t len)
{
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_PUT, name, ts);
	AUTO(buf) struct buf headers = BUF_NONE;
	struct backend_update *update = backend_msg_alloc(msg, sizeof(*update));

	kv_add(&headers, "Content-Type", "text/plain");
	kv_add(&headers, "X-Object-Meta-Name", name);
	backend_msg_headers(msg, &headers);
	msg->size = len;
	*update = (struct backend_update){
	        .account = "a",
	        .container = "c",
	        .row = {.name = msg->object,
	                .content_type = "text/plain",
	                .etag = "0123",
	                .ts = ts,
	                .bytes = len},
	};
	msg->updates = update;
	msg->update_count = 1;
	return msg;
}

struct backend_msg *rig_put_msg(const char *name, uint64_t ts, size_t len)
{
	struct backend_msg *msg = put_message(name, ts, len);

	msg->body = bytes_new(len ? len : 1);
	msg->body->len = len;
	rig_pattern(name, ts, msg->body->data, len);
	return msg;
}

enum err rig_put(struct rig *rig, const char *name, uint64_t ts, size_t len)
{
	return send_plain(rig, rig_put_msg(name, ts, len));
}

enum err rig_put_staged(struct rig *rig, const char *name, uint64_t ts, size_t len)
{
	uint8_t *all = malloc(len);
	enum err err = ERR_OK;

	rig_pattern(name, ts, all, len);
	for (size_t at = 0; at < len && !err; at += BACKEND_PIECE) {
		struct backend_msg *msg = rig_msg(BACKEND_OBJECT_STAGE, name, ts);
		size_t n = len - at < BACKEND_PIECE ? len - at : BACKEND_PIECE;
		msg->stage = ts;
		msg->offset = at;
		msg->body = bytes_copy(all + at, n);
		err = send_plain(rig, msg);
	}
	free(all);
	if (err)
		return err;
	struct backend_msg *msg = put_message(name, ts, len);
	msg->stage = ts;
	return send_plain(rig, msg);
}

enum err rig_post(struct rig *rig, const char *name, uint64_t ts, const char *value)
{
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_POST, name, ts);
	AUTO(buf) struct buf headers = BUF_NONE;

	kv_add(&headers, "Content-Type", "text/plain");
	kv_add(&headers, "X-Object-Meta-Posted", value);
	backend_msg_headers(msg, &headers);
	return send_plain(rig, msg);
}

enum err rig_delete(struct rig *rig, const char *name, uint64_t ts)
{
	return send_plain(rig, rig_msg(BACKEND_OBJECT_DELETE, name, ts));
}

enum err rig_version(struct rig *rig, const char *name, uint64_t *ret_ts, bool *ret_deleted)
{
	struct rig_call call;

	rig_send(rig, &call, rig_msg(BACKEND_OBJECT_VERSION, name, 0));
	enum err err = call.call.reply.err;
	if (ret_ts)
		*ret_ts = call.call.reply.ts;
	if (ret_deleted)
		*ret_deleted = call.call.reply.deleted;
	backend_call_done(&call.call);
	return err;
}

static bool same(const struct backend_reply *reply, const uint8_t *want, uint64_t at)
{
	return memcmp(reply->body->data + reply->body_offset, want + at, reply->body_len) == 0;
}

enum err rig_get(struct rig *rig, const char *name, uint64_t *ret_ts, uint64_t *ret_size)
{
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_GET, name, 0);
	struct rig_call call;

	msg->len = UINT64_MAX;
	rig_send(rig, &call, msg);
	struct backend_reply *reply = &call.call.reply;
	enum err err = reply->err;
	uint64_t size = reply->size, handle = reply->handle, ts = reply->ts, at = reply->body_len;
	uint8_t *want = malloc(size + 1);
	rig_pattern(name, ts, want, size);
	if (!err && reply->body && !same(reply, want, 0))
		err = ERR_CORRUPT;
	backend_call_done(&call.call);
	while (!err && at < size) {
		msg = rig_msg(BACKEND_OBJECT_READ, name, 0);
		msg->handle = handle;
		msg->offset = at;
		msg->len = BACKEND_PIECE;
		rig_send(rig, &call, msg);
		err = reply->err;
		if (!err && (!reply->body_len || !same(reply, want, at)))
			err = ERR_CORRUPT;
		at += reply->body_len;
		backend_call_done(&call.call);
	}
	if (handle) {
		msg = rig_msg(BACKEND_OBJECT_CLOSE, name, 0);
		msg->handle = handle;
		send_plain(rig, msg);
	}
	free(want);
	if (ret_ts)
		*ret_ts = ts;
	if (ret_size)
		*ret_size = size;
	return err;
}
