/* IAM's managed policies: of the account, which have versions (iam_versions.c), and those that all
 * accounts have (iam_common.c). */
#include "identity/iam.h"

#include "identity/sql.h"
#include "lib/auth/aws_policy.h"
#include <string.h>

#define POLICIES                                                                                   \
	"SELECT id, project_id, name, path, description, version, newest, created_us, updated_us " \
	"FROM iam_policy WHERE "

static const char *copy(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

static void load(struct db_query *q, struct arena *arena, struct iam_policy *p)
{
	*p = (struct iam_policy){.id = copy(arena, db_text(q, 0)),
	        .project_id = copy(arena, db_text(q, 1)),
	        .name = copy(arena, db_text(q, 2)),
	        .path = copy(arena, db_text(q, 3)),
	        .description = copy(arena, db_text(q, 4)),
	        .version = db_int(q, 5),
	        .newest = db_int(q, 6),
	        .created_us = db_int(q, 7),
	        .updated_us = db_int(q, 8)};
}

static void common(const struct iam_common *from, struct iam_policy *p)
{
	*p = (struct iam_policy){.id = from->name,
	        .name = from->name,
	        .path = "/",
	        .description = from->description,
	        .version = 1,
	        .newest = 1};
}

static enum err find(struct aws_call *c, struct db_query *q, struct iam_policy *ret)
{
	struct iam_policy p = {.id = NULL};

	if (db_step(q))
		load(q, c->arena, &p);
	enum err err = db_end(q);
	if (!err && p.id)
		*ret = p;
	return err || p.id ? err : ERR_NOT_FOUND;
}

enum err iam_policy_by_id(
        struct aws_call *c, struct db_tx *tx, const char *id, struct iam_policy *ret)
{
	const struct iam_common *one = iam_common_find(id);

	if (one) {
		common(one, ret);
		return ERR_OK;
	}
	struct db_query q = sql_query(tx, POLICIES "id = ?", TEXTS(id));
	return find(c, &q, ret);
}

const char *iam_policy_arn(struct aws_call *c, const struct iam_policy *p)
{
	return arena_printf(c->arena, "arn:aws:iam::%s:policy%s%s",
	        p->project_id ? p->project_id : "aws", p->path, p->name);
}

/* "arn:aws:iam::ACCOUNT:policy/path/NAME"; of account "aws": one that all have. */
enum err iam_policy_of(struct aws_call *c, struct db_tx *tx, const char *account, const char *arn,
        struct iam_policy *ret)
{
	static const char begin[] = "arn:aws:iam::";
	const char *slash = arn ? strrchr(arn, '/') : NULL;

	if (!arn || !slash || strncmp(arn, begin, sizeof(begin) - 1) != 0)
		return aws_fail(
		        c, 400, "ValidationError", "ARN %.200s is not valid.", arn ? arn : "");
	struct iam_policy p = {.id = NULL};
	const struct iam_common *one = iam_common_find(slash + 1);
	enum err err = ERR_OK;
	if (one)
		common(one, &p);
	if (!p.id || strcmp(iam_policy_arn(c, &p), arn) != 0) {
		struct db_query q = sql_query(
		        tx, POLICIES "project_id = ? AND name = ?", TEXTS(account, slash + 1));
		err = find(c, &q, &p);
	}
	if (err && err != ERR_NOT_FOUND)
		return err;
	if (err || strcmp(iam_policy_arn(c, &p), arn) != 0)
		return aws_fail(c, 404, "NoSuchEntity", IAM_NO_SUCH_POLICY, arn);
	*ret = p;
	return ERR_OK;
}

enum err iam_policy_named(struct aws_call *c, struct db_tx *tx, struct iam_policy *ret)
{
	return iam_policy_of(c, tx, c->project_id, aws_param(c, "PolicyArn"), ret);
}

enum err iam_policy_uses(struct aws_call *c, struct db_tx *tx, const char *id, int64_t *ret)
{
#define COUNT(table) "(SELECT COUNT(*) FROM " table " WHERE project_id = ? AND policy_id = ?)"
	return sql_int(tx,
	        "SELECT " COUNT("iam_user_attached") " + " COUNT("iam_group_attached") " + " COUNT(
	                "iam_role_attached"),
	        ret, TEXTS(c->project_id, id, c->project_id, id, c->project_id, id));
#undef COUNT
}

static enum err show(
        struct aws_call *c, struct db_tx *tx, const struct iam_policy *p, bool description)
{
	int64_t uses = 0, bounded = 0;
	enum err err = iam_policy_uses(c, tx, p->id, &uses);

	if (!err)
		err = iam_boundary_uses(c, tx, p->id, &bounded);
	aws_xml(c, "PolicyName", p->name);
	aws_xml(c, "PolicyId", p->id);
	aws_xml(c, "Arn", iam_policy_arn(c, p));
	aws_xml(c, "Path", p->path);
	aws_xml(c, "DefaultVersionId", arena_printf(c->arena, "v%lld", (long long)p->version));
	aws_xml_int(c, "AttachmentCount", uses);
	aws_xml_int(c, "PermissionsBoundaryUsageCount", bounded);
	aws_xml(c, "IsAttachable", "true");
	if (description && p->description)
		aws_xml(c, "Description", p->description);
	aws_xml_time(c, "CreateDate", (uint64_t)p->created_us);
	aws_xml_time(c, "UpdateDate", (uint64_t)p->updated_us);
	return err;
}

static enum err show_whole(struct aws_call *c, struct db_tx *tx, const struct iam_policy *p)
{
	const struct iam_owner o = {IAM_POLICY, p->id, p->name, p->path};

	buf_str(&c->xml, "<Policy>");
	enum err err = show(c, tx, p, true);
	if (!err)
		err = iam_tags_show(c, tx, &o);
	buf_str(&c->xml, "</Policy>");
	return err;
}

/* --- actions --- */

static enum err read_new(
        struct aws_call *c, struct db_tx *tx, struct iam_policy *p, const char **ret_text)
{
	int64_t count;
	enum err err = aws_name(c, "PolicyName", 128, &p->name);

	if (!err)
		err = aws_path(c, "Path", &p->path);
	if (!err)
		err = aws_text(c, "Description", 1000, &p->description);
	if (!err)
		err = aws_document_needed(
		        c, "PolicyDocument", IAM_MANAGED_BYTES, s3_policy_check_attached, ret_text);
	if (!err)
		err = iam_free(c, tx, IAM_POLICY, p->name, NULL);
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM iam_policy WHERE project_id = ?", &count,
		        TEXTS(c->project_id));
	return err ? err : aws_quota(c, count, IAM_POLICIES, "PoliciesPerAccount");
}

