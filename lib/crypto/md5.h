/* md5: whole-buffer MD5 for ring hashes and test oracles. Streams use lib/crypto/md5_lanes.h. */
#ifndef LIB_CRYPTO_MD5_H
#define LIB_CRYPTO_MD5_H

#include <stddef.h>
#include <stdint.h>

void md5_digest(const void *data, size_t len, uint8_t ret_digest[16]);

/* 32 lower-case hex digits and a NUL. */
void md5_hex(const uint8_t digest[16], char ret_text[33]);

#endif
