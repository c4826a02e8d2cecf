#include "identity/assign.h"
#include "identity/directory.h"
#include "identity/manage.h"
#include "identity/revoke.h"

#include <stdio.h>
#include <string.h>

#define FACTS_MAX 12

/* What a path names, with what rules may ask of it. */
struct grant {
	struct rest_req *req;
	const struct grant_place *place;
	struct policy_fact facts[FACTS_MAX];
	unsigned fact_count;
	const char *actor_id, *target_id, *role_id; /* role_id NULL: all of them */
	const char *role_domain, *project_domain;   /* NULL: it has none, it is none */
};

static void know(struct grant *g, const char *name, const char *value)
{
	g->facts[g->fact_count++] = (struct policy_fact){name, value};
}

static enum err missing(struct rest_req *req, const char *noun, const char *id)
{
	return rest_fail(req, ERR_NOT_FOUND, "Could not find %s: %s.", noun, id);
}

static enum err find_actor(struct grant *g, struct db_tx *tx)
{
	struct user user = {.id = NULL};
	struct group group = {.id = NULL};
	bool is_user = strcmp(g->place->actor, "user") == 0;
	enum err err;

	g->actor_id = rest_param(g->req, is_user ? "user_id" : "group_id");
	err = is_user ? fields_find(&user_fields, tx, g->actor_id, g->req->arena, &user)
	              : fields_find(&group_fields, tx, g->actor_id, g->req->arena, &group);
	if (!err && is_user) {
		know(g, "target.user.id", user.id);
		know(g, "target.user.domain_id", user.domain_id);
	} else if (!err) {
		know(g, "target.group.id", group.id);
		know(g, "target.group.domain_id", group.domain_id);
	}
	return err;
}

static enum err find_target(struct grant *g, struct db_tx *tx)
{
	struct project p = {.id = NULL};
	bool domain = strcmp(g->place->kind, "domain") == 0;
	enum err err;

	g->target_id = "system";
	if (strcmp(g->place->kind, "system") == 0)
		return ERR_OK;
	g->target_id = rest_param(g->req, domain ? "domain_id" : "project_id");
	err = fields_find(&project_fields, tx, g->target_id, g->req->arena, &p);
	if (!err && domain && !p.is_domain)
		err = ERR_NOT_FOUND;
	if (!err && domain) {
		know(g, "target.domain.id", p.id);
	} else if (!err) {
		know(g, "target.project.id", p.id);
		know(g, "target.project.domain_id", p.domain_id);
		g->project_domain = p.domain_id;
	}
	return err;
}

static enum err find_role(struct grant *g, struct db_tx *tx)
{
	struct role role = {.id = NULL};

	if (!strstr(g->req->route->path, "{role_id}"))
		return ERR_OK;
	g->role_id = rest_param(g->req, "role_id");
	enum err err = fields_find(&role_fields, tx, g->role_id, g->req->arena, &role);
	if (!err) {
		know(g, "target.role.name", role.name);
		g->role_domain = *role.domain_id ? role.domain_id : NULL;
		know(g, "target.role.domain_id", g->role_domain);
	}
	return err;
}

/* All that the path names, and whether that is allowed: who may not is not told what is there. */
static enum err open_grant(struct grant *g, struct db_tx *tx)
{
	enum err actor = find_actor(g, tx), target = find_target(g, tx), role = find_role(g, tx);
	enum err err = rest_allow(g->req, g->facts, g->fact_count);

	if (err)
		return err;
	if (actor)
		return actor == ERR_NOT_FOUND ? missing(g->req, g->place->actor, g->actor_id)
		                              : actor;
	if (target)
		return target == ERR_NOT_FOUND ? missing(g->req, g->place->kind, g->target_id)
		                               : target;
	return role == ERR_NOT_FOUND ? missing(g->req, "role", g->role_id) : role;
}

