#include "lib/reactor/reactor.h"

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOOKS_MAX   8
#define WORKERS_MAX 64

struct reactor {
	const struct env *env; /* borrowed */
	struct io_uring ring;
	int wake_fd;
	struct io wake;
	uint64_t wake_count;

	/* Posted by other threads: a stack, newest first; the loop reverses it. */
	_Atomic(struct task *) inbox;
	atomic_bool asleep;
	atomic_bool stop;

	struct task *local, **local_tail;

	struct timer **heap; /* heap[1..timers], earliest first */
	unsigned timers, heap_size;

	struct reactor_hook *hooks[HOOKS_MAX];
	unsigned hook_count;
	uint64_t now_us;
};

static _Thread_local struct reactor *current;

static struct io_uring_sqe *next_sqe(struct reactor *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	while (!sqe) {
		io_uring_submit(&r->ring);
		sqe = io_uring_get_sqe(&r->ring);
	}
	return sqe;
}

static void watch_wake(struct reactor *r)
{
	io_read(r, &r->wake, r->wake_fd, &r->wake_count, sizeof(r->wake_count), 0);
}

static void on_wake(struct io *io, int result)
{
	(void)result;
	watch_wake(CONTAINER_OF(io, struct reactor, wake));
}

enum err reactor_new(const struct env *env, unsigned entries, struct reactor **ret_reactor)
{
	struct reactor *r = mem_zalloc(sizeof(*r));
	struct io_uring_params params = {
	        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
	                 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED,
	        .cq_entries = entries * 8,
	};

	int e = io_uring_queue_init_params(entries, &r->ring, &params);
	if (e < 0) {
		free(r);
		return e == -ENOMEM ? ERR_NO_MEMORY : ERR_UNSUPPORTED;
	}
	r->env = env;
	r->local_tail = &r->local;
	r->heap_size = 64;
	r->heap = mem_zalloc(r->heap_size * sizeof(*r->heap));
	r->now_us = env->mono_us(env);
	r->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (r->wake_fd < 0) {
		reactor_free(r);
		return ERR_NO_MEMORY;
	}
	r->wake.done = on_wake;
	*ret_reactor = r;
	return ERR_OK;
}

void reactor_free(struct reactor *r)
{
	if (!r)
		return;
	io_uring_queue_exit(&r->ring);
	if (r->wake_fd >= 0)
		close(r->wake_fd);
	if (current == r)
		current = NULL;
	free(r->heap);
	free(r);
}

struct reactor *reactor_current(void)
{
	return current;
}

const struct env *reactor_env(struct reactor *r)
{
	return r->env;
}

uint64_t reactor_now_us(struct reactor *r)
{
	return r->now_us;
}

void reactor_add_hook(struct reactor *r, struct reactor_hook *hook)
{
	assert(r->hook_count < HOOKS_MAX);
	r->hooks[r->hook_count++] = hook;
}

void reactor_remove_hook(struct reactor *r, struct reactor_hook *hook)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < r->hook_count; i++) {
		if (r->hooks[i] != hook)
			r->hooks[kept++] = r->hooks[i];
	}
	r->hook_count = kept;
}

static void wake_up(struct reactor *r)
{
	uint64_t one = 1;

	if (atomic_exchange(&r->asleep, false) && write(r->wake_fd, &one, sizeof(one)) < 0)
		abort(); /* an eventfd cannot fail unless it is not ours */
}

void reactor_post(struct reactor *r, struct task *task)
{
	if (r == current) {
		task->next = NULL;
		*r->local_tail = task;
		r->local_tail = &task->next;
		return;
	}
	struct task *head = atomic_load_explicit(&r->inbox, memory_order_relaxed);
	do {
		task->next = head;
	} while (!atomic_compare_exchange_weak(&r->inbox, &head, task));
	wake_up(r);
}

void reactor_stop(struct reactor *r)
{
	atomic_store(&r->stop, true);
	wake_up(r);
}

/* --- timers: a binary heap --- */

