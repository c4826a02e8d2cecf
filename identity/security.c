#include "identity/security.h"

#include "identity/manage.h"
#include "identity/pattern.h"
#include "identity/sql.h"

#include <string.h>

#define DENIED "The request you have made requires authentication."
#define SECOND 1000000ull
#define DAY    (86400 * SECOND)

/* What is known of an account when somebody knocks. */
struct knock {
	struct rest_req *req;
	const struct user *user;
	uint64_t now;
	int64_t failures, failed_us, active_day, expires_us;
};

static const struct identity_conf *conf_of(const struct knock *k)
{
	return &identity_of(k->req)->conf;
}

static enum err read_account(struct db_tx *tx, void *arg)
{
	struct knock *k = arg;
	struct db_query q = sql_query(tx,
	        "SELECT u.failures, u.failed_us, u.last_active_day, (SELECT p.expires_us FROM "
	        "password p WHERE p.user_id = u.id ORDER BY p.created_us DESC LIMIT 1) FROM user u "
	        "WHERE u.id = ?",
	        TEXTS(k->user->id));

	if (db_step(&q)) {
		k->failures = db_int(&q, 0);
		k->failed_us = db_int(&q, 1);
		k->active_day = db_int(&q, 2);
		k->expires_us = db_int(&q, 3);
	}
	return db_end(&q);
}

static bool has_limit(const struct knock *k)
{
	return conf_of(k)->lockout_failures &&
	       !option_is_set(k->user->options, "ignore_lockout_failure_attempts");
}

/* Failures of before a lockout that is over count no more. */
static bool is_over(const struct knock *k)
{
	return conf_of(k)->lockout_seconds &&
	       (uint64_t)k->failed_us + conf_of(k)->lockout_seconds * SECOND <= k->now;
}

static bool is_locked(const struct knock *k)
{
	return has_limit(k) && (uint64_t)k->failures >= conf_of(k)->lockout_failures && !is_over(k);
}

/* For one that cannot be counted a row is written as well: that takes as long. */
static enum err count_failure(struct db_tx *tx, void *arg)
{
	struct knock *k = arg;
	enum err err = read_account(tx, k);
	bool counts = k->user->id && has_limit(k) && !is_locked(k);

	if (err)
		return err;
	bool anew = (uint64_t)k->failures >= conf_of(k)->lockout_failures && is_over(k);
	struct db_query q = db_query(tx,
	        counts ? "UPDATE user SET failures = ?, failed_us = ? WHERE id = ?"
	               : "REPLACE INTO failed_login (failures, failed_us, id) VALUES (?, ?, ?)");
	db_bind_int(&q, anew ? 1 : k->failures + 1);
	db_bind_int(&q, (int64_t)k->now);
	db_bind_text(&q, counts ? k->user->id : "");
	return db_exec(&q, NULL);
}

static int64_t today(uint64_t now_us)
{
	return (int64_t)(now_us / DAY);
}

static enum err note_login(struct db_tx *tx, void *arg)
{
	const struct knock *k = arg;
	struct db_query q =
	        db_query(tx, "UPDATE user SET failures = 0, failed_us = 0, last_active_day = ? "
	                     "WHERE id = ?");

	db_bind_int(&q, today(k->now));
	db_bind_text(&q, k->user->id);
	return db_exec(&q, NULL);
}

bool security_is_enabled(const struct identity *identity, const struct user *user)
{
	uint64_t days = identity->conf.inactive_days, now = manage_now_us();
	int64_t last =
	        user->last_active_day ? user->last_active_day : today((uint64_t)user->created_us);

	if (!user->enabled)
		return false;
	return !days || option_is_set(user->options, "ignore_user_inactivity") ||
	       today(now) - last < (int64_t)days;
}

static bool is_expired(const struct knock *k)
{
	return k->expires_us && (uint64_t)k->expires_us <= k->now &&
	       !option_is_set(k->user->options, "ignore_password_expiry");
}

static enum err denied(struct knock *k, bool matched)
{
	enum err err = ERR_OK;

	if (conf_of(k)->lockout_failures && (!matched || is_locked(k)))
		err = db_run(identity_of(k->req)->db, DB_WRITE, count_failure, k);
	return err ? err : rest_fail(k->req, ERR_UNAUTHORIZED, DENIED);
}

static enum err knock(struct rest_req *req, const struct user *user, bool matched, bool to_change)
{
	struct db *db = identity_of(req)->db;
	struct knock k = {.req = req, .user = user, .now = manage_now_us()};
	enum err err = db_run(db, DB_READ, read_account, &k);

