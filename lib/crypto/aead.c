#include "lib/crypto/aead.h"

#include <openssl/evp.h>
#include <stdlib.h>

static void must(int ok)
{
	if (ok != 1)
		abort(); /* no memory, or no such cipher in this library */
}

void aead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const void *data, size_t len, uint8_t *ret)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	must(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce));
	must(EVP_EncryptUpdate(ctx, NULL, &n, about, (int)about_len));
	must(EVP_EncryptUpdate(ctx, ret, &n, data, (int)len));
	must(EVP_EncryptFinal_ex(ctx, ret + n, &n));
	must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, AEAD_TAG, ret + len));
	EVP_CIPHER_CTX_free(ctx);
}

enum err aead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const uint8_t *data, size_t len, void *ret)
{
	EVP_CIPHER_CTX *ctx;
	uint8_t tag[AEAD_TAG], *out = ret;
	int n;

	if (len < AEAD_TAG)
		return ERR_CORRUPT;
	len -= AEAD_TAG;
	for (unsigned i = 0; i < AEAD_TAG; i++)
		tag[i] = data[len + i];
	ctx = EVP_CIPHER_CTX_new();
	must(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce));
	must(EVP_DecryptUpdate(ctx, NULL, &n, about, (int)about_len));
	must(EVP_DecryptUpdate(ctx, out, &n, data, (int)len));
	must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, AEAD_TAG, tag));
	int good = EVP_DecryptFinal_ex(ctx, out + n, &n);
	EVP_CIPHER_CTX_free(ctx);
	return good == 1 ? ERR_OK : ERR_CORRUPT;
}
