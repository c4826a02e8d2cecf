#include "identity/vault.h"

#include "identity/keyfile.h"
#include "lib/base/base64.h"
#include "lib/base/mem.h"
#include "lib/crypto/aead.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEYS_MAX 16
#define HEAD     (4 + AEAD_NONCE) /* number of the key, nonce */

struct vault_key {
	uint32_t number;
	uint8_t bytes[AEAD_KEY];
};

struct vault {
	struct vault_key keys[KEYS_MAX]; /* the one that seals first */
	unsigned count;
};

static void random_bytes(void *into, size_t len)
{
	if (getrandom(into, len, 0) != (ssize_t)len)
		abort();
}

/* --- files --- */

static enum err make(const char *dir, struct buf *error)
{
	uint8_t bytes[AEAD_KEY];

	random_bytes(bytes, sizeof(bytes));
	enum err err = keyfile_make(dir, 1, bytes, error);
	explicit_bzero(bytes, sizeof(bytes));
	return err;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct vault_key *)a)->number,
	         y = ((const struct vault_key *)b)->number;

	return x < y ? 1 : x > y ? -1 : 0;
}

static enum err load_all(const char *dir, struct vault *v, struct buf *error)
{
	DIR *folder = opendir(dir);
	enum err err = ERR_OK;

	if (!folder)
		return errno == ENOENT ? ERR_OK : keyfile_told(error, dir);
	for (struct dirent *e; !err && (e = readdir(folder));) {
		AUTO(buf) struct buf path = BUF_NONE;
		uint32_t number = keyfile_number(e->d_name);
		if (!number)
			continue;
		if (v->count == KEYS_MAX) {
			buf_printf(error,
			        "%s: more than %u keys; take away those that seal nothing any more",
			        dir, KEYS_MAX);
			err = ERR_CONFIG;
			continue;
		}
		buf_printf(&path, "%s/%s", dir, e->d_name);
		v->keys[v->count].number = number;
		err = keyfile_load(buf_text(&path), v->keys[v->count].bytes, error);
		v->count += !err;
	}
	closedir(folder);
	qsort(v->keys, v->count, sizeof(v->keys[0]), by_number);
	return err;
}

enum err vault_open(const char *dir, struct vault **ret_vault, struct buf *error)
{
	struct vault *v = mem_zalloc(sizeof(*v));
	enum err err = load_all(dir, v, error);

	if (!err && !v->count && !(err = make(dir, error)))
		err = load_all(dir, v, error);
	if (err)
		vault_free(v);
	else
		*ret_vault = v;
	return err;
}

void vault_free(struct vault *vault)
{
	if (vault)
		explicit_bzero(vault, sizeof(*vault));
	free(vault);
}

/* --- texts --- */

void vault_seal(const struct vault *v, const char *about, const char *text, struct buf *out)
{
	const struct vault_key *key = &v->keys[0];
	size_t len = strlen(text), size = HEAD + len + AEAD_TAG;
	uint8_t *raw = mem_zalloc(size);

	for (unsigned i = 0; i < 4; i++)
		raw[i] = (uint8_t)(key->number >> 8 * i);
	random_bytes(raw + 4, AEAD_NONCE);
	aead_seal(key->bytes, raw + 4, about, strlen(about), text, len, raw + HEAD);
	base64_encode(raw, size, out);
	free(raw);
}

enum err vault_unseal(const struct vault *v, const char *about, const char *sealed,
        struct arena *arena, const char **ret_text)
{
	AUTO(buf) struct buf raw = BUF_NONE;
	uint32_t number = 0;

	if (!base64_decode(sealed, strlen(sealed), &raw) || raw.len < HEAD + AEAD_TAG)
		return ERR_CORRUPT;
	const uint8_t *bytes = (const uint8_t *)raw.data;
	for (unsigned i = 0; i < 4; i++)
		number |= (uint32_t)bytes[i] << 8 * i;
	for (unsigned i = 0; i < v->count; i++) {
		if (v->keys[i].number != number)
			continue;
		size_t len = raw.len - HEAD;
		char *text = arena_zalloc(arena, len - AEAD_TAG + 1);
		*ret_text = text;
		return aead_open(
		        v->keys[i].bytes, bytes + 4, about, strlen(about), bytes + HEAD, len, text);
	}
	return ERR_NOT_FOUND;
}
