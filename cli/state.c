#include "cli/state.h"
#include "cli/identity.h"

#include "lib/base/base64.h"
#include "lib/base/hex.h"
#include "lib/env/env.h"
#include "node/node.h"
#include "proxy/audit.h"
#include "proxy/operator.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char users[] = "user = test:tester testing .admin\n"
                            "user = test:tester2 testing2 .admin\n"
                            "user = test:tester3 testing3\n"
                            "user = test2:tester2 testing2 .admin\n"
                            "user = test4:tester4 testing4 .admin\n"
                            "user = test5:tester5 testing5 service\n"
                            "user = admin:admin admin .admin .reseller_admin\n";

static enum err fail(struct buf *error, const char *what, const char *path)
{
	int e = errno;

	buf_printf(error, "%s %s: %s", what, path, strerror(e));
	return err_from_errno(e);
}

void state_path(const struct state *state, const char *name, char ret_path[PATH_MAX])
{
	snprintf(ret_path, PATH_MAX, "%s/%s", state->dir, name);
}

static enum err make_dir(const struct state *state, const char *name, struct buf *error)
{
	char path[PATH_MAX];

	state_path(state, name, path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fail(error, "cannot make", path);
	return ERR_OK;
}

/* Written whole beside its place, synced, then renamed. */
enum err state_write_file(
        const struct state *state, const char *name, const struct buf *text, struct buf *error)
{
	char path[PATH_MAX], draft[PATH_MAX];

	state_path(state, name, path);
	snprintf(draft, sizeof(draft), "%.*s.new", PATH_MAX - 8, path);
	int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(error, "cannot write", draft);
	bool written = write(fd, text->data, text->len) == (ssize_t)text->len && fsync(fd) == 0;
	close(fd);
	if (!written || rename(draft, path) < 0)
		return fail(error, "cannot write", path);
	return ERR_OK;
}

void state_random_hex(char *ret_text, unsigned bytes)
{
	uint8_t raw[32];

	env_real()->random(env_real(), raw, bytes);
	hex_encode(raw, bytes, ret_text);
}

static void conf_text(const struct state *state, const char *dir, struct buf *out)
{
	char suffix[33];

	state_random_hex(suffix, 16);
	buf_printf(out,
	        "# Written at first start. `cairn node --print-config` lists every option.\n"
	        "[node]\nstate_dir = %s\nport = %d\n\n"
	        "[cluster]\nreplicas = %d\nhash_suffix = %s\n"
	        "policy = 0 Policy-0\npolicy = 1 silver\n",
	        dir, state->port, state->replicas, suffix);
	if (state->k)
		buf_printf(out, "policy = 2 ec type=ec k=%u m=%u\n", state->k, state->m);
	buf_str(out, "\n[devices]\n");
	for (int i = 0; i < state->devices; i++)
		buf_printf(out, "device = d%d\n", i);
	if (state->wire) {
		char secret[65];
		state_random_hex(secret, 32);
		buf_printf(out,
		        "\n# The proxies ask the devices by the protocol between nodes.\n"
		        "[wire]\nport = %d\nkey = k1 %s\nloopback = yes\n",
		        state->wire, secret);
	}
	buf_printf(out,
	        "\n# Development accounts: remove these lines in production.\n"
	        "[auth]\nv1_auth = yes\n%s\n"
	        "# Accounts and containers as names of hosts (container.account.example.net).\n"
	        "[domain_remap]\nstorage_domain = example.net\n",
	        users);
}

/* What S3's clients may want encrypted, is: with a root secret, or with keys of the names that test
 * suites ask for. */
static enum err make_keys(const struct state *state, struct buf *error)
{
	static const struct {
		const char *file, *ids[2];
	} files[] = {
	        {"encryption.keys", {"local-1", NULL}}, {"kms.keys", {"testkey-1", "testkey-2"}}};
	enum err err = ERR_OK;

