#include "proxy/seal_internal.h"

#include "lib/base/base64.h"
#include "lib/base/kv.h"
#include "lib/log/log.h"
#include <string.h>
#include <strings.h>

static const struct seal_secret *find(const struct seal_keys *keys, const char *id, size_t len)
{
	return keys ? seal_find(keys->secrets, keys->count, id, len) : NULL;
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
	seal_derive(secret->bytes, use, path, NULL, key);
	struct aead *aead = aead_new(key);
	err = open_raw(aead, &raw, out);
	aead_free(aead);
	return err;
}

bool seal_is_sealed(const struct backend_reply *stored)
{
	return kv_get(stored->headers.data, stored->headers.len, SEAL_HEADER);
}

bool seal_hides_etag(const char *header)
{
	return header && strncmp(header, "2 ", 2) == 0;
}

/* The next word of the header; NULL at its end. */
static const char *word(const char **text, size_t *ret_len)
{
	const char *start = *text + strspn(*text, " ");

	*ret_len = strcspn(start, " ");
	*text = start + *ret_len;
	return *ret_len ? start : NULL;
}

/* What the header says. */
struct sealed {
	const char *words[6]; /* version, then what the secret is */
	size_t lens[6];
	struct buf salt, body; /* owned */
};

static void sealed_done(struct sealed *s)
{
	buf_done(&s->salt);
	buf_done(&s->body);
}

static bool word_is(const struct sealed *s, unsigned i, const char *text)
{
	return s->lens[i] == strlen(text) && memcmp(s->words[i], text, s->lens[i]) == 0;
}

/* Words of the secret before salt and body, by version and kind. */
static unsigned words_before(const struct sealed *s)
{
	if (word_is(s, 0, "2"))
		return 2;
	if (!word_is(s, 0, "3"))
		return 0;
	return word_is(s, 1, "customer") ? 2 : word_is(s, 1, "kms") ? 5 : 0;
}

static bool parse_header(const char *header, struct sealed *s)
{
	const char *words[2];
	size_t lens[2];
	unsigned before = 2;

	for (unsigned i = 0; i < before; i++) {
		s->words[i] = word(&header, &s->lens[i]);
		if (!s->words[i])
			return false;
		if (i == 1 && !(before = words_before(s)))
			return false;
	}
	for (unsigned i = 0; i < 2; i++) {
		words[i] = word(&header, &lens[i]);
		if (!words[i])
			return false;
	}
	return base64_decode(words[0], lens[0], &s->salt) && s->salt.len == SEAL_SALT &&
	       base64_decode(words[1], lens[1], &s->body);
}

static enum err root_key(
        const struct seal_keys *keys, struct seal_path path, const struct sealed *s, uint8_t *ret)
{
	const struct seal_secret *secret = find(keys, s->words[1], s->lens[1]);

	if (!secret) {
		log_error("seal",
		        "path=%s/%s/%s err=\"no secret %.*s\" next=\"look at [encryption]\"",
		        path.account, path.container, path.object, (int)s->lens[1], s->words[1]);
		return ERR_NOT_FOUND;
	}
	seal_derive(secret->bytes, "body", path, (const uint8_t *)s->salt.data, ret);
	return ERR_OK;
}

static enum seal_lock customer_key_of(const struct sealed *s, const char *text, uint8_t *ret)
{
	AUTO(buf) struct buf key = BUF_NONE;

	if (!text || !base64_decode(text, strlen(text), &key) || key.len != SEAL_KEY)
		return SEAL_WANTS_KEY;
	seal_derive((const uint8_t *)key.data, "body", (struct seal_path){0},
	        (const uint8_t *)s->salt.data, ret);
	explicit_bzero(key.data, key.len);
	return SEAL_UNLOCKED;
}

