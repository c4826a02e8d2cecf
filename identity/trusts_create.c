/* A trust is made. */
#include "identity/trusts.h"

#include "identity/sql.h"
#include <string.h>

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
		err = trust_first(tx, m->parent.id, req->arena, &first);
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
		if (!roles_have(&mine, m->roles.items[i].id))
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
	if (m->trust.project_id &&
	        (!above->project_id || strcmp(m->trust.project_id, above->project_id) != 0))
		return rest_fail(req, ERR_FORBIDDEN,
		        "The project is not the redelegated trust's. Redelegated trust id: %s",
		        above->id);
	if (m->trust.impersonation && !above->impersonation)
		return rest_fail(req, ERR_FORBIDDEN,
		        "Impersonation is not allowed because redelegated trust does not specify "
		        "impersonation. Redelegated trust id: %s",
		        above->id);
	enum err err = trust_own_roles(tx, above->id, req->arena, &roles);
	for (unsigned i = 0; i < m->roles.count && !err; i++) {
		if (!roles_have(&roles, m->roles.items[i].id))
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
	for (unsigned depth = 0; !err && depth < TRUST_CHAIN_MAX; depth++) {
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
	struct db_query q = db_query(
	        tx, "INSERT INTO trust (" TRUST_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");

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
		err = trust_may(req);
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

	trust_begin(req);
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
	return err ? err : trust_show(req, tx, &m.trust);
}

enum err on_trust_create(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, create, req);
}
