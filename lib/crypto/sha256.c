#include "lib/crypto/sha256.h"

#include "lib/base/mem.h"
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

void sha256_digest(const void *data, size_t len, uint8_t ret_digest[SHA256_BYTES])
{
	SHA256(data, len, ret_digest);
}

struct sha256 {
	EVP_MD_CTX *context; /* owned */
};

struct sha256 *sha256_new(void)
{
	struct sha256 *s = mem_zalloc(sizeof(*s));

	s->context = EVP_MD_CTX_new();
	if (!s->context || EVP_DigestInit_ex(s->context, EVP_sha256(), NULL) != 1)
		abort();
	return s;
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	if (EVP_DigestUpdate(s->context, data, len) != 1)
		abort();
}

void sha256_end(struct sha256 *s, uint8_t ret_digest[SHA256_BYTES])
{
	if (EVP_DigestFinal_ex(s->context, ret_digest, NULL) != 1)
		abort();
	sha256_free(s);
}

void sha256_free(struct sha256 *s)
{
	if (s)
		EVP_MD_CTX_free(s->context);
	free(s);
}
