#include "identity/revoke.h"

#include "identity/applications.h"
#include "identity/sql.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEQUENCE     "revocation"
#define LEEWAY_US    60000000ull   /* of clocks */
#define REFRESH_US   3600000000ull /* how often it is said that tokens live so long */
#define PRUNE_US     60000000ull
#define TRIM_US      10000000ull /* how often memory that a large answer took goes back */
#define MEMBERS_STEP 256

struct revoke {
	struct identity *identity;
	struct revocations *set;
	pthread_mutex_t lock; /* one reads news at a time */
	pthread_cond_t wake;
	bool stopping; /* under lock */
	pthread_t thread;
	atomic_uint_fast64_t fresh_us; /* monotonic: when news were read last */
};

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- in the transaction of a change --- */

static void follow(void *arg);

/* Tokens of processes with another configuration may live longer than ours. */
enum err revoke_life(struct identity *identity, struct db_tx *tx, uint64_t *ret_us)
{
	struct db_query q = db_query(tx, "SELECT MAX(seconds) FROM token_life WHERE until_us > ?");

	db_bind_int(&q, (int64_t)clock_us(CLOCK_REALTIME));
	uint64_t seconds = db_step(&q) ? (uint64_t)db_int(&q, 0) : 0;
	if (seconds < identity->conf.token_seconds)
		seconds = identity->conf.token_seconds;
	*ret_us = seconds * 1000000 + LEEWAY_US;
	return db_end(&q);
}

/* What ended a token counts for as long as services may ask about it, which is longer than its
 * life. */
static enum err add(struct identity *identity, struct db_tx *tx, enum revocation_kind kind,
        const char *first, const char *second)
{
	uint64_t number, life, now = clock_us(CLOCK_REALTIME);
	enum err err = db_next(tx, SEQUENCE, &number);

	if (err || (err = revoke_life(identity, tx, &life)))
		return err;
	life += identity->conf.allow_expired_seconds * 1000000;
	struct db_query q = db_query(tx, "INSERT INTO revocation (number, at_us, expires_us, kind, "
	                                 "first_id, second_id) VALUES (?, ?, ?, ?, ?, ?)");
	db_bind_int(&q, (int64_t)number);
	db_bind_int(&q, (int64_t)now);
	db_bind_int(&q, (int64_t)(now + life));
	db_bind_text(&q, revocation_name(kind));
	db_bind_text(&q, first);
	db_bind_text(&q, second);
	if (identity->revoke)
		db_on_commit(tx, follow, identity->revoke);
	return db_exec(&q, NULL);
}

/* `sql` gives the next id after the one that comes before `texts`: a statement at a time, since
 * they are read before any is written. */
static enum err each_id(struct identity *identity, struct db_tx *tx, const char *sql,
        unsigned count, const char *const *texts,
        enum err (*each)(struct identity *identity, struct db_tx *tx, const char *id))
{
	struct arena arena;
	const char *id = "", *values[4] = {NULL};
	enum err err;

	arena_init(&arena);
	memcpy(values + 1, texts, count * sizeof(*texts));
	do {
		values[0] = id;
		err = sql_text(tx, sql, &arena, &id, count + 1, values);
		if (!err && id)
			err = each(identity, tx, id);
	} while (!err && id);
	arena_done(&arena);
	return err;
}

/* With those that it was passed on by, whoever's they are. */
static enum err of_trust(struct identity *identity, struct db_tx *tx, const char *id)
{
	enum err err = revoke_trust(identity, tx, id);

	return err ? err
	           : each_id(identity, tx,
	                     "SELECT id FROM trust WHERE id > ? AND redelegated_trust_id = ? ORDER "
	                     "BY id LIMIT 1",
	                     TEXTS(id), of_trust);
}

enum err revoke_user(struct identity *identity, struct db_tx *tx, const char *user_id)
{
	enum err err = add(identity, tx, REVOKE_USER, user_id, NULL);

	return err ? err
	           : each_id(identity, tx,
	                     "SELECT id FROM trust WHERE id > ? AND (trustor_user_id = ? OR "
	                     "trustee_user_id = ?) ORDER BY id LIMIT 1",
	                     TEXTS(user_id, user_id), of_trust);
}

enum err revoke_user_roles(struct identity *identity, struct db_tx *tx, const char *user_id)
{
	enum err err = add(identity, tx, REVOKE_USER_ROLES, user_id, NULL);

	return err ? err
	           : each_id(identity, tx,
	                     "SELECT id FROM trust WHERE id > ? AND trustor_user_id = ? ORDER BY "
	                     "id LIMIT 1",
	                     TEXTS(user_id), of_trust);
}

