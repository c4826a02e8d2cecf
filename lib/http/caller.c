#include "lib/http/caller.h"

#include "lib/base/mem.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 500

struct caller {
	struct client *client;
	pthread_t thread;
	pthread_mutex_t lock; /* of what loops and the thread share: these, and pieces */
	struct list incoming; /* struct outcall */
	bool stopping;
};

/* --- on the thread --- */

static void on_want(struct task *task)
{
	struct outcall *call = CONTAINER_OF(task, struct outcall, want_task);

	call->want(call);
}

static void on_done(struct task *task)
{
	struct outcall *call = CONTAINER_OF(task, struct outcall, done_task);

	call->done(call, call->err);
}

/* From here on it is its owner's. */
static void finish(struct outcall *call, enum err err)
{
	struct caller *caller = call->caller;

	pthread_mutex_lock(&caller->lock);
	call->over = true;
	call->err = err;
	list_remove(&call->link);
	pthread_mutex_unlock(&caller->lock);
	call->done_task.run = on_done;
	reactor_post(call->reactor, &call->done_task);
}

static void on_answered(struct exchange *x, enum err err)
{
	finish(x->owner, err);
}

static size_t pull(struct exchange *x, void *into, size_t room)
{
	struct outcall *call = x->owner;
	struct caller *caller = call->caller;
	size_t n = EXCHANGE_PAUSE;

	pthread_mutex_lock(&caller->lock);
	size_t left = call->len - call->taken;
	if (left) {
		n = left < room ? left : room;
		memcpy(into, call->piece->data + call->offset + call->taken, n);
		call->taken += n;
	} else if (!call->paused) {
		call->paused = true;
		call->want_task.run = on_want;
		reactor_post(call->reactor, &call->want_task);
	}
	pthread_mutex_unlock(&caller->lock);
	return n;
}

static void rewind_body(struct exchange *x)
{
	((struct outcall *)x->owner)->taken = 0;
}

static void start(struct outcall *call)
{
	bool whole = call->len == call->body_len;

	call->sent = true;
	call->x = (struct exchange){
	        .method = call->method,
	        .url = buf_text(&call->url),
	        .headers = call->headers.data,
	        .headers_len = call->headers.len,
	        .body_len = (int64_t)call->body_len,
	        .timeout_ms = call->timeout_ms,
	        .idle_timeout_ms = call->idle_timeout_ms,
	        .once = !whole,
	        .pull = pull,
	        .rewind = whole ? rewind_body : NULL,
	        .done = on_answered,
	        .owner = call,
	};
	enum err err = exchange_start(call->caller->client, &call->x);
	if (err)
		finish(call, err);
}

static void look_at(struct outcall *call)
{
	if (call->stopped) {
		if (call->sent)
			exchange_abort(&call->x);
		finish(call, ERR_CANCELLED);
	} else if (!call->sent) {
		start(call);
	} else {
		exchange_go_on(&call->x);
	}
}

/* NULL: nothing for now. */
static struct outcall *next_call(struct caller *caller, bool *ret_stopping)
{
	struct list *first;

	pthread_mutex_lock(&caller->lock);
	if ((first = list_first(&caller->incoming)))
		list_remove(first);
	*ret_stopping = caller->stopping;
	pthread_mutex_unlock(&caller->lock);
	return first ? LIST_ENTRY(first, struct outcall, link) : NULL;
}

static void *run(void *arg)
{
	struct caller *caller = arg;
	struct outcall *call;
	bool stopping = false;

	while (!stopping) {
		while ((call = next_call(caller, &stopping)))
			look_at(call);
		client_turn(caller->client, TICK_MS);
	}
	bytes_cache_drop();
	return NULL;
}

/* --- on the loops --- */

/* With the lock. */
static void queue(struct outcall *call)
{
	if (list_empty(&call->link))
		list_append(&call->caller->incoming, &call->link);
}

void caller_send(struct caller *caller, struct outcall *call)
{
	call->caller = caller;
	call->reactor = reactor_current();
	list_init(&call->link);
	pthread_mutex_lock(&caller->lock);
	queue(call);
	pthread_mutex_unlock(&caller->lock);
	client_wake(caller->client);
}

void outcall_give(struct outcall *call, struct bytes *piece, size_t offset, size_t len)
{
	struct bytes *old = piece;

	if (!call->caller) {
		call->piece = piece;
		call->offset = offset;
		call->len = len;
		return;
	}
	pthread_mutex_lock(&call->caller->lock);
	if (!call->over) {
		old = call->piece;
		call->piece = piece;
		call->offset = offset;
		call->len = len;
		call->taken = 0;
		call->paused = false;
		queue(call);
	}
	pthread_mutex_unlock(&call->caller->lock);
	bytes_unref(old);
	client_wake(call->caller->client);
}

void outcall_stop(struct outcall *call)
{
	pthread_mutex_lock(&call->caller->lock);
	if (!call->over) {
		call->stopped = true;
		queue(call);
	}
	pthread_mutex_unlock(&call->caller->lock);
	client_wake(call->caller->client);
}

void outcall_release(struct outcall *call)
{
	exchange_release(&call->x);
	bytes_unref(call->piece);
	buf_done(&call->url);
	buf_done(&call->headers);
	*call = (struct outcall){0};
}

enum err caller_new(unsigned connect_ms, struct caller **ret_caller)
{
	struct caller *caller = mem_zalloc(sizeof(*caller));

	list_init(&caller->incoming);
	pthread_mutex_init(&caller->lock, NULL);
	enum err err = client_new(connect_ms, true, &caller->client);
	if (!err && pthread_create(&caller->thread, NULL, run, caller))
		err = ERR_NO_MEMORY;
	if (err) {
		client_free(caller->client);
		pthread_mutex_destroy(&caller->lock);
		free(caller);
		return err;
	}
	*ret_caller = caller;
	return ERR_OK;
}

void caller_free(struct caller *caller)
{
	if (!caller)
		return;
	pthread_mutex_lock(&caller->lock);
	caller->stopping = true;
	pthread_mutex_unlock(&caller->lock);
	client_wake(caller->client);
	pthread_join(caller->thread, NULL);
	client_free(caller->client);
	pthread_mutex_destroy(&caller->lock);
	free(caller);
}
