/* The root secrets of encryption at rest: of a text file, a line each ("id base64"), that only its
 * owner may read, and of a key manager. What was in use stays so while the node runs: requests hold
 * on to secrets. */
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
	buf_str(&text, "local-1 ");
	base64_encode(secret, sizeof(secret), &text);
	buf_char(&text, '\n');
	return file_save(path, text.data, text.len);
}

/* NULL, or what is wrong. */
static const char *add_secret(struct seal_keys *keys, const char *id, const uint8_t bytes[32])
{
	if (!*id || id[strspn(id, ID_CHARS)])
		return "an id has letters, digits, '_', '.' and '-'";
	for (unsigned i = 0; i < keys->count; i++) {
		if (strcmp(keys->secrets[i].id, id) == 0)
			return "the same id is there twice";
	}
	if (keys->count == SECRETS_MAX)
		return "there are too many secrets";
	struct seal_secret *s = &keys->secrets[keys->count++];
	s->id = mem_strdup(id);
	memcpy(s->bytes, bytes, sizeof(s->bytes));
	return NULL;
}

/* named: behind a key that S3's clients name may stand `disabled`. */
static const char *parse_line(struct seal_keys *keys, bool named, char *line)
{
	char *save = NULL, *id = strtok_r(line, " \t", &save),
	     *secret = strtok_r(NULL, " \t", &save), *state = strtok_r(NULL, " \t", &save);
	bool disabled = named && state && strcmp(state, "disabled") == 0;
	uint8_t bytes[32];

	if (!id || *id == '#')
		return NULL;
	if (!secret || (state && !disabled) || strtok_r(NULL, " \t", &save) ||
	        id[strspn(id, ID_CHARS)])
		return "a line wants an id and a secret in base64";
	struct buf raw = BUF_NONE;
	bool good = base64_decode(secret, strlen(secret), &raw) && raw.len == sizeof(bytes);
	if (good)
		memcpy(bytes, raw.data, sizeof(bytes));
	if (raw.data)
		explicit_bzero(raw.data, raw.cap);
	buf_done(&raw);
	if (!good)
		return "a secret has 32 bytes, in base64 (openssl rand -base64 32)";
	const char *wrong = add_secret(keys, id, bytes);
	explicit_bzero(bytes, sizeof(bytes));
	if (!wrong)
		keys->secrets[keys->count - 1].disabled = disabled;
	return wrong;
}

static enum err parse(
        struct seal_keys *keys, bool named, const char *path, char *text, struct buf *error)
{
	unsigned number = 1;

	for (char *line = text, *end; line; line = end, number++) {
		end = strchr(line, '\n');
		if (end)
			*end++ = 0;
		const char *wrong = parse_line(keys, named, line);
		if (wrong) {
			buf_printf(error, "%s:%u: %s", path, number, wrong);
			return ERR_CONFIG;
		}
	}
	if (keys->count || named)
		return ERR_OK;
	buf_printf(error, "%s: there is no secret in it", path);
	return ERR_CONFIG;
}

static enum err choose(struct seal_keys *keys, const struct node_conf *conf, struct buf *error)
{
	if (!keys->count)
		return ERR_OK;
	if (!*conf->encryption_active)
		keys->current = &keys->secrets[keys->count - 1];
	for (unsigned i = 0; i < keys->count; i++) {
		if (strcmp(keys->secrets[i].id, conf->encryption_active) == 0)
			keys->current = &keys->secrets[i];
	}
	if (conf->encryption)
		keys->active = keys->current;
	if (keys->current)
		return ERR_OK;
	buf_printf(error, "[encryption] active: there is no '%s' among the root secrets",
	        conf->encryption_active);
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

static enum err read_file(
        struct seal_keys *keys, bool named, const char *path, bool there, struct buf *error)
{
	char *text;

	if (file_load(path, &text)) {
		buf_printf(error, "%s: cannot be read; all nodes want the same file%s", path,
		        there ? "" : " (a line: an id, and what `openssl rand -base64 32` prints)");
		return ERR_CONFIG;
	}
	size_t len = strlen(text);
	enum err err = parse(keys, named, path, text, error);
	explicit_bzero(text, len);
	free(text);
	return err;
}

/* --- a key manager --- */

/* "cairn.conf:12: [key_manager] key_id: " */
static void blame(const struct node *node, const char *option, struct buf *error)
{
	unsigned line = node_conf_line(node, "key_manager", option);

	buf_str(error, node->conf_path);
	if (line)
		buf_printf(error, ":%u", line);
	buf_printf(error, ": [key_manager] %s: ", option);
}

/* "id id-in-the-manager" of each; what they point into is *text's. */
static bool parse_ids(const struct node *node, const struct conf_list *list,
        struct key_manager_key *keys, const char **ids, struct buf *text, struct buf *error)
{
	size_t *at = mem_zalloc(2 * list->count * sizeof(*at));
	bool good = list->count <= SECRETS_MAX;

