/* reactor: one io_uring loop, owned by one thread: operations, timers and posted tasks. All
 * callbacks run from the loop, never inside the call that asked for them, so nothing recurses.
 * Only reactor_post may be called from other threads. */
#ifndef LIB_REACTOR_REACTOR_H
#define LIB_REACTOR_REACTOR_H

#include "lib/env/env.h"
#include "lib/err/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/uio.h>

struct reactor;
struct sockaddr;
struct msghdr;

/* A piece of work to run from the loop. Lives in its owner, who leaves it alone until run. */
struct task {
	struct task *next;
	void (*run)(struct task *task);
};

/* One io_uring operation. Lives in its owner, who leaves it alone until done. */
struct io {
	void (*done)(struct io *io, int result); /* result: bytes, or -errno */
};

struct timer {
	void (*fire)(struct timer *timer);
	uint64_t at_us;
	unsigned index; /* private: place in the heap, 0 when not set */
};

/* `entries`: size of the submission queue, a power of two. ERR_UNSUPPORTED when io_uring is
 * disabled, ERR_NO_MEMORY when memlock is too small; the caller says so. */
enum err reactor_new(const struct env *env, unsigned entries, struct reactor **ret_reactor);
void reactor_free(struct reactor *reactor);

/* Runs until reactor_stop (from a callback or any thread). */
void reactor_run(struct reactor *reactor);
void reactor_stop(struct reactor *reactor);

/* For tests, and for what is left at the end: one turn of the loop; with `wait` it sleeps until
 * something is due. False when nothing was there to do. */
bool reactor_turn(struct reactor *reactor, bool wait);

/* For simulations: when the next timer is due, UINT64_MAX when none is set. */
uint64_t reactor_next_timer(const struct reactor *reactor);

/* The reactor whose loop runs on this thread, or NULL. */
struct reactor *reactor_current(void);

const struct env *reactor_env(struct reactor *reactor);

/* Monotonic time, read once a turn. */
uint64_t reactor_now_us(struct reactor *reactor);

/* Runs the task from `reactor`'s loop, in the order posted by one thread. Any thread. */
void reactor_post(struct reactor *reactor, struct task *task);

/* Runs `hook` at the end of each turn, before the loop submits and sleeps; up to 8 hooks. A hook
 * returns true when it has more to do at once. */
struct reactor_hook {
	bool (*run)(struct reactor_hook *hook);
};
void reactor_add_hook(struct reactor *reactor, struct reactor_hook *hook);
void reactor_remove_hook(struct reactor *reactor, struct reactor_hook *hook); /* not from a hook */

/* Sets or moves a timer; it fires once. A timer must be cancelled before its memory goes. */
void timer_set(struct reactor *reactor, struct timer *timer, uint64_t delay_us);
void timer_cancel(struct reactor *reactor, struct timer *timer); /* harmless when not set */

void io_read(
        struct reactor *reactor, struct io *io, int fd, void *data, size_t len, uint64_t offset);
/* rw_flags as pwritev2(2), e.g. RWF_DSYNC. iov stays valid until done. may_block: the file may put
 * who submits to sleep although it was asked not to; then a thread of the kernel's submits. */
void io_writev(struct reactor *reactor, struct io *io, int fd, const struct iovec *iov,
        unsigned count, uint64_t offset, int rw_flags, bool may_block);
void io_fdatasync(struct reactor *reactor, struct io *io, int fd);
/* One-shot poll for `events` (POLLIN...); result is the events. */
void io_poll(struct reactor *reactor, struct io *io, int fd, unsigned events);

/* Sockets, which are left blocking: an operation waits in the ring, not in its caller. */
/* Result: the descriptor (close-on-exec). */
void io_accept(struct reactor *reactor, struct io *io, int fd);
/* The address stays valid until done. */
void io_connect(struct reactor *reactor, struct io *io, int fd, const struct sockaddr *address,
        unsigned address_len);
/* The message and what it points at stay valid until done. Neither raises SIGPIPE. */
void io_sendmsg(struct reactor *reactor, struct io *io, int fd, const struct msghdr *message);
void io_recvmsg(struct reactor *reactor, struct io *io, int fd, struct msghdr *message);

/* Asks for an operation's early end; its done still runs, with -ECANCELED or its result. */
void io_cancel(struct reactor *reactor, struct io *io);

#endif
