/* The rules of each kind that administrators manage. */
#include "identity/manage.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TREE_DEPTH_MAX 5 /* projects below each other, as Keystone's max_project_tree_depth */

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Where somebody who names no domain means to be. */
static const char *own_domain(const struct rest_req *req)
{
	return req->caller.domain_id ? req->caller.domain_id : DEFAULT_DOMAIN;
}

static enum err run(struct db_tx *tx, const char *sql, const char *text)
{
	struct db_query q = db_query(tx, sql);

	db_bind_text(&q, text);
	return db_exec(&q, NULL);
}

static enum err count(struct db_tx *tx, const char *sql, const char *text, int64_t *ret_count)
{
	struct db_query q = db_query(tx, sql);

	db_bind_text(&q, text);
	*ret_count = db_step(&q) ? db_int(&q, 0) : 0;
	return db_end(&q);
}

static enum err need_domain(struct change *c, const char *id)
{
	struct project domain = {.id = NULL};
	enum err err = fields_find(&domain_fields, c->tx, id, c->req->arena, &domain);

	if (err == ERR_NOT_FOUND || (!err && !domain.is_domain))
		return rest_fail(c->req, ERR_BAD_REQUEST, "Could not find domain: %s.", id);
	return err;
}

/* --- projects and domains --- */

static void project_defaults(struct rest_req *req, void *record)
{
	struct project *p = record;

	(void)req;
	p->description = "";
	p->options = "{}";
	p->enabled = true;
}

static void domain_defaults(struct rest_req *req, void *record)
{
	project_defaults(req, record);
	((struct project *)record)->is_domain = true;
	((struct project *)record)->domain_id = ROOT_DOMAIN;
}

static void project_complete(struct rest_req *req, void *record)
{
	struct project *p = record;

	if (p->is_domain)
		p->domain_id = ROOT_DOMAIN;
	else if (!p->domain_id && !p->parent_id)
		p->domain_id = own_domain(req);
}

/* Its parent is of the same domain, and not too deep. */
static enum err check_parent(struct change *c)
{
	struct project *p = c->record, up = {.id = NULL};
	const char *at = p->parent_id;

	if (!at)
		at = p->parent_id = p->domain_id;
	for (unsigned depth = 1; at; depth++) {
		enum err err = fields_find(&project_fields, c->tx, at, c->req->arena, &up);
		if (err == ERR_NOT_FOUND)
			return rest_fail(
			        c->req, ERR_BAD_REQUEST, "Could not find project: %s.", at);
		if (err)
			return err;
		const char *domain = up.is_domain ? up.id : up.domain_id;
		if (!p->domain_id)
			p->domain_id = domain;
		if (strcmp(domain, p->domain_id) != 0)
			return rest_fail(c->req, ERR_BAD_REQUEST,
			        "Cannot create project, the parent is in another domain.");
		if (!up.enabled)
			return rest_fail(c->req, ERR_BAD_REQUEST,
			        "Cannot create project in a branch containing a disabled project.");
		if (depth > TREE_DEPTH_MAX)
			return rest_fail(c->req, ERR_FORBIDDEN,
			        "Max hierarchy depth reached for the branch of %s.", p->parent_id);
		at = up.is_domain ? NULL : up.parent_id;
	}
	return ERR_OK;
}

static enum err project_check(struct change *c)
{
	struct project *p = c->record;
	int64_t children = 0;

	if (p->is_domain)
		p->domain_id = ROOT_DOMAIN;
	if (p->is_domain && p->parent_id)
		return rest_fail(c->req, ERR_BAD_REQUEST, "A domain has no parent.");
	if (!c->old)
		return p->is_domain ? ERR_OK : check_parent(c);
	if (p->enabled || !((const struct project *)c->old)->enabled || p->is_domain)
		return ERR_OK;
	enum err err =
	        count(c->tx, "SELECT COUNT(*) FROM project WHERE parent_id = ? AND enabled = 1",
	                p->id, &children);
	if (!err && children)
		return rest_fail(c->req, ERR_FORBIDDEN,
		        "Cannot disable project %s since its subtree contains enabled projects.",
		        p->id);
	return err;
}

static enum err drop_project(struct db_tx *tx, const char *id)
{
	enum err err =
	        run(tx, "DELETE FROM assignment WHERE target_id = ? AND kind = 'project'", id);

	return err ? err
	           : run(tx,
	                     "UPDATE user SET default_project_id = NULL WHERE "
	                     "default_project_id = ?",
	                     id);
}

static enum err project_before_delete(struct change *c)
{
	const struct project *p = c->old;
	int64_t children;
	enum err err =
	        count(c->tx, "SELECT COUNT(*) FROM project WHERE parent_id = ?", p->id, &children);

	if (!err && p->is_domain)
		return managed_domain.before_delete(c);
	if (!err && children)
		return rest_fail(c->req, ERR_FORBIDDEN,
		        "Cannot delete the project %s since it is not a leaf in the hierarchy.",
		        p->id);
	return err ? err : drop_project(c->tx, p->id);
}

