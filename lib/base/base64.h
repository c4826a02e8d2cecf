/* base64: RFC 4648. Any thread. */
#ifndef LIB_BASE_BASE64_H
#define LIB_BASE_BASE64_H

#include "lib/base/buf.h"
#include <stdbool.h>
#include <stdint.h>

void base64_encode(const void *data, size_t len, struct buf *out);
/* base64url, without padding. */
void base64_encode_url(const void *data, size_t len, struct buf *out);

/* Of either alphabet (+/ or -_), with or without padding. False: it is none; `out` may have got a
 * part of it. */
bool base64_decode(const char *text, size_t len, struct buf *out);

#endif
