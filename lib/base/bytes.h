/* bytes: a reference-counted piece of memory, 4 KiB aligned, for bodies: filled once by its
 * maker, read-only once shared. References may be dropped by any thread; memory returns to a
 * small cache of the dropping thread. */
#ifndef LIB_BASE_BYTES_H
#define LIB_BASE_BYTES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *data; /* aligned to 4096 */
	size_t len;    /* bytes in use; the maker sets it */
	size_t cap;    /* bytes usable, a multiple of 4096 */
	/* private */
	atomic_uint refs;
	unsigned size_class;
};

/* At least `cap` bytes, not zeroed, len 0, one reference; NULL when memory is out. */
struct bytes *bytes_new(size_t cap);

/* Exactly `cap` bytes, aligned to 16 only: for what is kept and never written to a disk. */
struct bytes *bytes_new_exact(size_t cap);

/* A copy of `len` bytes. */
struct bytes *bytes_copy(const void *data, size_t len);

struct bytes *bytes_ref(struct bytes *bytes);
void bytes_unref(struct bytes *bytes); /* NULL is fine */

/* Gives this thread's cached memory back; call before a thread ends. */
void bytes_cache_drop(void);

#endif
