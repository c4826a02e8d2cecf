#include "cli/identity.h"

#include "identity/identity.h"
#include "lib/base/auto.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSWORD_MAX 256

static enum err fail(struct buf *error, const char *what, const char *path)
{
	int e = errno;

	buf_printf(error, "%s %s: %s", what, path, strerror(e));
	return err_from_errno(e);
}

enum err identity_read_conf(struct state *state, struct buf *error)
{
	char path[PATH_MAX];
	struct identity_conf conf = {0};
	struct conf *texts = NULL;

	state->identity_port = 0;
	state_path(state, "identity.conf", path);
	if (access(path, F_OK) < 0)
		return ERR_OK;
	enum err err =
	        conf_load(path, identity_options, identity_option_count, &conf, error, &texts);
	if (err)
		return err;
	struct stat here, there;
	state_path(state, "identity", path);
	/* Its folder is made when it first runs, and may be elsewhere from the first. */
	if (!state->elsewhere && stat(path, &here) == 0 &&
	        (stat(conf.state_dir, &there) < 0 || here.st_dev != there.st_dev ||
	                here.st_ino != there.st_ino))
		state->elsewhere = "identity.conf";
	state->identity_port = (int)conf.port;
	state_reach(conf.bind_ip, state->identity_address);
	conf_free(texts);
	return ERR_OK;
}

static void identity_url(const struct state *state, struct buf *out)
{
	bool v6 = strchr(state->identity_address, ':');

	buf_printf(out, "http://%s%s%s:%d/v3", v6 ? "[" : "", state->identity_address,
	        v6 ? "]" : "", state->identity_port);
}

/* The node learns of it at the end of its own configuration. */
static enum err tell_node(const struct state *state, const char *key, struct buf *error)
{
	AUTO(buf) struct buf text = BUF_NONE;
	char path[PATH_MAX], data[8192];
	size_t n;

	state_path(state, "cairn.conf", path);
	FILE *file = fopen(path, "re");
	if (!file)
		return fail(error, "cannot read", path);
	while ((n = fread(data, 1, sizeof(data), file)) > 0)
		buf_add(&text, data, n);
	fclose(file);
	buf_str(&text,
	        "\n# The identity service whose tokens are good here.\n[auth]\nidentity_url = ");
	identity_url(state, &text);
	buf_printf(&text, "\nidentity_key = %s\n", key);
	return text.err ? text.err : state_write_file(state, "cairn.conf", &text, error);
}

enum err identity_create(struct state *state, struct buf *error)
{
	AUTO(buf) struct buf text = BUF_NONE;
	char key[65];

	if (!state->identity || state->identity_port)
		return ERR_OK;
	state_random_hex(key, 32);
	buf_printf(&text,
	        "# Written at first start. `cairn identity --print-config` lists every option.\n"
	        "[identity]\nstate_dir = %s/identity\nbind_ip = %s\nport = %d\nservice_key = %s\n",
	        state->dir, state->bind_ip, state->identity, key);
	enum err err = state_write_file(state, "identity.conf", &text, error);
	if (!err)
		err = identity_read_conf(state, error);
	return err ? err : tell_node(state, key, error);
}

/* --- its first user --- */

/* *ret: "" when there is none. */
static void read_password(const struct state *state, char ret[PASSWORD_MAX])
{
	char path[PATH_MAX];

	state_path(state, "admin.password", path);
	FILE *file = fopen(path, "re");
	if (!file || !fgets(ret, PASSWORD_MAX, file))
		*ret = 0;
	ret[strcspn(ret, "\n")] = 0;
	if (file)
		fclose(file);
}

static enum err choose_password(char ret[PASSWORD_MAX], struct buf *error)
{
	const char *given = getenv("ADMIN_PASSWORD");

	if (!given || !*given) {
		state_random_hex(ret, 16);
		return ERR_OK;
	}
	if (strlen(given) > 72 || strpbrk(given, "\r\n")) {
		buf_str(error, "ADMIN_PASSWORD may have 72 bytes, in one line");
		return ERR_CONFIG;
	}
	snprintf(ret, PASSWORD_MAX, "%s", given);
	return ERR_OK;
}