static void heap_put(struct reactor *r, unsigned i, struct timer *timer)
{
	r->heap[i] = timer;
	timer->index = i;
}

static void heap_up(struct reactor *r, unsigned i, struct timer *timer)
{
	for (; i > 1 && r->heap[i / 2]->at_us > timer->at_us; i /= 2)
		heap_put(r, i, r->heap[i / 2]);
	heap_put(r, i, timer);
}

static void heap_down(struct reactor *r, unsigned i, struct timer *timer)
{
	for (unsigned child; (child = i * 2) <= r->timers; i = child) {
		if (child < r->timers && r->heap[child + 1]->at_us < r->heap[child]->at_us)
			child++;
		if (r->heap[child]->at_us >= timer->at_us)
			break;
		heap_put(r, i, r->heap[child]);
	}
	heap_put(r, i, timer);
}

void timer_cancel(struct reactor *r, struct timer *timer)
{
	unsigned i = timer->index;

	if (!i)
		return;
	assert(r->heap[i] == timer);
	struct timer *last = r->heap[r->timers--];
	timer->index = 0;
	if (last == timer)
		return;
	if (i > 1 && r->heap[i / 2]->at_us > last->at_us)
		heap_up(r, i, last);
	else
		heap_down(r, i, last);
}

void timer_set(struct reactor *r, struct timer *timer, uint64_t delay_us)
{
	timer_cancel(r, timer);
	timer->at_us = r->env->mono_us(r->env) + delay_us;
	if (r->timers + 2 > r->heap_size) {
		r->heap_size *= 2;
		r->heap = mem_realloc(r->heap, r->heap_size * sizeof(*r->heap));
	}
	heap_up(r, ++r->timers, timer);
}

uint64_t reactor_next_timer(const struct reactor *r)
{
	return r->timers ? r->heap[1]->at_us : UINT64_MAX;
}

static bool run_timers(struct reactor *r)
{
	bool any = false;

	while (r->timers && r->heap[1]->at_us <= r->now_us) {
		struct timer *timer = r->heap[1];
		timer_cancel(r, timer);
		timer->fire(timer);
		any = true;
	}
	return any;
}

/* --- the loop --- */

static bool run_tasks(struct reactor *r)
{
	struct task *stack = NULL;

	if (atomic_load_explicit(&r->inbox, memory_order_relaxed))
		stack = atomic_exchange(&r->inbox, NULL);
	struct task *list = NULL;
	while (stack) {
		struct task *next = stack->next;
		stack->next = list;
		list = stack;
		stack = next;
	}
	struct task *local = r->local;
	r->local = NULL;
	r->local_tail = &r->local;
	bool any = list || local;
	for (int i = 0; i < 2; i++, list = local) {
		while (list) {
			struct task *next = list->next;
			list->run(list);
			list = next;
		}
	}
	return any;
}

static bool run_completions(struct reactor *r)
{
	struct io_uring_cqe *cqes[256];
	unsigned n = io_uring_peek_batch_cqe(&r->ring, cqes, COUNT_OF(cqes));

	for (unsigned i = 0; i < n; i++) {
		struct io *io = io_uring_cqe_get_data(cqes[i]);
		int result = cqes[i]->res;
		cqes[i]->user_data = 0;
		if (io)
			io->done(io, result);
	}
	io_uring_cq_advance(&r->ring, n);
	return n > 0;
}

static bool work_waits(struct reactor *r)
{
	return r->local || atomic_load(&r->inbox) || atomic_load(&r->stop);
}

static void sleep_until_due(struct reactor *r)
{
	struct __kernel_timespec ts, *timeout = NULL;
	struct io_uring_cqe *cqe;

	if (r->timers) {
		uint64_t at = r->heap[1]->at_us, now = r->env->mono_us(r->env);
		uint64_t left = at > now ? at - now : 0;
		ts.tv_sec = (long long)(left / 1000000u);
		ts.tv_nsec = (long long)(left % 1000000u * 1000u);
		timeout = &ts;
	}
	atomic_store(&r->asleep, true);
	if (work_waits(r))
		ts = (struct __kernel_timespec){0}, timeout = &ts;
	io_uring_submit_and_wait_timeout(&r->ring, &cqe, 1, timeout, NULL);
	atomic_store(&r->asleep, false);
}

