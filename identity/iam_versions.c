/* Versions of managed policies: "v1" and on; one is the default, which counts. */
#include "identity/iam.h"

#include "identity/sql.h"
#include "lib/auth/aws_policy.h"
#include <stdlib.h>
#include <string.h>

static enum err read_version(struct aws_call *c, int64_t *ret)
{
	const char *text = aws_param(c, "VersionId");
	char *end = NULL;
	long long number = text && text[0] == 'v' ? strtoll(text + 1, &end, 10) : 0;

	if (number < 1 || *end)
		return aws_fail(c, 400, "ValidationError", "VersionId is v and a number.");
	*ret = number;
	return ERR_OK;
}

static enum err missing(struct aws_call *c, int64_t version)
{
	return aws_fail(
	        c, 404, "NoSuchEntity", "Policy version v%lld does not exist.", (long long)version);
}

static void show(
        struct aws_call *c, int64_t version, bool is_default, const char *text, uint64_t created_us)
{
	if (text)
		aws_xml_document(c, "Document", text);
	aws_xml(c, "VersionId", arena_printf(c->arena, "v%lld", (long long)version));
	aws_xml(c, "IsDefaultVersion", is_default ? "true" : "false");
	aws_xml_time(c, "CreateDate", created_us);
}

/* Of the account's own. */
static enum err find_own(struct aws_call *c, struct db_tx *tx, struct iam_policy *ret)
{
	struct iam_owner o;
	enum err err = iam_named(c, tx, IAM_POLICY, &o);

	return err ? err : iam_policy_by_id(c, tx, o.id, ret);
}

static enum err make_default(
        struct aws_call *c, struct db_tx *tx, const struct iam_policy *p, int64_t version)
{
	const struct iam_owner o = {IAM_POLICY, p->id, p->name, p->path};
	struct db_query q =
	        db_query(tx, "UPDATE iam_policy SET version = ?, updated_us = ? WHERE id = ?");

	db_bind_int(&q, version);
	db_bind_int(&q, (int64_t)time_now_us());
	db_bind_text(&q, p->id);
	enum err err = db_exec(&q, NULL);
	return err ? err : iam_changed(c, tx, &o);
}

static enum err insert(struct db_tx *tx, const struct iam_policy *p, int64_t version,
        const char *text, uint64_t now_us)
{
	struct db_query q = db_query(tx,
	        "INSERT INTO iam_policy_version (policy_id, version, document, created_us) VALUES "
	        "(?, ?, ?, ?)");

	db_bind_text(&q, p->id);
	db_bind_int(&q, version);
	db_bind_text(&q, text);
	db_bind_int(&q, (int64_t)now_us);
	enum err err = db_exec(&q, NULL);
	if (err)
		return err;
	q = db_query(tx, "UPDATE iam_policy SET newest = ? WHERE id = ?");
	db_bind_int(&q, version);
	db_bind_text(&q, p->id);
	return db_exec(&q, NULL);
}

enum err iam_version_create(struct aws_call *c, struct db_tx *tx)
{
	const char *text = NULL, *as_default = aws_param(c, "SetAsDefault");
	bool becomes = as_default && strcmp(as_default, "true") == 0;
	uint64_t now = time_now_us();
	struct iam_policy p;
	int64_t count;
	enum err err = find_own(c, tx, &p);

	if (!err)
		err = aws_document_needed(
		        c, "PolicyDocument", IAM_MANAGED_BYTES, s3_policy_check_attached, &text);
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM iam_policy_version WHERE policy_id = ?",
		        &count, TEXTS(p.id));
	if (!err && count >= IAM_VERSIONS)
		err = aws_fail(c, 409, "LimitExceeded",
		        "A managed policy can have up to %d versions. Before you create a new "
		        "version, "
		        "you must delete an existing version.",
		        IAM_VERSIONS);
	if (!err)
		err = insert(tx, &p, p.newest + 1, text, now);
	if (!err && becomes)
		err = make_default(c, tx, &p, p.newest + 1);
	if (err)
		return err;
	buf_str(&c->xml, "<PolicyVersion>");
	show(c, p.newest + 1, becomes, NULL, now);
	buf_str(&c->xml, "</PolicyVersion>");
	return ERR_OK;
}

/* --- told --- */

/* Of one that all accounts have there is one version. */
static enum err show_common(struct aws_call *c, const struct iam_policy *p, int64_t version)
{
	if (version != 1)
		return missing(c, version);
	show(c, 1, true, iam_common_find(p->name)->document, 0);
	return ERR_OK;
}

