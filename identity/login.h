/* login: POST /v3/auth/tokens.
 *
 *   parse -> who (rows) -> [hashes of secrets, on a pool of their own] -> answer: where, roles,
 * token
 *
 * Nobody is told which part of what they showed was wrong, neither by words nor by time. */
#ifndef IDENTITY_LOGIN_H
#define IDENTITY_LOGIN_H

#include "identity/applications.h"
#include "identity/identity.h"
#include "identity/totp.h"
#include "identity/trusts.h"

/* What a body names: by id, or by name in a domain. */
struct named {
	const char *id, *name; /* one of them */
	const char *domain_id, *domain_name;
};

enum wanted_scope {
	SCOPE_DEFAULT,
	SCOPE_NONE,
	SCOPE_PROJECT,
	SCOPE_DOMAIN,
	SCOPE_SYSTEM,
	SCOPE_TRUST
};

struct login {
	struct rest_req *req;
	/* Asked: */
	unsigned methods;              /* bits of TOKEN_BY_ */
	struct named user;             /* of the password */
	struct named totp_user;        /* of the passcode */
	struct named application;      /* id, or name with its user */
	struct named application_user; /* of its name */
	const char *password, *passcode, *secret, *token_text;
	enum wanted_scope wanted;
	struct named scope;
	bool catalog;
	/* Found: */
	struct token token; /* that was shown, with token_text */
	struct user found;
	const char *hash;           /* of the password */
	const char *directory;      /* the domain, if that has one which knows the password */
	const char *directory_user; /* id of who has it there; NULL: nobody */
	struct application app;
	struct trust trust;
	struct totp totp;
	unsigned received; /* ways that a receipt tells of */
	bool missing;      /* somebody or something is not there */
	bool ended;        /* the token that was shown was revoked */
	uint64_t news;
	struct scope in;
	const char *in_domain; /* of a project */
	struct roles roles;
};

/* Reads the body: ERR_BAD_REQUEST or ERR_UNAUTHORIZED, with a text. */
enum err login_parse(struct login *login);

/* For who has shown an EC2 credential: `methods` is TOKEN_BY_EC2, `user` (or the trustee of the
 * scope's trust) named by id, `application` too if that delegated it. Answers with the token. */
enum err login_by_ec2(struct login *login);

enum err on_token_issue(struct rest_req *req);

void login_make_audit(char ret_audit[TOKEN_AUDIT + 1]); /* a new one */

/* --- receipt.c --- */

/* What the header Openstack-Auth-Receipt tells of. ERR_UNAUTHORIZED: it is none of this user's. */
enum err receipt_take(struct login *login);
/* 401 with a receipt for what was shown, and what else would do. */
enum err receipt_give(struct login *login);

#endif
