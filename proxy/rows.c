#include "proxy/rows.h"

#include "lib/base/auto.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX   128
#define FLIGHT_MAX  2 /* batches of one container under way at once */
#define DEADLINE_MS 10000

struct queue {
	struct hash_node node;
	struct proxy *proxy; /* borrowed */
	struct list waiting; /* struct row_put */
	struct task task;
	bool queued;
	unsigned flying;                 /* batches whose outcome is open */
	unsigned batches;                /* that still refer to the queue */
	const char *account, *container; /* owned, in path */
	size_t path_len;
	char path[];
};

struct batch {
	struct op op;
	struct queue *queue;
	struct fan fan;
	struct list puts;
	bool told;
};

static void flush(struct queue *queue);

static void tell(struct batch *batch, enum err err)
{
	batch->told = true;
	batch->queue->flying--;
	LIST_EACH_SAFE (node, &batch->puts) {
		struct row_put *put = LIST_ENTRY(node, struct row_put, link);
		list_remove(node);
		put->err = err;
		put->done(put);
	}
	flush(batch->queue);
}

static enum step batch_wait(struct op *op)
{
	struct batch *batch = CONTAINER_OF(op, struct batch, op);

	if (!batch->told) {
		if (fan_says(&batch->fan, ERR_OK))
			tell(batch, ERR_OK);
		else if (!fan_open(&batch->fan))
			tell(batch, fan_says(&batch->fan, ERR_NOT_FOUND) ? ERR_NOT_FOUND
			                                                 : ERR_UNAVAILABLE);
	}
	return fan_open(&batch->fan) ? STEP_WAIT : STEP_DONE;
}

static const struct op_state batch_states[] = {{"batch", batch_wait, 0, 0}};

static void free_idle(struct queue *queue)
{
	if (queue->batches || !list_empty(&queue->waiting) || queue->queued)
		return;
	hash_remove(&queue->proxy->row_queues, &queue->node);
	free(queue);
}

static void batch_release(struct op *op)
{
	struct batch *batch = CONTAINER_OF(op, struct batch, op);
	struct queue *queue = batch->queue;

	fan_done(&batch->fan);
	free(batch);
	queue->batches--;
	free_idle(queue);
}

static struct backend_msg *message(struct queue *queue, struct batch *batch)
{
	struct backend_msg *msg = backend_msg_new(
	        BACKEND_DB_UPDATE, queue->container ? BACKEND_CONTAINER : BACKEND_ACCOUNT);
	struct backend_row *rows = backend_msg_alloc(msg, BATCH_MAX * sizeof(*rows));
	unsigned count = 0;

	while (count < BATCH_MAX && !list_empty(&queue->waiting)) {
		struct row_put *put = LIST_ENTRY(queue->waiting.next, struct row_put, link);
		list_remove(&put->link);
		list_append(&batch->puts, &put->link);
		struct backend_row *row = &rows[count++];
		*row = put->row;
		row->name = backend_msg_strdup(msg, row->name);
		row->content_type =
		        backend_msg_strdup(msg, row->content_type ? row->content_type : "");
		row->etag = backend_msg_strdup(msg, row->etag ? row->etag : "");
		if (row->ts > msg->ts)
			msg->ts = row->ts;
	}
	msg->rows = rows;
	msg->row_count = count;
	return msg;
}

static void flush(struct queue *queue)
{
	struct place place;

	while (queue->flying < FLIGHT_MAX && !list_empty(&queue->waiting)) {
		struct batch *batch = mem_zalloc(sizeof(*batch));
		batch->queue = queue;
		list_init(&batch->puts);
		op_init(&batch->op, queue->proxy->reactor, batch_states, batch_release);
		struct backend_msg *msg = message(queue, batch);
		backend_msg_path(msg, queue->account, queue->container, NULL);
		proxy_place(
		        queue->proxy->cluster, 0, queue->account, queue->container, NULL, &place);
		queue->flying++;
		queue->batches++;
		fan_ask(&batch->fan, &batch->op, queue->proxy, msg, &place, DEADLINE_MS);
		op_start(&batch->op);
	}
}

static void on_task(struct task *task)
{
	struct queue *queue = CONTAINER_OF(task, struct queue, task);

	queue->queued = false;
	flush(queue);
	free_idle(queue);
}

static struct queue *queue_of(struct proxy *proxy, const char *account, const char *container)
{
	size_t a = strlen(account) + 1, c = container ? strlen(container) + 1 : 0;
	size_t len = a + c;
	AUTO(buf) struct buf both = BUF_NONE;

	buf_add(&both, account, a);
	if (c)
		buf_add(&both, container, c);
	const char *key = both.data;
	uint64_t h = hash_bytes(key, len, 3) | 1;
	for (struct hash_node *n = hash_find(&proxy->row_queues, h); n; n = hash_find_next(n)) {
		struct queue *q = CONTAINER_OF(n, struct queue, node);
		if (q->path_len == len && memcmp(q->path, key, len) == 0)
			return q;
	}
	struct queue *q = mem_zalloc(sizeof(*q) + len);
	q->proxy = proxy;
	q->task.run = on_task;
	q->path_len = len;
	memcpy(q->path, key, len);
	q->account = q->path;
	q->container = c ? q->path + a : NULL;
	list_init(&q->waiting);
	hash_insert(&proxy->row_queues, &q->node, h);
	return q;
}

void rows_put(struct proxy *proxy, const char *account, const char *container, struct row_put *put)
{
	struct queue *queue = queue_of(proxy, account, container);

	list_append(&queue->waiting, &put->link);
	if (!queue->queued) {
		/* From the loop, so that all updates of this turn travel together. */
		queue->queued = true;
		reactor_post(proxy->reactor, &queue->task);
	}
}
