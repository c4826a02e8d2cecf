/* IAM's roles: rights in an account that somebody takes for a while. */
#include "identity/iam.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include "lib/auth/aws_policy.h"

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
	struct db_query q = sql_query(
	        tx, ROLES "project_id = ? AND LOWER(name) = LOWER(?)", TEXTS(project_id, name));

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
	aws_xml(c, "Path", r->path);
	aws_xml(c, "RoleName", r->name);
	aws_xml(c, "RoleId", r->id);
	aws_xml(c, "Arn",
	        arena_printf(
	                c->arena, "arn:aws:iam::%s:role%s%s", r->project_id, r->path, r->name));
	aws_xml_time(c, "CreateDate", (uint64_t)r->created_us);
	aws_xml_document(c, "AssumeRolePolicyDocument", r->trust);
	if (r->description)
		aws_xml(c, "Description", r->description);
	aws_xml_int(c, "MaxSessionDuration", r->max_seconds);
}

static enum err find_named(struct aws_call *c, struct db_tx *tx, struct iam_role *ret)
{
	const char *name;
	enum err err = aws_name(c, "RoleName", 64, &name);

	return err ? err : iam_role_find(c, tx, c->project_id, name, ret);
}

static enum err show_whole(struct aws_call *c, struct db_tx *tx, const struct iam_role *r)
{
	const struct iam_owner o = {IAM_ROLE, r->id, r->name, r->path};

	buf_str(&c->xml, "<Role>");
	show(c, r);
	enum err err = iam_boundary_show(c, tx, &o);
	if (!err)
		err = iam_tags_show(c, tx, &o);
	buf_str(&c->xml, "</Role>");
	return err;
}

enum err iam_role_get(struct aws_call *c, struct db_tx *tx)
{
	struct iam_role role = {.id = NULL};
	enum err err = find_named(c, tx, &role);

	return err ? err : show_whole(c, tx, &role);
}

enum err iam_role_list(struct aws_call *c, struct db_tx *tx)
{
	struct aws_page page;
	struct iam_role role;
	enum err err = aws_page_begin(c, &page);

	if (err)
		return err;
	struct db_query q =
	        sql_query(tx, ROLES "project_id = ? ORDER BY LOWER(name)", TEXTS(c->project_id));
	buf_str(&c->xml, "<Roles>");
	while (db_step(&q)) {
		load(&q, c->arena, &role);
		if (!iam_below(c, role.path) || !aws_page_takes(&page, role.name))
			continue;
		buf_str(&c->xml, "<member>");
		show(c, &role);
		buf_str(&c->xml, "</member>");
	}
	buf_str(&c->xml, "</Roles>");
	aws_page_end(&page);
	return db_end(&q);
}

/* --- made, changed, gone --- */

static enum err read_duration(struct aws_call *c, int64_t standard, int64_t *ret)
{
	return aws_number(c, "MaxSessionDuration", 3600, SESSION_MAX_S, standard, ret);
}

static enum err read_new(struct aws_call *c, struct db_tx *tx, struct iam_role *r)
{
	int64_t count;
	enum err err = aws_name(c, "RoleName", 64, &r->name);

	if (!err)
		err = aws_path(c, "Path", &r->path);
	if (!err)
		err = aws_document_needed(c, "AssumeRolePolicyDocument", IAM_TRUST_BYTES,
		        s3_policy_check_trust, &r->trust);
	if (!err)
		err = read_duration(c, 3600, &r->max_seconds);
	if (!err)
		err = aws_text(c, "Description", 1000, &r->description);
	if (!err)
		err = iam_free(c, tx, IAM_ROLE, r->name, NULL);
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM iam_role WHERE project_id = ?", &count,
		        TEXTS(c->project_id));
	return err ? err : aws_quota(c, count, IAM_ROLES, "RolesPerAccount");
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
	        .created_us = (int64_t)time_now_us()};
	enum err err = read_new(c, tx, &role);

	if (!err)
		err = insert(tx, &role);
	const struct iam_owner o = {IAM_ROLE, role.id, role.name, role.path};
	if (!err)
		err = iam_boundary_take(c, tx, &o);
	if (!err)
		err = iam_tags_take(c, tx, &o);
	return err ? err : show_whole(c, tx, &role);
}

static enum err update(struct db_tx *tx, const struct iam_role *r)
{
	struct db_query q =
	        db_query(tx, "UPDATE iam_role SET description = ?, max_seconds = ? WHERE id = ?");

	db_bind_text(&q, r->description);
	db_bind_int(&q, r->max_seconds);
	db_bind_text(&q, r->id);
	return db_exec(&q, NULL);
}

/* A description that is not there stays, an empty one takes it away; without a duration it is an
 * hour. */
enum err iam_role_update(struct aws_call *c, struct db_tx *tx)
{
	struct iam_role role = {.id = NULL};
	enum err err = find_named(c, tx, &role);

	if (!err && query_get(&c->form, "Description"))
		err = aws_text(c, "Description", 1000, &role.description);
	if (!err)
		err = read_duration(c, 3600, &role.max_seconds);
	return err ? err : update(tx, &role);
}

enum err iam_role_describe(struct aws_call *c, struct db_tx *tx)
{
	struct iam_role role = {.id = NULL};
	enum err err = find_named(c, tx, &role);

	if (!err)
		err = aws_text(c, "Description", 1000, &role.description);
	if (!err)
		err = update(tx, &role);
	return err ? err : show_whole(c, tx, &role);
}

enum err iam_role_trust(struct aws_call *c, struct db_tx *tx)
{
	struct iam_role role = {.id = NULL};
	const char *trust;
	enum err err = find_named(c, tx, &role);

	if (!err)
		err = aws_document_needed(
		        c, "PolicyDocument", IAM_TRUST_BYTES, s3_policy_check_trust, &trust);
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
		err = sql_int(tx,
		        "SELECT (SELECT COUNT(*) FROM iam_role_policy WHERE owner_id = ?) + "
		        "(SELECT "
		        "COUNT(*) FROM iam_role_attached WHERE owner_id = ?)",
		        &policies, TEXTS(role.id, role.id));
	if (err)
		return err;
	if (policies)
		return aws_fail(c, 409, "DeleteConflict",
		        "Cannot delete entity, must delete or detach policies first.");
	err = sql_run(tx, "DELETE FROM iam_role WHERE id = ?", NULL, TEXTS(role.id));
	return err ? err : revoke_credential(identity_of(c->req), tx, role.id);
}
