#include "identity/login.h"

#include "identity/directory.h"
#include "identity/revoke.h"
#include "identity/security.h"
#include "identity/sql.h"
#include "lib/base/base64.h"
#include "lib/log/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DENIED "The request you have made requires authentication."

/* Nobody is told which of it was wrong. */
static enum err denied(struct rest_req *req, enum err err)
{
	if (err == ERR_NOT_FOUND || err == ERR_UNAUTHORIZED)
		return rest_fail(req, ERR_UNAUTHORIZED, DENIED);
	return err;
}

/* --- who --- */

static enum err found(enum err err, const char *id)
{
	return err ? err : id ? ERR_OK : ERR_NOT_FOUND;
}

static enum err find_domain(
        struct db_tx *tx, const struct named *n, struct arena *arena, const char **ret_id)
{
	enum err err =
	        n->domain_id ? sql_text(tx, "SELECT id FROM project WHERE id = ? AND is_domain = 1",
	                               arena, ret_id, TEXTS(n->domain_id))
	                     : sql_text(tx,
	                               "SELECT id FROM project WHERE name = ? AND domain_id = ? "
	                               "AND is_domain = 1",
	                               arena, ret_id, TEXTS(n->domain_name, ROOT_DOMAIN));

	return found(err, *ret_id);
}

static enum err is_enabled_domain(struct db_tx *tx, const char *id, struct arena *arena)
{
	struct project domain = {.id = NULL};
	enum err err = fields_find(&domain_fields, tx, id, arena, &domain);

	return err ? err : domain.is_domain && domain.enabled ? ERR_OK : ERR_UNAUTHORIZED;
}

static enum err find_user_id(
        struct login *l, struct db_tx *tx, const struct named *user, const char **ret_id)
{
	struct named n = *user;
	const char *domain;

	*ret_id = n.id;
	if (n.id)
		return ERR_OK;
	if (!n.domain_id && !n.domain_name)
		n.domain_id = DEFAULT_DOMAIN;
	enum err err = find_domain(tx, &n, l->req->arena, &domain);
	if (!err)
		err = sql_text(tx, "SELECT id FROM user WHERE name = ? AND domain_id = ?",
		        l->req->arena, ret_id, TEXTS(n.name, domain));
	return found(err, *ret_id);
}

static enum err find_application(struct login *l, struct db_tx *tx)
{
	const char *id = l->application.id, *user;

	if (!id) {
		enum err err = find_user_id(l, tx, &l->application_user, &user);
		if (!err)
			err = sql_text(tx,
			        "SELECT id FROM application_credential WHERE user_id = ? AND name "
			        "= ?",
			        l->req->arena, &id, TEXTS(user, l->application.name));
		if (err || !id)
			return found(err, id);
	}
	return fields_find(&application_fields, tx, id, l->req->arena, &l->app);
}

/* All that was shown is of one and the same user. */
static enum err same_user(const char *id, const char **user_id)
{
	if (*user_id && strcmp(*user_id, id) != 0)
		return ERR_UNAUTHORIZED;
	*user_id = id;
	return ERR_OK;
}

static enum err find_user(struct login *l, struct db_tx *tx)
{
	const struct named *users[] = {
	        l->methods & (TOKEN_BY_PASSWORD | TOKEN_BY_EC2) ? &l->user : NULL,
	        l->methods & TOKEN_BY_TOTP ? &l->totp_user : NULL,
	};
	const char *user = l->token_text ? l->token.user_id : NULL, *id;
	enum err err = ERR_OK;

	for (unsigned i = 0; i < COUNT_OF(users) && !err; i++) {
		if (!users[i])
			continue;
		err = find_user_id(l, tx, users[i], &id);
		if (!err)
			err = same_user(id, &user);
	}
	if (!err && (l->methods & TOKEN_BY_APPLICATION || l->application.id)) {
		err = find_application(l, tx);
		if (!err)
			err = same_user(l->app.user_id, &user);
	}
	return err ? err : fields_find(&user_fields, tx, user, l->req->arena, &l->found);
}

