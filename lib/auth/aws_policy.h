/* aws_policy: policies in the language that AWS has for them, of buckets, users and roles: who may,
 * or may not, do what to which keys under which conditions. Pure.
 *
 * Source: "IAM JSON policy elements reference", AWS IAM User Guide; "Policies and permissions in
 * Amazon S3", Amazon S3 User Guide. */
#ifndef LIB_AUTH_AWS_POLICY_H
#define LIB_AUTH_AWS_POLICY_H

#include "lib/base/buf.h"
#include "lib/json/jread.h"

#define S3_POLICY_MAX 20480 /* bytes */

enum s3_verdict { S3_SILENT, S3_ALLOWED, S3_DENIED };

/* What somebody wants. */
struct s3_policy_ask {
	const char *action;   /* "s3:GetObject" */
	const char *resource; /* "bucket" or "bucket/key"; NULL: arn says it */
	const char *arn;      /* the whole name of what is none of S3's; or NULL */
	/* Who: NULL: anonymous. Ids and names as principals may have them. */
	const char *account, *id, *user, *user_name;
	const char *role, *session; /* they are a role, taken under that name; or NULL */
	const char *service;        /* NULL, or the one that asks instead of them */
	bool for_account;           /* they speak for the whole account */
	bool attached;              /* the policy is theirs: it names nobody */
	/* The n-th value of a condition's key, NULL behind the last. */
	const char *(*value)(void *arg, const char *key, unsigned n);
	void *arg;
};

/* NULL: it is a good policy of that bucket; else what is wrong with it. */
const char *s3_policy_check(const struct jval *policy, const char *bucket);
/* The same of one that is attached to a user, a role or a session; and of one that says who may
 * take a role. */
const char *s3_policy_check_attached(const struct jval *policy);
const char *s3_policy_check_trust(const struct jval *policy);
/* Appends the policy without what it allows. False: it denies nothing (or is no policy). */
bool s3_policy_denials(const char *text, struct buf *out);
enum s3_verdict s3_policy_decide(const struct jval *policy, const struct s3_policy_ask *ask);
/* Does it let everybody in? ("The meaning of public", Amazon S3 User Guide) */
bool s3_policy_is_public(const struct jval *policy);

/* "*" stands for any text, "?" for any character. */
bool s3_policy_like(const char *pattern, const char *text, bool any_case);

#endif
