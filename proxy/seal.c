#include "proxy/seal.h"

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

#define ABOUT       24 /* size, MD5 */
#define USER_PREFIX "X-Object-Meta-"
#define ROW_MARK    "sealed "

uint64_t seal_size(uint64_t plain)
{
	if (plain <= SEAL_FIRST)
		return plain;
	return plain + (plain - SEAL_FIRST + SEAL_PLAIN - 1) / SEAL_PLAIN * AEAD_TAG;
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
		free(keys->secrets);
		free((struct seal_keys *)(uintptr_t)keys);
		keys = before;
	}
}

/* One for each use: HMAC-SHA256 of the root secret over what it is for. */
static void derive(const struct seal_secret *secret, const char *use, struct seal_path path,
        const uint8_t *salt, uint8_t ret_key[AEAD_KEY])
{
	const char *parts[] = {use, path.account, path.container, path.object};
	AUTO(buf) struct buf text = BUF_NONE;

	for (unsigned i = 0; i < COUNT_OF(parts); i++)
		buf_add(&text, parts[i] ? parts[i] : "", strlen(parts[i] ? parts[i] : "") + 1);
	if (salt)
		buf_add(&text, salt, SEAL_SALT);
	hmac_sha256(secret->bytes, sizeof(secret->bytes), text.data, text.len, ret_key);
}

static const struct seal_secret *find(const struct seal_keys *keys, const char *id, size_t len)
{
	for (unsigned i = 0; keys && i < keys->count; i++) {
		const struct seal_secret *s = &keys->secrets[i];
		if (strlen(s->id) == len && memcmp(s->id, id, len) == 0)
			return s;
	}
	return NULL;
}

static void chunk_nonce(uint64_t index, uint8_t ret_nonce[AEAD_NONCE])
{
	memset(ret_nonce, 0, AEAD_NONCE);
	memcpy(ret_nonce, &index, sizeof(index));
}

static const uint8_t about_nonce[AEAD_NONCE] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'h', 'e', 'a', 'd'};

/* "id base64(nonce, text, tag)" */
static void seal_text(const struct seal_keys *keys, const char *use, struct seal_path path,
        const void *text, size_t len, struct buf *out)
{
	const struct seal_secret *secret = keys->active ? keys->active : &keys->secrets[0];
	uint8_t key[AEAD_KEY];
	AUTO(buf) struct buf raw = BUF_NONE;
	uint8_t *p = buf_reserve(&raw, AEAD_NONCE + len + AEAD_TAG);

	derive(secret, use, path, NULL, key);
	keys->env->random(keys->env, p, AEAD_NONCE);
	aead_seal(key, p, NULL, 0, text, len, p + AEAD_NONCE);
	buf_printf(out, "%s ", secret->id);
	base64_encode(p, AEAD_NONCE + len + AEAD_TAG, out);
}

/* Splits that: the secret, and what was sealed. */
static enum err parse_text(const struct seal_keys *keys, const char *text,
        const struct seal_secret **ret_secret, struct buf *raw)
{
	size_t id = strcspn(text, " ");

	*ret_secret = find(keys, text, id);
	if (!*ret_secret)
		return ERR_NOT_FOUND;
	if (!text[id] || !base64_decode(text + id + 1, strlen(text + id + 1), raw) ||
	        raw->len < AEAD_NONCE + AEAD_TAG)
		return ERR_CORRUPT;
	return ERR_OK;
}

static enum err open_raw(struct aead *aead, const struct buf *raw, struct buf *out)
{
	const uint8_t *p = (const uint8_t *)raw->data;
	size_t len = raw->len - AEAD_NONCE - AEAD_TAG;
	const uint8_t *text = p + AEAD_NONCE;
	char *plain = buf_reserve(out, len + 1);
	enum err err = aead_open_with(aead, p, NULL, 0, text, len, text + len, plain);

	if (err)
		return err;
	plain[len] = 0;
	out->len += len;
	return ERR_OK;
}

