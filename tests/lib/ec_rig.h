/* ec_rig: erasure-coded objects over six devices, 4+2: real objectds, and a network that refuses,
 * loses or holds what a test says. Included by one test program each. */
#ifndef TESTS_LIB_EC_RIG_H
#define TESTS_LIB_EC_RIG_H

#include "tests/lib/test.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "proxy/commit.h"
#include "proxy/ec_put.h"
#include "proxy/ec_read.h"
#include "proxy/ec_rebuild.h"
#include "proxy/reader.h"
#include "proxy/repair.h"
#include "tests/lib/objects_rig.c"
#include "tests/lib/rings_rig.h"

#ifndef DEVICES
#define DEVICES 6
#endif

static struct rig rigs[DEVICES];
static struct reactor *reactor;
static struct hlc hlc;
static struct cluster cluster;
static struct proxy proxy;
static struct backend backend;
static struct ec code;

/* What happens to messages; bits of devices. */
static struct {
	uint32_t down;        /* all are refused */
	uint32_t refused[64]; /* by op */
	uint32_t filling;     /* came back empty: have no vote */
	uint32_t held;        /* reads are never answered, until the end of the test */
	struct backend_call *calls[64];
	unsigned call_count;
	unsigned sent[64]; /* by op */
} net;

static struct {
	struct op op;
	struct reader reader;
	struct buf got;
	uint64_t offset, len;
	bool begun, dead;
	uint64_t dead_ts;
	char meta[16];
	enum err err;
} seen;

static void device_send(struct backend *b, struct backend_call *call)
{
	uint8_t op = call->msg->op;
	uint32_t bit = 1u << call->device;

	(void)b;
	call->origin = reactor;
	net.sent[op]++;
	if (call->msg->kind != BACKEND_OBJECT)
		backend_finish(call, ERR_OK);
	else if (!rigs[call->device].objectd || net.down & bit || net.refused[op] & bit)
		backend_finish(call, ERR_UNAVAILABLE);
	else if (net.filling & bit && !call->msg->draft &&
	         (op == BACKEND_OBJECT_GET || op == BACKEND_OBJECT_VERSION)) {
		call->reply.filling = true;
		objectd_refuse(rigs[call->device].objectd, call);
	} else if (net.held & bit && (op == BACKEND_OBJECT_GET || op == BACKEND_OBJECT_READ))
		net.calls[net.call_count++] = call;
	else
		objectd_handle(rigs[call->device].objectd, call);
}

static struct ring_set *own_rings;             /* that the devices know; NULL: the cluster's */
static struct ring_set *own_rings_of[DEVICES]; /* that one of them alone knows; NULL: as above */

static uint8_t fragment_of(void *owner, uint8_t policy, uint64_t prefix, unsigned bits)
{
	const struct rig *rig = owner;
	const struct ring_set *set = own_rings ? own_rings : cluster.policies[policy].rings;

	if (own_rings_of[rig - rigs])
		set = own_rings_of[rig - rigs];
	return ec_fragment_of(set, prefix, bits, (uint32_t)(rig - rigs));
}

static void open_device(unsigned i)
{
	rigs[0].fragment_of = fragment_of;
	if (i > 0) {
		rigs[i] = (struct rig){
		        .reactor = reactor, .options = rigs[0].options, .fragment_of = fragment_of};
		rigs[i].fake = disk_fake_new(reactor, UINT64_MAX);
	}
	assert_int_equal(rig_open(&rigs[i]), ERR_OK);
}

static void close_device(unsigned i)
{
	struct rig *rig = &rigs[i];

	objectd_close(rig->objectd);
	rig->objectd = NULL;
	rig->closed = false;
	device_close(rig->device, on_closed, rig);
	while (!rig->closed) {
		rigs[0].env.mono_us += 1000;
		reactor_turn(reactor, false);
	}
	rig_idle(&rigs[0]);
	disk_fake_free(rig->fake);
}

