/* arena: memory of one request. Pieces are taken singly and released all at once. */
#ifndef LIB_BASE_ARENA_H
#define LIB_BASE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *block; /* owned chain, newest first */
	size_t used;
};

void arena_init(struct arena *arena);
void arena_done(struct arena *arena);

/* Aligned to 16, not zeroed; aborts when out of memory: bound sizes from outside first. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

#endif
