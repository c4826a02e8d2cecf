/* The root secrets of encryption at rest: a text file, a line each ("id base64"), that only its
 * owner may read. What was in it stays in use while the node runs: requests hold on to secrets. */
#include "node/node.h"
#include "node/secrets.h"
#include "proxy/seal.h"

#include "lib/base/base64.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ID_CHARS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define SECRETS_MAX 1000

static void file_path(const struct node_conf *conf, char ret_path[PATH_MAX])
{
	if (*conf->encryption_secrets)
		snprintf(ret_path, PATH_MAX, "%s", conf->encryption_secrets);
	else
		snprintf(ret_path, PATH_MAX, "%s/encryption.keys", conf->state_dir);
}

static enum err make_file(const char *path)
{
	const struct env *env = env_real();
	uint8_t secret[32];
	AUTO(buf) struct buf text = BUF_NONE;

	env->random(env, secret, sizeof(secret));
	buf_str(&text, "first ");
	base64_encode(secret, sizeof(secret), &text);
	buf_char(&text, '\n');
	return file_save(path, text.data, text.len);
}

/* "id base64", of which the id may be there once. */
static const char *parse_line(struct seal_keys *keys, char *line)
{
	char *save = NULL, *id = strtok_r(line, " \t", &save),
	     *secret = strtok_r(NULL, " \t", &save);
	AUTO(buf) struct buf raw = BUF_NONE;

	if (!id || *id == '#')
		return NULL;
	if (!secret || strtok_r(NULL, " \t", &save) || id[strspn(id, ID_CHARS)])
		return "a line wants an id and a secret in base64";
	if (!base64_decode(secret, strlen(secret), &raw) || raw.len != sizeof(keys->secrets->bytes))
		return "a secret has 32 bytes, in base64 (openssl rand -base64 32)";
	for (unsigned i = 0; i < keys->count; i++) {
		if (strcmp(keys->secrets[i].id, id) == 0)
			return "the same id is there twice";
	}
	if (keys->count == SECRETS_MAX)
		return "there are too many secrets";
	struct seal_secret *s = &keys->secrets[keys->count++];
	s->id = mem_strdup(id);
	memcpy(s->bytes, raw.data, raw.len);
	return NULL;
}

static enum err parse(struct seal_keys *keys, const char *path, char *text, struct buf *error)
{
	unsigned number = 1;

	for (char *line = text, *end; line; line = end, number++) {
		end = strchr(line, '\n');
		if (end)
			*end++ = 0;
		const char *wrong = parse_line(keys, line);
		if (wrong) {
			buf_printf(error, "%s:%u: %s", path, number, wrong);
			return ERR_CONFIG;
		}
	}
	if (keys->count)
		return ERR_OK;
	buf_printf(error, "%s: there is no secret in it", path);
	return ERR_CONFIG;
}

static enum err choose(
        struct seal_keys *keys, const struct node_conf *conf, const char *path, struct buf *error)
{
	if (!conf->encryption)
		return ERR_OK;
	if (!*conf->encryption_active) {
		keys->active = &keys->secrets[keys->count - 1];
		return ERR_OK;
	}
	for (unsigned i = 0; i < keys->count; i++) {
		if (strcmp(keys->secrets[i].id, conf->encryption_active) == 0)
			keys->active = &keys->secrets[i];
	}
	if (keys->active)
		return ERR_OK;
	buf_printf(error, "[encryption] active: there is no '%s' in %s", conf->encryption_active,
	        path);
	return ERR_CONFIG;
}

static enum err check_file(const char *path, bool may_make, bool *ret_there, struct buf *error)
{
	struct stat st;

	*ret_there = stat(path, &st) == 0;
	if (!*ret_there && errno == ENOENT && may_make) {
		*ret_there = make_file(path) == ERR_OK;
		if (!*ret_there)
			buf_printf(error, "%s: cannot be made", path);
		return *ret_there ? ERR_OK : ERR_CONFIG;
	}
	if (*ret_there && st.st_mode & 077) {
		buf_printf(error, "%s: others may read it; chmod 600 it", path);
		return ERR_CONFIG;
	}
	return ERR_OK;
}

enum err node_encryption(struct node *node, const struct node_conf *conf, struct buf *error)
{
	char path[PATH_MAX], *text;
	bool there;

	file_path(conf, path);
	enum err err = check_file(path, conf->encryption && !conf->wire_port, &there, error);
	if (err || (!there && !conf->encryption))
		return err;
	if (conf->encryption && *conf->swift_dir) {
		buf_str(error, "[encryption] enabled: Swift's servers keep what they are given; "
		               "not with [swift] dir");
		return ERR_CONFIG;
	}
	if (file_load(path, &text)) {
		buf_printf(error, "%s: cannot be read; all nodes want the same file%s", path,
		        there ? "" : " (a line: an id, and what `openssl rand -base64 32` prints)");
		return ERR_CONFIG;
	}
	struct seal_keys *keys = mem_zalloc(sizeof(*keys));
	keys->secrets = mem_zalloc(SECRETS_MAX * sizeof(*keys->secrets));
	keys->env = env_real();
	if ((err = parse(keys, path, text, error)) || (err = choose(keys, conf, path, error))) {
		seal_keys_free(keys);
	} else {
		keys->before = node->cluster.seal;
		node->cluster.seal = keys;
	}
	memset(text, 0, strlen(text));
	free(text);
	return err;
}