static int setup(void **state)
{
	(void)state;
	memset(&net, 0, sizeof(net));
	rig_init(&rigs[0], 0);
	reactor = rigs[0].reactor;
	for (unsigned i = 0; i < DEVICES; i++)
		open_device(i);
	hlc_init(&hlc, &rigs[0].env.env);
	assert_true(ec_init(&code, 4, 2));
	cluster = (struct cluster){.env = &rigs[0].env.env, .hlc = &hlc};
	atomic_init(&cluster.next_stage, 1000);
	cluster.account_rings = rig_rings(4, 3, DEVICES);
	cluster.container_rings = rig_rings(4, 3, DEVICES);
	struct ring_set *set = rig_rings(4, 6, DEVICES);
	set->need = 5;
	cluster.policies[0] = (struct policy){.name = "p", .rings = set, .ec = &code};
	backend.send = device_send;
	assert_int_equal(proxy_init(&proxy, &cluster, reactor, &backend, 0, 256 << 20), ERR_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_idle(&rigs[0]);
	for (unsigned i = 0; i < DEVICES; i++)
		close_device(i);
	proxy_done(&proxy);
	ring_set_free(cluster.account_rings);
	ring_set_free(cluster.container_rings);
	ring_set_free(cluster.policies[0].rings);
	reactor_free(reactor);
	buf_done(&seen.got);
	return 0;
}

/* --- doing things --- */

static bool ended;

static void tick(void)
{
	rigs[0].env.mono_us += 1000;
	rigs[0].env.wall_us += 1000;
	reactor_turn(reactor, false);
}

static uint64_t took_us; /* until it had its answer */

static void run(struct op *op)
{
	uint64_t began = rigs[0].env.mono_us;

	ended = false;
	op_start(op);
	for (unsigned turns = 0; !op->finished && turns < 100000; turns++)
		tick();
	assert_true(op->finished);
	took_us = rigs[0].env.mono_us - began;
	for (unsigned i = 0; i < net.call_count; i++)
		backend_finish(net.calls[i], ERR_DEADLINE);
	net.call_count = 0;
	while (!ended)
		tick();
}

static struct {
	struct op op;
	struct ec_put put;
	struct place place;
	struct commit commit;
	uint8_t *data;
	size_t size, at;
	bool absent;
	enum err err;
} writer;

static enum step write_body(struct op *op)
{
	enum err err;

	while (writer.at < writer.size && ec_put_room(&writer.put, writer.size - writer.at, &err)) {
		size_t n = writer.size - writer.at < EC_PIECE ? writer.size - writer.at : EC_PIECE;
		struct bytes *piece = bytes_copy(writer.data + writer.at, n);
		ec_put_add(&writer.put, piece);
		bytes_unref(piece);
		writer.at += n;
	}
	bool idle = ec_put_idle(&writer.put);
	if (writer.at < writer.size)
		return STEP_WAIT;
	ec_put_end(&writer.put);
	idle = ec_put_idle(&writer.put);
	return idle ? op_go(op, 1) : STEP_WAIT;
}

static enum step write_start(struct op *op)
{
	AUTO(buf) struct buf headers = BUF_NONE;
	struct backend_row row = {.content_type = "a/b", .etag = "e"};
	struct backend_msg *msg =
	        commit_message(&writer.commit, BACKEND_OBJECT_PUT, op, &proxy, 0, "a", "c", "o");

	kv_add(&headers, "Content-Type", "a/b");
	backend_msg_headers(msg, &headers);
	msg->size = writer.size;
	md5_digest(writer.data, writer.size, msg->etag);
	writer.commit.fragments = &writer.put;
	writer.commit.only_if_absent = writer.absent;
	msg->handle = 77;
	commit_updates(&writer.commit, &row, 0, 0);
	commit_start(&writer.commit);
	return op_go(op, 2);
}

static enum step write_end(struct op *op)
{
	(void)op;
	if (!commit_ready(&writer.commit))
		return STEP_WAIT;
	writer.err = writer.commit.err;
	return STEP_DONE;
}

static const struct op_state write_states[] = {
        {"body", write_body, TO(1), 0}, {"start", write_start, TO(2), 0}, {"end", write_end, 0, 0}};

static void write_release(struct op *op)
{
	(void)op;
	commit_done(&writer.commit);
	ec_put_done(&writer.put);
	free(writer.data);
	ended = true;
}

static uint8_t *body_of(unsigned version, size_t size)
{
	uint8_t *data = malloc(size + 1);

	rig_pattern("o", version, data, size);
	return data;
}

static enum err put_as(unsigned version, size_t size, bool absent)
{
	static uint64_t stage = 1;

	memset(&writer, 0, sizeof(writer));
	writer.absent = absent;
	writer.data = body_of(version, size);
	writer.size = size;
	op_init(&writer.op, reactor, write_states, write_release);
	proxy_place(&cluster, 0, "a", "c", "o", &writer.place);
	ec_put_start(&writer.put, &writer.op, &proxy, 0, &writer.place, "a", "c", "o", ++stage);
	run(&writer.op);
	return writer.err;
}

static enum err put(unsigned version, size_t size)
{
	return put_as(version, size, false);
}

static inline enum err put_absent(unsigned version, size_t size)
{
	return put_as(version, size, true);
}

static enum step plain_end(struct op *op)
{
	return write_end(op);
}
static const struct op_state plain_states[] = {{"end", plain_end, 0, 0}};

static uint64_t change_ts;

/* POST with a header, or DELETE. */
static inline enum err change(enum backend_op what, const char *value)
{
	AUTO(buf) struct buf headers = BUF_NONE;
	struct backend_row row = {.content_type = "a/b", .etag = "e", .deleted = !value};

	memset(&writer, 0, sizeof(writer));
	op_init(&writer.op, reactor, plain_states, write_release);
	struct backend_msg *msg =
	        commit_message(&writer.commit, what, &writer.op, &proxy, 0, "a", "c", "o");
	if (change_ts)
		msg->ts = change_ts;
	if (value) {
		kv_add(&headers, "X-Object-Meta-A", value);
		backend_msg_headers(msg, &headers);
	}
	commit_updates(&writer.commit, &row, 0, 0);
	commit_start(&writer.commit);
	run(&writer.op);
	return writer.err;
}

static enum step read_open(struct op *op)
{
	if (!reader_ready(&seen.reader))
		return STEP_WAIT;
	seen.err = seen.reader.err;
	seen.dead = ec_read_is_dead(seen.reader.ec, seen.dead_ts);
	const struct backend_reply *r = seen.reader.reply;
	if (seen.err)
		return STEP_DONE;
	const char *meta = kv_get(r->headers.data, r->headers.len, "X-Object-Meta-A");
	snprintf(seen.meta, sizeof(seen.meta), "%s", meta ? meta : "");
	if (seen.len > r->size - seen.offset)
		seen.len = r->size - seen.offset;
	if (r->body) {
		assert_true(r->body_len <= seen.len);
		buf_add(&seen.got, r->body->data + r->body_offset, r->body_len);
	}
	return op_go(op, 1);
}

static enum step read_on(struct op *op)
{
	struct bytes *piece;
	size_t offset, len;
	enum err err;

	(void)op;
	for (;;) {
		if (seen.got.len >= seen.len || seen.err) {
			reader_close(&seen.reader);
			return STEP_DONE;
		}
		if (!seen.reader.reading)
			reader_read(
			        &seen.reader, seen.offset + seen.got.len, seen.len - seen.got.len);
		if (!reader_take(&seen.reader, &err, &piece, &offset, &len))
			return STEP_WAIT;
		seen.err = err;
		if (err)
			continue;
		buf_add(&seen.got, piece->data + offset, len);
		bytes_unref(piece);
	}
}

static const struct op_state read_states[] = {{"open", read_open, TO(1), 0}, {"on", read_on, 0, 0}};

static void read_release(struct op *op)
{
	(void)op;
	reader_done(&seen.reader);
	ended = true;
}

static enum err read_range(uint64_t offset, uint64_t len)
{
	uint64_t dead_ts = seen.dead_ts;

	buf_done(&seen.got);
	memset(&seen, 0, sizeof(seen));
	seen.dead_ts = dead_ts;
	seen.offset = offset;
	seen.len = len;
	op_init(&seen.op, reactor, read_states, read_release);
	reader_open(&seen.reader, &seen.op, &proxy, 0, "a", "c", "o", offset, len);
	run(&seen.op);
	return seen.err;
}

/* The version that is read, by its bytes: 0 is not found, -1 unavailable, -2 something wrong. */
static int version(size_t size)
{
	enum err err = read_range(0, UINT64_MAX);

	if (err)
		return err == ERR_NOT_FOUND ? 0 : err == ERR_UNAVAILABLE ? -1 : -2;
	for (int v = 1; v < 10; v++) {
		uint8_t *want = body_of((unsigned)v, size);
		bool same = seen.got.len == size && memcmp(seen.got.data, want, size) == 0;
		free(want);
		if (same)
			return v;
	}
	return -2;
}

/* How many devices know the version that has been read as committed, or as a draft. */
static inline unsigned knowing(bool drafts, bool deleted)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DEVICES; i++) {
		struct backend_call call = {.origin = reactor, .done = on_done, .device = i};
		struct rig_call wrap = {.rig = &rigs[0]};
		call.msg = backend_msg_new(BACKEND_OBJECT_VERSION, BACKEND_OBJECT);
		struct place place;
		proxy_place(&cluster, 0, "a", "c", "o", &place);
		place_address(&place, call.msg);
		wrap.call = call;
		objectd_handle(rigs[i].objectd, &wrap.call);
		while (!wrap.done)
			reactor_turn(reactor, false);
		const struct backend_reply *r = &wrap.call.reply;
		n += drafts ? r->drafts[0] != 0 : !r->err && r->ts && r->deleted == deleted;
		backend_call_done(&wrap.call);
	}
	return n;
}

