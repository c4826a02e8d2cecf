/* STS: temporary credentials. Nothing of them is kept (session.h). */
#include "identity/iam.h"

#include "lib/auth/aws_policy.h"
#include <ctype.h>
#include <string.h>

enum err sts_caller(struct aws_call *c, struct db_tx *tx)
{
	(void)tx;
	aws_xml(c, "Arn", c->arn);
	aws_xml(c, "UserId", c->administers ? c->project_id : c->user_id);
	aws_xml(c, "Account", c->project_id);
	return ERR_OK;
}

/* --- a new session --- */

static enum err read_duration(struct aws_call *c, int64_t standard, int64_t max, uint64_t *ret_us)
{
	int64_t seconds;
	enum err err = aws_number(c, "DurationSeconds", SESSION_MIN_S, max, standard, &seconds);

	if (!err)
		*ret_us = (uint64_t)seconds * 1000000;
	return err;
}

/* Nothing else begins so: an EC2 credential is 32 hexadecimal digits. */
static const char *new_access(struct arena *arena)
{
	char *access = arena_printf(arena, SESSION_PREFIX "%.16s", resource_new_id(arena));

	for (char *p = access; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return access;
}

static enum err give(struct aws_call *c, struct session *s, uint64_t life_us)
{
	AUTO(buf) struct buf token = BUF_NONE;

	s->access = new_access(c->arena);
	s->secret = arena_printf(
	        c->arena, "%.20s%.20s", resource_new_id(c->arena), resource_new_id(c->arena));
	s->credential_id = c->signer.credential.id;
	s->expires_us = (time_now_us() + life_us) / 1000000 * 1000000;
	session_seal(identity_of(c->req)->vault, s, &token);
	if (token.len > SESSION_SHOWN)
		return aws_fail(c, 400, "PackedPolicyTooLarge",
		        "Packed policy consumes %zu%% of allotted space, please use smaller "
		        "policy.",
		        100 * token.len / SESSION_SHOWN);
	buf_str(&c->xml, "<Credentials>");
	aws_xml(c, "AccessKeyId", s->access);
	aws_xml(c, "SecretAccessKey", s->secret);
	aws_xml(c, "SessionToken", buf_text(&token));
	aws_xml_time(c, "Expiration", s->expires_us);
	buf_str(&c->xml, "</Credentials>");
	if (s->policy)
		aws_xml_int(c, "PackedPolicySize", (int64_t)(100 * token.len / SESSION_SHOWN));
	return ERR_OK;
}

static enum err read_policy(struct aws_call *c, const char **ret)
{
	return aws_document(c, "Policy", SESSION_POLICY, s3_policy_check_attached, ret);
}

enum err sts_session(struct aws_call *c, struct db_tx *tx)
{
	struct session s = {.access = NULL};
	uint64_t life_us;
	enum aws_may may;
	enum err err = read_duration(c, SESSION_MAX_S, SESSION_MAX_S, &life_us);

	(void)tx;
	if (!err)
		err = read_policy(c, &s.policy);
	if (!err)
		err = aws_may(c, "sts:GetSessionToken", "*", &may);
	return err ? err : give(c, &s, life_us);
}

/* --- policies of a session: one of what its own and those that are named say --- */

static void add_statements(struct buf *out, const char *text)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;

	if (jread_parse(text, strlen(text), &root))
		return; /* what was taken as a policy is one */
	const struct jval *all = jread_get(root.value, "Statement");
	size_t count = jread_is_array(all) ? jread_len(all) : 1;
	for (size_t i = 0; i < count; i++) {
		if (buf_text(out)[out->len - 1] != '[')
			buf_char(out, ',');
		jread_print(jread_is_array(all) ? jread_at(all, i) : all, out);
	}
}

/* PolicyArns, of the role's account. They say for all of the session's life what they say now. */
static enum err add_named(struct aws_call *c, struct db_tx *tx, const char *account,
        struct buf *out, unsigned *ret_count)
{
	struct iam_policy p;
	const char *arn, *text;
	enum err err = ERR_OK;

	for (*ret_count = 0; !err; ++*ret_count) {
		arn = aws_param(
		        c, arena_printf(c->arena, "PolicyArns.member.%u.arn", *ret_count + 1));
		if (!arn)
			break;
		if (*ret_count == IAM_ATTACHED)
			return aws_fail(
			        c, 400, "ValidationError", "PolicyArns may be %d.", IAM_ATTACHED);
		err = iam_policy_of(c, tx, account, arn, &p);
		if (!err)
			err = iam_policy_text(c, tx, &p, &text);
		if (!err)
			add_statements(out, text);
	}
	return err;
}

static enum err read_policies(
        struct aws_call *c, struct db_tx *tx, const char *account, const char **ret)
{
	AUTO(buf) struct buf all = BUF_NONE;
	unsigned named;
	enum err err = read_policy(c, ret);

