/* revocation: what makes tokens invalid before their time, kept in memory and looked up in constant
 * time. Revocations are numbered in the order in which they were committed; a token holds the
 * number that was the last when it was issued, and only those after it count for it
 * (docs/formats/token.md). Any thread. */
#ifndef LIB_AUTH_REVOCATION_H
#define LIB_AUTH_REVOCATION_H

#include "lib/auth/token.h"

enum revocation_kind {
	REVOKE_TOKEN,
	REVOKE_CHAIN,
	REVOKE_USER,
	REVOKE_USER_ROLES,
	REVOKE_USER_PROJECT,
	REVOKE_USER_DOMAIN,
	REVOKE_USER_SYSTEM,
	REVOKE_PROJECT,
	REVOKE_DOMAIN,
	REVOKE_ROLE,
	REVOKE_TRUST,
	REVOKE_APPLICATION,
	REVOKE_CREDENTIAL, /* no token's: of what was derived from a credential's secret */
	REVOKE_KINDS,
};

/* "user_project"; and back: REVOKE_KINDS when it is none. */
const char *revocation_name(enum revocation_kind kind);
enum revocation_kind revocation_kind(const char *name);

struct revocation {
	uint64_t number, at_us, expires_us; /* of the wall clock */
	enum revocation_kind kind;
	const char *first,
	        *second; /* ids; second NULL: the kind has but one. REVOKE_TOKEN: whose */
};

struct revocations;

struct revocations *revocations_new(void);
void revocations_free(struct revocations *set);

/* Copies it. One of all tokens of a user takes the place of those of single ones. */
void revocations_add(struct revocations *set, const struct revocation *revocation);

/* All up to that number are in it. */
void revocations_known(struct revocations *set, uint64_t number);
uint64_t revocations_last(struct revocations *set);

/* Was the token revoked? */
bool revocations_hit(struct revocations *set, const struct token *token);

/* Is there one of that kind and ids (second NULL: it has but one) that is newer than `news`? */
bool revocations_has(struct revocations *set, enum revocation_kind kind, const char *first,
        const char *second, uint64_t news);

/* The newest one of any role: roles of a token that were asked for before it may be others now. */
uint64_t revocations_newest_role(struct revocations *set);

/* How many are kept. */
size_t revocations_count(struct revocations *set);

/* Forgets those that have expired. */
void revocations_prune(struct revocations *set, uint64_t now_us);

#endif
