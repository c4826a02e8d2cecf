#include "identity/domainconfig.h"
#include "identity/sql.h"

#include <string.h>

/* What may be set, and what it is otherwise (JSON); by Keystone's names and defaults. */
static const struct setting {
	const char *group, *name, *fallback;
	bool secret;
} settings[] = {
        {"identity", "driver", "\"sql\"", false},
        {"identity", "list_limit", "null", false},
        {"ldap", "url", "\"ldap://localhost\"", false},
        {"ldap", "user", "null", false},
        {"ldap", "password", "null", true},
        {"ldap", "suffix", "\"cn=example,cn=com\"", false},
        {"ldap", "query_scope", "\"one\"", false},
        {"ldap", "page_size", "0", false},
        {"ldap", "alias_dereferencing", "\"default\"", false},
        {"ldap", "debug_level", "null", false},
        {"ldap", "chase_referrals", "null", false},
        {"ldap", "user_tree_dn", "null", false},
        {"ldap", "user_filter", "null", false},
        {"ldap", "user_objectclass", "\"inetOrgPerson\"", false},
        {"ldap", "user_id_attribute", "\"cn\"", false},
        {"ldap", "user_name_attribute", "\"sn\"", false},
        {"ldap", "user_mail_attribute", "\"mail\"", false},
        {"ldap", "user_description_attribute", "\"description\"", false},
        {"ldap", "user_pass_attribute", "\"userPassword\"", false},
        {"ldap", "user_enabled_attribute", "\"enabled\"", false},
        {"ldap", "user_enabled_invert", "false", false},
        {"ldap", "user_enabled_mask", "0", false},
        {"ldap", "user_enabled_default", "\"True\"", false},
        {"ldap", "user_attribute_ignore", "[\"default_project_id\"]", false},
        {"ldap", "user_default_project_id_attribute", "null", false},
        {"ldap", "user_enabled_emulation", "false", false},
        {"ldap", "user_enabled_emulation_dn", "null", false},
        {"ldap", "user_enabled_emulation_use_group_config", "false", false},
        {"ldap", "user_additional_attribute_mapping", "[]", false},
        {"ldap", "group_tree_dn", "null", false},
        {"ldap", "group_filter", "null", false},
        {"ldap", "group_objectclass", "\"groupOfNames\"", false},
        {"ldap", "group_id_attribute", "\"cn\"", false},
        {"ldap", "group_name_attribute", "\"ou\"", false},
        {"ldap", "group_members_are_ids", "false", false},
        {"ldap", "group_member_attribute", "\"member\"", false},
        {"ldap", "group_desc_attribute", "\"description\"", false},
        {"ldap", "group_attribute_ignore", "[]", false},
        {"ldap", "group_additional_attribute_mapping", "[]", false},
        {"ldap", "tls_cacertfile", "null", false},
        {"ldap", "tls_cacertdir", "null", false},
        {"ldap", "use_tls", "false", false},
        {"ldap", "tls_req_cert", "\"demand\"", false},
        {"ldap", "use_pool", "true", false},
        {"ldap", "pool_size", "10", false},
        {"ldap", "pool_retry_max", "3", false},
        {"ldap", "pool_retry_delay", "0.1", false},
        {"ldap", "pool_connection_timeout", "-1", false},
        {"ldap", "pool_connection_lifetime", "600", false},
        {"ldap", "use_auth_pool", "true", false},
        {"ldap", "auth_pool_size", "100", false},
        {"ldap", "auth_pool_connection_lifetime", "60", false},
};

static const struct setting *find(const char *group, const char *name)
{
	for (unsigned i = 0; i < COUNT_OF(settings); i++) {
		if (strcmp(settings[i].group, group) == 0 &&
		        (!name || strcmp(settings[i].name, name) == 0))
			return &settings[i];
	}
	return NULL;
}

