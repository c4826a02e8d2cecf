/* jout: JSON text appended to a buf. */
#ifndef LIB_JSON_JOUT_H
#define LIB_JSON_JOUT_H

#include "lib/base/buf.h"

/* A quoted string, pure ASCII: what is not printable ASCII becomes \uXXXX, with surrogates past
 * U+FFFF; a byte that is not UTF-8 becomes U+FFFD. */
void jout_ascii(struct buf *buf, const char *text);

/* The shortest decimal that reads back as the same number, always with a point or an exponent;
 * the number must be finite. */
void jout_f64(struct buf *buf, double number);

#endif
