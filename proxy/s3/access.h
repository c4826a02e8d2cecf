/* access: may who signed do this? Whose account it is keeps to Swift's rules there; all others, and
 * who has signed nothing, need a bucket policy or an access control list that lets them.
 *
 *   s3_may         once it is known whose bucket it is: with what is known of the bucket
 *   s3_may_object  with the object's own headers, before anything of it is told
 *
 * Source: "How Amazon S3 authorizes a request", Amazon S3 User Guide. */
#ifndef PROXY_S3_ACCESS_H
#define PROXY_S3_ACCESS_H

#include "lib/auth/aws_policy.h"
#include "lib/auth/verify.h"
#include "proxy/s3/acl.h"
#include "proxy/s3/error.h"

#include <stdbool.h>

struct info;
struct request;

#define S3_BUCKET_ACL "X-Container-Sysmeta-S3-Acl"
#define S3_OBJECT_ACL "X-Object-Transient-Sysmeta-S3-Acl"

/* What somebody wants to do something to. */
struct s3_target {
	const char *action;           /* "s3:GetObject" */
	const char *account, *bucket; /* whose, and its name */
	const struct info *info;      /* what is known of the bucket */
	const char *key, *version;    /* or NULL */
	const char *prefix;           /* of a listing that would tell of a key; or NULL */
	const struct buf *headers;    /* a kv block: the object's own; NULL: not known (yet) */
	bool is_source;               /* of a copy */
};

/* A grantee that the identity service is asked about. */
struct s3_naming {
	struct verify_ask ask;
	struct request *request;
	bool pending, asked;
};

/* Of s3->access. */
struct s3_access {
	struct s3_naming naming;
	const char *denied; /* what they were last told that they may not; or NULL */
	bool by_list;       /* a list has let them */
	bool own;           /* Swift's rules let them, in the account of the bucket */
	bool speaks;        /* roles of theirs let them do the same in their own account */
	bool stands; /* so does that, or what is attached to them: what is said of the account
	                counts */
};

/* After login, and once it is known whose bucket it is. Call again while *ret_wait. */
enum s3_error s3_may(struct request *request, bool *ret_wait);

/* After s3_may; headers: the object's, a kv block with system metadata. */
enum s3_error s3_may_object(struct request *request, const struct buf *headers);

/* The same of something else than what the request names: the source of a copy, one of many keys.
 * Without the object's headers what these decide is refused. */
enum s3_error s3_may_at(struct request *request, const struct s3_target *target);

/* Of one of many keys that are to be deleted; version may be NULL. */
enum s3_error s3_may_delete(struct request *request, const char *key, const char *version);

/* May they know that a key is not there? */
bool s3_may_list(struct request *request);

/* --- policy_ask.c --- */

/* What a policy says that is attached to who asks. */
enum s3_verdict s3_policy_attached(
        struct request *request, const struct s3_target *target, const struct jval *policy);

/* As AWS tells those of the account itself what they may not, and why; in the arena. */
const char *s3_policy_denial(
        struct request *request, const struct s3_target *target, const char *why);

/* What the bucket's policy says. *ret_public: it lets everybody in. */
enum s3_verdict s3_policy_verdict(
        struct request *request, const struct s3_target *target, bool *ret_public);

/* --- lists --- */

/* Do the headers name a list (x-amz-acl, x-amz-grant-*)? Which: of what `owner` owns in the bucket.
 */
bool s3_acl_is_said(const struct request *request);
enum s3_error s3_acl_said(struct request *request, const char *owner, const char *owner_name,
        struct s3_acl *ret_acl, const char **ret_text);
/* May there be such a list in the bucket? */
enum s3_error s3_acl_fits(struct request *request, const struct s3_acl *acl);
/* Of something that is made: into s3->acl. Call again while *ret_wait. */
enum s3_error s3_acl_take(struct request *request, const char **ret_text, bool *ret_wait);
/* The grantees that a list names by id or email: are they there, and what are they called? The
 * same. */
enum s3_error s3_acl_resolve(
        struct request *request, struct s3_acl *acl, const char **ret_text, bool *ret_wait);
const char *s3_acl_kept(struct request *request, const struct s3_acl *acl); /* JSON, in the arena */
/* What a new object is to have as S3_OBJECT_ACL (a bucket as S3_BUCKET_ACL); NULL: nothing need be
 * kept. */
const char *s3_acl_new(struct request *request);
/* Whose it is going to be. */
void s3_owner_new(struct request *request, const char **ret_id, const char **ret_name);
/* Of a bucket (of s3->bucket), or of an object in it by its headers. */
void s3_acl_of_bucket(struct request *request, struct s3_acl *ret_acl);
void s3_acl_of_object(struct request *request, const struct buf *headers, struct s3_acl *ret_acl);

#endif