static enum err show_own(
        struct aws_call *c, struct db_tx *tx, const struct iam_policy *p, int64_t version)
{
	struct db_query q = db_query(tx, "SELECT document, created_us FROM iam_policy_version "
	                                 "WHERE policy_id = ? AND version "
	                                 "= ?");

	db_bind_text(&q, p->id);
	db_bind_int(&q, version);
	bool found = db_step(&q);
	if (found)
		show(c, version, version == p->version, db_text(&q, 0), (uint64_t)db_int(&q, 1));
	enum err err = db_end(&q);
	return err || found ? err : missing(c, version);
}

enum err iam_policy_text(
        struct aws_call *c, struct db_tx *tx, const struct iam_policy *p, const char **ret)
{
	if (!p->project_id) {
		*ret = iam_common_find(p->name)->document;
		return ERR_OK;
	}
	enum err err = sql_text(tx,
	        "SELECT v.document FROM iam_policy_version v JOIN iam_policy p ON p.id = "
	        "v.policy_id AND p.version = v.version WHERE p.id = ?",
	        c->arena, ret, TEXTS(p->id));
	return err || *ret ? err : ERR_INTERNAL;
}

enum err iam_version_get(struct aws_call *c, struct db_tx *tx)
{
	struct iam_policy p;
	int64_t version;
	enum err err = iam_policy_named(c, tx, &p);

	if (!err)
		err = read_version(c, &version);
	if (err)
		return err;
	buf_str(&c->xml, "<PolicyVersion>");
	err = p.project_id ? show_own(c, tx, &p, version) : show_common(c, &p, version);
	buf_str(&c->xml, "</PolicyVersion>");
	return err;
}

static void list_one(
        struct aws_page *page, const struct iam_policy *p, int64_t version, uint64_t created_us)
{
	struct aws_call *c = page->call;

	/* The newest comes first. */
	if (!aws_page_takes(
	            page, arena_printf(c->arena, "%020lld", INT64_MAX - (long long)version)))
		return;
	buf_str(&c->xml, "<member>");
	show(c, version, version == p->version, NULL, created_us);
	buf_str(&c->xml, "</member>");
}

enum err iam_version_list(struct aws_call *c, struct db_tx *tx)
{
	struct iam_policy p;
	struct aws_page page;
	enum err err = iam_policy_named(c, tx, &p);

	if (!err)
		err = aws_page_begin(c, &page);
	if (err)
		return err;
	struct db_query q = sql_query(tx,
	        "SELECT version, created_us FROM iam_policy_version WHERE policy_id = ? ORDER BY "
	        "version DESC",
	        TEXTS(p.id));
	buf_str(&c->xml, "<Versions>");
	while (db_step(&q))
		list_one(&page, &p, db_int(&q, 0), (uint64_t)db_int(&q, 1));
	if (!p.project_id)
		list_one(&page, &p, 1, 0);
	buf_str(&c->xml, "</Versions>");
	aws_page_end(&page);
	return db_end(&q);
}

/* --- chosen, and gone --- */

static enum err find_version(
        struct aws_call *c, struct db_tx *tx, struct iam_policy *ret_policy, int64_t *ret_version)
{
	enum err err = find_own(c, tx, ret_policy);

	if (!err)
		err = read_version(c, ret_version);
	if (err)
		return err;
	struct db_query q = db_query(
	        tx, "SELECT version FROM iam_policy_version WHERE policy_id = ? AND version = ?");
	db_bind_text(&q, ret_policy->id);
	db_bind_int(&q, *ret_version);
	bool found = db_step(&q);
	err = db_end(&q);
	return err || found ? err : missing(c, *ret_version);
}

enum err iam_version_default(struct aws_call *c, struct db_tx *tx)
{
	struct iam_policy p;
	int64_t version;
	enum err err = find_version(c, tx, &p, &version);

	return err ? err : make_default(c, tx, &p, version);
}

enum err iam_version_delete(struct aws_call *c, struct db_tx *tx)
{
	struct iam_policy p;
	int64_t version;
	enum err err = find_version(c, tx, &p, &version);

	if (!err && version == p.version)
		err = aws_fail(
		        c, 409, "DeleteConflict", "Cannot delete the default version of a policy.");
	if (err)
		return err;
	struct db_query q =
	        db_query(tx, "DELETE FROM iam_policy_version WHERE policy_id = ? AND version = ?");
	db_bind_text(&q, p.id);
	db_bind_int(&q, version);
	return db_exec(&q, NULL);
}
