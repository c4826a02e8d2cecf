/* Tokens: issue (by password, or by a token), show, revoke.
 *
 *   issue   parse -> who (rows) -> [the hash, on the pool for hashes] -> scope -> roles -> token */
#include "identity/revoke.h"
#include "identity/security.h"

#include "lib/log/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define DENIED "The request you have made requires authentication."

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* What a body asks for. */
struct named {
	const char *id, *name; /* one of them */
	const char *domain_id, *domain_name;
};

struct login {
	struct rest_req *req;
	unsigned methods;
	struct named user;
	const char *password;
	const char *token_text;
	struct token token; /* that was shown, when by token */
	enum { SCOPE_DEFAULT, SCOPE_NONE, SCOPE_PROJECT, SCOPE_DOMAIN, SCOPE_SYSTEM } wanted;
	struct named scope;
	/* Found: */
	struct user found;
	const char *hash;
	struct scope in;
	const char *in_domain; /* of a project */
	struct roles roles;
	uint64_t news;
	bool catalog;
};

/* --- what is asked for --- */

static enum err wants(struct rest_req *req, const char *where, const char *what)
{
	return rest_fail(
	        req, ERR_BAD_REQUEST, "Invalid input for field '%s': wants %s.", where, what);
}

static bool text_of(const struct jval *object, const char *name, const char **ret_text)
{
	const struct jval *value = jread_get(object, name);

	return !value || jread_str(value, ret_text);
}

static enum err parse_named(
        struct rest_req *req, const struct jval *value, const char *where, struct named *ret)
{
	const struct jval *domain = jread_get(value, "domain");
	char in[80];

	*ret = (struct named){.id = NULL};
	if (!jread_is_object(value))
		return wants(req, where, "an object");
	if (!text_of(value, "id", &ret->id) || !text_of(value, "name", &ret->name))
		return wants(req, where, "id and name as strings");
	if (!ret->id && !ret->name)
		return wants(req, where, "id or name");
	if (!domain)
		return ERR_OK;
	snprintf(in, sizeof(in), "%s/domain", where);
	if (!jread_is_object(domain) || !text_of(domain, "id", &ret->domain_id) ||
	        !text_of(domain, "name", &ret->domain_name))
		return wants(req, in, "id or name as a string");
	return ret->domain_id || ret->domain_name ? ERR_OK : wants(req, in, "id or name");
}

static enum err parse_methods(struct login *l, const struct jval *identity)
{
	const struct jval *list = jread_get(identity, "methods");
	const char *method;

	if (!jread_is_array(list) || !jread_len(list))
		return wants(l->req, "identity/methods", "an array with the ways used");
	for (size_t i = 0; i < jread_len(list); i++) {
		const struct jval *by = NULL;
		if (!jread_str(jread_at(list, i), &method))
			return wants(l->req, "identity/methods", "strings");
		by = jread_get(identity, method);
		if (strcmp(method, "password") == 0) {
			const struct jval *user = jread_get(by, "user");
			enum err err =
			        parse_named(l->req, user, "identity/password/user", &l->user);
			if (err)
				return err;
			if (!jread_str(jread_get(user, "password"), &l->password))
				return wants(l->req, "identity/password/user", "a password");
			l->methods |= TOKEN_BY_PASSWORD;
		} else if (strcmp(method, "token") == 0) {
			if (!jread_str(jread_get(by, "id"), &l->token_text))
				return wants(l->req, "identity/token", "id, a token");
			l->methods |= TOKEN_BY_TOKEN;
		} else {
			return rest_fail(l->req, ERR_UNAUTHORIZED,
			        "Attempted to authenticate with an unsupported method.");
		}
	}
	return ERR_OK;
}

static enum err parse_scope(struct login *l, const struct jval *scope)
{
	const struct jval *project = jread_get(scope, "project"),
	                  *domain = jread_get(scope, "domain"),
	                  *system = jread_get(scope, "system");
	const char *text;
	bool all;