static enum err who(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	enum err err = revoke_news(identity_of(l->req), tx, &l->news);

	if (!err && l->token_text) {
		err = revoke_check(identity_of(l->req), &l->token);
		l->ended = err == ERR_UNAUTHORIZED;
	}
	if (!err)
		err = find_user(l, tx);
	if (!err && l->password)
		err = sql_text(tx,
		        "SELECT hash FROM password WHERE user_id = ? ORDER BY created_us DESC "
		        "LIMIT 1",
		        l->req->arena, &l->hash, TEXTS(l->found.id));
	if (!err && l->passcode)
		err = totp_match(
		        identity_of(l->req), tx, l->found.id, l->passcode, l->req->arena, &l->totp);
	return err;
}

/* --- where --- */

static enum err find_place(struct login *l, struct db_tx *tx)
{
	struct arena *arena = l->req->arena;
	const char *domain;
	enum err err;

	switch (l->wanted) {
	case SCOPE_PROJECT:
		l->in.kind = TOKEN_PROJECT;
		l->in.id = l->scope.id;
		if (l->in.id)
			return ERR_OK;
		if ((err = find_domain(tx, &l->scope, arena, &domain)))
			return err;
		err = sql_text(tx, "SELECT id FROM project WHERE name = ? AND domain_id = ?", arena,
		        &l->in.id, TEXTS(l->scope.name, domain));
		return found(err, l->in.id);
	case SCOPE_DOMAIN:
		l->in.kind = TOKEN_DOMAIN;
		l->scope.domain_id = l->scope.id;
		l->scope.domain_name = l->scope.name;
		return find_domain(tx, &l->scope, arena, &l->in.id);
	case SCOPE_SYSTEM:
		l->in.kind = TOKEN_SYSTEM;
		return ERR_OK;
	case SCOPE_TRUST:
		if (l->trust.project_id)
			l->in = (struct scope){TOKEN_PROJECT, l->trust.project_id};
		return ERR_OK;
	case SCOPE_DEFAULT:
		if (l->app.id)
			l->in = (struct scope){TOKEN_PROJECT, l->app.project_id};
		else if (l->found.default_project_id && *l->found.default_project_id)
			l->in = (struct scope){TOKEN_PROJECT, l->found.default_project_id};
		return ERR_OK;
	default:
		return ERR_OK;
	}
}

static enum err check_place(struct login *l, struct db_tx *tx)
{
	struct project place = {.id = NULL};
	enum err err;

	if (l->in.kind != TOKEN_PROJECT && l->in.kind != TOKEN_DOMAIN)
		return ERR_OK;
	if ((err = fields_find(&project_fields, tx, l->in.id, l->req->arena, &place)))
		return err;
	if (!place.enabled || place.is_domain != (l->in.kind == TOKEN_DOMAIN))
		return ERR_UNAUTHORIZED;
	if (place.is_domain)
		return ERR_OK;
	l->in_domain = place.domain_id;
	return is_enabled_domain(tx, place.domain_id, l->req->arena);
}

static const struct token *holder_of(const struct login *l, struct token *ret)
{
	*ret = (struct token){.scope = l->in.kind,
	        .scope_id = l->in.id,
	        .user_id = l->found.id,
	        .application_id = l->app.id,
	        .trust_id = l->trust.id};
	return ret;
}

static enum err place_and_roles(struct login *l, struct db_tx *tx)
{
	struct token holder;
	enum err err = find_place(l, tx);

	if (!err)
		err = check_place(l, tx);
	if (!err)
		err = grants_of(tx, holder_of(l, &holder), l->req->arena, &l->roles);
	if (!err && l->in.kind != TOKEN_UNSCOPED && !l->roles.count)
		err = ERR_UNAUTHORIZED;
	/* A default project that is of no use is none. */
	if ((err == ERR_UNAUTHORIZED || err == ERR_NOT_FOUND) && l->wanted == SCOPE_DEFAULT &&
	        !l->app.id) {
		l->in = (struct scope){TOKEN_UNSCOPED, NULL};
		l->in_domain = NULL;
		l->roles.count = 0;
		return ERR_OK;
	}
	return err;
}

/* --- what was delegated --- */

/* What a token by which another one is got was delegated for stays so. */
static enum err check_shown(struct login *l, struct db_tx *tx)
{
	const struct token *t = &l->token;

