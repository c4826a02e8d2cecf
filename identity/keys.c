/* Keys that sign tokens: files keys/NUMBER of 32 bytes in the state directory, 0600. The highest
 * number signs; the others check what they have signed before. */
#include "identity/identity.h"

#include "lib/base/mem.h"
#include "lib/crypto/sha256.h"
#include "lib/log/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SEEN     4096
#define LEEWAY_S 60 /* of clocks, past the life of a token */

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum err told(struct buf *error, const char *path)
{
	enum err err = err_from_errno(errno);

	buf_printf(error, "%s: %s", path, err_text(err));
	return err;
}

static enum err load(
        const char *path, uint32_t number, struct token_key **ret_key, struct buf *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t bytes[33];
	ssize_t len = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	struct stat st;

	if (len < 0) {
		enum err err = told(error, path);
		if (fd >= 0)
			close(fd);
		return err;
	}
	bool open_to_others = fstat(fd, &st) == 0 && st.st_mode & 077;
	close(fd);
	if (open_to_others || len != 32 || token_key_load(number, bytes, true, ret_key)) {
		buf_printf(error, "%s: %s", path,
		        open_to_others ? "others can read it (chmod 0600 it, and rotate)"
		                       : "is no key: wants 32 bytes");
		return ERR_CONFIG;
	}
	return ERR_OK;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = token_key_number(*(struct token_key *const *)a),
	         y = token_key_number(*(struct token_key *const *)b);

	return x < y ? 1 : x > y ? -1 : 0;
}

static enum err load_all(
        const char *dir, struct token_key *keys[KEYS_MAX], unsigned *ret_count, struct buf *error)
{
	DIR *folder = opendir(dir);
	enum err err = ERR_OK;

	*ret_count = 0;
	if (!folder)
		return errno == ENOENT ? ERR_OK : told(error, dir);
	for (struct dirent *e; !err && (e = readdir(folder));) {
		AUTO(buf) struct buf path = BUF_NONE;
		char *end;
		unsigned long number = strtoul(e->d_name, &end, 10);
		if (*end || !number || number > UINT32_MAX || *ret_count == KEYS_MAX)
			continue;
		buf_printf(&path, "%s/%s", dir, e->d_name);
		err = load(buf_text(&path), (uint32_t)number, &keys[*ret_count], error);
		*ret_count += !err;
	}
	closedir(folder);
	qsort(keys, *ret_count, sizeof(*keys), by_number);
	return err;
}

/* Durable under its name before it signs anything. */
static enum err make(const char *dir, uint32_t number, struct buf *error)
{
	AUTO(buf) struct buf path = BUF_NONE;
	AUTO(buf) struct buf new = BUF_NONE;
	struct token_key *key;
	uint8_t bytes[32];
	enum err err = token_key_make(number, &key);

	if (err)
		return err;
	token_key_bytes(key, true, bytes);
	token_key_free(key);
	buf_printf(&path, "%s/%u", dir, number);
	buf_printf(&new, "%s.new", buf_text(&path));
	if (mkdir(dir, 0700) && errno != EEXIST)
		return told(error, dir);
	int fd = open(buf_text(&new), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, bytes, 32) == 32 && fsync(fd) == 0 &&
	          rename(buf_text(&new), buf_text(&path)) == 0;
	err = ok ? ERR_OK : told(error, buf_text(&path));
	if (fd >= 0)
		close(fd);
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!err && (folder < 0 || fsync(folder)))
		err = told(error, dir);
	if (folder >= 0)
		close(folder);
	return err;
}

static void free_all(struct token_key *keys[KEYS_MAX], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		token_key_free(keys[i]);
}

/* --- tokens that were found signed --- */

/* Their digests: who asks shows its own token each time, and a signature takes longest to check. */
struct seen {
	pthread_mutex_t lock;
	uint8_t digests[SEEN][SHA256_BYTES];
};

enum err keys_load(struct identity *identity, struct buf *error)
{
	struct token_key *keys[KEYS_MAX];
	AUTO(buf) struct buf dir = BUF_NONE;
	unsigned count;

	buf_printf(&dir, "%s/keys", identity->conf.state_dir);
	enum err err = load_all(buf_text(&dir), keys, &count, error);
	if (!err && !count) {
		err = make(buf_text(&dir), 1, error);
		if (!err)
			err = load_all(buf_text(&dir), keys, &count, error);
	}
	if (err) {
		free_all(keys, count);
		return err;
	}
	pthread_rwlock_wrlock(&identity->keys_lock);
	free_all(identity->keys, identity->key_count);
	memcpy(identity->keys, keys, sizeof(keys));
	identity->key_count = count;
	/* Keys may have been taken away, and others made of their numbers. */
	free(identity->seen);
	identity->seen = mem_zalloc(sizeof(*identity->seen));
	pthread_mutex_init(&identity->seen->lock, NULL);
	pthread_rwlock_unlock(&identity->keys_lock);
	return ERR_OK;
}

