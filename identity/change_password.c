/* Users change their own passwords:
 *
 *   the user and its passwords -> [the hashes, on their pool] -> the new one, if none came between
 */
#include "identity/manage.h"
#include "identity/revoke.h"
#include "identity/security.h"
#include "identity/sql.h"

#include <string.h>

#define HISTORY_MAX 64
#define DAY         86400000000ull

struct changing {
	struct rest_req *req;
	const char *old, *new;
	struct user user;
	const char *hashes[HISTORY_MAX]; /* the newest first */
	unsigned count;
	int64_t created_us; /* of the newest */
	bool self_service;  /* it was made by the user */
	char hash[PASSWORD_HASH];
};

static enum err read_passwords(struct changing *c, struct db_tx *tx)
{
	struct db_query q = sql_query(tx,
	        "SELECT hash, created_us, self_service FROM password WHERE user_id = ? ORDER BY "
	        "created_us DESC",
	        TEXTS(c->user.id));

	c->count = 0;
	c->created_us = 0;
	while (c->count < HISTORY_MAX && db_step(&q)) {
		if (!c->count) {
			c->created_us = db_int(&q, 1);
			c->self_service = db_int(&q, 2);
		}
		c->hashes[c->count++] = arena_strdup(c->req->arena, db_text(&q, 0));
	}
	return db_end(&q);
}

static enum err run_find(struct db_tx *tx, void *arg)
{
	struct changing *c = arg;
	enum err err = fields_find(
	        &user_fields, tx, rest_param(c->req, "user_id"), c->req->arena, &c->user);

	if (err == ERR_NOT_FOUND) {
		c->user.id = NULL;
		return ERR_OK;
	}
	return err ? err : read_passwords(c, tx);
}

static enum err check_age(const struct changing *c)
{
	uint64_t days = identity_of(c->req)->conf.password_min_days, now = manage_now_us();
	uint64_t until = (uint64_t)c->created_us + days * DAY;

	if (!c->self_service || now >= until)
		return ERR_OK;
	return rest_fail(c->req, ERR_BAD_REQUEST,
	        "You cannot change your password at this time due to the minimum age. Once you "
	        "change your password, it must be used for %llu day(s) before it can be changed. "
	        "Please try again in %llu day(s) or contact your administrator to reset your "
	        "password.",
	        (unsigned long long)days, (unsigned long long)((until - now) / DAY));
}

static enum err check_history(const struct changing *c)
{
	const struct identity *identity = identity_of(c->req);
	uint64_t unique = identity->conf.unique_passwords;

	for (unsigned i = 0; i < c->count && i < unique; i++) {
		if (password_matches(identity, c->new, c->hashes[i]))
			return rest_fail(c->req, ERR_BAD_REQUEST,
			        "The new password cannot be identical to a previous password. The "
			        "total number which includes the new password must be unique is "
			        "%llu.",
			        (unsigned long long)unique);
	}
	return ERR_OK;
}

static enum err check(struct changing *c)
{
	enum err err = security_check_password(c->req, c->new);

	if (!err && option_is_set(c->user.options, "lock_password"))
		return rest_fail(c->req, ERR_BAD_REQUEST,
		        "You cannot change your password at this time due to password policy "
		        "disallowing password changes. Please contact your administrator to reset "
		        "your password.");
	if (!err)
		err = check_age(c);
	return err ? err : check_history(c);
}

static enum err run_set(struct db_tx *tx, void *arg)
{
	struct changing *c = arg;
	int64_t created = c->created_us;
	enum err err = read_passwords(c, tx);

	if (err)
		return err;
	if (created != c->created_us)
		return rest_fail(c->req, ERR_CONFLICT, "The password was changed meanwhile.");
	err = revoke_user(identity_of(c->req), tx, c->user.id);
	return err ? err : security_set_password(c->req, tx, &c->user, c->hash, true);
}

/* On the pool for hashes. */
static enum err on_hashes(struct rest_req *req)
{
	struct changing *c = req->own;
	bool matched = password_matches(identity_of(req), c->old, c->count ? c->hashes[0] : NULL);
	enum err err = security_login_to_change(req, &c->user, matched);

	if (!err)
		err = check(c);
	if (!err)
		err = password_hash(identity_of(req), c->new, c->hash);
	if (err == ERR_BAD_REQUEST && !req->error.len)
		return rest_fail(
		        req, err, "Invalid input for field 'password': wants at most 72 bytes.");
	return err ? err : db_run(identity_of(req)->db, DB_WRITE, run_set, c);
}

enum err on_password_change(struct rest_req *req)
{
	struct changing *c = arena_zalloc(req->arena, sizeof(*c));
	const struct jval *user = jread_get(req->body, "user");

	c->req = req;
	if (!jread_str(jread_get(user, "original_password"), &c->old))
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Invalid input for field 'user/original_password': wants a string.");
	if (!jread_str(jread_get(user, "password"), &c->new) || !*c->new)
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Invalid input for field 'user/password': wants a string.");
	enum err err = db_run(identity_of(req)->db, DB_READ, run_find, c);
	req->own = c;
	return err ? err : rest_move(req, identity_of(req)->hashes, on_hashes);
}
