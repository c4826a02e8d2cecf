#include "lib/crypto/hmac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[32])
{
	unsigned size = 32;

	if (!HMAC(EVP_sha256(), key, (int)key_len, data, len, ret_mac, &size))
		abort();
}

void hmac_sha1(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[20])
{
	unsigned size = 20;

	if (!HMAC(EVP_sha1(), key, (int)key_len, data, len, ret_mac, &size))
		abort();
}

void hmac_sha512(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[64])
{
	unsigned size = 64;

	if (!HMAC(EVP_sha512(), key, (int)key_len, data, len, ret_mac, &size))
		abort();
}

bool hmac_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}
