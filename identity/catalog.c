/* What the catalog is made of: regions, services, endpoints. */
#include "identity/policies.h"
#include "identity/sql.h"

#include <stddef.h>
#include <string.h>

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

/* Regions inside of it go with it, but none that an endpoint is in. */
static enum err region_before_delete(struct change *c)
{
	static const char *const below =
	        "WITH RECURSIVE below (id) AS (SELECT id FROM region WHERE id = ? UNION SELECT "
	        "r.id "
	        "FROM region r JOIN below b ON r.parent_region_id = b.id) ";
	const char *id = ((const struct region *)c->old)->id, *leaf = NULL;
	AUTO(buf) struct buf sql = BUF_NONE;
	int64_t used;

	buf_printf(&sql, "%sSELECT COUNT(*) FROM endpoint e JOIN below b ON b.id = e.region_id",
	        below);
	enum err err = sql_int(c->tx, buf_text(&sql), &used, TEXTS(id));
	if (!err && used)
		return rest_fail(c->req, ERR_FORBIDDEN,
		        "Unable to delete region %s because it or its child regions have "
		        "associated endpoints.",
		        id);
	buf_reset(&sql);
	buf_printf(&sql,
	        "%sSELECT b.id FROM below b WHERE b.id <> ? AND NOT EXISTS (SELECT 1 FROM region r "
	        "WHERE r.parent_region_id = b.id) LIMIT 1",
	        below);
	while (!err) {
		err = sql_text(c->tx, buf_text(&sql), c->req->arena, &leaf, TEXTS(id, id));
		if (err || !leaf)
			break;
		err = policies_forget(c->tx, "region", leaf);
		if (!err)
			err = sql_run(c->tx, "DELETE FROM region WHERE id = ?", NULL, TEXTS(leaf));
	}
	return err ? err : policies_forget(c->tx, "region", id);
}

/* PUT with an id in the path. */
enum err on_region_put(struct rest_req *req)
{
	const char *id = NULL, *said = rest_param(req, "region_id");
	const struct jval *given = jread_get(jread_get(req->body, "region"), "id");

	if (given && (!jread_str(given, &id) || strcmp(id, said) != 0))
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Conflicting region IDs specified: \"%s\" != \"%s\"", said, id ? id : "");
	return on_managed_create(req);
}

/* A region made by PUT has its path's id. */
static void region_complete(struct rest_req *req, void *record)
{
	if (strstr(req->route->path, "{region_id}"))
		((struct region *)record)->id = rest_param(req, "region_id");
}

const struct managed managed_region = {
        .resource = {.fields = &region_fields,
                .size = sizeof(struct region),
                .path = "/v3/regions"},
        .noun = "region",
        .param = "region_id",
        .defaults = region_defaults,
        .complete = region_complete,
        .check = region_check,
        .before_delete = region_before_delete,
};

static void service_defaults(struct rest_req *req, void *record)
{
	(void)req;
	((struct service *)record)->enabled = true;
}

static enum err service_before_delete(struct change *c)
{
	const char *id = ((const struct service *)c->old)->id;
	enum err err = sql_run(c->tx,
	        "DELETE FROM policy_association WHERE endpoint_id IN (SELECT e.id FROM endpoint e "
	        "WHERE e.service_id = ?)",
	        NULL, TEXTS(id));

	return err ? err : policies_forget(c->tx, "service", id);
}

static enum err endpoint_before_delete(struct change *c)
{
	return policies_forget(c->tx, "endpoint", ((const struct endpoint *)c->old)->id);
}

const struct managed managed_service = {
        .resource = {.fields = &service_fields,
                .size = sizeof(struct service),
                .path = "/v3/services"},
        .noun = "service",
        .param = "service_id",
        .defaults = service_defaults,
        .before_delete = service_before_delete,
};

static void endpoint_defaults(struct rest_req *req, void *record)
{
	(void)req;
	((struct endpoint *)record)->enabled = true;
}

/* Only what a catalog can fill in may be named: $(...)s or %(...)s. */
static bool is_good_url(const char *url)
{
	static const char *const known[] = {"tenant_id", "project_id", "user_id"};

	for (const char *at = url; *at; at++) {
		if (*at == '%' && at[1] != '(')
			return false;
		if ((*at != '%' && *at != '$') || at[1] != '(')
			continue;
		const char *name = at + 2;
		size_t len = strcspn(name, ")");
		bool found = false;
		for (unsigned i = 0; i < COUNT_OF(known); i++)
			found |= strlen(known[i]) == len && strncmp(name, known[i], len) == 0;
		if (!found || strncmp(name + len, ")s", 2) != 0)
			return false;
		at = name + len + 1;
	}
	return true;
}

/* The older name of region_id: such a region is made when it is not there. */
static enum err take_region(struct change *c, struct endpoint *e)
{
	struct region region = {.id = NULL};

	if (!field_given(e, ENDPOINT_REGION) || !e->region ||
	        (field_given(e, ENDPOINT_REGION_ID) && e->region_id))
		return ERR_OK;
	e->region_id = e->region;
	enum err err = fields_find(&region_fields, c->tx, e->region, c->req->arena, &region);
	if (err != ERR_NOT_FOUND)
		return err;
	region = (struct region){.id = e->region, .description = ""};
	return fields_insert(&region_fields, c->tx, &region);
}

static enum err endpoint_check(struct change *c)
{
	struct endpoint *e = c->record;

	if (!is_good_url(e->url))
		return rest_fail(c->req, ERR_BAD_REQUEST,
		        "Malformed endpoint URL (%.256s): wants %%(project_id)s, %%(tenant_id)s or "
		        "%%(user_id)s of what begins with '%%'.",
		        e->url);
	enum err taken = take_region(c, e);
	if (taken)
		return taken;
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
        .before_delete = endpoint_before_delete,
};