static enum err unseal_text(const struct seal_keys *keys, const char *use, struct seal_path path,
        const char *text, struct buf *out)
{
	uint8_t key[AEAD_KEY];
	const struct seal_secret *secret;
	AUTO(buf) struct buf raw = BUF_NONE;

	enum err err = parse_text(keys, text, &secret, &raw);
	if (err)
		return err;
	derive(secret, use, path, NULL, key);
	struct aead *aead = aead_new(key);
	err = open_raw(aead, &raw, out);
	aead_free(aead);
	return err;
}

/* --- writing --- */

void seal_begin(struct seal *s, const struct seal_keys *keys, struct seal_path path)
{
	uint8_t key[AEAD_KEY];

	*s = (struct seal){.keys = keys, .path = path};
	keys->env->random(keys->env, s->salt, sizeof(s->salt));
	derive(keys->active, "body", path, s->salt, key);
	s->aead = aead_new(key);
}

void seal_done(struct seal *s)
{
	aead_free(TAKE(s->aead));
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
		chunk_nonce((at + out->len) / SEAL_CHUNK, nonce);
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
	AUTO(buf) struct buf text = BUF_NONE;

	memcpy(about, &size, sizeof(size));
	memcpy(about + sizeof(size), md5, 16);
	aead_seal_with(s->aead, about_nonce, NULL, 0, about, sizeof(about), sealed, sealed + ABOUT);
	memcpy(sealed + ABOUT + AEAD_TAG, s->tags, tags);
	memcpy(ret_etag, sealed + sizeof(size), 16);
	buf_printf(&text, "2 %s ", s->keys->active->id);
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

/* --- reading --- */

bool seal_is_sealed(const struct backend_reply *stored)
{
	return kv_get(stored->headers.data, stored->headers.len, SEAL_HEADER);
}

/* The next word of the header; NULL at its end. */
static const char *word(const char **text, size_t *ret_len)
{
	const char *start = *text + strspn(*text, " ");

	*ret_len = strcspn(start, " ");
	*text = start + *ret_len;
	return *ret_len ? start : NULL;
}

static enum err open_header(
        struct unseal *u, const struct seal_keys *keys, struct seal_path path, const char *header)
{
	const char *words[4];
	size_t lens[4];
	uint8_t key[AEAD_KEY], about[ABOUT];
	uint64_t first = u->stored_size < SEAL_FIRST ? u->stored_size : SEAL_FIRST;
	size_t tags = (first + SEAL_CHUNK - 1) / SEAL_CHUNK * AEAD_TAG;
	AUTO(buf) struct buf salt = BUF_NONE;
	AUTO(buf) struct buf sealed = BUF_NONE;

	for (unsigned i = 0; i < COUNT_OF(words); i++) {
		words[i] = word(&header, &lens[i]);
		if (!words[i])
			return ERR_CORRUPT;
	}
	if (lens[0] != 1 || *words[0] != '2' || !base64_decode(words[2], lens[2], &salt) ||
	        salt.len != SEAL_SALT || !base64_decode(words[3], lens[3], &sealed) ||
	        sealed.len != ABOUT + AEAD_TAG + tags)
		return ERR_CORRUPT;
	const struct seal_secret *secret = find(keys, words[1], lens[1]);
	if (!secret) {
		log_error("seal",
		        "path=%s/%s/%s err=\"no secret %.*s\" next=\"look at [encryption]\"",
		        path.account, path.container, path.object, (int)lens[1], words[1]);
		return ERR_NOT_FOUND;
	}
	derive(secret, "body", path, (const uint8_t *)salt.data, key);
	u->aead = aead_new(key);
	const uint8_t *text = (const uint8_t *)sealed.data;
	enum err err =
	        aead_open_with(u->aead, about_nonce, NULL, 0, text, ABOUT, text + ABOUT, about);
	memcpy(u->tags, text + ABOUT + AEAD_TAG, tags);
	memcpy(&u->reply.size, about, sizeof(u->reply.size));
	memcpy(u->reply.etag, about + sizeof(u->reply.size), 16);
	return err ? err : seal_size(u->reply.size) == u->stored_size ? ERR_OK : ERR_CORRUPT;
}

enum err unseal_metadata(const struct seal_keys *keys, struct seal_path path,
        const struct buf *stored, struct buf *out)
{
	struct kv_pair pair;
	enum err err = ERR_OK;

	for (size_t at = 0; !err && kv_next(stored->data, stored->len, &at, &pair);) {
		if (strcasecmp(pair.name, SEAL_HEADER) == 0)
			continue;
		if (strcasecmp(pair.name, SEAL_METADATA) != 0) {
			kv_add_len(out, pair.name, pair.name_len, pair.value, pair.value_len);
			continue;
		}
		AUTO(buf) struct buf user = BUF_NONE;
		err = unseal_text(keys, "meta", path, pair.value, &user);
		if (!err && !kv_valid(user.data, user.len))
			err = ERR_CORRUPT;
		if (!err)
			buf_add(out, user.data, user.len);
	}
	return err;
}

enum err unseal_begin(struct unseal *u, const struct seal_keys *keys, struct seal_path path,
        const struct backend_reply *stored)
{
	const char *header = kv_get(stored->headers.data, stored->headers.len, SEAL_HEADER);

	*u = (struct unseal){.stored_size = stored->size};
	u->reply = *stored;
	u->reply.headers = BUF_NONE;
	u->reply.body = NULL;
	u->reply.body_offset = u->reply.body_len = 0;
	enum err err = header ? open_header(u, keys, path, header) : ERR_OK;
	return err ? err : unseal_metadata(keys, path, &stored->headers, &u->reply.headers);
}

void unseal_done(struct unseal *u)
{
	aead_free(TAKE(u->aead));
	buf_done(&u->reply.headers);
	bytes_unref(TAKE(u->reply.body));
	bytes_unref(TAKE(u->carry));
}

static enum err open_chunk(const struct unseal *u, uint64_t index, const uint8_t *data, size_t len,
        struct bytes *plain)
{
	uint8_t nonce[AEAD_NONCE];
	bool first = index < SEAL_TAGS;

	if (!first && len < AEAD_TAG)
		return ERR_CORRUPT;
	size_t n = first ? len : len - AEAD_TAG;
	chunk_nonce(index, nonce);
	enum err err = aead_open_with(u->aead, nonce, NULL, 0, data, n,
	        first ? u->tags[index] : data + n, plain->data + plain->len);
	plain->len += n;
	return err;
}

enum err unseal_chunks(struct unseal *u, uint64_t at, const uint8_t *data, size_t len,
        struct bytes **ret_plain, size_t *ret_used)
{
	struct bytes *plain = bytes_new(len ? len : 1);

	*ret_plain = NULL;
	*ret_used = 0;
	if (!plain)
		return ERR_NO_MEMORY;
	while (*ret_used < len) {
		uint64_t left = u->stored_size - at - *ret_used;
		size_t n = left < SEAL_CHUNK ? left : SEAL_CHUNK;
		if (n > len - *ret_used)
			break;
		if (open_chunk(u, (at + *ret_used) / SEAL_CHUNK, data + *ret_used, n, plain)) {
			bytes_unref(plain);
			return ERR_CORRUPT;
		}
		*ret_used += n;
	}
	*ret_plain = plain;
	return ERR_OK;
}

const char *unseal_row(struct unseal_rows *rows, const char *etag)
{
	const struct seal_secret *secret;
	uint8_t key[AEAD_KEY];
	AUTO(buf) struct buf raw = BUF_NONE;

	if (strncmp(etag, ROW_MARK, strlen(ROW_MARK)) != 0)
		return etag;
	if (parse_text(rows->keys, etag + strlen(ROW_MARK), &secret, &raw))
		return "";
	if (secret != rows->secret) {
		derive(secret, "row", (struct seal_path){rows->account, rows->container, NULL},
		        NULL, key);
		aead_free(rows->aead);
		rows->aead = aead_new(key);
		rows->secret = secret;
	}
	buf_reset(&rows->text);
	return open_raw(rows->aead, &raw, &rows->text) ? "" : buf_text(&rows->text);
}

void unseal_rows_done(struct unseal_rows *rows)
{
	aead_free(TAKE(rows->aead));
	buf_done(&rows->text);
}
