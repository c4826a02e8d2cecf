/* Projects, and domains, which are projects of their own kind. */
#include "identity/projects.h"
#include "identity/limits.h"
#include "identity/options.h"
#include "identity/revoke.h"
#include "identity/sql.h"

#include <stddef.h>
#include <string.h>

#define TREE_MAX 64 /* no tree is deeper, whatever the configuration says */

static void project_defaults(struct rest_req *req, void *record)
{
	struct project *p = record;

	(void)req;
	p->description = "";
	p->options = "{}";
	p->tags = "[]";
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
		p->domain_id = manage_own_domain(req);
}

/* Its parent is of the same domain, and not too deep. */
static enum err check_parent(struct change *c)
{
	struct project *p = c->record, up = {.id = NULL};
	const struct identity *identity = identity_of(c->req);
	uint64_t depth_max = identity->conf.tree_depth;
	const char *at = p->parent_id;

	if (limits_strict(identity) && depth_max > 2)
		depth_max = 2;
	if (!at)
		at = p->parent_id = p->domain_id;
	for (uint64_t depth = 1; at; depth++) {
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
			        "cannot create a project in a branch containing a disabled "
			        "project: %s",
			        at);
		if (depth > depth_max)
			return rest_fail(c->req, ERR_FORBIDDEN,
			        "Max hierarchy depth reached for %s branch.", p->parent_id);
		at = up.is_domain ? NULL : up.parent_id;
	}
	return ERR_OK;
}

static enum err check_disable(struct change *c, const struct project *p)
{
	int64_t children = 0;
	enum err err =
	        sql_int(c->tx, "SELECT COUNT(*) FROM project WHERE parent_id = ? AND enabled = 1",
	                &children, TEXTS(p->id));

	if (!err && children)
		return rest_fail(c->req, ERR_FORBIDDEN,
		        "Cannot disable project %s since its subtree contains enabled projects.",
		        p->id);
	return err ? err : revoke_project(identity_of(c->req), c->tx, p->id);
}

static enum err check_enable(struct change *c, const struct project *p)
{
	struct project up = {.parent_id = p->parent_id};
	enum err err = ERR_OK;

	while (!err && up.parent_id) {
		err = fields_find(&project_fields, c->tx, up.parent_id, c->req->arena, &up);
		if (!err && !up.enabled)
			return rest_fail(c->req, ERR_FORBIDDEN,
			        "Cannot enable project %s since it has disabled parents", p->id);
	}
	return err;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static enum err check_change(struct change *c, const struct project *old, const struct project *p)
{
	if (!same_text(old->parent_id, p->parent_id))
		return rest_fail(c->req, ERR_FORBIDDEN, "Update of `parent_id` is not allowed.");
	if (p->enabled == old->enabled || (p->is_domain && p->enabled))
		return ERR_OK;
	if (p->is_domain)
		return revoke_domain(identity_of(c->req), c->tx, p->id);
	return p->enabled ? check_enable(c, p) : check_disable(c, p);
}

static enum err project_check(struct change *c)
{
	struct project *p = c->record;
	enum err err = manage_name(c->req, &p->name);

	if (err)
		return err;
	if (p->is_domain)
		p->domain_id = ROOT_DOMAIN;
	if (p->is_domain && p->parent_id)
		return rest_fail(c->req, ERR_BAD_REQUEST,
		        "only root projects are allowed to act as domains.");
	if (c->old)
		return check_change(c, c->old, p);
	return p->is_domain ? ERR_OK : check_parent(c);
}

static enum err project_after(struct change *c)
{
	AUTO(jroot) struct jroot tags = JROOT_NONE;
	struct project *p = c->record;

	if (!field_given(p, PROJECT_TAGS))
		return ERR_OK;
	/* A lone text or number is no JSON text to it, and no array either. */
	jread_parse(p->tags, strlen(p->tags), &tags);
	enum err err = tags_write(c->req, c->tx, p->id, tags.value);
	return err ? err : tags_load(c->req, c->tx, p);
}

/* What hangs on a project goes with it. */
static enum err drop_project(struct change *c, const char *id)
{
	static const char *const sql[] = {
	        "DELETE FROM assignment WHERE target_id = ? AND kind = 'project'",
	        "UPDATE user SET default_project_id = NULL WHERE default_project_id = ?",
	        "DELETE FROM credential WHERE project_id = ?",
	};
	enum err err = ERR_OK;

