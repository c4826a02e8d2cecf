/* Tokens that are shown: whose they are, what they say, and their end. */
#include "identity/revoke.h"

#include <string.h>

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
	if (c->project_id)
		add_fact(facts, &n, "token.project.domain.id", token->scope_domain_id);
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
	struct roles roles;
	enum err err = grants_of(tx, &s->token, req->arena, &roles);

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
