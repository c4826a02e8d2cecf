/* checksum: what clients send along to have compared: CRC-32 (zlib's), CRC-32C, CRC-64/NVME, SHA-1,
 * SHA-256, of pieces one after the other. Digests are big-endian. Hides isa-l and OpenSSL. Any
 * thread. */
#ifndef LIB_CRYPTO_CHECKSUM_H
#define LIB_CRYPTO_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum checksum_kind {
	CHECKSUM_CRC32,
	CHECKSUM_CRC32C,
	CHECKSUM_CRC64NVME,
	CHECKSUM_SHA1,
	CHECKSUM_SHA256,
	CHECKSUM_KINDS
};

#define CHECKSUM_BYTES_MAX 32

struct checksum {
	enum checksum_kind kind;
	uint64_t crc;
	void *hash; /* owned */
};

void checksum_begin(struct checksum *checksum, enum checksum_kind kind);
void checksum_add(struct checksum *checksum, const void *data, size_t len);
/* Returns its length in bytes; and frees. */
size_t checksum_end(struct checksum *checksum, uint8_t ret_digest[CHECKSUM_BYTES_MAX]);
/* Frees one that has begun and not ended; harmless on a zeroed one. */
void checksum_done(struct checksum *checksum);

size_t checksum_size(enum checksum_kind kind); /* bytes of a digest */

/* Of two rows of bytes as one, the second `len` bytes long: into `first`. Of CRCs only. */
static inline bool checksum_combines(enum checksum_kind kind)
{
	return kind <= CHECKSUM_CRC64NVME;
}
void checksum_combine(enum checksum_kind kind, uint8_t *first, const uint8_t *second, uint64_t len);

#endif
