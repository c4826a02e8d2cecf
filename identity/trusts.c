#include "identity/trusts.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include <string.h>

static void load(struct db_query *q, struct arena *arena, struct trust *t)
{
	const char **texts[] = {&t->id, &t->trustor_user_id, &t->trustee_user_id, &t->project_id,
	        &t->redelegated_trust_id};

	*t = (struct trust){.impersonation = db_int(q, 5),
	        .remaining_uses = db_is_null(q, 6) ? -1 : db_int(q, 6),
	        .redelegation_count = db_int(q, 7),
	        .expires_us = db_int(q, 8)};
	for (unsigned i = 0; i < COUNT_OF(texts); i++)
		*texts[i] = db_is_null(q, i) ? NULL : arena_strdup(arena, db_text(q, i));
}

enum err trust_find(struct db_tx *tx, const char *id, struct arena *arena, struct trust *ret)
{
	struct db_query q =
	        sql_query(tx, "SELECT " TRUST_COLUMNS " FROM trust WHERE id = ?", TEXTS(id));
	bool there = db_step(&q);

	if (there)
		load(&q, arena, ret);
	enum err err = db_end(&q);
	return err || there ? err : ERR_NOT_FOUND;
}

static enum err user_counts(struct db_tx *tx, const char *id, bool *ret_counts)
{
	int64_t count;
	enum err err = sql_int(tx,
	        "SELECT COUNT(*) FROM user u JOIN project d ON d.id = u.domain_id WHERE u.id = ? "
	        "AND "
	        "u.enabled = 1 AND d.enabled = 1",
	        &count, TEXTS(id));

	*ret_counts = count > 0;
	return err;
}

static enum err need_user(
        struct rest_req *req, struct db_tx *tx, const char *id, const char *otherwise)
{
	bool counts;
	enum err err = user_counts(tx, id, &counts);

	return err || counts ? err : rest_fail(req, ERR_FORBIDDEN, "%s", otherwise);
}

enum err trust_open(struct rest_req *req, struct db_tx *tx, const char *id, struct trust *ret)
{
	struct trust at;
	enum err err = trust_find(tx, id, req->arena, ret);

	if (err)
		return err;
	if (!ret->remaining_uses || (ret->expires_us && (uint64_t)ret->expires_us <= time_now_us()))
		return ERR_NOT_FOUND;
	if ((err = need_user(req, tx, ret->trustor_user_id, "Trustor is disabled.")))
		return err;
	at = *ret;
	for (unsigned depth = 0; !err && at.redelegated_trust_id && depth < TRUST_CHAIN_MAX;
	        depth++) {
		err = trust_find(tx, at.redelegated_trust_id, req->arena, &at);
		if (!err)
			err = need_user(req, tx, at.trustee_user_id,
			        "One of the trust agents is disabled or deleted");
	}
	return err ? err
	           : sql_text(tx, "SELECT domain_id FROM user WHERE id = ?", req->arena,
	                     &ret->trustor_domain_id, TEXTS(ret->trustor_user_id));
}

enum err trust_use(struct rest_req *req, struct db_tx *tx, const struct trust *t)
{
	unsigned changed;

	(void)req;
	if (t->remaining_uses < 0)
		return ERR_OK;
	enum err err = sql_run(tx,
	        "UPDATE trust SET remaining_uses = remaining_uses - 1 WHERE id = ? AND "
	        "remaining_uses > 0",
	        &changed, TEXTS(t->id));
	return err || changed ? err : ERR_UNAUTHORIZED;
}

/* --- roles --- */

enum err trust_own_roles(
        struct db_tx *tx, const char *id, struct arena *arena, struct roles *ret_roles)
{
	struct db_query q = sql_query(tx,
	        "SELECT r.id, r.name, r.domain_id FROM trust_role t JOIN role r ON r.id = "
	        "t.role_id "
	        "WHERE t.trust_id = ? ORDER BY r.id",
	        TEXTS(id));

	*ret_roles = roles_none(arena);
	while (db_step(&q)) {
		const char *domain = db_text(&q, 2);
		bool nameless = domain && *domain;
		roles_add(ret_roles, arena, db_text(&q, 0), nameless ? "" : db_text(&q, 1));
	}
	return db_end(&q);
}

enum err trust_first(struct db_tx *tx, const char *id, struct arena *arena, struct trust *ret_first)
{
	enum err err = trust_find(tx, id, arena, ret_first);

	for (unsigned depth = 0; !err && ret_first->redelegated_trust_id && depth < TRUST_CHAIN_MAX;
	        depth++)
		err = trust_find(tx, ret_first->redelegated_trust_id, arena, ret_first);
	return err;
}

enum err trust_roles(struct db_tx *tx, const char *id, struct arena *arena, struct roles *ret)
{
	struct trust first;
	struct roles has_still;
	enum err err = trust_first(tx, id, arena, &first);

