/* What policies and tags belong to: users, groups, roles and managed policies of an account, by
 * their names. */
#include "identity/iam.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include <string.h>

static const struct {
	const char *param, *noun, *table;
	unsigned name_max;
} kinds[] = {
        [IAM_USER] = {"UserName", "user", NULL, 64},
        [IAM_GROUP] = {"GroupName", "group", "iam_group", 128},
        [IAM_ROLE] = {"RoleName", "role", "iam_role", 64},
        [IAM_POLICY] = {"PolicyName", "policy", "iam_policy", 128},
};

const char *iam_param(enum iam_kind kind)
{
	return kinds[kind].param;
}

const char *iam_table(struct aws_call *c, enum iam_kind kind, const char *what)
{
	return arena_printf(c->arena, "iam_%s_%s", kinds[kind].noun, what);
}

const char *iam_arn(struct aws_call *c, const struct iam_owner *o)
{
	return arena_printf(c->arena, "arn:aws:iam::%s:%s%s%s", c->project_id, kinds[o->kind].noun,
	        o->path, o->name);
}

/* --- by name --- */

/* Users of the directory may differ in nothing but capitals: the exact one comes first, and before
 * it one that IAM has made. */
#define FIND_USER                                                                                  \
	"SELECT u.id, " IAM_USER_NAME                                                              \
	", i.path FROM assignment a JOIN user u ON u.id = a.actor_id LEFT JOIN iam_user i ON "     \
	"i.user_id = u.id AND i.project_id = a.target_id WHERE a.actor_kind = 'user' AND a.kind "  \
	"= 'project' AND a.target_id = ? AND u.domain_id = ? AND LOWER(" IAM_USER_NAME             \
	") = LOWER(?) ORDER BY i.path IS NULL, u.name <> ?"

const char *iam_suffix(struct aws_call *c)
{
	return arena_printf(c->arena, "@%s", c->project_id);
}

const char *iam_user_name(struct arena *arena, const char *name, const char *project_id)
{
	const char *suffix = arena_printf(arena, "@%s", project_id), *end = strstr(name, suffix);

	return end && end > name && !end[strlen(suffix)]
	               ? arena_strndup(arena, name, (size_t)(end - name))
	               : name;
}

static struct db_query look(
        struct aws_call *c, struct db_tx *tx, enum iam_kind kind, const char *name)
{
	const char *suffix = iam_suffix(c);

	if (kind == IAM_USER)
		return sql_query(tx, FIND_USER,
		        TEXTS(suffix, c->project_id, c->domain_id, suffix, name, name));
	return sql_query(tx,
	        arena_printf(c->arena,
	                "SELECT id, name, path FROM %s WHERE project_id = ? AND LOWER(name) = "
	                "LOWER(?)",
	                kinds[kind].table),
	        TEXTS(c->project_id, name));
}

enum err iam_lookup(struct aws_call *c, struct db_tx *tx, enum iam_kind kind, const char *name,
        struct iam_owner *ret)
{
	struct db_query q = look(c, tx, kind, name);
	struct iam_owner o = {.kind = kind};

	if (db_step(&q)) {
		o.id = arena_strdup(c->arena, db_text(&q, 0));
		o.name = arena_strdup(c->arena, db_text(&q, 1));
		o.path = db_is_null(&q, 2) ? "/" : arena_strdup(c->arena, db_text(&q, 2));
	}
	enum err err = db_end(&q);
	if (!err && o.id)
		*ret = o;
	return err || o.id ? err : ERR_NOT_FOUND;
}

enum err iam_find(struct aws_call *c, struct db_tx *tx, enum iam_kind kind, const char *name,
        struct iam_owner *ret)
{
	enum err err = iam_lookup(c, tx, kind, name, ret);

	return err == ERR_NOT_FOUND
	               ? aws_fail(c, 404, "NoSuchEntity",
	                         "The %s with name %.200s cannot be found.", kinds[kind].noun, name)
	               : err;
}

/* A managed policy by its ARN: of the account's own alone. */
static enum err own_policy(struct aws_call *c, struct db_tx *tx, struct iam_owner *ret)
{
	struct iam_policy p;
	enum err err = iam_policy_named(c, tx, &p);

	if (err)
		return err;
	if (!p.project_id)
		return aws_fail(c, 403, "AccessDenied", "%s is all accounts'.", p.name);
	*ret = (struct iam_owner){IAM_POLICY, p.id, p.name, p.path};
	return ERR_OK;
}

