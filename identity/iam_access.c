/* IAM's access keys: EC2 credentials of users that were made by IAM, for the account's project. */
#include "identity/aws.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include <string.h>

#define KEYS_EACH 2

/* Of the user that is named, who must be ours. */
static enum err find_user(
        struct aws_call *c, struct db_tx *tx, const char **ret_name, const char **ret_id)
{
	enum err err = aws_name(c, "UserName", 64, ret_name);

	if (!err)
		err = aws_user(c, tx, *ret_name, ret_id);
	return err ? err : iam_user_ours(c, tx, *ret_id);
}

enum err iam_key_create(struct aws_call *c, struct db_tx *tx)
{
	const char *name, *id, *access = resource_new_id(c->arena),
	                       *secret = resource_new_id(c->arena);
	AUTO(buf) struct buf blob = BUF_NONE;
	struct jout out = {.out = &blob};
	int64_t count;
	enum err err = find_user(c, tx, &name, &id);

	if (!err)
		err = sql_int(tx,
		        "SELECT COUNT(*) FROM credential WHERE user_id = ? AND type = 'ec2'",
		        &count, TEXTS(id));
	if (err)
		return err;
	if (count >= KEYS_EACH)
		return aws_fail(c, 409, "LimitExceeded",
		        "Cannot exceed quota for AccessKeysPerUser: %d", KEYS_EACH);
	jout_object(&out, NULL);
	jout_text(&out, "access", access);
	jout_text(&out, "secret", secret);
	jout_end_object(&out);
	struct credential credential = {.id = credential_ec2_id(c->arena, access),
	        .user_id = id,
	        .project_id = c->project_id,
	        .type = "ec2",
	        .blob = buf_text(&blob)};
	if ((err = credential_insert(identity_of(c->req), tx, &credential, c->arena)))
		return err;
	buf_str(&c->xml, "<AccessKey>");
	aws_xml(c, "UserName", name);
	aws_xml(c, "AccessKeyId", access);
	aws_xml(c, "Status", "Active");
	aws_xml(c, "SecretAccessKey", secret);
	aws_xml_time(c, "CreateDate", time_now_us());
	buf_str(&c->xml, "</AccessKey>");
	return ERR_OK;
}

struct listing {
	struct aws_call *call;
	const char *user_name;
};

static bool list_one(const struct credential *credential, void *arg)
{
	struct listing *l = arg;
	struct aws_call *c = l->call;
	AUTO(jroot) struct jroot blob = JROOT_NONE;
	const char *access;

	if (!credential->project_id || strcmp(credential->project_id, c->project_id) != 0 ||
	        jread_parse(credential->blob, strlen(credential->blob), &blob) ||
	        !jread_str(jread_get(blob.value, "access"), &access))
		return true;
	buf_str(&c->xml, "<member>");
	aws_xml(c, "UserName", l->user_name);
	aws_xml(c, "AccessKeyId", access);
	aws_xml(c, "Status", "Active");
	buf_str(&c->xml, "</member>");
	return true;
}

enum err iam_key_list(struct aws_call *c, struct db_tx *tx)
{
	struct listing l = {c, aws_param(c, "UserName")};
	const char *id;
	enum err err = aws_user(c, tx, l.user_name, &id);

	if (err)
		return err;
	if (!l.user_name)
		l.user_name = c->user_name;
	buf_str(&c->xml, "<AccessKeyMetadata>");
	err = credential_each(identity_of(c->req), tx, id, "ec2", c->arena, list_one, &l);
	buf_str(&c->xml, "</AccessKeyMetadata><IsTruncated>false</IsTruncated>");
	return err;
}

enum err iam_key_delete(struct aws_call *c, struct db_tx *tx)
{
	const char *name, *id, *access = aws_param(c, "AccessKeyId");
	struct credential credential = {.id = NULL};
	enum err err = find_user(c, tx, &name, &id);

	if (err)
		return err;
	const char *key_id = credential_ec2_id(c->arena, access ? access : "");
	err = fields_find(&credential_fields, tx, key_id, c->arena, &credential);
	if (err && err != ERR_NOT_FOUND)
		return err;
	if (err || strcmp(credential.user_id, id) != 0)
		return aws_fail(c, 404, "NoSuchEntity",
		        "The Access Key with id %.100s cannot be found.", access ? access : "");
	err = fields_delete(&credential_fields, tx, key_id);
	return err ? err : revoke_credential(identity_of(c->req), tx, key_id);
}

enum err iam_user_changed(struct aws_call *c, struct db_tx *tx, const char *user_id)
{
	const char *ids[256];
	unsigned count = 0;
	struct db_query q = sql_query(tx,
	        "SELECT id FROM credential WHERE user_id = ? AND project_id = ? AND type = 'ec2'",
	        TEXTS(user_id, c->project_id));

	while (count < COUNT_OF(ids) && db_step(&q))
		ids[count++] = arena_strdup(c->arena, db_text(&q, 0));
	enum err err = db_end(&q);
	for (unsigned i = 0; !err && i < count; i++)
		err = revoke_credential(identity_of(c->req), tx, ids[i]);
	return err;
}