static enum err of_project(
        struct identity *identity, struct db_tx *tx, const char *user_id, const char *project_id)
{
	enum err err = add(identity, tx, REVOKE_USER_PROJECT, user_id, project_id);

	if (!err)
		err = applications_drop_project(tx, user_id, project_id);
	return err ? err
	           : each_id(identity, tx,
	                     "SELECT id FROM trust WHERE id > ? AND trustor_user_id = ? AND "
	                     "project_id = ? ORDER BY id LIMIT 1",
	                     TEXTS(user_id, project_id), of_trust);
}

enum err revoke_user_scope(struct identity *identity, struct db_tx *tx, const char *user_id,
        const char *kind, const char *target_id)
{
	if (strcmp(kind, "system") == 0)
		return add(identity, tx, REVOKE_USER_SYSTEM, user_id, NULL);
	return strcmp(kind, "domain") == 0
	               ? add(identity, tx, REVOKE_USER_DOMAIN, user_id, target_id)
	               : of_project(identity, tx, user_id, target_id);
}

static enum err of_user(struct identity *identity, struct db_tx *tx, const char *user_id,
        const char *kind, const char *target_id)
{
	return kind ? revoke_user_scope(identity, tx, user_id, kind, target_id)
	            : revoke_user_roles(identity, tx, user_id);
}

/* A statement at a time: they are read before any is written. */
static enum err of_members(struct identity *identity, struct db_tx *tx, const char *group_id,
        const char *kind, const char *target_id)
{
	AUTO(buf) struct buf after = BUF_NONE;
	enum err err = ERR_OK;
	unsigned count;

	do {
		char ids[MEMBERS_STEP][65];
		struct db_query q =
		        db_query(tx, "SELECT user_id FROM membership WHERE group_id = ? AND "
		                     "user_id > ? ORDER BY user_id LIMIT 256");
		db_bind_text(&q, group_id);
		db_bind_text(&q, buf_text(&after));
		for (count = 0; count < MEMBERS_STEP && db_step(&q); count++) {
			const char *id = db_text(&q, 0);
			memcpy(ids[count], id, strnlen(id, 64) + 1);
			ids[count][64] = 0;
		}
		err = db_end(&q);
		for (unsigned i = 0; i < count && !err; i++)
			err = of_user(identity, tx, ids[i], kind, target_id);
		buf_reset(&after);
		buf_str(&after, count ? ids[count - 1] : "");
	} while (!err && count == MEMBERS_STEP);
	return err;
}

enum err revoke_grant(struct identity *identity, struct db_tx *tx, const char *actor_kind,
        const char *actor_id, const char *kind, const char *target_id, bool inherited)
{
	const char *where = inherited ? NULL : kind;

	return strcmp(actor_kind, "group") == 0
	               ? of_members(identity, tx, actor_id, where, target_id)
	               : of_user(identity, tx, actor_id, where, target_id);
}

static enum err has_grants(struct db_tx *tx, const char *group_id, bool *ret_has)
{
	struct db_query q = db_query(
	        tx, "SELECT 1 FROM assignment WHERE actor_kind = 'group' AND actor_id = ? LIMIT 1");

	db_bind_text(&q, group_id);
	*ret_has = db_step(&q);
	return db_end(&q);
}

enum err revoke_member(
        struct identity *identity, struct db_tx *tx, const char *group_id, const char *user_id)
{
	bool has;
	enum err err = has_grants(tx, group_id, &has);

	return err || !has ? err : revoke_user_roles(identity, tx, user_id);
}

enum err revoke_group(struct identity *identity, struct db_tx *tx, const char *group_id)
{
	bool has;
	enum err err = has_grants(tx, group_id, &has);

	return err || !has ? err : of_members(identity, tx, group_id, NULL, NULL);
}

enum err revoke_project(struct identity *identity, struct db_tx *tx, const char *project_id)
{
	return add(identity, tx, REVOKE_PROJECT, project_id, NULL);
}

enum err revoke_domain(struct identity *identity, struct db_tx *tx, const char *domain_id)
{
	enum err err = add(identity, tx, REVOKE_DOMAIN, domain_id, NULL);

	return err ? err
	           : each_id(identity, tx,
	                     "SELECT t.id FROM trust t JOIN user a ON a.id = t.trustor_user_id "
	                     "JOIN user b ON b.id = t.trustee_user_id WHERE t.id > ? AND "
	                     "(a.domain_id = ? OR b.domain_id = ?) ORDER BY t.id LIMIT 1",
	                     TEXTS(domain_id, domain_id), of_trust);
}

