/* identity: Keystone's API v3 (https://docs.openstack.org/api-ref/identity/v3/). */
#ifndef IDENTITY_IDENTITY_H
#define IDENTITY_IDENTITY_H

#include "identity/tables.h"
#include "lib/auth/token.h"
#include "lib/conf/conf.h"
#include "lib/rest/resource.h"
#include <pthread.h>

struct identity_conf {
	const char *state_dir, *bind_ip, *database, *public_url, *policy_file, *log_level,
	        *service_key;
	uint64_t port, loops, threads, queue;
	uint64_t token_seconds, allow_expired_seconds, logouts_max, receipt_seconds,
	        redelegation_max, totp_before, password_rounds, tree_depth;
	/* [security]; 0: not asked for */
	uint64_t lockout_failures, lockout_seconds, password_days, password_min_days,
	        unique_passwords, inactive_days;
	const char *limit_model, *audit;
	const char *password_regex, *password_regex_description;
	bool change_on_first_use;
};
extern const struct conf_option identity_options[];
extern const unsigned identity_option_count;

#define KEYS_MAX 16

struct identity {
	struct identity_conf conf;
	struct conf *conf_texts;
	const char *conf_path;
	struct db *db;
	struct policy *policy;
	struct pattern *password_pattern; /* NULL: passwords may be anything */
	struct work_pool *networks;       /* who waits for a directory does so there */
	struct directories *directories;
	struct work_pool
	        *hashes; /* passwords: a flood of logins waits there, and nothing else does */
	pthread_rwlock_t keys_lock;
	struct token_key *keys[KEYS_MAX]; /* the one that signs first */
	unsigned key_count;
	struct seen *seen; /* tokens that were found signed with them; owned */
	struct vault *vault;
	struct revoke *revoke; /* NULL: none is followed, as in commands */
	struct rest_service service;
};

static inline struct identity *identity_of(const struct rest_req *req)
{
	return req->service->owner;
}

/* --- keys.c --- */

/* Reads state_dir/keys, and makes the first one. */
enum err keys_load(struct identity *identity, struct buf *error);
/* A new one signs from now on; those before it check for as long as tokens live, and are asked
 * about after that. */
enum err keys_rotate(const char *state_dir, uint64_t life_seconds, struct buf *error);
void keys_done(struct identity *identity);
enum err keys_sign(struct identity *identity, const struct token *token, struct buf *ret_text);
/* ERR_UNAUTHORIZED: of none of them, or expired more than late_us ago. */
enum err keys_check(struct identity *identity, const char *text, uint64_t late_us,
        struct arena *arena, struct token *ret_token);

/* The same for receipts. */
enum err keys_sign_receipt(
        struct identity *identity, const struct token *receipt, struct buf *ret_text);
enum err keys_check_receipt(struct identity *identity, const char *text, struct arena *arena,
        struct token *ret_receipt);

/* --- password.c --- */

#define PASSWORD_HASH 128
/* bcrypt. ERR_BAD_REQUEST: longer than the 72 bytes of which bcrypt looks at. */
enum err password_hash(
        const struct identity *identity, const char *password, char ret_hash[PASSWORD_HASH]);
/* Any scheme of crypt(5). With hash NULL as slow as with one, and false. */
bool password_matches(const struct identity *identity, const char *password, const char *hash);

/* --- grants.c: roles that somebody has --- */

struct scope {
	enum token_scope kind;
	const char *id; /* of the project or domain */
};

struct roles {
	struct token_role *items; /* of the arena */
	unsigned count;
};

/* All that count for the user there: its own and its groups', inherited and implied ones. */
enum err grants_effective(struct db_tx *tx, const char *user_id, const struct scope *scope,
        struct arena *arena, struct roles *ret_roles);

/* The same for whom a token is for: with what a trust or an application credential delegates.
 * ERR_FORBIDDEN: the trustor has not all of it any more. */
enum err grants_of(
        struct db_tx *tx, const struct token *token, struct arena *arena, struct roles *ret_roles);
/* Adds what is implied; roles of a domain have "" for a name. */
enum err grants_implied(struct db_tx *tx, struct arena *arena, struct roles *roles);

struct roles roles_none(struct arena *arena); /* with room */
bool roles_have(const struct roles *roles, const char *id);
/* Once each. */
void roles_add(struct roles *roles, struct arena *arena, const char *id, const char *name);

/* --- auth.c, login.c: the tokens --- */

/* The caller of a request, by X-Auth-Token. */
enum err auth_caller(struct rest_req *req);
enum err on_token_show(struct rest_req *req);
enum err on_token_revoke(struct rest_req *req);

/* --- show.c: what a token says, and the catalog --- */

enum err show_token(struct rest_req *req, struct db_tx *tx, const struct token *token,
        const struct roles *roles, bool catalog, struct jout *out);
enum err show_catalog(struct db_tx *tx, const char *project_id, const char *user_id,
        const char *name, struct jout *out);

/* Members of it. */
void show_methods(const struct token *token, struct jout *out);
enum err show_user(struct rest_req *req, struct db_tx *tx, const char *id, struct jout *out);

/* "2026-11-21T18:22:54.000000Z" */
#define TIME_TEXT 28
void time_format(uint64_t us, char ret_text[TIME_TEXT]);
/* ISO 8601 with or without parts of a second, Z or an offset. False: it is no time. */
bool time_parse(const char *text, uint64_t *ret_us);
uint64_t time_now_us(void); /* of the wall clock */

/* --- news.c --- */

/* Has who asks shown that it is a service of ours (X-Service-Key)? */
bool service_key_shown(const struct rest_req *req);
/* GET /v3/OS-CAIRN/news */
enum err on_news(struct rest_req *req);

/* --- bootstrap.c --- */

struct bootstrap {
	const char *user, *password, *project, *region, *public_url;
	char *const *services; /* of others: type, name and URL of each */
	unsigned service_count;
};
/* What every cloud begins with; what is there stays, but for the password. */
enum err bootstrap(struct identity *identity, const struct bootstrap *bootstrap);

extern const struct rest_route identity_routes[];
extern const unsigned identity_route_count;
extern const struct policy_rule identity_rules[];
extern const unsigned identity_rule_count;
extern const struct rest_dialect identity_dialect;

#endif
