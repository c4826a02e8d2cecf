#include "identity/schemes.h"

#include "lib/base/auto.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/sha256.h"
#include <crypt.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX       256 /* of a salt or a hash */
#define ROUNDS_MAX      5000000
#define SCRYPT_LOG_MAX  20
#define SCRYPT_SIDE_MAX 32 /* r and p */
#define SCRYPT_MEMORY   (1ull << 30)

/* One text between '$'s. */
struct part {
	const char *at;
	size_t len;
};

/* The `count` parts behind `hash`; false: there are more, or fewer. */
static bool split(const char *hash, struct part *parts, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		parts[i] = (struct part){hash, strcspn(hash, "$")};
		hash += parts[i].len;
		if (i + 1 < count && *hash++ != '$')
			return false;
	}
	return !*hash;
}

static bool number(const char *at, unsigned max, unsigned *ret_number)
{
	char *end;
	unsigned long value = strtoul(at, &end, 10);

	*ret_number = (unsigned)value;
	return end != at && *at != '-' && value > 0 && value <= max;
}

/* Base64 without padding; passlib has '.' for '+' in some. False: it is none, or too long. */
static bool decode(struct part text, uint8_t ret_bytes[BYTES_MAX], size_t *ret_len)
{
	uint32_t bits = 0;
	unsigned have = 0;

	*ret_len = 0;
	for (size_t i = 0; i < text.len && text.at[i] != '='; i++) {
		char c = text.at[i];
		uint32_t v = c >= 'A' && c <= 'Z'   ? (uint32_t)(c - 'A')
		             : c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a') + 26
		             : c >= '0' && c <= '9' ? (uint32_t)(c - '0') + 52
		             : c == '+' || c == '.' ? 62
		             : c == '/'             ? 63
		                                    : 64;
		if (v == 64 || *ret_len == BYTES_MAX)
			return false;
		bits = bits << 6 | v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			ret_bytes[(*ret_len)++] = (uint8_t)(bits >> have);
		}
	}
	return *ret_len > 0;
}

static void encode(const uint8_t bytes[32], char ret_text[45])
{
	EVP_EncodeBlock((uint8_t *)ret_text, bytes, 32);
}

static bool pbkdf2(const char *password, const char *hash)
{
	uint8_t salt[BYTES_MAX], want[BYTES_MAX], got[BYTES_MAX];
	size_t salt_len, len;
	struct part parts[3];
	unsigned rounds;

	if (!split(hash, parts, 3) || !number(parts[0].at, ROUNDS_MAX, &rounds) ||
	        !decode(parts[1], salt, &salt_len) || !decode(parts[2], want, &len) || len != 64)
		return false;
	return PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, (int)salt_len, (int)rounds,
	               EVP_sha512(), (int)len, got) == 1 &&
	       hmac_equal(got, want, len);
}

static bool scrypt(const char *password, const char *hash)
{
	uint8_t salt[BYTES_MAX], want[BYTES_MAX], got[BYTES_MAX];
	size_t salt_len, len;
	struct part parts[3];
	unsigned log, r, p;

	if (!split(hash, parts, 3) || strncmp(parts[0].at, "ln=", 3) != 0)
		return false;
	const char *r_at = strstr(parts[0].at, ",r="), *p_at = strstr(parts[0].at, ",p=");
	if (!r_at || !p_at || !number(parts[0].at + 3, SCRYPT_LOG_MAX, &log) ||
	        !number(r_at + 3, SCRYPT_SIDE_MAX, &r) || !number(p_at + 3, SCRYPT_SIDE_MAX, &p) ||
	        !decode(parts[1], salt, &salt_len) || !decode(parts[2], want, &len) || len != 32)
		return false;
	return EVP_PBE_scrypt(password, strlen(password), salt, salt_len, 1ull << log, r, p,
	               SCRYPT_MEMORY, got, len) == 1 &&
	       hmac_equal(got, want, len);
}

static bool crypts_to(const char *text, const char *setting)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *got = data ? crypt_r(text, setting, data) : NULL;
	bool same = got && *got != '*' && strlen(got) == strlen(setting) &&
	            hmac_equal(got, setting, strlen(got));

	free(data);
	return same;
}

/* bcrypt of what a keyed hash (version 2) or a plain one (1) makes of the password. */
static bool bcrypt_sha256(const char *password, const char *hash)
{
	struct part parts[3];
	uint8_t digest[32];
	char text[45], setting[128];
	unsigned rounds;

	if (!split(hash, parts, 3))
		return false;
	bool keyed = strncmp(parts[0].at, "v=2,", 4) == 0;
	const char *type = keyed ? strstr(parts[0].at, "t=2") : parts[0].at;
	const char *letter = type ? type + (keyed ? 3 : 1) : NULL;
	const char *r_at = strstr(parts[0].at, keyed ? "r=" : ",");
	if (!letter || !*letter || !strchr("aby", *letter) || !r_at ||
	        !number(r_at + (keyed ? 2 : 1), 31, &rounds))
		return false;
	if (keyed)
		hmac_sha256(parts[1].at, parts[1].len, password, strlen(password), digest);
	else
		sha256_digest(password, strlen(password), digest);
	encode(digest, text);
	snprintf(setting, sizeof(setting), "$2%c$%02u$%.*s%.*s", *letter, rounds, (int)parts[1].len,
	        parts[1].at, (int)parts[2].len, parts[2].at);
	return crypts_to(text, setting);
}

bool scheme_matches(const char *password, const char *hash, bool *ret_same)
{
	static const struct {
		const char *prefix;
		bool (*matches)(const char *password, const char *hash);
	} schemes[] = {{"$pbkdf2-sha512$", pbkdf2}, {"$scrypt$", scrypt},
	        {"$bcrypt-sha256$", bcrypt_sha256}};

	for (unsigned i = 0; i < COUNT_OF(schemes); i++) {
		size_t len = strlen(schemes[i].prefix);
		if (strncmp(hash, schemes[i].prefix, len) == 0) {
			*ret_same = schemes[i].matches(password, hash + len);
			return true;
		}
	}
	return false;
}