	for (unsigned i = 0; !err && i < COUNT_OF(files); i++) {
		AUTO(buf) struct buf text = BUF_NONE;
		char path[PATH_MAX];
		uint8_t raw[32];
		state_path(state, files[i].file, path);
		if (access(path, F_OK) == 0)
			continue;
		for (unsigned k = 0; k < COUNT_OF(files[i].ids) && files[i].ids[k]; k++) {
			env_real()->random(env_real(), raw, sizeof(raw));
			buf_printf(&text, "%s ", files[i].ids[k]);
			base64_encode(raw, sizeof(raw), &text);
			buf_char(&text, '\n');
		}
		err = state_write_file(state, files[i].file, &text, error);
	}
	return err;
}

void state_url(const struct state *state, struct buf *out)
{
	bool v6 = strchr(state->address, ':');

	buf_printf(out, "http%s://%s%s%s:%d", state->tls ? "s" : "", v6 ? "[" : "", state->address,
	        v6 ? "]" : "", state->port);
}

void state_reach(const char *bind_ip, char ret_address[64])
{
	const char *ip = strcmp(bind_ip, "0.0.0.0") == 0 ? "127.0.0.1"
	                 : strcmp(bind_ip, "::") == 0    ? "::1"
	                                                 : bind_ip;

	snprintf(ret_address, 64, "%s", ip);
}

enum err state_read_conf(struct state *state, struct buf *error)
{
	char path[PATH_MAX];
	struct node_conf conf = {0};
	struct conf *texts = NULL;

	state_path(state, "cairn.conf", path);
	enum err err = conf_load(path, node_options, node_option_count, &conf, error, &texts);
	if (err)
		return err;
	struct stat here, there;
	bool same = stat(state->dir, &here) == 0 && stat(conf.state_dir, &there) == 0 &&
	            here.st_dev == there.st_dev && here.st_ino == there.st_ino;
	state->elsewhere = same ? NULL : "cairn.conf";
	state->port = (int)conf.port;
	state->tls = *conf.tls_cert && *conf.tls_key;
	state_reach(conf.bind_ip, state->address);
	snprintf(state->bind_ip, sizeof(state->bind_ip), "%s", conf.bind_ip);
	if (conf.v1_auth && conf.users.count &&
	        sscanf(conf.users.items[0], "%63s %63s", state->user, state->key) != 2)
		*state->user = 0;
	conf_free(texts);
	return identity_read_conf(state, error);
}

enum err state_create(struct state *state, struct buf *error)
{
	static const char *const dirs[] = {"", "run", "log", "devices", "ring"};
	char path[PATH_MAX], dir[PATH_MAX];
	enum err err;

	for (unsigned i = 0; i < COUNT_OF(dirs); i++) {
		if ((err = make_dir(state, dirs[i], error)))
			return err;
	}
	if (!realpath(state->dir, dir))
		return fail(error, "cannot resolve", state->dir);
	state_path(state, "cairn.conf", path);
	if (access(path, F_OK) < 0) {
		AUTO(buf) struct buf conf = BUF_NONE;
		conf_text(state, dir, &conf);
		if ((err = make_keys(state, error)) ||
		        (err = state_write_file(state, "cairn.conf", &conf, error)))
			return err;
	}
	if ((err = state_read_conf(state, error)))
		return err;
	if (state->elsewhere) {
		buf_printf(error,
		        "%s was moved or copied: its %s names another state_dir, and that one's "
		        "data would be served; make it `state_dir = %s%s`",
		        state->dir, state->elsewhere, dir,
		        strcmp(state->elsewhere, "cairn.conf") == 0 ? "" : "/identity");
		return ERR_CONFIG;
	}
	return ERR_OK;
}

static void pid_path(const struct state *state, const char *name, char ret_path[PATH_MAX])
{
	snprintf(ret_path, PATH_MAX, "%s/run/%s.pid", state->dir, name);
}

void state_write_pid(const struct state *state, const char *name, pid_t pid, int *lock)
{
	char path[PATH_MAX], draft[PATH_MAX];

	/* Locked, then renamed into place: nobody reads half of it, or finds it without its lock.
	 */
	pid_path(state, name, path);
	snprintf(draft, sizeof(draft), "%.*s.new", PATH_MAX - 8, path);
	int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	bool written = flock(fd, LOCK_EX | LOCK_NB) == 0 && dprintf(fd, "%d\n", (int)pid) > 0;
	if (!written || rename(draft, path) < 0) {
		unlink(draft);
		close(fd);
		return;
	}
	if (*lock >= 0)
		close(*lock);
	*lock = fd;
}

void state_remove_pid(const struct state *state, const char *name)
{
	char path[PATH_MAX];

	pid_path(state, name, path);
	unlink(path);
}

pid_t state_read_pid(const struct state *state, const char *name)
{
	char path[PATH_MAX];
	int pid = 0;

	pid_path(state, name, path);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (flock(fileno(file), LOCK_SH | LOCK_NB) == 0 || fscanf(file, "%d", &pid) != 1)
		pid = 0;
	fclose(file);
	return pid > 0 && kill(pid, 0) == 0 ? pid : 0;
}

/* -1 when nobody listens. */
static int connected(const char *address, int to_port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	                        .ai_socktype = SOCK_STREAM},
	                *to;
	struct timeval wait = {2, 0};
	char port[8];

