/* signer: whose an access key is: a user's EC2 credential, or a session that was got by one; and
 * what its policies are. */
#ifndef IDENTITY_SIGNER_H
#define IDENTITY_SIGNER_H

#include "identity/credentials.h"
#include "identity/identity.h"
#include "identity/session.h"

/* Its policies are those of a role that was taken, or else the user's; of a credential made with a
 * trust or an application credential what these deny. */
struct signer {
	struct rest_req *req;
	/* Asked: */
	const char *access;
	const char *session_token; /* NULL: it is no session's */
	/* Found: */
	struct credential credential;
	const char *secret, *trust_id, *application_id;
	const char *user_id; /* who logs in: the trustee, where the credential is its trustor's */
	const char *trustor_id; /* NULL: there is no trust */
	struct session session;
	const char *role_name, *role_project_id, *role_project_name,
	        *role_domain_id; /* NULL: none */
	const char *path;     /* IAM's, of the role or else the user: "/" where it has given none */
	const char *policies; /* a JSON array of texts */
	unsigned policy_count;
	const char *boundaries; /* the same, of permissions boundaries */
	unsigned boundary_count;
};

/* ERR_NOT_FOUND: no such access key; ERR_UNAUTHORIZED; of a session: ERR_UNPROCESSABLE,
 * ERR_PRECONDITION (session.h). */
enum err signer_find(struct signer *signer);
/* Answers with a token, as who has logged in. */
enum err signer_login(struct signer *signer);
/* ERR_UNAUTHORIZED: who asks is no service. */
enum err signer_check_service(struct rest_req *req);

#endif
