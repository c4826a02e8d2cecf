#include "proxy/seal_internal.h"

#include "lib/base/base64.h"
#include "lib/base/kv.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/md5.h"
#include "lib/env/env.h"
#include "lib/log/log.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define USER_PREFIX "X-Object-Meta-"

uint64_t seal_size(uint64_t plain)
{
	if (plain <= SEAL_FIRST)
		return plain;
	return plain + (plain - SEAL_FIRST + SEAL_PLAIN - 1) / SEAL_PLAIN * AEAD_TAG;
}

uint64_t seal_plain_size(uint64_t stored)
{
	if (stored <= SEAL_FIRST)
		return stored;
	return stored - (stored - SEAL_FIRST + SEAL_CHUNK - 1) / SEAL_CHUNK * AEAD_TAG;
}

size_t seal_piece_size(uint64_t stored)
{
	return stored < SEAL_FIRST ? SEAL_FIRST : BACKEND_PIECE / SEAL_CHUNK * SEAL_PLAIN;
}

uint64_t seal_chunk_at(uint64_t plain)
{
	if (plain < SEAL_FIRST)
		return plain / SEAL_CHUNK * SEAL_CHUNK;
	return SEAL_FIRST + (plain - SEAL_FIRST) / SEAL_PLAIN * SEAL_CHUNK;
}

uint64_t seal_chunk_plain(uint64_t at)
{
	if (at < SEAL_FIRST)
		return at;
	return SEAL_FIRST + (at - SEAL_FIRST) / SEAL_CHUNK * SEAL_PLAIN;
}

/* --- keys --- */

void seal_keys_free(const struct seal_keys *keys)
{
	while (keys) {
		const struct seal_keys *before = keys->before;
		for (unsigned i = 0; i < keys->count; i++)
			free((char *)(uintptr_t)keys->secrets[i].id);
		for (unsigned i = 0; i < keys->kms_count; i++)
			free((char *)(uintptr_t)keys->kms[i].id);
		free(keys->secrets);
		free(keys->kms);
		free((struct seal_keys *)(uintptr_t)keys);
		keys = before;
	}
}

void seal_derive(const uint8_t secret[SEAL_KEY], const char *use, struct seal_path path,
        const uint8_t *salt, uint8_t ret_key[AEAD_KEY])
{
	const char *parts[] = {use, path.account, path.container, path.object};
	AUTO(buf) struct buf text = BUF_NONE;

	for (unsigned i = 0; i < COUNT_OF(parts); i++)
		buf_add(&text, parts[i] ? parts[i] : "", strlen(parts[i] ? parts[i] : "") + 1);
	if (salt)
		buf_add(&text, salt, SEAL_SALT);
	hmac_sha256(secret, SEAL_KEY, text.data, text.len, ret_key);
}

const struct seal_secret *seal_find(
        const struct seal_secret *secrets, unsigned count, const char *id, size_t len)
{
	for (unsigned i = 0; i < count; i++) {
		const struct seal_secret *s = &secrets[i];
		if (strlen(s->id) == len && memcmp(s->id, id, len) == 0)
			return s;
	}
	return NULL;
}

const struct seal_secret *seal_kms_find(const struct seal_keys *keys, const char *id)
{
	return keys ? seal_find(keys->kms, keys->kms_count, id, strlen(id)) : NULL;
}

void seal_chunk_nonce(uint64_t index, uint8_t ret_nonce[AEAD_NONCE])
{
	memset(ret_nonce, 0, AEAD_NONCE);
	memcpy(ret_nonce, &index, sizeof(index));
}

const uint8_t seal_about_nonce[AEAD_NONCE] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'h', 'e', 'a', 'd'};

