/* markup: texts within XML and HTML. Pure. */
#ifndef LIB_BASE_MARKUP_H
#define LIB_BASE_MARKUP_H

#include "lib/base/buf.h"

/* Appends `len` bytes, of which those in `which` (of &<>"') as entities. */
void markup_escape(struct buf *out, const char *text, size_t len, const char *which);

#endif
