#include "cli/supervise.h"

#include "lib/err/err.h"
#include "lib/log/log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAST_MS  5000 /* who dies sooner is started again later */
#define PAUSE_MS 200  /* the more often, the later */
#define FAST_MAX 25

struct child {
	const char *name; /* of the command, the pid file and the log */
	const char *conf;
	pid_t pid; /* 0: it does not run */
	int lock;  /* of the pid file */
	int64_t started_ms, again_ms;
	unsigned fast;
	bool refused; /* its configuration: again would be the same */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A signal of the set, or -1 when none comes in time (ms < 0: no limit). */
static int wait_signal(const sigset_t *signals, int64_t ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	return sigtimedwait(signals, NULL, ms < 0 ? NULL : &t);
}

static void log_to(const struct state *state, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/log/%s.log", state->dir, name);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (log < 0)
		_exit(1);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
}

static pid_t start(const struct state *state, const char *program, const struct child *c)
{
	char conf[PATH_MAX];
	pid_t parent = getpid(), pid = fork();
	sigset_t none;

	if (pid != 0)
		return pid;
	/* Not without its supervisor: nobody would stop it. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	log_to(state, c->name);
	snprintf(conf, sizeof(conf), "%s/%s", state->dir, c->conf);
	execl(program, "cairn", c->name, "--config", conf, (char *)NULL);
	_exit(127);
}

static void start_due(const struct state *state, const char *program, struct child *c)
{
	if (c->pid || c->refused || c->again_ms > now_ms())
		return;
	pid_t pid = start(state, program, c);
	if (pid < 0) {
		log_error("no-process", "errno=%d", errno);
		c->again_ms = now_ms() + 1000;
		return;
	}
	c->pid = pid;
	c->started_ms = now_ms();
	state_write_pid(state, c->name, pid, &c->lock);
}

static void look_after(const struct state *state, struct child *c)
{
	int status = 0;

	if (!c->pid || waitpid(c->pid, &status, WNOHANG) == 0)
		return;
	log_error("died", "daemon=%s pid=%d signal=%d exit=%d", c->name, (int)c->pid,
	        WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	        WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	c->pid = 0;
	c->refused = WIFEXITED(status) && WEXITSTATUS(status) == 2;
	if (c->refused)
		state_remove_pid(state, c->name);
	c->fast = now_ms() - c->started_ms >= FAST_MS ? 0
	          : c->fast < FAST_MAX                ? c->fast + 1
	                                              : c->fast;
	c->again_ms = now_ms() + c->fast * PAUSE_MS;
}

/* How long until one is due to be started; -1: none waits for that. */
static int64_t until_due(const struct child *children, unsigned count)
{
	int64_t least = -1, now = now_ms();

	for (unsigned i = 0; i < count; i++) {
		const struct child *c = &children[i];
		if (c->pid || c->refused)
			continue;
		int64_t ms = c->again_ms > now ? c->again_ms - now : 0;
		least = least < 0 || ms < least ? ms : least;
	}
	return least;
}

static void stop_all(const struct state *state, struct child *children, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (children[i].pid)
			kill(children[i].pid, SIGTERM);
	}
	for (unsigned i = 0; i < count; i++) {
		if (children[i].pid)
			waitpid(children[i].pid, NULL, 0);
		state_remove_pid(state, children[i].name);
	}
}

int supervise(const struct state *state, const char *program)
{
	struct child children[] = {
	        {.name = "node", .conf = "cairn.conf", .lock = -1},
	        {.name = "identity", .conf = "identity.conf", .lock = -1},
	};
	unsigned count = state->identity_port ? 2 : 1;
	int lock = -1, signal = 0;
	sigset_t signals;

	/* Blocked and waited for: a signal between a look and a wait is not lost. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	state_write_pid(state, "supervisor", getpid(), &lock);
	while (signal != SIGTERM && signal != SIGINT && !children[0].refused) {
		for (unsigned i = 0; i < count; i++)
			start_due(state, program, &children[i]);
		signal = wait_signal(&signals, until_due(children, count));
		for (unsigned i = 0; i < count; i++)
			look_after(state, &children[i]);
	}
	stop_all(state, children, count);
	state_remove_pid(state, "supervisor");
	return 0;
}
