#include "lib/auth/token.h"

#include "lib/base/base64.h"
#include "lib/base/mem.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION   0xc2 /* the first byte; the next format has another */
#define RECEIPT   0xd2 /* of a receipt, which so is no token anywhere */
#define SIGNATURE 64
#define RAW_MAX   1024

struct token_key {
	EVP_PKEY *pkey;
	uint32_t number;
};

/* --- keys --- */

static enum err key_of(uint32_t number, EVP_PKEY *pkey, struct token_key **ret_key)
{
	if (!pkey)
		return ERR_FORMAT;
	*ret_key = mem_zalloc(sizeof(**ret_key));
	**ret_key = (struct token_key){.pkey = pkey, .number = number};
	return ERR_OK;
}

enum err token_key_make(uint32_t number, struct token_key **ret_key)
{
	return key_of(number, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), ret_key);
}

enum err token_key_load(
        uint32_t number, const uint8_t bytes[32], bool secret, struct token_key **ret_key)
{
	return key_of(number,
	        secret ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes, 32)
	               : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, 32),
	        ret_key);
}

void token_key_bytes(const struct token_key *key, bool secret, uint8_t ret_bytes[32])
{
	size_t len = 32;
	int ok = secret ? EVP_PKEY_get_raw_private_key(key->pkey, ret_bytes, &len)
	                : EVP_PKEY_get_raw_public_key(key->pkey, ret_bytes, &len);

	if (ok != 1 || len != 32)
		abort();
}

uint32_t token_key_number(const struct token_key *key)
{
	return key->number;
}

void token_key_free(struct token_key *key)
{
	if (key)
		EVP_PKEY_free(key->pkey);
	free(key);
}

/* --- base64url --- */

static int digit(char c)
{
	return c >= 'A' && c <= 'Z'   ? c - 'A'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 26
	       : c >= '0' && c <= '9' ? c - '0' + 52
	       : c == '-'             ? 62
	       : c == '_'             ? 63
	                              : -1;
}

/* Only the one text that base64_encode_url gives for these bytes. */
static bool decode(const char *text, size_t text_len, uint8_t *out, size_t max, size_t *ret_len)
{
	uint32_t v = 0;
	unsigned bits = 0;
	size_t n = 0;

	if (text_len % 4 == 1 || text_len / 4 * 3 + 3 > max)
		return false;
	for (size_t i = 0; i < text_len; i++) {
		int d = digit(text[i]);
		if (d < 0)
			return false;
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(v >> bits);
		}
	}
	*ret_len = n;
	return !(v & ((1u << bits) - 1));
}

/* --- what is signed --- */

enum { ID_NONE, ID_HEX16, ID_HEX32, ID_TEXT }; /* in the two low bits; then the length of a text */

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_hex(struct buf *out, const char *hex, size_t len)
{
	for (size_t i = 0; i < len; i += 2)
		buf_char(out, (char)(nibble(hex[i]) << 4 | nibble(hex[i + 1])));
}

static void put_text(struct buf *out, const char *text)
{
	size_t len = strlen(text);

	buf_char(out, (char)len);
	buf_add(out, text, len);
	if (len > 255 && !out->err)
		out->err = ERR_TOO_LARGE;
}

/* UUIDs without dashes, and hashes, take half their length. */
static void put_id(struct buf *out, const char *id)
{
	size_t len = id ? strlen(id) : 0, hex = 0;

	while (hex < len && nibble(id[hex]) >= 0)
		hex++;
	unsigned kind = !id                       ? ID_NONE
	                : hex == len && len == 32 ? ID_HEX16
	                : hex == len && len == 64 ? ID_HEX32
	                                          : ID_TEXT;
	buf_char(out, (char)kind);
	if (kind == ID_HEX16 || kind == ID_HEX32)
		put_hex(out, id, len);
	else if (kind == ID_TEXT)
		put_text(out, id);
}

struct reader {
	const uint8_t *at;
	size_t left;
	struct arena *arena;
	bool bad;
};

static const uint8_t *take(struct reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (r->bad || r->left < len) {
		r->bad = true;
		return NULL;
	}
	r->at += len;
	r->left -= len;
	return at;
}

