/* IAM's users: those of the identity service that have a role in the account's project. One that is
 * made here has a role that lets it do nothing by itself: what it may do its policies say. */
#include "identity/aws.h"

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

static void show(
        struct aws_call *c, const char *id, const char *name, const char *path, uint64_t created_us)
{
	if (!path)
		path = "/";
	aws_xml(c, "Path", path);
	aws_xml(c, "UserName", name);
	aws_xml(c, "UserId", id);
	aws_xml(c, "Arn",
	        arena_printf(c->arena, "arn:aws:iam::%s:user%s%s", c->project_id, path, name));
	aws_xml_time(c, "CreateDate", created_us);
}

#define USERS                                                                                      \
	"SELECT u.id, u.name, i.path, u.created_us FROM user u LEFT JOIN iam_user i ON i.user_id " \
	"= u.id AND i.project_id = ? WHERE "

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

enum err iam_user_get(struct aws_call *c, struct db_tx *tx)
{
	const char *name = aws_param(c, "UserName"), *id;

	if (name && strcmp(name, c->user_name) != 0 && !c->administers)
		return aws_fail(c, 403, "AccessDenied",
		        "User: arn:aws:iam::%s:user/%s is not authorized to perform: iam:GetUser",
		        c->project_id, c->user_name);
	if (!name && c->administers)
		return show_root(c);
	enum err err = aws_user(c, tx, name, &id);
	if (err)
		return err;
	struct db_query q = sql_query(tx, USERS "u.id = ?", TEXTS(c->project_id, id));
	buf_str(&c->xml, "<User>");
	if (db_step(&q))
		show(c, id, db_text(&q, 1), db_text(&q, 2), (uint64_t)db_int(&q, 3));
	buf_str(&c->xml, "</User>");
	return db_end(&q);
}

enum err iam_user_list(struct aws_call *c, struct db_tx *tx)
{
	const char *prefix = aws_param(c, "PathPrefix");
	struct db_query q = sql_query(tx,
	        USERS "EXISTS (SELECT 1 FROM assignment a WHERE a.actor_kind = 'user' AND "
	              "a.actor_id = u.id AND a.kind = 'project' AND a.target_id = ?) ORDER BY "
	              "u.name",
	        TEXTS(c->project_id, c->project_id));

	buf_str(&c->xml, "<Users>");
	while (db_step(&q)) {
		const char *path = db_text(&q, 2) ? db_text(&q, 2) : "/";
		if (prefix && strncmp(path, prefix, strlen(prefix)) != 0)
			continue;
		buf_str(&c->xml, "<member>");
		show(c, db_text(&q, 0), db_text(&q, 1), path, (uint64_t)db_int(&q, 3));
		buf_str(&c->xml, "</member>");
	}
	buf_str(&c->xml, "</Users><IsTruncated>false</IsTruncated>");
	return db_end(&q);
}

/* --- made and gone --- */

static enum err insert(struct aws_call *c, struct db_tx *tx, const struct user *user,
        const char *path, const char *role_id)
{
	enum err err = fields_insert(&user_fields, tx, user);

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
	int64_t there;
	enum err err = aws_name(c, "UserName", 64, &user.name);

	if (!err)
		err = aws_path(c, &path);
	if (!err)
		err = powerless_role(c, tx, &role_id);
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM user WHERE name = ? AND domain_id = ?",
		        &there, TEXTS(user.name, user.domain_id));
	if (err)
		return err;
	if (there)
		return aws_fail(c, 409, "EntityAlreadyExists", "User with name %s already exists.",
		        user.name);
	if ((err = insert(c, tx, &user, path, role_id)))
		return err;
	buf_str(&c->xml, "<User>");
	show(c, user.id, user.name, path, now);
	buf_str(&c->xml, "</User>");
	return ERR_OK;
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

enum err iam_user_delete(struct aws_call *c, struct db_tx *tx)
{
	const char *name, *id;
	int64_t used;
	enum err err = aws_name(c, "UserName", 64, &name);

	if (!err)
		err = aws_user(c, tx, name, &id);
	if (!err)
		err = iam_user_ours(c, tx, id);
	if (!err)
		err = sql_int(tx,
		        "SELECT (SELECT COUNT(*) FROM credential WHERE user_id = ?) + (SELECT "
		        "COUNT(*) FROM iam_user_policy WHERE owner_id = ?)",
		        &used, TEXTS(id, id));
	if (err)
		return err;
	if (used)
		return aws_fail(c, 409, "DeleteConflict",
		        "Cannot delete entity, must delete access keys and policies first.");
	err = sql_run(tx, "DELETE FROM assignment WHERE actor_kind = 'user' AND actor_id = ?", NULL,
	        TEXTS(id));
	if (!err)
		err = revoke_user(identity_of(c->req), tx, id);
	if (!err)
		err = applications_drop_user(tx, id);
	if (!err)
		err = trusts_drop_user(tx, id);
	return err ? err : fields_delete(&user_fields, tx, id);
}

/* --- what no account has --- */

enum err iam_group_list(struct aws_call *c, struct db_tx *tx)
{
	(void)tx;
	buf_str(&c->xml, "<Groups></Groups><IsTruncated>false</IsTruncated>");
	return ERR_OK;
}

enum err iam_provider_list(struct aws_call *c, struct db_tx *tx)
{
	(void)tx;
	buf_str(&c->xml, "<OpenIDConnectProviderList></OpenIDConnectProviderList>");
	return ERR_OK;
}
