/* IAM's users: those of the identity service that have a role in the account's project. One that is
 * made here has a role that lets it do nothing by itself: what it may do its policies say. */
#include "identity/iam.h"

#include "identity/applications.h"
#include "identity/manage.h"
#include "identity/revoke.h"
#include "identity/sql.h"
#include "identity/trusts.h"
#include <string.h>

#define POWERLESS "iam_user" /* the role's name */

static enum err powerless_role(struct aws_call *c, struct db_tx *tx, const char **ret_id)
{
	struct role role = {.name = POWERLESS, .domain_id = "", .options = "{}"};
	enum err err = sql_text(tx, "SELECT id FROM role WHERE name = ? AND domain_id = ''",
	        c->arena, ret_id, TEXTS(POWERLESS));

	if (err || *ret_id)
		return err;
	role.description = "Of users that were made through IAM: no rights of its own.";
	role.id = *ret_id = resource_new_id(c->arena);
	return fields_insert(&role_fields, tx, &role);
}

/* --- told --- */

void iam_user_show(
        struct aws_call *c, const char *id, const char *name, const char *path, uint64_t created_us)
{
	const struct iam_owner o = {IAM_USER, id, name, path ? path : "/"};

	aws_xml(c, "Path", o.path);
	aws_xml(c, "UserName", name);
	aws_xml(c, "UserId", id);
	aws_xml(c, "Arn", iam_arn(c, &o));
	aws_xml_time(c, "CreateDate", created_us);
}

#define USERS                                                                                      \
	"SELECT u.id, " IAM_USER_NAME                                                              \
	", i.path, u.created_us FROM user u LEFT JOIN iam_user i ON i.user_id = u.id AND "         \
	"i.project_id = ? WHERE "

/* Who administers a project has the rights of its account, and is told as that. */
static enum err show_root(struct aws_call *c)
{
	buf_str(&c->xml, "<User>");
	aws_xml(c, "Path", "/");
	aws_xml(c, "UserName", c->user_name);
	aws_xml(c, "UserId", c->project_id);
	aws_xml(c, "Arn", arena_printf(c->arena, "arn:aws:iam::%s:root", c->project_id));
	aws_xml_time(c, "CreateDate", 0);
	buf_str(&c->xml, "</User>");
	return ERR_OK;
}

/* Without a name: who asks. */
static enum err find(struct aws_call *c, struct db_tx *tx, struct iam_owner *ret)
{
	if (aws_param(c, "UserName"))
		return iam_named(c, tx, IAM_USER, ret);
	if (!c->user_name)
		return aws_fail(c, 400, "ValidationError",
		        "Must specify userName when calling with non-User credentials");
	*ret = (struct iam_owner){IAM_USER, c->user_id, c->user_name, c->signer.path};
	return ERR_OK;
}

enum err iam_user_get(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;

	if (!aws_param(c, "UserName") && c->administers)
		return show_root(c);
	enum err err = find(c, tx, &o);
	if (err)
		return err;
	struct db_query q =
	        sql_query(tx, USERS "u.id = ?", TEXTS(iam_suffix(c), c->project_id, o.id));
	buf_str(&c->xml, "<User>");
	if (db_step(&q))
		iam_user_show(c, o.id, db_text(&q, 1), db_text(&q, 2), (uint64_t)db_int(&q, 3));
	err = db_end(&q);
	if (!err)
		err = iam_boundary_show(c, tx, &o);
	if (!err)
		err = iam_tags_show(c, tx, &o);
	buf_str(&c->xml, "</User>");
	return err;
}

enum err iam_user_list(struct aws_call *c, struct db_tx *tx)
{
	struct aws_page page;
	enum err err = aws_page_begin(c, &page);

	if (err)
		return err;
	struct db_query q = sql_query(tx,
	        USERS
	        "u.id IN (SELECT actor_id FROM assignment WHERE actor_kind = 'user' AND kind = "
	        "'project' AND target_id = ?) ORDER BY LOWER(" IAM_USER_NAME ")",
	        TEXTS(iam_suffix(c), c->project_id, c->project_id, iam_suffix(c)));
	buf_str(&c->xml, "<Users>");
	while (db_step(&q)) {
		const char *path = db_is_null(&q, 2) ? "/" : db_text(&q, 2);
		if (!iam_below(c, path) || !aws_page_takes(&page, db_text(&q, 1)))
			continue;
		buf_str(&c->xml, "<member>");
		iam_user_show(c, db_text(&q, 0), db_text(&q, 1), path, (uint64_t)db_int(&q, 3));
		buf_str(&c->xml, "</member>");
	}
	buf_str(&c->xml, "</Users>");
	aws_page_end(&page);
	return db_end(&q);
}

/* --- made, changed, gone --- */

static enum err insert(struct aws_call *c, struct db_tx *tx, const struct user *user,
        const char *path, const char *role_id)
{
	struct user row = *user;

	row.name = arena_printf(c->arena, "%s%s", user->name, iam_suffix(c));
	enum err err = fields_insert(&user_fields, tx, &row);
	if (!err)
		err = sql_run(tx,
		        "INSERT INTO assignment (actor_kind, actor_id, kind, target_id, role_id, "
		        "inherited) VALUES ('user', ?, 'project', ?, ?, 0)",
		        NULL, TEXTS(user->id, c->project_id, role_id));
	if (!err)
		err = sql_run(tx,
		        "INSERT INTO iam_user (user_id, project_id, path) VALUES (?, ?, ?)", NULL,
		        TEXTS(user->id, c->project_id, path));
	return err;
}