/* What a path names. */
struct config {
	struct rest_req *req;
	const char *domain_id, *group, *name; /* NULL: the path does not say */
};

static enum err invalid(struct rest_req *req, const char *format, const char *a, const char *b)
{
	return rest_fail(req, ERR_FORBIDDEN, "Invalid domain specific configuration: %s.",
	        arena_printf(req->arena, "%s %s %s", format, a, b));
}

static enum err check_names(struct rest_req *req, const char *group, const char *name)
{
	if (group && !find(group, NULL))
		return invalid(
		        req, "Group", group, "is not supported for domain specific configurations");
	if (name && !find(group, name))
		return invalid(req, "Option", name,
		        arena_printf(req->arena,
		                "in group %s is not supported for domain specific configurations",
		                group));
	return ERR_OK;
}

static void read_path(struct config *c, struct rest_req *req)
{
	const char *path = req->route->path;

	*c = (struct config){.req = req};
	if (strstr(path, "{domain_id}"))
		c->domain_id = rest_param(req, "domain_id");
	if (strstr(path, "{group}"))
		c->group = rest_param(req, "group");
	if (strstr(path, "{option}"))
		c->name = rest_param(req, "option");
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
}

static enum err need_domain(const struct config *c, struct db_tx *tx)
{
	struct project domain = {.id = NULL};
	enum err err = fields_find(&domain_fields, tx, c->domain_id, c->req->arena, &domain);

	if (err == ERR_NOT_FOUND || (!err && !domain.is_domain))
		return rest_fail(c->req, ERR_NOT_FOUND, "Could not find domain: %s.", c->domain_id);
	return err;
}

static enum err not_found(const struct config *c)
{
	const char *what = "any options";

	if (c->name)
		what = arena_printf(c->req->arena, "option %s in group %s", c->name, c->group);
	else if (c->group)
		what = arena_printf(c->req->arena, "group %s", c->group);
	return rest_fail(c->req, ERR_NOT_FOUND,
	        "Could not find %s in domain configuration for domain %s.", what, c->domain_id);
}

/* --- answers --- */

/* {"config": {"ldap": {"url": ...}}}, or with one option {"config": {"url": ...}}: begun and ended
 * by group as options come in the order of the table. */
struct answer {
	struct jout *out;
	const char *group;
	bool flat;
	unsigned count;
};

static void begin(struct answer *a, const struct config *c)
{
	*a = (struct answer){.out = &c->req->json, .flat = c->name != NULL};
	jout_object(a->out, NULL);
	jout_object(a->out, "config");
}

static void show(struct answer *a, const struct setting *s, const char *json)
{
	if (!a->flat && (!a->group || strcmp(a->group, s->group) != 0)) {
		if (a->group)
			jout_end_object(a->out);
		jout_object(a->out, s->group);
		a->group = s->group;
	}
	jout_raw(a->out, s->name, json);
	a->count++;
}

static void end(struct answer *a)
{
	if (a->group)
		jout_end_object(a->out);
	jout_end_object(a->out);
	jout_end_object(a->out);
}

static bool is_named(const struct config *c, const struct setting *s)
{
	return (!c->group || strcmp(c->group, s->group) == 0) &&
	       (!c->name || strcmp(c->name, s->name) == 0);
}

/* What is set and may be shown; *ret_count: how many. */
static enum err show_set(const struct config *c, struct db_tx *tx, unsigned *ret_count)
{
	struct answer a;
	enum err err = ERR_OK;

	begin(&a, c);
	for (unsigned i = 0; i < COUNT_OF(settings) && !err; i++) {
		const struct setting *s = &settings[i];
		const char *value = NULL;
		if (s->secret || !is_named(c, s))
			continue;
		err = sql_text(tx,
		        "SELECT value FROM domain_config WHERE domain_id = ? AND in_group = ? AND "
		        "name = ?",
		        c->req->arena, &value, TEXTS(c->domain_id, s->group, s->name));
		if (value)
			show(&a, s, value);
	}
	end(&a);
	*ret_count = a.count;
	return err;
}

