/* sha256 of one piece of memory. Hides OpenSSL. Any thread. */
#ifndef LIB_CRYPTO_SHA256_H
#define LIB_CRYPTO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

void sha256_digest(const void *data, size_t len, uint8_t ret_digest[SHA256_BYTES]);

/* The same of pieces, one after the other. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *sha256, const void *data, size_t len);
/* And frees it. */
void sha256_end(struct sha256 *sha256, uint8_t ret_digest[SHA256_BYTES]);
void sha256_free(struct sha256 *sha256); /* NULL is fine */

#endif
