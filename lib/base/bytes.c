#include "lib/base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN      4096u
#define CLASSES    10         /* up to 2 MiB; larger ones are not cached */
#define CACHE_SIZE (8u << 20) /* bytes a class and thread keeps, at most */

static _Thread_local struct {
	struct bytes *free[64];
	unsigned count;
} cache[CLASSES];

/* A power of two, and room for the block that heads a piece on disk. */
static size_t class_size(unsigned c)
{
	return ((size_t)ALIGN << c) + (c ? ALIGN : 0);
}

static unsigned class_of(size_t cap)
{
	unsigned c = 0;

	while (c < CLASSES && class_size(c) < cap)
		c++;
	return c;
}

static unsigned cache_limit(unsigned c)
{
	size_t n = CACHE_SIZE / ((size_t)ALIGN << c);

	return n > 64 ? 64 : (unsigned)n;
}

struct bytes *bytes_new(size_t cap)
{
	unsigned c = class_of(cap);

	if (c < CLASSES && cache[c].count) {
		struct bytes *b = cache[c].free[--cache[c].count];
		b->len = 0;
		b->cap = class_size(c); /* its last user may have wanted less of it */
		atomic_store_explicit(&b->refs, 1, memory_order_relaxed);
		return b;
	}
	size_t size = c < CLASSES ? class_size(c) : (cap + ALIGN - 1) / ALIGN * ALIGN;
	struct bytes *b = malloc(sizeof(*b));
	if (!b)
		return NULL;
	b->data = aligned_alloc(ALIGN, size);
	if (!b->data) {
		free(b);
		return NULL;
	}
	b->len = 0;
	b->cap = size;
	b->size_class = c;
	atomic_init(&b->refs, 1);
	return b;
}

struct bytes *bytes_new_exact(size_t cap)
{
	struct bytes *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	b->data = malloc(cap ? cap : 1);
	if (!b->data) {
		free(b);
		return NULL;
	}
	b->len = 0;
	b->cap = cap;
	b->size_class = CLASSES; /* not for the cache of aligned ones */
	atomic_init(&b->refs, 1);
	return b;
}

struct bytes *bytes_copy(const void *data, size_t len)
{
	struct bytes *b = bytes_new(len);

	if (b) {
		if (len)
			memcpy(b->data, data, len);
		b->len = len;
	}
	return b;
}

struct bytes *bytes_ref(struct bytes *bytes)
{
	atomic_fetch_add_explicit(&bytes->refs, 1, memory_order_relaxed);
	return bytes;
}

static void release(struct bytes *b)
{
	free(b->data);
	free(b);
}

void bytes_unref(struct bytes *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	unsigned c = b->size_class;
	if (c < CLASSES && cache[c].count < cache_limit(c))
		cache[c].free[cache[c].count++] = b;
	else
		release(b);
}

void bytes_cache_drop(void)
{
	for (unsigned c = 0; c < CLASSES; c++) {
		while (cache[c].count)
			release(cache[c].free[--cache[c].count]);
	}
}