/* With all that is in it: users, groups, roles of its own, projects from the leaves up. */
static enum err domain_before_delete(struct change *c)
{
	static const char *const sql[] = {
	        "DELETE FROM assignment WHERE target_id = ? AND kind = 'domain'",
	        "DELETE FROM assignment WHERE kind = 'project' AND target_id IN (SELECT id FROM "
	        "project WHERE domain_id = ?)",
	        "DELETE FROM assignment WHERE actor_kind = 'user' AND actor_id IN (SELECT id FROM "
	        "user "
	        "WHERE domain_id = ?)",
	        "DELETE FROM assignment WHERE actor_kind = 'group' AND actor_id IN (SELECT id FROM "
	        "user_group WHERE domain_id = ?)",
	        "DELETE FROM membership WHERE user_id IN (SELECT id FROM user WHERE domain_id = ?)",
	        "DELETE FROM user_group WHERE domain_id = ?",
	        "DELETE FROM user WHERE domain_id = ?",
	        "DELETE FROM role WHERE domain_id = ?",
	        "UPDATE project SET parent_id = NULL WHERE domain_id = ?",
	        "DELETE FROM project WHERE domain_id = ?",
	};
	const struct project *p = c->old;
	enum err err = ERR_OK;

	if (p->enabled)
		return rest_fail(c->req, ERR_FORBIDDEN,
		        "Cannot delete a domain that is enabled, please disable it first.");
	if (strcmp(p->id, DEFAULT_DOMAIN) == 0)
		return rest_fail(c->req, ERR_FORBIDDEN, "The default domain stays.");
	for (unsigned i = 0; i < COUNT_OF(sql) && !err; i++)
		err = run(c->tx, sql[i], p->id);
	return err;
}

/* What a domain stores for its own domain is not shown. */
static void project_loaded(void *record)
{
	struct project *p = record;

	if (p->is_domain)
		p->domain_id = NULL;
	if (!p->options)
		p->options = "{}";
}

const struct managed managed_project = {
        .resource = {.fields = &project_fields,
                .loaded = project_loaded,
                .size = sizeof(struct project),
                .path = "/v3/projects"},
        .noun = "project",
        .param = "project_id",
        .domain_offset = offsetof(struct project, domain_id),
        .list_where = "t.id <> '" ROOT_DOMAIN "' AND 1 = ?",
        .defaults = project_defaults,
        .complete = project_complete,
        .check = project_check,
        .before_delete = project_before_delete,
};

const struct managed managed_domain = {
        .resource = {.fields = &domain_fields,
                .size = sizeof(struct project),
                .path = "/v3/domains"},
        .noun = "domain",
        .param = "domain_id",
        .domain_offset = offsetof(struct project, id),
        .list_where = "t.is_domain = ?",
        .defaults = domain_defaults,
        .before_delete = domain_before_delete,
};

/* --- users --- */

static void user_defaults(struct rest_req *req, void *record)
{
	struct user *u = record;

	(void)req;
	u->options = "{}";
	u->enabled = true;
	u->created_us = (int64_t)now_us();
}

static void user_complete(struct rest_req *req, void *record)
{
	struct user *u = record;

	if (!u->domain_id)
		u->domain_id = own_domain(req);
}

static enum err user_check(struct change *c)
{
	return c->old ? ERR_OK : need_domain(c, ((const struct user *)c->record)->domain_id);
}

static enum err user_after(struct change *c)
{
	struct user *u = c->record;

	if (!c->password_hash)
		return ERR_OK;
	struct db_query q =
	        db_query(c->tx, "INSERT INTO password (user_id, created_us, expires_us, "
	                        "self_service, hash) VALUES (?, ?, NULL, 0, ?)");
	db_bind_text(&q, u->id);
	db_bind_int(&q, (int64_t)now_us());
	db_bind_text(&q, c->password_hash);
	return db_exec(&q, NULL);
}

static enum err user_before_delete(struct change *c)
{
	const struct user *u = c->old;
	enum err err = run(
	        c->tx, "DELETE FROM assignment WHERE actor_kind = 'user' AND actor_id = ?", u->id);

	return err ? err : run(c->tx, "DELETE FROM membership WHERE user_id = ?", u->id);
}

static void user_loaded(void *record)
{
	struct user *u = record;

	if (!u->options)
		u->options = "{}";
}

static void user_show(struct rest_req *req, const void *record, struct jout *out)
{
	(void)req;
	(void)record;
	jout_null(out, "password_expires_at");
}

const struct managed managed_user = {
        .resource = {.fields = &user_fields,
                .loaded = user_loaded,
                .size = sizeof(struct user),
                .path = "/v3/users",
                .show = user_show},
        .noun = "user",
        .param = "user_id",
        .domain_offset = offsetof(struct user, domain_id),
        .defaults = user_defaults,
        .complete = user_complete,
        .check = user_check,
        .after = user_after,
        .before_delete = user_before_delete,
};

