/* Users. */
#include "identity/applications.h"
#include "identity/manage.h"
#include "identity/options.h"
#include "identity/revoke.h"
#include "identity/security.h"
#include "identity/sql.h"
#include "identity/trusts.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void user_defaults(struct rest_req *req, void *record)
{
	struct user *u = record;

	(void)req;
	u->options = "{}";
	u->enabled = true;
	u->created_us = (int64_t)manage_now_us();
}

static void user_complete(struct rest_req *req, void *record)
{
	struct user *u = record;

	if (!u->domain_id)
		u->domain_id = manage_own_domain(req);
}

static enum err user_check(struct change *c)
{
	struct user *u = c->record;
	const struct user *old = c->old;
	enum err err = manage_name(c->req, &u->name);

	if (!err && field_given(u, USER_PASSWORD) && u->password)
		err = security_check_password(c->req, u->password);
	if (field_given(u, USER_ENABLED) && u->enabled) {
		u->failures = u->failed_us = 0;
		u->last_active_day = (int64_t)(manage_now_us() / 86400000000);
	}
	if (err || !old)
		return err ? err : manage_need_domain(c, u->domain_id);
	bool ends = old->enabled && !u->enabled;
	if (ends || field_given(u, USER_PASSWORD))
		err = revoke_user(identity_of(c->req), c->tx, u->id);
	return err || !ends ? err : applications_drop_user(c->tx, u->id);
}

static enum err user_load(struct rest_req *req, struct db_tx *tx, void *record)
{
	struct user *u = record;

	(void)req;
	return sql_int(tx,
	        "SELECT expires_us FROM password WHERE user_id = ? ORDER BY created_us DESC LIMIT "
	        "1",
	        &u->expires_us, TEXTS(u->id));
}

static enum err user_after(struct change *c)
{
	struct user *u = c->record;
	enum err err = ERR_OK;

	if (c->password_hash)
		err = security_set_password(c->req, c->tx, u, c->password_hash, false);
	else if (c->old && field_given(u, USER_PASSWORD))
		err = sql_run(c->tx, "DELETE FROM password WHERE user_id = ?", NULL, TEXTS(u->id));
	return err ? err : user_load(c->req, c->tx, u);
}

static enum err user_before_delete(struct change *c)
{
	const struct user *u = c->old;
	static const char *const sql[] = {
	        "DELETE FROM assignment WHERE actor_kind = 'user' AND actor_id = ?",
	        "DELETE FROM membership WHERE user_id = ?",
	        "DELETE FROM credential WHERE user_id = ?",
	};
	enum err err = ERR_OK;

	for (unsigned i = 0; i < COUNT_OF(sql) && !err; i++)
		err = sql_run(c->tx, sql[i], NULL, TEXTS(u->id));
	if (!err)
		err = revoke_user(identity_of(c->req), c->tx, u->id);
	if (!err)
		err = applications_drop_user(c->tx, u->id);
	return err ? err : trusts_drop_user(c->tx, u->id);
}

static void user_loaded(void *record)
{
	struct user *u = record;

	if (!u->options)
		u->options = "{}";
}

static void user_show(struct rest_req *req, const void *record, struct jout *out)
{
	const struct user *u = record;
	char text[TIME_TEXT];

	(void)req;
	time_format((uint64_t)u->expires_us, text);
	jout_text(out, "password_expires_at", u->expires_us ? text : NULL);
}

/* "lt:2026-11-21T20:00:00Z": of a password that expires before that, and so on. */
static enum err where_expires(struct rest_req *req, struct resource_where *w, const char *value)
{
	static const struct {
		const char *name, *sign;
	} operators[] = {{"lte:", "<="}, {"lt:", "<"}, {"gte:", ">="}, {"gt:", ">"}, {"neq:", "<>"},
	        {"eq:", "="}};
	const char *sign = "=";
	struct tm tm = {.tm_sec = 0};
	char condition[160];

	for (unsigned i = 0; i < COUNT_OF(operators); i++) {
		size_t len = strlen(operators[i].name);
		if (strncmp(value, operators[i].name, len) == 0) {
			sign = operators[i].sign;
			value += len;
			break;
		}
	}
	const char *end = strptime(value, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end || (strcmp(end, "Z") != 0 && *end))
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Invalid input for field 'password_expires_at': wants a time, "
		        "YYYY-MM-DDThh:mm:ssZ, and before it lt:, lte:, gt:, gte:, eq: or neq:.");
	snprintf(condition, sizeof(condition),
	        "(SELECT p.expires_us FROM password p WHERE p.user_id = t.id ORDER BY p.created_us "
	        "DESC LIMIT 1) %s ?",
	        sign);
	resource_where(w, condition, NULL, (int64_t)timegm(&tm) * 1000000);
	return ERR_OK;
}

static enum err user_where(struct rest_req *req, struct resource_where *w)
{
	enum err err = ERR_OK;

	if (req->caller.domain_id)
		resource_where(w, "t.domain_id = ?", req->caller.domain_id, 0);
	for (unsigned i = 0; i < req->query.count && !err; i++) {
		const struct query_pair *pair = &req->query.pairs[i];
		if (strcmp(pair->name, "password_expires_at") == 0)
			err = where_expires(req, w, pair->value);
	}
	return err;
}

const struct managed managed_user = {
        .resource = {.fields = &user_fields,
                .loaded = user_loaded,
                .load = user_load,
                .size = sizeof(struct user),
                .path = "/v3/users",
                .show = user_show},
        .noun = "user",
        .param = "user_id",
        .domain_offset = offsetof(struct user, domain_id),
        .options = user_options,
        .where = user_where,
        .defaults = user_defaults,
        .complete = user_complete,
        .check = user_check,
        .after = user_after,
        .before_delete = user_before_delete,
};