	if (err)
		return err;
	buf_str(&all, "{\"Version\":\"2012-10-17\",\"Statement\":[");
	if (*ret)
		add_statements(&all, *ret);
	if ((err = add_named(c, tx, account, &all, &named)) || !named)
		return err;
	buf_str(&all, "]}");
	*ret = arena_strdup(c->arena, buf_text(&all));
	return ERR_OK;
}

/* --- a role --- */

/* "arn:aws:iam::ACCOUNT:role/path/NAME"; without an account: the caller's. */
static enum err read_arn(struct aws_call *c, const char **ret_account, const char **ret_name)
{
	static const char begin[] = "arn:aws:iam::", role[] = ":role/";
	const char *arn = aws_param(c, "RoleArn");

	if (!arn || strncmp(arn, begin, strlen(begin)) != 0)
		return aws_fail(c, 400, "ValidationError", "RoleArn is invalid");
	const char *account = arn + strlen(begin), *rest = strchr(account, ':');
	if (!rest || strncmp(rest, role, strlen(role)) != 0)
		return aws_fail(c, 400, "ValidationError", "RoleArn is invalid");
	*ret_account = rest > account ? arena_strndup(c->arena, account, (size_t)(rest - account))
	                              : c->project_id;
	*ret_name = strrchr(rest, '/') + 1;
	return ERR_OK;
}

static enum err refuse(struct aws_call *c)
{
	return aws_fail(c, 403, "AccessDenied",
	        "User: %s is not authorized to perform: sts:AssumeRole on resource: %.200s", c->arn,
	        aws_param(c, "RoleArn"));
}

/* The role's trust names the user or role, or the account: then who asks needs to be allowed by
 * what is attached to them; who administers the project is. (AWS wants that of another account's
 * users in any case, RGW does not.) */
static enum err check_trust(struct aws_call *c, const struct iam_role *role)
{
	AUTO(jroot) struct jroot trust = JROOT_NONE;
	struct s3_policy_ask ask = {.action = "sts:AssumeRole",
	        .account = c->project_id,
	        .id = c->project_id,
	        .user = c->user_id,
	        .user_name = c->user_name,
	        .role = c->signer.role_name,
	        .session = c->signer.session.name,
	        .value = aws_value,
	        .arg = c};
	enum aws_may may;
	enum err err = aws_may(c, ask.action,
	        arena_printf(c->arena, "arn:aws:iam::%s:role%s%s", role->project_id, role->path,
	                role->name),
	        &may);

	if (err)
		return err;
	/* As at AWS a boundary does not keep a user from what names them; from what names a role it
	 * keeps that. */
	if (may == AWS_BOUNDED && ask.role)
		return refuse(c);
	ask.for_account = may == AWS_ALLOWED || (may == AWS_UNSAID && c->administers);
	if (jread_parse(role->trust, strlen(role->trust), &trust))
		return ERR_INTERNAL;
	return s3_policy_decide(trust.value, &ask) == S3_ALLOWED ? ERR_OK : refuse(c);
}

/* Who is a role already takes the next for an hour at most. */
static enum err read_life(struct aws_call *c, const struct iam_role *role, uint64_t *ret_us)
{
	return read_duration(
	        c, 3600, c->signer.role_name ? SESSION_CHAIN_S : role->max_seconds, ret_us);
}

enum err sts_assume(struct aws_call *c, struct db_tx *tx)
{
	struct session s = {.access = NULL};
	struct iam_role role = {.id = NULL};
	const char *account = NULL, *name = NULL;
	uint64_t life_us;
	enum err err = aws_name(c, "RoleSessionName", SESSION_NAME_MAX, &s.name);

	if (!err)
		err = read_arn(c, &account, &name);
	if (!err && strlen(s.name) < 2)
		err = aws_fail(c, 400, "ValidationError",
		        "RoleSessionName must have length greater than or equal to 2");
	if (err)
		return err;
	if ((err = iam_role_find(c, tx, account, name, &role)))
		return c->status ? refuse(c) : err;
	if ((err = check_trust(c, &role)) || (err = read_life(c, &role, &life_us)))
		return err;
	s.role_id = role.id;
	if ((err = read_policies(c, tx, role.project_id, &s.policy)) ||
	        (err = give(c, &s, life_us)))
		return err;
	buf_str(&c->xml, "<AssumedRoleUser>");
	aws_xml(c, "Arn",
	        arena_printf(c->arena, "arn:aws:sts::%s:assumed-role/%s/%s", role.project_id,
	                role.name, s.name));
	aws_xml(c, "AssumedRoleId", arena_printf(c->arena, "%s:%s", role.id, s.name));
	buf_str(&c->xml, "</AssumedRoleUser>");
	return ERR_OK;
}
