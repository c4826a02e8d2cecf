/* IAM's access keys: EC2 credentials for the account's project; of users that were made by IAM, or
 * of who asks. */
#include "identity/iam.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Of the user that is named, who must be ours, or of who asks. */
static enum err find_user(struct aws_call *c, struct db_tx *tx, struct iam_owner *ret)
{
	if (!c->user_name && !aws_param(c, "UserName"))
		return aws_fail(c, 400, "ValidationError",
		        "Must specify userName when calling with non-User credentials");
	if (!aws_param(c, "UserName")) {
		*ret = (struct iam_owner){IAM_USER, c->user_id, c->user_name, c->signer.path};
		return ERR_OK;
	}
	enum err err = iam_named(c, tx, IAM_USER, ret);
	return err || strcmp(ret->id, c->user_id) == 0 ? err : iam_user_ours(c, tx, ret->id);
}

static enum err insert(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o,
        const char *access, const char *secret, uint64_t now_us)
{
	AUTO(buf) struct buf blob = BUF_NONE;
	struct jout out = {.out = &blob};

	jout_object(&out, NULL);
	jout_text(&out, "access", access);
	jout_text(&out, "secret", secret);
	jout_end_object(&out);
	struct credential credential = {.id = credential_ec2_id(c->arena, access),
	        .user_id = o->id,
	        .project_id = c->project_id,
	        .type = "ec2",
	        .blob = buf_text(&blob)};
	enum err err = credential_insert(identity_of(c->req), tx, &credential, c->arena);
	if (err)
		return err;
	struct db_query q = sql_query(tx,
	        "INSERT INTO iam_key (credential_id, active, created_us) VALUES (?, 1, ?)",
	        TEXTS(credential.id));
	db_bind_int(&q, (int64_t)now_us);
	return db_exec(&q, NULL);
}

enum err iam_key_create(struct aws_call *c, struct db_tx *tx)
{
	const char *access = resource_new_id(c->arena), *secret = resource_new_id(c->arena);
	uint64_t now = time_now_us();
	struct iam_owner o;
	int64_t count;
	enum err err = find_user(c, tx, &o);

	if (!err)
		err = sql_int(tx,
		        "SELECT COUNT(*) FROM credential c JOIN iam_key k ON k.credential_id = "
		        "c.id "
		        "WHERE c.user_id = ?",
		        &count, TEXTS(o.id));
	if (!err)
		err = aws_quota(c, count, IAM_KEYS, "AccessKeysPerUser");
	if (!err)
		err = insert(c, tx, &o, access, secret, now);
	if (err)
		return err;
	buf_str(&c->xml, "<AccessKey>");
	aws_xml(c, "UserName", o.name);
	aws_xml(c, "AccessKeyId", access);
	aws_xml(c, "Status", "Active");
	aws_xml(c, "SecretAccessKey", secret);
	aws_xml_time(c, "CreateDate", now);
	buf_str(&c->xml, "</AccessKey>");
	return ERR_OK;
}

/* --- told --- */

struct key {
	const char *id, *access;
};

struct keys {
	struct aws_call *call;
	struct key all[256]; /* more are not listed */
	unsigned count;
};

static bool collect(const struct credential *credential, void *arg)
{
	struct keys *k = arg;
	struct arena *arena = k->call->arena;
	AUTO(jroot) struct jroot blob = JROOT_NONE;
	const char *access;

	if (!credential->project_id || strcmp(credential->project_id, k->call->project_id) != 0 ||
	        jread_parse(credential->blob, strlen(credential->blob), &blob) ||
	        !jread_str(jread_get(blob.value, "access"), &access))
		return true;
	k->all[k->count++] =
	        (struct key){arena_strdup(arena, credential->id), arena_strdup(arena, access)};
	return k->count < COUNT_OF(k->all);
}

static int by_access(const void *a, const void *b)
{
	return strcasecmp(((const struct key *)a)->access, ((const struct key *)b)->access);
}

/* One that the identity service's own API has made is always active, and when that was is not
 * known. */