enum err revoke_domain_groups(struct identity *identity, struct db_tx *tx, const char *domain_id)
{
	return each_id(identity, tx,
	        "SELECT m.user_id FROM membership m JOIN user_group g ON g.id = m.group_id JOIN "
	        "user u ON u.id = m.user_id WHERE m.user_id > ? AND g.domain_id = ? AND "
	        "u.domain_id <> ? AND EXISTS (SELECT 1 FROM assignment a WHERE a.actor_kind = "
	        "'group' AND a.actor_id = g.id) ORDER BY m.user_id LIMIT 1",
	        TEXTS(domain_id, domain_id), revoke_user_roles);
}

static enum err of_group(struct identity *identity, struct db_tx *tx, const char *group_id)
{
	return of_members(identity, tx, group_id, NULL, NULL);
}

static enum err of_holders(struct identity *identity, struct db_tx *tx, const char *role_id)
{
	enum err err = each_id(identity, tx,
	        "SELECT actor_id FROM assignment WHERE actor_id > ? AND role_id = ? AND actor_kind "
	        "= 'user' ORDER BY actor_id LIMIT 1",
	        TEXTS(role_id), revoke_user_roles);

	return err ? err
	           : each_id(identity, tx,
	                     "SELECT actor_id FROM assignment WHERE actor_id > ? AND role_id = ? "
	                     "AND actor_kind = 'group' ORDER BY actor_id LIMIT 1",
	                     TEXTS(role_id), of_group);
}

/* No token names a role of a domain: those of all who hold it, or one that leads to it. */
static enum err of_domain_role(struct identity *identity, struct db_tx *tx, const char *role_id)
{
	struct arena arena;
	enum err err = ERR_OK;

	arena_init(&arena);
	struct roles roles = roles_none(&arena);
	roles_add(&roles, &arena, role_id, "");
	for (unsigned i = 0; i < roles.count && !err; i++) {
		const char *id = roles.items[i].id;
		struct db_query q = sql_query(
		        tx, "SELECT prior_id FROM implied_role WHERE implied_id = ?", TEXTS(id));
		while (db_step(&q))
			roles_add(&roles, &arena, db_text(&q, 0), "");
		err = db_end(&q);
		if (!err)
			err = of_holders(identity, tx, id);
	}
	arena_done(&arena);
	return err;
}

enum err revoke_role(struct identity *identity, struct db_tx *tx, const char *role_id)
{
	int64_t of_domain;
	enum err err = sql_int(tx, "SELECT COUNT(*) FROM role WHERE id = ? AND domain_id <> ''",
	        &of_domain, TEXTS(role_id));

	if (err)
		return err;
	return of_domain ? of_domain_role(identity, tx, role_id)
	                 : add(identity, tx, REVOKE_ROLE, role_id, NULL);
}

enum err revoke_trust(struct identity *identity, struct db_tx *tx, const char *trust_id)
{
	return add(identity, tx, REVOKE_TRUST, trust_id, NULL);
}

enum err revoke_application(struct identity *identity, struct db_tx *tx, const char *application_id)
{
	return add(identity, tx, REVOKE_APPLICATION, application_id, NULL);
}

enum err revoke_credential(struct identity *identity, struct db_tx *tx, const char *credential_id)
{
	return add(identity, tx, REVOKE_CREDENTIAL, credential_id, NULL);
}

/* Each token that is ended alone is kept for as long as it could live: of somebody who does so over
 * and over all are ended in the end, and the single ones forgotten. */
static enum err logout(struct identity *identity, struct db_tx *tx, const struct token *token)
{
	int64_t count;
	enum err err = sql_int(tx,
	        "SELECT COUNT(*) FROM revocation WHERE second_id = ? AND kind = 'token'", &count,
	        TEXTS(token->user_id));

	if (err)
		return err;
	if (count < (int64_t)identity->conf.logouts_max)
		return add(identity, tx, REVOKE_TOKEN, token->audit, token->user_id);
	err = sql_run(tx, "DELETE FROM revocation WHERE second_id = ? AND kind = 'token'", NULL,
	        TEXTS(token->user_id));
	return err ? err : add(identity, tx, REVOKE_USER, token->user_id, NULL);
}

enum err revoke_token(
        struct identity *identity, struct db_tx *tx, const struct token *token, bool chain)
{
	if (!chain)
		return logout(identity, tx, token);
	return add(identity, tx, REVOKE_CHAIN, *token->parent ? token->parent : token->audit, NULL);
}

/* --- following --- */

