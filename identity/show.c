#include "identity/applications.h"
#include "identity/epfilter.h"
#include "identity/identity.h"
#include "identity/sql.h"
#include "identity/trusts.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t time_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void time_format(uint64_t us, char ret_text[TIME_TEXT])
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	size_t len = strftime(ret_text, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret_text + len, TIME_TEXT - len, ".%06uZ", (unsigned)(us % 1000000));
}

/* "+02:00", "-0200", "Z" or nothing. */
static bool parse_offset(const char *text, int64_t *ret_seconds)
{
	unsigned hours, minutes;
	int len = 0;

	*ret_seconds = 0;
	if (!*text || strcmp(text, "Z") == 0)
		return true;
	if ((sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &len) != 2 &&
	            sscanf(text + 1, "%2u%2u%n", &hours, &minutes, &len) != 2) ||
	        text[1 + len] || hours > 23 || minutes > 59 || (*text != '+' && *text != '-'))
		return false;
	*ret_seconds = (int64_t)(hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
	return true;
}

bool time_parse(const char *text, uint64_t *ret_us)
{
	struct tm tm = {0};
	const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	uint64_t us = 0;
	int64_t offset;

	if (!at)
		return false;
	if (*at == '.') {
		unsigned digits = 0;
		for (at++; *at >= '0' && *at <= '9'; at++, digits++)
			us = digits < 6 ? us * 10 + (uint64_t)(*at - '0') : us;
		if (!digits)
			return false;
		for (; digits < 6; digits++)
			us *= 10;
	}
	if (!parse_offset(at, &offset))
		return false;
	int64_t seconds = (int64_t)timegm(&tm) - offset;
	if (seconds < 0)
		return false;
	*ret_us = (uint64_t)seconds * 1000000 + us;
	return true;
}

static const struct {
	unsigned bit;
	const char *name;
} methods[] = {{TOKEN_BY_PASSWORD, "password"}, {TOKEN_BY_TOKEN, "token"},
        {TOKEN_BY_APPLICATION, "application_credential"}, {TOKEN_BY_TOTP, "totp"},
        {TOKEN_BY_EC2, "ec2credential"}};

void show_methods(const struct token *token, struct jout *out)
{
	jout_array(out, "methods");
	for (unsigned i = 0; i < COUNT_OF(methods); i++) {
		if (token->methods & methods[i].bit)
			jout_text(out, NULL, methods[i].name);
	}
	jout_end_array(out);
}

static enum err show_domain(struct db_tx *tx, const char *id, struct arena *arena, struct jout *out)
{
	struct project domain = {.id = NULL};
	enum err err = fields_find(&domain_fields, tx, id, arena, &domain);

	jout_object(out, "domain");
	jout_text(out, "id", id);
	jout_text(out, "name", domain.name);
	jout_end_object(out);
	return err;
}

/* Of the password that counts now. */
static enum err password_expiry(struct db_tx *tx, const char *user_id, uint64_t *ret_us)
{
	struct db_query q = db_query(tx, "SELECT expires_us FROM password WHERE user_id = ? ORDER "
	                                 "BY created_us DESC LIMIT 1");

	db_bind_text(&q, user_id);
	*ret_us = db_step(&q) ? (uint64_t)db_int(&q, 0) : 0;
	return db_end(&q);
}

enum err show_user(struct rest_req *req, struct db_tx *tx, const char *id, struct jout *out)
{
	struct user user = {.id = NULL};
	uint64_t expires = 0;
	char text[TIME_TEXT];
	enum err err = fields_find(&user_fields, tx, id, req->arena, &user);

	if (err || (err = password_expiry(tx, id, &expires)))
		return err;
	jout_object(out, "user");
	err = show_domain(tx, user.domain_id, req->arena, out);
	jout_text(out, "id", user.id);
	jout_text(out, "name", user.name);
	time_format(expires, text);
	jout_text(out, "password_expires_at", expires ? text : NULL);
	jout_end_object(out);
	return err;
}

static enum err show_scope(
        struct rest_req *req, struct db_tx *tx, const struct token *token, struct jout *out)
{
	struct project project = {.id = NULL};
	enum err err;

	if (token->scope == TOKEN_SYSTEM) {
		jout_object(out, "system");
		jout_bool(out, "all", true);
		jout_end_object(out);
	}
	if (token->scope == TOKEN_DOMAIN)
		return show_domain(tx, token->scope_id, req->arena, out);
	if (token->scope != TOKEN_PROJECT)
		return ERR_OK;
	if ((err = fields_find(&project_fields, tx, token->scope_id, req->arena, &project)))
		return err;
	jout_object(out, "project");
	err = show_domain(tx, project.is_domain ? project.id : project.domain_id, req->arena, out);
	jout_text(out, "id", project.id);
	jout_text(out, "name", project.name);
	jout_end_object(out);
	jout_bool(out, "is_domain", project.is_domain);
	return err;
}

static void show_roles(const struct roles *roles, struct jout *out)
{
	jout_array(out, "roles");
	for (unsigned i = 0; i < roles->count; i++) {
		jout_object(out, NULL);
		jout_text(out, "id", roles->items[i].id);
		jout_text(out, "name", roles->items[i].name);
		jout_end_object(out);
	}
	jout_end_array(out);
}

/* --- the catalog --- */

/* The URL with what it may name in it: %(tenant_id)s and the like, $(...)s too. False: it names
 * what the token has not, and is left out. */
