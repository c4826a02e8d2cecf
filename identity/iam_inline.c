/* Policies within users, groups and roles. What was derived from keys is asked for anew when one
 * changes: proxies keep them along with the keys. */
#include "identity/iam.h"

#include "identity/sql.h"
#include "lib/auth/aws_policy.h"
#include <string.h>

#define OF "WHERE project_id = ? AND owner_id = ?"

static const char *statement(
        struct aws_call *c, const char *before, const struct iam_owner *o, const char *after)
{
	return arena_printf(c->arena, "%s %s %s", before, iam_table(c, o->kind, "policy"), after);
}

static enum err find(
        struct aws_call *c, struct db_tx *tx, struct iam_owner *ret_owner, const char **ret_name)
{
	enum err err = iam_named(c, tx, c->action->about, ret_owner);

	return err ? err : aws_name(c, "PolicyName", 128, ret_name);
}

enum err iam_inline_put(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	const char *name, *text = NULL;
	int64_t others, bytes;
	enum err err = find(c, tx, &o, &name);

	if (!err)
		err = aws_document_needed(
		        c, "PolicyDocument", IAM_INLINE_BYTES, s3_policy_check_attached, &text);
	if (!err)
		err = sql_int(tx, statement(c, "SELECT COUNT(*) FROM", &o, OF " AND name <> ?"),
		        &others, TEXTS(c->project_id, o.id, name));
	if (!err)
		err = aws_quota(c, others, IAM_INLINE, "policies");
	if (!err)
		err = sql_int(tx,
		        statement(c, "SELECT SUM(LENGTH(document)) FROM", &o, OF " AND name <> ?"),
		        &bytes, TEXTS(c->project_id, o.id, name));
	if (!err && bytes + (int64_t)strlen(text) > IAM_INLINE_TOTAL)
		err = aws_fail(c, 409, "LimitExceeded",
		        "Maximum policy size of %d bytes exceeded for %s.", IAM_INLINE_TOTAL,
		        o.name);
	if (!err)
		err = sql_run(tx,
		        statement(c, "REPLACE INTO", &o,
		                "(project_id, owner_id, name, document) VALUES (?, ?, ?, ?)"),
		        NULL, TEXTS(c->project_id, o.id, name, text));
	return err ? err : iam_changed(c, tx, &o);
}

static enum err missing(struct aws_call *c, const char *name)
{
	return aws_fail(c, 404, "NoSuchEntity", "The policy with name %s cannot be found.", name);
}

enum err iam_inline_get(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	const char *name, *text = NULL;
	enum err err = find(c, tx, &o, &name);

	if (!err)
		err = sql_text(tx, statement(c, "SELECT document FROM", &o, OF " AND name = ?"),
		        c->arena, &text, TEXTS(c->project_id, o.id, name));
	if (err || !text)
		return err ? err : missing(c, name);
	aws_xml(c, iam_param(o.kind), o.name);
	aws_xml(c, "PolicyName", name);
	aws_xml_document(c, "PolicyDocument", text);
	return ERR_OK;
}

enum err iam_inline_list(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	struct aws_page page;
	enum err err = iam_named(c, tx, c->action->about, &o);

	if (!err)
		err = aws_page_begin(c, &page);
	if (err)
		return err;
	struct db_query q =
	        sql_query(tx, statement(c, "SELECT name FROM", &o, OF " ORDER BY LOWER(name)"),
	                TEXTS(c->project_id, o.id));
	buf_str(&c->xml, "<PolicyNames>");
	while (db_step(&q)) {
		if (aws_page_takes(&page, db_text(&q, 0)))
			aws_xml(c, "member", db_text(&q, 0));
	}
	buf_str(&c->xml, "</PolicyNames>");
	aws_page_end(&page);
	return db_end(&q);
}

enum err iam_inline_delete(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	const char *name;
	unsigned count;
	enum err err = find(c, tx, &o, &name);

	if (!err)
		err = sql_run(tx, statement(c, "DELETE FROM", &o, OF " AND name = ?"), &count,
		        TEXTS(c->project_id, o.id, name));
	if (err || !count)
		return err ? err : missing(c, name);
	return iam_changed(c, tx, &o);
}
