#include "identity/credentials.h"

#include "identity/applications.h"
#include "identity/revoke.h"
#include "identity/sql.h"
#include "identity/vault.h"
#include "lib/base/hex.h"
#include "lib/crypto/sha256.h"
#include "lib/log/log.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct token *token_of(const struct rest_req *req)
{
	return req->caller.token;
}

static bool is_ec2(const struct credential *c)
{
	return strcasecmp(c->type, "ec2") == 0;
}

const char *credential_ec2_id(struct arena *arena, const char *access)
{
	uint8_t digest[SHA256_BYTES];
	char *id = arena_alloc(arena, 2 * SHA256_BYTES + 1);

	sha256_digest(access, strlen(access), digest);
	hex_encode(digest, SHA256_BYTES, id);
	return id;
}

enum err credential_may(struct rest_req *req, const char *project_id)
{
	const struct token *t = token_of(req);

	if (!t || (!t->trust_id && !t->application_id))
		return ERR_OK;
	if (project_id && t->scope == TOKEN_PROJECT && strcmp(project_id, t->scope_id) == 0)
		return ERR_OK;
	return rest_fail(req, ERR_FORBIDDEN,
	        "You are not authorized to perform the requested action: Credential project does "
	        "not match the project scope of the delegated token.");
}

enum err credential_may_add(struct rest_req *req, struct db_tx *tx)
{
	const struct token *t = token_of(req);
	struct application app = {.id = NULL};

	if (!t || !t->application_id)
		return ERR_OK;
	enum err err = fields_find(&application_fields, tx, t->application_id, req->arena, &app);
	if (err || app.unrestricted)
		return err;
	return rest_fail(req, ERR_FORBIDDEN,
	        "You are not authorized to perform the requested action: Using method "
	        "'application_credential' is not allowed for managing additional credentials.");
}

/* --- blobs --- */

static enum err unseal(struct identity *it, struct arena *arena, struct credential *c)
{
	enum err err = vault_unseal(it->vault, c->id, c->sealed, arena, &c->blob);

	if (err)
		log_error("credential", "id=%s err=%s next=\"its key is not in credential-keys\"",
		        c->id, err_name(err));
	return err ? ERR_INTERNAL : ERR_OK;
}

static enum err load(struct rest_req *req, struct db_tx *tx, void *record)
{
	struct credential *c = record;
	enum err err = credential_may(req, c->project_id);

	(void)tx;
	return err ? err : unseal(identity_of(req), req->arena, c);
}

enum err credential_find(struct identity *it, struct db_tx *tx, const char *id, struct arena *arena,
        struct credential *ret)
{
	enum err err = fields_find(&credential_fields, tx, id, arena, ret);

	return err ? err : unseal(it, arena, ret);
}

static void seal(struct identity *it, struct arena *arena, struct credential *c)
{
	AUTO(buf) struct buf sealed = BUF_NONE;

	vault_seal(it->vault, c->id, c->blob, &sealed);
	c->sealed = arena_strdup(arena, buf_text(&sealed));
}

enum err credential_insert(
        struct identity *it, struct db_tx *tx, struct credential *c, struct arena *arena)
{
	seal(it, arena, c);
	return fields_insert(&credential_fields, tx, c);
}

enum err credential_each(struct identity *it, struct db_tx *tx, const char *user_id,
        const char *type, struct arena *arena,
        bool (*each)(const struct credential *credential, void *arg), void *arg)
{
	AUTO(buf) struct buf sql = BUF_NONE;
	enum err err = ERR_OK;
	bool more = true;

	buf_str(&sql, "SELECT ");
	fields_columns(&credential_fields, "", &sql);
	buf_str(&sql, " FROM credential WHERE user_id = ? AND type = ? ORDER BY id");
	struct db_query q = db_query(tx, buf_text(&sql));
	db_bind_text(&q, user_id);
	db_bind_text(&q, type);
	while (!err && more && db_step(&q)) {
		struct credential c = {.id = NULL};
		fields_load(&credential_fields, &q, arena, &c);
		if (!(err = unseal(it, arena, &c)))
			more = each(&c, arg);
	}
	enum err end = db_end(&q);
	return err ? err : end;
}

/* --- what is given --- */

static enum err invalid(struct rest_req *req, const char *what)
{
	return rest_fail(req, ERR_BAD_REQUEST, "Invalid input for field 'blob': %s", what);
}

/* Its access key, or *ret NULL with a text. */
static enum err parse_ec2(struct rest_req *req, const char *blob, struct jroot *root)
{
	const char *access;

	if (jread_parse(blob, strlen(blob), root) || !jread_is_object(root->value))
		return rest_fail(req, ERR_BAD_REQUEST, "Invalid blob in credential");
	if (!jread_str(jread_get(root->value, "access"), &access))
		return invalid(req, "wants an access key, as \"access\".");
	return ERR_OK;
}

/* What was made by a delegated token gives delegated tokens. */
static const char *with_delegation(
        struct rest_req *req, const char *blob, const struct jval *object)
{
	const struct token *t = token_of(req);
	AUTO(buf) struct buf text = BUF_NONE;
	struct jout out = {.out = &text};
	const char *name;

