#include "identity/aws.h"

#include "identity/sql.h"
#include "lib/auth/aws_policy.h"
#include "lib/base/markup.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct aws_action actions[] = {
        {"sts", "GetCallerIdentity", sts_caller, false, false, true},
        {"sts", "GetSessionToken", sts_session, false, false, false},
        {"sts", "AssumeRole", sts_assume, false, false, false},
        {"iam", "CreateUser", iam_user_create, true, true, false},
        {"iam", "GetUser", iam_user_get, false, false, false},
        {"iam", "ListUsers", iam_user_list, true, false, false},
        {"iam", "DeleteUser", iam_user_delete, true, true, false},
        {"iam", "ListGroups", iam_group_list, true, false, false},
        {"iam", "ListOpenIDConnectProviders", iam_provider_list, true, false, false},
        {"iam", "CreateAccessKey", iam_key_create, true, true, false},
        {"iam", "ListAccessKeys", iam_key_list, true, false, false},
        {"iam", "DeleteAccessKey", iam_key_delete, true, true, false},
        {"iam", "PutUserPolicy", iam_user_policy_put, true, true, false},
        {"iam", "GetUserPolicy", iam_user_policy_get, true, false, false},
        {"iam", "ListUserPolicies", iam_user_policy_list, true, false, false},
        {"iam", "DeleteUserPolicy", iam_user_policy_delete, true, true, false},
        {"iam", "CreateRole", iam_role_create, true, true, false},
        {"iam", "GetRole", iam_role_get, true, false, false},
        {"iam", "ListRoles", iam_role_list, true, false, false},
        {"iam", "DeleteRole", iam_role_delete, true, true, false},
        {"iam", "UpdateAssumeRolePolicy", iam_role_trust, true, true, false},
        {"iam", "PutRolePolicy", iam_role_policy_put, true, true, false},
        {"iam", "GetRolePolicy", iam_role_policy_get, true, false, false},
        {"iam", "ListRolePolicies", iam_role_policy_list, true, false, false},
        {"iam", "DeleteRolePolicy", iam_role_policy_delete, true, true, false},
};

/* --- for actions --- */

enum err aws_fail(struct aws_call *c, int status, const char *code, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	c->status = status;
	c->code = code;
	c->text = arena_strdup(c->arena, text);
	return ERR_BAD_REQUEST;
}

const char *aws_param(const struct aws_call *c, const char *name)
{
	const char *value = query_get(&c->form, name);

	return value && *value ? value : NULL;
}

static bool is_name(const char *text)
{
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("+=,.@-_", *text))
			return false;
	}
	return true;
}

enum err aws_name(struct aws_call *c, const char *param, unsigned max, const char **ret)
{
	const char *value = aws_param(c, param);

	if (value && strlen(value) <= max && is_name(value)) {
		*ret = value;
		return ERR_OK;
	}
	return aws_fail(c, 400, "ValidationError",
	        "The parameter %s must be there, and have 1 to %u letters, digits and +=,.@-_.",
	        param, max);
}

enum err aws_path(struct aws_call *c, const char **ret)
{
	const char *path = aws_param(c, "Path");
	size_t len = path ? strlen(path) : 0;

	if (!path) {
		*ret = "/";
		return ERR_OK;
	}
	bool good = len <= 512 && *path == '/' && path[len - 1] == '/';
	for (const char *p = path; good && *p; p++)
		good = *p > ' ' && *p < 0x7f;
	if (!good)
		return aws_fail(c, 400, "ValidationError",
		        "The specified value for path is invalid. It must begin and end with / and "
		        "contain only alphanumeric characters and/or / characters.");
	*ret = path;
	return ERR_OK;
}

enum err aws_document(struct aws_call *c, const char *param, size_t max,
        const char *(*check)(const struct jval *policy), const char **ret)
{
	const char *text = aws_param(c, param);
	AUTO(jroot) struct jroot root = JROOT_NONE;

	if (!text)
		return ERR_OK;
	if (strlen(text) > max)
		return aws_fail(c, 400, "ValidationError",
		        "The parameter %s must have length less than or equal to %zu", param, max);
	const char *wrong = jread_parse(text, strlen(text), &root) ? "Syntax errors in policy."
	                                                           : check(root.value);
	if (wrong)
		return aws_fail(c, 400, "MalformedPolicyDocument", "%s", wrong);
	*ret = text;
	return ERR_OK;
}

