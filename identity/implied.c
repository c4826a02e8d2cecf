/* Roles that imply others, and the list of all such rules. */
#include "identity/assign.h"
#include "identity/manage.h"
#include "identity/revoke.h"
#include "identity/sql.h"

#include <stdio.h>
#include <string.h>

struct implied {
	struct rest_req *req;
	struct role prior, implied; /* implied.id NULL: the path names none */
};

static void show_role(struct implied *i, const char *name, const char *id, const char *role)
{
	struct rest_req *req = i->req;

	jout_object(&req->json, name);
	jout_text(&req->json, "id", id);
	jout_text(&req->json, "name", role);
	jout_object(&req->json, "links");
	jout_text(&req->json, "self",
	        arena_printf(req->arena, "%s/v3/roles/%s", resource_base(req), id));
	jout_end_object(&req->json);
	jout_end_object(&req->json);
}

static enum err find_role(struct implied *i, struct db_tx *tx, const char *param, struct role *ret)
{
	const char *id = rest_param(i->req, param);
	enum err err = fields_find(&role_fields, tx, id, i->req->arena, ret);

	return err == ERR_NOT_FOUND ? rest_fail(i->req, err, "Could not find role: %s.", id) : err;
}

static enum err open_implied(struct implied *i, struct db_tx *tx, const char *rule)
{
	struct rest_req *req = i->req;
	bool both = strstr(req->route->path, "{implied_role_id}") != NULL;
	enum err allowed = rest_allow_as(req, rule, NULL, 0);
	enum err err = allowed ? allowed : find_role(i, tx, "prior_role_id", &i->prior);

	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	return err || !both ? err : find_role(i, tx, "implied_role_id", &i->implied);
}

static enum err is_there(struct implied *i, struct db_tx *tx)
{
	int64_t count;
	enum err err = sql_int(tx,
	        "SELECT COUNT(*) FROM implied_role WHERE prior_id = ? AND implied_id = ?", &count,
	        TEXTS(i->prior.id, i->implied.id));

	return err || count ? err
	                    : rest_fail(i->req, ERR_NOT_FOUND, "%s does not imply %s.", i->prior.id,
	                              i->implied.id);
}

/* {"role_inference": {"prior_role": ..., what follows */
static void begin_answer(struct implied *i)
{
	jout_object(&i->req->json, NULL);
	jout_object(&i->req->json, "role_inference");
	show_role(i, "prior_role", i->prior.id, i->prior.name);
}

static void end_answer(struct implied *i)
{
	struct rest_req *req = i->req;

	jout_end_object(&req->json);
	jout_object(&req->json, "links");
	jout_text(&req->json, "self",
	        arena_printf(req->arena, "%s%s", resource_base(req), req->path));
	jout_end_object(&req->json);
	jout_end_object(&req->json);
}

static void answer_one(struct implied *i)
{
	begin_answer(i);
	show_role(i, "implies", i->implied.id, i->implied.name);
	end_answer(i);
}

static enum err run_show(struct db_tx *tx, void *arg)
{
	struct implied i = {.req = arg};
	enum err err = open_implied(
	        &i, tx, i.req->head ? "identity:check_implied_role" : i.req->route->rule);

	if (!err)
		err = is_there(&i, tx);
	if (err)
		return err;
	if (i.req->head)
		i.req->status = 204;
	else
		answer_one(&i);
	return ERR_OK;
}

static enum err run_list(struct db_tx *tx, void *arg)
{
	struct implied i = {.req = arg};
	enum err err = open_implied(&i, tx, i.req->route->rule);

	if (err)
		return err;
	begin_answer(&i);
	jout_array(&i.req->json, "implies");
	struct db_query q = sql_query(tx,
	        "SELECT r.id, r.name FROM implied_role i JOIN role r ON r.id = i.implied_id WHERE "
	        "i.prior_id = ? ORDER BY r.id",
	        TEXTS(i.prior.id));
	while (db_step(&q))
		show_role(&i, NULL, db_text(&q, 0), db_text(&q, 1));
	jout_end_array(&i.req->json);
	end_answer(&i);
	return db_end(&q);
}

static enum err run_create(struct db_tx *tx, void *arg)
{
	struct implied i = {.req = arg};
	enum err err = open_implied(&i, tx, i.req->route->rule);

	if (err)
		return err;
	if (strcmp(i.implied.name, "admin") == 0)
		return rest_fail(
		        i.req, ERR_FORBIDDEN, "%s cannot be an implied roles.", i.implied.id);
	if (!*i.prior.domain_id && *i.implied.domain_id)
		return rest_fail(
		        i.req, ERR_FORBIDDEN, "Global role cannot imply a domain-specific role");
	err = sql_run(tx, "INSERT INTO implied_role (prior_id, implied_id) VALUES (?, ?)", NULL,
	        TEXTS(i.prior.id, i.implied.id));
	if (err == ERR_EXISTS)
		return rest_fail(i.req, err,
		        "Conflict occurred attempting to store implied_role - Duplicate entry.");
	if (!err)
		answer_one(&i);
	return err;
}

static enum err run_delete(struct db_tx *tx, void *arg)
{
	struct implied i = {.req = arg};
	enum err err = open_implied(&i, tx, i.req->route->rule);

	if (!err)
		err = is_there(&i, tx);
	if (!err)
		err = sql_run(tx, "DELETE FROM implied_role WHERE prior_id = ? AND implied_id = ?",
		        NULL, TEXTS(i.prior.id, i.implied.id));
	/* Whoever has lost the one holds the other. */
	return err ? err : revoke_role(identity_of(i.req), tx, i.prior.id);
}

static enum err run_inferences(struct db_tx *tx, void *arg)
{
	struct implied i = {.req = arg};
	struct jout *out = &i.req->json;
	char last[80] = "";

	buf_reset(&i.req->out);
	*out = (struct jout){.out = &i.req->out};
	struct db_query q = db_query(tx,
	        "SELECT p.id, p.name, r.id, r.name FROM implied_role i JOIN role p ON p.id = "
	        "i.prior_id JOIN role r ON r.id = i.implied_id ORDER BY p.id, r.id");
	jout_object(out, NULL);
	jout_array(out, "role_inferences");
	while (db_step(&q)) {
		if (strcmp(last, db_text(&q, 0)) != 0) {
			if (*last) {
				jout_end_array(out);
				jout_end_object(out);
			}
			snprintf(last, sizeof(last), "%s", db_text(&q, 0));
			jout_object(out, NULL);
			show_role(&i, "prior_role", db_text(&q, 0), db_text(&q, 1));
			jout_array(out, "implies");
		}
		show_role(&i, NULL, db_text(&q, 2), db_text(&q, 3));
	}
	if (*last) {
		jout_end_array(out);
		jout_end_object(out);
	}
	jout_end_array(out);
	jout_end_object(out);
	return db_end(&q);
}

enum err on_implied_show(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_show, req);
}

enum err on_implied_list(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_list, req);
}

enum err on_implied_create(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_create, req);
}

enum err on_implied_delete(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_delete, req);
}

enum err on_inferences(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_inferences, req);
}
