#include "lib/crypto/checksum.h"

#include "lib/crypto/crc32c.h"
#include <assert.h>
#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

/* Polynomials with their lowest power first, as these CRCs have them. */
#define POLY_32  0xedb88320ull
#define POLY_32C 0x82f63b78ull
#define POLY_64  0x9a6c9329ac4bc9b5ull

/* --- CRC-64, eight bytes at a time --- */

static uint64_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t crc = i;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ POLY_64 : crc >> 1;
		tables[0][i] = crc;
	}
	for (unsigned t = 1; t < 8; t++) {
		for (unsigned i = 0; i < 256; i++)
			tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
	}
}

static uint64_t crc64(uint64_t crc, const uint8_t *p, size_t len)
{
	uint64_t word;

	pthread_once(&tables_once, make_tables);
	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		word ^= crc;
		crc = 0;
		for (unsigned t = 0; t < 8; t++)
			crc ^= tables[7 - t][word >> 8 * t & 0xff];
	}
	for (; len; p++, len--)
		crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
	return ~crc;
}

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
	static const uint64_t polys[] = {POLY_32, POLY_32C, POLY_64};
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