enum err aws_user(struct aws_call *c, struct db_tx *tx, const char *name, const char **ret)
{
	const char *id = NULL;
	enum err err = ERR_OK;

	if (!name) {
		*ret = c->user_id;
		return ERR_OK;
	}
	err = sql_text(tx,
	        "SELECT u.id FROM user u WHERE u.name = ? AND u.domain_id = ? AND EXISTS (SELECT 1 "
	        "FROM assignment a WHERE a.actor_kind = 'user' AND a.actor_id = u.id AND a.kind = "
	        "'project' AND a.target_id = ?)",
	        c->arena, &id, TEXTS(name, c->domain_id, c->project_id));
	if (err)
		return err;
	if (!id)
		return aws_fail(
		        c, 404, "NoSuchEntity", "The user with name %.200s cannot be found.", name);
	*ret = id;
	return ERR_OK;
}

static const char *no_value(void *arg, const char *key, unsigned n)
{
	const struct aws_call *c = arg;

	return n                                  ? NULL
	       : strcmp(key, "aws:username") == 0 ? c->user_name
	       : strcmp(key, "aws:userid") == 0   ? c->user_id
	                                          : NULL;
}

enum err aws_may(struct aws_call *c, const char *action, const char *arn, bool *ret_may)
{
	AUTO(jroot) struct jroot all = JROOT_NONE;
	const struct s3_policy_ask ask = {.action = action,
	        .arn = arn,
	        .account = c->project_id,
	        .attached = true,
	        .value = no_value,
	        .arg = c};
	const char *text;

	if (jread_parse(c->signer.policies, strlen(c->signer.policies), &all))
		return ERR_INTERNAL;
	*ret_may = false;
	for (size_t i = 0; i < jread_len(all.value); i++) {
		AUTO(jroot) struct jroot one = JROOT_NONE;
		if (!jread_str(jread_at(all.value, i), &text) ||
		        jread_parse(text, strlen(text), &one))
			return ERR_INTERNAL;
		enum s3_verdict verdict = s3_policy_decide(one.value, &ask);
		if (verdict == S3_DENIED)
			return aws_fail(c, 403, "AccessDenied",
			        "User: %s is not authorized to perform: %s on resource: %s with an "
			        "explicit deny in an identity-based policy",
			        c->user_id, action, arn);
		*ret_may |= verdict == S3_ALLOWED;
	}
	return ERR_OK;
}

void aws_xml(struct aws_call *c, const char *name, const char *text)
{
	buf_printf(&c->xml, "<%s>", name);
	for (; *text; text++) {
		if ((unsigned char)*text >= ' ' || *text == '\n')
			markup_escape(&c->xml, text, 1, "&<>\"");
		else
			buf_printf(&c->xml, "&#x%x;", (unsigned char)*text);
	}
	buf_printf(&c->xml, "</%s>", name);
}

void aws_xml_time(struct aws_call *c, const char *name, uint64_t us)
{
	char text[TIME_TEXT];

	time_format(us, text);
	buf_printf(&c->xml, "<%s>%.19sZ</%s>", name, text, name);
}

/* --- one --- */

static const char *text_of(const struct jval *object, const char *name, struct arena *arena)
{
	const char *text;

	return jread_str(jread_get(object, name), &text) ? arena_strdup(arena, text) : NULL;
}

/* A role on the project that Keystone's rules let administer it. */
static bool may_administer(const struct jval *roles)
{
	const char *name;

	for (size_t i = 0; i < jread_len(roles); i++) {
		if (jread_str(jread_get(jread_at(roles, i), "name"), &name) &&
		        (strcmp(name, "admin") == 0 || strcmp(name, "manager") == 0))
			return true;
	}
	return false;
}

/* As the token says that the key is good for. */
static enum err find_caller(struct aws_call *c)
{
	AUTO(jroot) struct jroot body = JROOT_NONE;
	struct rest_req *req = c->req;
	enum err err = signer_find(&c->signer);