/* Devices by their place in the ring: bit i is the one that keeps fragment i. */
static inline uint32_t keeping(uint32_t fragments)
{
	struct place place;
	uint32_t devices = 0;

	proxy_place(&cluster, 0, "a", "c", "o", &place);
	for (unsigned i = 0; i < DEVICES; i++)
		devices |= (fragments >> i & 1) << place.devices[i];
	return devices;
}

static uint64_t post_to; /* as post.c does: for the version that was read */

static inline enum err post(const char *value)
{
	AUTO(buf) struct buf headers = BUF_NONE;
	struct backend_row row = {.content_type = "a/b", .etag = "e", .ts = post_to};

	memset(&writer, 0, sizeof(writer));
	op_init(&writer.op, reactor, plain_states, write_release);
	struct backend_msg *msg = commit_message(
	        &writer.commit, BACKEND_OBJECT_POST, &writer.op, &proxy, 0, "a", "c", "o");
	kv_add(&headers, "X-Object-Meta-A", value);
	backend_msg_headers(msg, &headers);
	writer.commit.known = post_to;
	commit_updates(&writer.commit, &row, 0, 0);
	commit_start(&writer.commit);
	run(&writer.op);
	return writer.err;
}

static struct {
	struct op op;
	struct repair *repair;
	enum err err;
} pusher;