	if (!t || (!t->trust_id && !t->application_id))
		return blob;
	jout_object(&out, NULL);
	for (size_t i = 0; (name = jread_name(object, i)); i++) {
		bool ours = (t->trust_id && strcmp(name, "trust_id") == 0) ||
		            (t->application_id && strcmp(name, "app_cred_id") == 0);
		if (!ours)
			jout_value(&out, name, jread_get(object, name));
	}
	if (t->trust_id)
		jout_text(&out, "trust_id", t->trust_id);
	if (t->application_id)
		jout_text(&out, "app_cred_id", t->application_id);
	jout_end_object(&out);
	return arena_strdup(req->arena, buf_text(&text));
}

/* An EC2 credential is found by its access key, others by whatever. */
static void complete(struct rest_req *req, void *record)
{
	struct credential *c = record;
	AUTO(jroot) struct jroot root = JROOT_NONE;
	const char *access;

	c->id = resource_new_id(req->arena);
	if (!is_ec2(c) || jread_parse(c->blob, strlen(c->blob), &root) ||
	        !jread_str(jread_get(root.value, "access"), &access))
		return;
	c->id = credential_ec2_id(req->arena, access);
	c->blob = with_delegation(req, c->blob, root.value);
}

static bool same(const struct jval *a, const struct jval *b)
{
	AUTO(buf) struct buf x = BUF_NONE;
	AUTO(buf) struct buf y = BUF_NONE;

	if (!a || !b || jread_is_null(a) || jread_is_null(b))
		return (!a || jread_is_null(a)) == (!b || jread_is_null(b));
	jread_print(a, &x);
	jread_print(b, &y);
	return strcmp(buf_text(&x), buf_text(&y)) == 0;
}

/* Who it was delegated by stays. */
static enum err check_blob_change(
        struct rest_req *req, const struct jval *is, const struct credential *old)
{
	static const char *const kept[] = {
	        "trust_id", "app_cred_id", "access_token_id", "access_id"};
	AUTO(jroot) struct jroot was = JROOT_NONE;

	if (jread_parse(old->blob, strlen(old->blob), &was))
		return ERR_OK;
	for (unsigned i = 0; i < COUNT_OF(kept); i++) {
		if (!same(jread_get(was.value, kept[i]), jread_get(is, kept[i])))
			return rest_fail(req, ERR_BAD_REQUEST,
			        "%s can not be updated for credential", kept[i]);
	}
	return ERR_OK;
}

static enum err check_ec2(
        struct change *change, const struct credential *c, const struct credential *old)
{
	struct rest_req *req = change->req;
	AUTO(jroot) struct jroot root = JROOT_NONE;

	if (!c->project_id)
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Invalid input for field 'project_id': an ec2 credential wants one.");
	if (old && !is_ec2(old))
		return ERR_OK;
	enum err err = parse_ec2(req, c->blob, &root);
	return err || !old ? err : check_blob_change(req, root.value, old);
}

static enum err check(struct change *change)
{
	struct rest_req *req = change->req;
	struct credential *c = change->record;
	const struct credential *old = change->old;
	const struct policy_fact owner = {"target.credential.user_id", c->user_id};
	enum err err = credential_may(req, c->project_id);

	if (!err && old)
		err = rest_allow(req, &owner, 1);
	if (!err && !old && is_ec2(c))
		err = credential_may_add(req, change->tx);
	if (!err && is_ec2(c))
		err = check_ec2(change, c, old);
	if (err)
		return err;
	seal(identity_of(req), req->arena, c);
	return old ? revoke_credential(identity_of(req), change->tx, c->id) : ERR_OK;
}

static enum err before_delete(struct change *change)
{
	const struct credential *c = change->old;

	return revoke_credential(identity_of(change->req), change->tx, c->id);
}

const struct managed managed_credential = {
        .resource = {.fields = &credential_fields,
                .size = sizeof(struct credential),
                .path = "/v3/credentials",
                .load = load},
        .noun = "credential",
        .param = "credential_id",
        .user_offset = offsetof(struct credential, user_id),
        .complete = complete,
        .check = check,
        .before_delete = before_delete,
};

/* --- lists: everybody's for who may see them, else one's own --- */

static enum err run_list(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	AUTO(resource_where) struct resource_where where = {.count = 0};
	const struct token *t = token_of(req);

	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	if (rest_allow_as(req, "identity:get_credential", NULL, 0))
		resource_where(&where, "t.user_id = ?", req->caller.user_id, 0);
	if (t->trust_id || t->application_id)
		resource_where(&where, "t.project_id = ?",
		        req->caller.project_id ? req->caller.project_id : "", 0);
	buf_reset(&req->error);
	return resource_list(req, tx, &managed_credential.resource, NULL, &where);
}

enum err on_credential_list(struct rest_req *req)
{
	const struct policy_fact owner = {"target.credential.user_id", req->caller.user_id};
	enum err err = rest_allow(req, &owner, 1);

	return err ? err : db_run(identity_of(req)->db, DB_READ, run_list, req);
}