	if (!scope)
		return ERR_OK;
	l->wanted = SCOPE_NONE;
	if (jread_str(scope, &text) || jread_get(scope, "unscoped"))
		return ERR_OK;
	if (!jread_is_object(scope) || (project != NULL) + (domain != NULL) + (system != NULL) != 1)
		return wants(l->req, "scope", "one of project, domain and system, or unscoped");
	if (project) {
		l->wanted = SCOPE_PROJECT;
		enum err err = parse_named(l->req, project, "scope/project", &l->scope);
		if (!err && !l->scope.id && !l->scope.domain_id && !l->scope.domain_name)
			return wants(l->req, "scope/project", "the domain of a name");
		return err;
	}
	if (domain) {
		l->wanted = SCOPE_DOMAIN;
		return parse_named(l->req, domain, "scope/domain", &l->scope);
	}
	if (!jread_bool(jread_get(system, "all"), &all) || !all)
		return wants(l->req, "scope/system", "all: true");
	l->wanted = SCOPE_SYSTEM;
	return ERR_OK;
}

static enum err parse(struct login *l)
{
	const struct jval *auth = jread_get(l->req->body, "auth");
	const struct jval *identity = jread_get(auth, "identity");

	if (!jread_is_object(identity))
		return wants(l->req, "auth", "an object with identity");
	enum err err = parse_methods(l, identity);
	return err ? err : parse_scope(l, jread_get(auth, "scope"));
}

/* --- rows --- */

static enum err find_id(struct db_tx *tx, const char *sql, const char *a, const char *b,
        struct arena *arena, const char **ret_id)
{
	struct db_query q = db_query(tx, sql);

	db_bind_text(&q, a);
	if (b)
		db_bind_text(&q, b);
	*ret_id = db_step(&q) ? arena_strdup(arena, db_text(&q, 0)) : NULL;
	enum err err = db_end(&q);
	return err ? err : *ret_id ? ERR_OK : ERR_NOT_FOUND;
}

static enum err find_domain(
        struct db_tx *tx, const struct named *n, struct arena *arena, const char **ret_id)
{
	if (n->domain_id)
		return find_id(tx, "SELECT id FROM project WHERE id = ? AND is_domain = 1",
		        n->domain_id, NULL, arena, ret_id);
	return find_id(tx,
	        "SELECT id FROM project WHERE name = ? AND domain_id = ? AND is_domain = 1",
	        n->domain_name, ROOT_DOMAIN, arena, ret_id);
}

static enum err is_enabled_domain(struct db_tx *tx, const char *id, struct arena *arena)
{
	struct project domain = {.id = NULL};
	enum err err = fields_find(&domain_fields, tx, id, arena, &domain);

	return err ? err : domain.is_domain && domain.enabled ? ERR_OK : ERR_UNAUTHORIZED;
}

static enum err find_user(struct login *l, struct db_tx *tx)
{
	struct arena *arena = l->req->arena;
	const char *id = l->user.id, *domain;
	enum err err;

	if (!id) {
		if (!l->user.domain_id && !l->user.domain_name)
			l->user.domain_id = DEFAULT_DOMAIN;
		if ((err = find_domain(tx, &l->user, arena, &domain)) ||
		        (err = find_id(tx, "SELECT id FROM user WHERE name = ? AND domain_id = ?",
		                 l->user.name, domain, arena, &id)))
			return err;
	}
	return fields_find(&user_fields, tx, id, arena, &l->found);
}

static enum err find_hash(struct login *l, struct db_tx *tx)
{
	struct db_query q =
	        db_query(tx, "SELECT hash, expires_us FROM password WHERE user_id = ? ORDER "
	                     "BY created_us DESC LIMIT 1");

	db_bind_text(&q, l->found.id);
	if (db_step(&q))
		l->hash = arena_strdup(l->req->arena, db_text(&q, 0));
	return db_end(&q);
}

static enum err who(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	enum err err = revoke_news(identity_of(l->req), tx, &l->news);

	if (!err && l->token_text)
		err = revoke_check(identity_of(l->req), &l->token);
	if (err)
		return err;
	if (l->token_text && !l->user.id && !l->user.name)
		l->user.id = l->token.user_id;
	err = find_user(l, tx);
	if (!err && l->password)
		err = find_hash(l, tx);
	return err;
}

/* --- where --- */

static enum err resolve_scope(struct login *l, struct db_tx *tx)
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
		return find_id(tx, "SELECT id FROM project WHERE name = ? AND domain_id = ?",
		        l->scope.name, domain, arena, &l->in.id);
	case SCOPE_DOMAIN:
		l->in.kind = TOKEN_DOMAIN;
		l->scope.domain_id = l->scope.id;
		l->scope.domain_name = l->scope.name;
		return find_domain(tx, &l->scope, arena, &l->in.id);
	case SCOPE_SYSTEM:
		l->in.kind = TOKEN_SYSTEM;
		return ERR_OK;
	case SCOPE_DEFAULT:
		if (l->token_text && l->token.scope != TOKEN_UNSCOPED) {
			l->in = (struct scope){l->token.scope, l->token.scope_id};
		} else if (l->found.default_project_id && *l->found.default_project_id) {
			l->in = (struct scope){TOKEN_PROJECT, l->found.default_project_id};
		}
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
	if (!place.is_domain)
		l->in_domain = place.domain_id;
	return place.is_domain ? ERR_OK : is_enabled_domain(tx, place.domain_id, l->req->arena);
}

