/* What writing (seal.c) and reading (unseal.c) share. */
#ifndef PROXY_SEAL_INTERNAL_H
#define PROXY_SEAL_INTERNAL_H

#include "proxy/seal.h"

#define ABOUT    24 /* size, MD5 */
#define ROW_MARK "sealed "
#define WRAPPED  (AEAD_NONCE + SEAL_KEY + AEAD_TAG)

extern const uint8_t seal_about_nonce[AEAD_NONCE];

/* One for each use: HMAC-SHA256 of the secret over what it is for. salt may be NULL. */
void seal_derive(const uint8_t secret[SEAL_KEY], const char *use, struct seal_path path,
        const uint8_t *salt, uint8_t ret_key[AEAD_KEY]);
void seal_chunk_nonce(uint64_t index, uint8_t ret_nonce[AEAD_NONCE]);
const struct seal_secret *seal_find(
        const struct seal_secret *secrets, unsigned count, const char *id, size_t len);

#endif
