/* secrets: small files that only their owner may read. */
#ifndef NODE_SECRETS_H
#define NODE_SECRETS_H

#include "lib/env/env.h"
#include "lib/err/err.h"
#include <stddef.h>

/* Reads a secret of `len` bytes, making it (mode 0600, synced) when there is none. */
enum err secret_load(const struct env *env, const char *path, uint8_t *ret_secret, size_t len);

/* Writes a file (mode 0600) whole or not at all, and durably. */
enum err file_save(const char *path, const void *data, size_t len);

/* A whole text file of at most 1 MiB; free() it. */
enum err file_load(const char *path, char **ret_text);

#endif
