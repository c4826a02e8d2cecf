#include "identity/identity.h"
#include "identity/schemes.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BCRYPT_MAX 72

enum err password_hash(
        const struct identity *identity, const char *password, char ret_hash[PASSWORD_HASH])
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	enum err err = ERR_INTERNAL;

	if (strlen(password) > BCRYPT_MAX)
		err = ERR_BAD_REQUEST;
	else if (data &&
	         crypt_gensalt_rn("$2b$", identity->conf.password_rounds, NULL, 0, setting,
	                 sizeof(setting)) &&
	         crypt_r(password, setting, data) && *data->output != '*') {
		size_t len = strlen(data->output);
		if (len < PASSWORD_HASH) {
			memcpy(ret_hash, data->output, len + 1);
			err = ERR_OK;
		}
	}
	OPENSSL_cleanse(data, data ? sizeof(*data) : 0);
	free(data);
	return err;
}

/* A hash that nothing has, of as many rounds. */
static void nobodys(const struct identity *identity, char ret_hash[PASSWORD_HASH])
{
	snprintf(ret_hash, PASSWORD_HASH,
	        "$2b$%02u$......................0000000000000000000000000000000",
	        (unsigned)identity->conf.password_rounds);
}

bool password_matches(const struct identity *identity, const char *password, const char *hash)
{
	bool passlib;

	if (hash && scheme_matches(password, hash, &passlib))
		return passlib;
	struct crypt_data *data = calloc(1, sizeof(*data));
	char none[PASSWORD_HASH];
	bool same = false;

	nobodys(identity, none);
	const char *setting = hash ? hash : none;
	const char *got = data ? crypt_r(password, setting, data) : NULL;
	if (got && *got != '*' && strlen(got) == strlen(setting))
		same = CRYPTO_memcmp(got, setting, strlen(got)) == 0;
	OPENSSL_cleanse(data, data ? sizeof(*data) : 0);
	free(data);
	return same && hash;
}