static enum err show(
        struct aws_call *c, struct db_tx *tx, const struct iam_owner *o, const struct key *key)
{
	struct db_query q = sql_query(tx,
	        "SELECT active, created_us FROM iam_key WHERE credential_id = ?", TEXTS(key->id));
	bool ours = db_step(&q), active = !ours || db_int(&q, 0);
	int64_t created_us = ours ? db_int(&q, 1) : 0;

	buf_str(&c->xml, "<member>");
	aws_xml(c, "UserName", o->name);
	aws_xml(c, "AccessKeyId", key->access);
	aws_xml(c, "Status", active ? "Active" : "Inactive");
	if (created_us)
		aws_xml_time(c, "CreateDate", (uint64_t)created_us);
	buf_str(&c->xml, "</member>");
	return db_end(&q);
}

/* Of any user: what is told is no secret. */
static enum err find_listed(struct aws_call *c, struct db_tx *tx, struct iam_owner *ret)
{
	return aws_param(c, "UserName") ? iam_named(c, tx, IAM_USER, ret) : find_user(c, tx, ret);
}

enum err iam_key_list(struct aws_call *c, struct db_tx *tx)
{
	struct keys *k = arena_zalloc(c->arena, sizeof(*k));
	struct iam_owner o;
	struct aws_page page;
	enum err err = find_listed(c, tx, &o);

	k->call = c;
	if (!err)
		err = aws_page_begin(c, &page);
	if (!err)
		err = credential_each(identity_of(c->req), tx, o.id, "ec2", c->arena, collect, k);
	if (err)
		return err;
	qsort(k->all, k->count, sizeof(k->all[0]), by_access);
	buf_str(&c->xml, "<AccessKeyMetadata>");
	for (unsigned i = 0; !err && i < k->count; i++) {
		if (aws_page_takes(&page, k->all[i].access))
			err = show(c, tx, &o, &k->all[i]);
	}
	buf_str(&c->xml, "</AccessKeyMetadata>");
	aws_page_end(&page);
	return err;
}

/* --- changed and gone --- */

static enum err find_key(struct aws_call *c, struct db_tx *tx, const char **ret_id)
{
	const char *access = aws_param(c, "AccessKeyId");
	struct credential credential = {.id = NULL};
	struct iam_owner o;
	enum err err = find_user(c, tx, &o);

	if (err)
		return err;
	*ret_id = credential_ec2_id(c->arena, access ? access : "");
	err = fields_find(&credential_fields, tx, *ret_id, c->arena, &credential);
	if (err && err != ERR_NOT_FOUND)
		return err;
	if (err || strcmp(credential.user_id, o.id) != 0 || !credential.project_id ||
	        strcmp(credential.project_id, c->project_id) != 0)
		return aws_fail(c, 404, "NoSuchEntity",
		        "The Access Key with id %.100s cannot be found.", access ? access : "");
	return ERR_OK;
}

/* When one that the identity service's own API has made was made is not known. */
enum err iam_key_update(struct aws_call *c, struct db_tx *tx)
{
	const char *status = aws_param(c, "Status"), *id;
	bool active = status && strcmp(status, "Active") == 0;
	int64_t known;
	enum err err = find_key(c, tx, &id);

	if (!err && !active && (!status || strcmp(status, "Inactive") != 0))
		err = aws_fail(c, 400, "ValidationError", "Status is Active or Inactive.");
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM iam_key WHERE credential_id = ?", &known,
		        TEXTS(id));
	if (!err && !known)
		err = sql_run(tx,
		        "INSERT INTO iam_key (credential_id, active, created_us) VALUES (?, 1, 0)",
		        NULL, TEXTS(id));
	if (!err)
		err = sql_run(tx,
		        active ? "UPDATE iam_key SET active = 1 WHERE credential_id = ?"
		               : "UPDATE iam_key SET active = 0 WHERE credential_id = ?",
		        NULL, TEXTS(id));
	return err ? err : revoke_credential(identity_of(c->req), tx, id);
}

enum err iam_key_delete(struct aws_call *c, struct db_tx *tx)
{
	const char *id;
	enum err err = find_key(c, tx, &id);

	if (!err)
		err = fields_delete(&credential_fields, tx, id);
	return err ? err : revoke_credential(identity_of(c->req), tx, id);
}
