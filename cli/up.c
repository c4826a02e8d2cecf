/* `cairn up`, `down`, `status`: a whole cloud on one machine. */
#include "cli/cli.h"
#include "cli/identity.h"
#include "cli/state.h"
#include "cli/status.h"
#include "cli/supervise.h"

#include "lib/base/auto.h"
#include "lib/base/buf.h"
#include "lib/err/err.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 30000
#define STOP_MS  60000

static int usage(FILE *out, const char *command, int code)
{
	if (strcmp(command, "up") == 0)
		fprintf(out,
		        "Usage: cairn up [--state DIR] [--port N] [--devices N] [--replicas N]\n"
		        "                [--wire N] [--ec K+M] [--identity N]\n\n"
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
		        "and M of parity; first start only\n"
		        "  --identity N   an identity service (Keystone's API v3) at that port, "
		        "unless there is one\n");
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
	        {"ec", 1, 0, 'e'}, {"identity", 1, 0, 'i'}, {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
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
		case 'i':
			state->identity = number(optarg);
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
	        state->wire > 65535 || state->identity < 0 || state->identity > 65535 ||
	        state->devices < 1 || state->devices > 64 || state->replicas < 1 ||
	        state->replicas > 16) {
		fprintf(stderr, "cairn: %s\n\n",
		        optind < argc ? "there is a word too many"
		                      : "--port, --wire and --identity are 1 to 65535, --devices 1 "
		                        "to 64, "
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

/* To ask who does not answer may take long itself. */
static long ms_since(const struct timespec *began)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - began->tv_sec) * 1000 + (now.tv_nsec - began->tv_nsec) / 1000000;
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
	AUTO(buf) struct buf url = BUF_NONE;

	state_url(state, &url);
	printf("Cairn serves at %s (state in %s).\n", buf_text(&url), state->dir);
	if (!*state->user && !state->identity_port)
		return;
	printf("\n  . %s/openrc\n", state->dir);
	if (*state->user)
		printf("  swift upload docs README.md      # store a file (apt-get install "
		       "python3-swiftclient)\n"
		       "  swift list docs                  # see it\n"
		       "  swift download docs README.md -o copy\n"
		       "  aws --endpoint-url $AWS_ENDPOINT_URL s3 ls    # by S3 (apt-get install "
		       "awscli)\n");
	if (state->identity_port)
		printf("  openstack project create demo    # as an OpenStack cloud (apt-get "
		       "install "
		       "python3-openstackclient)\n");
	printf("\nStop it, losing nothing:  %s down --state %s   (or make down)\n"
	       "See how it is:            %s status --state %s\n",
	        program, state->dir, program, state->dir);
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
	struct timespec began;

	clock_gettime(CLOCK_MONOTONIC, &began);
	while (ms_since(&began) < 2000) {
		if (!state_healthy(state))
			return false;
		sleep_ms(20);
	}
	return true;
}

/* A service of nobody's: one of another cloud, whose users would be made here. */
static bool identity_port_taken(const struct state *state)
{
	struct timespec began;

	clock_gettime(CLOCK_MONOTONIC, &began);
	while (state->identity_port && ms_since(&began) < 2000) {
		if (!state_identity_healthy(state))
			return false;
		sleep_ms(20);
	}
	return state->identity_port;
}

static int complain(const struct buf *error)
{
	fprintf(stderr, "cairn: %s\n", buf_text(error));
	return 1;
}

/* What must be there before the first start. ERR_BUSY: *error says who is in the way. */
static enum err prepare(struct state *state, const char *program, struct buf *error)
{
	static const char taken[] = "another cloud answers at the port of %s/%s; stop it, or "
	                            "choose another port (make up PORT_BASE=N, or there)";

	if (port_taken(state)) {
		buf_printf(error, taken, state->dir, "cairn.conf");
		return ERR_BUSY;
	}
	enum err err = identity_create(state, error);
	if (!err && identity_port_taken(state)) {
		buf_printf(error, taken, state->dir, "identity.conf");
		return ERR_BUSY;
	}
	return err ? err : identity_bootstrap(state, program, error);
}

/* NULL once all serve, or who does not. */
static const char *wait_serving(const struct state *state)
{
	const char *who = "node";
	struct timespec began;
	long waited;

	clock_gettime(CLOCK_MONOTONIC, &began);
	while ((waited = ms_since(&began)) < READY_MS) {
		who = !state_healthy(state)                                    ? "node"
		      : state->identity_port && !state_identity_healthy(state) ? "identity"
		                                                               : NULL;
		if (!who || (waited > 500 && !state_read_pid(state, "supervisor")) ||
		        (waited > 2000 && !state_read_pid(state, who)))
			break;
		sleep_ms(20);
	}
	return who;
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
	if (state_create(&state, &error))
		return complain(&error);
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
	} else if (prepare(&state, program, &error)) {
		return complain(&error);
	}
	if (identity_write_openrc(&state, &error))
		return complain(&error);
	if (!running && !go_to_background(&state, program)) {
		fprintf(stderr, "cairn: cannot start a process: %s\n", strerror(errno));
		return 1;
	}
	const char *who = wait_serving(&state);
	if (!who) {
		print_use(&state, program);
		return 0;
	}
	fprintf(stderr, "cairn: %s does not answer; its log says:\n",
	        strcmp(who, "node") == 0 ? "the node" : "the identity service");
	state_print_log_tail(&state, who, stderr);
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
	if (state.identity_port)
		printf("identity    %s\n", !state_read_pid(&state, "identity") ? "down"
		                           : state_identity_healthy(&state)    ? "serving"
		                                                               : "starting");
	printf("node        %s\n", !node ? "down" : state_healthy(&state) ? "serving" : "starting");
	if (node)
		return status_print(&state) ? 0 : 1;
	return 1;
}