static void run_bootstrap(const struct state *state, const char *program, const char *password)
{
	AUTO(buf) struct buf pass = BUF_NONE;
	AUTO(buf) struct buf auth = BUF_NONE;
	AUTO(buf) struct buf store = BUF_NONE;
	char conf[PATH_MAX], log[PATH_MAX];

	state_path(state, "identity.conf", conf);
	state_path(state, "log/identity.log", log);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	buf_printf(&pass, "OS_PASSWORD=%s", password);
	buf_str(&auth, "OS_AUTH_URL=");
	identity_url(state, &auth);
	state_url(state, &store);
	buf_str(&store, "/v1/AUTH_$(project_id)s");
	const char *const args[] = {"cairn", "identity", "--config", conf, "bootstrap",
	        "object-store", "swift", buf_text(&store), NULL};
	const char *const env[] = {buf_text(&pass), buf_text(&auth), NULL};
	if (fd >= 0)
		execve(program, (char *const *)args, (char *const *)env);
	_exit(127);
}

enum err identity_bootstrap(const struct state *state, const char *program, struct buf *error)
{
	AUTO(buf) struct buf text = BUF_NONE;
	char password[PASSWORD_MAX] = "";
	int status = -1;
	enum err err;

	if (!state->identity_port)
		return ERR_OK;
	read_password(state, password);
	if (*password)
		return ERR_OK;
	if ((err = choose_password(password, error)))
		return err;
	pid_t pid = fork();
	if (pid == 0)
		run_bootstrap(state, program, password);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		buf_printf(error, "the identity service cannot begin: see %s/log/identity.log",
		        state->dir);
		return ERR_CONFIG;
	}
	buf_printf(&text, "%s\n", password);
	return state_write_file(state, "admin.password", &text, error);
}

/* --- openrc --- */

/* In single quotes, in which only they themselves mean anything. */
static void add_quoted(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "export %s='", name);
	for (; *value; value++) {
		if (*value == '\'')
			buf_str(out, "'\\''");
		else
			buf_char(out, *value);
	}
	buf_str(out, "'\n");
}

static void add_identity(const struct state *state, struct buf *rc)
{
	AUTO(buf) struct buf url = BUF_NONE;
	char password[PASSWORD_MAX] = "";

	identity_url(state, &url);
	read_password(state, password);
	buf_printf(rc,
	        "export OS_AUTH_URL=%s OS_IDENTITY_API_VERSION=3\n"
	        "export OS_USERNAME=admin OS_USER_DOMAIN_NAME=Default\n"
	        "export OS_PROJECT_NAME=admin OS_PROJECT_DOMAIN_NAME=Default\n"
	        "export OS_REGION_NAME=RegionOne OS_INTERFACE=public\n",
	        buf_text(&url));
	add_quoted(rc, "OS_PASSWORD", password);
}

static void add_v1(const struct state *state, struct buf *rc)
{
	AUTO(buf) struct buf url = BUF_NONE;

	state_url(state, &url);
	buf_printf(rc, "export ST_AUTH=%s/auth/v1.0\nexport ST_USER=%s\nexport ST_KEY=%s\n",
	        buf_text(&url), state->user, state->key);
	buf_printf(rc,
	        "export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s\n"
	        "export AWS_ENDPOINT_URL=%s AWS_DEFAULT_REGION=us-east-1\n"
	        "export S3_ACCESS_KEY_ID=%s S3_SECRET_ACCESS_KEY=%s S3_HOSTNAME=%s\n",
	        state->user, state->key, buf_text(&url), state->user, state->key,
	        strstr(buf_text(&url), "//") + 2);
	/* Else the version of OS_IDENTITY_API_VERSION is what swift would speak there. */
	if (state->identity_port)
		buf_str(rc, "export ST_AUTH_VERSION=1.0\n");
}

enum err identity_write_openrc(const struct state *state, struct buf *error)
{
	AUTO(buf) struct buf rc = BUF_NONE;

	if (*state->user)
		add_v1(state, &rc);
	if (state->identity_port)
		add_identity(state, &rc);
	return rc.len ? state_write_file(state, "openrc", &rc, error) : ERR_OK;
}
