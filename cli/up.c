/* `cairn up`, `down`, `status`: a whole cloud on one machine. A small supervisor process starts
 * the node again when it dies. */
#include "cli/cli.h"
#include "cli/state.h"
#include "cli/status.h"

#include "lib/base/auto.h"
#include "lib/base/buf.h"
#include "lib/err/err.h"
#include "lib/log/log.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 30000
#define STOP_MS  60000

static int usage(FILE *out, const char *command, int code)
{
	if (strcmp(command, "up") == 0)
		fprintf(out,
		        "Usage: cairn up [--state DIR] [--port N] [--devices N] [--replicas N]\n"
		        "                [--wire N] [--ec K+M]\n\n"
		        "Starts a one-machine cloud in the background and waits until it "
		        "serves.\n\n"
		        "  --state DIR    where everything is kept (./var)\n"
		        "  --port N       port of the API (8080); first start only\n"
		        "  --devices N    file devices (4); first start only\n"
		        "  --replicas N   copies of every object (3); first start only\n"
		        "  --wire N       its devices are asked by the nodes' protocol, at that "
		        "port; "
		        "first start only\n"
		        "  --ec K+M       a policy `ec` that cuts objects into K fragments "
		        "and M of parity; first start only\n");
	else
		fprintf(out, "Usage: cairn %s [--state DIR]\n", command);
	return code;
}

/* -1, which no option takes, when it is none. */
static int number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text && !*end && n >= 0 && n <= INT_MAX ? (int)n : -1;
}

/* "4+2": what the configuration takes. */
static bool code(const char *text, struct state *state)
{
	int end = 0;

	return sscanf(text, "%2u+%2u%n", &state->k, &state->m, &end) == 2 && !text[end] &&
	       state->k >= 1 && state->m >= 1 && state->m <= 8 && state->k + state->m <= 16;
}

static bool parse(int argc, char **argv, struct state *state, int *ret_code)
{
	static const struct option longs[] = {{"state", 1, 0, 's'}, {"port", 1, 0, 'p'},
	        {"devices", 1, 0, 'd'}, {"replicas", 1, 0, 'r'}, {"wire", 1, 0, 'w'},
	        {"ec", 1, 0, 'e'}, {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
	bool coded = true;
	int c;

	*state = (struct state){.dir = "var", .port = 8080, .devices = 4, .replicas = 3};
	optind = 1;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			state->dir = optarg;
			break;
		case 'p':
			state->port = number(optarg);
			break;
		case 'd':
			state->devices = number(optarg);
			break;
		case 'r':
			state->replicas = number(optarg);
			break;
		case 'w':
			state->wire = number(optarg);
			break;
		case 'e':
			coded = code(optarg, state);
			break;
		default:
			*ret_code = usage(c == 'h' ? stdout : stderr, argv[0], c == 'h' ? 0 : 2);
			return false;
		}
	}
	if (optind < argc || !coded || state->port < 1 || state->port > 65535 || state->wire < 0 ||
	        state->wire > 65535 || state->devices < 1 || state->devices > 64 ||
	        state->replicas < 1 || state->replicas > 16) {
		fprintf(stderr, "cairn: %s\n\n",
		        optind < argc ? "there is a word too many"
		                      : "--port and --wire are 1 to 65535, --devices 1 to 64, "
		                        "--replicas 1 to 16, --ec K+M with M at most 8 and "
		                        "16 together");
		*ret_code = usage(stderr, argv[0], 2);
		return false;
	}
	if (state->replicas > state->devices) {
		fprintf(stderr, "cairn: %d replicas need at least as many devices, not %d\n",
		        state->replicas, state->devices);
		*ret_code = 2;
		return false;
	}
	if (state->k + state->m > (unsigned)state->devices) {
		fprintf(stderr, "cairn: %u+%u fragments need at least as many devices, not %d\n",
		        state->k, state->m, state->devices);
		*ret_code = 2;
		return false;
	}
	return true;
}

