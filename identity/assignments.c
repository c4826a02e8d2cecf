/* The list of all grants; effective: what they amount to, each user of a group and each project
 * below by itself, with the roles that others imply. */
#include "identity/assign.h"
#include "identity/manage.h"
#include "identity/sql.h"

#include <stdio.h>
#include <string.h>

#define IMPLIED_MAX 256 /* that one role leads to */

/* One grant, or what it leads to; via_*: how, NULL when it is as it was granted. */
struct entry {
	const char *actor_kind, *actor, *kind, *target, *role;
	bool inherited;
	const char *via_group, *via_kind, *via_target, *via_role;
};

struct ids {
	const char **items; /* of the arena */
	unsigned count, room;
};

struct pair {
	const char *prior, *implied;
};

struct listing {
	struct rest_req *req;
	struct db_tx *tx;
	const char *user, *group, *role, *project, *domain, *inherited;
	bool system, effective, names, subtree;
	struct ids below; /* projects of the subtree */
	struct entry *grants;
	unsigned grant_count, grant_room;
	struct pair *implied;
	unsigned implied_count, implied_room;
	enum err err;
};

/* --- arrays of the arena --- */

static void *grown(
        struct arena *arena, const void *items, unsigned count, unsigned *room, size_t size)
{
	if (count < *room)
		return (void *)(uintptr_t)items;
	*room = *room ? 2 * *room : 64;
	void *more = arena_alloc(arena, *room * size);
	if (count)
		memcpy(more, items, count * size);
	return more;
}

static void add_id(struct arena *arena, struct ids *ids, const char *id)
{
	ids->items = grown(arena, ids->items, ids->count, &ids->room, sizeof(*ids->items));
	ids->items[ids->count++] = arena_strdup(arena, id);
}

static enum err find_ids(struct listing *l, const char *sql, const char *id, struct ids *ret_ids)
{
	struct db_query q = sql_query(l->tx, sql, TEXTS(id));

	*ret_ids = (struct ids){.count = 0};
	while (db_step(&q))
		add_id(l->req->arena, ret_ids, db_text(&q, 0));
	return db_end(&q);
}

#define PROJECTS_BELOW                                                                             \
	"WITH RECURSIVE below (id) AS (SELECT id FROM project WHERE parent_id = ? UNION SELECT "   \
	"p.id FROM project p JOIN below b ON p.parent_id = b.id) SELECT id FROM below"
#define PROJECTS_OF_DOMAIN "SELECT id FROM project WHERE domain_id = ? AND is_domain = 0"

/* --- one entry --- */

static void show_link(struct listing *l, const struct entry *e, struct buf *link)
{
	const char *kind = e->via_kind ? e->via_kind : e->kind;
	const char *target = e->via_kind ? e->via_target : e->target;
	bool group = e->via_group || strcmp(e->actor_kind, "group") == 0;

	buf_printf(link, "%s/v3%s", resource_base(l->req), e->inherited ? "/OS-INHERIT" : "");
	if (strcmp(kind, "system") == 0)
		buf_str(link, "/system");
	else
		buf_printf(link, "/%ss/%s", kind, target);
	buf_printf(
	        link, "/%ss/%s", group ? "group" : "user", e->via_group ? e->via_group : e->actor);
	buf_printf(link, "/roles/%s", e->via_role ? e->via_role : e->role);
	if (e->inherited)
		buf_str(link, "/inherited_to_projects");
}

static void show_links(struct listing *l, const struct entry *e)
{
	struct jout *out = &l->req->json;
	AUTO(buf) struct buf link = BUF_NONE;
	const char *base = resource_base(l->req);

	show_link(l, e, &link);
	jout_object(out, "links");
	jout_text(out, "assignment", buf_text(&link));
	if (e->via_group)
		jout_text(out, "membership",
		        arena_printf(l->req->arena, "%s/v3/groups/%s/users/%s", base, e->via_group,
		                e->actor));
	if (e->via_role)
		jout_text(out, "prior_role",
		        arena_printf(l->req->arena, "%s/v3/prior_role/%s/implies/%s", base, e->role,
		                e->via_role));
	jout_end_object(out);
}

/* {"id": ..., "name": ..., "domain": {...}}; `sql` finds a name, and the id and name of a domain.
 */
