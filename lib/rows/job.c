#include "lib/rows/rows_internal.h"

static void on_done(struct work *work)
{
	struct job *job = CONTAINER_OF(work, struct job, work);
	struct rows *rows = job->rows;

	job->done(job);
	rows_pump(rows);
	rows_ended(rows);
}

static void send(struct job *job)
{
	if (work_submit(job->rows->config.pool, &job->work) != ERR_OK)
		list_append(&job->rows->jobs, &job->link);
}

void job_start(struct job *job, struct rows *rows, void (*run)(struct work *work),
        void (*done)(struct job *job))
{
	job->rows = rows;
	job->work.run = run;
	job->work.done = on_done;
	job->done = done;
	list_init(&job->link);
	rows->outstanding++;
	send(job);
}

void jobs_retry(struct rows *rows)
{
	struct list again = LIST_INIT(again), *node;

	list_splice(&again, &rows->jobs);
	while ((node = list_first(&again))) {
		list_remove(node);
		send(LIST_ENTRY(node, struct job, link));
	}
}
