#include "lib/crypto/aead.h"

#include "lib/base/mem.h"
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct aead {
	EVP_CIPHER_CTX *ctx;
};

static void must(int ok)
{
	if (ok != 1)
		abort(); /* no memory, or no such cipher in this library */
}

static EVP_CIPHER *cipher; /* looked up once: for a short text that takes longest */

static void fetch(void)
{
	cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	must(cipher != NULL);
}

struct aead *aead_new(const uint8_t key[AEAD_KEY])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct aead *a = mem_zalloc(sizeof(*a));

	pthread_once(&once, fetch);
	a->ctx = EVP_CIPHER_CTX_new();
	must(a->ctx != NULL);
	must(EVP_CipherInit_ex2(a->ctx, cipher, key, NULL, 1, NULL));
	return a;
}

void aead_free(struct aead *a)
{
	if (!a)
		return;
	EVP_CIPHER_CTX_free(a->ctx);
	free(a);
}

void aead_seal_with(struct aead *a, const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const void *data, size_t len, uint8_t *ret)
{
	int n;

	must(EVP_CipherInit_ex2(a->ctx, NULL, NULL, nonce, 1, NULL));
	must(EVP_CipherUpdate(a->ctx, NULL, &n, about, (int)about_len));
	must(EVP_CipherUpdate(a->ctx, ret, &n, data, (int)len));
	must(EVP_CipherFinal_ex(a->ctx, ret + n, &n));
	must(EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_GCM_GET_TAG, AEAD_TAG, ret + len));
}

enum err aead_open_with(struct aead *a, const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const uint8_t *data, size_t len, void *ret)
{
	uint8_t tag[AEAD_TAG], *out = ret;
	int n;

	if (len < AEAD_TAG)
		return ERR_CORRUPT;
	len -= AEAD_TAG;
	memcpy(tag, data + len, sizeof(tag));
	must(EVP_CipherInit_ex2(a->ctx, NULL, NULL, nonce, 0, NULL));
	must(EVP_CipherUpdate(a->ctx, NULL, &n, about, (int)about_len));
	must(EVP_CipherUpdate(a->ctx, out, &n, data, (int)len));
	must(EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_GCM_SET_TAG, AEAD_TAG, tag));
	return EVP_CipherFinal_ex(a->ctx, out + n, &n) == 1 ? ERR_OK : ERR_CORRUPT;
}

void aead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const void *data, size_t len, uint8_t *ret)
{
	struct aead *a = aead_new(key);

	aead_seal_with(a, nonce, about, about_len, data, len, ret);
	aead_free(a);
}

enum err aead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const uint8_t *data, size_t len, void *ret)
{
	struct aead *a = aead_new(key);
	enum err err = aead_open_with(a, nonce, about, about_len, data, len, ret);

	aead_free(a);
	return err;
}