	*ret = roles_none(arena);
	if (err || !first.project_id)
		return err;
	struct scope in = {TOKEN_PROJECT, first.project_id};
	err = grants_effective(tx, first.trustor_user_id, &in, arena, &has_still);
	if (!err)
		err = trust_own_roles(tx, id, arena, ret);
	if (!err)
		err = grants_implied(tx, arena, ret);
	for (unsigned i = 0; i < ret->count && !err; i++) {
		if (!roles_have(&has_still, ret->items[i].id))
			err = ERR_FORBIDDEN;
	}
	return err;
}

/* --- answers --- */

static void show_role(struct rest_req *req, struct db_query *q, struct jout *out)
{
	const char *domain = db_text(q, 2), *id = db_text(q, 0);

	jout_text(out, "id", id);
	jout_text(out, "name", db_text(q, 1));
	jout_text(out, "domain_id", domain && *domain ? domain : NULL);
	jout_text(out, "description", db_text(q, 3));
	jout_raw(out, "options", db_text(q, 4) ? db_text(q, 4) : "{}");
	jout_object(out, "links");
	jout_text(out, "self", arena_printf(req->arena, "%s/v3/roles/%s", resource_base(req), id));
	jout_end_object(out);
}

#define ROLES_OF                                                                                   \
	"SELECT r.id, r.name, r.domain_id, r.description, r.options FROM trust_role t JOIN role "  \
	"r "                                                                                       \
	"ON r.id = t.role_id WHERE t.trust_id = ?"

static enum err show_roles(
        struct rest_req *req, struct db_tx *tx, const char *id, const char *links, struct jout *out)
{
	struct db_query q = sql_query(tx, ROLES_OF " ORDER BY r.id", TEXTS(id));

	jout_array(out, "roles");
	while (db_step(&q)) {
		jout_object(out, NULL);
		show_role(req, &q, out);
		jout_end_object(out);
	}
	jout_end_array(out);
	jout_object(out, links);
	jout_text(out, "self",
	        arena_printf(req->arena, "%s/v3/OS-TRUST/trusts/%s/roles", resource_base(req), id));
	jout_null(out, "next");
	jout_null(out, "previous");
	jout_end_object(out);
	return db_end(&q);
}

static void show(struct rest_req *req, const struct trust *t, struct jout *out)
{
	char expires[TIME_TEXT];

	time_format((uint64_t)t->expires_us, expires);
	jout_text(out, "id", t->id);
	jout_text(out, "trustor_user_id", t->trustor_user_id);
	jout_text(out, "trustee_user_id", t->trustee_user_id);
	jout_text(out, "project_id", t->project_id);
	jout_bool(out, "impersonation", t->impersonation);
	jout_null(out, "deleted_at");
	jout_text(out, "expires_at", t->expires_us ? expires : NULL);
	if (t->remaining_uses < 0)
		jout_null(out, "remaining_uses");
	else
		jout_int(out, "remaining_uses", t->remaining_uses);
	jout_text(out, "redelegated_trust_id", t->redelegated_trust_id);
	jout_int(out, "redelegation_count", t->redelegation_count);
	jout_object(out, "links");
	jout_text(out, "self",
	        arena_printf(req->arena, "%s/v3/OS-TRUST/trusts/%s", resource_base(req), t->id));
	jout_end_object(out);
}

enum err trust_show(struct rest_req *req, struct db_tx *tx, const struct trust *t)
{
	struct jout *out = &req->json;

	jout_object(out, NULL);
	jout_object(out, "trust");
	show(req, t, out);
	enum err err = show_roles(req, tx, t->id, "roles_links", out);
	jout_end_object(out);
	jout_end_object(out);
	return err;
}

void trust_begin(struct rest_req *req)
{
	buf_reset(&req->out);
	buf_reset(&req->error);
	req->json = (struct jout){.out = &req->out};
}

/* --- who may --- */

enum err trust_may(struct rest_req *req)
{
	const struct token *token = req->caller.token;

	if (!token->application_id)
		return ERR_OK;
	return rest_fail(req, ERR_FORBIDDEN,
	        "You are not authorized to perform the requested action: Using method "
	        "'application_credential' is not allowed for managing trusts.");
}

/* The one that the path names. */
static enum err find(struct rest_req *req, struct db_tx *tx, struct trust *t)
{
	const char *id = rest_param(req, "trust_id");
	enum err err = trust_open(req, tx, id, t);

	trust_begin(req);
	if (err == ERR_NOT_FOUND)
		return rest_fail(req, err, "Could not find trust: %s.", id);
	if (err && err != ERR_FORBIDDEN)
		return err;
	const struct policy_fact target[] = {{"target.trust.trustor_user_id", t->trustor_user_id},
	        {"target.trust.trustee_user_id", t->trustee_user_id}};
	enum err allowed = rest_allow(req, target, COUNT_OF(target));
	return allowed ? allowed : trust_may(req);
}

