/* Limits: how much of something there may be by default (registered limits), and in one project or
 * domain. Who counts and refuses is the service that has it. */
#include "identity/limits.h"
#include "identity/sql.h"

#include <string.h>
#include <strings.h>

static enum err need(struct change *c, const struct fields *fields, const char *id,
        const char *what, void *record)
{
	enum err err = id ? fields_find(fields, c->tx, id, c->req->arena, record) : ERR_OK;

	return err == ERR_NOT_FOUND ? rest_fail(c->req, ERR_BAD_REQUEST,
	                                      "Invalid input for field '%s_id': could not find %s: "
	                                      "%s.",
	                                      what, what, id)
	                            : err;
}

static enum err need_service(struct change *c, const char *service_id, const char *region_id)
{
	struct service service = {.id = NULL};
	struct region region = {.id = NULL};
	enum err err = need(c, &service_fields, service_id, "service", &service);

	return err ? err : need(c, &region_fields, region_id, "region", &region);
}

/* --- registered limits --- */

#define SAME_THING "service_id = ? AND COALESCE(region_id, '') = ? AND resource_name = ?"

static const char *or_none(const char *region_id)
{
	return region_id ? region_id : "";
}

static enum err keep_used(struct change *c, const struct registered_limit *r)
{
	int64_t used;
	enum err err = sql_int(c->tx, "SELECT COUNT(*) FROM resource_limit WHERE " SAME_THING,
	        &used, TEXTS(r->service_id, or_none(r->region_id), r->resource_name));

	if (!err && used)
		return rest_fail(c->req, ERR_FORBIDDEN,
		        "Unable to update or delete registered limit %s because there are project "
		        "limits associated with it.",
		        r->id);
	return err;
}

static enum err registered_check(struct change *c)
{
	struct registered_limit *r = c->record;
	int64_t others;
	enum err err = c->old ? keep_used(c, c->old) : ERR_OK;

	if (!err)
		err = need_service(c, r->service_id, r->region_id);
	if (!err)
		err = sql_int(c->tx,
		        "SELECT COUNT(*) FROM registered_limit WHERE " SAME_THING " AND id <> ?",
		        &others,
		        TEXTS(r->service_id, or_none(r->region_id), r->resource_name, r->id));
	if (!err && others)
		return rest_fail(c->req, ERR_EXISTS,
		        "Conflict occurred attempting to store registered_limit - Duplicate "
		        "entry.");
	return err;
}

static enum err registered_before_delete(struct change *c)
{
	return keep_used(c, c->old);
}

const struct managed managed_registered_limit = {
        .resource = {.fields = &registered_limit_fields,
                .size = sizeof(struct registered_limit),
                .path = "/v3/registered_limits"},
        .noun = "registered_limit",
        .param = "registered_limit_id",
        .check = registered_check,
        .before_delete = registered_before_delete,
};

/* --- limits --- */

static enum err limit_load(struct rest_req *req, struct db_tx *tx, void *record)
{
	struct limit *l = record;

	if (!l->project_id)
		return ERR_OK;
	return sql_text(tx, "SELECT domain_id FROM project WHERE id = ?", req->arena,
	        &l->project_domain, TEXTS(l->project_id));
}

static unsigned limit_facts(const void *record, struct policy_fact *facts)
{
	const struct limit *l = record;
	unsigned n = 0;

	facts[n++] = (struct policy_fact){"target.limit.project_id", l->project_id};
	if (l->domain_id)
		facts[n++] = (struct policy_fact){"target.limit.domain.id", l->domain_id};
	if (l->project_domain)
		facts[n++] =
		        (struct policy_fact){"target.limit.project.domain_id", l->project_domain};
	return n;
}

/* A limit is of a project or of a domain; that of a project which is a domain is the domain's. */
static enum err need_place(struct change *c, struct limit *l)
{
	struct project p = {.id = NULL};
	bool project = l->project_id != NULL;

	if ((l->project_id != NULL) + (l->domain_id != NULL) != 1)
		return rest_fail(c->req, ERR_BAD_REQUEST,
		        "Invalid input for field 'limits': wants project_id or domain_id of each.");
	enum err err = need(c, &project_fields, project ? l->project_id : l->domain_id,
	        project ? "project" : "domain", &p);
	if (!err && !project && !p.is_domain)
		return rest_fail(c->req, ERR_BAD_REQUEST,
		        "Invalid input for field 'domain_id': could not find domain: %s.",
		        l->domain_id);
	if (!err && project && p.is_domain) {
		l->domain_id = l->project_id;
		l->project_id = NULL;
	}
	return err;
}

#define PLACE " AND COALESCE(project_id, '') = ? AND COALESCE(domain_id, '') = ?"

static enum err limit_new(struct change *c, struct limit *l)
{
	int64_t there;
	enum err err = need_service(c, l->service_id, l->region_id);

	if (!err)
		err = need_place(c, l);
	if (!err)
		err = sql_int(c->tx, "SELECT COUNT(*) FROM registered_limit WHERE " SAME_THING,
		        &there, TEXTS(l->service_id, or_none(l->region_id), l->resource_name));
	if (!err && !there)
		return rest_fail(c->req, ERR_FORBIDDEN,
		        "Unable to create a limit that has no corresponding registered limit.");
	if (!err)
		err = sql_int(c->tx, "SELECT COUNT(*) FROM resource_limit WHERE " SAME_THING PLACE,
		        &there,
		        TEXTS(l->service_id, or_none(l->region_id), l->resource_name,
		                or_none(l->project_id), or_none(l->domain_id)));
	if (!err && there)
		return rest_fail(c->req, ERR_EXISTS,
		        "Conflict occurred attempting to store limit - Duplicate entry.");
	return err;
}

