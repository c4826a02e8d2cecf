#include "identity/aws.h"

#include "identity/iam.h"
#include <string.h>

#define PARAMETERS_MAX 256

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

/* By a trust or an application credential. */
static bool is_delegated(const struct aws_call *c)
{
	return c->signer.trust_id || c->signer.application_id;
}

static void name_role(struct aws_call *c)
{
	const struct signer *s = &c->signer;

	c->project_id = s->role_project_id;
	c->domain_id = s->role_domain_id;
	c->user_id = arena_printf(c->arena, "%s:%s", s->session.role_id, s->session.name);
	c->user_name = NULL;
	c->administers = false;
	c->arn = arena_printf(c->arena, "arn:aws:sts::%s:assumed-role/%s/%s", c->project_id,
	        s->role_name, s->session.name);
	c->principal_arn = arena_printf(
	        c->arena, "arn:aws:iam::%s:role%s%s", c->project_id, s->path, s->role_name);
}

static void name_user(struct aws_call *c)
{
	c->arn = c->administers ? arena_printf(c->arena, "arn:aws:iam::%s:root", c->project_id)
	                        : arena_printf(c->arena, "arn:aws:iam::%s:user%s%s", c->project_id,
	                                  c->signer.path, c->user_name);
	c->principal_arn = c->arn;
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
	c->domain_id = text_of(jread_get(project, "domain"), "id", c->arena);
	if (!c->user_id || !c->user_name || !c->project_id || !c->domain_id)
		return ERR_UNAUTHORIZED;
	c->user_name = iam_user_name(c->arena, c->user_name, c->project_id);
	/* What was delegated does not beget. */
	c->administers = may_administer(jread_get(t, "roles")) && !is_delegated(c);
	if (c->signer.role_name)
		name_role(c);
	else
		name_user(c);
	return ERR_OK;
}

static const struct aws_action *choose(struct aws_call *c, const char *service)
{
	const char *wanted = strcmp(service, "sts") == 0 ? "2011-06-15" : "2010-05-08";
	const char *name = aws_param(c, "Action"), *version = aws_param(c, "Version");
	const struct aws_action *action = name ? aws_action_find(service, name) : NULL;

	if (action && version && strcmp(version, wanted) == 0)
		return action;
	aws_fail(c, 400, name ? "InvalidAction" : "MissingAction",
	        "Could not find operation %.100s for version %.100s", name ? name : "",
	        version ? version : "NO_VERSION_SPECIFIED");
	return NULL;
}

/* --- may they? --- */

static enum err refuse(struct aws_call *c, const char *arn, bool bounded)
{
	return aws_fail(c, 403, "AccessDenied",
	        "User: %s is not authorized to perform: %s:%s on resource: %.300s because no %s "
	        "allows the %s:%s action",
	        c->arn, c->action->service, c->action->name, arn,
	        bounded ? "permissions boundary" : "identity-based policy", c->action->service,
	        c->action->name);
}

/* A user is told of themself. */
static bool is_of_self(const struct aws_call *c)
{
	const char *name = aws_param(c, "UserName");

	return c->action->run == iam_user_get && c->user_name &&
	       (!name || strcmp(name, c->user_name) == 0);
}

enum err aws_allowed(struct aws_call *c, const char *arn)
{
	const struct aws_action *a = c->action;
	enum aws_may may;
	enum err err = aws_may(c, arena_printf(c->arena, "%s:%s", a->service, a->name), arn, &may);

	if (err)
		return err;
	if (may == AWS_ALLOWED || is_of_self(c) || (may == AWS_UNSAID && c->administers))
		return ERR_OK;
	return refuse(c, arn, may == AWS_BOUNDED);
}

static enum err authorize(struct aws_call *c, struct db_tx *tx)
{
	const struct aws_action *a = c->action;
	const struct signer *s = &c->signer;
	const char *arn = "*";

	if (s->session_token && (s->role_name ? a->flags & AWS_KEY : !(a->flags & AWS_SESSION)))
		return aws_fail(c, 403, "AccessDenied",
		        "%s cannot be called with session credentials", a->name);
	if (is_delegated(c) && a->flags & (AWS_WRITES | AWS_BEGETS))
		return aws_fail(c, 403, "AccessDenied",
		        "%s cannot be called with delegated credentials", a->name);
	if (a->flags & AWS_OPEN)
		return ERR_OK;
	enum err err = iam_resource(c, tx, &arn);
	return err ? err : aws_allowed(c, arn);
}

static enum err run(struct db_tx *tx, void *arg)
{
	struct aws_call *c = arg;

	buf_reset(&c->xml);
	c->status = 0;
	enum err err = authorize(c, tx);
	if (!err)
		err = c->action->run(c, tx);
	if (!err && c->action->flags & AWS_WRITES)
		err = db_last(tx, "revocation", &c->news);
	return err;
}

static void answer(struct aws_call *c)
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
		jout_text(out, "action", c->action->name);
		jout_text(out, "result", buf_text(&c->xml));
		if (c->news)
			jout_int(out, "news", (int64_t)c->news);
	}
	jout_end_object(out);
	jout_end_object(out);
}

static unsigned parameters(const char *form)
{
	unsigned count = 1;

	for (; (form = strchr(form, '&')); form++)
		count++;
	return count;
}

enum err on_aws(struct rest_req *req)
{
	const struct jval *asked = jread_get(req->body, "aws");
	struct aws_call c = {.req = req, .arena = req->arena, .xml = BUF_NONE};
	const char *service = text_of(asked, "service", c.arena),
	           *form = text_of(asked, "form", c.arena);
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
	if (parameters(form) > PARAMETERS_MAX)
		aws_fail(&c, 400, "ValidationError", "There are more than %d parameters.",
		        PARAMETERS_MAX);
	query_parse_many(c.arena, form, PARAMETERS_MAX, &c.form);
	c.from = text_of(asked, "from", c.arena);
	c.agent = text_of(asked, "agent", c.arena);
	jread_bool(jread_get(asked, "tls"), &c.tls);
	if (!c.status && (c.action = choose(&c, service)))
		err = db_run(identity_of(req)->db,
		        c.action->flags & AWS_WRITES ? DB_WRITE : DB_READ, run, &c);
	if (c.status || !err) {
		err = ERR_OK;
		answer(&c);
	}
	buf_done(&c.xml);
	return err;
}
