/* jread: reads a JSON text from outside. A value is borrowed from its root and dies with it; the
 * getters say false, and leave the result alone, when the value is missing or of another type,
 * so that NULL may be passed down a path. One thread at a time per root. Hides jansson. */
#ifndef LIB_JSON_JREAD_H
#define LIB_JSON_JREAD_H

#include "lib/base/buf.h"
#include "lib/err/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jval; /* a value inside a root */

struct jroot {
	struct jval *value; /* owned */
};
#define JROOT_NONE ((struct jroot){.value = NULL})

/* Whole text, nothing after it, no duplicate keys; ERR_FORMAT when it is not JSON. */
enum err jread_parse(const void *text, size_t len, struct jroot *ret_root);
void jread_done(struct jroot *root);
AUTO_DEFINE(jroot, jread_done);

/* Member of an object, or NULL. */
const struct jval *jread_get(const struct jval *object, const char *name);

/* Name of the n-th member of an object, in any but always the same order; NULL past the last. */
const char *jread_name(const struct jval *object, size_t n);

/* Items of an array; 0 for anything else. */
size_t jread_len(const struct jval *array);
const struct jval *jread_at(const struct jval *array, size_t index);

bool jread_is_array(const struct jval *value);
bool jread_is_object(const struct jval *value);
bool jread_is_null(const struct jval *value);

/* Whole numbers from 0 to max. A real number without a fraction is taken as well. */
bool jread_u64(const struct jval *value, uint64_t max, uint64_t *ret_number);
bool jread_int(const struct jval *value, int64_t *ret_number); /* no real, no bounds */
bool jread_f64(const struct jval *value, double *ret_number);

bool jread_bool(const struct jval *value, bool *ret_value);

/* JSON text of it, compact, in the order in which it came. */
void jread_print(const struct jval *value, struct buf *out);

/* UTF-8 without NUL inside, borrowed. */
bool jread_str(const struct jval *value, const char **ret_text);

#endif