/* "id base64(nonce, text, tag)" */
static void seal_text(const struct seal_keys *keys, const char *use, struct seal_path path,
        const void *text, size_t len, struct buf *out)
{
	const struct seal_secret *secret = keys->current;
	uint8_t key[AEAD_KEY];
	AUTO(buf) struct buf raw = BUF_NONE;
	uint8_t *p = buf_reserve(&raw, AEAD_NONCE + len + AEAD_TAG);

	seal_derive(secret->bytes, use, path, NULL, key);
	keys->env->random(keys->env, p, AEAD_NONCE);
	aead_seal(key, p, NULL, 0, text, len, p + AEAD_NONCE);
	buf_printf(out, "%s ", secret->id);
	base64_encode(p, AEAD_NONCE + len + AEAD_TAG, out);
}

/* --- writing --- */

static void begin(struct seal *s, const struct seal_keys *keys, struct seal_path path)
{
	*s = (struct seal){.keys = keys, .path = path};
}

void seal_begin(struct seal *s, const struct seal_keys *keys, struct seal_path path)
{
	uint8_t key[AEAD_KEY];

	begin(s, keys, path);
	keys->env->random(keys->env, s->salt, sizeof(s->salt));
	seal_derive(keys->current->bytes, "body", path, s->salt, key);
	s->aead = aead_new(key);
	buf_printf(&s->secret, "2 %s", keys->current->id);
}

/* It goes by itself, so that the version can be given another name without the key. */
static enum err begin_customer(struct seal *s, const struct env *env, const char *text)
{
	AUTO(buf) struct buf secret = BUF_NONE;
	uint8_t key[AEAD_KEY];

	if (!base64_decode(text, strlen(text), &secret) || secret.len != SEAL_KEY)
		return ERR_FORMAT;
	env->random(env, s->salt, sizeof(s->salt));
	seal_derive((const uint8_t *)secret.data, "body", (struct seal_path){0}, s->salt, key);
	seal_derive((const uint8_t *)secret.data, "etag", s->path, NULL, s->etag_key);
	explicit_bzero(secret.data, secret.len);
	s->aead = aead_new(key);
	buf_str(&s->secret, "3 customer");
	return ERR_OK;
}

/* A secret of this version alone, wrapped by the key: "3 kms ID CONTEXT base64". */
static enum err begin_kms(struct seal *s, const struct env *env, const char *text)
{
	uint8_t secret[SEAL_KEY], key[AEAD_KEY], wrapped[WRAPPED];
	size_t id = strcspn(text, " ");
	const char *context = text + id + 1;

	if (!id || !text[id] || !*context || context[strcspn(context, " ")])
		return ERR_FORMAT;
	const struct seal_secret *kms =
	        s->keys ? seal_find(s->keys->kms, s->keys->kms_count, text, id) : NULL;
	if (!kms || kms->disabled)
		return kms ? ERR_FORBIDDEN : ERR_NOT_FOUND;
	env->random(env, s->salt, sizeof(s->salt));
	env->random(env, secret, sizeof(secret));
	env->random(env, wrapped, AEAD_NONCE);
	seal_derive(kms->bytes, "wrap", s->path, s->salt, key);
	aead_seal(key, wrapped, context, strlen(context), secret, sizeof(secret),
	        wrapped + AEAD_NONCE);
	seal_derive(secret, "body", s->path, s->salt, key);
	seal_derive(kms->bytes, "etag", s->path, NULL, s->etag_key);
	explicit_bzero(secret, sizeof(secret));
	s->aead = aead_new(key);
	buf_printf(&s->secret, "3 kms %.*s %s ", (int)id, text, context);
	base64_encode(wrapped, sizeof(wrapped), &s->secret);
	return ERR_OK;
}

enum err seal_begin_with(struct seal *s, const struct env *env, const struct seal_keys *keys,
        struct seal_path path, const char *with)
{
	begin(s, keys, path);
	if (strcmp(with, "root") == 0) {
		if (!keys || !keys->current)
			return ERR_NOT_FOUND;
		seal_begin(s, keys, path);
		return ERR_OK;
	}
	s->opaque = true;
	if (strncmp(with, "customer ", 9) == 0)
		return begin_customer(s, env, with + 9);
	return strncmp(with, "kms ", 4) == 0 ? begin_kms(s, env, with + 4) : ERR_FORMAT;
}

