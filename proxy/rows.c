#include "proxy/rows.h"

#include "lib/base/auto.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "proxy/gone.h"
#include "proxy/ranges.h"
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX   128
#define FLIGHT_MAX  2 /* batches of one container under way at once */
#define DEADLINE_MS 10000
#define AGAIN_US    10000 /* between tries of a row that was refused more than once */

/* A row on one of its ways. */
struct leg {
	struct list link;
	struct row_put *put;
};

struct queue {
	struct hash_node node;
	struct proxy *proxy; /* borrowed */
	struct list waiting; /* struct leg */
	struct task task;
	bool queued;
	unsigned flying;  /* batches whose outcome is open */
	unsigned batches; /* that still refer to the queue */
	/* in path: id of the range ("": the container itself), and of the one behind it that its
	 * rows are brought to as well ("": none) */
	const char *account, *container, *id, *also;
	size_t path_len;
	char path[];
};

struct batch {
	struct op op;
	struct queue *queue;
	struct fan fan;
	struct list legs;
	bool told;
};

static void flush(struct queue *queue);
static void route(struct row_put *put);

static void on_again(struct timer *timer)
{
	route(CONTAINER_OF(timer, struct row_put, timer));
}

/* The last of its legs has ended. */
static void put_end(struct row_put *put)
{
	if (!put->again || reactor_now_us(put->proxy->reactor) >= put->until_us) {
		if (put->again)
			put->err = ERR_UNAVAILABLE;
		put->done(put);
		return;
	}
	put->timer.fire = on_again;
	timer_set(put->proxy->reactor, &put->timer, ++put->tries > 1 ? AGAIN_US : 1);
}

static void leg_end(struct leg *leg, enum err err, bool again)
{
	struct row_put *put = leg->put;

	free(leg);
	put->again |= again || (err == ERR_NOT_FOUND && put->awaits);
	if (err && (!put->err || err == ERR_NOT_FOUND))
		put->err = err;
	if (--put->legs == 0)
		put_end(put);
}

/* again: the rows may still have a place, but this was not it. */
static void tell(struct batch *batch, enum err err, bool again)
{
	batch->told = true;
	batch->queue->flying--;
	LIST_EACH_SAFE (node, &batch->legs) {
		list_remove(node);
		leg_end(LIST_ENTRY(node, struct leg, link), err, again);
	}
	flush(batch->queue);
}

/* Has all that the batch brings moved to where it is brought as well? */
static bool moved_along(const struct batch *batch, const struct backend_reply *reply)
{
	struct backend_row point;

	LIST_EACH (node, &batch->legs) {
		const struct leg *leg = LIST_ENTRY(node, struct leg, link);
		if (!points_find(&reply->points, leg->put->row.name, &point) || point.deleted ||
		        strcmp(point.content_type, batch->queue->also) != 0)
			return false;
	}
	return true;
}

/* Who refuses because the names have moved to where they go too is as good as one that has them:
 * whoever lists them there is sent on. */
static uint64_t taken(const struct batch *batch)
{
	const struct fan *fan = &batch->fan;
	uint64_t mask = fan_mask(fan, fan->place, ERR_OK);

	for (unsigned i = 0; i < fan->count && *batch->queue->also; i++) {
		const struct backend_call *call = &fan->calls[i];
		if (call->answered && call->reply.err == ERR_MOVED &&
		        moved_along(batch, &call->reply))
			mask |= place_bit(fan->place, call->device);
	}
	return mask;
}

static void learn(const struct batch *batch)
{
	const struct queue *q = batch->queue;

	ranges_learn(q->proxy, q->account, q->container, q->id, &batch->fan);
}

static void judge(struct batch *batch)
{
	const struct fan *fan = &batch->fan;
	const struct queue *queue = batch->queue;
	bool moved = fan_with(fan, ERR_MOVED) > 0;
	uint64_t refused = fan_mask(fan, fan->place, ERR_MOVED);

	if (place_met(fan->place, taken(batch))) {
		if (moved)
			learn(batch);
		tell(batch, ERR_OK, false);
		return;
	}
	if (fan_open(fan) && !(moved && !place_possible(fan->place, refused & ~taken(batch))))
		return;
	if (moved)
		learn(batch);
	bool gone = fan_says(fan, ERR_NOT_FOUND) && gone_by(fan, fan->place, 0) != GONE_OPEN;
	if (gone && *queue->id) {
		/* The range may be of a container that was deleted and made anew. */
		ranges_forget(queue->proxy, queue->account, queue->container);
		tell(batch, ERR_UNAVAILABLE, true);
	} else if (gone) {
		tell(batch, ERR_NOT_FOUND, false);
	} else {
		tell(batch, ERR_UNAVAILABLE, moved || fan_with(fan, ERR_BUSY));
	}
}

static enum step batch_wait(struct op *op)
{
	struct batch *batch = CONTAINER_OF(op, struct batch, op);

