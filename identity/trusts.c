#include "identity/trusts.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include <stdio.h>
#include <string.h>

#define CHAIN_MAX 16 /* longer ones cannot be made */

#define COLUMNS                                                                                    \
	"id, trustor_user_id, trustee_user_id, project_id, redelegated_trust_id, impersonation, "  \
	"remaining_uses, redelegation_count, expires_us"

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
	struct db_query q = sql_query(tx, "SELECT " COLUMNS " FROM trust WHERE id = ?", TEXTS(id));
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
	for (unsigned depth = 0; !err && at.redelegated_trust_id && depth < CHAIN_MAX; depth++) {
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

static bool has(const struct roles *roles, const char *id)
{
	for (unsigned i = 0; i < roles->count; i++) {
		if (strcmp(roles->items[i].id, id) == 0)
			return true;
	}
	return false;
}

static enum err own_roles(
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

static enum err first_of(
        struct db_tx *tx, const char *id, struct arena *arena, struct trust *ret_first)
{
	enum err err = trust_find(tx, id, arena, ret_first);

	for (unsigned depth = 0; !err && ret_first->redelegated_trust_id && depth < CHAIN_MAX;
	        depth++)
		err = trust_find(tx, ret_first->redelegated_trust_id, arena, ret_first);
	return err;
}

enum err trust_roles(struct db_tx *tx, const char *id, struct arena *arena, struct roles *ret)
{
	struct trust first;
	struct roles has_still;
	enum err err = first_of(tx, id, arena, &first);

	*ret = roles_none(arena);
	if (err || !first.project_id)
		return err;
	struct scope in = {TOKEN_PROJECT, first.project_id};
	err = grants_effective(tx, first.trustor_user_id, &in, arena, &has_still);
	if (!err)
		err = own_roles(tx, id, arena, ret);
	if (!err)
		err = grants_implied(tx, arena, ret);
	for (unsigned i = 0; i < ret->count && !err; i++) {
		if (!has(&has_still, ret->items[i].id))
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

static enum err show_one(struct rest_req *req, struct db_tx *tx, const struct trust *t)
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

static void answer_anew(struct rest_req *req)
{
	buf_reset(&req->out);
	buf_reset(&req->error);
	req->json = (struct jout){.out = &req->out};
}

/* --- who may --- */

static enum err no_application(struct rest_req *req)
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

	answer_anew(req);
	if (err == ERR_NOT_FOUND)
		return rest_fail(req, err, "Could not find trust: %s.", id);
	if (err && err != ERR_FORBIDDEN)
		return err;
	const struct policy_fact target[] = {{"target.trust.trustor_user_id", t->trustor_user_id},
	        {"target.trust.trustee_user_id", t->trustee_user_id}};
	enum err allowed = rest_allow(req, target, COUNT_OF(target));
	return allowed ? allowed : no_application(req);
}

/* --- one is made --- */

struct making {
	struct rest_req *req;
	struct trust trust;
	struct trust parent; /* id NULL: it is not passed on */
	struct roles roles;
	bool redelegates;
	int64_t count; /* asked for; -1: not */
};

static enum err wants(struct rest_req *req, const char *field, const char *what)
{
	return rest_fail(
	        req, ERR_BAD_REQUEST, "Invalid input for field '%s': wants %s.", field, what);
}

static bool read_text(const struct jval *trust, const char *name, const char **ret_text)
{
	const struct jval *value = jread_get(trust, name);

	return !value || jread_is_null(value) || jread_str(value, ret_text);
}

static bool read_int(const struct jval *trust, const char *name, int64_t min, int64_t *ret)
{
	const struct jval *value = jread_get(trust, name);

	return !value || jread_is_null(value) || (jread_int(value, ret) && *ret >= min);
}

static enum err read_expiry(struct making *m, const struct jval *trust)
{
	const char *text = NULL;
	uint64_t us;

	if (!read_text(trust, "expires_at", &text))
		return wants(m->req, "expires_at", "a string, or null");
	if (!text)
		return ERR_OK;
	if (!time_parse(text, &us))
		return rest_fail(m->req, ERR_BAD_REQUEST,
		        "Timestamp not in expected format. The server could not comply with the "
		        "request since it is either malformed or otherwise incorrect. The client "
		        "is assumed to be in error.");
	if (us <= time_now_us())
		return rest_fail(m->req, ERR_BAD_REQUEST,
		        "The 'expires_at' must not be before now. The server could not comply with "
		        "the request since it is either malformed or otherwise incorrect. The "
		        "client is assumed to be in error.");
	m->trust.expires_us = (int64_t)us;
	return ERR_OK;
}

static enum err read_body(struct making *m, const struct jval *trust)
{
	struct trust *t = &m->trust;
	const struct jval *again = jread_get(trust, "allow_redelegation");

	if (!jread_is_object(trust))
		return wants(m->req, "trust", "an object");
	if (!jread_str(jread_get(trust, "trustor_user_id"), &t->trustor_user_id))
		return wants(m->req, "trustor_user_id", "a string");
	if (!jread_str(jread_get(trust, "trustee_user_id"), &t->trustee_user_id))
		return wants(m->req, "trustee_user_id", "a string");
	if (!jread_bool(jread_get(trust, "impersonation"), &t->impersonation))
		return wants(m->req, "impersonation", "true or false");
	if (!read_text(trust, "project_id", &t->project_id))
		return wants(m->req, "project_id", "a string, or null");
	if (!read_int(trust, "remaining_uses", 1, &t->remaining_uses))
		return wants(m->req, "remaining_uses", "a number from 1, or null");
	if (!read_int(trust, "redelegation_count", 0, &m->count))
		return wants(m->req, "redelegation_count", "a number from 0, or null");
	if (again && !jread_is_null(again) && !jread_bool(again, &m->redelegates))
		return wants(m->req, "allow_redelegation", "true or false, or null");
	if (t->project_id && !*t->project_id)
		t->project_id = NULL;
	if (jread_get(trust, "roles") && !jread_is_array(jread_get(trust, "roles")))
		return wants(m->req, "roles", "an array");
	return read_expiry(m, trust);
}

static enum err read_roles(struct making *m, struct db_tx *tx, const struct jval *list)
{
	struct rest_req *req = m->req;
	enum err err = ERR_OK;

	m->roles = roles_none(req->arena);
	for (size_t i = 0; i < jread_len(list) && !err; i++) {
		const char *id = NULL, *name = NULL, *found = NULL;
		const struct jval *item = jread_at(list, i);
		bool by_id = jread_str(jread_get(item, "id"), &id);
		if (!by_id && !jread_str(jread_get(item, "name"), &name))
			return wants(req, "roles", "objects with an id or a name");
		err = by_id ? sql_text(tx, "SELECT id FROM role WHERE id = ?", req->arena, &found,
		                      TEXTS(id))
		            : sql_text(tx, "SELECT id FROM role WHERE name = ? ORDER BY domain_id",
		                      req->arena, &found, TEXTS(name));
		if (!err && !found)
			return rest_fail(
			        req, ERR_NOT_FOUND, "Could not find role: %s.", by_id ? id : name);
		if (!err)
			roles_add(&m->roles, req->arena, found, "");
	}
	return err;
}

/* The trustor has them; of a trust that is passed on, the first one. */
static enum err check_roles(struct making *m, struct db_tx *tx)
{
	struct rest_req *req = m->req;
	const char *project = NULL;
	struct trust first = m->trust;
	struct roles mine;
	enum err err = ERR_OK;

	if (!m->trust.project_id)
		return ERR_OK;
	if (m->parent.id)
		err = first_of(tx, m->parent.id, req->arena, &first);
	if (!err)
		err = sql_text(tx, "SELECT id FROM project WHERE id = ?", req->arena, &project,
		        TEXTS(m->trust.project_id));
	if (!err && !project)
		return rest_fail(
		        req, ERR_NOT_FOUND, "Could not find project: %s.", m->trust.project_id);
	struct scope in = {TOKEN_PROJECT, m->trust.project_id};
	if (!err)
		err = grants_effective(tx, first.trustor_user_id, &in, req->arena, &mine);
	for (unsigned i = 0; i < m->roles.count && !err; i++) {
		if (!has(&mine, m->roles.items[i].id))
			err = rest_fail(req, ERR_NOT_FOUND, "Could not find role: %s.",
			        m->roles.items[i].id);
	}
	return err;
}

static enum err check_count(struct making *m)
{
	int64_t max = (int64_t)identity_of(m->req)->conf.redelegation_max;

	m->redelegates = m->redelegates && m->count != 0;
	m->trust.redelegation_count = m->redelegates ? m->count > 0 ? m->count : max : 0;
	if (!m->redelegates)
		return ERR_OK;
	if (m->count > max)
		return rest_fail(m->req, ERR_FORBIDDEN,
		        "Requested redelegation depth of %lld is greater than allowed %lld",
		        (long long)m->count, (long long)max);
	if (m->trust.remaining_uses >= 0)
		return rest_fail(m->req, ERR_BAD_REQUEST,
		        "remaining_uses must not be set if redelegation is allowed");
	return ERR_OK;
}

/* A trust gives no more than each of those above it. */
static enum err check_against(struct making *m, struct db_tx *tx, const struct trust *above)
{
	struct rest_req *req = m->req;
	int64_t max = (int64_t)identity_of(req)->conf.redelegation_max;
	struct roles roles;

	if (above->redelegation_count < 1 || above->redelegation_count > max)
		return rest_fail(req, ERR_FORBIDDEN,
		        "Remaining redelegation depth of %lld out of allowed range of [0..%lld]",
		        (long long)above->redelegation_count, (long long)max);
	if (m->trust.remaining_uses >= 0)
		return rest_fail(req, ERR_FORBIDDEN,
		        "Field \"remaining_uses\" is set to %lld while it must not be set in order "
		        "to redelegate a trust",
		        (long long)m->trust.remaining_uses);
	if (above->expires_us && m->trust.expires_us > above->expires_us)
		return rest_fail(req, ERR_FORBIDDEN,
		        "Requested expiration time is more than redelegated trust can provide");
	if (!m->trust.expires_us)
		m->trust.expires_us = above->expires_us;
	if (m->trust.impersonation && !above->impersonation)
		return rest_fail(req, ERR_FORBIDDEN,
		        "Impersonation is not allowed because redelegated trust does not specify "
		        "impersonation. Redelegated trust id: %s",
		        above->id);
	enum err err = own_roles(tx, above->id, req->arena, &roles);
	for (unsigned i = 0; i < m->roles.count && !err; i++) {
		if (!has(&roles, m->roles.items[i].id))
			err = rest_fail(req, ERR_FORBIDDEN,
			        "Some of requested roles are not in redelegated trust");
	}
	return err;
}

static enum err check_parent(struct making *m, struct db_tx *tx)
{
	struct trust above = m->parent;
	enum err err = ERR_OK;

	if (!m->parent.id)
		return ERR_OK;
	m->trust.redelegated_trust_id = m->parent.id;
	if (m->redelegates && m->count > 0 && m->count != m->parent.redelegation_count - 1)
		return rest_fail(m->req, ERR_FORBIDDEN,
		        "Modifying \"redelegation_count\" upon redelegation is forbidden. Omitting "
		        "this parameter is advised.");
	if (m->redelegates)
		m->trust.redelegation_count = m->parent.redelegation_count - 1;
	for (unsigned depth = 0; !err && depth < CHAIN_MAX; depth++) {
		err = check_against(m, tx, &above);
		if (err || !above.redelegated_trust_id)
			break;
		err = trust_find(tx, above.redelegated_trust_id, m->req->arena, &above);
	}
	return err;
}

static enum err insert(struct making *m, struct db_tx *tx)
{
	const struct trust *t = &m->trust;
	struct db_query q =
	        db_query(tx, "INSERT INTO trust (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");

	db_bind_text(&q, t->id);
	db_bind_text(&q, t->trustor_user_id);
	db_bind_text(&q, t->trustee_user_id);
	db_bind_text(&q, t->project_id);
	db_bind_text(&q, t->redelegated_trust_id);
	db_bind_int(&q, t->impersonation);
	if (t->remaining_uses < 0)
		db_bind_null(&q);
	else
		db_bind_int(&q, t->remaining_uses);
	db_bind_int(&q, t->redelegation_count);
	db_bind_int(&q, t->expires_us);
	enum err err = db_exec(&q, NULL);
	for (unsigned i = 0; i < m->roles.count && !err; i++)
		err = sql_run(tx, "INSERT INTO trust_role (trust_id, role_id) VALUES (?, ?)", NULL,
		        TEXTS(t->id, m->roles.items[i].id));
	return err;
}

static enum err check_people(struct making *m, struct db_tx *tx, const struct jval *body)
{
	struct rest_req *req = m->req;
	const struct token *token = req->caller.token;
	const char *trustee = NULL;
	const struct policy_fact target = {
	        "target.trust.trustor_user_id", m->trust.trustor_user_id};
	enum err err = rest_allow(req, &target, 1);

	if (!err)
		err = no_application(req);
	if (!err && m->trust.project_id && !jread_len(jread_get(body, "roles")))
		return rest_fail(req, ERR_FORBIDDEN,
		        "You are not authorized to perform the requested action: At least one role "
		        "should be specified.");
	if (!err && strcmp(req->caller.user_id, m->trust.trustor_user_id) != 0)
		return rest_fail(req, ERR_FORBIDDEN,
		        "You are not authorized to perform the requested action: The authenticated "
		        "user should match the trustor.");
	if (!err)
		err = sql_text(tx, "SELECT id FROM user WHERE id = ?", req->arena, &trustee,
		        TEXTS(m->trust.trustee_user_id));
	if (!err && !trustee)
		return rest_fail(
		        req, ERR_NOT_FOUND, "Could not find user: %s.", m->trust.trustee_user_id);
	if (!err && token->trust_id)
		err = trust_open(req, tx, token->trust_id, &m->parent);
	return err;
}

static enum err create(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	const struct jval *body = jread_get(req->body, "trust");
	struct making m = {.req = req, .count = -1};

	answer_anew(req);
	m.trust.remaining_uses = -1;
	enum err err = read_body(&m, body);
	if (!err)
		err = check_people(&m, tx, body);
	if (!err)
		err = read_roles(&m, tx, jread_get(body, "roles"));
	if (!err)
		err = check_roles(&m, tx);
	if (!err)
		err = check_count(&m);
	if (!err)
		err = check_parent(&m, tx);
	m.trust.id = resource_new_id(req->arena);
	if (!err)
		err = insert(&m, tx);
	return err ? err : show_one(req, tx, &m.trust);
}

enum err on_trust_create(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, create, req);
}

/* --- others --- */

static enum err show_it(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	struct trust t = {.id = NULL};
	enum err err = find(req, tx, &t);

	return err ? err : show_one(req, tx, &t);
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

	answer_anew(req);
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
	struct listing l = {req, "SELECT " COLUMNS " FROM trust WHERE id <> ? ORDER BY id", ""};
	struct policy_fact target = {NULL, NULL};
	enum err err;

	if (trustor) {
		l.where = "SELECT " COLUMNS " FROM trust WHERE trustor_user_id = ? ORDER BY id";
		l.user = trustor;
		target = (struct policy_fact){"target.trust.trustor_user_id", trustor};
		err = rest_allow_as(req, "identity:list_trusts_for_trustor", &target, 1);
	} else if (trustee) {
		l.where = "SELECT " COLUMNS " FROM trust WHERE trustee_user_id = ? ORDER BY id";
		l.user = trustee;
		target = (struct policy_fact){"target.trust.trustee_user_id", trustee};
		err = rest_allow_as(req, "identity:list_trusts_for_trustee", &target, 1);
	} else {
		err = rest_allow(req, NULL, 0);
	}
	if (!err)
		err = no_application(req);
	return err ? err : db_run(identity_of(req)->db, DB_READ, list, &l);
}

/* With those that were made of it. */
static enum err drop(struct identity *identity, struct db_tx *tx, const char *id,
        struct arena *arena, unsigned depth)
{
	enum err err = ERR_OK;

	while (!err && depth < CHAIN_MAX) {
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