void seal_done(struct seal *s)
{
	aead_free(TAKE(s->aead));
	explicit_bzero(s->etag_key, sizeof(s->etag_key));
	buf_done(&s->secret);
}

struct bytes *seal_piece(struct seal *s, uint64_t at, const void *data, size_t len)
{
	const uint8_t *from = data;
	struct bytes *out = bytes_new(at ? seal_size(SEAL_FIRST + len) - SEAL_FIRST : len);
	uint8_t nonce[AEAD_NONCE];

	assert(at % BACKEND_PIECE == 0 && len <= seal_piece_size(at));
	if (!out)
		return NULL;
	for (size_t done = 0, n; done < len; done += n) {
		bool first = at + out->len < SEAL_FIRST;
		size_t chunk = first ? SEAL_CHUNK : SEAL_PLAIN;
		uint8_t *to = out->data + out->len;
		n = len - done < chunk ? len - done : chunk;
		seal_chunk_nonce((at + out->len) / SEAL_CHUNK, nonce);
		aead_seal_with(s->aead, nonce, NULL, 0, from + done, n, to,
		        first ? s->tags[s->tag_count++] : to + n);
		out->len += n + (first ? 0 : AEAD_TAG);
	}
	return out;
}

void seal_metadata(const struct seal_keys *keys, struct seal_path path, struct buf *headers)
{
	AUTO(buf) struct buf user = BUF_NONE;
	AUTO(buf) struct buf text = BUF_NONE;
	struct buf rest = BUF_NONE;
	struct kv_pair pair;

	if (!keys || !keys->current)
		return;
	for (size_t at = 0; kv_next(headers->data, headers->len, &at, &pair);) {
		bool is_user = strncasecmp(pair.name, USER_PREFIX, strlen(USER_PREFIX)) == 0;
		kv_add_len(is_user ? &user : &rest, pair.name, pair.name_len, pair.value,
		        pair.value_len);
	}
	if (user.len) {
		seal_text(keys, "meta", path, user.data, user.len, &text);
		kv_add(&rest, SEAL_METADATA, buf_text(&text));
	}
	buf_done(headers);
	*headers = rest;
}

void seal_headers(struct seal *s, struct buf *headers, uint64_t size, const uint8_t md5[16],
        uint8_t ret_etag[16])
{
	uint8_t about[ABOUT], sealed[ABOUT + AEAD_TAG + sizeof(s->tags)];
	size_t tags = s->tag_count * sizeof(s->tags[0]);
	uint8_t mac[32] = {0};
	AUTO(buf) struct buf text = BUF_NONE;

	memcpy(about, &size, sizeof(size));
	memcpy(about + sizeof(size), md5, 16);
	aead_seal_with(
	        s->aead, seal_about_nonce, NULL, 0, about, sizeof(about), sealed, sealed + ABOUT);
	memcpy(sealed + ABOUT + AEAD_TAG, s->tags, tags);
	if (s->opaque)
		hmac_sha256(s->etag_key, sizeof(s->etag_key), md5, 16, mac);
	memcpy(ret_etag, s->opaque ? mac : sealed + sizeof(size), 16);
	buf_printf(&text, "%s ", buf_text(&s->secret));
	base64_encode(s->salt, sizeof(s->salt), &text);
	buf_char(&text, ' ');
	base64_encode(sealed, ABOUT + AEAD_TAG + tags, &text);
	seal_metadata(s->keys, s->path, headers);
	kv_add(headers, SEAL_HEADER, buf_text(&text));
}

void seal_row(const struct seal_keys *keys, const char *account, const char *container,
        const char *etag, struct buf *out)
{
	struct seal_path path = {account, container, NULL};

	buf_str(out, ROW_MARK);
	seal_text(keys, "row", path, etag, strlen(etag), out);
}
