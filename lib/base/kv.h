/* kv: an ordered block of name/value pairs in one row of bytes; the same block travels in
 * messages and is stored in records (docs/formats.md). Each pair is name length u16, value
 * length u32 (little-endian), name, value, each text followed by a NUL that the lengths do not
 * count. Names are kept as given; lookups ignore case. */
#ifndef LIB_BASE_KV_H
#define LIB_BASE_KV_H

#include "lib/base/buf.h"

struct kv_pair {
	const char *name, *value; /* borrowed from the block, NUL-terminated */
	size_t name_len, value_len;
};

void kv_add(struct buf *block, const char *name, const char *value);
void kv_add_len(
        struct buf *block, const char *name, size_t name_len, const char *value, size_t value_len);

/* Steps through a block: *at starts at 0. False at the end or at a malformed pair. */
bool kv_next(const void *block, size_t len, size_t *at, struct kv_pair *ret_pair);

/* Value of the first pair of that name, or NULL. */
const char *kv_get(const void *block, size_t len, const char *name);

/* True when the block is a whole row of well-formed pairs: check bytes from outside once. */
bool kv_valid(const void *block, size_t len);

#endif
