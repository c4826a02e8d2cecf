#include "identity/applications.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include "lib/base/base64.h"
#include "lib/base/hex.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/sha256.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define QUICK "sha256:" /* before the hash of a secret that we made; else bcrypt's */

#define ASKED (FIELD_CREATE | FIELD_UNSTORED | FIELD_HIDDEN)
#define TEXT(name, flags, min, max)                                                                \
	{                                                                                          \
#name, FIELD_TEXT, offsetof(struct application, name), (flags), (min), (max), NULL \
	}
#define JSON(name, flags)                                                                          \
	{                                                                                          \
#name, FIELD_JSON, offsetof(struct application, name), (flags), 0, 0, NULL         \
	}

static const struct field items[] = {
        TEXT(id, 0, 0, 0),
        TEXT(name, FIELD_CREATE | FIELD_REQUIRED | FIELD_FILTER, 1, 255),
        TEXT(user_id, FIELD_HIDDEN, 0, 0),
        TEXT(project_id, FIELD_CREATE, 0, 64),
        TEXT(description, FIELD_CREATE | FIELD_NULL, 0, 0),
        TEXT(secret_hash, FIELD_HIDDEN, 0, 0),
        TEXT(secret, ASKED | FIELD_NULL, 0, 4096),
        TEXT(expires_at, ASKED | FIELD_NULL, 0, 64),
        JSON(roles, ASKED | FIELD_ANY),
        JSON(access_rules, ASKED | FIELD_ANY),
        {"unrestricted", FIELD_BOOL, offsetof(struct application, unrestricted), FIELD_CREATE, 0, 0,
                NULL},
        {"expires_us", FIELD_INT, offsetof(struct application, expires_us), FIELD_HIDDEN, 0, 0,
                NULL},
};
const struct fields application_fields = {.name = "application_credential",
        .plural = "application_credentials",
        .table = "application_credential",
        .items = items,
        .count = COUNT_OF(items)};

/* --- secrets --- */

static void digest_of(const char *secret, char ret_hex[2 * SHA256_BYTES + 1])
{
	uint8_t digest[SHA256_BYTES];

	sha256_digest(secret, strlen(secret), digest);
	hex_encode(digest, SHA256_BYTES, ret_hex);
}

static bool is_quick(const char *hash)
{
	return hash && strncmp(hash, QUICK, strlen(QUICK)) == 0;
}

bool application_is_quick(const char *secret, const char *hash)
{
	char hex[2 * SHA256_BYTES + 1];

	if (!is_quick(hash))
		return false;
	digest_of(secret, hex);
	hash += strlen(QUICK);
	return strlen(hash) == strlen(hex) && hmac_equal(hash, hex, strlen(hex));
}

/* bcrypt looks at 72 bytes: of the digest, so that all of a long secret counts. */
bool application_secret_matches(
        const struct identity *identity, const char *secret, const char *hash)
{
	char hex[2 * SHA256_BYTES + 1];

	digest_of(secret, hex);
	return password_matches(identity, hex, is_quick(hash) ? NULL : hash);
}

/* 64 bytes in base64url, as Keystone's. */
static const char *make_secret(struct arena *arena)
{
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t raw[64];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		abort();
	base64_encode_url(raw, sizeof(raw), &text);
	return arena_strdup(arena, buf_text(&text));
}

/* --- who may --- */

enum err application_may(struct rest_req *req, struct db_tx *tx, bool manage)
{
	const struct token *token = req->caller.token;
	struct application app = {.id = NULL};

	if (token->trust_id)
		return rest_fail(req, ERR_FORBIDDEN,
		        "Cannot manage application credentials with a token issued via "
		        "delegation.");
	if (!manage || !token->application_id)
		return ERR_OK;
	enum err err =
	        fields_find(&application_fields, tx, token->application_id, req->arena, &app);
	if (err || app.unrestricted)
		return err;
	return rest_fail(req, ERR_FORBIDDEN,
	        "You are not authorized to perform the requested action: Using method "
	        "'application_credential' is not allowed for managing additional application "
	        "credentials.");
}

/* --- answers --- */

static enum err load_roles(struct rest_req *req, struct db_tx *tx, struct application *a)
{
	AUTO(buf) struct buf json = BUF_NONE;
	struct jout out = {.out = &json};
	struct db_query q = sql_query(tx,
	        "SELECT r.id, r.name, r.domain_id, r.description, r.options FROM application_role "
	        "a JOIN role r ON r.id = a.role_id WHERE a.application_id = ? ORDER BY r.id",
	        TEXTS(a->id));

	jout_array(&out, NULL);
	while (db_step(&q)) {
		const char *domain = db_text(&q, 2);
		jout_object(&out, NULL);
		jout_text(&out, "domain_id", domain && *domain ? domain : NULL);
		jout_text(&out, "id", db_text(&q, 0));
		jout_text(&out, "name", db_text(&q, 1));
		jout_text(&out, "description", db_text(&q, 3));
		jout_raw(&out, "options", db_text(&q, 4) ? db_text(&q, 4) : "{}");
		jout_end_object(&out);
	}
	jout_end_array(&out);
	a->role_items = arena_strdup(req->arena, buf_text(&json));
	return db_end(&q);
}

