#include "lib/work/work.h"

#include "lib/base/auto.h"
#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct work_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *first, **last;
	unsigned queued, running, queue_max, idle, started, threads_max;
	bool stop;
	int nice;
	pthread_t threads[];
};

enum err work_pool_new(unsigned threads, unsigned queue_max, struct work_pool **ret_pool)
{
	struct work_pool *pool = mem_zalloc(sizeof(*pool) + threads * sizeof(pool->threads[0]));

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	pool->last = &pool->first;
	pool->queue_max = queue_max;
	pool->threads_max = threads;
	*ret_pool = pool;
	return ERR_OK;
}

static void on_done(struct task *task)
{
	struct work *work = CONTAINER_OF(task, struct work, task);

	work->done(work);
}

static struct work *next_work(struct work_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->idle++;
	while (!pool->first && !pool->stop)
		pthread_cond_wait(&pool->more, &pool->lock);
	pool->idle--;
	struct work *work = pool->first;
	if (work) {
		pool->first = work->next;
		pool->queued--;
		pool->running++;
		if (!pool->first)
			pool->last = &pool->first;
	}
	pthread_mutex_unlock(&pool->lock);
	return work;
}

static void *serve(void *arg)
{
	struct work_pool *pool = arg;
	struct work *work;

	/* A thread's own on Linux. That it cannot be had does no harm but to those who wait. */
	if (pool->nice)
		setpriority(PRIO_PROCESS, (id_t)gettid(), pool->nice);
	while ((work = next_work(pool))) {
		bool replies = work->done;
		work->run(work);
		if (replies)
			reactor_post(work->origin, &work->task);
		pthread_mutex_lock(&pool->lock);
		pool->running--;
		pthread_mutex_unlock(&pool->lock);
	}
	bytes_cache_drop();
	return NULL;
}

static void run_here(struct task *task)
{
	struct work *work = CONTAINER_OF(task, struct work, task);
	bool replies = work->done;

	work->run(work);
	if (replies)
		work->done(work);
}

enum err work_submit(struct work_pool *pool, struct work *work)
{
	enum err err = ERR_OK;

	work->next = NULL;
	work->origin = reactor_current();
	work->task.run = on_done;
	assert(!work->done || work->origin);
	if (!pool->threads_max) {
		work->task.run = run_here;
		reactor_post(work->origin, &work->task);
		return ERR_OK;
	}
	pthread_mutex_lock(&pool->lock);
	if (pool->queued >= pool->queue_max) {
		err = ERR_BUSY;
	} else {
		*pool->last = work;
		pool->last = &work->next;
		pool->queued++;
		if (pool->idle < pool->queued && pool->started < pool->threads_max &&
		        pthread_create(&pool->threads[pool->started], NULL, serve, pool) == 0)
			pool->started++;
		pthread_cond_signal(&pool->more);
	}
	pthread_mutex_unlock(&pool->lock);
	return err;
}

void work_pool_set_nice(struct work_pool *pool, int nice)
{
	pool->nice = nice;
}

unsigned work_pool_pending(struct work_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	unsigned pending = pool->queued + pool->running;
	pthread_mutex_unlock(&pool->lock);
	return pending;
}

void work_pool_free(struct work_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->started; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->more);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
