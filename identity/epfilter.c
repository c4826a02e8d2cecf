#include "identity/epfilter.h"
#include "identity/sql.h"

#include <string.h>

/* --- groups of endpoints --- */

static const char *text_of(struct rest_req *req, const struct jval *filters, const char *name)
{
	const char *text = NULL;

	jread_str(jread_get(filters, name), &text);
	return text ? arena_strdup(req->arena, text) : NULL;
}

static enum err group_check(struct change *c)
{
	static const char *const known[] = {"service_id", "region_id", "interface"};
	AUTO(jroot) struct jroot filters = JROOT_NONE;
	struct endpoint_group *g = c->record;
	const char *name, *text;

	if (jread_parse(g->filters, strlen(g->filters), &filters))
		return ERR_INTERNAL;
	for (size_t i = 0; (name = jread_name(filters.value, i)); i++) {
		bool found = false;
		for (unsigned n = 0; n < COUNT_OF(known); n++)
			found |= strcmp(known[n], name) == 0;
		if (!found || !jread_str(jread_get(filters.value, name), &text))
			return rest_fail(c->req, ERR_BAD_REQUEST,
			        "Invalid input for field 'filters': wants service_id, region_id or "
			        "interface, as strings.");
	}
	if (!jread_name(filters.value, 0))
		return rest_fail(
		        c->req, ERR_BAD_REQUEST, "filters field is required and cannot be empty");
	g->service_id = text_of(c->req, filters.value, "service_id");
	g->region_id = text_of(c->req, filters.value, "region_id");
	g->interface = text_of(c->req, filters.value, "interface");
	if (g->interface && strlen(g->interface) > 8)
		return rest_fail(c->req, ERR_BAD_REQUEST,
		        "Invalid input for field 'filters/interface': wants public, internal or "
		        "admin.");
	return ERR_OK;
}

const struct managed managed_endpoint_group = {
        .resource = {.fields = &endpoint_group_fields,
                .size = sizeof(struct endpoint_group),
                .path = "/v3/OS-EP-FILTER/endpoint_groups"},
        .noun = "endpoint_group",
        .param = "endpoint_group_id",
        .check = group_check,
};

/* --- associations --- */

struct place {
	struct rest_req *req;
	const char *project_id, *endpoint_id, *group_id; /* NULL: the path names none */
};

static enum err missing(struct rest_req *req, enum err err, const char *noun, const char *id)
{
	return err == ERR_NOT_FOUND ? rest_fail(req, err, "Could not find %s: %s.", noun, id) : err;
}

static bool names(const struct rest_req *req, const char *param)
{
	return strstr(req->route->path, param) != NULL;
}

static enum err open_place(struct place *p, struct db_tx *tx)
{
	struct rest_req *req = p->req;
	struct project project = {.id = NULL};
	struct endpoint endpoint = {.id = NULL};
	struct endpoint_group group = {.id = NULL};
	enum err err = ERR_OK;

	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	if (names(req, "{endpoint_id}")) {
		p->endpoint_id = rest_param(req, "endpoint_id");
		err = fields_find(&endpoint_fields, tx, p->endpoint_id, req->arena, &endpoint);
		err = missing(req, err, "endpoint", p->endpoint_id);
	}
	if (!err && names(req, "{endpoint_group_id}")) {
		p->group_id = rest_param(req, "endpoint_group_id");
		err = fields_find(&endpoint_group_fields, tx, p->group_id, req->arena, &group);
		err = missing(req, err, "endpoint group", p->group_id);
	}
	if (!err && names(req, "{project_id}")) {
		p->project_id = rest_param(req, "project_id");
		err = fields_find(&project_fields, tx, p->project_id, req->arena, &project);
		err = missing(req, err, "project", p->project_id);
	}
	return err;
}

static enum err run_set(struct db_tx *tx, void *arg)
{
	struct place p = {.req = arg};
	enum err err = open_place(&p, tx);

	if (err)
		return err;
	const char *sql = p.group_id ? "INSERT INTO project_endpoint_group (project_id, group_id) "
	                               "VALUES (?, ?)"
	                             : "INSERT INTO project_endpoint (project_id, endpoint_id) "
	                               "VALUES (?, ?)";
	err = sql_run(tx, sql, NULL, TEXTS(p.project_id, p.group_id ? p.group_id : p.endpoint_id));
	if (err == ERR_EXISTS)
		return rest_fail(p.req, err,
		        "Conflict occurred attempting to store %s - Duplicate entry.",
		        p.group_id ? "project_endpoint_group" : "project_endpoint");
	return err;
}

