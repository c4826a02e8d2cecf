#include "lib/crypto/checksum.h"

#include "lib/crypto/crc32c.h"
#include "lib/crypto/crc64.h"
#include <assert.h>
#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <string.h>

/* Polynomials with their lowest power first, as these CRCs have them. */
#define POLY_32  0xedb88320ull
#define POLY_32C 0x82f63b78ull

/* --- streams --- */

size_t checksum_size(enum checksum_kind kind)
{
	static const size_t sizes[CHECKSUM_KINDS] = {4, 4, 8, 20, 32};

	return sizes[kind];
}

void checksum_begin(struct checksum *c, enum checksum_kind kind)
{
	*c = (struct checksum){.kind = kind};
	if (checksum_combines(kind))
		return;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool begun = hash && EVP_DigestInit_ex(
	                             hash, kind == CHECKSUM_SHA1 ? EVP_sha1() : EVP_sha256(), NULL);
	assert(begun);
	c->hash = hash;
}

void checksum_add(struct checksum *c, const void *data, size_t len)
{
	switch (c->kind) {
	case CHECKSUM_CRC32:
		c->crc = crc32_gzip_refl((uint32_t)c->crc, data, len);
		break;
	case CHECKSUM_CRC32C:
		c->crc = crc32c((uint32_t)c->crc, data, len);
		break;
	case CHECKSUM_CRC64NVME:
		c->crc = crc64(c->crc, data, len);
		break;
	default:
		EVP_DigestUpdate(c->hash, data, len);
	}
}

static void put(uint8_t *out, size_t size, uint64_t crc)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(crc >> 8 * (size - 1 - i));
}

static uint64_t get(const uint8_t *in, size_t size)
{
	uint64_t crc = 0;

	for (size_t i = 0; i < size; i++)
		crc = crc << 8 | in[i];
	return crc;
}

size_t checksum_end(struct checksum *c, uint8_t ret_digest[CHECKSUM_BYTES_MAX])
{
	size_t size = checksum_size(c->kind);

	if (checksum_combines(c->kind))
		put(ret_digest, size, c->crc);
	else
		EVP_DigestFinal_ex(c->hash, ret_digest, NULL);
	checksum_done(c);
	return size;
}

void checksum_done(struct checksum *c)
{
	EVP_MD_CTX_free(c->hash);
	*c = (struct checksum){0};
}

/* --- two as one: the first is moved on by as many zero bytes as the second has --- */

/* a times b modulo the polynomial, of `top` as its highest bit. */
static uint64_t multiply(uint64_t a, uint64_t b, uint64_t poly, uint64_t top)
{
	uint64_t product = 0;

	for (uint64_t bit = top; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b & 1 ? b >> 1 ^ poly : b >> 1;
	}
	return product;
}

void checksum_combine(enum checksum_kind kind, uint8_t *first, const uint8_t *second, uint64_t len)
{
	static const uint64_t polys[] = {POLY_32, POLY_32C, CRC64_POLY};
	size_t size = checksum_size(kind);
	uint64_t poly = polys[kind], top = 1ull << (8 * size - 1), power = top >> 8, moved;

	assert(checksum_combines(kind));
	/* power: x to the 8th, the 16th, ...: one byte, two, ... */
	moved = get(first, size);
	for (; len; len >>= 1) {
		if (len & 1)
			moved = multiply(power, moved, poly, top);
		power = multiply(power, power, poly, top);
	}
	put(first, size, moved ^ get(second, size));
}
