/* Fetched once: OpenSSL's SHA256() and EVP_sha256() look the digest up anew for each text, which
 * takes longer than a short one itself. */
#include "lib/crypto/sha256.h"

#include "lib/base/mem.h"
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

static EVP_MD *md;

static void must(int ok)
{
	if (ok != 1)
		abort(); /* no memory, or no such digest in this library */
}

static void fetch(void)
{
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
	must(md != NULL);
}

static const EVP_MD *digest(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch);
	return md;
}

void sha256_digest(const void *data, size_t len, uint8_t ret_digest[SHA256_BYTES])
{
	must(EVP_Digest(data, len, ret_digest, NULL, digest(), NULL));
}

struct sha256 {
	EVP_MD_CTX *context; /* owned */
};

struct sha256 *sha256_new(void)
{
	struct sha256 *s = mem_zalloc(sizeof(*s));

	s->context = EVP_MD_CTX_new();
	must(s->context && EVP_DigestInit_ex2(s->context, digest(), NULL) == 1);
	return s;
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	must(EVP_DigestUpdate(s->context, data, len));
}

void sha256_end(struct sha256 *s, uint8_t ret_digest[SHA256_BYTES])
{
	must(EVP_DigestFinal_ex(s->context, ret_digest, NULL));
	sha256_free(s);
}

void sha256_free(struct sha256 *s)
{
	if (s)
		EVP_MD_CTX_free(s->context);
	free(s);
}
