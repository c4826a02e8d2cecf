/* Groups and roles. */
#include "identity/applications.h"
#include "identity/manage.h"
#include "identity/options.h"
#include "identity/revoke.h"
#include "identity/sql.h"

#include <stddef.h>

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
		g->domain_id = manage_own_domain(req);
}

static enum err group_check(struct change *c)
{
	struct group *g = c->record;
	enum err err = manage_name(c->req, &g->name);

	return err || c->old ? err : manage_need_domain(c, g->domain_id);
}

static enum err group_before_delete(struct change *c)
{
	const struct group *g = c->old;
	enum err err = revoke_group(identity_of(c->req), c->tx, g->id);

	return err ? err
	           : sql_run(c->tx,
	                     "DELETE FROM assignment WHERE actor_kind = 'group' AND actor_id = ?",
	                     NULL, TEXTS(g->id));
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
	enum err err = manage_name(c->req, &r->name);

	if (!r->domain_id)
		r->domain_id = "";
	return err || c->old || !*r->domain_id ? err : manage_need_domain(c, r->domain_id);
}

static enum err role_before_delete(struct change *c)
{
	const char *id = ((const struct role *)c->old)->id;
	enum err err = revoke_role(identity_of(c->req), c->tx, id);

	return err ? err : applications_drop_role(c->tx, id);
}

static void role_loaded(void *record)
{
	struct role *r = record;

	if (r->domain_id && !*r->domain_id)
		r->domain_id = NULL;
	if (!r->options)
		r->options = "{}";
}

static enum err role_where(struct rest_req *req, struct resource_where *w)
{
	if (!query_get(&req->query, "domain_id"))
		resource_where(w, "t.domain_id = ?", "", 0);
	return ERR_OK;
}

const struct managed managed_role = {
        .resource = {.fields = &role_fields,
                .loaded = role_loaded,
                .size = sizeof(struct role),
                .path = "/v3/roles"},
        .noun = "role",
        .param = "role_id",
        .domain_offset = offsetof(struct role, domain_id),
        .options = immutable_options,
        .where = role_where,
        .defaults = role_defaults,
        .check = role_check,
        .before_delete = role_before_delete,
};