static void bind(const struct grant *g, struct db_query *q)
{
	db_bind_text(q, g->place->actor);
	db_bind_text(q, g->actor_id);
	db_bind_text(q, g->place->kind);
	db_bind_text(q, g->target_id);
	db_bind_int(q, g->place->inherited);
	if (g->role_id)
		db_bind_text(q, g->role_id);
}

#define WHERE                                                                                      \
	" WHERE actor_kind = ? AND actor_id = ? AND kind = ? AND target_id = ? AND inherited = ? " \
	"AND "                                                                                     \
	"role_id = ?"

static struct grant begin(struct rest_req *req)
{
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	return (struct grant){.req = req, .place = req->route->own};
}

static enum err run_create(struct db_tx *tx, void *arg)
{
	struct grant g = begin(arg);
	enum err err = open_grant(&g, tx);

	if (err)
		return err;
	if (g.role_domain && g.project_domain && strcmp(g.role_domain, g.project_domain) != 0)
		return rest_fail(g.req, ERR_FORBIDDEN,
		        "Project %s must be in the same domain as the role %s being assigned.",
		        g.target_id, g.role_id);
	struct db_query q =
	        db_query(tx, "REPLACE INTO assignment (actor_kind, actor_id, kind, "
	                     "target_id, inherited, role_id) VALUES (?, ?, ?, ?, ?, ?)");
	bind(&g, &q);
	return db_exec(&q, NULL);
}

static enum err run_check(struct db_tx *tx, void *arg)
{
	struct grant g = begin(arg);
	enum err err = open_grant(&g, tx);

	if (err)
		return err;
	struct db_query q = db_query(tx, "SELECT 1 FROM assignment" WHERE);
	bind(&g, &q);
	bool there = db_step(&q);
	err = db_end(&q);
	return err || there ? err : missing(g.req, "role assignment with role", g.role_id);
}

static enum err run_revoke(struct db_tx *tx, void *arg)
{
	struct grant g = begin(arg);
	enum err err = open_grant(&g, tx);
	unsigned changed;

	if (err)
		return err;
	struct db_query q = db_query(tx, "DELETE FROM assignment" WHERE);
	bind(&g, &q);
	err = db_exec(&q, &changed);
	if (!err && !changed)
		return missing(g.req, "role assignment with role", g.role_id);
	return err ? err
	           : revoke_grant(identity_of(g.req), tx, g.place->actor, g.actor_id, g.place->kind,
	                     g.target_id, g.place->inherited);
}

static enum err run_grants(struct db_tx *tx, void *arg)
{
	struct grant g = begin(arg);
	AUTO(resource_where) struct resource_where where = {.count = 0};
	enum err err = open_grant(&g, tx);

	if (err)
		return err;
	resource_where(&where, "a.actor_kind = ?", g.place->actor, 0);
	resource_where(&where, "a.actor_id = ?", g.actor_id, 0);
	resource_where(&where, "a.kind = ?", g.place->kind, 0);
	resource_where(&where, "a.target_id = ?", g.target_id, 0);
	resource_where(&where, "a.inherited = ?", NULL, g.place->inherited);
	return resource_list(g.req, tx, &managed_role.resource,
	        " JOIN assignment a ON a.role_id = t.id", &where);
}

enum err on_grant_list(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_grants, req);
}

enum err on_grant_create(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_create, req);
}

enum err on_grant_check(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_check, req);
}

enum err on_grant_revoke(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_revoke, req);
}

/* --- groups --- */

static const struct grant_place user_place = {"system", "user", false},
                                group_place = {"system", "group", false};

/* The group, the user or both that a path names. */
static enum err open_member(
        struct grant *g, struct db_tx *tx, const char **ret_user, const char **ret_group)
{
	bool user = strstr(g->req->route->path, "{user_id}") != NULL,
	     group = strstr(g->req->route->path, "{group_id}") != NULL;
	enum err user_err = ERR_OK, group_err = ERR_OK;

