/* The queue between the walk and the threads that copy. */
#include "migrate/migrate.h"

#include <stdlib.h>

#define QUEUE_MAX 4096

void job_free(struct job *job)
{
	free(job->container);
	free(job->object);
	free(job);
}

void run_queue(struct run *run, struct job *job)
{
	pthread_mutex_lock(&run->lock);
	while (run->queued == QUEUE_MAX)
		pthread_cond_wait(&run->less, &run->lock);
	list_append(&run->jobs, &job->link);
	run->queued++;
	pthread_cond_signal(&run->more);
	pthread_mutex_unlock(&run->lock);
}

void run_drain(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	while (run->queued || run->busy)
		pthread_cond_wait(&run->less, &run->lock);
	pthread_mutex_unlock(&run->lock);
}

/* NULL: there will be no more. */
static struct job *take(struct run *run)
{
	struct job *job = NULL;

	pthread_mutex_lock(&run->lock);
	while (!run->queued && !run->ended)
		pthread_cond_wait(&run->more, &run->lock);
	if (run->queued) {
		job = LIST_ENTRY(list_first(&run->jobs), struct job, link);
		list_remove(&job->link);
		run->queued--;
		run->busy++;
		pthread_cond_broadcast(&run->less);
	}
	pthread_mutex_unlock(&run->lock);
	return job;
}

static void did(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	run->busy--;
	pthread_cond_broadcast(&run->less);
	pthread_mutex_unlock(&run->lock);
}

static void *work(void *arg)
{
	struct run *run = arg;
	struct talk talk;
	struct job *job;
	enum err err = talk_init(&talk, run);

	while ((job = take(run))) {
		if (err)
			run_fail(
			        run, job->from_account, job->container, job->object, err_text(err));
		else if (!atomic_load(&run->stopping))
			job_do(&talk, job);
		job_free(job);
		did(run);
	}
	talk_done(&talk);
	return NULL;
}

enum err run_start(struct run *run, pthread_t *threads)
{
	for (uint64_t i = 0; i < run->conf.jobs; i++) {
		if (pthread_create(&threads[i], NULL, work, run)) {
			run->conf.jobs = i;
			return i ? ERR_OK : ERR_NO_MEMORY;
		}
	}
	return ERR_OK;
}

void run_end(struct run *run, pthread_t *threads)
{
	pthread_mutex_lock(&run->lock);
	run->ended = true;
	pthread_cond_broadcast(&run->more);
	pthread_mutex_unlock(&run->lock);
	for (uint64_t i = 0; i < run->conf.jobs; i++)
		pthread_join(threads[i], NULL);
}
