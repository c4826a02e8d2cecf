/* sha256 of one piece of memory. Hides OpenSSL. Any thread. */
#ifndef LIB_CRYPTO_SHA256_H
#define LIB_CRYPTO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

void sha256_digest(const void *data, size_t len, uint8_t ret_digest[SHA256_BYTES]);

#endif