static void sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* --- the supervisor --- */

/* A signal of the set, or -1 when none comes in time (ms < 0: no limit). */
static int wait_signal(const sigset_t *signals, long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	return sigtimedwait(signals, NULL, ms < 0 ? NULL : &t);
}

static bool stops(int signal)
{
	return signal == SIGTERM || signal == SIGINT;
}

/* Until the node has ended; *ret_stopping: because it was told to. */
static int wait_node(pid_t pid, const sigset_t *signals, bool *ret_stopping)
{
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (stops(wait_signal(signals, -1))) {
			*ret_stopping = true;
			kill(pid, SIGTERM);
		}
	}
	return status;
}

static pid_t start_node(const struct state *state, const char *program)
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
	snprintf(conf, sizeof(conf), "%s/cairn.conf", state->dir);
	execl(program, "cairn", "node", "--config", conf, (char *)NULL);
	_exit(127);
}

static int supervise(const struct state *state, const char *program)
{
	int lock = -1, node_lock = -1;
	unsigned fast = 0;
	bool stopping = false;
	sigset_t stop, signals;

	/* Blocked and waited for: a signal between a look and a wait is not lost. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	signals = stop;
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	state_write_pid(state, "supervisor", getpid(), &lock);
	while (!stopping) {
		time_t started = time(NULL);
		pid_t pid = start_node(state, program);
		if (pid < 0) {
			log_error("no-process", "errno=%d", errno);
			stopping = stops(wait_signal(&stop, 1000));
			continue;
		}
		state_write_pid(state, "node", pid, &node_lock);
		int status = wait_node(pid, &signals, &stopping);
		if (stopping)
			break;
		log_error("node-died", "pid=%d signal=%d exit=%d", (int)pid,
		        WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		        WIFEXITED(status) ? WEXITSTATUS(status) : 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
			break; /* its configuration is refused: again would be the same */
		fast = time(NULL) - started < 5 ? fast + 1 : 0;
		if (fast)
			stopping = stops(wait_signal(&stop, fast > 5 ? 5000 : fast * 200));
	}
	state_remove_pid(state, "node");
	state_remove_pid(state, "supervisor");
	return 0;
}

static bool go_to_background(const struct state *state, const char *program)
{
	char path[PATH_MAX];
	pid_t pid = fork();

	if (pid < 0)
		return false;
	if (pid > 0)
		return true;
	setsid();
	snprintf(path, sizeof(path), "%s/log/node.log", state->dir);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0640),
	    null = open("/dev/null", O_RDONLY);
	if (log < 0 || null < 0)
		_exit(1);
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	closefrom(3);
	_exit(supervise(state, program));
}

static void print_use(const struct state *state, const char *program)
{
	bool v6 = strchr(state->address, ':');

	printf("Cairn serves at http%s://%s%s%s:%d (state in %s).\n", state->tls ? "s" : "",
	        v6 ? "[" : "", state->address, v6 ? "]" : "", state->port, state->dir);
	if (!*state->user)
		return;
	printf("\n"
	       "  . %s/openrc\n"
	       "  swift upload docs README.md      # store a file (apt-get install "
	       "python3-swiftclient)\n"
	       "  swift list docs                  # see it\n"
	       "  swift download docs README.md -o copy\n\n"
	       "Stop it, losing nothing:  %s down --state %s   (or make down)\n"
	       "See how it is:            %s status --state %s\n",
	        state->dir, program, state->dir, program, state->dir);
}

/* Has the file a process runs been replaced since? */
static bool is_older(pid_t pid)
{
	char link[32], path[PATH_MAX];
	struct stat st;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	ssize_t n = pid ? readlink(link, path, sizeof(path) - 1) : -1;
	if (n < 0)
		return false;
	path[n] = 0;
	return stat(path, &st) < 0;
}

/* A node that has just lost its supervisor may take a moment to go. */
static bool port_taken(const struct state *state)
{
	for (int waited = 0; waited < 2000; waited += 20) {
		if (!state_healthy(state))
			return false;
		sleep_ms(20);
	}
	return true;
}