/* --- others --- */

static enum err show_it(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	struct trust t = {.id = NULL};
	enum err err = find(req, tx, &t);

	return err ? err : trust_show(req, tx, &t);
}

enum err on_trust_show(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, show_it, req);
}

struct listing {
	struct rest_req *req;
	const char *where, *user;
};

static enum err list(struct db_tx *tx, void *arg)
{
	const struct listing *l = arg;
	struct rest_req *req = l->req;
	struct jout *out = &req->json;
	struct trust t;
	struct db_query q = sql_query(tx, l->where, TEXTS(l->user));

	trust_begin(req);
	jout_object(out, NULL);
	jout_array(out, "trusts");
	while (db_step(&q)) {
		load(&q, req->arena, &t);
		jout_object(out, NULL);
		show(req, &t, out);
		jout_end_object(out);
	}
	jout_end_array(out);
	jout_object(out, "links");
	jout_null(out, "next");
	jout_text(
	        out, "self", arena_printf(req->arena, "%s/v3/OS-TRUST/trusts", resource_base(req)));
	jout_null(out, "previous");
	jout_end_object(out);
	jout_end_object(out);
	return db_end(&q);
}

enum err on_trust_list(struct rest_req *req)
{
	const char *trustor = query_get(&req->query, "trustor_user_id"),
	           *trustee = query_get(&req->query, "trustee_user_id");
	struct listing l = {
	        req, "SELECT " TRUST_COLUMNS " FROM trust WHERE id <> ? ORDER BY id", ""};
	struct policy_fact target = {NULL, NULL};
	enum err err;

	if (trustor) {
		l.where =
		        "SELECT " TRUST_COLUMNS " FROM trust WHERE trustor_user_id = ? ORDER BY id";
		l.user = trustor;
		target = (struct policy_fact){"target.trust.trustor_user_id", trustor};
		err = rest_allow_as(req, "identity:list_trusts_for_trustor", &target, 1);
	} else if (trustee) {
		l.where =
		        "SELECT " TRUST_COLUMNS " FROM trust WHERE trustee_user_id = ? ORDER BY id";
		l.user = trustee;
		target = (struct policy_fact){"target.trust.trustee_user_id", trustee};
		err = rest_allow_as(req, "identity:list_trusts_for_trustee", &target, 1);
	} else {
		err = rest_allow(req, NULL, 0);
	}
	if (!err)
		err = trust_may(req);
	return err ? err : db_run(identity_of(req)->db, DB_READ, list, &l);
}

/* With those that were made of it. */
static enum err drop(struct identity *identity, struct db_tx *tx, const char *id,
        struct arena *arena, unsigned depth)
{
	enum err err = ERR_OK;

	while (!err && depth < TRUST_CHAIN_MAX) {
		const char *child = NULL;
		err = sql_text(tx, "SELECT id FROM trust WHERE redelegated_trust_id = ?", arena,
		        &child, TEXTS(id));
		if (err || !child)
			break;
		err = drop(identity, tx, child, arena, depth + 1);
	}
	if (!err)
		err = sql_run(tx, "DELETE FROM trust WHERE id = ?", NULL, TEXTS(id));
	return err ? err : revoke_trust(identity, tx, id);
}

static enum err delete (struct db_tx *tx, void *arg) {
	struct rest_req *req = arg; struct trust t = {.id = NULL}; enum err err = find(req, tx, &t);

	return err ? err : drop(identity_of(req), tx, t.id, req->arena, 0);
}

enum err on_trust_delete(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, delete, req);
}

static enum err roles(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	struct trust t = {.id = NULL};
	enum err err = find(req, tx, &t);

	if (err)
		return err;
	jout_object(&req->json, NULL);
	err = show_roles(req, tx, t.id, "links", &req->json);
	jout_end_object(&req->json);
	return err;
}

enum err on_trust_roles(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, roles, req);
}

static enum err role(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	const char *id = rest_param(req, "role_id");
	struct trust t = {.id = NULL};
	enum err err = find(req, tx, &t);

	if (err)
		return err;
	struct db_query q = sql_query(tx, ROLES_OF " AND r.id = ?", TEXTS(t.id, id));
	bool there = db_step(&q);
	jout_object(&req->json, NULL);
	jout_object(&req->json, "role");
	if (there)
		show_role(req, &q, &req->json);
	jout_end_object(&req->json);
	jout_end_object(&req->json);
	err = db_end(&q);
	return err || there ? err : rest_fail(req, ERR_NOT_FOUND, "Could not find role: %s.", id);
}

enum err on_trust_role(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, role, req);
}

enum err trusts_drop_user(struct db_tx *tx, const char *user_id)
{
	return sql_run(tx, "DELETE FROM trust WHERE trustor_user_id = ? OR trustee_user_id = ?",
	        NULL, TEXTS(user_id, user_id));
}
