/* crc32c: CRC-32C (Castagnoli), as iSCSI and ext4 have it. Any thread. */
#ifndef LIB_CRYPTO_CRC32C_H
#define LIB_CRYPTO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`, the result for the bytes before; 0 at the start. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
