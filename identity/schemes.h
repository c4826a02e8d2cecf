/* schemes: password hashes as passlib writes them, which crypt(5) does not know, so that users come
 * over from another Keystone with their passwords:
 *
 *   $pbkdf2-sha512$ROUNDS$SALT$HASH   $scrypt$ln=LOG2,r=R,p=P$SALT$HASH
 *   $bcrypt-sha256$v=2,t=2b,r=ROUNDS$SALT$HASH   $bcrypt-sha256$2b,ROUNDS$SALT$HASH
 *
 * Pure; any thread. Costs beyond any sense (seconds, gigabytes) match nothing. */
#ifndef IDENTITY_SCHEMES_H
#define IDENTITY_SCHEMES_H

#include <stdbool.h>

/* Is the hash of one of these schemes? Then *ret_same: of this password. */
bool scheme_matches(const char *password, const char *hash, bool *ret_same);

#endif