int up_main(int argc, char **argv)
{
	struct state state;
	char program[PATH_MAX], real[PATH_MAX];
	int code = 0;

	if (!parse(argc, argv, &state, &code))
		return code;
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (n < 0)
		return 1;
	program[n] = 0;
	AUTO(buf) struct buf error = BUF_NONE;
	if (state_create(&state, &error)) {
		fprintf(stderr, "cairn: %s\n", buf_text(&error));
		return 1;
	}
	if (!realpath(state.dir, real))
		return 1;
	state.dir = real;
	pid_t running = state_read_pid(&state, "supervisor");
	if (running) {
		printf("Cairn runs already (pid %d).\n", (int)running);
		if (is_older(state_read_pid(&state, "node")))
			printf("It is the program of before the last build: down, then up, starts "
			       "the "
			       "new one.\n");
	} else if (port_taken(&state)) {
		fprintf(stderr,
		        "cairn: another cloud answers at the port of %s/cairn.conf; stop it, or "
		        "choose another port (make up PORT_BASE=N, or there)\n",
		        state.dir);
		return 1;
	} else if (!go_to_background(&state, program)) {
		fprintf(stderr, "cairn: cannot start a process: %s\n", strerror(errno));
		return 1;
	}
	for (int waited = 0; waited < READY_MS; waited += 20) {
		if (state_healthy(&state)) {
			print_use(&state, program);
			return 0;
		}
		if (waited > 500 && !state_read_pid(&state, "supervisor"))
			break;
		sleep_ms(20);
	}
	fprintf(stderr, "cairn: the node does not answer; its log says:\n");
	state_print_log_tail(&state, stderr);
	return 1;
}

/* Ends the process a pid file names, and waits for that: by a descriptor, so that it is this
 * process and no later one of that number. ERR_DEADLINE: it does not stop. */
static enum err stop(const struct state *state, const char *name)
{
	pid_t pid = state_read_pid(state, name);
	int fd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct pollfd ended = {.fd = fd, .events = POLLIN};

	if (fd < 0 || state_read_pid(state, name) != pid) {
		if (fd >= 0)
			close(fd);
		return ERR_NOT_FOUND;
	}
	syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
	bool done = poll(&ended, 1, STOP_MS) == 1;
	close(fd);
	return done ? ERR_OK : ERR_DEADLINE;
}

int down_main(int argc, char **argv)
{
	struct state state;
	int code = 0;

	if (!parse(argc, argv, &state, &code))
		return code;
	switch (stop(&state, "supervisor")) {
	case ERR_OK:
		printf("Cairn has stopped.\n");
		return 0;
	case ERR_NOT_FOUND:
		printf("Cairn is not running (state in %s).\n", state.dir);
		return 0;
	default:
		fprintf(stderr, "cairn: it does not stop (state in %s)\n", state.dir);
		return 1;
	}
}

int status_main(int argc, char **argv)
{
	struct state state;
	int code = 0;

	if (!parse(argc, argv, &state, &code))
		return code;
	AUTO(buf) struct buf error = BUF_NONE;
	enum err err = state_read_conf(&state, &error);
	if (err) {
		fprintf(stderr, "cairn: %s%s\n", buf_text(&error),
		        err == ERR_NOT_FOUND ? " (`cairn up` makes a cloud; --state says where)"
		                             : "");
		return 1;
	}
	pid_t supervisor = state_read_pid(&state, "supervisor"),
	      node = state_read_pid(&state, "node");
	printf("version     %s\n", CAIRN_VERSION);
	printf("state       %s\n", state.dir);
	printf("supervisor  %s\n", supervisor ? "running" : "down");
	printf("node        %s\n", !node ? "down" : state_healthy(&state) ? "serving" : "starting");
	if (node)
		return status_print(&state) ? 0 : 1;
	return 1;
}
