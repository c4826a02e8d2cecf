/* caller: requests to other servers, asked for by loops: one thread turns the client (client.h) for
 * all of them, and their callbacks run from the loop that asked. */
#ifndef LIB_HTTP_CALLER_H
#define LIB_HTTP_CALLER_H

#include "lib/base/bytes.h"
#include "lib/http/client.h"
#include "lib/reactor/reactor.h"

struct caller;

/* One request and its answer, whose body is not of interest. Lives in its owner, zeroed at first,
 * who leaves it alone until done. */
struct outcall {
	/* Set before caller_send. */
	const char *method;
	struct buf url, headers; /* headers: a kv block; owned: outcall_release frees them */
	uint64_t body_len;
	uint64_t timeout_ms, idle_timeout_ms; /* as of an exchange */
	/* More of the body: outcall_give, or outcall_stop. */
	void (*want)(struct outcall *call);
	void (*done)(struct outcall *call, enum err err); /* the last callback, as of an exchange */
	void *owner;

	/* Of the answer. */
	struct exchange x; /* status, and exchange_header() */

	/* private */
	struct caller *caller;
	struct reactor *reactor;
	struct task want_task, done_task;
	struct list link;    /* of what the thread is to look at */
	struct bytes *piece; /* owned */
	size_t offset, len, taken;
	enum err err;
	bool sent, stopped, paused, over;
};

enum err caller_new(unsigned connect_ms, struct caller **ret_caller);
/* Nothing may be under way; NULL is fine. */
void caller_free(struct caller *caller);

/* From a loop. */
void caller_send(struct caller *caller, struct outcall *call);
/* The next bytes, whose reference moves: the first before caller_send, others when they are wanted.
 */
void outcall_give(struct outcall *call, struct bytes *piece, size_t offset, size_t len);
/* There is no more of the body: done comes with ERR_CANCELLED, or with what came before. */
void outcall_stop(struct outcall *call);
/* What it holds; it is zeroed again. */
void outcall_release(struct outcall *call);

#endif