static enum err load(struct rest_req *req, struct db_tx *tx, void *record)
{
	enum err err = load_roles(req, tx, record);

	return err ? err : application_rules_load(req, tx, record);
}

static void show(struct rest_req *req, const void *record, struct jout *out)
{
	const struct application *a = record;
	char expires[TIME_TEXT];

	(void)req;
	time_format((uint64_t)a->expires_us, expires);
	expires[strlen(expires) - 1] = 0; /* Keystone has no Z here */
	jout_text(out, "expires_at", a->expires_us ? expires : NULL);
	jout_raw(out, "roles", a->role_items);
	if (a->rules)
		jout_raw(out, "access_rules", a->rules);
	if (a->secret)
		jout_text(out, "secret", a->secret);
}

/* Its links begin with its user's. */
static struct resource resource_of(struct rest_req *req, const char *user_id)
{
	return (struct resource){.fields = &application_fields,
	        .size = sizeof(struct application),
	        .path = arena_printf(req->arena, "/v3/users/%s/application_credentials", user_id),
	        .load = load,
	        .show = show};
}

static void answer_anew(struct rest_req *req)
{
	buf_reset(&req->out);
	buf_reset(&req->error);
	req->json = (struct jout){.out = &req->out};
}

/* --- one is made --- */

static enum err read_role(
        struct rest_req *req, struct db_tx *tx, const struct jval *item, const char **ret_id)
{
	const char *name = NULL;

	*ret_id = NULL;
	if (!jread_is_object(item) || jread_name(item, 1) ||
	        !(jread_str(jread_get(item, "id"), ret_id) ||
	                jread_str(jread_get(item, "name"), &name)))
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Invalid input for field 'roles': wants objects with an id or a name.");
	if (*ret_id)
		return ERR_OK;
	enum err err = sql_text(tx, "SELECT id FROM role WHERE name = ? ORDER BY domain_id",
	        req->arena, ret_id, TEXTS(name));
	return err || *ret_id ? err
	                      : rest_fail(req, ERR_NOT_FOUND, "Could not find role: %s.", name);
}

/* Those asked for, with what they imply; or all that the token has. It has none that the token has
 * not. */
static enum err read_roles(struct rest_req *req, struct db_tx *tx, const struct application *a,
        struct roles *ret_roles)
{
	AUTO(jroot) struct jroot given = JROOT_NONE;
	struct roles mine;
	enum err err = grants_of(tx, req->caller.token, req->arena, &mine);

	if (err)
		return err;
	if (a->roles)
		jread_parse(a->roles, strlen(a->roles), &given);
	if (a->roles && !jread_is_array(given.value))
		return rest_fail(
		        req, ERR_BAD_REQUEST, "Invalid input for field 'roles': wants an array.");
	*ret_roles = mine;
	if (!jread_len(given.value))
		return ERR_OK;
	*ret_roles = roles_none(req->arena);
	for (size_t i = 0; i < jread_len(given.value) && !err; i++) {
		const char *id;
		err = read_role(req, tx, jread_at(given.value, i), &id);
		if (!err)
			roles_add(ret_roles, req->arena, id, "");
	}
	if (!err)
		err = grants_implied(tx, req->arena, ret_roles);
	for (unsigned i = 0; i < ret_roles->count && !err; i++) {
		if (!roles_have(&mine, ret_roles->items[i].id))
			err = rest_fail(req, ERR_BAD_REQUEST,
			        "Invalid application credential: Cannot create an application "
			        "credential with unassigned role");
	}
	return err;
}

static enum err store(struct db_tx *tx, void *arg)
{
	struct application *a = arg;
	struct rest_req *req = a->req;
	struct roles roles;

	answer_anew(req);
	enum err err = application_may(req, tx, true);
	if (!err)
		err = read_roles(req, tx, a, &roles);
	if (!err)
		err = fields_insert(&application_fields, tx, a);
	if (err == ERR_EXISTS)
		return rest_fail(req, err,
		        "Conflict occurred attempting to store application_credential - "
		        "Duplicate entry found with name %s.",
		        a->name);
	for (unsigned i = 0; !err && i < roles.count; i++)
		err = sql_run(tx,
		        "INSERT INTO application_role (application_id, role_id) VALUES (?, ?)",
		        NULL, TEXTS(a->id, roles.items[i].id));
	if (!err && a->access_rules)
		err = application_rules_store(req, tx, a);
	if (!err)
		err = load(req, tx, a);
	if (err)
		return err;
	struct resource resource = resource_of(req, a->user_id);
	resource_show(req, &resource, a);
	return ERR_OK;
}

static enum err hash_and_store(struct rest_req *req)
{
	struct application *a = req->own;
	char hex[2 * SHA256_BYTES + 1], *hash = arena_zalloc(req->arena, PASSWORD_HASH);

