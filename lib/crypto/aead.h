/* aead: a text that nobody can read or change without the key: AES-256-GCM (NIST SP 800-38D), by
 * the widest instructions of this processor. Hides libipsec-mb, which does twice what OpenSSL 3.0
 * does with them. */
#ifndef LIB_CRYPTO_AEAD_H
#define LIB_CRYPTO_AEAD_H

#include "lib/err/err.h"
#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY   32
#define AEAD_NONCE 12
#define AEAD_TAG   16

/* A key that is made ready once for many texts. Any number of threads may use it at a time. */
struct aead;
struct aead *aead_new(const uint8_t key[AEAD_KEY]);
void aead_free(struct aead *aead); /* NULL is fine; leaves no trace of the key */

/* `ret` takes len bytes, and may be `data`. A nonce is used once with a key. `about` is not in it,
 * but opening wants the same. */
void aead_seal_with(const struct aead *aead, const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const void *data, size_t len, void *ret, uint8_t ret_tag[AEAD_TAG]);

/* The same, back. ERR_CORRUPT: not sealed so, and what is in `ret` is worth nothing. */
enum err aead_open_with(const struct aead *aead, const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const void *data, size_t len, const uint8_t tag[AEAD_TAG], void *ret);

/* For one text, with the tag behind it: `ret` takes len + AEAD_TAG bytes, or len - AEAD_TAG. */
void aead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const void *data, size_t len, uint8_t *ret);
enum err aead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const uint8_t *data, size_t len, void *ret);

#endif