static void show_named(struct listing *l, const char *name, const char *id, const char *sql)
{
	struct jout *out = &l->req->json;

	jout_object(out, name);
	jout_text(out, "id", id);
	if (l->names) {
		struct db_query q = sql_query(l->tx, sql, TEXTS(id));
		bool there = db_step(&q);
		jout_text(out, "name", there ? db_text(&q, 0) : "");
		if (!there || !db_is_null(&q, 1)) {
			jout_object(out, "domain");
			jout_text(out, "id", there ? db_text(&q, 1) : "");
			jout_text(out, "name", there ? db_text(&q, 2) : "");
			jout_end_object(out);
		}
		enum err err = db_end(&q);
		l->err = l->err ? l->err : err;
	}
	jout_end_object(out);
}

#define NAMED(table)                                                                               \
	"SELECT t.name, d.id, d.name FROM " table " t LEFT JOIN project d ON d.id = t.domain_id "  \
	"WHERE t.id = ?"

static void show_scope(struct listing *l, const struct entry *e)
{
	struct jout *out = &l->req->json;

	jout_object(out, "scope");
	if (strcmp(e->kind, "project") == 0) {
		show_named(l, "project", e->target, NAMED("project"));
	} else if (strcmp(e->kind, "domain") == 0) {
		show_named(l, "domain", e->target, "SELECT name, NULL FROM project WHERE id = ?");
	} else {
		jout_object(out, "system");
		jout_bool(out, "all", true);
		jout_end_object(out);
	}
	if (e->inherited)
		jout_text(out, "OS-INHERIT:inherited_to", "projects");
	jout_end_object(out);
}

/* Who has a domain's scope sees what is granted on it and its projects. */
static bool is_visible(struct listing *l, const struct entry *e)
{
	const char *own = l->req->caller.domain_id, *domain = NULL;

	if (!own)
		return true;
	if (strcmp(e->kind, "project") != 0)
		return strcmp(e->target, own) == 0;
	enum err err = sql_text(l->tx, "SELECT domain_id FROM project WHERE id = ?", l->req->arena,
	        &domain, TEXTS(e->target));
	l->err = l->err ? l->err : err;
	return domain && strcmp(domain, own) == 0;
}

static void show(struct listing *l, const struct entry *e)
{
	struct jout *out = &l->req->json;
	bool group = strcmp(e->actor_kind, "group") == 0;

	if ((l->role && strcmp(l->role, e->role) != 0) || !is_visible(l, e))
		return;
	jout_object(out, NULL);
	show_links(l, e);
	show_scope(l, e);
	show_named(l, e->actor_kind, e->actor, group ? NAMED("user_group") : NAMED("user"));
	show_named(l, "role", e->role, NAMED("role"));
	jout_end_object(out);
}

/* --- what a grant leads to --- */

static bool is_of_domain(struct listing *l, const char *role)
{
	const char *domain = NULL;
	enum err err = sql_text(l->tx, "SELECT domain_id FROM role WHERE id = ?", l->req->arena,
	        &domain, TEXTS(role));

	l->err = l->err ? l->err : err;
	return domain && *domain;
}

/* Roles of a domain only lead to others: no token has them. */
static void show_roles(struct listing *l, const struct entry *e)
{
	struct pair seen[IMPLIED_MAX] = {{NULL, e->role}};
	unsigned count = 1;

	for (unsigned at = 0; at < count; at++) {
		struct entry one = *e;
		one.role = seen[at].implied;
		one.via_role = seen[at].prior;
		if (!is_of_domain(l, one.role))
			show(l, &one);
		for (unsigned i = 0; i < l->implied_count && count < IMPLIED_MAX; i++) {
			const struct pair *p = &l->implied[i];
			bool known = strcmp(p->prior, one.role) != 0;
			for (unsigned n = 0; n < count && !known; n++)
				known = seen[n].prior && strcmp(seen[n].prior, p->prior) == 0 &&
				        strcmp(seen[n].implied, p->implied) == 0;
			if (!known)
				seen[count++] = *p;
		}
	}
}

static void show_users(struct listing *l, const struct entry *e)
{
	struct ids users;
	enum err err;

	if (strcmp(e->actor_kind, "user") == 0) {
		show_roles(l, e);
		return;
	}
	err = find_ids(l, "SELECT user_id FROM membership WHERE group_id = ? ORDER BY user_id",
	        e->actor, &users);
	l->err = l->err ? l->err : err;
	for (unsigned i = 0; i < users.count; i++) {
		struct entry one = *e;
		if (l->user && strcmp(l->user, users.items[i]) != 0)
			continue;
		one.actor_kind = "user";
		one.actor = users.items[i];
		one.via_group = e->actor;
		show_roles(l, &one);
	}
}