/* What follows names would end in the middle of it. */
static enum err check_name(
        struct aws_call *c, struct db_tx *tx, const char *name, const char *own_id)
{
	if (strstr(name, iam_suffix(c)))
		return aws_fail(
		        c, 400, "ValidationError", "The name may not hold @ and the account.");
	return iam_free(c, tx, IAM_USER, name, own_id);
}

static enum err read_new(struct aws_call *c, struct db_tx *tx, struct user *user, const char **path)
{
	int64_t count;
	enum err err = aws_name(c, "UserName", 64, &user->name);

	if (!err)
		err = aws_path(c, "Path", path);
	if (!err)
		err = check_name(c, tx, user->name, NULL);
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM iam_user WHERE project_id = ?", &count,
		        TEXTS(c->project_id));
	return err ? err : aws_quota(c, count, IAM_USERS, "UsersPerAccount");
}

enum err iam_user_create(struct aws_call *c, struct db_tx *tx)
{
	uint64_t now = time_now_us();
	struct user user = {.id = resource_new_id(c->arena),
	        .domain_id = c->domain_id,
	        .default_project_id = c->project_id,
	        .options = "{}",
	        .enabled = true,
	        .created_us = (int64_t)now,
	        .last_active_day = (int64_t)(now / 86400000000)};
	const char *path, *role_id = NULL;
	enum err err = read_new(c, tx, &user, &path);

	if (!err)
		err = powerless_role(c, tx, &role_id);
	if (!err)
		err = insert(c, tx, &user, path, role_id);
	const struct iam_owner o = {IAM_USER, user.id, user.name, path};
	if (!err)
		err = iam_boundary_take(c, tx, &o);
	if (!err)
		err = iam_tags_take(c, tx, &o);
	if (err)
		return err;
	buf_str(&c->xml, "<User>");
	iam_user_show(c, user.id, user.name, path, now);
	err = iam_boundary_show(c, tx, &o);
	if (!err)
		err = iam_tags_show(c, tx, &o);
	buf_str(&c->xml, "</User>");
	return err;
}

/* Keys of somebody with other rights would be these rights. */
enum err iam_user_ours(struct aws_call *c, struct db_tx *tx, const char *id)
{
	int64_t ours, more, member;
	enum err err =
	        sql_int(tx, "SELECT COUNT(*) FROM iam_user WHERE user_id = ? AND project_id = ?",
	                &ours, TEXTS(id, c->project_id));

	if (!err)
		err = sql_int(tx,
		        "SELECT COUNT(*) FROM assignment a JOIN role r ON r.id = a.role_id WHERE "
		        "a.actor_kind = 'user' AND a.actor_id = ? AND NOT (a.kind = 'project' AND "
		        "a.target_id = ? AND r.name = ?)",
		        &more, TEXTS(id, c->project_id, POWERLESS));
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM membership WHERE user_id = ?", &member,
		        TEXTS(id));
	if (err || (ours && !more && !member))
		return err;
	return aws_fail(c, 403, "AccessDenied",
	        "The user has other rights than IAM's: it is managed by the identity service.");
}

enum err iam_user_update(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	enum err err = iam_named(c, tx, IAM_USER, &o);

	if (!err)
		err = iam_user_ours(c, tx, o.id);
	if (!err && aws_param(c, "NewPath"))
		err = aws_path(c, "NewPath", &o.path);
	if (!err && aws_param(c, "NewUserName"))
		err = aws_name(c, "NewUserName", 64, &o.name);
	if (!err)
		err = aws_allowed(c, iam_arn(c, &o));
	if (!err)
		err = check_name(c, tx, o.name, o.id);
	if (!err)
		err = sql_run(
		        tx, "UPDATE user SET name = ? WHERE id = ?", NULL, TEXTS(o.name, o.id));
	if (!err)
		err = sql_run(tx, "UPDATE iam_user SET path = ? WHERE user_id = ?", NULL,
		        TEXTS(o.path, o.id));
	return err ? err : iam_changed(c, tx, &o);
}

/* Groups lose it. (AWS wants that done before, RGW does not.) */
enum err iam_user_delete(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	int64_t used;
	enum err err = iam_named(c, tx, IAM_USER, &o);

	if (!err)
		err = iam_user_ours(c, tx, o.id);
	if (!err)
		err = sql_int(tx,
		        "SELECT (SELECT COUNT(*) FROM credential WHERE user_id = ?) + (SELECT "
		        "COUNT(*) FROM iam_user_policy WHERE owner_id = ?) + (SELECT COUNT(*) FROM "
		        "iam_user_attached WHERE owner_id = ?)",
		        &used, TEXTS(o.id, o.id, o.id));
	if (err)
		return err;
	if (used)
		return aws_fail(c, 409, "DeleteConflict",
		        "Cannot delete entity, must delete access keys, and delete or detach "
		        "policies "
		        "first.");
	err = sql_run(tx, "DELETE FROM assignment WHERE actor_kind = 'user' AND actor_id = ?", NULL,
	        TEXTS(o.id));
	if (!err)
		err = revoke_user(identity_of(c->req), tx, o.id);
	if (!err)
		err = applications_drop_user(tx, o.id);
	if (!err)
		err = trusts_drop_user(tx, o.id);
	return err ? err : fields_delete(&user_fields, tx, o.id);
}