	if (err)
		return err;
	if (!user->id || !matched || is_locked(&k) || !security_is_enabled(identity_of(req), user))
		return denied(&k, matched);
	if (!to_change && is_expired(&k))
		return rest_fail(req, ERR_UNAUTHORIZED,
		        "The password is expired and needs to be changed for user: %s.", user->id);
	if (k.failures || (conf_of(&k)->inactive_days && k.active_day != today(k.now)))
		err = db_run(db, DB_WRITE, note_login, &k);
	return err;
}

enum err security_login(struct rest_req *req, const struct user *user, bool matched)
{
	return knock(req, user, matched, false);
}

enum err security_login_to_change(struct rest_req *req, const struct user *user, bool matched)
{
	return knock(req, user, matched, true);
}

/* --- several ways at once --- */

static unsigned method_of(const char *name)
{
	static const struct {
		const char *name;
		unsigned bit;
	} methods[] = {{"password", TOKEN_BY_PASSWORD}, {"token", TOKEN_BY_TOKEN},
	        {"application_credential", TOKEN_BY_APPLICATION}, {"totp", TOKEN_BY_TOTP}};

	for (unsigned i = 0; i < COUNT_OF(methods); i++) {
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].bit;
	}
	return 0;
}

/* The ways that one rule wants, of those there are; 0: none. */
static unsigned methods_of(const struct jval *rule)
{
	unsigned all = 0;
	const char *name;

	for (size_t i = 0; i < jread_len(rule); i++) {
		if (jread_str(jread_at(rule, i), &name))
			all |= method_of(name);
	}
	return all;
}

bool security_methods_meet(const struct user *user, unsigned methods)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	bool any = false, enabled = true; /* unless it says otherwise, as in Keystone */

	if (!user->options || jread_parse(user->options, strlen(user->options), &root))
		return true;
	jread_bool(jread_get(root.value, "multi_factor_auth_enabled"), &enabled);
	const struct jval *rules = jread_get(root.value, "multi_factor_auth_rules");
	for (size_t i = 0; enabled && i < jread_len(rules); i++) {
		unsigned wanted = methods_of(jread_at(rules, i));
		if (wanted && (methods & wanted) == wanted)
			return true;
		any |= wanted != 0;
	}
	return !any;
}

/* --- passwords --- */

enum err security_check_password(struct rest_req *req, const char *password)
{
	const struct identity *identity = identity_of(req);
	const char *said = identity->conf.password_regex_description;

	if (!identity->password_pattern || pattern_matches(identity->password_pattern, password))
		return ERR_OK;
	return rest_fail(req, ERR_BAD_REQUEST, "The password does not match the requirements: %s.",
	        *said ? said : "the rules");
}

uint64_t security_password_expiry(
        const struct identity *identity, const struct user *user, bool by_other, uint64_t now_us)
{
	const struct identity_conf *conf = &identity->conf;

	if (by_other && conf->change_on_first_use &&
	        !option_is_set(user->options, "ignore_change_password_upon_first_use"))
		return now_us;
	if (!conf->password_days || option_is_set(user->options, "ignore_password_expiry"))
		return 0;
	return (now_us + conf->password_days * DAY) / SECOND * SECOND;
}

/* All but the newest that count. */
static enum err forget_old(struct rest_req *req, struct db_tx *tx, const char *user_id)
{
	uint64_t kept = identity_of(req)->conf.unique_passwords;
	struct db_query q = db_query(tx, "SELECT created_us FROM password WHERE user_id = ? ORDER "
	                                 "BY created_us DESC LIMIT 1 OFFSET ?");

	db_bind_text(&q, user_id);
	db_bind_int(&q, kept ? (int64_t)kept : 1);
	bool more = db_step(&q);
	int64_t last = more ? db_int(&q, 0) : 0;
	enum err err = db_end(&q);
	if (err || !more)
		return err;
	q = db_query(tx, "DELETE FROM password WHERE user_id = ? AND created_us <= ?");
	db_bind_text(&q, user_id);
	db_bind_int(&q, last);
	return db_exec(&q, NULL);
}

enum err security_set_password(struct rest_req *req, struct db_tx *tx, const struct user *user,
        const char *hash, bool self_service)
{
	uint64_t now = manage_now_us();
	uint64_t expires = security_password_expiry(identity_of(req), user, !self_service, now);
	struct db_query q = db_query(tx, "INSERT INTO password (user_id, created_us, expires_us, "
	                                 "self_service, hash) VALUES (?, ?, ?, ?, ?)");

	db_bind_text(&q, user->id);
	db_bind_int(&q, (int64_t)now);
	if (expires)
		db_bind_int(&q, (int64_t)expires);
	else
		db_bind_null(&q);
	db_bind_int(&q, self_service);
	db_bind_text(&q, hash);
	enum err err = db_exec(&q, NULL);
	return err ? err : forget_old(req, tx, user->id);
}