	if (!l->token_text)
		return ERR_OK;
	if (t->trust_id)
		return rest_fail(l->req, ERR_FORBIDDEN,
		        "You are not authorized to perform the requested action: Using "
		        "trust-scoped token to create another token. Create a new trust-scoped "
		        "token instead.");
	if (t->scope == TOKEN_SYSTEM && (l->wanted == SCOPE_PROJECT || l->wanted == SCOPE_DOMAIN))
		return rest_fail(l->req, ERR_FORBIDDEN,
		        "You are not authorized to perform the requested action: Using a "
		        "system-scoped token to create a project-scoped or domain-scoped token is "
		        "not allowed.");
	if (!t->application_id)
		return ERR_OK;
	if (l->wanted != SCOPE_DEFAULT)
		return rest_fail(l->req, ERR_FORBIDDEN,
		        "You are not authorized to perform the requested action: Using an "
		        "application credential token to create a scoped token is not allowed.");
	return fields_find(&application_fields, tx, t->application_id, l->req->arena, &l->app);
}

static enum err check_trust(struct login *l, struct db_tx *tx)
{
	if (l->wanted != SCOPE_TRUST)
		return ERR_OK;
	enum err err = trust_open(l->req, tx, l->scope.id, &l->trust);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_UNAUTHORIZED : err;
	if (strcmp(l->trust.trustee_user_id, l->found.id) != 0)
		return rest_fail(l->req, ERR_FORBIDDEN, "User is not a trustee.");
	return l->methods & TOKEN_BY_EC2 ? ERR_OK : trust_use(l->req, tx, &l->trust);
}

/* --- the token --- */

void login_make_audit(char ret_audit[TOKEN_AUDIT + 1])
{
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t raw[16];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		abort();
	base64_encode_url(raw, sizeof(raw), &text);
	snprintf(ret_audit, TOKEN_AUDIT + 1, "%s", buf_text(&text));
}

static void bound(uint64_t *expires_us, uint64_t end_us)
{
	if (end_us && end_us < *expires_us)
		*expires_us = end_us;
}

static void make_token(struct login *l, struct token *ret)
{
	uint64_t now = time_now_us(), end = now + identity_of(l->req)->conf.token_seconds * 1000000;
	bool impersonates = l->trust.id && l->trust.impersonation;

	*ret = (struct token){
	        .issued_us = now / 1000000 * 1000000,
	        .expires_us = end / 1000000 * 1000000,
	        .methods = l->methods | l->received,
	        .scope = l->in.kind,
	        .scope_id = l->in.id,
	        .scope_domain_id = l->in_domain,
	        .news = l->news,
	        .user_id = impersonates ? l->trust.trustor_user_id : l->found.id,
	        .user_domain_id = impersonates ? l->trust.trustor_domain_id : l->found.domain_id,
	        .application_id = l->app.id,
	        .trust_id = l->trust.id,
	        .restricted = l->app.id && l->app.rules,
	        .role_count = l->roles.count,
	};
	login_make_audit(ret->audit);
	for (unsigned i = 0; i < l->roles.count && i < TOKEN_ROLES_MAX; i++)
		ret->roles[i] = l->roles.items[i];
	/* What was delegated ends when that does. */
	bound(&ret->expires_us, (uint64_t)l->app.expires_us);
	bound(&ret->expires_us, (uint64_t)l->trust.expires_us);
	if (!l->token_text)
		return;
	/* A token that was got by another one lives no longer than that, and belongs to its chain.
	 */
	ret->methods |= l->token.methods;
	bound(&ret->expires_us, l->token.expires_us);
	snprintf(ret->parent, sizeof(ret->parent), "%s",
	        *l->token.parent ? l->token.parent : l->token.audit);
}

static enum err answer(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	struct rest_req *req = l->req;
	AUTO(buf) struct buf text = BUF_NONE;
	struct token token;
	enum err err = is_enabled_domain(tx, l->found.domain_id, req->arena);

	buf_reset(&req->error);
	if (!err && l->passcode)
		err = totp_take(tx, &l->totp);
	if (!err)
		err = check_shown(l, tx);
	if (!err && l->app.id)
		err = application_rules_load(req, tx, &l->app);
	if (!err)
		err = check_trust(l, tx);
	if (err || (err = place_and_roles(l, tx)))
		return err;
	make_token(l, &token);
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	err = show_token(req, tx, &token, &l->roles, l->catalog, &req->json);
	if (!err)
		err = keys_sign(identity_of(req), &token, &text);
	if (!err) {
		buf_reset(&req->headers);
		rest_header(req, "X-Subject-Token", buf_text(&text));
	}
	return err;
}