	if (!err)
		err = signer_login(&c->signer);
	if (err)
		return err;
	if (jread_parse(req->out.data, req->out.len, &body))
		return ERR_INTERNAL;
	buf_reset(&req->headers);
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	const struct jval *t = jread_get(body.value, "token"), *user = jread_get(t, "user"),
	                  *project = jread_get(t, "project");
	c->user_id = text_of(user, "id", c->arena);
	c->user_name = text_of(user, "name", c->arena);
	c->project_id = text_of(project, "id", c->arena);
	c->project_name = text_of(project, "name", c->arena);
	c->domain_id = text_of(jread_get(project, "domain"), "id", c->arena);
	/* What was delegated does not beget. */
	c->administers = may_administer(jread_get(t, "roles")) && !c->signer.trust_id &&
	                 !c->signer.application_id;
	return c->user_id && c->user_name && c->project_id && c->domain_id ? ERR_OK
	                                                                   : ERR_UNAUTHORIZED;
}

static const struct aws_action *find_action(struct aws_call *c, const char *service)
{
	static const char *const versions[][2] = {{"sts", "2011-06-15"}, {"iam", "2010-05-08"}};
	const char *name = aws_param(c, "Action"), *version = aws_param(c, "Version");

	for (unsigned i = 0; name && i < COUNT_OF(actions); i++) {
		const struct aws_action *a = &actions[i];
		if (strcmp(a->service, service) != 0 || strcmp(a->name, name) != 0)
			continue;
		for (unsigned v = 0; version && v < COUNT_OF(versions); v++) {
			if (strcmp(versions[v][0], service) == 0 &&
			        strcmp(versions[v][1], version) == 0)
				return a;
		}
	}
	aws_fail(c, 400, name ? "InvalidAction" : "MissingAction",
	        "Could not find operation %.100s for version %.100s", name ? name : "",
	        version ? version : "NO_VERSION_SPECIFIED");
	return NULL;
}

struct run {
	struct aws_call *call;
	const struct aws_action *action;
};

static enum err run(struct db_tx *tx, void *arg)
{
	struct run *r = arg;

	buf_reset(&r->call->xml);
	r->call->status = 0;
	return r->action->run(r->call, tx);
}

static enum err act(struct aws_call *c, const struct aws_action *a)
{
	struct run r = {c, a};

	if (c->signer.session_token && !a->in_session)
		return aws_fail(c, 403, "AccessDenied",
		        "%s cannot be called with session credentials", a->name);
	if (a->administers && !c->administers)
		return aws_fail(c, 403, "AccessDenied",
		        "User: arn:aws:iam::%s:user/%s is not authorized to perform: %s:%s",
		        c->project_id, c->user_name, a->service, a->name);
	return db_run(identity_of(c->req)->db, a->writes ? DB_WRITE : DB_READ, run, &r);
}

static void answer(struct aws_call *c, const struct aws_action *action)
{
	struct jout *out = &c->req->json;

	buf_reset(&c->req->error);
	jout_object(out, NULL);
	jout_object(out, "aws");
	if (c->status) {
		jout_int(out, "status", c->status);
		jout_text(out, "code", c->code);
		jout_text(out, "text", c->text);
	} else {
		jout_text(out, "action", action->name);
		jout_text(out, "result", buf_text(&c->xml));
	}
	jout_end_object(out);
	jout_end_object(out);
}

enum err on_aws(struct rest_req *req)
{
	const struct jval *asked = jread_get(req->body, "aws");
	struct aws_call c = {.req = req, .arena = req->arena, .xml = BUF_NONE};
	const char *service = text_of(asked, "service", c.arena),
	           *form = text_of(asked, "form", c.arena);
	const struct aws_action *action = NULL;
	enum err err = signer_check_service(req);

	if (err)
		return err;
	c.signer = (struct signer){.req = req,
	        .access = text_of(asked, "access", c.arena),
	        .session_token = text_of(asked, "session", c.arena)};
	if (!service || !form || !c.signer.access)
		return rest_fail(req, ERR_BAD_REQUEST, "It wants service, access and form.");
	if ((err = find_caller(&c)))
		return err;
	query_parse(c.arena, form, &c.form);
	if ((action = find_action(&c, service)))
		err = act(&c, action);
	if (c.status || !err) {
		err = ERR_OK;
		answer(&c, action);
	}
	buf_done(&c.xml);
	return err;
}
