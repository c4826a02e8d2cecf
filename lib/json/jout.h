/* jout: JSON text appended to a buf: single values, and a writer that sets the commas. */
#ifndef LIB_JSON_JOUT_H
#define LIB_JSON_JOUT_H

#include "lib/base/buf.h"

/* A quoted string, pure ASCII: what is not printable ASCII becomes \uXXXX, with surrogates past
 * U+FFFF; a byte that is not UTF-8 becomes U+FFFD. */
void jout_ascii(struct buf *buf, const char *text);

/* The shortest decimal that reads back as the same number, always with a point or an exponent;
 * the number must be finite. */
void jout_f64(struct buf *buf, double number);

/* --- the writer --- */

struct jval;

struct jout {
	struct buf *out; /* borrowed; remembers the first failure */
	bool more;       /* a comma comes before the next */
};

/* What follows a name is its value; in an array names are NULL. */
void jout_object(struct jout *j, const char *name);
void jout_array(struct jout *j, const char *name);
void jout_end_object(struct jout *j);
void jout_end_array(struct jout *j);
void jout_text(struct jout *j, const char *name, const char *text); /* NULL: null */
void jout_int(struct jout *j, const char *name, int64_t number);
void jout_bool(struct jout *j, const char *name, bool value);
void jout_null(struct jout *j, const char *name);
void jout_value(struct jout *j, const char *name, const struct jval *value);
void jout_raw(struct jout *j, const char *name, const char *json); /* of text that is JSON */

#endif