/* --- the steps --- */

static enum err finish(struct login *l)
{
	struct identity *identity = identity_of(l->req);
	enum db_kind kind = l->wanted == SCOPE_TRUST || l->passcode ? DB_WRITE : DB_READ;

	if (!security_is_enabled(identity, &l->found))
		return rest_fail(l->req, ERR_UNAUTHORIZED, DENIED);
	enum err err = receipt_take(l);
	if (err)
		return denied(l->req, err);
	if (!(l->methods & TOKEN_BY_EC2) &&
	        !security_methods_meet(&l->found, l->methods | l->token.methods | l->received))
		return denied(l->req, receipt_give(l));
	if (l->app.id && l->app.expires_us && (uint64_t)l->app.expires_us <= time_now_us())
		return rest_fail(l->req, ERR_UNAUTHORIZED, DENIED);
	return denied(l->req, db_run(identity->db, kind, answer, l));
}

/* Names are one of a kind here; who has it there may be somebody else. */
static bool is_directorys(const struct login *l)
{
	return l->directory_user && l->found.id && strcmp(l->directory_user, l->found.id) == 0;
}

/* On the pool for hashes. What is not there takes as long as what is. */
static enum err on_hashed(struct rest_req *req)
{
	struct login *l = req->own;
	struct identity *identity = identity_of(req);
	bool good = !l->missing && (!l->passcode || l->totp.credential_id);

	if (l->secret)
		good &= application_secret_matches(
		        identity, l->secret, l->missing ? NULL : l->app.secret_hash);
	if (l->password) {
		good &= l->directory ? is_directorys(l)
		                     : password_matches(
		                               identity, l->password, l->missing ? NULL : l->hash);
		enum err err = security_login(req, &l->found, good);
		return err ? err : finish(l);
	}
	return good ? finish(l) : rest_fail(req, ERR_UNAUTHORIZED, DENIED);
}

/* A token that is none, or not any more, is not found, here as everywhere. */
static enum err no_token(struct rest_req *req)
{
	return rest_fail(req, ERR_NOT_FOUND, "Failed to validate token");
}

/* Who it is, then its secrets. */
static enum err look_up(struct rest_req *req)
{
	struct login *l = req->own;
	struct identity *identity = identity_of(req);
	enum err err;

	err = db_run(identity->db, DB_READ, who, l);
	if (l->ended)
		return no_token(req);
	l->missing = err == ERR_NOT_FOUND || err == ERR_UNAUTHORIZED;
	req->actor = l->missing ? NULL : l->found.id;
	if (err && !l->missing)
		return err;
	/* Who tries codes is locked out as who tries passwords; an expired password does no harm.
	 */
	if (l->passcode && !l->password &&
	        (err = security_login_to_change(
	                 req, &l->found, !l->missing && l->totp.credential_id)))
		return err;
	if (l->password ||
	        (l->secret && (l->missing || !application_is_quick(l->secret, l->app.secret_hash))))
		return rest_move(req, identity->hashes, on_hashed);
	return l->missing ? denied(req, err) : finish(l);
}

/* On the pool for what waits for networks. */
static enum err ask_directory(struct rest_req *req)
{
	struct login *l = req->own;
	enum err err = directory_login(
	        req, l->directory, l->user.id, l->user.name, l->password, &l->directory_user);

	return err ? err : look_up(req);
}

enum err on_token_issue(struct rest_req *req)
{
	struct login *l = arena_zalloc(req->arena, sizeof(*l));
	struct identity *identity = identity_of(req);
	enum err err;

	req->own = l;
	*l = (struct login){.req = req, .catalog = !query_get(&req->query, "nocatalog")};
	if ((err = login_parse(l)))
		return err;
	if (l->token_text && keys_check(identity, l->token_text, 0, req->arena, &l->token))
		return no_token(req);
	if (l->password && (err = directory_find(req, l->user.id, l->user.domain_id,
	                            l->user.domain_name, &l->directory)))
		return err;
	if (l->directory)
		return rest_move(req, identity->networks, ask_directory);
	return look_up(req);
}

enum err login_by_ec2(struct login *l)
{
	enum err err = db_run(identity_of(l->req)->db, DB_READ, who, l);

	return err ? denied(l->req, err) : finish(l);
}