static enum err limit_check(struct change *c)
{
	return c->old ? ERR_OK : limit_new(c, c->record);
}

/* --- strict_two_level: a project has no more than its domain --- */

static enum err above(struct change *c, const struct limit *l, int64_t *ret_value, bool *ret_there)
{
	struct db_query q = sql_query(c->tx,
	        "SELECT l.resource_limit FROM resource_limit l JOIN project p ON p.parent_id = "
	        "l.domain_id WHERE l.service_id = ? AND COALESCE(l.region_id, '') = ? AND "
	        "l.resource_name = ? AND p.id = ? UNION ALL SELECT default_limit FROM "
	        "registered_limit WHERE " SAME_THING,
	        TEXTS(l->service_id, or_none(l->region_id), l->resource_name, l->project_id,
	                l->service_id, or_none(l->region_id), l->resource_name));

	*ret_there = db_step(&q);
	*ret_value = *ret_there ? db_int(&q, 0) : 0;
	return db_end(&q);
}

static enum err below(struct change *c, const struct limit *l, int64_t *ret_value, bool *ret_there)
{
	struct db_query q = sql_query(c->tx,
	        "SELECT MAX(l.resource_limit) FROM resource_limit l JOIN project p ON p.id = "
	        "l.project_id WHERE l.service_id = ? AND COALESCE(l.region_id, '') = ? AND "
	        "l.resource_name = ? AND p.domain_id = ?",
	        TEXTS(l->service_id, or_none(l->region_id), l->resource_name, l->domain_id));

	*ret_there = db_step(&q) && !db_is_null(&q, 0);
	*ret_value = *ret_there ? db_int(&q, 0) : 0;
	return db_end(&q);
}

static enum err limit_fits(struct change *c)
{
	const struct limit *l = c->record;
	int64_t value;
	bool there;

	if (!limits_strict(identity_of(c->req)))
		return ERR_OK;
	enum err err = l->project_id ? above(c, l, &value, &there) : below(c, l, &value, &there);
	if (err || !there ||
	        (l->project_id ? l->resource_limit <= value : l->resource_limit >= value))
		return err;
	return rest_fail(c->req, ERR_FORBIDDEN,
	        "Invalid resource limit: The resource limit (%s_id: %s, resource_name: %s, "
	        "resource_limit: %lld, service_id: %s, region_id: %s) doesn't satisfy current "
	        "hierarchy model..",
	        l->project_id ? "project" : "domain", l->project_id ? l->project_id : l->domain_id,
	        l->resource_name, (long long)l->resource_limit, l->service_id,
	        l->region_id ? l->region_id : "None");
}

static enum err limit_after(struct change *c)
{
	enum err err = c->old ? limit_fits(c) : ERR_OK;

	return err ? err : limit_load(c->req, c->tx, c->record);
}

/* --- lists --- */

static bool sees_all(const struct rest_caller *caller)
{
	for (unsigned i = 0; i < caller->facts.count; i++) {
		const struct policy_fact *f = &caller->facts.items[i];
		if (strcmp(f->name, "role") == 0 && f->value &&
		        (strcasecmp(f->value, "admin") == 0 ||
		                strcasecmp(f->value, "service") == 0))
			return true;
	}
	return caller->system;
}

static enum err limit_where(struct rest_req *req, struct resource_where *w)
{
	const struct rest_caller *c = &req->caller;

	if (sees_all(c))
		return ERR_OK;
	if (c->domain_id)
		resource_where_texts(w,
		        "t.domain_id = ? OR t.project_id IN (SELECT p.id FROM project p WHERE "
		        "p.domain_id = ?)",
		        TEXTS(c->domain_id, c->domain_id));
	else
		resource_where(w, "t.project_id = ?", c->project_id ? c->project_id : "", 0);
	return ERR_OK;
}

const struct managed managed_limit = {
        .resource = {.fields = &limit_fields,
                .load = limit_load,
                .size = sizeof(struct limit),
                .path = "/v3/limits"},
        .noun = "limit",
        .param = "limit_id",
        .where = limit_where,
        .facts = limit_facts,
        .check = limit_check,
        .after = limit_after,
        .together = limit_fits,
};

/* --- the model --- */

bool limits_strict(const struct identity *identity)
{
	return strcmp(identity->conf.limit_model, "strict_two_level") == 0;
}

enum err on_limit_model(struct rest_req *req)
{
	bool strict = limits_strict(identity_of(req));

	jout_object(&req->json, NULL);
	jout_object(&req->json, "model");
	jout_text(&req->json, "name", strict ? "strict_two_level" : "flat");
	jout_text(&req->json, "description",
	        strict ? "This model requires project hierarchy never exceeds a depth of two"
	               : "Limit enforcement and validation does not take project hierarchy into "
	                 "consideration.");
	jout_end_object(&req->json);
	jout_end_object(&req->json);
	return ERR_OK;
}
