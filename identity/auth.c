/* Tokens that are shown: whose they are, what they say, and their end. */
#include "identity/applications.h"
#include "identity/revoke.h"
#include "lib/auth/verify.h"

#include <string.h>

/* --- the caller --- */

static void add_fact(struct policy_fact *facts, unsigned *n, const char *name, const char *value)
{
	facts[(*n)++] = (struct policy_fact){name, value};
}

static bool text_of(const struct jval *rule, const char *name, const char **ret_text)
{
	return jread_str(jread_get(rule, name), ret_text);
}

/* Access rules, `json`, say what a token is for; to ask about itself is never refused. */
static enum err check_rules(struct rest_req *req, const char *json)
{
	const char *subject = http_get(req->http, "X-Subject-Token");
	AUTO(jroot) struct jroot rules = JROOT_NONE;
	size_t decoded;
	const char *path = url_unquote(req->arena, req->path, strlen(req->path), &decoded);

	if (req->route->handle == on_token_show && subject &&
	        strcmp(subject, http_get(req->http, "X-Auth-Token")) == 0)
		return ERR_OK;
	if (json)
		jread_parse(json, strlen(json), &rules);
	for (size_t i = 0; i < jread_len(rules.value); i++) {
		const struct jval *rule = jread_at(rules.value, i);
		const char *service, *method, *pattern;
		if (text_of(rule, "service", &service) && strcmp(service, "identity") == 0 &&
		        text_of(rule, "method", &method) &&
		        strcmp(method, req->http->method) == 0 && text_of(rule, "path", &pattern) &&
		        access_path(pattern, path))
			return ERR_OK;
	}
	return ERR_UNAUTHORIZED;
}

struct missing {
	struct rest_req *req;
	const struct token *token;
	struct roles roles;
};

/* What a token has no room for. */
static enum err find_missing(struct db_tx *tx, void *arg)
{
	struct missing *m = arg;
	struct application app = {.id = m->token->application_id};
	enum err err = ERR_OK;

	if (!m->token->has_roles)
		err = grants_of(tx, m->token, m->req->arena, &m->roles);
	if (!err && m->token->restricted)
		err = application_rules_load(m->req, tx, &app);
	if (!err && m->token->restricted)
		err = check_rules(m->req, app.rules);
	return err == ERR_FORBIDDEN || err == ERR_NOT_FOUND ? ERR_UNAUTHORIZED : err;
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
	struct missing m = {.req = req, .token = token};
	enum err err = keys_check(identity_of(req), text, 0, req->arena, token);
	if (!err)
		err = revoke_check(identity_of(req), token);
	m.roles = (struct roles){token->roles, token->role_count};
	if (!err && (!token->has_roles || token->restricted))
		err = db_run(identity_of(req)->db, DB_READ, find_missing, &m);
	if (err)
		return err;
	struct policy_fact *facts = arena_zalloc(req->arena, (m.roles.count + 12) * sizeof(*facts));
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
	if (c->project_id)
		add_fact(facts, &n, "token.project.domain.id", token->scope_domain_id);
	add_fact(facts, &n, "system_scope", c->system ? "all" : NULL);
	for (unsigned i = 0; i < m.roles.count; i++)
		add_fact(facts, &n, "role", m.roles.items[i].name);
	c->facts = (struct policy_facts){facts, n};
	return ERR_OK;
}

/* --- show and revoke --- */

struct subject {
	struct rest_req *req;
	struct token token;
};

static enum err gone(struct rest_req *req)
{
	return rest_fail(req, ERR_NOT_FOUND, "The token is not valid, or is not any more.");
}

/* The token that X-Subject-Token shows, if the caller may do with it what the route is for. */
static enum err open_subject(struct subject *s, const char *rule, uint64_t late_us)
{
	struct rest_req *req = s->req;
	const char *text = http_get(req->http, "X-Subject-Token");
	struct policy_fact target = {"target.token.user_id", NULL};

	if (!text)
		return rest_fail(req, ERR_BAD_REQUEST, "X-Subject-Token is missing.");
	enum err err = keys_check(identity_of(req), text, late_us, req->arena, &s->token);
	if (!err)
		err = revoke_check(identity_of(req), &s->token);
	if (err == ERR_UNAUTHORIZED)
		return gone(req);
	target.value = s->token.user_id;
	return err ? err : rest_allow_as(req, rule, &target, 1);
}

static enum err show(struct db_tx *tx, void *arg)
{
	struct subject *s = arg;
	struct rest_req *req = s->req;
	struct roles roles;
	enum err err = grants_of(tx, &s->token, req->arena, &roles);

	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	if (!err && s->token.scope != TOKEN_UNSCOPED && !roles.count)
		err = ERR_NOT_FOUND;
	if (!err)
		err = show_token(req, tx, &s->token, &roles, !query_get(&req->query, "nocatalog"),
		        &req->json);
	return err == ERR_NOT_FOUND || err == ERR_FORBIDDEN ? gone(req) : err;
}

enum err on_token_show(struct rest_req *req)
{
	struct subject s = {.req = req};
	uint64_t late = resource_flag(req, "allow_expired")
	                        ? identity_of(req)->conf.allow_expired_seconds * 1000000
	                        : 0;
	enum err err = open_subject(
	        &s, req->head ? "identity:check_token" : "identity:validate_token", late);

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
	enum err err = open_subject(&s, "identity:revoke_token", 0);

	return err ? err : db_run(identity_of(req)->db, DB_WRITE, run_revoke, &s);
}
