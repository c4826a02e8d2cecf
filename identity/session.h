/* session: temporary credentials (docs/formats/session.md). All that is known of one is in its
 * token, sealed with the key of the vault: nothing is kept, and every identity service of the cloud
 * opens it. What it stands on ends it: the credential by which it was asked for, the user, the
 * project, the role. Any thread. */
#ifndef IDENTITY_SESSION_H
#define IDENTITY_SESSION_H

#include "identity/vault.h"

#define SESSION_MIN_S    900
#define SESSION_MAX_S    43200
#define SESSION_CHAIN_S  3600  /* of a role that was taken by one */
#define SESSION_TEXT     16384 /* the longest token that is looked at */
#define SESSION_SHOWN    7680  /* of one that is given out: it has to fit into a header */
#define SESSION_POLICY   2048  /* characters of a policy */
#define SESSION_PREFIX   "ASIA"
#define SESSION_NAME_MAX 64

struct session {
	const char *access, *secret;
	const char *credential_id; /* by which it was asked for */
	const char *role_id;       /* that was taken; or NULL */
	const char *name;          /* of a role's session; or NULL */
	const char *policy;        /* JSON that bounds it; or NULL */
	uint64_t expires_us;
};

/* Appends the token. */
void session_seal(const struct vault *vault, const struct session *session, struct buf *out);

/* ERR_UNPROCESSABLE: it is no token, or another access key's; ERR_PRECONDITION: it has expired. */
enum err session_open(const struct vault *vault, const char *access, const char *token,
        uint64_t now_us, struct arena *arena, struct session *ret_session);

#endif