/* --- what is asked of passwords, which all may read --- */

static enum err show_security(const struct config *c)
{
	const struct identity_conf *conf = &identity_of(c->req)->conf;
	const struct {
		const char *name, *value;
	} all[] = {{"password_regex", conf->password_regex},
	        {"password_regex_description", conf->password_regex_description}};
	struct jout *out = &c->req->json;
	unsigned shown = 0;

	if (strcmp(c->domain_id, DEFAULT_DOMAIN) != 0)
		return invalid(c->req,
		        "Reading security compliance information for any domain other than the",
		        "default domain", "is not allowed or supported");
	jout_object(out, NULL);
	jout_object(out, "config");
	if (!c->name)
		jout_object(out, c->group);
	for (unsigned i = 0; i < COUNT_OF(all); i++) {
		if (c->name && strcmp(c->name, all[i].name) != 0)
			continue;
		jout_text(out, all[i].name, *all[i].value ? all[i].value : NULL);
		shown++;
	}
	if (!c->name)
		jout_end_object(out);
	jout_end_object(out);
	jout_end_object(out);
	return shown ? ERR_OK
	             : invalid(c->req, "Reading security compliance values other than",
	                       "password_regex and password_regex_description", "is not allowed");
}

static enum err run_show(struct db_tx *tx, void *arg)
{
	struct config c;
	unsigned count = 0;
	read_path(&c, arg);
	bool security = c.group && strcmp(c.group, "security_compliance") == 0;
	enum err err = rest_allow_as(c.req,
	        security ? "identity:get_security_compliance_domain_config" : c.req->route->rule,
	        NULL, 0);

	if (!err)
		err = need_domain(&c, tx);
	if (!err && security)
		return show_security(&c);
	if (!err)
		err = check_names(c.req, c.group, c.name);
	if (!err)
		err = show_set(&c, tx, &count);
	return err || count ? err : not_found(&c);
}

/* --- changes --- */

/* Is it an object of groups with known options, none of them empty? */
static enum err check_config(struct rest_req *req, const struct jval *config)
{
	const char *group, *name;

	if (!jread_is_object(config) || !jread_name(config, 0))
		return invalid(req, "No", "options", "specified");
	for (size_t i = 0; (group = jread_name(config, i)); i++) {
		const struct jval *options = jread_get(config, group);
		if (!jread_is_object(options) || !jread_name(options, 0))
			return invalid(req, "The value of group", group,
			        "specified in the config should be a dictionary of options");
		for (size_t n = 0; (name = jread_name(options, n)); n++) {
			enum err err = check_names(req, group, name);
			if (err)
				return err;
		}
	}
	return ERR_OK;
}

static enum err write_group(
        const struct config *c, struct db_tx *tx, const char *group, const struct jval *options)
{
	enum err err = ERR_OK;
	const char *name;

	for (size_t n = 0; (name = jread_name(options, n)) && !err; n++) {
		AUTO(buf) struct buf json = BUF_NONE;
		jread_print(jread_get(options, name), &json);
		err = sql_run(tx,
		        "REPLACE INTO domain_config (domain_id, in_group, name, value) VALUES (?, "
		        "?, "
		        "?, ?)",
		        NULL, TEXTS(c->domain_id, group, name, buf_text(&json)));
	}
	return err;
}

static enum err write_config(const struct config *c, struct db_tx *tx, const struct jval *config)
{
	enum err err = ERR_OK;
	const char *group;

	for (size_t i = 0; (group = jread_name(config, i)) && !err; i++)
		err = write_group(c, tx, group, jread_get(config, group));
	return err;
}