enum err keys_rotate(const char *state_dir, uint64_t life_seconds, struct buf *error)
{
	struct token_key *keys[KEYS_MAX];
	AUTO(buf) struct buf dir = BUF_NONE;
	unsigned count;
	uint32_t newest;

	buf_printf(&dir, "%s/keys", state_dir);
	enum err err = load_all(buf_text(&dir), keys, &count, error);
	newest = count ? token_key_number(keys[0]) : 0;
	/* One that has signed nothing that still counts: the one after it is older than that. */
	for (unsigned i = 1; !err && i < count; i++) {
		AUTO(buf) struct buf after = BUF_NONE;
		AUTO(buf) struct buf path = BUF_NONE;
		struct stat st;
		buf_printf(&after, "%s/%u", buf_text(&dir), token_key_number(keys[i - 1]));
		buf_printf(&path, "%s/%u", buf_text(&dir), token_key_number(keys[i]));
		if (stat(buf_text(&after), &st) == 0 &&
		        (uint64_t)st.st_mtime + life_seconds + LEEWAY_S < now_us() / 1000000)
			unlink(buf_text(&path));
	}
	free_all(keys, count);
	if (!err && count == KEYS_MAX) {
		buf_printf(error, "%s: %u keys are in use still; wait until their tokens expire",
		        buf_text(&dir), count);
		return ERR_BUSY;
	}
	return err ? err : make(buf_text(&dir), newest + 1, error);
}

void keys_done(struct identity *identity)
{
	free_all(identity->keys, identity->key_count);
	identity->key_count = 0;
	free(TAKE(identity->seen));
}

enum err keys_sign(struct identity *identity, const struct token *token, struct buf *ret_text)
{
	pthread_rwlock_rdlock(&identity->keys_lock);
	enum err err = token_sign(token, identity->keys[0], ret_text);
	pthread_rwlock_unlock(&identity->keys_lock);
	return err;
}

static uint8_t *slot_of(struct seen *seen, const uint8_t digest[SHA256_BYTES])
{
	uint32_t at;

	memcpy(&at, digest, sizeof(at));
	return seen->digests[at % SEEN];
}

static bool was_seen(struct seen *seen, const uint8_t digest[SHA256_BYTES])
{
	pthread_mutex_lock(&seen->lock);
	bool was = memcmp(slot_of(seen, digest), digest, SHA256_BYTES) == 0;
	pthread_mutex_unlock(&seen->lock);
	return was;
}

static void remember(struct seen *seen, const uint8_t digest[SHA256_BYTES])
{
	pthread_mutex_lock(&seen->lock);
	memcpy(slot_of(seen, digest), digest, SHA256_BYTES);
	pthread_mutex_unlock(&seen->lock);
}

/* Under the keys' lock. */
static enum err check_with(struct identity *identity, const char *text, const struct token_key *key,
        struct arena *arena, struct token *ret_token)
{
	uint8_t digest[SHA256_BYTES];

	sha256_digest(text, strlen(text), digest);
	if (was_seen(identity->seen, digest))
		return token_read(text, key, arena, ret_token);
	enum err err = token_check(text, key, arena, ret_token);
	if (!err)
		remember(identity->seen, digest);
	return err;
}

enum err keys_check(struct identity *identity, const char *text, uint64_t late_us,
        struct arena *arena, struct token *ret_token)
{
	enum err err = ERR_UNAUTHORIZED;
	uint32_t number;

	if (token_key_of(text, &number))
		return ERR_UNAUTHORIZED;
	pthread_rwlock_rdlock(&identity->keys_lock);
	for (unsigned i = 0; i < identity->key_count; i++) {
		if (token_key_number(identity->keys[i]) == number)
			err = check_with(identity, text, identity->keys[i], arena, ret_token);
	}
	pthread_rwlock_unlock(&identity->keys_lock);
	return err || ret_token->expires_us + late_us <= now_us() ? ERR_UNAUTHORIZED : ERR_OK;
}

enum err keys_sign_receipt(
        struct identity *identity, const struct token *receipt, struct buf *ret_text)
{
	pthread_rwlock_rdlock(&identity->keys_lock);
	enum err err = receipt_sign(receipt, identity->keys[0], ret_text);
	pthread_rwlock_unlock(&identity->keys_lock);
	return err;
}

enum err keys_check_receipt(
        struct identity *identity, const char *text, struct arena *arena, struct token *ret_receipt)
{
	enum err err = ERR_UNAUTHORIZED;

	pthread_rwlock_rdlock(&identity->keys_lock);
	for (unsigned i = 0; i < identity->key_count && err; i++)
		err = receipt_check(text, identity->keys[i], arena, ret_receipt);
	pthread_rwlock_unlock(&identity->keys_lock);
	return err || ret_receipt->expires_us <= now_us() ? ERR_UNAUTHORIZED : ERR_OK;
}