	if (!batch->told)
		judge(batch);
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
		struct leg *leg = LIST_ENTRY(queue->waiting.next, struct leg, link);
		list_remove(&leg->link);
		list_append(&batch->legs, &leg->link);
		struct backend_row *row = &rows[count++];
		*row = leg->put->row;
		row->name = backend_msg_strdup(msg, row->name);
		row->content_type =
		        backend_msg_strdup(msg, row->content_type ? row->content_type : "");
		row->etag = backend_msg_strdup(msg, row->etag ? row->etag : "");
		if (row->ts > msg->ts)
			msg->ts = row->ts;
		if (row->meta_ts > msg->ts)
			msg->ts = row->meta_ts;
	}
	msg->rows = rows;
	msg->row_count = count;
	if (*queue->also)
		msg->list.marker = backend_msg_strdup(msg, queue->also);
	return msg;
}

static void flush(struct queue *queue)
{
	struct proxy *proxy = queue->proxy;
	struct place place;

	while (queue->flying < FLIGHT_MAX && !list_empty(&queue->waiting)) {
		AUTO(buf) struct buf room = BUF_NONE;
		const char *account = queue->account, *container = queue->container;
		struct batch *batch = mem_zalloc(sizeof(*batch));
		batch->queue = queue;
		list_init(&batch->legs);
		op_init(&batch->op, proxy->reactor, batch_states, batch_release);
		struct backend_msg *msg = message(queue, batch);
		if (container)
			range_path(account, container, queue->id, &room, &account, &container);
		backend_msg_path(msg, account, container, NULL);
		proxy_place(proxy->cluster, 0, account, container, NULL, &place);
		queue->flying++;
		queue->batches++;
		fan_ask(&batch->fan, &batch->op, proxy, msg, &place, DEADLINE_MS);
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

static struct queue *new_queue(struct proxy *proxy, const struct buf *key, bool container)
{
	struct queue *q = mem_zalloc(sizeof(*q) + key->len);
	const char *end = memcpy(q->path, key->data, key->len);

	q->proxy = proxy;
	q->task.run = on_task;
	q->path_len = key->len;
	q->account = q->id = q->also = end;
	end += strlen(end) + 1;
	q->container = container ? end : NULL;
	end += strlen(end) + 1;
	q->id = end;
	q->also = end + strlen(end) + 1;
	list_init(&q->waiting);
	return q;
}

static struct queue *queue_of(struct proxy *proxy, const char *account, const char *container,
        const char *id, const char *also)
{
	const char *texts[] = {account, container ? container : "", id, also};
	AUTO(buf) struct buf key = BUF_NONE;

	for (unsigned i = 0; i < COUNT_OF(texts); i++)
		buf_add(&key, texts[i], strlen(texts[i]) + 1);
	uint64_t h = hash_bytes(key.data, key.len, 3) | 1;
	for (struct hash_node *n = hash_find(&proxy->row_queues, h); n; n = hash_find_next(n)) {
		struct queue *q = CONTAINER_OF(n, struct queue, node);
		if (q->path_len == key.len && memcmp(q->path, key.data, key.len) == 0)
			return q;
	}
	struct queue *q = new_queue(proxy, &key, container);
	hash_insert(&proxy->row_queues, &q->node, h);
	return q;
}

static void add_leg(struct row_put *put, const char *id, const char *also)
{
	struct queue *queue = queue_of(put->proxy, put->account, put->container, id, also);
	struct leg *leg = mem_zalloc(sizeof(*leg));

	leg->put = put;
	put->legs++;
	list_append(&queue->waiting, &leg->link);
	if (!queue->queued) {
		/* From the loop, so that all updates of this turn travel together. */
		queue->queued = true;
		reactor_post(put->proxy->reactor, &queue->task);
	}
}

/* To the range behind the nearest point; and as long as that is not sure, also to those before it
 * that may have the name, down to one that is. */
static void route(struct row_put *put)
{
	const struct buf *points =
	        put->container ? ranges_known(put->proxy, put->account, put->container) : NULL;
	struct backend_row point, nearest = {.content_type = ""};
	const char *sure = "";

	put->err = ERR_OK;
	put->again = false;
	for (size_t at = 0; points && backend_rows_next(points, &at, &point);) {
		if (strcmp(point.name, put->row.name) >= 0)
			break;
		nearest = point;
		if (!point.deleted)
			sure = point.content_type;
	}
	const char *last = nearest.content_type;
	add_leg(put, sure, strcmp(sure, last) == 0 ? "" : last);
	bool behind = !*sure;
	for (size_t at = 0; points && backend_rows_next(points, &at, &point);) {
		if (strcmp(point.name, put->row.name) >= 0)
			break;
		if (behind)
			add_leg(put, point.content_type,
			        strcmp(point.content_type, last) == 0 ? "" : last);
		behind |= strcmp(point.content_type, sure) == 0;
	}
}

void rows_put(struct proxy *proxy, const char *account, const char *container, struct row_put *put)
{
	put->proxy = proxy;
	put->account = account;
	put->container = container;
	put->legs = put->tries = 0;
	put->until_us = reactor_now_us(proxy->reactor) + DEADLINE_MS * 1000ull;
	route(put);
}