/* Under lock. */
static enum err read_news(struct db_tx *tx, void *arg)
{
	struct revoke *r = arg;
	uint64_t last, known = revocations_last(r->set);
	enum err err = db_last(tx, SEQUENCE, &last);

	if (err || last == known)
		return err;
	struct db_query q =
	        db_query(tx, "SELECT number, at_us, expires_us, kind, first_id, second_id FROM "
	                     "revocation WHERE number > ? ORDER BY number");
	db_bind_int(&q, (int64_t)known);
	while (db_step(&q)) {
		struct revocation one = {.number = (uint64_t)db_int(&q, 0),
		        .at_us = (uint64_t)db_int(&q, 1),
		        .expires_us = (uint64_t)db_int(&q, 2),
		        .kind = revocation_kind(db_text(&q, 3)),
		        .first = db_text(&q, 4),
		        .second = db_text(&q, 5)};
		if (one.kind < REVOKE_KINDS)
			revocations_add(r->set, &one);
	}
	if (!(err = db_end(&q)))
		revocations_known(r->set, last);
	return err;
}

static void follow(void *arg)
{
	struct revoke *r = arg;

	pthread_mutex_lock(&r->lock);
	uint64_t now = clock_us(CLOCK_MONOTONIC);
	if (!db_run(r->identity->db, DB_READ, read_news, r))
		atomic_store(&r->fresh_us, now);
	pthread_mutex_unlock(&r->lock);
}

enum err revoke_news(struct identity *identity, struct db_tx *tx, uint64_t *ret_news)
{
	struct revoke *r = identity->revoke;
	enum err err = db_last(tx, SEQUENCE, ret_news);

	if (err || *ret_news <= revocations_last(r->set))
		return err;
	pthread_mutex_lock(&r->lock);
	err = read_news(tx, r);
	pthread_mutex_unlock(&r->lock);
	return err;
}

enum err revoke_check(struct identity *identity, const struct token *token)
{
	struct revoke *r = identity->revoke;
	uint64_t stale = REVOKE_STALE_MS * 1000ull, now = clock_us(CLOCK_MONOTONIC);

	if (now > atomic_load(&r->fresh_us) + stale) {
		follow(r);
		if (now > atomic_load(&r->fresh_us) + stale)
			return ERR_UNAVAILABLE;
	}
	return revocations_hit(r->set, token) ? ERR_UNAUTHORIZED : ERR_OK;
}

/* --- what is done now and then --- */

static enum err say_life(struct db_tx *tx, void *arg)
{
	const struct identity *identity = arg;
	uint64_t until = clock_us(CLOCK_REALTIME) + identity->conf.token_seconds * 1000000 +
	                 2 * REFRESH_US + LEEWAY_US;
	struct db_query q =
	        db_query(tx, "REPLACE INTO token_life (seconds, until_us) VALUES (?, ?)");

	db_bind_int(&q, (int64_t)identity->conf.token_seconds);
	db_bind_int(&q, (int64_t)until);
	return db_exec(&q, NULL);
}

static enum err count_expired(struct db_tx *tx, void *arg)
{
	struct db_query q = db_query(tx, "SELECT 1 FROM revocation WHERE expires_us < ? LIMIT 1");

	db_bind_int(&q, (int64_t)clock_us(CLOCK_REALTIME));
	*(bool *)arg = db_step(&q);
	return db_end(&q);
}

static enum err drop_expired(struct db_tx *tx, void *arg)
{
	struct db_query q = db_query(tx, "DELETE FROM revocation WHERE expires_us < ?");

	(void)arg;
	db_bind_int(&q, (int64_t)clock_us(CLOCK_REALTIME));
	return db_exec(&q, NULL);
}

static void prune(struct revoke *r)
{
	bool any = false;
	enum err err = db_run(r->identity->db, DB_READ, count_expired, &any);

	revocations_prune(r->set, clock_us(CLOCK_REALTIME));
	if (!err && any)
		err = db_run(r->identity->db, DB_WRITE, drop_expired, NULL);
	if (err)
		log_warn("revocations", "err=%s next=\"they are dropped later\"", err_name(err));
}

/* Waits; false: it is time to end. */
static bool pause_ms(struct revoke *r, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000l;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&r->lock);
	while (!r->stopping && pthread_cond_timedwait(&r->wake, &r->lock, &until) != ETIMEDOUT)
		;
	bool go_on = !r->stopping;
	pthread_mutex_unlock(&r->lock);
	return go_on;
}

