/* rows_rig: rows over a fake log, with calls that read like function calls. Included by tests
 * that link no real device. */
#ifndef TESTS_LIB_ROWS_RIG_H
#define TESTS_LIB_ROWS_RIG_H

#include "tests/lib/rowlog_fake.h"
#include "tests/lib/test.h"

#include "lib/base/bytes.h"
#include "lib/base/kv.h"
#include "lib/crypto/md5.h"
#include "lib/rows/rows.h"
#include <sched.h>

struct rig {
	struct reactor *reactor;
	struct work_pool *pool;
	struct device device;
	struct rows *rows;
	struct rows_config config;
	char top[300], path[400];
	bool closed;
	struct env_fake clock; /* moves half a millisecond with each turn of the loop */
};

static void rig_turn(struct rig *rig)
{
	rig->clock.mono_us += 500;
	rig->clock.wall_us += 500;
	do {
		/* The clock stands still while the pool works, however slow the machine is. */
		if (!reactor_turn(rig->reactor, false))
			sched_yield();
	} while (work_pool_pending(rig->pool));
}

/* Lets time pass, with everything that comes due in it. */
static inline void rig_pass(struct rig *rig, uint64_t us)
{
	for (uint64_t end_us = rig->clock.mono_us + us; rig->clock.mono_us < end_us;)
		rig_turn(rig);
}

static void rig_init(struct rig *rig, enum backend_kind kind)
{
	memset(rig, 0, sizeof(*rig));
	env_fake_init(&rig->clock, 1);
	rig->clock.wall_us = 1700000000000000;
	assert_int_equal(reactor_new(&rig->clock.env, 64, &rig->reactor), ERR_OK);
	reactor_turn(rig->reactor, false); /* it is this thread's from now on */
	assert_int_equal(work_pool_new(2, 64, &rig->pool), ERR_OK);
	snprintf(rig->top, sizeof(rig->top), "%s", test_tmpdir());
	snprintf(rig->path, sizeof(rig->path), "%s/store", rig->top);
	rowlog_open(&rig->device, rig->reactor);
	rig->config = (struct rows_config){.kind = kind,
	        .reactor = rig->reactor,
	        .pool = rig->pool,
	        .path = rig->path,
	        .reclaim_age = UINT64_MAX /* tests count time from 1: keep all tombstones */};
}

/* Opens, replays and starts. */
static enum err rig_open(struct rig *rig)
{
	enum err err = rows_open(&rig->config, &rig->rows);

	if (err)
		return err;
	rowlog_replay(&rig->device,
	        rig->config.kind == BACKEND_CONTAINER ? DEVICE_ROLE_CONTAINER : DEVICE_ROLE_ACCOUNT,
	        rows_replay(rig->rows));
	return rows_start(rig->rows, &rig->device);
}

static void rig_on_closed(void *arg)
{
	((struct rig *)arg)->closed = true;
}

static void rig_close(struct rig *rig)
{
	rig->closed = false;
	rows_close(rig->rows, rig_on_closed, rig);
	while (!rig->closed)
		rig_turn(rig);
	rig->rows = NULL;
}

static void rig_done(struct rig *rig)
{
	if (rig->rows)
		rig_close(rig);
	rowlog_free(&rig->device);
	work_pool_free(rig->pool);
	reactor_free(rig->reactor);
	test_tmpdir_remove(rig->top);
	bytes_cache_drop();
}

/* Turns the loop until everything is in the store. */
static inline void rig_settle(struct rig *rig)
{
	while (!rows_idle(rig->rows))
		rig_turn(rig);
}

static void rig_answered(struct backend_call *call)
{
	*(bool *)call->owner = true;
}

static struct backend_msg *rig_msg(
        const struct rig *rig, enum backend_op op, const char *name, uint64_t ts)
{
	struct backend_msg *msg = backend_msg_new(op, rig->config.kind);

	if (rig->config.kind == BACKEND_CONTAINER)
		backend_msg_path(msg, "a", name, NULL);
	else
		backend_msg_path(msg, name, NULL, NULL);
	md5_digest(name, strlen(name), msg->key);
	msg->ts = ts;
	return msg;
}

static struct backend_call *rig_send(struct rig *rig, struct backend_msg *msg, bool *answered)
{
	struct backend_call *call = mem_zalloc(sizeof(*call));

