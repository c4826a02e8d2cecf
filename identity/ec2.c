/* EC2's credentials of users: an access key that we choose, and its secret. */
#include "identity/credentials.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include <stdio.h>
#include <string.h>

static enum err allow(struct rest_req *req, const char *owner_id)
{
	const struct policy_fact facts[] = {
	        {"target.credential.user_id", owner_id}, {"user_id", rest_param(req, "user_id")}};

	return rest_allow(req, facts, COUNT_OF(facts));
}

static enum err find_user(struct rest_req *req, struct db_tx *tx)
{
	const char *id = rest_param(req, "user_id");
	struct user user = {.id = NULL};
	enum err err = fields_find(&user_fields, tx, id, req->arena, &user);

	return err == ERR_NOT_FOUND ? rest_fail(req, err, "Could not find user: %s.", id) : err;
}

static void answer_anew(struct rest_req *req)
{
	buf_reset(&req->out);
	buf_reset(&req->error);
	req->json = (struct jout){.out = &req->out};
}

static void show_member(struct jout *out, const struct jval *blob, const char *name)
{
	const char *text = NULL;

	jread_str(jread_get(blob, name), &text);
	jout_text(out, name, text);
}

static void show(
        struct rest_req *req, const char *name, const struct credential *c, struct jout *out)
{
	AUTO(jroot) struct jroot blob = JROOT_NONE;
	const char *access = "";

	if (!jread_parse(c->blob, strlen(c->blob), &blob))
		jread_str(jread_get(blob.value, "access"), &access);
	jout_object(out, name);
	jout_text(out, "user_id", c->user_id);
	jout_text(out, "tenant_id", c->project_id);
	jout_text(out, "access", access);
	show_member(out, blob.value, "secret");
	show_member(out, blob.value, "trust_id");
	jout_object(out, "links");
	jout_text(out, "self",
	        arena_printf(req->arena, "%s/v3/users/%s/credentials/OS-EC2/%s", resource_base(req),
	                c->user_id, access));
	jout_end_object(out);
	jout_end_object(out);
}

static void show_alone(struct rest_req *req, const struct credential *c)
{
	answer_anew(req);
	jout_object(&req->json, NULL);
	show(req, "credential", c, &req->json);
	jout_end_object(&req->json);
}

/* --- lists --- */

static bool show_listed(const struct credential *c, void *arg)
{
	struct rest_req *req = arg;

	if (!credential_may(req, c->project_id))
		show(req, NULL, c, &req->json);
	return true;
}

static enum err run_list(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	enum err err = find_user(req, tx);

	if (err)
		return err;
	answer_anew(req);
	jout_object(&req->json, NULL);
	jout_array(&req->json, "credentials");
	err = credential_each(identity_of(req), tx, rest_param(req, "user_id"), "ec2", req->arena,
	        show_listed, req);
	jout_end_array(&req->json);
	jout_object(&req->json, "links");
	jout_null(&req->json, "next");
	jout_text(&req->json, "self",
	        arena_printf(req->arena, "%s/v3/users/%s/credentials/OS-EC2", resource_base(req),
	                rest_param(req, "user_id")));
	jout_null(&req->json, "previous");
	jout_end_object(&req->json);
	jout_end_object(&req->json);
	buf_reset(&req->error);
	return err;
}

enum err on_ec2_list(struct rest_req *req)
{
	enum err err = allow(req, rest_param(req, "user_id"));

	return err ? err : db_run(identity_of(req)->db, DB_READ, run_list, req);
}

/* --- a new one --- */

static const char *make_blob(struct rest_req *req, const char **ret_access)
{
	const struct token *t = req->caller.token;
	AUTO(buf) struct buf text = BUF_NONE;
	struct jout out = {.out = &text};

	*ret_access = resource_new_id(req->arena);
	jout_object(&out, NULL);
	jout_text(&out, "access", *ret_access);
	jout_text(&out, "secret", resource_new_id(req->arena));
	jout_text(&out, "trust_id", t->trust_id);
	if (t->application_id)
		jout_text(&out, "app_cred_id", t->application_id);
	jout_end_object(&out);
	return arena_strdup(req->arena, buf_text(&text));
}

static enum err run_create(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	const char *project_id = NULL, *access;
	struct project project = {.id = NULL};
	struct credential c = {.type = "ec2", .user_id = rest_param(req, "user_id")};
	enum err err;

	buf_reset(&req->error);
	jread_str(jread_get(req->body, "tenant_id"), &project_id);
	if ((err = credential_may_add(req, tx)) || (err = find_user(req, tx)))
		return err;
	err = project_id ? fields_find(&project_fields, tx, project_id, req->arena, &project)
	                 : ERR_NOT_FOUND;
	if (err == ERR_NOT_FOUND)
		return rest_fail(
		        req, err, "Could not find project: %s.", project_id ? project_id : "None");
	if (err || (err = credential_may(req, project_id)))
		return err;
	c.project_id = project.id;
	c.blob = make_blob(req, &access);
	c.id = credential_ec2_id(req->arena, access);
	if ((err = credential_insert(identity_of(req), tx, &c, req->arena)))
		return err;
	show_alone(req, &c);
	return ERR_OK;
}

enum err on_ec2_create(struct rest_req *req)
{
	enum err err = allow(req, rest_param(req, "user_id"));

	return err ? err : db_run(identity_of(req)->db, DB_WRITE, run_create, req);
}

/* --- one --- */

static enum err not_found(struct rest_req *req, const char *id)
{
	return rest_fail(req, ERR_NOT_FOUND, "Could not find credential: %s.", id);
}

/* Of that user. Whether an access key is there is no secret: nobody can guess one. */
static enum err find(struct rest_req *req, struct db_tx *tx, struct credential *ret)
{
	const char *id = credential_ec2_id(req->arena, rest_param(req, "credential_id"));
	enum err err = credential_find(identity_of(req), tx, id, req->arena, ret);

	if (err)
		return err == ERR_NOT_FOUND ? not_found(req, id) : err;
	if ((err = allow(req, ret->user_id)) || (err = find_user(req, tx)))
		return err;
	if (strcmp(ret->type, "ec2") != 0 || strcmp(ret->user_id, rest_param(req, "user_id")) != 0)
		return not_found(req, id);
	return credential_may(req, ret->project_id);
}

static enum err run_show(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	struct credential c = {.id = NULL};
	enum err err = find(req, tx, &c);

	if (!err)
		show_alone(req, &c);
	return err;
}

enum err on_ec2_show(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_show, req);
}

static enum err run_delete(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	struct credential c = {.id = NULL};
	enum err err;

	buf_reset(&req->error);
	if ((err = find(req, tx, &c)) || (err = fields_delete(&credential_fields, tx, c.id)))
		return err;
	return revoke_credential(identity_of(req), tx, c.id);
}

enum err on_ec2_delete(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_delete, req);
}
