/* mem: small fixed allocations, which abort when memory is out, and checked ones for sizes
 * that come from outside. Any thread. */
#ifndef LIB_BASE_MEM_H
#define LIB_BASE_MEM_H

#include <stddef.h>

/* Zeroed; aborts when out of memory. Release with free(). */
void *mem_zalloc(size_t size);
void *mem_dup(const void *data, size_t size);
char *mem_strdup(const char *text);

/* `size` bytes copied and a NUL after them. */
char *mem_strndup(const char *text, size_t size);

/* Grows or shrinks; aborts when out of memory. */
void *mem_realloc(void *old, size_t size);

/* Free memory goes back to the system. May take milliseconds. */
void mem_trim(void);

#endif
