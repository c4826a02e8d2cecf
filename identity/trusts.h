/* trusts: OS-TRUST. A trustor lets a trustee act with some of its roles in a project; a trust that
 * may be redelegated can be passed on, with no more than it has. */
#ifndef IDENTITY_TRUSTS_H
#define IDENTITY_TRUSTS_H

#include "identity/identity.h"

struct trust {
	const char *id, *trustor_user_id, *trustee_user_id, *project_id, *redelegated_trust_id;
	const char *trustor_domain_id; /* of trust_open */
	bool impersonation;
	int64_t remaining_uses;                 /* -1: no end */
	int64_t redelegation_count, expires_us; /* 0: never */
};

/* Of the table, in the struct's order. */
#define TRUST_COLUMNS                                                                              \
	"id, trustor_user_id, trustee_user_id, project_id, redelegated_trust_id, impersonation, "  \
	"remaining_uses, redelegation_count, expires_us"
#define TRUST_CHAIN_MAX 16 /* longer ones cannot be made */

enum err on_trust_create(struct rest_req *req); /* trusts_create.c */
enum err on_trust_list(struct rest_req *req);
enum err on_trust_show(struct rest_req *req);
enum err on_trust_delete(struct rest_req *req);
enum err on_trust_roles(struct rest_req *req);
enum err on_trust_role(struct rest_req *req);

/* The row, used up and expired or not. ERR_NOT_FOUND. */
enum err trust_find(struct db_tx *tx, const char *id, struct arena *arena, struct trust *ret_trust);
/* One that counts. ERR_NOT_FOUND: there is none; ERR_FORBIDDEN, with a text: somebody of its chain
 * is disabled. */
enum err trust_open(
        struct rest_req *req, struct db_tx *tx, const char *id, struct trust *ret_trust);
/* One use less. ERR_UNAUTHORIZED: there was none left. */
enum err trust_use(struct rest_req *req, struct db_tx *tx, const struct trust *trust);
/* Roles of tokens that it gives: its own, if the first trustor has all of them still; else
 * ERR_FORBIDDEN. */
enum err trust_roles(
        struct db_tx *tx, const char *id, struct arena *arena, struct roles *ret_roles);

/* All of a user, as trustor or trustee, go with it. */
enum err trusts_drop_user(struct db_tx *tx, const char *user_id);

/* --- for who makes one --- */

/* The answer begins anew. */
void trust_begin(struct rest_req *req);
/* {"trust": {...}} */
enum err trust_show(struct rest_req *req, struct db_tx *tx, const struct trust *trust);
/* ERR_FORBIDDEN, with a text: an application credential manages none. */
enum err trust_may(struct rest_req *req);
/* Its roles, without what they imply. */
enum err trust_own_roles(
        struct db_tx *tx, const char *id, struct arena *arena, struct roles *ret_roles);
/* The one that was passed on. */
enum err trust_first(
        struct db_tx *tx, const char *id, struct arena *arena, struct trust *ret_first);

#endif
