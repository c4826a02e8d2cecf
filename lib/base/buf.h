/* buf: a growable row of bytes that remembers its first failure (size_max reached), so that
 * ten appends need one check at the end. Always NUL-terminated for text use. */
#ifndef LIB_BASE_BUF_H
#define LIB_BASE_BUF_H

#include "lib/base/auto.h"
#include "lib/err/err.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* owned; NULL while empty */
	size_t len, cap;
	size_t size_max; /* 0: no bound of its own */
	enum err err;    /* first failure; appends after it do nothing */
};
#define BUF_NONE                                                                                   \
	(struct buf)                                                                               \
	{                                                                                          \
		0                                                                                  \
	}

void buf_done(struct buf *buf);
AUTO_DEFINE(buf, buf_done);

/* Empties it and keeps the memory. */
void buf_reset(struct buf *buf);

/* Room for `len` more bytes at data+len, or NULL after failure. The caller adds to len. */
void *buf_reserve(struct buf *buf, size_t len);

void buf_add(struct buf *buf, const void *data, size_t len);
void buf_str(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_u64(struct buf *buf, uint64_t value); /* decimal */
void buf_hex(struct buf *buf, const void *data, size_t len);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Little-endian integers, for formats. */
void buf_le16(struct buf *buf, uint16_t value);
void buf_le32(struct buf *buf, uint32_t value);
void buf_le64(struct buf *buf, uint64_t value);

/* The text so far ("" when empty); stays owned by the buf, valid until the next append. */
const char *buf_text(const struct buf *buf);

/* Moves the text to the caller (free()); the buf is empty afterwards. Never NULL. */
char *buf_take(struct buf *buf);

#endif