	for (unsigned i = 0; good && i < list->count; i++) {
		const char *item = list->items[i];
		size_t id = strcspn(item, " \t"), gap = strspn(item + id, " \t"),
		       theirs = strcspn(item + id + gap, " \t");
		good = theirs && !item[id + gap + theirs];
		at[2 * i] = text->len;
		buf_add(text, item, id + 1);
		text->data[text->len - 1] = 0;
		at[2 * i + 1] = text->len;
		buf_add(text, item + id + gap, theirs + 1);
	}
	for (unsigned i = 0; good && i < list->count; i++) {
		ids[i] = text->data + at[2 * i];
		keys[i].id = text->data + at[2 * i + 1];
	}
	free(at);
	if (good)
		return true;
	blame(node, "key_id", error);
	buf_str(error, "wants an id here and the one of the key manager");
	return false;
}

static enum err ask_manager(struct seal_keys *keys, const struct node *node,
        const struct node_conf *conf, struct buf *error)
{
	unsigned count = conf->key_ids.count;
	size_t size = count * sizeof(struct key_manager_key);
	struct key_manager_key *fetched = mem_zalloc(size);
	const char **ids = mem_zalloc(count * sizeof(*ids)), *option, *wrong = NULL;
	AUTO(buf) struct buf text = BUF_NONE, why = BUF_NONE;
	enum err err = ERR_CONFIG;

	if (parse_ids(node, &conf->key_ids, fetched, ids, &text, error) &&
	        (err = key_manager_fetch(&conf->key_manager, fetched, count, &option, &why))) {
		blame(node, option, error);
		buf_str(error, buf_text(&why));
	}
	for (unsigned i = 0; !err && i < count; i++) {
		if ((wrong = add_secret(keys, ids[i], fetched[i].bytes))) {
			blame(node, "key_id", error);
			buf_printf(error, "%s: %s", ids[i], wrong);
			err = ERR_CONFIG;
		}
	}
	explicit_bzero(fetched, size);
	free(fetched);
	free(ids);
	if (!err)
		log_info("key-manager", "secrets=%u", count);
	return err;
}

/* --- keys that S3's clients name --- */

static enum err gather_named(
        struct seal_keys *keys, const struct node_conf *conf, struct buf *error)
{
	struct seal_keys named = {.secrets = mem_zalloc(SECRETS_MAX * sizeof(*named.secrets))};
	char path[PATH_MAX];
	bool there;

	if (*conf->s3_kms_keys)
		snprintf(path, PATH_MAX, "%s", conf->s3_kms_keys);
	else
		snprintf(path, PATH_MAX, "%s/kms.keys", conf->state_dir);
	enum err err = check_file(path, false, &there, error);
	if (!err && (there || *conf->s3_kms_keys))
		err = read_file(&named, true, path, there, error);
	keys->kms = named.secrets;
	keys->kms_count = named.count;
	return err;
}

/* --- all of them --- */

static enum err gather(struct seal_keys *keys, const struct node *node,
        const struct node_conf *conf, struct buf *error)
{
	bool managed = conf->key_ids.count > 0, there;
	char path[PATH_MAX];

	file_path(conf, path);
	/* One that is not for all objects is for those that S3's clients want encrypted. */
	bool makes = !conf->wire_port && !managed && !node->swift &&
	             (conf->encryption || (conf->units.s3 && !*conf->encryption_secrets));
	enum err err = check_file(path, makes, &there, error);
	bool wanted = conf->encryption && (*conf->encryption_secrets || !managed);
	if (!err && (there || wanted))
		err = read_file(keys, false, path, there, error);
	if (!err && managed)
		err = ask_manager(keys, node, conf, error);
	if (!err)
		err = gather_named(keys, conf, error);
	return err ? err : choose(keys, conf, error);
}

static void drop(struct seal_keys *keys)
{
	for (unsigned i = 0; i < keys->count; i++)
		explicit_bzero(keys->secrets[i].bytes, sizeof(keys->secrets[i].bytes));
	for (unsigned i = 0; i < keys->kms_count; i++)
		explicit_bzero(keys->kms[i].bytes, sizeof(keys->kms[i].bytes));
	seal_keys_free(keys);
}

static bool same_id(const struct seal_secret *a, const struct seal_secret *b)
{
	return a && b ? strcmp(a->id, b->id) == 0 : a == b;
}

static bool same_secrets(const struct seal_secret *a, const struct seal_secret *b, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!same_id(&a[i], &b[i]) || a[i].disabled != b[i].disabled ||
		        memcmp(a[i].bytes, b[i].bytes, sizeof(a[i].bytes)) != 0)
			return false;
	}
	return true;
}

/* A reload that changes nothing keeps nothing. */
static bool same_keys(const struct seal_keys *a, const struct seal_keys *b)
{
	return a && a->count == b->count && a->kms_count == b->kms_count &&
	       same_id(a->active, b->active) && same_id(a->current, b->current) &&
	       same_secrets(a->secrets, b->secrets, a->count) &&
	       same_secrets(a->kms, b->kms, a->kms_count);
}

enum err node_encryption(struct node *node, const struct node_conf *conf, struct buf *error)
{
	if (conf->encryption && node->swift) { /* by a reload */
		buf_str(error, "[encryption] enabled: not with [swift] dir");
		return ERR_CONFIG;
	}
	struct seal_keys *keys = mem_zalloc(sizeof(*keys));
	keys->secrets = mem_zalloc(SECRETS_MAX * sizeof(*keys->secrets));
	keys->env = env_real();
	enum err err = gather(keys, node, conf, error);
	if (err || (!keys->count && !keys->kms_count) || same_keys(node->cluster.seal, keys)) {
		drop(keys);
		return err;
	}
	keys->before = node->cluster.seal;
	node->cluster.seal = keys;
	return ERR_OK;
}