static bool is_wanted(const struct listing *l, const char *project)
{
	if (!l->project || strcmp(l->project, project) == 0)
		return true;
	for (unsigned i = 0; i < l->below.count; i++) {
		if (strcmp(l->below.items[i], project) == 0)
			return true;
	}
	return false;
}

static void show_effective(struct listing *l, const struct entry *e)
{
	struct ids projects;

	if (!e->inherited) {
		if (!l->project || is_wanted(l, e->target))
			show_users(l, e);
		return;
	}
	enum err err =
	        find_ids(l, strcmp(e->kind, "domain") == 0 ? PROJECTS_OF_DOMAIN : PROJECTS_BELOW,
	                e->target, &projects);
	l->err = l->err ? l->err : err;
	for (unsigned i = 0; i < projects.count; i++) {
		struct entry one = *e;
		if (!is_wanted(l, projects.items[i]))
			continue;
		one.kind = "project";
		one.target = projects.items[i];
		one.via_kind = e->kind;
		one.via_target = e->target;
		show_users(l, &one);
	}
}

/* --- which grants --- */

#define GRANTS "SELECT actor_kind, actor_id, kind, target_id, role_id, inherited FROM assignment t"

static void add_conditions(struct listing *l, struct resource_where *w)
{
	bool leads = l->effective; /* grants on other targets may lead to what is asked for */

	if (l->user && leads)
		resource_where(w,
		        "actor_id IN (WITH me (id) AS (SELECT CAST(? AS CHAR(64))) SELECT id FROM "
		        "me UNION SELECT group_id FROM membership JOIN me ON me.id = user_id)",
		        l->user, 0);
	else if (l->user)
		resource_where(w, "actor_kind = 'user' AND actor_id = ?", l->user, 0);
	if (l->group)
		resource_where(w, "actor_kind = 'group' AND actor_id = ?", l->group, 0);
	if (l->role && !leads)
		resource_where(w, "role_id = ?", l->role, 0);
	if (l->inherited)
		resource_where(w, "inherited = ?", NULL, strcmp(l->inherited, "projects") == 0);
	if (l->domain)
		resource_where(w, "kind = 'domain' AND target_id = ?", l->domain, 0);
	if (l->domain && leads)
		resource_where(w, "inherited = ?", NULL, 0);
	if (l->project && !leads && !l->subtree)
		resource_where(w, "kind = 'project' AND target_id = ?", l->project, 0);
	if (l->system)
		resource_where(w, "kind = ?", "system", 0);
	else if (leads || l->project)
		resource_where(w, "kind <> ?", "system", 0);
}

static enum err read_grants(struct listing *l)
{
	AUTO(resource_where) struct resource_where w = {.count = 0};
	AUTO(buf) struct buf sql = BUF_NONE;
	struct arena *arena = l->req->arena;

	add_conditions(l, &w);
	buf_str(&sql, GRANTS);
	if (w.count)
		buf_printf(&sql, " WHERE %s", buf_text(&w.sql));
	buf_str(&sql, " ORDER BY target_id, actor_id, role_id, inherited");
	struct db_query q = db_query(l->tx, buf_text(&sql));
	for (unsigned i = 0; i < w.count; i++) {
		if (w.texts[i])
			db_bind_text(&q, w.texts[i]);
		else
			db_bind_int(&q, w.numbers[i]);
	}
	while (db_step(&q)) {
		l->grants =
		        grown(arena, l->grants, l->grant_count, &l->grant_room, sizeof(*l->grants));
		l->grants[l->grant_count++] =
		        (struct entry){.actor_kind = arena_strdup(arena, db_text(&q, 0)),
		                .actor = arena_strdup(arena, db_text(&q, 1)),
		                .kind = arena_strdup(arena, db_text(&q, 2)),
		                .target = arena_strdup(arena, db_text(&q, 3)),
		                .role = arena_strdup(arena, db_text(&q, 4)),
		                .inherited = db_int(&q, 5)};
	}
	return db_end(&q);
}