static enum err place_and_roles(struct login *l, struct db_tx *tx)
{
	enum err err = resolve_scope(l, tx);

	if (!err)
		err = check_place(l, tx);
	if (!err)
		err = grants_effective(tx, l->found.id, &l->in, l->req->arena, &l->roles);
	if (!err && l->in.kind != TOKEN_UNSCOPED && !l->roles.count)
		err = ERR_UNAUTHORIZED;
	return err;
}

/* Nobody is told which of it was wrong. */
static enum err denied(struct rest_req *req, enum err err)
{
	if (err == ERR_NOT_FOUND || err == ERR_UNAUTHORIZED)
		return rest_fail(req, ERR_UNAUTHORIZED, DENIED);
	return err;
}

/* --- the token --- */

static void make_audit(char ret_audit[TOKEN_AUDIT + 1])
{
	static const char digits[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t raw[16];
	uint32_t v = 0;
	unsigned bits = 0, n = 0;

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		abort();
	for (unsigned i = 0; i < sizeof(raw); i++) {
		v = v << 8 | raw[i];
		for (bits += 8; bits >= 6; bits -= 6)
			ret_audit[n++] = digits[v >> (bits - 6) & 63];
	}
	ret_audit[n++] = digits[v << (6 - bits) & 63];
	ret_audit[n] = 0;
}

static void make_token(struct login *l, struct token *ret)
{
	uint64_t now = now_us(), end = now + identity_of(l->req)->conf.token_seconds * 1000000;

	*ret = (struct token){
	        .issued_us = now / 1000000 * 1000000,
	        .expires_us = end / 1000000 * 1000000,
	        .methods = l->methods,
	        .scope = l->in.kind,
	        .scope_id = l->in.id,
	        .scope_domain_id = l->in_domain,
	        .news = l->news,
	        .user_id = l->found.id,
	        .user_domain_id = l->found.domain_id,
	        .role_count = l->roles.count,
	};
	make_audit(ret->audit);
	for (unsigned i = 0; i < l->roles.count && i < TOKEN_ROLES_MAX; i++)
		ret->roles[i] = l->roles.items[i];
	if (!l->token_text)
		return;
	/* A token that was got by another one lives no longer than that, and belongs to its chain.
	 */
	ret->methods |= l->token.methods;
	if (l->token.expires_us < ret->expires_us)
		ret->expires_us = l->token.expires_us;
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

	if (err || (err = place_and_roles(l, tx)))
		return err;
	make_token(l, &token);
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	req->caller.user_id = l->found.id;
	err = show_token(req, tx, &token, &l->roles, l->catalog, &req->json);
	if (!err)
		err = keys_sign(identity_of(req), &token, &text);
	if (!err) {
		buf_reset(&req->headers);
		rest_header(req, "X-Subject-Token", buf_text(&text));
	}
	return err;
}

static enum err finish(struct login *l)
{
	struct identity *identity = identity_of(l->req);

	if (!security_is_enabled(identity, &l->found) ||
	        !security_methods_meet(&l->found, l->methods | l->token.methods))
		return rest_fail(l->req, ERR_UNAUTHORIZED, DENIED);
	return denied(l->req, db_run(identity->db, DB_READ, answer, l));
}

/* On the pool for hashes. */
static enum err on_hashed(struct rest_req *req)
{
	struct login *l = req->own;

	bool matched = password_matches(identity_of(req), l->password, l->hash);
	enum err err = security_login(req, &l->found, matched);

	return err ? err : finish(l);
}

enum err on_token_issue(struct rest_req *req)
{
	struct login *l = arena_zalloc(req->arena, sizeof(*l));
	struct identity *identity = identity_of(req);
	enum err err;

	*l = (struct login){.req = req, .catalog = !query_get(&req->query, "nocatalog")};
	if ((err = parse(l)))
		return err;
	if (l->token_text && keys_check(identity, l->token_text, req->arena, &l->token))
		return rest_fail(req, ERR_UNAUTHORIZED, DENIED);
	err = db_run(identity->db, DB_READ, who, l);
	if (err == ERR_UNAUTHORIZED)
		return denied(req, err);
	if (err && err != ERR_NOT_FOUND)
		return err;
	if (!l->password)
		return err ? denied(req, err) : finish(l);
	/* One that is not there takes as long. */
	if (err)
		l->hash = NULL;
	req->own = l;
	return rest_move(req, identity->hashes, on_hashed);
}

/* --- the caller --- */

static void add_fact(struct policy_fact *facts, unsigned *n, const char *name, const char *value)
{
	facts[(*n)++] = (struct policy_fact){name, value};
}

enum err auth_caller(struct rest_req *req)
{
	const char *text = http_get(req->http, "X-Auth-Token");
	struct rest_caller *c = &req->caller;
	struct token *token;
	unsigned n = 0;

	if (!text)
		return ERR_OK;
	token = arena_zalloc(req->arena, sizeof(*token));
	enum err err = keys_check(identity_of(req), text, req->arena, token);
	if (!err)
		err = revoke_check(identity_of(req), token);
	if (err)
		return err;
	struct policy_fact *facts =
	        arena_zalloc(req->arena, (TOKEN_ROLES_MAX + 12) * sizeof(*facts));
	c->known = true;
	c->token = token;
	c->user_id = token->user_id;
	c->user_domain_id = token->user_domain_id;
	c->project_id = token->scope == TOKEN_PROJECT ? token->scope_id : NULL;
	c->domain_id = token->scope == TOKEN_DOMAIN ? token->scope_id : NULL;
	c->system = token->scope == TOKEN_SYSTEM;
	add_fact(facts, &n, "user_id", c->user_id);
	add_fact(facts, &n, "user_domain_id", c->user_domain_id);
	add_fact(facts, &n, "project_id", c->project_id);
	add_fact(facts, &n, "domain_id", c->domain_id);
	add_fact(facts, &n, "token.domain.id", c->domain_id);
	add_fact(facts, &n, "system_scope", c->system ? "all" : NULL);
	for (unsigned i = 0; i < token->role_count; i++)
		add_fact(facts, &n, "role", token->roles[i].name);
	c->facts = (struct policy_facts){facts, n};
	return ERR_OK;
}

/* --- show and revoke --- */

struct subject {
	struct rest_req *req;
	struct token token;
};

/* The token that X-Subject-Token shows, if the caller may do with it what the route is for. */
static enum err open_subject(struct subject *s)
{
	struct rest_req *req = s->req;
	const char *text = http_get(req->http, "X-Subject-Token");
	struct policy_fact target = {"target.token.user_id", NULL};

	if (!text)
		return rest_fail(req, ERR_BAD_REQUEST, "X-Subject-Token is missing.");
	enum err err = keys_check(identity_of(req), text, req->arena, &s->token);
	if (!err)
		err = revoke_check(identity_of(req), &s->token);
	if (err == ERR_UNAUTHORIZED)
		return rest_fail(req, ERR_NOT_FOUND, "The token is not valid, or is not any more.");
	target.value = s->token.user_id;
	return err ? err : rest_allow(req, &target, 1);
}

static enum err show(struct db_tx *tx, void *arg)
{
	struct subject *s = arg;
	struct rest_req *req = s->req;
	struct scope in = {s->token.scope, s->token.scope_id};
	struct roles roles;
	enum err err = grants_effective(tx, s->token.user_id, &in, req->arena, &roles);

	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	return err ? err
	           : show_token(req, tx, &s->token, &roles, !query_get(&req->query, "nocatalog"),
	                     &req->json);
}

enum err on_token_show(struct rest_req *req)
{
	struct subject s = {.req = req};
	enum err err = open_subject(&s);

	if (err)
		return err;
	rest_header(req, "X-Subject-Token", http_get(req->http, "X-Subject-Token"));
	return db_run(identity_of(req)->db, DB_READ, show, &s);
}

static enum err run_revoke(struct db_tx *tx, void *arg)
{
	struct subject *s = arg;

	return revoke_token(identity_of(s->req), tx, &s->token, false);
}

enum err on_token_revoke(struct rest_req *req)
{
	struct subject s = {.req = req};
	enum err err = open_subject(&s);

	return err ? err : db_run(identity_of(req)->db, DB_WRITE, run_revoke, &s);
}
