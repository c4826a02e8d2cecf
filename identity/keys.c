/* Keys that sign tokens: files keys/NUMBER of 32 bytes in the state directory, 0600. The highest
 * number signs; the others check what they have signed before. */
#include "identity/identity.h"
#include "identity/keyfile.h"

#include "lib/base/mem.h"
#include "lib/crypto/sha256.h"
#include "lib/log/log.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
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

static enum err load(
        const char *path, uint32_t number, struct token_key **ret_key, struct buf *error)
{
	uint8_t bytes[KEYFILE_BYTES];
	enum err err = keyfile_load(path, bytes, error);

	if (!err && token_key_load(number, bytes, true, ret_key)) {
		buf_printf(error, "%s: is no key", path);
		err = ERR_CONFIG;
	}
	explicit_bzero(bytes, sizeof(bytes));
	return err;
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
		return errno == ENOENT ? ERR_OK : keyfile_told(error, dir);
	for (struct dirent *e; !err && (e = readdir(folder));) {
		AUTO(buf) struct buf path = BUF_NONE;
		uint32_t number = keyfile_number(e->d_name);
		if (!number || *ret_count == KEYS_MAX)
			continue;
		buf_printf(&path, "%s/%s", dir, e->d_name);
		err = load(buf_text(&path), number, &keys[*ret_count], error);
		*ret_count += !err;
	}
	closedir(folder);
	qsort(keys, *ret_count, sizeof(*keys), by_number);
	return err;
}

/* Durable under its name before it signs anything. */
static enum err make(const char *dir, uint32_t number, struct buf *error)
{
	struct token_key *key;
	uint8_t bytes[KEYFILE_BYTES];
	enum err err = token_key_make(number, &key);

	if (err)
		return err;
	token_key_bytes(key, true, bytes);
	token_key_free(key);
	err = keyfile_make(dir, number, bytes, error);
	explicit_bzero(bytes, sizeof(bytes));
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