static bool fill_url(const char *url, const char *project_id, const char *user_id, struct buf *out)
{
	static const char *const projects[] = {"tenant_id", "project_id"};

	for (const char *at = url; *at;) {
		bool name = (at[0] == '%' || at[0] == '$') && at[1] == '(';
		const char *end = name ? strstr(at, ")s") : NULL, *value = NULL;
		if (!end) {
			buf_char(out, *at++);
			continue;
		}
		size_t len = (size_t)(end - at) - 2;
		for (unsigned i = 0; i < COUNT_OF(projects); i++) {
			if (strlen(projects[i]) == len && strncmp(at + 2, projects[i], len) == 0)
				value = project_id;
		}
		if (len == 7 && strncmp(at + 2, "user_id", len) == 0)
			value = user_id;
		if (!value)
			return false;
		buf_str(out, value);
		at = end + 2;
	}
	return true;
}

static void show_endpoint(struct db_query *q, const char *url, struct jout *out)
{
	const char *region = db_text(q, 5);

	jout_object(out, NULL);
	jout_text(out, "id", db_text(q, 3));
	jout_text(out, "interface", db_text(q, 4));
	jout_text(out, "region_id", region);
	jout_text(out, "url", url);
	jout_text(out, "region", region);
	jout_end_object(out);
}

enum err show_catalog(struct db_tx *tx, const char *project_id, const char *user_id,
        const char *name, struct jout *out)
{
	struct db_query q = sql_query(tx,
	        EPFILTER_ALLOWED
	        "SELECT s.id, s.type, s.name, e.id, e.interface, e.region_id, e.url FROM service s "
	        "LEFT JOIN endpoint e ON e.service_id = s.id AND e.enabled = 1 WHERE s.enabled = 1 "
	        "AND (NOT EXISTS (SELECT 1 FROM allowed) OR e.id IN (SELECT a.id FROM allowed a)) "
	        "ORDER BY s.id, e.id",
	        TEXTS(project_id, project_id));
	char last[80] = "";

	jout_array(out, name);
	while (db_step(&q)) {
		AUTO(buf) struct buf url = BUF_NONE;
		if (strcmp(last, db_text(&q, 0)) != 0) {
			if (*last) {
				jout_end_array(out);
				jout_end_object(out);
			}
			snprintf(last, sizeof(last), "%s", db_text(&q, 0));
			jout_object(out, NULL);
			jout_text(out, "id", last);
			jout_text(out, "type", db_text(&q, 1));
			jout_text(out, "name", db_text(&q, 2) ? db_text(&q, 2) : "");
			jout_array(out, "endpoints");
		}
		if (!db_is_null(&q, 3) && fill_url(db_text(&q, 6), project_id, user_id, &url))
			show_endpoint(&q, buf_text(&url), out);
	}
	if (*last) {
		jout_end_array(out);
		jout_end_object(out);
	}
	jout_end_array(out);
	return db_end(&q);
}

/* --- what was delegated --- */

static enum err show_application(
        struct rest_req *req, struct db_tx *tx, const char *id, struct jout *out)
{
	struct application app = {.id = NULL};
	enum err err = fields_find(&application_fields, tx, id, req->arena, &app);

	if (!err)
		err = application_rules_load(req, tx, &app);
	if (err)
		return err;
	jout_object(out, "application_credential");
	jout_text(out, "id", app.id);
	jout_text(out, "name", app.name);
	jout_bool(out, "restricted", !app.unrestricted);
	if (app.rules)
		jout_raw(out, "access_rules", app.rules);
	jout_end_object(out);
	return ERR_OK;
}

static enum err show_trust(struct rest_req *req, struct db_tx *tx, const char *id, struct jout *out)
{
	struct trust trust;
	enum err err = trust_find(tx, id, req->arena, &trust);

	if (err)
		return err;
	jout_object(out, "OS-TRUST:trust");
	jout_text(out, "id", trust.id);
	jout_bool(out, "impersonation", trust.impersonation);
	jout_object(out, "trustee_user");
	jout_text(out, "id", trust.trustee_user_id);
	jout_end_object(out);
	jout_object(out, "trustor_user");
	jout_text(out, "id", trust.trustor_user_id);
	jout_end_object(out);
	jout_end_object(out);
	return ERR_OK;
}

enum err show_token(struct rest_req *req, struct db_tx *tx, const struct token *token,
        const struct roles *roles, bool catalog, struct jout *out)
{
	char issued[TIME_TEXT], expires[TIME_TEXT];
	enum err err;

	time_format(token->issued_us, issued);
	time_format(token->expires_us, expires);
	jout_object(out, NULL);
	jout_object(out, "token");
	show_methods(token, out);
	err = show_user(req, tx, token->user_id, out);
	jout_array(out, "audit_ids");
	jout_text(out, NULL, token->audit);
	if (*token->parent)
		jout_text(out, NULL, token->parent);
	jout_end_array(out);
	jout_text(out, "expires_at", expires);
	jout_text(out, "issued_at", issued);
	if (!err)
		err = show_scope(req, tx, token, out);
	if (token->scope != TOKEN_UNSCOPED)
		show_roles(roles, out);
	if (!err && token->application_id)
		err = show_application(req, tx, token->application_id, out);
	if (!err && token->trust_id)
		err = show_trust(req, tx, token->trust_id, out);
	if (!err && catalog && token->scope != TOKEN_UNSCOPED)
		err = show_catalog(tx, token->scope == TOKEN_PROJECT ? token->scope_id : NULL,
		        token->user_id, "catalog", out);
	jout_end_object(out);
	jout_end_object(out);
	return err;
}
