/* IAM's groups: users of an account for whom the same policies count. They are none of the identity
 * service's groups, and give no roles. */
#include "identity/iam.h"

#include "identity/sql.h"

#define GROUPS "SELECT g.id, g.name, g.path, g.created_us FROM iam_group g "

static void show(struct aws_call *c, const struct iam_owner *o, int64_t created_us)
{
	aws_xml(c, "Path", o->path);
	aws_xml(c, "GroupName", o->name);
	aws_xml(c, "GroupId", o->id);
	aws_xml(c, "Arn", iam_arn(c, o));
	aws_xml_time(c, "CreateDate", (uint64_t)created_us);
}

static void show_row(struct aws_call *c, struct db_query *q)
{
	const struct iam_owner o = {IAM_GROUP, db_text(q, 0), db_text(q, 1), db_text(q, 2)};

	show(c, &o, db_int(q, 3));
}

enum err iam_group_create(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o = {IAM_GROUP, resource_new_id(c->arena), NULL, NULL};
	int64_t count, now = (int64_t)time_now_us();
	enum err err = aws_name(c, "GroupName", 128, &o.name);

	if (!err)
		err = aws_path(c, "Path", &o.path);
	if (!err)
		err = iam_free(c, tx, IAM_GROUP, o.name, NULL);
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM iam_group WHERE project_id = ?", &count,
		        TEXTS(c->project_id));
	if (!err)
		err = aws_quota(c, count, IAM_GROUPS, "GroupsPerAccount");
	if (err)
		return err;
	struct db_query q = sql_query(tx,
	        "INSERT INTO iam_group (id, project_id, name, path, created_us) VALUES (?, ?, ?, "
	        "?, "
	        "?)",
	        TEXTS(o.id, c->project_id, o.name, o.path));
	db_bind_int(&q, now);
	if ((err = db_exec(&q, NULL)))
		return err;
	buf_str(&c->xml, "<Group>");
	show(c, &o, now);
	buf_str(&c->xml, "</Group>");
	return ERR_OK;
}

static enum err show_members(struct aws_call *c, struct db_tx *tx, const char *group_id)
{
	struct aws_page page;
	enum err err = aws_page_begin(c, &page);

	if (err)
		return err;
	struct db_query q = sql_query(tx,
	        "SELECT u.id, " IAM_USER_NAME
	        ", i.path, u.created_us FROM iam_member m JOIN user u ON u.id = "
	        "m.user_id LEFT JOIN iam_user i ON i.user_id = u.id AND i.project_id = ? WHERE "
	        "m.group_id = ? ORDER BY LOWER(" IAM_USER_NAME ")",
	        TEXTS(iam_suffix(c), c->project_id, group_id, iam_suffix(c)));
	buf_str(&c->xml, "<Users>");
	while (db_step(&q)) {
		if (!aws_page_takes(&page, db_text(&q, 1)))
			continue;
		buf_str(&c->xml, "<member>");
		iam_user_show(
		        c, db_text(&q, 0), db_text(&q, 1), db_text(&q, 2), (uint64_t)db_int(&q, 3));
		buf_str(&c->xml, "</member>");
	}
	buf_str(&c->xml, "</Users>");
	aws_page_end(&page);
	return db_end(&q);
}

enum err iam_group_get(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	enum err err = iam_named(c, tx, IAM_GROUP, &o);

	if (err)
		return err;
	struct db_query q = sql_query(tx, GROUPS "WHERE g.id = ?", TEXTS(o.id));
	buf_str(&c->xml, "<Group>");
	if (db_step(&q))
		show_row(c, &q);
	buf_str(&c->xml, "</Group>");
	err = db_end(&q);
	return err ? err : show_members(c, tx, o.id);
}

/* Of what the query gives, those below PathPrefix. */
static enum err list(struct aws_call *c, struct db_query *q, struct aws_page *page)
{
	buf_str(&c->xml, "<Groups>");
	while (db_step(q)) {
		if (!iam_below(c, db_text(q, 2)) || !aws_page_takes(page, db_text(q, 1)))
			continue;
		buf_str(&c->xml, "<member>");
		show_row(c, q);
		buf_str(&c->xml, "</member>");
	}
	buf_str(&c->xml, "</Groups>");
	aws_page_end(page);
	return db_end(q);
}

