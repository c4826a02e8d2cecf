/* login: whose key a request is signed with, and is the signature right? Keys are those of v1
 * auth's users (access key "account:user", secret their key) and EC2 credentials of the identity
 * service, which gives us what it has derived from the secret for a day, never the secret. */
#ifndef PROXY_S3_LOGIN_H
#define PROXY_S3_LOGIN_H

#include "lib/auth/verify.h"
#include "proxy/s3/error.h"
#include "proxy/s3/sign.h"

struct request;

struct s3_caller {
	const char *account;   /* Swift's, where its buckets are; NULL: anonymous */
	const char *id, *name; /* as owners are told: the project's, or v1 auth's user */
	const char *user_id;   /* who in there */
	const char *user_name;
	const char *role, *session; /* that was taken, and as whom; or NULL */
	const struct user *user;    /* of v1 auth; or NULL */
	uint8_t key[AWS_KEY];       /* 4: what it signs with in this scope */
	bool has_key;
};

struct s3_login {
	struct verify_ask ask;
	struct request *request;
	bool pending, asked, again; /* again: in the other way of two */
};

/* Call until it returns true: request->identity and s3->caller are set, or *ret_error. */
bool s3_login(struct request *request, enum s3_error *ret_error, const char **ret_text);

/* What it is to the client that the identity service does not say whose a key is. */
enum s3_error s3_login_error(enum err err);

/* With a SignatureDoesNotMatch: what ought to have been signed, as AWS tells it. */
void s3_login_tell(struct request *request, const struct buf *text);

#endif
