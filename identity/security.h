/* security: what an operator asks of accounts and passwords ([security] of the configuration), and
 * of what a user's options take out of it. */
#ifndef IDENTITY_SECURITY_H
#define IDENTITY_SECURITY_H

#include "identity/identity.h"

/* Once it is known whether a password `matched` (false, too, when there is no such user: its id is
 * NULL): counts failures and ends them, and says whether who it is may come in. ERR_UNAUTHORIZED
 * with a text: it may not; which of unknown, wrong, locked and disabled it was is not told. Blocks.
 */
enum err security_login(struct rest_req *req, const struct user *user, bool matched);
/* The same for who wants to change the password: that may be expired. */
enum err security_login_to_change(struct rest_req *req, const struct user *user, bool matched);

/* Enabled, and not away for too long. */
bool security_is_enabled(const struct identity *identity, const struct user *user);

/* Do the ways in which somebody has shown who they are (TOKEN_BY_...) meet the user's
 * multi_factor_auth_rules? */
bool security_methods_meet(const struct user *user, unsigned methods);

/* ERR_BAD_REQUEST with a text: the password does not look as they must. */
enum err security_check_password(struct rest_req *req, const char *password);

/* When a password that is made now will expire; 0: never. `by_other`: not by its user. */
uint64_t security_password_expiry(
        const struct identity *identity, const struct user *user, bool by_other, uint64_t now_us);

/* Makes the hash the user's password; older ones are kept as far as they must not come again. */
enum err security_set_password(struct rest_req *req, struct db_tx *tx, const struct user *user,
        const char *hash, bool self_service);

/* POST /v3/users/{user_id}/password */
enum err on_password_change(struct rest_req *req);

#endif
