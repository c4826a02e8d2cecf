#include "tests/lib/test.h"

#include "lib/base/auto.h"
#include "lib/base/bytes.h"
#include "lib/reactor/disk_file.h"
#include "lib/work/work.h"
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static struct reactor *reactor;
static int order[16], ran;

struct step_task {
	struct task task;
	int id;
};

static void note(struct task *task)
{
	order[ran++] = CONTAINER_OF(task, struct step_task, task)->id;
	if (ran == 3)
		reactor_stop(reactor);
}

static void *post_two(void *arg)
{
	struct step_task *tasks = arg;

	reactor_post(reactor, &tasks[0].task);
	reactor_post(reactor, &tasks[1].task);
	return NULL;
}

static int new_reactor(void **state)
{
	(void)state;
	ran = 0;
	return reactor_new(env_real(), 64, &reactor);
}

static int free_reactor(void **state)
{
	(void)state;
	reactor_free(reactor);
	return 0;
}

struct step_timer {
	struct timer timer;
	int id;
};

static void on_timer(struct timer *timer)
{
	order[ran++] = CONTAINER_OF(timer, struct step_timer, timer)->id;
	if (ran == 3)
		reactor_stop(reactor);
}

static void timers_fire_in_order_of_time(void **state)
{
	struct step_timer timers[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		timers[i] = (struct step_timer){{on_timer, 0, 0}, i};
	timer_set(reactor, &timers[0].timer, 3000);
	timer_set(reactor, &timers[1].timer, 1000);
	timer_set(reactor, &timers[2].timer, 2000);
	timer_set(reactor, &timers[3].timer, 500);
	timer_set(reactor, &timers[4].timer, 10000000);
	timer_cancel(reactor, &timers[3].timer);
	reactor_run(reactor);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 2);
	assert_int_equal(order[2], 0);
	timer_cancel(reactor, &timers[4].timer);
}

static void other_threads_post_in_order(void **state)
{
	struct step_task tasks[3] = {{{0, note}, 1}, {{0, note}, 2}, {{0, note}, 3}};
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, post_two, tasks);
	pthread_join(thread, NULL);
	reactor_post(reactor, &tasks[2].task);
	reactor_run(reactor);
	assert_int_equal(order[0] + order[1] + order[2], 6);
	assert_true(order[0] != 2 && (order[0] == 1 || order[1] == 1));
}

struct job {
	struct work work;
	pthread_t thread;
};

static void job_run(struct work *work)
{
	CONTAINER_OF(work, struct job, work)->thread = pthread_self();
}

static void job_done(struct work *work)
{
	assert_false(pthread_equal(CONTAINER_OF(work, struct job, work)->thread, pthread_self()));
	reactor_stop(reactor);
}

static struct work_pool *pool;
static struct job job = {{.run = job_run, .done = job_done}, 0};

static void submit_job(struct task *task)
{
	(void)task;
	assert_int_equal(work_submit(pool, &job.work), ERR_OK);
}

static void work_comes_back_to_the_loop(void **state)
{
	struct task task = {.run = submit_job};

	(void)state;
	work_pool_new(2, 8, &pool);
	reactor_post(reactor, &task);
	reactor_run(reactor);
	work_pool_free(pool);
}

static enum err io_err;

static void io_done(struct disk_io *io, enum err err)
{
	(void)io;
	io_err = err;
	reactor_stop(reactor);
}

static void disk_reads_what_was_written(void **state)
{
	char path[512];
	const char *dir = test_tmpdir();
	struct disk *disk = NULL, *second = NULL;
	struct disk_io io = {.done = io_done};
	struct bytes *b = bytes_new(8192), *c = bytes_new(8192);

	(void)state;
	snprintf(path, sizeof(path), "%s/disk", dir);
	assert_int_equal(disk_file_open(reactor, path, false, &disk), ERR_NOT_FOUND);
	assert_int_equal(disk_file_open(reactor, path, true, &disk), ERR_OK);
	assert_int_equal(disk_file_open(reactor, path, true, &second), ERR_BUSY);
	memset(b->data, 0x5a, 8192);
	struct iovec iov[2] = {{b->data, 4096}, {b->data + 4096, 4096}};
	disk_write(disk, &io, iov, 2, 4096, true);
	reactor_run(reactor);
	assert_int_equal(io_err, ERR_OK);
	disk_sync(disk, &io);
	reactor_run(reactor);
	assert_int_equal(io_err, ERR_OK);
	disk_read(disk, &io, c->data, 8192, 4096);
	reactor_run(reactor);
	assert_int_equal(io_err, ERR_OK);
	assert_memory_equal(b->data, c->data, 8192);
	disk_read(disk, &io, c->data, 8192, 8192);
	reactor_run(reactor);
	assert_int_equal(io_err, ERR_IO);
	assert_int_equal(disk_hole(disk, 0), 0);
	assert_int_equal(disk_hole(disk, 4096), 12288);
	assert_int_equal(disk_hole(disk, 20480), 20480);
	disk_close(disk);
	bytes_unref(b);
	bytes_unref(c);
	bytes_cache_drop();
	test_tmpdir_remove(dir);
}

/* As on a file system that fills up: a part goes in, then there is no more space. */
static void a_write_that_is_cut_short_says_why(void **state)
{
	char path[512];
	const char *dir = test_tmpdir();
	struct disk *disk = NULL;
	struct disk_io io = {.done = io_done};
	struct bytes *b = bytes_new(16384);
	struct rlimit old, limit;

	(void)state;
	snprintf(path, sizeof(path), "%s/disk", dir);
	assert_int_equal(disk_file_open(reactor, path, true, &disk), ERR_OK);
	memset(b->data, 0x5a, 16384);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 8192;
	setrlimit(RLIMIT_FSIZE, &limit);
	struct iovec iov[2] = {{b->data, 4096}, {b->data + 4096, 12288}};
	disk_write(disk, &io, iov, 2, 0, true);
	reactor_run(reactor);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(io_err, ERR_NO_SPACE);
	disk_close(disk);
	bytes_unref(b);
	bytes_cache_drop();
	test_tmpdir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                timers_fire_in_order_of_time, new_reactor, free_reactor),
	        cmocka_unit_test_setup_teardown(
	                other_threads_post_in_order, new_reactor, free_reactor),
	        cmocka_unit_test_setup_teardown(
	                work_comes_back_to_the_loop, new_reactor, free_reactor),
	        cmocka_unit_test_setup_teardown(
	                disk_reads_what_was_written, new_reactor, free_reactor),
	        cmocka_unit_test_setup_teardown(
	                a_write_that_is_cut_short_says_why, new_reactor, free_reactor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
