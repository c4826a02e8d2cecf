/* crc64: CRC-64/NVME (RevEng's catalogue; NVM Express), with carry-less multiplication where the
 * processor has it. Any thread. */
#ifndef LIB_CRYPTO_CRC64_H
#define LIB_CRYPTO_CRC64_H

#include <stddef.h>
#include <stdint.h>

#define CRC64_POLY 0x9a6c9329ac4bc9b5ull /* its lowest power first */

/* crc: 0, or of what came before. */
uint64_t crc64(uint64_t crc, const void *data, size_t len);
/* The same without what only some processors have: for tests. */
uint64_t crc64_plain(uint64_t crc, const void *data, size_t len);

#endif
