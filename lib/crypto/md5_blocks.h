/* md5_blocks: the compression function of MD5 (RFC 1321 3.4) over whole blocks of 64 bytes, one
 * stream at a time or several side by side. Little-endian machines only. */
#ifndef LIB_CRYPTO_MD5_BLOCKS_H
#define LIB_CRYPTO_MD5_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

extern const uint32_t md5_sines[64]; /* floor(2^32 * abs(sin(i + 1))) */

void md5_blocks(uint32_t state[4], const uint8_t *data, size_t blocks);

/* These need the instructions they are named by. */
void md5_blocks_avx2(uint32_t state[4][8], const uint8_t *const data[8], size_t blocks);
void md5_blocks_avx512(uint32_t state[4][16], const uint8_t *const data[16], size_t blocks);

#endif
