#include "lib/base/base64.h"

#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char digits[] = LETTERS "+/", digits_url[] = LETTERS "-_";

static void encode(const char *with, bool pads, const uint8_t *bytes, size_t len, struct buf *out)
{

	for (size_t at = 0; at < len; at += 3) {
		size_t left = len - at < 3 ? len - at : 3;
		uint32_t v = (uint32_t)bytes[at] << 16;
		v |= left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0;
		v |= left > 2 ? bytes[at + 2] : 0;
		for (unsigned i = 0; i <= left; i++)
			buf_char(out, with[v >> (18 - 6 * i) & 63]);
		for (size_t i = left; pads && i < 3; i++)
			buf_char(out, '=');
	}
}

void base64_encode(const void *data, size_t len, struct buf *out)
{
	encode(digits, true, data, len, out);
}

void base64_encode_url(const void *data, size_t len, struct buf *out)
{
	encode(digits_url, false, data, len, out);
}

static int digit(char c)
{
	const char *at = c ? strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool base64_decode(const char *text, size_t len, struct buf *out)
{
	uint32_t v = 0;
	unsigned bits = 0;

	for (unsigned i = 0; i < 2 && len && text[len - 1] == '='; i++)
		len--;
	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		int d = digit(text[i]);
		if (d < 0)
			return false;
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_char(out, (char)(v >> bits));
		}
	}
	return true;
}
