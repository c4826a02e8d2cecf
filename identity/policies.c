/* Policies: texts that a service may fetch, of one endpoint, of a service, or of a service in a
 * region. What they say is the service's. */
#include "identity/policies.h"
#include "identity/sql.h"

#include <string.h>

static void policy_loaded(void *record)
{
	struct policy_text *p = record;

	p->blob = p->content;
}

static enum err policy_check(struct change *c)
{
	struct policy_text *p = c->record;

	p->content = p->blob;
	return ERR_OK;
}

const struct managed managed_policy = {
        .resource = {.fields = &policy_text_fields,
                .loaded = policy_loaded,
                .size = sizeof(struct policy_text),
                .path = "/v3/policies"},
        .noun = "policy",
        .param = "policy_id",
        .check = policy_check,
};

/* --- associations --- */

struct association {
	struct rest_req *req;
	const char *policy_id, *endpoint_id, *service_id, *region_id; /* "": none */
};

static enum err need(struct rest_req *req, struct db_tx *tx, const struct fields *fields,
        const char *param, const char *noun, const char **ret_id)
{
	void *record = arena_zalloc(req->arena, sizeof(union {
		struct policy_text p;
		struct endpoint e;
		struct service s;
		struct region r;
	}));

	*ret_id = "";
	if (!strstr(req->route->path, arena_printf(req->arena, "{%s}", param)))
		return ERR_OK;
	*ret_id = rest_param(req, param);
	enum err err = fields_find(fields, tx, *ret_id, req->arena, record);
	return err == ERR_NOT_FOUND ? rest_fail(req, err, "Could not find %s: %s.", noun, *ret_id)
	                            : err;
}

static enum err open_association(struct association *a, struct db_tx *tx)
{
	struct rest_req *req = a->req;
	enum err err = need(req, tx, &policy_text_fields, "policy_id", "policy", &a->policy_id);

	if (!err)
		err = need(req, tx, &endpoint_fields, "endpoint_id", "endpoint", &a->endpoint_id);
	if (!err)
		err = need(req, tx, &service_fields, "service_id", "service", &a->service_id);
	if (!err)
		err = need(req, tx, &region_fields, "region_id", "region", &a->region_id);
	return err;
}

static enum err run_set(struct db_tx *tx, void *arg)
{
	struct association a = {.req = arg};
	enum err err = open_association(&a, tx);

	return err ? err
	           : sql_run(tx,
	                     "REPLACE INTO policy_association (endpoint_id, service_id, region_id, "
	                     "policy_id) VALUES (?, ?, ?, ?)",
	                     NULL, TEXTS(a.endpoint_id, a.service_id, a.region_id, a.policy_id));
}

#define THIS                                                                                       \
	" FROM policy_association WHERE endpoint_id = ? AND service_id = ? AND region_id = ? AND " \
	"policy_id = ?"

static enum err run_check(struct db_tx *tx, void *arg)
{
	struct association a = {.req = arg};
	int64_t count = 0;
	enum err err = open_association(&a, tx);

	if (!err)
		err = sql_int(tx, "SELECT COUNT(*)" THIS, &count,
		        TEXTS(a.endpoint_id, a.service_id, a.region_id, a.policy_id));
	return err || count ? err
	                    : rest_fail(a.req, ERR_NOT_FOUND, "Could not find policy association.");
}

static enum err run_clear(struct db_tx *tx, void *arg)
{
	struct association a = {.req = arg};
	enum err err = open_association(&a, tx);

	return err ? err
	           : sql_run(tx, "DELETE" THIS, NULL,
	                     TEXTS(a.endpoint_id, a.service_id, a.region_id, a.policy_id));
}

/* Endpoints of a policy: its own, its services', and its services' in regions and below them. */
static enum err run_endpoints(struct db_tx *tx, void *arg)
{
	struct association a = {.req = arg};
	AUTO(resource_where) struct resource_where where = {.count = 0};
	enum err err = open_association(&a, tx);

	if (err)
		return err;
	resource_where(&where,
	        "t.id IN (WITH RECURSIVE mine (endpoint_id, service_id, region_id) AS (SELECT "
	        "endpoint_id, service_id, region_id FROM policy_association WHERE policy_id = ? "
	        "UNION SELECT m.endpoint_id, m.service_id, r.id FROM mine m JOIN region r ON "
	        "r.parent_region_id = m.region_id) SELECT e.id FROM endpoint e JOIN mine m ON "
	        "m.endpoint_id = e.id OR (m.service_id = e.service_id AND (m.region_id = '' OR "
	        "m.region_id = e.region_id)))",
	        a.policy_id, 0);
	return resource_list(a.req, tx, &managed_endpoint.resource, NULL, &where);
}

/* The nearest one: the endpoint's, its service's in the region or one above, its service's. */
static enum err find_policy(
        struct rest_req *req, struct db_tx *tx, const char *endpoint_id, const char **ret_id)
{
	static const char *const find = "SELECT policy_id FROM policy_association WHERE "
	                                "endpoint_id = ? AND service_id = ? AND region_id = ?";
	struct endpoint e = {.id = NULL};
	struct region region = {.id = NULL};
	enum err err = fields_find(&endpoint_fields, tx, endpoint_id, req->arena, &e);

	if (!err)
		err = sql_text(tx, find, req->arena, ret_id, TEXTS(e.id, "", ""));
	const char *at = e.region_id;
	for (unsigned depth = 0; !err && !*ret_id && at && depth < 64; depth++) {
		err = sql_text(tx, find, req->arena, ret_id, TEXTS("", e.service_id, at));
		if (!err)
			err = fields_find(&region_fields, tx, at, req->arena, &region);
		at = region.parent_region_id;
	}
	if (!err && !*ret_id)
		err = sql_text(tx, find, req->arena, ret_id, TEXTS("", e.service_id, ""));
	return err;
}

static enum err run_policy(struct db_tx *tx, void *arg)
{
	struct association a = {.req = arg};
	struct policy_text policy = {.id = NULL};
	const char *id = NULL;
	enum err err = open_association(&a, tx);

	buf_reset(&a.req->out);
	a.req->json = (struct jout){.out = &a.req->out};
	if (!err)
		err = find_policy(a.req, tx, a.endpoint_id, &id);
	if (!err && !id)
		return rest_fail(a.req, ERR_NOT_FOUND, "No policy is associated with endpoint %s.",
		        a.endpoint_id);
	if (!err)
		err = fields_find(&policy_text_fields, tx, id, a.req->arena, &policy);
	if (err)
		return err;
	policy_loaded(&policy);
	resource_show(a.req, &managed_policy.resource, &policy);
	return ERR_OK;
}

enum err policies_forget(struct db_tx *tx, const char *what, const char *id)
{
	AUTO(buf) struct buf sql = BUF_NONE;

	buf_printf(&sql, "DELETE FROM policy_association WHERE %s_id = ?", what);
	return sql_run(tx, buf_text(&sql), NULL, TEXTS(id));
}

enum err on_association_set(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_set, req);
}

enum err on_association_check(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_check, req);
}

enum err on_association_clear(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_clear, req);
}

enum err on_policy_endpoints(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_endpoints, req);
}

enum err on_endpoint_policy(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_policy, req);
}
