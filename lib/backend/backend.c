#include "lib/backend/backend.h"

#include "lib/base/arena.h"
#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

struct backend_msg *backend_msg_new(enum backend_op op, enum backend_kind kind)
{
	struct arena arena;

	arena_init(&arena);
	struct backend_msg *msg = arena_zalloc(&arena, sizeof(*msg));
	struct arena *kept = arena_alloc(&arena, sizeof(*kept));
	*kept = arena;
	msg->arena = kept;
	msg->op = (uint8_t)op;
	msg->kind = (uint8_t)kind;
	atomic_init(&msg->refs, 1);
	return msg;
}

struct backend_msg *backend_msg_ref(struct backend_msg *msg)
{
	atomic_fetch_add_explicit(&msg->refs, 1, memory_order_relaxed);
	return msg;
}

void backend_msg_unref(struct backend_msg *msg)
{
	if (!msg || atomic_fetch_sub_explicit(&msg->refs, 1, memory_order_acq_rel) != 1)
		return;
	bytes_unref(msg->body);
	backend_msg_unref(msg->parent);
	struct arena arena = *msg->arena;
	arena_done(&arena);
}

void *backend_msg_alloc(struct backend_msg *msg, size_t size)
{
	return arena_zalloc(msg->arena, size);
}

const char *backend_msg_strdup(struct backend_msg *msg, const char *text)
{
	return text ? arena_strdup(msg->arena, text) : NULL;
}

void backend_msg_path(
        struct backend_msg *msg, const char *account, const char *container, const char *object)
{
	msg->account = backend_msg_strdup(msg, account);
	msg->container = backend_msg_strdup(msg, container);
	msg->object = backend_msg_strdup(msg, object);
}

void backend_msg_headers(struct backend_msg *msg, const struct buf *block)
{
	void *copy = arena_alloc(msg->arena, block->len);

	if (block->len)
		memcpy(copy, block->data, block->len);
	msg->headers = copy;
	msg->headers_len = block->len;
}

struct backend_msg *backend_msg_at(struct backend_msg *msg, uint64_t ts)
{
	struct backend_msg *copy = backend_msg_new(msg->op, msg->kind);
	struct arena *arena = copy->arena;
	struct backend_update *updates =
	        backend_msg_alloc(copy, (msg->update_count + 1) * sizeof(*updates));

	for (unsigned i = 0; i < msg->update_count; i++) {
		updates[i] = msg->updates[i];
		*(updates[i].row.meta_ts ? &updates[i].row.meta_ts : &updates[i].row.ts) = ts;
	}
	*copy = *msg;
	atomic_init(&copy->refs, 1);
	copy->arena = arena;
	copy->parent = backend_msg_ref(msg);
	copy->body = msg->body ? bytes_ref(msg->body) : NULL;
	copy->updates = updates;
	copy->ts = ts;
	return copy;
}

static void deliver(struct task *task)
{
	struct backend_call *call = CONTAINER_OF(task, struct backend_call, task);

	call->answered = true;
	call->done(call);
}

void backend_finish(struct backend_call *call, enum err err)
{
	call->reply.err = err;
	call->task.run = deliver;
	reactor_post(call->origin, &call->task);
}

void backend_call_done(struct backend_call *call)
{
	buf_done(&call->reply.headers);
	buf_done(&call->reply.path);
	buf_done(&call->reply.rows);
	buf_done(&call->reply.items);
	buf_done(&call->reply.points);
	bytes_unref(call->reply.body);
	call->reply.body = NULL;
	backend_msg_unref(call->msg);
	call->msg = NULL;
}

/* Fixed part of an encoded row; the three texts follow, each with its NUL. Native byte order: a
 * row never leaves the process in this form. */
struct packed_row {
	uint64_t ts, bytes, count, totals_ts, meta_ts;
	uint32_t name_len, type_len, etag_len;
	uint8_t policy, deleted, subdir, pad;
};

void backend_rows_add(struct buf *rows, const struct backend_row *row)
{
	struct packed_row head = {
	        .ts = row->ts,
	        .bytes = row->bytes,
	        .count = row->count,
	        .totals_ts = row->totals_ts,
	        .meta_ts = row->meta_ts,
	        .name_len = (uint32_t)strlen(row->name),
	        .type_len = row->content_type ? (uint32_t)strlen(row->content_type) : 0,
	        .etag_len = row->etag ? (uint32_t)strlen(row->etag) : 0,
	        .policy = row->policy,
	        .deleted = row->deleted,
	        .subdir = row->subdir,
	};

	buf_add(rows, &head, sizeof(head));
	buf_add(rows, row->name, head.name_len + 1);
	buf_add(rows, row->content_type ? row->content_type : "", head.type_len + 1);
	buf_add(rows, row->etag ? row->etag : "", head.etag_len + 1);
}

bool backend_rows_next(const struct buf *rows, size_t *at, struct backend_row *ret_row)
{
	struct packed_row head;

	if (*at >= rows->len)
		return false;
	memcpy(&head, rows->data + *at, sizeof(head));
	const char *text = rows->data + *at + sizeof(head);
	*ret_row = (struct backend_row){
	        .name = text,
	        .content_type = text + head.name_len + 1,
	        .etag = text + head.name_len + 1 + head.type_len + 1,
	        .ts = head.ts,
	        .bytes = head.bytes,
	        .count = head.count,
	        .totals_ts = head.totals_ts,
	        .meta_ts = head.meta_ts,
	        .policy = head.policy,
	        .deleted = head.deleted,
	        .subdir = head.subdir,
	};
	*at += sizeof(head) + head.name_len + head.type_len + head.etag_len + 3;
	return true;
}

void backend_updates_add(struct buf *rows, const struct backend_update *update)
{
	const struct backend_row where = {
	        .name = update->account, .content_type = update->container};

	backend_rows_add(rows, &where);
	backend_rows_add(rows, &update->row);
}

void backend_msg_updates(struct backend_msg *msg, const struct buf *rows)
{
	struct backend_update *updates;
	struct backend_row where, row;
	unsigned n = 0;

	for (size_t at = 0; backend_rows_next(rows, &at, &where);)
		n++;
	updates = backend_msg_alloc(msg, (n / 2 + 1) * sizeof(*updates));
	n = 0;
	for (size_t at = 0;
	        backend_rows_next(rows, &at, &where) && backend_rows_next(rows, &at, &row);) {
		row.name = backend_msg_strdup(msg, row.name);
		row.content_type = backend_msg_strdup(msg, row.content_type);
		row.etag = backend_msg_strdup(msg, row.etag);
		updates[n++] = (struct backend_update){
		        .account = backend_msg_strdup(msg, where.name),
		        .container = backend_msg_strdup(msg, where.content_type),
		        .row = row,
		};
	}
	msg->updates = updates;
	msg->update_count = n;
}