	digest_of(a->secret, hex);
	enum err err = password_hash(identity_of(req), hex, hash);
	a->secret_hash = hash;
	return err ? err : db_run(identity_of(req)->db, DB_WRITE, store, a);
}

static enum err read_expiry(struct rest_req *req, struct application *a)
{
	uint64_t us;

	if (!a->expires_at)
		return ERR_OK;
	if (!time_parse(a->expires_at, &us))
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Timestamp not in expected format. The server could not comply with the "
		        "request since it is either malformed or otherwise incorrect. The client "
		        "is assumed to be in error.");
	if (us <= time_now_us())
		return rest_fail(req, ERR_BAD_REQUEST,
		        "The 'expires_at' must not be before now. The server could not comply with "
		        "the request since it is either malformed or otherwise incorrect. The "
		        "client is assumed to be in error.");
	a->expires_us = (int64_t)us;
	return ERR_OK;
}

enum err on_application_create(struct rest_req *req)
{
	struct application *a = arena_zalloc(req->arena, sizeof(*a));
	const struct resource resource = resource_of(req, req->caller.user_id);
	char hex[2 * SHA256_BYTES + 1];
	enum err err = resource_read(req, &resource, FOR_CREATE, a);

	if (!err)
		err = read_expiry(req, a);
	if (err)
		return err;
	if (!req->caller.project_id)
		return rest_fail(req, ERR_BAD_REQUEST,
		        "An application credential wants a token with the scope of a project.");
	a->req = req;
	a->id = resource_new_id(req->arena);
	a->user_id = rest_param(req, "user_id");
	a->project_id = req->caller.project_id;
	req->own = a;
	if (a->secret && *a->secret)
		return rest_move(req, identity_of(req)->hashes, hash_and_store);
	a->secret = make_secret(req->arena);
	digest_of(a->secret, hex);
	a->secret_hash = arena_printf(req->arena, "%s%s", QUICK, hex);
	return db_run(identity_of(req)->db, DB_WRITE, store, a);
}

/* --- others --- */

static enum err list(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	AUTO(resource_where) struct resource_where where = {.count = 0};
	const char *user = rest_param(req, "user_id");
	struct resource resource = resource_of(req, user);

	answer_anew(req);
	enum err err = application_may(req, tx, false);
	if (err)
		return err;
	resource_where(&where, "t.user_id = ?", user, 0);
	return resource_list(req, tx, &resource, NULL, &where);
}

enum err on_application_list(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, list, req);
}

/* The one that the path names: whose it is says the row, not the path. */
static enum err find(struct rest_req *req, struct db_tx *tx, bool manage, struct application *a)
{
	const char *id = rest_param(req, "application_credential_id");
	enum err err = fields_find(&application_fields, tx, id, req->arena, a);

	answer_anew(req);
	if (err && err != ERR_NOT_FOUND)
		return err;
	struct policy_fact target = {"user_id", err ? rest_param(req, "user_id") : a->user_id};
	enum err allowed = rest_allow(req, &target, 1);
	if (!allowed)
		allowed = application_may(req, tx, manage);
	if (allowed)
		return allowed;
	return err ? rest_fail(req, err, "Could not find Application Credential: %s.", id) : ERR_OK;
}

static enum err show_one(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	struct application a = {.id = NULL};
	enum err err = find(req, tx, false, &a);

	if (!err)
		err = load(req, tx, &a);
	if (err)
		return err;
	struct resource resource = resource_of(req, a.user_id);
	resource_show(req, &resource, &a);
	return ERR_OK;
}

enum err on_application_show(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, show_one, req);
}

static enum err delete (struct db_tx *tx, void *arg) {
	struct rest_req *req = arg; struct application a = {.id = NULL};
	enum err err = find(req, tx, true, &a);

	if (!err) err = fields_delete(&application_fields, tx, a.id);
	return err ? err : revoke_application(identity_of(req), tx, a.id);
}

enum err on_application_delete(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, delete, req);
}

/* --- with what they stand on --- */

enum err applications_drop_user(struct db_tx *tx, const char *user_id)
{
	enum err err = sql_run(
	        tx, "DELETE FROM application_credential WHERE user_id = ?", NULL, TEXTS(user_id));

	return err ? err
	           : sql_run(tx, "DELETE FROM access_rule WHERE user_id = ?", NULL, TEXTS(user_id));
}

enum err applications_drop_project(struct db_tx *tx, const char *user_id, const char *project_id)
{
	return sql_run(tx,
	        "DELETE FROM application_credential WHERE user_id = ? AND project_id = ?", NULL,
	        TEXTS(user_id, project_id));
}

enum err applications_drop_role(struct db_tx *tx, const char *role_id)
{
	return sql_run(tx,
	        "DELETE FROM application_credential WHERE id IN (SELECT application_id FROM "
	        "application_role WHERE role_id = ?)",
	        NULL, TEXTS(role_id));
}
