/* IAM's roles: rights in an account that somebody takes for a while. */
#include "identity/aws.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include "lib/auth/aws_policy.h"
#include "lib/http/url.h"
#include <stdlib.h>
#include <string.h>

#define TRUST_MAX 4096

#define ROLES                                                                                      \
	"SELECT id, project_id, name, path, description, trust, max_seconds, created_us FROM "     \
	"iam_role WHERE "

static const char *copy(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

static void load(struct db_query *q, struct arena *arena, struct iam_role *r)
{
	*r = (struct iam_role){.id = copy(arena, db_text(q, 0)),
	        .project_id = copy(arena, db_text(q, 1)),
	        .name = copy(arena, db_text(q, 2)),
	        .path = copy(arena, db_text(q, 3)),
	        .description = copy(arena, db_text(q, 4)),
	        .trust = copy(arena, db_text(q, 5)),
	        .max_seconds = db_int(q, 6),
	        .created_us = db_int(q, 7)};
}

enum err iam_role_find(struct aws_call *c, struct db_tx *tx, const char *project_id,
        const char *name, struct iam_role *ret)
{
	struct db_query q =
	        sql_query(tx, ROLES "project_id = ? AND name = ?", TEXTS(project_id, name));

	ret->id = NULL;
	if (db_step(&q))
		load(&q, c->arena, ret);
	enum err err = db_end(&q);
	if (err || ret->id)
		return err;
	return aws_fail(c, 404, "NoSuchEntity", "The role with name %.100s cannot be found.", name);
}

static void show(struct aws_call *c, const struct iam_role *r)
{
	AUTO(buf) struct buf quoted = BUF_NONE;

	url_quote(&quoted, r->trust, "");
	aws_xml(c, "Path", r->path);
	aws_xml(c, "RoleName", r->name);
	aws_xml(c, "RoleId", r->id);
	aws_xml(c, "Arn",
	        arena_printf(
	                c->arena, "arn:aws:iam::%s:role%s%s", r->project_id, r->path, r->name));
	aws_xml_time(c, "CreateDate", (uint64_t)r->created_us);
	aws_xml(c, "AssumeRolePolicyDocument", buf_text(&quoted));
	if (r->description)
		aws_xml(c, "Description", r->description);
	buf_printf(&c->xml, "<MaxSessionDuration>%lld</MaxSessionDuration>",
	        (long long)r->max_seconds);
}

static enum err find_named(struct aws_call *c, struct db_tx *tx, struct iam_role *ret)
{
	const char *name;
	enum err err = aws_name(c, "RoleName", 64, &name);

	return err ? err : iam_role_find(c, tx, c->project_id, name, ret);
}

enum err iam_role_get(struct aws_call *c, struct db_tx *tx)
{
	struct iam_role role = {.id = NULL};
	enum err err = find_named(c, tx, &role);

	if (err)
		return err;
	buf_str(&c->xml, "<Role>");
	show(c, &role);
	buf_str(&c->xml, "</Role>");
	return ERR_OK;
}

enum err iam_role_list(struct aws_call *c, struct db_tx *tx)
{
	const char *prefix = aws_param(c, "PathPrefix");
	struct db_query q =
	        sql_query(tx, ROLES "project_id = ? ORDER BY name", TEXTS(c->project_id));
	struct iam_role role;

	buf_str(&c->xml, "<Roles>");
	while (db_step(&q)) {
		load(&q, c->arena, &role);
		if (prefix && strncmp(role.path, prefix, strlen(prefix)) != 0)
			continue;
		buf_str(&c->xml, "<member>");
		show(c, &role);
		buf_str(&c->xml, "</member>");
	}
	buf_str(&c->xml, "</Roles><IsTruncated>false</IsTruncated>");
	return db_end(&q);
}

/* --- made, changed, gone --- */

static enum err read_trust(struct aws_call *c, const char *param, const char **ret)
{
	*ret = NULL;
	enum err err = aws_document(c, param, TRUST_MAX, s3_policy_check_trust, ret);
	return err || *ret ? err
	                   : aws_fail(c, 400, "ValidationError", "The parameter %s must be there.",
	                             param);
}

static enum err read_duration(struct aws_call *c, int64_t *ret)
{
	const char *text = aws_param(c, "MaxSessionDuration");
	char *end = NULL;
	long long seconds = text ? strtoll(text, &end, 10) : 3600;

	if (text && (*end || seconds < 3600 || seconds > SESSION_MAX_S))
		return aws_fail(c, 400, "ValidationError",
		        "MaxSessionDuration must be between 3600 and %d seconds", SESSION_MAX_S);
	*ret = seconds;
	return ERR_OK;
}

static enum err insert(struct db_tx *tx, const struct iam_role *r)
{
	struct db_query q = db_query(tx,
	        "INSERT INTO iam_role (id, project_id, name, path, description, trust, "
	        "max_seconds, created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");

	db_bind_text(&q, r->id);
	db_bind_text(&q, r->project_id);
	db_bind_text(&q, r->name);
	db_bind_text(&q, r->path);
	db_bind_text(&q, r->description);
	db_bind_text(&q, r->trust);
	db_bind_int(&q, r->max_seconds);
	db_bind_int(&q, r->created_us);
	return db_exec(&q, NULL);
}

enum err iam_role_create(struct aws_call *c, struct db_tx *tx)
{
	struct iam_role role = {.id = resource_new_id(c->arena),
	        .project_id = c->project_id,
	        .description = aws_param(c, "Description"),
	        .created_us = (int64_t)time_now_us()};
	struct iam_role there = {.id = NULL};
	enum err err = aws_name(c, "RoleName", 64, &role.name);

	if (!err)
		err = aws_path(c, &role.path);
	if (!err)
		err = read_trust(c, "AssumeRolePolicyDocument", &role.trust);
	if (!err)
		err = read_duration(c, &role.max_seconds);
	if (!err && role.description && strlen(role.description) > 1000)
		err = aws_fail(c, 400, "ValidationError",
		        "Description must have length less than "
		        "or equal to 1000");
	if (err)
		return err;
	err = iam_role_find(c, tx, c->project_id, role.name, &there);
	if (!err)
		return aws_fail(c, 409, "EntityAlreadyExists", "Role with name %s already exists.",
		        role.name);
	if (!c->status)
		return err;
	c->status = 0;
	if ((err = insert(tx, &role)))
		return err;
	buf_str(&c->xml, "<Role>");
	show(c, &role);
	buf_str(&c->xml, "</Role>");
	return ERR_OK;
}

enum err iam_role_trust(struct aws_call *c, struct db_tx *tx)
{
	struct iam_role role = {.id = NULL};
	const char *trust;
	enum err err = find_named(c, tx, &role);

	if (!err)
		err = read_trust(c, "PolicyDocument", &trust);
	return err ? err
	           : sql_run(tx, "UPDATE iam_role SET trust = ? WHERE id = ?", NULL,
	                     TEXTS(trust, role.id));
}

enum err iam_role_delete(struct aws_call *c, struct db_tx *tx)
{
	struct iam_role role = {.id = NULL};
	int64_t policies;
	enum err err = find_named(c, tx, &role);

	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM iam_role_policy WHERE owner_id = ?",
		        &policies, TEXTS(role.id));
	if (err)
		return err;
	if (policies)
		return aws_fail(c, 409, "DeleteConflict",
		        "Cannot delete entity, must delete policies first.");
	err = sql_run(tx, "DELETE FROM iam_role WHERE id = ?", NULL, TEXTS(role.id));
	return err ? err : revoke_credential(identity_of(c->req), tx, role.id);
}
