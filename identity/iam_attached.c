/* Managed policies that are attached to users, groups and roles. */
#include "identity/iam.h"

#include "identity/sql.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *statement(
        struct aws_call *c, const char *before, enum iam_kind kind, const char *after)
{
	return arena_printf(c->arena, "%s %s %s", before, iam_table(c, kind, "attached"), after);
}

static enum err find(struct aws_call *c, struct db_tx *tx, struct iam_owner *ret_owner,
        struct iam_policy *ret_policy)
{
	enum err err = iam_named(c, tx, c->action->about, ret_owner);

	return err ? err : iam_policy_named(c, tx, ret_policy);
}

enum err iam_attach(struct aws_call *c, struct db_tx *tx)
{
	static const char *const quotas[] = {[IAM_USER] = "PoliciesPerUser",
	        [IAM_GROUP] = "PoliciesPerGroup",
	        [IAM_ROLE] = "PoliciesPerRole"};
	struct iam_owner o;
	struct iam_policy p;
	int64_t others;
	enum err err = find(c, tx, &o, &p);

	if (!err)
		err = sql_int(tx,
		        statement(c, "SELECT COUNT(*) FROM", o.kind,
		                "WHERE project_id = ? AND owner_id = ? AND policy_id <> ?"),
		        &others, TEXTS(c->project_id, o.id, p.id));
	if (!err)
		err = aws_quota(c, others, IAM_ATTACHED, quotas[o.kind]);
	if (!err)
		err = sql_run(tx,
		        statement(c, "REPLACE INTO", o.kind,
		                "(project_id, owner_id, policy_id) VALUES (?, ?, ?)"),
		        NULL, TEXTS(c->project_id, o.id, p.id));
	return err ? err : iam_changed(c, tx, &o);
}

enum err iam_detach(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	struct iam_policy p;
	unsigned count;
	enum err err = find(c, tx, &o, &p);

	if (!err)
		err = sql_run(tx,
		        statement(c, "DELETE FROM", o.kind,
		                "WHERE project_id = ? AND owner_id = ? AND policy_id = ?"),
		        &count, TEXTS(c->project_id, o.id, p.id));
	if (err || !count)
		return err ? err
		           : aws_fail(c, 404, "NoSuchEntity", "Policy %s was not found.",
		                     iam_policy_arn(c, &p));
	return iam_changed(c, tx, &o);
}

/* --- of one --- */

static int by_name(const void *a, const void *b)
{
	const struct iam_policy *p = a, *q = b;

	return strcasecmp(p->name, q->name);
}

static enum err load(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o,
        struct iam_policy **ret, unsigned *ret_count)
{
	const char **ids;
	struct db_query q = sql_query(tx,
	        statement(c, "SELECT policy_id FROM", o->kind,
	                "WHERE project_id = ? AND owner_id = ?"),
	        TEXTS(c->project_id, o->id));
	enum err err = sql_texts(&q, c->arena, &ids, ret_count);

	if (err)
		return err;
	*ret = arena_zalloc(c->arena, (*ret_count + 1) * sizeof(**ret));
	for (unsigned i = 0; !err && i < *ret_count; i++)
		err = iam_policy_by_id(c, tx, ids[i], *ret + i);
	qsort(*ret, *ret_count, sizeof(**ret), by_name);
	return err;
}

enum err iam_attached_list(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	struct iam_policy *all;
	struct aws_page page;
	unsigned count;
	enum err err = iam_named(c, tx, c->action->about, &o);

	if (!err)
		err = aws_page_begin(c, &page);
	if (!err)
		err = load(c, tx, &o, &all, &count);
	if (err)
		return err;
	buf_str(&c->xml, "<AttachedPolicies>");
	for (unsigned i = 0; i < count; i++) {
		if (!iam_below(c, all[i].path) || !aws_page_takes(&page, all[i].name))
			continue;
		buf_str(&c->xml, "<member>");
		aws_xml(c, "PolicyName", all[i].name);
		aws_xml(c, "PolicyArn", iam_policy_arn(c, &all[i]));
		buf_str(&c->xml, "</member>");
	}
	buf_str(&c->xml, "</AttachedPolicies>");
	aws_page_end(&page);
	return ERR_OK;
}

/* --- to whom --- */

static const struct {
	enum iam_kind kind;
	const char *filter, *list, *name, *id, *from;
} entities[] = {
        {IAM_GROUP, "Group", "PolicyGroups", "GroupName", "GroupId", "iam_group"},
        {IAM_ROLE, "Role", "PolicyRoles", "RoleName", "RoleId", "iam_role"},
        {IAM_USER, "User", "PolicyUsers", "UserName", "UserId", "user"},
};

/* Keys of the page: the kind's place, and the name. As a policy, as a boundary (groups have none),
 * or both: two tables, or one of them twice. */
static enum err list_entities(struct aws_call *c, struct db_tx *tx, const char *policy_id,
        unsigned at, struct aws_page *page)
{
#define OWNERS "SELECT owner_id FROM %s WHERE project_id = ? AND policy_id = ?"
	const char *usage = aws_param(c, "PolicyUsageFilter"),
	           *attached = iam_table(c, entities[at].kind, "attached"),
	           *boundary = entities[at].kind == IAM_GROUP
	                               ? attached
	                               : iam_table(c, entities[at].kind, "boundary");
	bool policies = !usage || strcmp(usage, "PermissionsBoundary") != 0,
	     boundaries = !usage || strcmp(usage, "PermissionsPolicy") != 0;

	if (!policies && entities[at].kind == IAM_GROUP)
		return ERR_OK;
	struct db_query q = sql_query(tx,
	        arena_printf(c->arena,
	                "SELECT u.id, " IAM_USER_NAME " FROM %s u WHERE u.id IN (" OWNERS
	                " UNION " OWNERS ") ORDER BY LOWER(" IAM_USER_NAME ")",
	                entities[at].from, policies ? attached : boundary,
	                boundaries ? boundary : attached),
	        TEXTS(iam_suffix(c), c->project_id, policy_id, c->project_id, policy_id,
	                iam_suffix(c)));
#undef OWNERS

	while (db_step(&q)) {
		if (!aws_page_takes(page, arena_printf(c->arena, "%u%s", at, db_text(&q, 1))))
			continue;
		buf_str(&c->xml, "<member>");
		aws_xml(c, entities[at].name, db_text(&q, 1));
		aws_xml(c, entities[at].id, db_text(&q, 0));
		buf_str(&c->xml, "</member>");
	}
	return db_end(&q);
}

enum err iam_entity_list(struct aws_call *c, struct db_tx *tx)
{
	const char *filter = aws_param(c, "EntityFilter");
	struct iam_policy p;
	struct aws_page page;
	enum err err = iam_policy_named(c, tx, &p);

	if (!err)
		err = aws_page_begin(c, &page);
	for (unsigned i = 0; !err && i < COUNT_OF(entities); i++) {
		buf_printf(&c->xml, "<%s>", entities[i].list);
		if (!filter || strcmp(filter, entities[i].filter) == 0)
			err = list_entities(c, tx, p.id, i, &page);
		buf_printf(&c->xml, "</%s>", entities[i].list);
	}
	if (!err)
		aws_page_end(&page);
	return err;
}