	snprintf(port, sizeof(port), "%d", to_port);
	if (getaddrinfo(address, port, &hints, &to) != 0)
		return -1;
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)); /* connecting, too */
		if (connect(fd, to->ai_addr, to->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(to);
	return fd;
}

static bool get(
        const char *address, int port, const char *path, const char *headers, struct buf *body)
{
	AUTO(buf) struct buf request = BUF_NONE;
	char data[8192];
	ssize_t n;

	int fd = connected(address, port);
	if (fd < 0)
		return false;
	buf_printf(&request, "GET %s HTTP/1.0\r\nHost: localhost\r\n%s\r\n", path, headers);
	if (send(fd, request.data, request.len, MSG_NOSIGNAL) == (ssize_t)request.len) {
		while ((n = recv(fd, data, sizeof(data), 0)) > 0)
			buf_add(body, data, (size_t)n);
	}
	close(fd);
	return body->len > 12 && memcmp(body->data + 8, " 200", 4) == 0;
}

bool state_get(const struct state *state, const char *path, const char *headers, struct buf *body)
{
	return get(state->address, state->port, path, headers, body);
}

bool state_identity_healthy(const struct state *state)
{
	AUTO(buf) struct buf body = BUF_NONE;

	return get(state->identity_address, state->identity_port, "/healthcheck", "", &body);
}

bool state_healthy(const struct state *state)
{
	AUTO(buf) struct buf body = BUF_NONE;

	if (!state->tls)
		return state_get(state, "/healthcheck", "", &body);
	int fd = connected(state->address, state->port);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool state_sign(const struct state *state, const char *what, const char *target, char ret_time[24],
        char ret_sign[65])
{
	uint8_t secret[32];
	char file[PATH_MAX];

	state_path(state, "token.key", file);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, secret, sizeof(secret)) : -1;
	if (fd >= 0)
		close(fd);
	if (n != sizeof(secret)) {
		fprintf(stderr, "cairn: cannot read %s: who may ask is who can\n", file);
		return false;
	}
	snprintf(ret_time, 24, "%lld", (long long)time(NULL));
	operator_sign(secret, what, target, ret_time, ret_sign);
	return true;
}

int state_print_audit(const struct state *state, const char *name)
{
	AUTO(buf) struct buf path = BUF_NONE, headers = BUF_NONE, body = BUF_NONE;
	char now[24], sign[65];

	if (state->tls) {
		fprintf(stderr, "cairn: the API speaks TLS, which this command does not\n");
		return 1;
	}
	buf_printf(&path, AUDIT_PREFIX "%s", name);
	if (!state_sign(state, "audit", buf_text(&path), now, sign))
		return 1;
	buf_printf(&headers, OPERATOR_TIME ": %s\r\n" OPERATOR_SIGN ": %s\r\n", now, sign);
	bool answered = state_get(state, buf_text(&path), buf_text(&headers), &body);
	const char *text = body.len ? strstr(buf_text(&body), "\r\n\r\n") : NULL;
	if (!text) {
		fprintf(stderr, "cairn: the node does not answer\n");
		return 1;
	}
	fputs(text + 4, answered ? stdout : stderr);
	return answered ? 0 : 1;
}

void state_print_log_tail(const struct state *state, const char *name, FILE *out)
{
	char path[PATH_MAX], data[2000];

	snprintf(path, sizeof(path), "%s/log/%s.log", state->dir, name);
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	if (fseek(file, -(long)sizeof(data), SEEK_END) < 0)
		rewind(file);
	size_t n = fread(data, 1, sizeof(data), file);
	fwrite(data, 1, n, out);
	fclose(file);
}