static void adopt(struct reactor *r)
{
	if (current == r)
		return;
	current = r;
	if (r->ring.flags & IORING_SETUP_R_DISABLED) {
		/* Debian 12's liburing does not export io_uring_enable_rings. */
		if (syscall(__NR_io_uring_register, r->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS,
		            NULL, 0) < 0)
			abort();
		r->ring.flags &= ~(unsigned)IORING_SETUP_R_DISABLED;
		/* Disks that hang keep theirs; the others' writes must not wait for one. */
		unsigned workers[2] = {WORKERS_MAX, 0};
		io_uring_register_iowq_max_workers(&r->ring, workers);
		watch_wake(r);
	}
}

bool reactor_turn(struct reactor *r, bool wait)
{
	adopt(r);
	r->now_us = r->env->mono_us(r->env);
	bool any = run_completions(r);
	any |= run_timers(r);
	any |= run_tasks(r);
	bool more = false;
	for (unsigned i = 0; i < r->hook_count; i++)
		more |= r->hooks[i]->run(r->hooks[i]);
	if (any || more || !wait)
		io_uring_submit_and_get_events(&r->ring);
	else
		sleep_until_due(r);
	return any || more;
}

void reactor_run(struct reactor *r)
{
	while (!atomic_load_explicit(&r->stop, memory_order_relaxed))
		reactor_turn(r, true);
	atomic_store(&r->stop, false);
}

/* --- operations --- */

void io_read(struct reactor *r, struct io *io, int fd, void *data, size_t len, uint64_t offset)
{
	struct io_uring_sqe *sqe = next_sqe(r);

	io_uring_prep_read(sqe, fd, data, (unsigned)len, offset);
	io_uring_sqe_set_data(sqe, io);
}

void io_writev(struct reactor *r, struct io *io, int fd, const struct iovec *iov, unsigned count,
        uint64_t offset, int rw_flags, bool may_block)
{
	struct io_uring_sqe *sqe = next_sqe(r);

	io_uring_prep_writev2(sqe, fd, iov, count, offset, rw_flags);
	if (may_block)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data(sqe, io);
}

void io_fdatasync(struct reactor *r, struct io *io, int fd)
{
	struct io_uring_sqe *sqe = next_sqe(r);

	io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data(sqe, io);
}

void io_poll(struct reactor *r, struct io *io, int fd, unsigned events)
{
	struct io_uring_sqe *sqe = next_sqe(r);

	io_uring_prep_poll_add(sqe, fd, events);
	io_uring_sqe_set_data(sqe, io);
}

void io_accept(struct reactor *r, struct io *io, int fd)
{
	struct io_uring_sqe *sqe = next_sqe(r);

	io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data(sqe, io);
}

void io_connect(struct reactor *r, struct io *io, int fd, const struct sockaddr *address,
        unsigned address_len)
{
	struct io_uring_sqe *sqe = next_sqe(r);

	io_uring_prep_connect(sqe, fd, address, address_len);
	io_uring_sqe_set_data(sqe, io);
}

void io_sendmsg(struct reactor *r, struct io *io, int fd, const struct msghdr *message)
{
	struct io_uring_sqe *sqe = next_sqe(r);

	io_uring_prep_sendmsg(sqe, fd, message, MSG_NOSIGNAL);
	io_uring_sqe_set_data(sqe, io);
}

void io_recvmsg(struct reactor *r, struct io *io, int fd, struct msghdr *message)
{
	struct io_uring_sqe *sqe = next_sqe(r);

	io_uring_prep_recvmsg(sqe, fd, message, 0);
	io_uring_sqe_set_data(sqe, io);
}

void io_cancel(struct reactor *r, struct io *io)
{
	struct io_uring_sqe *sqe = next_sqe(r);

	io_uring_prep_cancel(sqe, io, 0);
	io_uring_sqe_set_data(sqe, NULL);
}
