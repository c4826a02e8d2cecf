#include "proxy/unit/signature.h"

#include "proxy/proxy.h"

#include "lib/base/base64.h"
#include "lib/crypto/hmac.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGEST_MAX 64

static const struct {
	const char *name;
	size_t bytes;
	void (*make)(const void *key, size_t key_len, const void *data, size_t len, uint8_t *ret);
} digests[] = {{"sha1", 20, hmac_sha1}, {"sha256", 32, hmac_sha256}, {"sha512", 64, hmac_sha512}};

static void to_hex(const uint8_t *bytes, size_t len, char *ret_hex)
{
	for (size_t i = 0; i < len; i++) {
		ret_hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		ret_hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	ret_hex[2 * len] = 0;
}

/* "sha256:<base64>" */
static bool parse_named(
        const char *text, const char *colon, const char *allowed, struct signature *ret)
{
	AUTO(buf) struct buf bytes = BUF_NONE;

	if (!base64_decode(colon + 1, strlen(colon + 1), &bytes))
		return false;
	for (unsigned i = 0; i < COUNT_OF(digests); i++) {
		size_t len = strlen(digests[i].name);
		if ((size_t)(colon - text) != len || strncmp(text, digests[i].name, len) != 0)
			continue;
		ret->digest = digests[i].name;
		if (bytes.len != digests[i].bytes || !words_have(allowed, ret->digest))
			return false;
		to_hex((const uint8_t *)bytes.data, bytes.len, ret->hex);
		return true;
	}
	return false;
}

bool signature_parse(const char *text, const char *allowed, struct signature *ret_signature)
{
	const char *colon = strchr(text, ':');
	size_t len = strlen(text);

	if (colon)
		return parse_named(text, colon, allowed, ret_signature);
	if (strspn(text, "0123456789abcdefABCDEF") != len)
		return false;
	for (unsigned i = 0; i < COUNT_OF(digests); i++) {
		if (len != 2 * digests[i].bytes)
			continue;
		ret_signature->digest = digests[i].name;
		memcpy(ret_signature->hex, text, len + 1);
		return words_have(allowed, digests[i].name);
	}
	return false;
}

bool signature_fits(
        const struct signature *signature, const char *key, const char *message, size_t message_len)
{
	uint8_t made[DIGEST_MAX];
	char hex[2 * DIGEST_MAX + 1];

	for (unsigned i = 0; i < COUNT_OF(digests); i++) {
		if (strcmp(digests[i].name, signature->digest) != 0)
			continue;
		digests[i].make(key, strlen(key), message, message_len, made);
		to_hex(made, digests[i].bytes, hex);
		return hmac_equal(hex, signature->hex, 2 * digests[i].bytes);
	}
	return false;
}

unsigned signature_keys(const struct info *account, const struct info *container,
        struct signature_key ret_keys[SIGNATURE_KEYS])
{
	static const char *const names[SIGNATURE_KEYS] = {"X-Account-Meta-Temp-Url-Key",
	        "X-Account-Meta-Temp-Url-Key-2", "X-Container-Meta-Temp-Url-Key",
	        "X-Container-Meta-Temp-Url-Key-2"};
	unsigned count = 0;

	for (unsigned i = 0; i < SIGNATURE_KEYS; i++) {
		const struct info *info = i < 2 ? account : container;
		const char *key = info && info->exists ? info_header(info, names[i]) : NULL;
		if (key && *key)
			ret_keys[count++] = (struct signature_key){key, i >= 2};
	}
	return count;
}

bool signature_int(const char *text, int64_t *ret_value)
{
	char *end;

	text += strspn(text, " \t\r\n\v\f");
	if (!isdigit((unsigned char)text[*text == '-' || *text == '+']))
		return false;
	errno = 0;
	*ret_value = strtoll(text, &end, 10);
	return !errno && !end[strspn(end, " \t\r\n\v\f")];
}

bool words_have(const char *list, const char *word)
{
	size_t word_len = strlen(word);

	for (; list && *list; list += strspn(list, " ")) {
		size_t len = strcspn(list, " ");
		bool prefix = len && list[len - 1] == '*';
		if (prefix ? strncasecmp(list, word, len - 1) == 0
		           : len == word_len && strncasecmp(list, word, len) == 0)
			return true;
		list += len;
	}
	return false;
}

void words_json(struct buf *out, const char *list)
{
	const char *comma = "";

	buf_char(out, '[');
	for (list += strspn(list, " "); *list; list += strspn(list, " ")) {
		size_t len = strcspn(list, " ");
		buf_printf(out, "%s\"%.*s\"", comma, (int)len, list);
		comma = ", ";
		list += len;
	}
	buf_char(out, ']');
}

void signature_tell(struct buf *out, const char *allowed)
{
	buf_str(out, "\"allowed_digests\": ");
	words_json(out, allowed);
	if (words_have(allowed, "sha1"))
		buf_str(out, ", \"deprecated_digests\": [\"sha1\"]");
}