enum err iam_group_list(struct aws_call *c, struct db_tx *tx)
{
	struct aws_page page;
	enum err err = aws_page_begin(c, &page);

	if (err)
		return err;
	struct db_query q = sql_query(
	        tx, GROUPS "WHERE g.project_id = ? ORDER BY LOWER(g.name)", TEXTS(c->project_id));
	return list(c, &q, &page);
}

enum err iam_group_update(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	enum err err = iam_named(c, tx, IAM_GROUP, &o);

	if (!err && aws_param(c, "NewPath"))
		err = aws_path(c, "NewPath", &o.path);
	if (!err && aws_param(c, "NewGroupName"))
		err = aws_name(c, "NewGroupName", 128, &o.name);
	if (!err)
		err = aws_allowed(c, iam_arn(c, &o));
	if (!err)
		err = iam_free(c, tx, IAM_GROUP, o.name, o.id);
	return err ? err
	           : sql_run(tx, "UPDATE iam_group SET name = ?, path = ? WHERE id = ?", NULL,
	                     TEXTS(o.name, o.path, o.id));
}

enum err iam_group_delete(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	int64_t used;
	enum err err = iam_named(c, tx, IAM_GROUP, &o);

	if (!err)
		err = sql_int(tx,
		        "SELECT (SELECT COUNT(*) FROM iam_member WHERE group_id = ?) + (SELECT "
		        "COUNT(*) FROM iam_group_policy WHERE owner_id = ?) + (SELECT COUNT(*) "
		        "FROM "
		        "iam_group_attached WHERE owner_id = ?)",
		        &used, TEXTS(o.id, o.id, o.id));
	if (err)
		return err;
	if (used)
		return aws_fail(c, 409, "DeleteConflict",
		        "Cannot delete entity, must remove users from group and delete or detach "
		        "policies first.");
	return sql_run(tx, "DELETE FROM iam_group WHERE id = ?", NULL, TEXTS(o.id));
}

/* --- members --- */

static enum err find_both(struct aws_call *c, struct db_tx *tx, struct iam_owner *ret_group,
        struct iam_owner *ret_user)
{
	enum err err = iam_named(c, tx, IAM_GROUP, ret_group);

	return err ? err : iam_named(c, tx, IAM_USER, ret_user);
}

enum err iam_member_add(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner group, user;
	int64_t others;
	enum err err = find_both(c, tx, &group, &user);

	if (!err)
		err = sql_int(tx,
		        "SELECT COUNT(*) FROM iam_member m JOIN iam_group g ON g.id = m.group_id "
		        "WHERE m.user_id = ? AND g.project_id = ? AND g.id <> ?",
		        &others, TEXTS(user.id, c->project_id, group.id));
	if (!err)
		err = aws_quota(c, others, IAM_MEMBERSHIPS, "GroupsPerUser");
	if (!err)
		err = sql_run(tx, "REPLACE INTO iam_member (user_id, group_id) VALUES (?, ?)", NULL,
		        TEXTS(user.id, group.id));
	return err ? err : iam_changed(c, tx, &user);
}

enum err iam_member_remove(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner group, user;
	unsigned count;
	enum err err = find_both(c, tx, &group, &user);

	if (!err)
		err = sql_run(tx, "DELETE FROM iam_member WHERE user_id = ? AND group_id = ?",
		        &count, TEXTS(user.id, group.id));
	if (err || !count)
		return err ? err
		           : aws_fail(c, 404, "NoSuchEntity", "User %s is not in group %s.",
		                     user.name, group.name);
	return iam_changed(c, tx, &user);
}

enum err iam_member_list(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner user;
	struct aws_page page;
	enum err err = iam_named(c, tx, IAM_USER, &user);

	if (!err)
		err = aws_page_begin(c, &page);
	if (err)
		return err;
	struct db_query q = sql_query(tx,
	        GROUPS
	        "JOIN iam_member m ON m.group_id = g.id WHERE m.user_id = ? AND g.project_id "
	        "= ? ORDER BY LOWER(g.name)",
	        TEXTS(user.id, c->project_id));
	return list(c, &q, &page);
}