static enum err not_there(const struct place *p)
{
	return rest_fail(p->req, ERR_NOT_FOUND, "Endpoint%s %s not found in project %s.",
	        p->group_id ? " Group" : "", p->group_id ? p->group_id : p->endpoint_id,
	        p->project_id);
}

static enum err run_check(struct db_tx *tx, void *arg)
{
	struct place p = {.req = arg};
	struct jout *out = &p.req->json;
	int64_t count;
	enum err err = open_place(&p, tx);

	if (err)
		return err;
	err = sql_int(tx,
	        p.group_id ? "SELECT COUNT(*) FROM project_endpoint_group WHERE project_id = ? AND "
	                     "group_id = ?"
	                   : "SELECT COUNT(*) FROM project_endpoint WHERE project_id = ? AND "
	                     "endpoint_id = ?",
	        &count, TEXTS(p.project_id, p.group_id ? p.group_id : p.endpoint_id));
	if (err || !count)
		return err ? err : not_there(&p);
	if (!p.group_id)
		return ERR_OK;
	jout_object(out, NULL);
	jout_object(out, "project_endpoint_group");
	jout_text(out, "endpoint_group_id", p.group_id);
	jout_text(out, "project_id", p.project_id);
	jout_object(out, "links");
	jout_text(
	        out, "self", arena_printf(p.req->arena, "%s%s", resource_base(p.req), p.req->path));
	jout_end_object(out);
	jout_end_object(out);
	jout_end_object(out);
	return ERR_OK;
}

static enum err run_clear(struct db_tx *tx, void *arg)
{
	struct place p = {.req = arg};
	unsigned changed;
	enum err err = open_place(&p, tx);

	if (err)
		return err;
	err = sql_run(tx,
	        p.group_id
	                ? "DELETE FROM project_endpoint_group WHERE project_id = ? AND group_id = ?"
	                : "DELETE FROM project_endpoint WHERE project_id = ? AND endpoint_id = ?",
	        &changed, TEXTS(p.project_id, p.group_id ? p.group_id : p.endpoint_id));
	return err || changed ? err : not_there(&p);
}

static enum err run_projects(struct db_tx *tx, void *arg)
{
	struct place p = {.req = arg};
	AUTO(resource_where) struct resource_where where = {.count = 0};
	enum err err = open_place(&p, tx);

	if (err)
		return err;
	resource_where(&where,
	        p.group_id ? "t.id IN (SELECT y.project_id FROM project_endpoint_group y WHERE "
	                     "y.group_id = ?)"
	                   : "t.id IN (SELECT x.project_id FROM project_endpoint x WHERE "
	                     "x.endpoint_id = ?)",
	        p.group_id ? p.group_id : p.endpoint_id, 0);
	return resource_list(p.req, tx, &managed_project.resource, NULL, &where);
}

static enum err run_endpoints(struct db_tx *tx, void *arg)
{
	struct place p = {.req = arg};
	AUTO(resource_where) struct resource_where where = {.count = 0};
	enum err err = open_place(&p, tx);

	if (err)
		return err;
	if (p.group_id)
		resource_where(&where,
		        "EXISTS (SELECT 1 FROM endpoint_group g WHERE g.id = ? AND (g.service_id "
		        "IS "
		        "NULL OR g.service_id = t.service_id) AND (g.region_id IS NULL OR "
		        "g.region_id "
		        "= t.region_id) AND (g.interface IS NULL OR g.interface = t.interface))",
		        p.group_id, 0);
	else
		resource_where_texts(&where,
		        "t.id IN (" EPFILTER_ALLOWED "SELECT a.id FROM allowed a)",
		        TEXTS(p.project_id, p.project_id));
	return resource_list(p.req, tx, &managed_endpoint.resource, NULL, &where);
}

static enum err run_groups(struct db_tx *tx, void *arg)
{
	struct place p = {.req = arg};
	AUTO(resource_where) struct resource_where where = {.count = 0};
	enum err err = open_place(&p, tx);

	if (err)
		return err;
	resource_where(&where,
	        "t.id IN (SELECT y.group_id FROM project_endpoint_group y WHERE y.project_id = ?)",
	        p.project_id, 0);
	return resource_list(p.req, tx, &managed_endpoint_group.resource, NULL, &where);
}

enum err on_epfilter_set(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_set, req);
}

enum err on_epfilter_check(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_check, req);
}

enum err on_epfilter_clear(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_clear, req);
}

enum err on_epfilter_projects(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_projects, req);
}

enum err on_epfilter_endpoints(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_endpoints, req);
}

enum err on_epfilter_groups(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_groups, req);
}