/* Of the rows that the path names. */
static struct db_query query_set(const struct config *c, struct db_tx *tx, const char *what)
{
	const char *texts[] = {c->domain_id, c->group, c->name};
	const char *sql =
	        arena_printf(c->req->arena, "%s FROM domain_config WHERE domain_id = ?%s%s", what,
	                c->group ? " AND in_group = ?" : "", c->name ? " AND name = ?" : "");

	return sql_query(tx, sql, c->name ? 3 : c->group ? 2 : 1, texts);
}

static enum err count_set(const struct config *c, struct db_tx *tx, int64_t *ret_count)
{
	struct db_query q = query_set(c, tx, "SELECT COUNT(*)");

	*ret_count = db_step(&q) ? db_int(&q, 0) : 0;
	return db_end(&q);
}

static enum err drop_set(const struct config *c, struct db_tx *tx)
{
	struct db_query q = query_set(c, tx, "DELETE");

	return db_exec(&q, NULL);
}

static enum err run_create(struct db_tx *tx, void *arg)
{
	struct config c;
	int64_t there;
	unsigned count;
	read_path(&c, arg);
	const struct jval *config = jread_get(c.req->body, "config");
	enum err err = need_domain(&c, tx);

	if (!err)
		err = check_config(c.req, config);
	if (!err)
		err = count_set(&c, tx, &there);
	if (!err)
		err = drop_set(&c, tx);
	if (!err)
		err = write_config(&c, tx, config);
	c.req->status = !err && there ? 200 : 0;
	return err ? err : show_set(&c, tx, &count);
}

/* The body has what the path names, and nothing else. */
static enum err check_only(const struct config *c, const struct jval *config)
{
	const char *first = jread_name(config, 0), *wanted = c->name ? c->name : c->group;

	if (!first || strcmp(first, wanted) != 0 || jread_name(config, 1))
		return invalid(c->req,
		        c->name ? "Trying to update option" : "Trying to update group", wanted,
		        "so that, and only that, must be specified in the config");
	return ERR_OK;
}

static enum err run_update(struct db_tx *tx, void *arg)
{
	struct config c, all;
	int64_t there;
	unsigned count;
	read_path(&c, arg);
	const struct jval *config = jread_get(c.req->body, "config");
	enum err err = need_domain(&c, tx);

	if (!err)
		err = check_names(c.req, c.group, c.name);
	if (!err && c.group)
		err = check_only(&c, config);
	if (!err && !c.name)
		err = check_config(c.req, config);
	if (!err && c.group)
		err = count_set(&c, tx, &there);
	if (!err && c.group && !there)
		return not_found(&c);
	if (!err)
		err = c.name ? write_group(&c, tx, c.group, config) : write_config(&c, tx, config);
	all = (struct config){.req = c.req, .domain_id = c.domain_id};
	return err ? err : show_set(&all, tx, &count);
}

static enum err run_delete(struct db_tx *tx, void *arg)
{
	struct config c;
	int64_t there;
	read_path(&c, arg);
	enum err err = need_domain(&c, tx);

	if (!err)
		err = check_names(c.req, c.group, c.name);
	if (!err)
		err = count_set(&c, tx, &there);
	if (!err && c.group && !there)
		return not_found(&c);
	return err ? err : drop_set(&c, tx);
}

/* --- handlers --- */

enum err on_config_create(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_create, req);
}

enum err on_config_show(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_show, req);
}

enum err on_config_update(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_update, req);
}

enum err on_config_delete(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_delete, req);
}

enum err on_config_default(struct rest_req *req)
{
	struct config c;
	struct answer a;

	read_path(&c, req);
	enum err err = check_names(req, c.group, c.name);
	if (err)
		return err;
	begin(&a, &c);
	for (unsigned i = 0; i < COUNT_OF(settings); i++) {
		if (!settings[i].secret && is_named(&c, &settings[i]))
			show(&a, &settings[i], settings[i].fallback);
	}
	end(&a);
	return a.count ? ERR_OK
	               : invalid(req, "Reading the default for option", c.name, "is not supported");
}
