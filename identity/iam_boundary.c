/* Permissions boundaries of users and roles: a managed policy that says what their others, and
 * roles of the identity service, may give them at the most. It gives nothing itself. */
#include "identity/iam.h"

#include "identity/sql.h"
#include <string.h>

#define PARAM "PermissionsBoundary"

static const char *statement(
        struct aws_call *c, const char *before, enum iam_kind kind, const char *after)
{
	return arena_printf(c->arena, "%s %s %s", before, iam_table(c, kind, "boundary"), after);
}

static enum err put(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o)
{
	struct iam_policy p;
	enum err err = iam_policy_of(c, tx, c->project_id, aws_param(c, PARAM), &p);

	return err ? err
	           : sql_run(tx,
	                     statement(c, "REPLACE INTO", o->kind,
	                             "(project_id, owner_id, policy_id) VALUES (?, ?, ?)"),
	                     NULL, TEXTS(c->project_id, o->id, p.id));
}

enum err iam_boundary_take(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o)
{
	return aws_param(c, PARAM) ? put(c, tx, o) : ERR_OK;
}

enum err iam_boundary_put(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	enum err err = iam_named(c, tx, c->action->about, &o);

	if (!err && !aws_param(c, PARAM))
		err = aws_fail(c, 400, "ValidationError", "The parameter " PARAM " must be there.");
	if (!err)
		err = put(c, tx, &o);
	return err ? err : iam_changed(c, tx, &o);
}

enum err iam_boundary_delete(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	unsigned count;
	enum err err = iam_named(c, tx, c->action->about, &o);

	if (!err)
		err = sql_run(tx,
		        statement(
		                c, "DELETE FROM", o.kind, "WHERE project_id = ? AND owner_id = ?"),
		        &count, TEXTS(c->project_id, o.id));
	if (err || !count)
		return err ? err
		           : aws_fail(c, 404, "NoSuchEntity", "%s has no permissions boundary.",
		                     o.name);
	return iam_changed(c, tx, &o);
}

enum err iam_boundary_arn(
        struct aws_call *c, struct db_tx *tx, const struct iam_owner *o, const char **ret)
{
	const char *id = NULL;
	struct iam_policy p;
	enum err err = sql_text(tx,
	        statement(c, "SELECT policy_id FROM", o->kind,
	                "WHERE project_id = ? AND owner_id = ?"),
	        c->arena, &id, TEXTS(c->project_id, o->id));

	*ret = NULL;
	if (err || !id)
		return err;
	err = iam_policy_by_id(c, tx, id, &p);
	if (!err)
		*ret = iam_policy_arn(c, &p);
	return err;
}

enum err iam_boundary_show(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o)
{
	const char *arn;
	enum err err = iam_boundary_arn(c, tx, o, &arn);

	if (err || !arn)
		return err;
	buf_str(&c->xml, "<" PARAM ">");
	aws_xml(c, "PermissionsBoundaryType", "PermissionsBoundaryPolicy");
	aws_xml(c, "PermissionsBoundaryArn", arn);
	buf_str(&c->xml, "</" PARAM ">");
	return ERR_OK;
}

enum err iam_boundary_uses(struct aws_call *c, struct db_tx *tx, const char *id, int64_t *ret)
{
#define COUNT(table) "(SELECT COUNT(*) FROM " table " WHERE project_id = ? AND policy_id = ?)"
	return sql_int(tx, "SELECT " COUNT("iam_user_boundary") " + " COUNT("iam_role_boundary"),
	        ret, TEXTS(c->project_id, id, c->project_id, id));
#undef COUNT
}
