#include "lib/base/arena.h"

#include "lib/base/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 4000

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(16) char data[];
};

void arena_init(struct arena *arena)
{
	arena->block = NULL;
	arena->used = 0;
}

void arena_done(struct arena *arena)
{
	while (arena->block) {
		struct arena_block *next = arena->block->next;
		free(arena->block);
		arena->block = next;
	}
	arena->used = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size = (size + 15) / 16 * 16;
	if (!arena->block || arena->block->size - arena->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		struct arena_block *block = mem_realloc(NULL, sizeof(*block) + room);
		block->size = room;
		block->next = arena->block;
		arena->block = block;
		arena->used = 0;
	}
	void *p = arena->block->data + arena->used;
	arena->used += size;
	return p;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
	return memset(arena_alloc(arena, size), 0, size);
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	char *p = arena_alloc(arena, len + 1);

	memcpy(p, text, len);
	p[len] = 0;
	return p;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);

	char *p = arena_alloc(arena, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(p, (size_t)len + 1, format, args);
	va_end(args);
	return p;
}