static uint64_t take_number(struct reader *r, unsigned bytes)
{
	const uint8_t *at = take(r, bytes);
	uint64_t v = 0;

	for (unsigned i = 0; at && i < bytes; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

static const char *take_text(struct reader *r)
{
	size_t len = (size_t)take_number(r, 1);
	const uint8_t *at = take(r, len);

	if (!at || memchr(at, 0, len)) {
		r->bad = true;
		return NULL;
	}
	return arena_strndup(r->arena, (const char *)at, len);
}

static const char *take_id(struct reader *r)
{
	unsigned kind = (unsigned)take_number(r, 1);
	size_t len = kind == ID_HEX16 ? 16 : 32;

	if (kind == ID_TEXT)
		return take_text(r);
	if (kind == ID_NONE)
		return NULL;
	const uint8_t *at = kind <= ID_HEX32 ? take(r, len) : NULL;
	if (!at) {
		r->bad = true;
		return NULL;
	}
	char *id = arena_alloc(r->arena, 2 * len + 1);
	for (size_t i = 0; i < len; i++) {
		id[2 * i] = "0123456789abcdef"[at[i] >> 4];
		id[2 * i + 1] = "0123456789abcdef"[at[i] & 15];
	}
	id[2 * len] = 0;
	return id;
}

enum { HAS_ROLES = 1, HAS_PARENT = 2, RESTRICTED = 4 };

static void put_audit(struct buf *out, const char *audit)
{
	uint8_t raw[32];
	size_t len;

	if (!decode(audit, strlen(audit), raw, sizeof(raw), &len) || len != 16) {
		out->err = out->err ? out->err : ERR_FORMAT;
		return;
	}
	buf_add(out, raw, 16);
}

static void take_audit(struct reader *r, char ret_audit[TOKEN_AUDIT + 1])
{
	AUTO(buf) struct buf text = BUF_NONE;
	const uint8_t *raw = take(r, 16);

	if (!raw)
		return;
	base64_encode_url(raw, 16, &text);
	snprintf(ret_audit, TOKEN_AUDIT + 1, "%s", buf_text(&text));
	r->bad |= text.err;
}

static void put_payload(
        const struct token *t, unsigned version, uint32_t key, bool roles, struct buf *out)
{
	buf_char(out, (char)version);
	buf_le32(out, key);
	buf_char(out, (char)((roles ? HAS_ROLES : 0) | (*t->parent ? HAS_PARENT : 0) |
	                      (t->restricted ? RESTRICTED : 0)));
	buf_char(out, (char)t->methods);
	buf_char(out, (char)t->scope);
	buf_le64(out, t->issued_us);
	buf_le64(out, t->expires_us);
	buf_le64(out, t->news);
	put_id(out, t->user_id);
	put_id(out, t->user_domain_id);
	put_id(out, t->scope_id);
	put_id(out, t->scope_domain_id);
	put_id(out, t->application_id);
	put_id(out, t->trust_id);
	put_audit(out, t->audit);
	if (*t->parent)
		put_audit(out, t->parent);
	buf_char(out, (char)(roles ? t->role_count : 0));
	for (unsigned i = 0; roles && i < t->role_count; i++) {
		put_id(out, t->roles[i].id);
		put_text(out, t->roles[i].name);
	}
}

static void take_payload(struct reader *r, struct token *t)
{
	unsigned flags;

	*t = (struct token){.user_id = NULL};
	take(r, 5);
	flags = (unsigned)take_number(r, 1);
	t->has_roles = flags & HAS_ROLES;
	t->restricted = flags & RESTRICTED;
	t->methods = (unsigned)take_number(r, 1);
	t->scope = (enum token_scope)take_number(r, 1);
	t->issued_us = take_number(r, 8);
	t->expires_us = take_number(r, 8);
	t->news = take_number(r, 8);
	t->user_id = take_id(r);
	t->user_domain_id = take_id(r);
	t->scope_id = take_id(r);
	t->scope_domain_id = take_id(r);
	t->application_id = take_id(r);
	t->trust_id = take_id(r);
	take_audit(r, t->audit);
	if (flags & HAS_PARENT)
		take_audit(r, t->parent);
	t->role_count = (unsigned)take_number(r, 1);
	r->bad |= t->role_count > TOKEN_ROLES_MAX || t->scope >= TOKEN_SCOPES || !t->user_id ||
	          !t->user_domain_id || flags > (HAS_ROLES | HAS_PARENT | RESTRICTED);
	for (unsigned i = 0; i < t->role_count && !r->bad; i++) {
		t->roles[i].id = take_id(r);
		t->roles[i].name = take_text(r);
		r->bad |= !t->roles[i].id;
	}
	r->bad |= r->left != 0;
}

/* --- tokens --- */

static enum err add_signature(const struct token_key *key, struct buf *raw)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[SIGNATURE];
	size_t len = sizeof(signature);
	bool ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
	          EVP_DigestSign(ctx, signature, &len, (const uint8_t *)raw->data, raw->len) == 1;

	EVP_MD_CTX_free(ctx);
	if (!ok)
		return ERR_INTERNAL;
	buf_add(raw, signature, len);
	return raw->err;
}

static enum err sign(const struct token *token, unsigned version, const struct token_key *key,
        struct buf *ret_text)
{
	AUTO(buf) struct buf raw = BUF_NONE;
	bool roles = token->role_count <= TOKEN_ROLES_MAX;

	put_payload(token, version, key->number, roles, &raw);
	if (roles && (raw.len + SIGNATURE + 2) / 3 * 4 > TOKEN_TEXT_MAX) {
		buf_reset(&raw);
		put_payload(token, version, key->number, false, &raw);
	}
	enum err err = raw.err ? raw.err : add_signature(key, &raw);
	if (!err)
		base64_encode_url(raw.data, raw.len, ret_text);
	return err ? err : ret_text->err;
}

enum err token_sign(const struct token *token, const struct token_key *key, struct buf *ret_text)
{
	return sign(token, VERSION, key, ret_text);
}

enum err receipt_sign(
        const struct token *receipt, const struct token_key *key, struct buf *ret_text)
{
	return sign(receipt, RECEIPT, key, ret_text);
}

static bool open_text(const char *text, unsigned version, uint8_t raw[RAW_MAX], size_t *ret_len)
{
	size_t len = strlen(text);

	return len < RAW_MAX && decode(text, len, raw, RAW_MAX, ret_len) &&
	       *ret_len > SIGNATURE + 5 && raw[0] == version;
}

static uint32_t number_of(const uint8_t *raw)
{
	return raw[1] | (uint32_t)raw[2] << 8 | (uint32_t)raw[3] << 16 | (uint32_t)raw[4] << 24;
}

enum err token_key_of(const char *text, uint32_t *ret_number)
{
	uint8_t raw[RAW_MAX];
	size_t len;

	if (!open_text(text, VERSION, raw, &len))
		return ERR_FORMAT;
	*ret_number = number_of(raw);
	return ERR_OK;
}

static bool is_signed(const uint8_t *raw, size_t len, const struct token_key *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
	            EVP_DigestVerify(ctx, raw + len, SIGNATURE, raw, len) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

static enum err check(const char *text, unsigned version, const struct token_key *key, bool seen,
        struct arena *arena, struct token *ret_token)
{
	uint8_t raw[RAW_MAX];
	size_t len;

	if (!open_text(text, version, raw, &len))
		return ERR_FORMAT;
	if (number_of(raw) != key->number)
		return ERR_UNAUTHORIZED;
	len -= SIGNATURE;
	if (!seen && !is_signed(raw, len, key))
		return ERR_UNAUTHORIZED;
	struct reader r = {.at = raw, .left = len, .arena = arena};
	take_payload(&r, ret_token);
	return r.bad ? ERR_FORMAT : ERR_OK;
}

enum err token_check(
        const char *text, const struct token_key *key, struct arena *arena, struct token *ret_token)
{
	return check(text, VERSION, key, false, arena, ret_token);
}

enum err token_read(
        const char *text, const struct token_key *key, struct arena *arena, struct token *ret_token)
{
	return check(text, VERSION, key, true, arena, ret_token);
}

enum err receipt_check(const char *text, const struct token_key *key, struct arena *arena,
        struct token *ret_receipt)
{
	return check(text, RECEIPT, key, false, arena, ret_receipt);
}