static enum step push_end(struct op *op)
{
	(void)op;
	return repair_outcome(pusher.repair, &pusher.err) ? STEP_DONE : STEP_WAIT;
}
static const struct op_state push_states[] = {{"end", push_end, 0, 0}};

static void push_release(struct op *op)
{
	(void)op;
	repair_unref(pusher.repair);
	ended = true;
}

static enum err push(uint64_t ts, uint64_t meta_ts, unsigned from, unsigned to)
{
	struct backend_key key = {.ts = ts, .meta_ts = meta_ts};
	struct place place;

	proxy_place(&cluster, 0, "a", "c", "o", &place);
	memcpy(key.key, place.key, 16);
	op_init(&pusher.op, reactor, push_states, push_release);
	pusher.repair = repair_push(
	        &proxy, &pusher.op, 0, &key, REPAIR_WHOLE, place.devices[from], place.devices[to]);
	run(&pusher.op);
	rig_idle(&rigs[0]);
	return pusher.err;
}

static inline uint64_t draft_of(unsigned at)
{
	struct device_version drafts[DEVICE_DRAFTS];
	uint8_t spaces[DEVICE_DRAFTS];
	struct place place;

	proxy_place(&cluster, 0, "a", "c", "o", &place);
	assert_int_equal(
	        device_drafts(rigs[place.devices[at]].device, 0, place.key, drafts, spaces), 1);
	return drafts[0].ts;
}

/* Of these devices, n in each; the oldest first. */
static struct ring_set *rings_of(const uint32_t *devices, unsigned n, unsigned count)
{
	struct ring *rings[2];
	uint32_t *handles[2];

	for (unsigned r = 0; r < count; r++) {
		rings[r] = rig_ring(4, n, n);
		handles[r] = mem_dup(devices + r * n, n * sizeof(*devices));
	}
	struct ring_set *set = ring_set_new(rings, handles, count);
	set->need = n == 3 ? 3 : 5;
	return set;
}

/* 2+1 or 4+2, on these in one ring and on those in a newer one, if there is one. */
static void use_rings(const uint32_t *devices, unsigned n, unsigned count)
{
	ring_set_free(cluster.policies[0].rings);
	cluster.policies[0].rings = rings_of(devices, n, count);
	assert_true(n == 3 ? ec_init(&code, 2, 1) : ec_init(&code, 4, 2));
}

static unsigned place_of(uint32_t device)
{
	struct place place;

	proxy_place(&cluster, 0, "a", "c", "o", &place);
	return (unsigned)__builtin_ctzll(place_bit(&place, device));
}

#endif