static enum err insert(struct db_tx *tx, const struct iam_policy *p, const char *text)
{
	struct db_query q = sql_query(tx,
	        "INSERT INTO iam_policy (id, project_id, name, path, description, version, newest, "
	        "created_us, updated_us) VALUES (?, ?, ?, ?, ?, 1, 1, ?, ?)",
	        TEXTS(p->id, p->project_id, p->name, p->path, p->description));

	db_bind_int(&q, p->created_us);
	db_bind_int(&q, p->updated_us);
	enum err err = db_exec(&q, NULL);
	if (err)
		return err;
	q = sql_query(tx,
	        "INSERT INTO iam_policy_version (policy_id, document, version, created_us) VALUES "
	        "(?, ?, 1, ?)",
	        TEXTS(p->id, text));
	db_bind_int(&q, p->created_us);
	return db_exec(&q, NULL);
}

enum err iam_policy_create(struct aws_call *c, struct db_tx *tx)
{
	int64_t now = (int64_t)time_now_us();
	struct iam_policy p = {.id = resource_new_id(c->arena),
	        .project_id = c->project_id,
	        .version = 1,
	        .newest = 1,
	        .created_us = now,
	        .updated_us = now};
	const char *text = NULL;
	enum err err = read_new(c, tx, &p, &text);

