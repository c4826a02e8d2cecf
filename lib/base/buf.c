#include "lib/base/buf.h"

#include "lib/base/hex.h"

#include "lib/base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_done(struct buf *buf)
{
	free(buf->data);
	*buf = BUF_NONE;
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->err = ERR_OK;
	if (buf->data)
		buf->data[0] = 0;
}

void *buf_reserve(struct buf *buf, size_t len)
{
	size_t need;

	if (buf->err)
		return NULL;
	if (__builtin_add_overflow(buf->len, len, &need) || need > SIZE_MAX / 2 ||
	        (buf->size_max && need > buf->size_max)) {
		buf->err = ERR_TOO_LARGE;
		return NULL;
	}
	if (need + 1 > buf->cap) {
		size_t cap = buf->cap ? buf->cap : 64;
		while (cap < need + 1)
			cap *= 2;
		char *data = realloc(buf->data, cap);
		if (!data) {
			buf->err = ERR_NO_MEMORY;
			return NULL;
		}
		buf->data = data;
		buf->cap = cap;
	}
	return buf->data + buf->len;
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
	char *to = buf_reserve(buf, len);

	if (!to)
		return;
	if (len)
		memcpy(to, data, len);
	buf->len += len;
	buf->data[buf->len] = 0;
}

void buf_str(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_char(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void buf_u64(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buf_add(buf, digits + at, sizeof(digits) - at);
}

void buf_hex(struct buf *buf, const void *data, size_t len)
{
	char *to = buf_reserve(buf, 2 * len);

	if (!to)
		return;
	hex_encode(data, len, to);
	buf->len += 2 * len;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);

	char *to = buf_reserve(buf, (size_t)len);
	if (to) {
		vsnprintf(to, (size_t)len + 1, format, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

void buf_le16(struct buf *buf, uint16_t value)
{
	uint8_t b[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
	buf_add(buf, b, sizeof(b));
}

void buf_le32(struct buf *buf, uint32_t value)
{
	buf_le16(buf, (uint16_t)value);
	buf_le16(buf, (uint16_t)(value >> 16));
}

void buf_le64(struct buf *buf, uint64_t value)
{
	buf_le32(buf, (uint32_t)value);
	buf_le32(buf, (uint32_t)(value >> 32));
}

const char *buf_text(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}

char *buf_take(struct buf *buf)
{
	char *text = buf->data ? buf->data : mem_strdup("");

	buf->data = NULL;
	*buf = BUF_NONE;
	return text;
}
