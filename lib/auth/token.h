/* token: what the identity service gives to who has shown who they are, and every service can check
 * by itself: ids, scope and roles, signed with Ed25519 (RFC 8032), in base64url;
 * docs/formats/token.md. Names of users and projects and the catalog are not in it.
 *
 * Pure, but for the keys; any thread. */
#ifndef LIB_AUTH_TOKEN_H
#define LIB_AUTH_TOKEN_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

#define TOKEN_TEXT_MAX                                                                             \
	512 /* what is given out; a token with too many roles is given without them */
#define TOKEN_ROLES_MAX 16
#define TOKEN_AUDIT     22 /* characters of an audit id */

enum token_scope { TOKEN_UNSCOPED, TOKEN_PROJECT, TOKEN_DOMAIN, TOKEN_SYSTEM, TOKEN_SCOPES };

/* Ways in which somebody has shown who they are, as bits. */
enum {
	TOKEN_BY_PASSWORD = 1,
	TOKEN_BY_TOKEN = 2,
	TOKEN_BY_APPLICATION = 4, /* application_credential */
	TOKEN_BY_TOTP = 8,
	TOKEN_BY_EC2 = 16,
	TOKEN_BY_TRUST = 32,
	TOKEN_METHODS = 63,
};

struct token_role {
	const char *id, *name;
};

struct token {
	uint64_t issued_us, expires_us; /* of the wall clock */
	uint64_t news; /* number of the last revocation there was: those after it count for it */
	unsigned methods;
	enum token_scope scope;
	const char *scope_id;        /* of the project or domain; NULL: none */
	const char *scope_domain_id; /* a project's: the domain it is in; NULL: none */
	const char *user_id, *user_domain_id;
	const char *application_id, *trust_id;                /* NULL: none */
	char audit[TOKEN_AUDIT + 1], parent[TOKEN_AUDIT + 1]; /* parent: "", or of the first */
	bool restricted; /* by access rules, which the identity service knows */
	bool has_roles;  /* false: there were too many, the identity service knows them */
	unsigned role_count;
	struct token_role roles[TOKEN_ROLES_MAX];
};

/* --- keys --- */

struct token_key; /* one that signs, or one that only checks */

/* A new one; `number` is told in every token, so that several can live together. */
enum err token_key_make(uint32_t number, struct token_key **ret_key);
/* 32 bytes. `secret`: of one that signs, else the public half. */
enum err token_key_load(
        uint32_t number, const uint8_t bytes[32], bool secret, struct token_key **ret_key);
void token_key_bytes(const struct token_key *key, bool secret, uint8_t ret_bytes[32]);
uint32_t token_key_number(const struct token_key *key);
void token_key_free(struct token_key *key);

/* --- tokens --- */

/* Appends the text. */
enum err token_sign(const struct token *token, const struct token_key *key, struct buf *ret_text);

/* The key that a text says it was signed with; ERR_FORMAT: it is no token. */
enum err token_key_of(const char *text, uint32_t *ret_number);

/* ERR_FORMAT: it is no token; ERR_UNAUTHORIZED: not signed with that key. Whether it has expired,
 * or was revoked, is for the caller to see. Texts belong to the arena. */
enum err token_check(const char *text, const struct token_key *key, struct arena *arena,
        struct token *ret_token);

/* The same of one that was found signed with that very key before. */
enum err token_read(const char *text, const struct token_key *key, struct arena *arena,
        struct token *ret_token);

/* --- receipts --- */

/* What says which ways somebody has shown who they are, when more are wanted: of a token's form,
 * and never good as one. The same outcomes. */
enum err receipt_sign(
        const struct token *receipt, const struct token_key *key, struct buf *ret_text);
enum err receipt_check(const char *text, const struct token_key *key, struct arena *arena,
        struct token *ret_receipt);

#endif
