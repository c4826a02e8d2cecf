/* By hand over the digests (RFC 2104): the library's own HMAC looks its algorithms up anew for each
 * text, which takes longer than all the rest. */
#include "lib/crypto/hmac.h"

#include "lib/base/auto.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MAX  128
#define DIGEST_MAX 64

enum { SHA1, SHA256, SHA512 };

static struct {
	const char *name;
	unsigned block, size;
	EVP_MD *md;
} digests[] = {{"SHA1", 64, 20, NULL}, {"SHA256", 64, 32, NULL}, {"SHA512", 128, 64, NULL}};

static void must(int ok)
{
	if (ok != 1)
		abort(); /* no memory, or no such digest in this library */
}

static void fetch(void)
{
	for (unsigned i = 0; i < COUNT_OF(digests); i++) {
		digests[i].md = EVP_MD_fetch(NULL, digests[i].name, NULL);
		must(digests[i].md != NULL);
	}
}

static void half(EVP_MD_CTX *ctx, unsigned kind, const uint8_t *key, uint8_t pad, const void *data,
        size_t len, uint8_t *ret)
{
	uint8_t block[BLOCK_MAX];

	for (unsigned i = 0; i < digests[kind].block; i++)
		block[i] = key[i] ^ pad;
	must(EVP_DigestInit_ex2(ctx, digests[kind].md, NULL));
	must(EVP_DigestUpdate(ctx, block, digests[kind].block));
	must(EVP_DigestUpdate(ctx, data, len));
	must(EVP_DigestFinal_ex(ctx, ret, NULL));
}

static void hmac(unsigned kind, const void *key, size_t key_len, const void *data, size_t len,
        uint8_t *ret_mac)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint8_t padded[BLOCK_MAX] = {0}, inner[DIGEST_MAX];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(ctx != NULL);
	pthread_once(&once, fetch);
	if (key_len > digests[kind].block) {
		must(EVP_DigestInit_ex2(ctx, digests[kind].md, NULL));
		must(EVP_DigestUpdate(ctx, key, key_len));
		must(EVP_DigestFinal_ex(ctx, padded, NULL));
	} else if (key_len) {
		memcpy(padded, key, key_len);
	}
	half(ctx, kind, padded, 0x36, data, len, inner);
	half(ctx, kind, padded, 0x5c, inner, digests[kind].size, ret_mac);
	EVP_MD_CTX_free(ctx);
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[32])
{
	hmac(SHA256, key, key_len, data, len, ret_mac);
}

void hmac_sha1(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[20])
{
	hmac(SHA1, key, key_len, data, len, ret_mac);
}

void hmac_sha512(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[64])
{
	hmac(SHA512, key, key_len, data, len, ret_mac);
}

bool hmac_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}