	if (user) {
		g->place = &user_place;
		user_err = find_actor(g, tx);
		*ret_user = g->actor_id;
		know(g, "user_id", g->actor_id);
	}
	if (group) {
		g->place = &group_place;
		group_err = find_actor(g, tx);
		*ret_group = g->actor_id;
	}
	enum err err = rest_allow(g->req, g->facts, g->fact_count);
	if (err)
		return err;
	if (user_err)
		return user_err == ERR_NOT_FOUND ? missing(g->req, "user", *ret_user) : user_err;
	return group_err == ERR_NOT_FOUND ? missing(g->req, "group", *ret_group) : group_err;
}

static enum err run_add(struct db_tx *tx, void *arg)
{
	struct grant g = begin(arg);
	const char *user, *group;
	enum err err = open_member(&g, tx, &user, &group);

	if (!err)
		err = directory_refuse(g.req, tx, group);
	if (err)
		return err;
	struct db_query q =
	        db_query(tx, "REPLACE INTO membership (user_id, group_id) VALUES (?, ?)");
	db_bind_text(&q, user);
	db_bind_text(&q, group);
	return db_exec(&q, NULL);
}

static enum err run_is_member(struct db_tx *tx, void *arg)
{
	struct grant g = begin(arg);
	const char *user, *group;
	enum err err = open_member(&g, tx, &user, &group);

	if (err)
		return err;
	struct db_query q =
	        db_query(tx, "SELECT 1 FROM membership WHERE user_id = ? AND group_id = ?");
	db_bind_text(&q, user);
	db_bind_text(&q, group);
	bool there = db_step(&q);
	err = db_end(&q);
	return err || there ? err
	                    : rest_fail(g.req, ERR_NOT_FOUND, "User '%s' not found in group '%s'.",
	                              user, group);
}

static enum err run_remove(struct db_tx *tx, void *arg)
{
	struct grant g = begin(arg);
	const char *user, *group;
	unsigned changed;
	enum err err = open_member(&g, tx, &user, &group);

	if (!err)
		err = directory_refuse(g.req, tx, group);
	if (err)
		return err;
	struct db_query q =
	        db_query(tx, "DELETE FROM membership WHERE user_id = ? AND group_id = ?");
	db_bind_text(&q, user);
	db_bind_text(&q, group);
	err = db_exec(&q, &changed);
	if (!err && !changed)
		return rest_fail(
		        g.req, ERR_NOT_FOUND, "User '%s' not found in group '%s'.", user, group);
	return err ? err : revoke_member(identity_of(g.req), tx, group, user);
}

static enum err run_members(struct db_tx *tx, void *arg)
{
	struct grant g = begin(arg);
	AUTO(resource_where) struct resource_where where = {.count = 0};
	const char *user = NULL, *group = NULL;
	enum err err = open_member(&g, tx, &user, &group);

	if (err)
		return err;
	if (group) {
		resource_where(&where, "m.group_id = ?", group, 0);
		return resource_list(g.req, tx, &managed_user.resource,
		        " JOIN membership m ON m.user_id = t.id", &where);
	}
	resource_where(&where, "m.user_id = ?", user, 0);
	return resource_list(g.req, tx, &managed_group.resource,
	        " JOIN membership m ON m.group_id = t.id", &where);
}

enum err on_member_add(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_add, req);
}

enum err on_member_check(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_is_member, req);
}

enum err on_member_remove(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_remove, req);
}

/* On the pool for what waits for networks. */
static enum err refresh_members(struct rest_req *req)
{
	directory_refresh(req, NULL);
	return db_run(identity_of(req)->db, DB_READ, run_members, req);
}

enum err on_members(struct rest_req *req)
{
	bool mirrors;
	enum err err = directory_any(req, NULL, &mirrors);

	if (err || mirrors)
		return err ? err : rest_move(req, identity_of(req)->networks, refresh_members);
	return db_run(identity_of(req)->db, DB_READ, run_members, req);
}
