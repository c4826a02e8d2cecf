/* work: a bounded pool of threads for calls that block (LevelDB, SQL, file systems). The result
 * comes back to the reactor that asked. */
#ifndef LIB_WORK_WORK_H
#define LIB_WORK_WORK_H

#include "lib/reactor/reactor.h"

struct work_pool;

/* One job; lives in its owner, who leaves it alone until done. */
struct work {
	void (*run)(struct work *work);  /* on a pool thread */
	void (*done)(struct work *work); /* from the asking reactor's loop; may be NULL */
	/* private */
	struct work *next;
	struct reactor *origin;
	struct task task;
};

/* Without threads (0) a job runs on the loop that submits it, a turn later: for simulations.
 * Threads start at the first submit that finds none idle, up to `threads`. */
enum err work_pool_new(unsigned threads, unsigned queue_max, struct work_pool **ret_pool);

/* Its threads give way to others: nice(2) of those that start from now on. */
void work_pool_set_nice(struct work_pool *pool, int nice);

/* Jobs queued or running now. Once it is 0, every `done` of before is posted. Any thread. */
unsigned work_pool_pending(struct work_pool *pool);

/* Runs what is queued, then ends the threads. */
void work_pool_free(struct work_pool *pool);

/* ERR_BUSY, and nothing queued, when queue_max jobs wait. From any thread; a job with `done`
 * only from a reactor's thread. */
enum err work_submit(struct work_pool *pool, struct work *work);

#endif
