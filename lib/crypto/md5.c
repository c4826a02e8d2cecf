#include "lib/crypto/md5.h"

#include <openssl/evp.h>
#include <stdlib.h>

void md5_digest(const void *data, size_t len, uint8_t ret_digest[16])
{
	static _Thread_local const EVP_MD *md5;

	if (!md5)
		md5 = EVP_md5();
	if (!EVP_Digest(data, len, ret_digest, NULL, md5, NULL))
		abort();
}

void md5_hex(const uint8_t digest[16], char ret_text[33])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++) {
		ret_text[2 * i] = digits[digest[i] >> 4];
		ret_text[2 * i + 1] = digits[digest[i] & 15];
	}
	ret_text[32] = 0;
}