static enum err read_implied(struct listing *l)
{
	struct arena *arena = l->req->arena;
	struct db_query q = db_query(l->tx,
	        "SELECT prior_id, implied_id FROM implied_role ORDER BY prior_id, implied_id");

	while (db_step(&q)) {
		l->implied = grown(
		        arena, l->implied, l->implied_count, &l->implied_room, sizeof(*l->implied));
		l->implied[l->implied_count++] = (struct pair){
		        arena_strdup(arena, db_text(&q, 0)), arena_strdup(arena, db_text(&q, 1))};
	}
	return db_end(&q);
}

static void answer(struct listing *l)
{
	struct rest_req *req = l->req;
	struct jout *out = &req->json;

	buf_reset(&req->out);
	*out = (struct jout){.out = &req->out};
	jout_object(out, NULL);
	jout_array(out, "role_assignments");
	for (unsigned i = 0; i < l->grant_count && !l->err; i++) {
		const struct entry *e = &l->grants[i];
		if (l->effective)
			show_effective(l, e);
		else if (!l->project || is_wanted(l, e->target))
			show(l, e);
	}
	jout_end_array(out);
	jout_object(out, "links");
	jout_null(out, "next");
	jout_text(out, "self", arena_printf(req->arena, "%s%s", resource_base(req), req->path));
	jout_null(out, "previous");
	jout_end_object(out);
	jout_end_object(out);
}

/* --- what is asked for --- */

static const char *given(const struct rest_req *req, const char *name)
{
	const char *value = query_get(&req->query, name);

	return value && *value ? value : NULL;
}

static enum err check(const struct listing *l)
{
	struct rest_req *req = l->req;
	const char *said = NULL;

	if (l->subtree && !l->project)
		said = "scope.project.id must be specified if include_subtree is also specified";
	else if (l->domain && l->project)
		said = "Specify a domain or project, not both";
	else if (l->domain && l->system)
		said = "Specify system or domain, not both";
	else if (l->project && l->system)
		said = "Specify system or project, not both";
	else if (l->user && l->group)
		said = "Specify a user or group, not both";
	else if (l->effective && l->group)
		said = "Combining effective and group filter will always result in an empty list.";
	else if (l->effective && l->domain && l->inherited && strcmp(l->inherited, "projects") == 0)
		said = "Combining effective, domain and inherited filters will always result in an "
		       "empty list.";
	return said ? rest_fail(req, ERR_BAD_REQUEST, "%s", said) : ERR_OK;
}

static enum err allow(struct listing *l)
{
	struct rest_req *req = l->req;
	struct project p = {.id = NULL};
	struct policy_fact facts[] = {{"target.domain_id", req->caller.domain_id},
	        {"target.project.id", NULL}, {"target.project.domain_id", NULL}};
	enum err found = ERR_OK;

	if (!l->subtree)
		return rest_allow(req, facts, req->caller.domain_id != NULL);
	if (l->project)
		found = fields_find(&project_fields, l->tx, l->project, req->arena, &p);
	facts[0].value = facts[2].value = p.domain_id;
	facts[1].value = p.id;
	enum err err = rest_allow_as(
	        req, "identity:list_role_assignments_for_tree", facts, p.id ? COUNT_OF(facts) : 0);
	if (!err && found == ERR_NOT_FOUND)
		return rest_fail(req, found, "Could not find project: %s.", l->project);
	return err ? err : found;
}

static enum err run(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	const char *system = given(req, "scope.system");
	struct listing l = {
	        .req = req,
	        .tx = tx,
	        .user = given(req, "user.id"),
	        .group = given(req, "group.id"),
	        .role = given(req, "role.id"),
	        .project = given(req, "scope.project.id"),
	        .domain = given(req, "scope.domain.id"),
	        .inherited = query_get(&req->query, "scope.OS-INHERIT:inherited_to"),
	        .system = system && strcmp(system, "all") == 0,
	        .effective = resource_flag(req, "effective"),
	        .names = resource_flag(req, "include_names"),
	        .subtree = resource_flag(req, "include_subtree"),
	};
	enum err err = allow(&l);

	if (!err)
		err = check(&l);
	if (!err && l.subtree)
		err = find_ids(&l, PROJECTS_BELOW, l.project, &l.below);
	if (!err)
		err = read_grants(&l);
	if (!err && l.effective)
		err = read_implied(&l);
	if (err)
		return err;
	answer(&l);
	return l.err;
}

enum err on_assignments(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run, req);
}
