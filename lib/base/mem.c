#include "lib/base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *mem_zalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

void *mem_realloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p)
		abort();
	return p;
}

void *mem_dup(const void *data, size_t size)
{
	void *p = mem_realloc(NULL, size);

	if (size)
		memcpy(p, data, size);
	return p;
}

char *mem_strndup(const char *text, size_t size)
{
	char *p = mem_realloc(NULL, size + 1);

	if (size)
		memcpy(p, text, size);
	p[size] = 0;
	return p;
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

void mem_trim(void)
{
	/* An address sanitizer has an allocator of its own, and the C library's is not set up. */
#if !defined(__SANITIZE_ADDRESS__)
	malloc_trim(0);
#endif
}
