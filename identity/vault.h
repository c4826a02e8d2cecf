/* vault: secrets that are kept in the database, but cannot be read there: sealed with a key of the
 * state folder (docs/formats/credential.md). Any thread. */
#ifndef IDENTITY_VAULT_H
#define IDENTITY_VAULT_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

struct vault;

/* Reads dir's keys, files named by number; makes the first one. The highest seals. */
enum err vault_open(const char *dir, struct vault **ret_vault, struct buf *error);
void vault_free(struct vault *vault);

/* `about` says what it is for: it opens for nothing else. Appends base64. */
void vault_seal(const struct vault *vault, const char *about, const char *text, struct buf *out);
/* ERR_CORRUPT: it was not sealed so; ERR_NOT_FOUND: its key is not there. */
enum err vault_unseal(const struct vault *vault, const char *about, const char *sealed,
        struct arena *arena, const char **ret_text);

#endif