	for (unsigned i = 0; i < COUNT_OF(sql) && !err; i++)
		err = sql_run(c->tx, sql[i], NULL, TEXTS(id));
	return err ? err : revoke_project(identity_of(c->req), c->tx, id);
}

static enum err project_before_delete(struct change *c)
{
	const struct project *p = c->old;
	int64_t children;

	if (p->is_domain)
		return managed_domain.before_delete(c);
	enum err err = sql_int(
	        c->tx, "SELECT COUNT(*) FROM project WHERE parent_id = ?", &children, TEXTS(p->id));
	if (!err && children)
		return rest_fail(c->req, ERR_FORBIDDEN,
		        "Cannot delete the project %s since it is not a leaf in the hierarchy. "
		        "Use the cascade option if you want to delete a whole subtree.",
		        p->id);
	return err ? err : drop_project(c, p->id);
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
	        "DELETE FROM credential WHERE user_id IN (SELECT id FROM user WHERE domain_id = ?)",
	        "DELETE FROM credential WHERE project_id IN (SELECT id FROM project WHERE "
	        "domain_id = ?)",
	        "DELETE FROM user_group WHERE domain_id = ?",
	        "DELETE FROM application_credential WHERE user_id IN (SELECT id FROM user WHERE "
	        "domain_id = ?)",
	        "DELETE FROM access_rule WHERE user_id IN (SELECT id FROM user WHERE domain_id = "
	        "?)",
	        "DELETE FROM trust WHERE trustor_user_id IN (SELECT id FROM user WHERE domain_id = "
	        "?)",
	        "DELETE FROM trust WHERE trustee_user_id IN (SELECT id FROM user WHERE domain_id = "
	        "?)",
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
	err = revoke_domain_groups(identity_of(c->req), c->tx, p->id);
	for (unsigned i = 0; i < COUNT_OF(sql) && !err; i++)
		err = sql_run(c->tx, sql[i], NULL, TEXTS(p->id));
	return err ? err : revoke_domain(identity_of(c->req), c->tx, p->id);
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

/* --- the tree --- */

static enum err children_of(struct rest_req *req, struct db_tx *tx, const char *id,
        const char ***ret_ids, unsigned *ret_count)
{
	unsigned room = 0;
	struct db_query q =
	        sql_query(tx, "SELECT id FROM project WHERE parent_id = ? ORDER BY id", TEXTS(id));

	*ret_count = 0;
	*ret_ids = NULL;
	while (db_step(&q)) {
		if (*ret_count == room) {
			const char **more =
			        arena_alloc(req->arena, (2 * room + 16) * sizeof(*more));
			if (room)
				memcpy(more, *ret_ids, room * sizeof(*more));
			*ret_ids = more;
			room = 2 * room + 16;
		}
		(*ret_ids)[(*ret_count)++] = arena_strdup(req->arena, db_text(&q, 0));
	}
	return db_end(&q);
}

/* {"project": {...}}, if the caller has a role there. */
static enum err show_mine(struct rest_req *req, struct db_tx *tx, const char *id, struct jout *out)
{
	struct project p = {.id = NULL};
	struct jout answer = req->json;
	bool mine;
	enum err err = mine_is(tx, req->caller.user_id, id, &mine);

	if (err || !mine)
		return err;
	if ((err = fields_find(&project_fields, tx, id, req->arena, &p)))
		return err;
	project_loaded(&p);
	err = tags_load(req, tx, &p);
	req->json = *out;
	resource_show(req, &managed_project.resource, &p);
	*out = req->json;
	req->json = answer;
	return err;
}

static enum err show_parents(
        struct rest_req *req, struct db_tx *tx, const struct project *p, bool ids, struct jout *out)
{
	struct project at = {.parent_id = p->parent_id};
	unsigned depth = 0;
	enum err err = ERR_OK;

