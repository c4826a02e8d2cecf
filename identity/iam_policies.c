/* Policies within users and roles. What was derived from their keys is asked for anew when one
 * changes: proxies keep them along with the keys. */
#include "identity/aws.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include "lib/auth/aws_policy.h"
#include "lib/http/url.h"
#include <string.h>

#define DOCUMENT_MAX 10240
#define ALL_MAX      64 /* of one user or role */

struct owner {
	const char *id, *name;
	bool role;
};

static const char *table_of(const struct owner *o)
{
	return o->role ? "iam_role_policy" : "iam_user_policy";
}

static enum err find_owner(struct aws_call *c, struct db_tx *tx, bool role, struct owner *ret)
{
	struct iam_role found = {.id = NULL};

	ret->role = role;
	enum err err = aws_name(c, role ? "RoleName" : "UserName", 64, &ret->name);
	if (err)
		return err;
	if (!role)
		return aws_user(c, tx, ret->name, &ret->id);
	err = iam_role_find(c, tx, c->project_id, ret->name, &found);
	ret->id = found.id;
	return err;
}

static enum err changed(struct aws_call *c, struct db_tx *tx, const struct owner *o)
{
	return o->role ? revoke_credential(identity_of(c->req), tx, o->id)
	               : iam_user_changed(c, tx, o->id);
}

static const char *statement(
        struct aws_call *c, const char *before, const struct owner *o, const char *after)
{
	return arena_printf(c->arena, "%s %s %s", before, table_of(o), after);
}

#define OF "WHERE project_id = ? AND owner_id = ?"

static enum err put(struct aws_call *c, struct db_tx *tx, bool role)
{
	struct owner o;
	const char *name, *text = NULL;
	int64_t others;
	enum err err = find_owner(c, tx, role, &o);

	if (!err)
		err = aws_name(c, "PolicyName", 128, &name);
	if (!err)
		err = aws_document(
		        c, "PolicyDocument", DOCUMENT_MAX, s3_policy_check_attached, &text);
	if (!err && !text)
		err = aws_fail(
		        c, 400, "ValidationError", "The parameter PolicyDocument must be there.");
	if (!err)
		err = sql_int(tx, statement(c, "SELECT COUNT(*) FROM", &o, OF " AND name <> ?"),
		        &others, TEXTS(c->project_id, o.id, name));
	if (err)
		return err;
	if (others >= ALL_MAX)
		return aws_fail(
		        c, 409, "LimitExceeded", "Cannot exceed quota for policies: %d", ALL_MAX);
	err = sql_run(tx,
	        statement(c, "REPLACE INTO", &o,
	                "(project_id, owner_id, name, document) VALUES (?, ?, ?, ?)"),
	        NULL, TEXTS(c->project_id, o.id, name, text));
	return err ? err : changed(c, tx, &o);
}

static enum err missing(struct aws_call *c, const char *name)
{
	return aws_fail(c, 404, "NoSuchEntity", "The policy with name %s cannot be found.", name);
}

static enum err get(struct aws_call *c, struct db_tx *tx, bool role)
{
	struct owner o;
	const char *name, *text = NULL;
	AUTO(buf) struct buf quoted = BUF_NONE;
	enum err err = find_owner(c, tx, role, &o);

	if (!err)
		err = aws_name(c, "PolicyName", 128, &name);
	if (!err)
		err = sql_text(tx, statement(c, "SELECT document FROM", &o, OF " AND name = ?"),
		        c->arena, &text, TEXTS(c->project_id, o.id, name));
	if (err || !text)
		return err ? err : missing(c, name);
	url_quote(&quoted, text, "");
	aws_xml(c, role ? "RoleName" : "UserName", o.name);
	aws_xml(c, "PolicyName", name);
	aws_xml(c, "PolicyDocument", buf_text(&quoted));
	return ERR_OK;
}

static enum err list(struct aws_call *c, struct db_tx *tx, bool role)
{
	struct owner o;
	enum err err = find_owner(c, tx, role, &o);

	if (err)
		return err;
	struct db_query q = sql_query(tx, statement(c, "SELECT name FROM", &o, OF " ORDER BY name"),
	        TEXTS(c->project_id, o.id));
	buf_str(&c->xml, "<PolicyNames>");
	while (db_step(&q))
		aws_xml(c, "member", db_text(&q, 0));
	buf_str(&c->xml, "</PolicyNames><IsTruncated>false</IsTruncated>");
	return db_end(&q);
}

static enum err drop(struct aws_call *c, struct db_tx *tx, bool role)
{
	struct owner o;
	const char *name;
	unsigned count;
	enum err err = find_owner(c, tx, role, &o);

	if (!err)
		err = aws_name(c, "PolicyName", 128, &name);
	if (!err)
		err = sql_run(tx, statement(c, "DELETE FROM", &o, OF " AND name = ?"), &count,
		        TEXTS(c->project_id, o.id, name));
	if (err || !count)
		return err ? err : missing(c, name);
	return changed(c, tx, &o);
}

enum err iam_user_policy_put(struct aws_call *c, struct db_tx *tx)
{
	return put(c, tx, false);
}

enum err iam_user_policy_get(struct aws_call *c, struct db_tx *tx)
{
	return get(c, tx, false);
}

enum err iam_user_policy_list(struct aws_call *c, struct db_tx *tx)
{
	return list(c, tx, false);
}

enum err iam_user_policy_delete(struct aws_call *c, struct db_tx *tx)
{
	return drop(c, tx, false);
}

enum err iam_role_policy_put(struct aws_call *c, struct db_tx *tx)
{
	return put(c, tx, true);
}

enum err iam_role_policy_get(struct aws_call *c, struct db_tx *tx)
{
	return get(c, tx, true);
}

enum err iam_role_policy_list(struct aws_call *c, struct db_tx *tx)
{
	return list(c, tx, true);
}

enum err iam_role_policy_delete(struct aws_call *c, struct db_tx *tx)
{
	return drop(c, tx, true);
}
