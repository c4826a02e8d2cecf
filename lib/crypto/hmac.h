/* hmac: message authentication and comparison that takes the same time for any input. */
#ifndef LIB_CRYPTO_HMAC_H
#define LIB_CRYPTO_HMAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void hmac_sha256(
        const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[32]);

/* For what others still sign with it. */
void hmac_sha1(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[20]);

void hmac_sha512(
        const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[64]);

bool hmac_equal(const void *a, const void *b, size_t len);

#endif