static void *run(void *arg)
{
	struct revoke *r = arg;
	uint64_t refreshed = clock_us(CLOCK_MONOTONIC), pruned = 0, trimmed = refreshed;

	while (pause_ms(r, REVOKE_POLL_MS)) {
		uint64_t now = clock_us(CLOCK_MONOTONIC);
		follow(r);
		if (now > pruned + PRUNE_US) {
			prune(r);
			pruned = now;
		}
		if (now > trimmed + TRIM_US) {
			mem_trim();
			trimmed = now;
		}
		if (now > refreshed + REFRESH_US &&
		        !db_run(r->identity->db, DB_WRITE, say_life, r->identity))
			refreshed = now;
	}
	return NULL;
}

enum err revoke_start(struct identity *identity)
{
	struct revoke *r = mem_zalloc(sizeof(*r));
	pthread_condattr_t monotonic;
	enum err err;

	*r = (struct revoke){.identity = identity, .set = revocations_new()};
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	atomic_store(&r->fresh_us, clock_us(CLOCK_MONOTONIC));
	err = db_run(identity->db, DB_WRITE, say_life, identity);
	if (!err)
		err = db_run(identity->db, DB_READ, read_news, r);
	if (!err && pthread_create(&r->thread, NULL, run, r))
		err = ERR_NO_MEMORY;
	if (err) {
		revocations_free(r->set);
		free(r);
		return err;
	}
	identity->revoke = r;
	return ERR_OK;
}

void revoke_stop(struct identity *identity)
{
	struct revoke *r = identity->revoke;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	revocations_free(r->set);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
	identity->revoke = NULL;
}

/* --- as Keystone tells of it --- */

static void tell_ids(
        enum revocation_kind kind, const char *first, const char *second, struct jout *out)
{
	static const char *const members[REVOKE_KINDS][2] = {
	        [REVOKE_TOKEN] = {"audit_id"},
	        [REVOKE_CHAIN] = {"audit_chain_id"},
	        [REVOKE_USER] = {"user_id"},
	        [REVOKE_USER_ROLES] = {"user_id"},
	        [REVOKE_USER_PROJECT] = {"user_id", "project_id"},
	        [REVOKE_USER_DOMAIN] = {"user_id", "domain_scope_id"},
	        [REVOKE_USER_SYSTEM] = {"user_id"},
	        [REVOKE_PROJECT] = {"project_id"},
	        [REVOKE_DOMAIN] = {"domain_id"},
	        [REVOKE_ROLE] = {"role_id"},
	        [REVOKE_TRUST] = {"OS-TRUST:trust_id"},
	        [REVOKE_APPLICATION] = {"application_credential_id"},
	};

	jout_text(out, members[kind][0], first);
	if (members[kind][1])
		jout_text(out, members[kind][1], second);
}

static void tell(struct db_query *q, struct jout *out)
{
	enum revocation_kind kind = revocation_kind(db_text(q, 1));
	char at[TIME_TEXT];

	if (kind >= REVOKE_CREDENTIAL) /* no token's */
		return;
	time_format((uint64_t)db_int(q, 0), at);
	jout_object(out, NULL);
	tell_ids(kind, db_text(q, 2), db_text(q, 3), out);
	jout_text(out, "issued_before", at);
	jout_text(out, "revoked_at", at);
	jout_end_object(out);
}

struct since {
	struct rest_req *req;
	uint64_t us;
};

static enum err list_events(struct db_tx *tx, void *arg)
{
	const struct since *since = arg;
	struct rest_req *req = since->req;
	struct db_query q = db_query(tx, "SELECT at_us, kind, first_id, second_id FROM revocation "
	                                 "WHERE at_us >= ? AND expires_us > ? ORDER BY number");

	db_bind_int(&q, (int64_t)since->us);
	db_bind_int(&q, (int64_t)clock_us(CLOCK_REALTIME));
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	jout_object(&req->json, NULL);
	jout_array(&req->json, "events");
	while (db_step(&q))
		tell(&q, &req->json);
	jout_end_array(&req->json);
	jout_object(&req->json, "links");
	jout_null(&req->json, "next");
	jout_text(&req->json, "self",
	        arena_printf(req->arena, "%s/v3/OS-REVOKE/events", resource_base(req)));
	jout_null(&req->json, "previous");
	jout_end_object(&req->json);
	jout_end_object(&req->json);
	return db_end(&q);
}

enum err on_revoke_events(struct rest_req *req)
{
	const char *text = query_get(&req->query, "since");
	struct since since = {.req = req};

	if (text && !time_parse(text, &since.us))
		return rest_fail(req, ERR_BAD_REQUEST, "invalidate date format %s", text);
	return db_run(identity_of(req)->db, DB_READ, list_events, &since);
}
