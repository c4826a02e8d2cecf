#include "lib/crypto/sha256.h"

#include <openssl/sha.h>

void sha256_digest(const void *data, size_t len, uint8_t ret_digest[SHA256_BYTES])
{
	SHA256(data, len, ret_digest);
}