enum err iam_named(struct aws_call *c, struct db_tx *tx, enum iam_kind kind, struct iam_owner *ret)
{
	const char *name;

	if (kind == IAM_POLICY)
		return own_policy(c, tx, ret);
	enum err err = aws_name(c, kinds[kind].param, kinds[kind].name_max, &name);
	return err ? err : iam_find(c, tx, kind, name, ret);
}

enum err iam_free(struct aws_call *c, struct db_tx *tx, enum iam_kind kind, const char *name,
        const char *own_id)
{
	struct iam_owner there = {.id = NULL};
	enum err err = iam_lookup(c, tx, kind, name, &there);

	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err || (own_id && strcmp(own_id, there.id) == 0))
		return err;
	return aws_fail(c, 409, "EntityAlreadyExists", "A %s with name %s already exists.",
	        kinds[kind].noun, name);
}

bool iam_below(const struct aws_call *c, const char *path)
{
	const char *prefix = aws_param(c, "PathPrefix");

	return !prefix || strncmp(path, prefix, strlen(prefix)) == 0;
}

/* --- as policies name it --- */

/* What is not there (yet) is asked of by the name and path that it would have. */
enum err iam_resource(struct aws_call *c, struct db_tx *tx, const char **ret)
{
	enum iam_kind kind = c->action->about;
	const char *path = aws_param(c, "Path"), *arn = aws_param(c, "PolicyArn");
	struct iam_owner o = {kind, NULL, NULL, path ? path : "/"};

	if (kind == IAM_NONE)
		return ERR_OK;
	if (kind == IAM_POLICY && arn && c->action->run != iam_policy_create) {
		*ret = arn;
		return ERR_OK;
	}
	o.name = aws_param(c, kinds[kind].param);
	if (!o.name) {
		*ret = c->principal_arn;
		return ERR_OK;
	}
	enum err err = iam_lookup(c, tx, kind, o.name, &o);
	*ret = iam_arn(c, &o);
	if (!err && (kind == IAM_USER || kind == IAM_ROLE))
		err = iam_boundary_arn(c, tx, &o, &c->boundary);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* --- changes of policies --- */

/* Of users, and of who acts for them or whom they act for by a trust: what is denied to either
 * binds both (signer.c). */
#define KEYS_OF(users)                                                                             \
	"SELECT id FROM credential WHERE type = 'ec2' AND project_id = ? AND (user_id IN (" users  \
	") OR user_id IN (SELECT trustor_user_id FROM trust WHERE trustee_user_id IN (" users      \
	")) OR user_id IN (SELECT trustee_user_id FROM trust WHERE trustor_user_id IN (" users     \
	")))"
#define THE_USER "?"
#define OF_GROUP "SELECT user_id FROM iam_member WHERE group_id = ?"
#define WITH_POLICY                                                                                \
	"SELECT owner_id FROM iam_user_attached WHERE policy_id = ? UNION SELECT m.user_id FROM "  \
	"iam_member m JOIN iam_group_attached a ON a.owner_id = m.group_id WHERE a.policy_id = ? " \
	"UNION SELECT owner_id FROM iam_user_boundary WHERE policy_id = ?"

/* Keys of whom: what is derived of them is asked for anew. Roles: sessions name them. */
static struct db_query concerned(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o)
{
	if (o->kind == IAM_POLICY)
		return sql_query(tx,
		        KEYS_OF(WITH_POLICY) " UNION SELECT owner_id FROM iam_role_attached WHERE "
		                             "policy_id = ? UNION SELECT owner_id FROM "
		                             "iam_role_boundary WHERE policy_id = ?",
		        TEXTS(c->project_id, o->id, o->id, o->id, o->id, o->id, o->id, o->id, o->id,
		                o->id, o->id, o->id));
	return sql_query(tx, o->kind == IAM_USER ? KEYS_OF(THE_USER) : KEYS_OF(OF_GROUP),
	        TEXTS(c->project_id, o->id, o->id, o->id));
}

enum err iam_changed(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o)
{
	struct identity *it = identity_of(c->req);
	const char **ids;
	unsigned count;

	if (o->kind == IAM_ROLE)
		return revoke_credential(it, tx, o->id);
	struct db_query q = concerned(c, tx, o);
	enum err err = sql_texts(&q, c->arena, &ids, &count);
	for (unsigned i = 0; !err && i < count; i++)
		err = revoke_credential(it, tx, ids[i]);
	return err;
}