	if (!err)
		err = insert(tx, &p, text);
	const struct iam_owner o = {IAM_POLICY, p.id, p.name, p.path};
	if (!err)
		err = iam_tags_take(c, tx, &o);
	return err ? err : show_whole(c, tx, &p);
}

enum err iam_policy_get(struct aws_call *c, struct db_tx *tx)
{
	struct iam_policy p;
	enum err err = iam_policy_named(c, tx, &p);

	return err ? err : show_whole(c, tx, &p);
}

enum err iam_policy_delete(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	int64_t uses, bounded, versions;
	enum err err = iam_named(c, tx, IAM_POLICY, &o);

	if (!err)
		err = iam_policy_uses(c, tx, o.id, &uses);
	if (!err)
		err = iam_boundary_uses(c, tx, o.id, &bounded);
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM iam_policy_version WHERE policy_id = ?",
		        &versions, TEXTS(o.id));
	if (err)
		return err;
	if (uses || bounded)
		return aws_fail(
		        c, 409, "DeleteConflict", "Cannot delete a policy attached to entities.");
	if (versions > 1)
		return aws_fail(c, 409, "DeleteConflict",
		        "This policy has more than one version. Before you delete a policy, you "
		        "must "
		        "delete the policy's versions. The default version is deleted with the "
		        "policy.");
	return sql_run(tx, "DELETE FROM iam_policy WHERE id = ?", NULL, TEXTS(o.id));
}

/* --- lists: the account's own, then those that all have --- */

struct list {
	struct aws_page page;
	bool attached; /* those alone that are */
};

static enum err list_one(
        struct aws_call *c, struct db_tx *tx, struct list *l, const struct iam_policy *p)
{
	const char *key = arena_printf(c->arena, "%d%s", !p->project_id, p->name);
	int64_t uses = 0;

	if (!iam_below(c, p->path))
		return ERR_OK;
	enum err err = l->attached ? iam_policy_uses(c, tx, p->id, &uses) : ERR_OK;
	if (err || (l->attached && !uses) || !aws_page_takes(&l->page, key))
		return err;
	buf_str(&c->xml, "<member>");
	err = show(c, tx, p, false);
	buf_str(&c->xml, "</member>");
	return err;
}

static enum err list_own(struct aws_call *c, struct db_tx *tx, struct list *l)
{
	const char **ids;
	unsigned count;
	struct iam_policy p;
	struct db_query q =
	        sql_query(tx, "SELECT id FROM iam_policy WHERE project_id = ? ORDER BY LOWER(name)",
	                TEXTS(c->project_id));
	enum err err = sql_texts(&q, c->arena, &ids, &count);

	for (unsigned i = 0; !err && i < count; i++) {
		if (!(err = iam_policy_by_id(c, tx, ids[i], &p)))
			err = list_one(c, tx, l, &p);
	}
	return err;
}

static enum err list_common(struct aws_call *c, struct db_tx *tx, struct list *l)
{
	const struct iam_common *one;
	struct iam_policy p;
	enum err err = ERR_OK;

	for (unsigned i = 0; !err && (one = iam_common_at(i)); i++) {
		common(one, &p);
		err = list_one(c, tx, l, &p);
	}
	return err;
}

enum err iam_policy_list(struct aws_call *c, struct db_tx *tx)
{
	const char *scope = aws_param(c, "Scope"), *attached = aws_param(c, "OnlyAttached");
	struct list l = {.attached = attached && strcmp(attached, "true") == 0};
	bool own = !scope || strcmp(scope, "AWS") != 0,
	     others = !scope || strcmp(scope, "Local") != 0;
	enum err err = aws_page_begin(c, &l.page);

	if (!err && own && others && scope && strcmp(scope, "All") != 0)
		err = aws_fail(c, 400, "ValidationError", "Scope is All, AWS or Local.");
	if (err)
		return err;
	buf_str(&c->xml, "<Policies>");
	if (own)
		err = list_own(c, tx, &l);
	if (!err && others)
		err = list_common(c, tx, &l);
	buf_str(&c->xml, "</Policies>");
	aws_page_end(&l.page);
	return err;
}
