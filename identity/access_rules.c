/* Access rules: what of which service an application credential may be used for. A rule is the
 * user's, and several credentials may have the same one. */
#include "identity/applications.h"
#include "identity/sql.h"

#include <stddef.h>
#include <string.h>

static const char *const methods[] = {"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", NULL};

#define TEXT(name, flags, max)                                                                     \
	{                                                                                          \
#name, FIELD_TEXT, offsetof(struct user_rule, name), (flags), 1, (max), NULL       \
	}
#define GIVEN (FIELD_CREATE | FIELD_REQUIRED | FIELD_FILTER)

static const struct field items[] = {
        TEXT(id, 0, 64),
        TEXT(user_id, FIELD_HIDDEN, 64),
        TEXT(service, GIVEN, 64),
        TEXT(path, GIVEN, 225),
        {"method", FIELD_TEXT, offsetof(struct user_rule, method), GIVEN, 0, 0, methods},
};
const struct fields access_rule_fields = {.name = "access_rule",
        .plural = "access_rules",
        .table = "access_rule",
        .items = items,
        .count = COUNT_OF(items)};

/* --- of a credential --- */

enum err application_rules_load(struct rest_req *req, struct db_tx *tx, struct application *a)
{
	AUTO(buf) struct buf json = BUF_NONE;
	struct jout out = {.out = &json};
	unsigned count = 0;
	struct db_query q = sql_query(tx,
	        "SELECT r.id, r.service, r.path, r.method FROM application_rule a JOIN access_rule "
	        "r ON r.id = a.rule_id WHERE a.application_id = ? ORDER BY r.id",
	        TEXTS(a->id));

	jout_array(&out, NULL);
	for (; db_step(&q); count++) {
		jout_object(&out, NULL);
		jout_text(&out, "id", db_text(&q, 0));
		jout_text(&out, "service", db_text(&q, 1));
		jout_text(&out, "path", db_text(&q, 2));
		jout_text(&out, "method", db_text(&q, 3));
		jout_end_object(&out);
	}
	jout_end_array(&out);
	a->rules = count ? arena_strdup(req->arena, buf_text(&json)) : NULL;
	return db_end(&q);
}

/* Without an id it is the user's own of the same meaning, or a new one. */
static enum err find_or_make(
        struct rest_req *req, struct db_tx *tx, struct user_rule *rule, const char **ret_id)
{
	enum err err = sql_text(tx,
	        "SELECT id FROM access_rule WHERE user_id = ? AND service = ? AND path = ? AND "
	        "method = ?",
	        req->arena, ret_id, TEXTS(rule->user_id, rule->service, rule->path, rule->method));

	if (err || *ret_id)
		return err;
	*ret_id = rule->id = resource_new_id(req->arena);
	return fields_insert(&access_rule_fields, tx, rule);
}

static enum err read_rule(struct rest_req *req, struct db_tx *tx, const struct jval *item,
        const char *user_id, const char **ret_id)
{
	struct user_rule rule = {.user_id = user_id};
	AUTO(buf) struct buf error = BUF_NONE;
	const char *id;

	if (jread_str(jread_get(item, "id"), &id)) {
		enum err err =
		        sql_text(tx, "SELECT id FROM access_rule WHERE id = ? AND user_id = ?",
		                req->arena, ret_id, TEXTS(id, user_id));
		if (err || *ret_id)
			return err;
		return rest_fail(req, ERR_BAD_REQUEST, "Could not find Access Rule: %s.", id);
	}
	enum err err =
	        fields_read(&access_rule_fields, item, FOR_CREATE, req->arena, &rule, &error);
	if (err)
		return rest_fail(req, err, "%s", buf_text(&error));
	if (*rule.path != '/')
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Invalid input for field 'path': wants a path, from '/'.");
	return find_or_make(req, tx, &rule, ret_id);
}

enum err application_rules_store(
        struct rest_req *req, struct db_tx *tx, const struct application *a)
{
	AUTO(jroot) struct jroot given = JROOT_NONE;
	const char *id;
	enum err err = ERR_OK;

	jread_parse(a->access_rules, strlen(a->access_rules), &given);
	if (!jread_is_array(given.value))
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Invalid input for field 'access_rules': wants an array.");
	for (size_t i = 0; i < jread_len(given.value) && !err; i++) {
		err = read_rule(req, tx, jread_at(given.value, i), a->user_id, &id);
		if (!err)
			err = sql_run(tx,
			        "REPLACE INTO application_rule (application_id, rule_id) VALUES "
			        "(?, ?)",
			        NULL, TEXTS(a->id, id));
	}
	return err;
}

/* --- of a user --- */

static struct resource resource_of(struct rest_req *req)
{
	return (struct resource){.fields = &access_rule_fields,
	        .size = sizeof(struct user_rule),
	        .path = arena_printf(
	                req->arena, "/v3/users/%s/access_rules", rest_param(req, "user_id"))};
}

static enum err open_rules(struct rest_req *req, struct db_tx *tx)
{
	struct policy_fact target = {"target.user.id", rest_param(req, "user_id")};
	enum err err = rest_allow(req, &target, 1);

	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	return err ? err : application_may(req, tx, false);
}

static enum err list(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	AUTO(resource_where) struct resource_where where = {.count = 0};
	struct resource resource = resource_of(req);
	enum err err = open_rules(req, tx);

	if (err)
		return err;
	resource_where(&where, "t.user_id = ?", rest_param(req, "user_id"), 0);
	return resource_list(req, tx, &resource, NULL, &where);
}

enum err on_access_rule_list(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, list, req);
}

static enum err find(struct rest_req *req, struct db_tx *tx, struct user_rule *rule)
{
	const char *id = rest_param(req, "access_rule_id");
	enum err err = open_rules(req, tx);

	if (!err)
		err = fields_find(&access_rule_fields, tx, id, req->arena, rule);
	if (!err && strcmp(rule->user_id, rest_param(req, "user_id")) != 0)
		err = ERR_NOT_FOUND;
	return err == ERR_NOT_FOUND ? rest_fail(req, err, "Could not find Access Rule: %s.", id)
	                            : err;
}

static enum err show(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	struct user_rule rule = {.id = NULL};
	struct resource resource = resource_of(req);
	enum err err = find(req, tx, &rule);

	if (!err)
		resource_show(req, &resource, &rule);
	return err;
}

enum err on_access_rule_show(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, show, req);
}

static enum err delete (struct db_tx *tx, void *arg) {
	struct rest_req *req = arg; struct user_rule rule = {.id = NULL};
	enum err err = find(req, tx, &rule);

	if (!err) err = fields_delete(&access_rule_fields, tx, rule.id);
	if (err == ERR_CONFLICT) return rest_fail(
	        req, ERR_FORBIDDEN, "May not delete access rule in use");
	return err;
}

enum err on_access_rule_delete(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, delete, req);
}