	if (!ids)
		jout_array(out, NULL);
	for (; !err && at.parent_id && depth < TREE_MAX; depth++) {
		if (ids) {
			jout_object(out, depth ? at.id : NULL);
		} else {
			err = show_mine(req, tx, at.parent_id, out);
		}
		if (!err)
			err = fields_find(&project_fields, tx, at.parent_id, req->arena, &at);
	}
	if (ids)
		jout_null(out, depth ? at.id : NULL);
	for (; ids && depth; depth--)
		jout_end_object(out);
	if (!ids)
		jout_end_array(out);
	return err;
}

static enum err show_below(struct rest_req *req, struct db_tx *tx, const char *id, const char *name,
        bool ids, unsigned depth, struct jout *out)
{
	const char **children;
	unsigned count;
	enum err err = children_of(req, tx, id, &children, &count);

	if (ids && (err || !count || depth == TREE_MAX)) {
		jout_null(out, name);
		return err;
	}
	if (ids)
		jout_object(out, name);
	for (unsigned i = 0; i < count && !err && depth < TREE_MAX; i++) {
		if (!ids)
			err = show_mine(req, tx, children[i], out);
		if (!err)
			err = show_below(req, tx, children[i], children[i], ids, depth + 1, out);
	}
	if (ids)
		jout_end_object(out);
	return err;
}

static enum err add_tree(struct rest_req *req, struct db_tx *tx, struct project *p)
{
	bool up_list = resource_flag(req, "parents_as_list"),
	     up_ids = resource_flag(req, "parents_as_ids"),
	     down_list = resource_flag(req, "subtree_as_list"),
	     down_ids = resource_flag(req, "subtree_as_ids");
	AUTO(buf) struct buf up = BUF_NONE, down = BUF_NONE;
	struct jout up_out = {.out = &up}, down_out = {.out = &down};
	enum err err = ERR_OK;

	if ((up_list && up_ids) || (down_list && down_ids))
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Cannot use %s_as_list and %s_as_ids query params at the same time.",
		        up_list && up_ids ? "parents" : "subtree",
		        up_list && up_ids ? "parents" : "subtree");
	if (up_list || up_ids)
		err = show_parents(req, tx, p, up_ids, &up_out);
	if (down_list)
		jout_array(&down_out, NULL);
	if (!err && (down_list || down_ids))
		err = show_below(req, tx, p->id, NULL, down_ids, 0, &down_out);
	if (down_list)
		jout_end_array(&down_out);
	p->parents = up.len ? arena_strdup(req->arena, buf_text(&up)) : NULL;
	p->subtree = down.len ? arena_strdup(req->arena, buf_text(&down)) : NULL;
	return err;
}

static void project_show(struct rest_req *req, const void *record, struct jout *out)
{
	const struct project *p = record;

	(void)req;
	if (p->parents)
		jout_raw(out, "parents", p->parents);
	if (p->subtree)
		jout_raw(out, "subtree", p->subtree);
}

static enum err run_show(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	struct project p = {.id = NULL};
	enum err err = managed_find(req, tx, &managed_project, &p);

	if (!err)
		err = add_tree(req, tx, &p);
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	if (!err)
		resource_show(req, &managed_project.resource, &p);
	return err;
}

enum err on_project_show(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_show, req);
}

/* --- lists --- */

static enum err project_where(struct rest_req *req, struct resource_where *w)
{
	resource_where(w, "t.id <> ?", ROOT_DOMAIN, 0);
	if (!query_get(&req->query, "is_domain"))
		resource_where(w, "t.is_domain = ?", NULL, 0);
	if (req->caller.domain_id)
		resource_where(w, "t.domain_id = ?", req->caller.domain_id, 0);
	tags_where(req, w);
	return ERR_OK;
}

static enum err domain_where(struct rest_req *req, struct resource_where *w)
{
	resource_where(w, "t.is_domain = ?", NULL, 1);
	if (req->caller.domain_id)
		resource_where(w, "t.id = ?", req->caller.domain_id, 0);
	return ERR_OK;
}

const struct managed managed_project = {
        .resource = {.fields = &project_fields,
                .loaded = project_loaded,
                .load = tags_load,
                .size = sizeof(struct project),
                .path = "/v3/projects",
                .show = project_show},
        .noun = "project",
        .param = "project_id",
        .domain_offset = offsetof(struct project, domain_id),
        .options = immutable_options,
        .where = project_where,
        .defaults = project_defaults,
        .complete = project_complete,
        .check = project_check,
        .after = project_after,
        .before_delete = project_before_delete,
};

static enum err domain_check(struct change *c)
{
	struct project *p = c->record;
	const struct project *old = c->old;
	enum err err = manage_name(c->req, &p->name);

	if (err || !old || !old->enabled || p->enabled)
		return err;
	return revoke_domain(identity_of(c->req), c->tx, p->id);
}

const struct managed managed_domain = {
        .resource = {.fields = &domain_fields,
                .load = tags_load,
                .size = sizeof(struct project),
                .path = "/v3/domains"},
        .noun = "domain",
        .param = "domain_id",
        .domain_offset = offsetof(struct project, id),
        .options = immutable_options,
        .where = domain_where,
        .defaults = domain_defaults,
        .check = domain_check,
        .after = project_after,
        .before_delete = domain_before_delete,
};
