/* Where somebody has roles: the scopes that a token could have, and a user's projects. */
#include "identity/assign.h"
#include "identity/projects.h"
#include "identity/sql.h"

/* What was granted to a user (the `?`), its groups' grants with it. */
#define GRANTED                                                                                    \
	"WITH RECURSIVE me (id) AS (SELECT CAST(? AS CHAR(64))), granted (kind, id, inherited) "   \
	"AS (SELECT a.kind, a.target_id, a.inherited FROM assignment a, me WHERE (a.actor_kind = " \
	"'user' AND a.actor_id = me.id) OR (a.actor_kind = 'group' AND a.actor_id IN (SELECT "     \
	"m.group_id FROM membership m WHERE m.user_id = me.id)))"
/* Grants that are inherited count below where they were made. */
#define BELOW                                                                                      \
	", below (id) AS (SELECT p.id FROM project p JOIN granted g ON g.inherited = 1 AND "       \
	"((g.kind = 'domain' AND p.domain_id = g.id AND p.is_domain = 0) OR (g.kind = 'project' "  \
	"AND p.parent_id = g.id)) UNION SELECT p.id FROM project p JOIN below b ON p.parent_id = " \
	"b.id) "

static const char *const projects_of =
        "t.id IN (" GRANTED BELOW "SELECT id FROM granted WHERE kind = 'project' AND "
        "inherited = 0 UNION SELECT id FROM below)";
static const char *const domains_of =
        "t.id IN (" GRANTED " SELECT id FROM granted WHERE kind = 'domain' AND "
        "inherited = 0)";

enum err mine_is(struct db_tx *tx, const char *user_id, const char *project_id, bool *ret_mine)
{
	AUTO(buf) struct buf sql = BUF_NONE;
	int64_t count;

	buf_printf(&sql, "SELECT COUNT(*) FROM project t WHERE %s AND t.id = ?", projects_of);
	enum err err = sql_int(tx, buf_text(&sql), &count, TEXTS(user_id, project_id));
	*ret_mine = count > 0;
	return err;
}

static enum err list(struct rest_req *req, struct db_tx *tx, const struct managed *what,
        const char *condition, const char *user_id)
{
	AUTO(resource_where) struct resource_where where = {.count = 0};

	resource_where(&where, condition, user_id, 0);
	resource_where(&where, "t.is_domain = ?", NULL, what == &managed_domain);
	return resource_list(req, tx, &what->resource, NULL, &where);
}

static enum err run_projects(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;

	return list(req, tx, &managed_project, projects_of, req->caller.user_id);
}

static enum err run_domains(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;

	return list(req, tx, &managed_domain, domains_of, req->caller.user_id);
}

static enum err run_system(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	struct jout *out = &req->json;
	int64_t count;
	enum err err = sql_int(tx, GRANTED " SELECT COUNT(*) FROM granted WHERE kind = 'system'",
	        &count, TEXTS(req->caller.user_id));

	buf_reset(&req->out);
	*out = (struct jout){.out = &req->out};
	jout_object(out, NULL);
	jout_array(out, "system");
	if (count) {
		jout_object(out, NULL);
		jout_bool(out, "all", true);
		jout_end_object(out);
	}
	jout_end_array(out);
	jout_object(out, "links");
	jout_text(out, "self", arena_printf(req->arena, "%s%s", resource_base(req), req->path));
	jout_end_object(out);
	jout_end_object(out);
	return err;
}

static enum err run_users_projects(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	const char *id = rest_param(req, "user_id");
	struct user user = {.id = NULL};
	enum err found = fields_find(&user_fields, tx, id, req->arena, &user);
	const struct policy_fact facts[] = {
	        {"target.user.id", user.id}, {"target.user.domain_id", user.domain_id}};
	enum err err = rest_allow(req, facts, found ? 0 : 2);

	if (err)
		return err;
	if (found)
		return found == ERR_NOT_FOUND
		               ? rest_fail(req, found, "Could not find user: %s.", id)
		               : found;
	return list(req, tx, &managed_project, projects_of, id);
}

enum err on_my_projects(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_projects, req);
}

enum err on_my_domains(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_domains, req);
}

enum err on_my_system(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_system, req);
}

enum err on_users_projects(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_users_projects, req);
}