static enum err kms_key(struct unseal *u, const struct seal_keys *keys, struct seal_path path,
        const struct sealed *s, uint8_t *ret)
{
	const uint8_t *salt = (const uint8_t *)s->salt.data;
	AUTO(buf) struct buf wrapped = BUF_NONE;
	uint8_t secret[SEAL_KEY], key[AEAD_KEY];
	const struct seal_secret *kms =
	        keys ? seal_find(keys->kms, keys->kms_count, s->words[2], s->lens[2]) : NULL;

	if (!base64_decode(s->words[4], s->lens[4], &wrapped) || wrapped.len != WRAPPED)
		return ERR_CORRUPT;
	if (!kms || kms->disabled) {
		u->lock = kms ? SEAL_KMS_DISABLED : SEAL_NO_KMS_KEY;
		return ERR_OK;
	}
	seal_derive(kms->bytes, "wrap", path, salt, key);
	const uint8_t *raw = (const uint8_t *)wrapped.data;
	enum err err = aead_open(key, raw, s->words[3], s->lens[3], raw + AEAD_NONCE,
	        wrapped.len - AEAD_NONCE, secret);
	seal_derive(secret, "body", path, salt, ret);
	explicit_bzero(secret, sizeof(secret));
	return err;
}

/* Size and MD5, and the tags of the first chunks. */
static enum err open_about(struct unseal *u, const struct sealed *s, bool opaque)
{
	uint64_t first = u->stored_size < SEAL_FIRST ? u->stored_size : SEAL_FIRST;
	size_t tags = (first + SEAL_CHUNK - 1) / SEAL_CHUNK * AEAD_TAG;
	const uint8_t *text = (const uint8_t *)s->body.data;
	uint8_t about[ABOUT];

	if (s->body.len != ABOUT + AEAD_TAG + tags)
		return ERR_CORRUPT;
	if (u->lock)
		return ERR_OK;
	enum err err = aead_open_with(
	        u->aead, seal_about_nonce, NULL, 0, text, ABOUT, text + ABOUT, about);
	memcpy(u->tags, text + ABOUT + AEAD_TAG, tags);
	memcpy(&u->reply.size, about, sizeof(u->reply.size));
	if (!opaque)
		memcpy(u->reply.etag, about + sizeof(u->reply.size), 16);
	return err ? err : seal_size(u->reply.size) == u->stored_size ? ERR_OK : ERR_CORRUPT;
}

static enum err open_header(struct unseal *u, const struct seal_keys *keys, struct seal_path path,
        const char *customer_key, const char *header)
{
	struct sealed s = {.salt = BUF_NONE, .body = BUF_NONE};
	uint8_t key[AEAD_KEY];
	enum err err = parse_header(header, &s) ? ERR_OK : ERR_CORRUPT;
	bool opaque = !seal_hides_etag(header);

	u->reply.size = seal_plain_size(u->stored_size);
	if (!err && !opaque)
		err = root_key(keys, path, &s, key);
	else if (!err && word_is(&s, 1, "customer"))
		u->lock = customer_key_of(&s, customer_key, key);
	else if (!err)
		err = kms_key(u, keys, path, &s, key);
	if (!err && !u->lock)
		u->aead = aead_new(key);
	if (!err)
		err = open_about(u, &s, opaque);
	/* Another key than that of this version. */
	if (err == ERR_CORRUPT && u->aead && opaque && word_is(&s, 1, "customer")) {
		aead_free(TAKE(u->aead));
		u->lock = SEAL_WANTS_KEY;
		u->reply.size = seal_plain_size(u->stored_size);
		err = ERR_OK;
	}
	sealed_done(&s);
	return err;
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
        const char *customer_key, const struct backend_reply *stored)
{
	const char *header = kv_get(stored->headers.data, stored->headers.len, SEAL_HEADER);

	*u = (struct unseal){.stored_size = stored->size};
	u->reply = *stored;
	u->reply.headers = BUF_NONE;
	u->reply.body = NULL;
	u->reply.body_offset = u->reply.body_len = 0;
	enum err err = header ? open_header(u, keys, path, customer_key, header) : ERR_OK;
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
	seal_chunk_nonce(index, nonce);
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
		seal_derive(secret->bytes, "row",
		        (struct seal_path){rows->account, rows->container, NULL}, NULL, key);
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
