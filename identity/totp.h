/* totp: one-time passwords (RFC 6238: SHA-1, 6 digits, 30 seconds), by the secrets that users keep
 * as credentials of type "totp", in base32. Each code counts once. */
#ifndef IDENTITY_TOTP_H
#define IDENTITY_TOTP_H

#include "identity/identity.h"

#define TOTP_DIGITS 6
#define TOTP_STEP_S 30

/* A code that matched. */
struct totp {
	const char *credential_id; /* NULL: none did */
	int64_t step;
};

/* The code of a secret in a step. False: it is not base32 (RFC 4648; '=' may be left out). */
bool totp_code(const char *secret, int64_t step, char ret_code[TOTP_DIGITS + 1]);

/* Does one of the user's secrets give this code, now or in the steps before that count? */
enum err totp_match(struct identity *identity, struct db_tx *tx, const char *user_id,
        const char *code, struct arena *arena, struct totp *ret_totp);

/* It counts, and not again. ERR_UNAUTHORIZED: it has. */
enum err totp_take(struct db_tx *tx, const struct totp *totp);

#endif