/* --- groups --- */

static void group_defaults(struct rest_req *req, void *record)
{
	(void)req;
	((struct group *)record)->description = "";
}

static void group_complete(struct rest_req *req, void *record)
{
	struct group *g = record;

	if (!g->domain_id)
		g->domain_id = own_domain(req);
}

static enum err group_check(struct change *c)
{
	return c->old ? ERR_OK : need_domain(c, ((const struct group *)c->record)->domain_id);
}

static enum err group_before_delete(struct change *c)
{
	return run(c->tx, "DELETE FROM assignment WHERE actor_kind = 'group' AND actor_id = ?",
	        ((const struct group *)c->old)->id);
}

const struct managed managed_group = {
        .resource = {.fields = &group_fields, .size = sizeof(struct group), .path = "/v3/groups"},
        .noun = "group",
        .param = "group_id",
        .domain_offset = offsetof(struct group, domain_id),
        .defaults = group_defaults,
        .complete = group_complete,
        .check = group_check,
        .before_delete = group_before_delete,
};

/* --- roles: those of no domain are kept with "" for one --- */

static void role_defaults(struct rest_req *req, void *record)
{
	(void)req;
	((struct role *)record)->options = "{}";
}

static enum err role_check(struct change *c)
{
	struct role *r = c->record;

	if (!r->domain_id)
		r->domain_id = "";
	return c->old || !*r->domain_id ? ERR_OK : need_domain(c, r->domain_id);
}

static void role_loaded(void *record)
{
	struct role *r = record;

	if (r->domain_id && !*r->domain_id)
		r->domain_id = NULL;
	if (!r->options)
		r->options = "{}";
}

const struct managed managed_role = {
        .resource = {.fields = &role_fields,
                .loaded = role_loaded,
                .size = sizeof(struct role),
                .path = "/v3/roles"},
        .noun = "role",
        .param = "role_id",
        .domain_offset = offsetof(struct role, domain_id),
        .defaults = role_defaults,
        .check = role_check,
};

/* --- the catalog --- */

static void region_defaults(struct rest_req *req, void *record)
{
	(void)req;
	((struct region *)record)->description = "";
}

static enum err region_check(struct change *c)
{
	struct region *r = c->record, up = {.id = NULL};
	const char *at = r->parent_region_id && *r->parent_region_id ? r->parent_region_id : NULL;

	r->parent_region_id = at;
	for (unsigned depth = 0; at; depth++) {
		if (strcmp(at, r->id) == 0 || depth == 64)
			return rest_fail(c->req, ERR_BAD_REQUEST,
			        "Creating or updating region %s would create a circular "
			        "relationship.",
			        r->id);
		enum err err = fields_find(&region_fields, c->tx, at, c->req->arena, &up);
		if (err == ERR_NOT_FOUND)
			return rest_fail(c->req, err, "Could not find region: %s.", at);
		if (err)
			return err;
		at = up.parent_region_id;
	}
	return ERR_OK;
}

const struct managed managed_region = {
        .resource = {.fields = &region_fields,
                .size = sizeof(struct region),
                .path = "/v3/regions"},
        .noun = "region",
        .param = "region_id",
        .defaults = region_defaults,
        .check = region_check,
};

static void service_defaults(struct rest_req *req, void *record)
{
	(void)req;
	((struct service *)record)->enabled = true;
}

const struct managed managed_service = {
        .resource = {.fields = &service_fields,
                .size = sizeof(struct service),
                .path = "/v3/services"},
        .noun = "service",
        .param = "service_id",
        .defaults = service_defaults,
};

static void endpoint_defaults(struct rest_req *req, void *record)
{
	(void)req;
	((struct endpoint *)record)->enabled = true;
}

static enum err endpoint_check(struct change *c)
{
	struct endpoint *e = c->record;
	struct service service = {.id = NULL};
	struct region region = {.id = NULL};
	enum err err = fields_find(&service_fields, c->tx, e->service_id, c->req->arena, &service);

	if (err == ERR_NOT_FOUND)
		return rest_fail(
		        c->req, ERR_BAD_REQUEST, "Could not find service: %s.", e->service_id);
	if (err || !e->region_id)
		return err;
	err = fields_find(&region_fields, c->tx, e->region_id, c->req->arena, &region);
	if (err == ERR_NOT_FOUND)
		return rest_fail(
		        c->req, ERR_BAD_REQUEST, "Could not find region: %s.", e->region_id);
	return err;
}

static void endpoint_show(struct rest_req *req, const void *record, struct jout *out)
{
	(void)req;
	jout_text(out, "region", ((const struct endpoint *)record)->region_id);
}

const struct managed managed_endpoint = {
        .resource = {.fields = &endpoint_fields,
                .size = sizeof(struct endpoint),
                .path = "/v3/endpoints",
                .show = endpoint_show},
        .noun = "endpoint",
        .param = "endpoint_id",
        .defaults = endpoint_defaults,
        .check = endpoint_check,
};
