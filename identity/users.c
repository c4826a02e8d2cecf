/* Users. */
#include "identity/manage.h"
#include "identity/options.h"
#include "identity/revoke.h"
#include "identity/sql.h"

#include <stddef.h>

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

	if (err || !old)
		return err ? err : manage_need_domain(c, u->domain_id);
	if (c->password_hash || (old->enabled && !u->enabled))
		return revoke_user(identity_of(c->req), c->tx, u->id);
	return ERR_OK;
}

static enum err user_after(struct change *c)
{
	struct user *u = c->record;

	if (!c->password_hash)
		return ERR_OK;
	struct db_query q =
	        db_query(c->tx, "INSERT INTO password (user_id, created_us, expires_us, "
	                        "self_service, hash) VALUES (?, ?, NULL, 0, ?)");
	db_bind_text(&q, u->id);
	db_bind_int(&q, (int64_t)manage_now_us());
	db_bind_text(&q, c->password_hash);
	return db_exec(&q, NULL);
}

static enum err user_before_delete(struct change *c)
{
	const struct user *u = c->old;
	static const char *const sql[] = {
	        "DELETE FROM assignment WHERE actor_kind = 'user' AND actor_id = ?",
	        "DELETE FROM membership WHERE user_id = ?",
	};
	enum err err = ERR_OK;

	for (unsigned i = 0; i < COUNT_OF(sql) && !err; i++)
		err = sql_run(c->tx, sql[i], NULL, TEXTS(u->id));
	return err ? err : revoke_user(identity_of(c->req), c->tx, u->id);
}

static void user_loaded(void *record)
{
	struct user *u = record;

	if (!u->options)
		u->options = "{}";
}

static void user_show(struct rest_req *req, const void *record, struct jout *out)
{
	(void)req;
	(void)record;
	jout_null(out, "password_expires_at");
}

const struct managed managed_user = {
        .resource = {.fields = &user_fields,
                .loaded = user_loaded,
                .size = sizeof(struct user),
                .path = "/v3/users",
                .show = user_show},
        .noun = "user",
        .param = "user_id",
        .domain_offset = offsetof(struct user, domain_id),
        .options = user_options,
        .defaults = user_defaults,
        .complete = user_complete,
        .check = user_check,
        .after = user_after,
        .before_delete = user_before_delete,
};