	*answered = false;
	call->msg = msg;
	call->done = rig_answered;
	call->owner = answered;
	call->origin = rig->reactor;
	rows_handle(rig->rows, call);
	return call;
}

static void rig_wait(struct rig *rig, const bool *answered)
{
	while (!*answered)
		rig_turn(rig);
}

static void rig_free(struct backend_call *call)
{
	backend_call_done(call);
	free(call);
}

static struct backend_call *rig_ask(struct rig *rig, struct backend_msg *msg)
{
	bool answered;
	struct backend_call *call = rig_send(rig, msg, &answered);

	rig_wait(rig, &answered);
	return call;
}

static enum err rig_do(struct rig *rig, struct backend_msg *msg)
{
	struct backend_call *call = rig_ask(rig, msg);
	enum err err = call->reply.err;

	rig_free(call);
	return err;
}

static inline enum err rig_put(struct rig *rig, const char *name, uint64_t ts)
{
	return rig_do(rig, rig_msg(rig, BACKEND_DB_PUT, name, ts));
}

static inline enum err rig_delete(struct rig *rig, const char *name, uint64_t ts)
{
	return rig_do(rig, rig_msg(rig, BACKEND_DB_DELETE, name, ts));
}

static inline struct backend_msg *rig_rows_msg(
        const struct rig *rig, const char *name, const struct backend_row *rows, unsigned count)
{
	struct backend_msg *msg = rig_msg(rig, BACKEND_DB_UPDATE, name, 1);
	struct backend_row *copy = backend_msg_alloc(msg, count * sizeof(*copy));

	for (unsigned i = 0; i < count; i++) {
		copy[i] = rows[i];
		copy[i].name = backend_msg_strdup(msg, rows[i].name);
		copy[i].content_type = backend_msg_strdup(msg, rows[i].content_type);
		copy[i].etag = backend_msg_strdup(msg, rows[i].etag);
	}
	msg->rows = copy;
	msg->row_count = count;
	return msg;
}

static inline enum err rig_update(
        struct rig *rig, const char *name, const struct backend_row *rows, unsigned count)
{
	return rig_do(rig, rig_rows_msg(rig, name, rows, count));
}

static inline enum err rig_row(
        struct rig *rig, const char *name, const char *object, uint64_t ts, uint64_t bytes)
{
	return rig_update(rig, name,
	        &(struct backend_row){.name = object,
	                .ts = ts,
	                .bytes = bytes,
	                .content_type = "text/plain",
	                .etag = "d41d8cd98f00b204e9800998ecf8427e"},
	        1);
}

static inline enum err rig_unrow(struct rig *rig, const char *name, const char *object, uint64_t ts)
{
	return rig_update(
	        rig, name, &(struct backend_row){.name = object, .ts = ts, .deleted = true}, 1);
}

static inline struct backend_call *rig_head(struct rig *rig, const char *name)
{
	return rig_ask(rig, rig_msg(rig, BACKEND_DB_HEAD, name, 0));
}

static inline struct backend_call *rig_list(
        struct rig *rig, const char *name, const struct backend_list *list)
{
	struct backend_msg *msg = rig_msg(rig, BACKEND_DB_LIST, name, 0);

	msg->list = *list;
	msg->list.marker = backend_msg_strdup(msg, list->marker);
	msg->list.end_marker = backend_msg_strdup(msg, list->end_marker);
	msg->list.prefix = backend_msg_strdup(msg, list->prefix);
	msg->list.delimiter = backend_msg_strdup(msg, list->delimiter);
	msg->list.path = backend_msg_strdup(msg, list->path);
	return rig_ask(rig, msg);
}

/* The names of a listing, each followed by a blank; subdirs in brackets. Static. */
static inline const char *rig_names(struct rig *rig, const char *name, struct backend_list list)
{
	static struct buf text;
	struct backend_row row;

	list.limit = list.limit ? list.limit : 10000;
	struct backend_call *call = rig_list(rig, name, &list);
	buf_reset(&text);
	for (size_t at = 0; backend_rows_next(&call->reply.rows, &at, &row);)
		buf_printf(&text, row.subdir ? "(%s) " : "%s ", row.name);
	rig_free(call);
	return buf_text(&text);
}

#endif
