/* revoke: what makes tokens invalid before their time (lib/auth/revocation.h,
 * docs/formats/token.md).
 *
 * The first half is called inside the transaction of the change that ends tokens: its commit is the
 * revocation. The second follows what was committed, by this process or another one on the same
 * database, into memory: at once what is its own, else within REVOKE_POLL_MS. */
#ifndef IDENTITY_REVOKE_H
#define IDENTITY_REVOKE_H

#include "identity/identity.h"
#include "lib/auth/revocation.h"

#define REVOKE_POLL_MS  250
#define REVOKE_STALE_MS 10000 /* without news for so long, nothing is believed */

/* Disabled, deleted, its password changed: all tokens of the user, and those got by its trusts. */
enum err revoke_user(struct identity *identity, struct db_tx *tx, const char *user_id);

/* It lost roles that may count anywhere: all its tokens that have a scope. */
enum err revoke_user_roles(struct identity *identity, struct db_tx *tx, const char *user_id);

/* It lost a role there: `kind` "project", "domain" or "system" as in the table assignment. Its
 * application credentials for that project go, too. */
enum err revoke_user_scope(struct identity *identity, struct db_tx *tx, const char *user_id,
        const char *kind, const char *target_id);

/* A grant goes: `actor_kind` "user" or "group", of whom all members lose it. */
enum err revoke_grant(struct identity *identity, struct db_tx *tx, const char *actor_kind,
        const char *actor_id, const char *kind, const char *target_id, bool inherited);

/* A user leaves a group; a group goes, with all grants it has, to be called while they and its
 * members are still there. A group that was granted nothing ends no tokens. */
enum err revoke_member(
        struct identity *identity, struct db_tx *tx, const char *group_id, const char *user_id);
enum err revoke_group(struct identity *identity, struct db_tx *tx, const char *group_id);

/* Disabled or deleted; a domain: with all trusts from or to its users. */
enum err revoke_project(struct identity *identity, struct db_tx *tx, const char *project_id);
enum err revoke_domain(struct identity *identity, struct db_tx *tx, const char *domain_id);
/* A domain's groups go with it: what users of other domains have by them. To be called as
 * revoke_group. */
enum err revoke_domain_groups(struct identity *identity, struct db_tx *tx, const char *domain_id);

/* Deleted, or does not imply another one any more; to be called while its grants are still there.
 */
enum err revoke_role(struct identity *identity, struct db_tx *tx, const char *role_id);

/* Deleted. */
enum err revoke_trust(struct identity *identity, struct db_tx *tx, const char *trust_id);
enum err revoke_application(
        struct identity *identity, struct db_tx *tx, const char *application_id);

/* Deleted or changed: keys derived from it. */
enum err revoke_credential(struct identity *identity, struct db_tx *tx, const char *credential_id);

/* Logout: of this one, or of it and all that were got by it or by what it was got by. */
enum err revoke_token(
        struct identity *identity, struct db_tx *tx, const struct token *token, bool chain);

/* --- what was --- */

/* Loads what there is, and follows it. */
enum err revoke_start(struct identity *identity);
void revoke_stop(struct identity *identity);

/* For who issues tokens: all that the transaction sees is in memory, and is the number *ret_news;
 * to be called before anything else is read. */
enum err revoke_news(struct identity *identity, struct db_tx *tx, uint64_t *ret_news);

/* For how long what was revoked counts for who lets no token be late. */
enum err revoke_life(struct identity *identity, struct db_tx *tx, uint64_t *ret_us);

/* ERR_UNAUTHORIZED: the token was revoked. ERR_UNAVAILABLE: that cannot be known now. */
enum err revoke_check(struct identity *identity, const struct token *token);

/* GET /v3/OS-REVOKE/events */
enum err on_revoke_events(struct rest_req *req);

#endif
