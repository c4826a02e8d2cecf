/* rights: what is attached to whoever has signed, as the identity service tells it along with the
 * key: policies of a user or of a role that was taken, and what bounds a session
 * (docs/formats/session.md). Without any there is nothing of it: roles of the identity service
 * alone count. */
#ifndef PROXY_S3_RIGHTS_H
#define PROXY_S3_RIGHTS_H

#include "lib/auth/aws_policy.h"

struct request;
struct s3_target;

struct s3_policies {
	struct jroot *all; /* owned */
	unsigned count;
};

struct s3_rights {
	struct s3_policies policies, boundaries;
	struct jroot bound;                              /* owned; no value: there is none */
	const char *path;                                /* IAM's, of the role or user */
	const char *role, *session;                      /* what was taken, and as whom; or NULL */
	const char *project_id, *project_name, *role_id; /* the role's */
};

/* Into request->s3->rights. False: they are none that this program understands. */
bool s3_rights_read(struct request *request, const char *json);
void s3_rights_done(struct s3_rights *rights);

/* S3_DENIED: by a policy that is attached, or since the session is not for that. S3_ALLOWED: a
 * policy lets them, which counts within their own account. *ret_bounded: a permissions boundary
 * does not: neither such a policy nor a role of the identity service counts, but what names them.
 */
enum s3_verdict s3_rights_verdict(
        struct request *request, const struct s3_target *target, bool *ret_bounded);

#endif
