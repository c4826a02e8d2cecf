#include "identity/totp.h"

#include "identity/credentials.h"
#include "lib/crypto/hmac.h"
#include <stdio.h>
#include <string.h>

#define SECRET_MAX 128
#define KEPT_STEPS 64 /* of codes that were used; more than ever count */

static bool decode(const char *text, uint8_t *out, size_t *ret_len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	size_t len = strlen(text), n = 0;
	unsigned bits = 0;
	uint32_t v = 0;

	while (len && text[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++) {
		const char *at = strchr(digits, text[i]);
		if (!at || n == SECRET_MAX)
			return false;
		v = v << 5 | (uint32_t)(at - digits);
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(v >> bits);
		}
	}
	*ret_len = n;
	return n > 0;
}

bool totp_code(const char *secret, int64_t step, char ret_code[TOTP_DIGITS + 1])
{
	uint8_t key[SECRET_MAX], counter[8], mac[20];
	size_t len;

	if (!decode(secret, key, &len))
		return false;
	for (unsigned i = 0; i < 8; i++)
		counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
	hmac_sha1(key, len, counter, sizeof(counter), mac);
	unsigned at = mac[19] & 15;
	uint32_t v = (uint32_t)(mac[at] & 127) << 24 | (uint32_t)mac[at + 1] << 16 |
	             (uint32_t)mac[at + 2] << 8 | mac[at + 3];
	snprintf(ret_code, TOTP_DIGITS + 1, "%06u", v % 1000000);
	return true;
}

struct search {
	const char *code;
	int64_t step;
	unsigned before;
	struct arena *arena;
	struct totp *found;
};

static bool try(const struct credential *credential, void *arg)
{
	struct search *s = arg;
	char code[TOTP_DIGITS + 1];

	for (unsigned i = 0; i <= s->before; i++) {
		int64_t step = s->step - i;
		if (totp_code(credential->blob, step, code) &&
		        hmac_equal(code, s->code, TOTP_DIGITS))
			*s->found = (struct totp){arena_strdup(s->arena, credential->id), step};
	}
	return !s->found->credential_id;
}

enum err totp_match(struct identity *identity, struct db_tx *tx, const char *user_id,
        const char *code, struct arena *arena, struct totp *ret_totp)
{
	struct search s = {code, (int64_t)(time_now_us() / 1000000 / TOTP_STEP_S),
	        (unsigned)identity->conf.totp_before, arena, ret_totp};

	*ret_totp = (struct totp){NULL, 0};
	if (strlen(code) != TOTP_DIGITS)
		return ERR_OK;
	return credential_each(identity, tx, user_id, "totp", arena, try, &s);
}

enum err totp_take(struct db_tx *tx, const struct totp *totp)
{
	struct db_query q = db_query(tx, "DELETE FROM totp_used WHERE step < ?");

	db_bind_int(&q, totp->step - KEPT_STEPS);
	enum err err = db_exec(&q, NULL);
	if (err)
		return err;
	q = db_query(tx, "INSERT INTO totp_used (credential_id, step) VALUES (?, ?)");
	db_bind_text(&q, totp->credential_id);
	db_bind_int(&q, totp->step);
	err = db_exec(&q, NULL);
	return err == ERR_EXISTS ? ERR_UNAUTHORIZED : err;
}
