#include "identity/ldapdir.h"

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <ldap.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct ldapdir {
	const struct ldapdir_settings *settings; /* borrowed */
	LDAP *ld;                                /* owned */
};

void ldapdir_escape(const char *value, struct buf *out)
{
	for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
		if (strchr("*()\\", *c) || *c < ' ' || *c >= 0x7f)
			buf_printf(out, "\\%02x", *c);
		else
			buf_char(out, (char)*c);
	}
}

/* --- connections --- */

static void set(LDAP *ld, int option, const char *text)
{
	if (text)
		ldap_set_option(ld, option, text);
}

static int demand_of(const char *name)
{
	return strcmp(name, "never") == 0   ? LDAP_OPT_X_TLS_NEVER
	       : strcmp(name, "allow") == 0 ? LDAP_OPT_X_TLS_ALLOW
	                                    : LDAP_OPT_X_TLS_DEMAND;
}

static int start_tls(LDAP *ld, const struct ldapdir_settings *s)
{
	int demand = demand_of(s->tls_req_cert ? s->tls_req_cert : "demand"), new = 0;

	set(ld, LDAP_OPT_X_TLS_CACERTFILE, s->tls_cacertfile);
	set(ld, LDAP_OPT_X_TLS_CACERTDIR, s->tls_cacertdir);
	ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
	ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &new);
	return s->use_tls ? ldap_start_tls_s(ld, NULL, NULL) : LDAP_SUCCESS;
}

static enum err connect_to(const struct ldapdir_settings *s, LDAP **ret_ld)
{
	struct timeval limit = {.tv_sec = LDAPDIR_SECONDS};
	int version = LDAP_VERSION3, seconds = LDAPDIR_SECONDS;
	LDAP *ld = NULL;

	if (ldap_initialize(&ld, s->url))
		return ERR_CONFIG;
	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &limit);
	ldap_set_option(ld, LDAP_OPT_TIMEOUT, &limit);
	ldap_set_option(ld, LDAP_OPT_TIMELIMIT, &seconds);
	ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON);
	if (start_tls(ld, s)) {
		ldap_unbind_ext_s(ld, NULL, NULL);
		return ERR_UNAVAILABLE;
	}
	*ret_ld = ld;
	return ERR_OK;
}

static int bind_as(LDAP *ld, const char *dn, const char *password)
{
	struct berval secret = {.bv_len = strlen(password), .bv_val = (char *)(uintptr_t)password};

	return ldap_sasl_bind_s(ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

static enum err tell(const struct ldapdir_settings *s, const char *what, int code)
{
	log_warn("directory", "url=%s %s=%s", s->url, what, log_quote(ldap_err2string(code)));
	return code == LDAP_SERVER_DOWN || code == LDAP_TIMEOUT || code == LDAP_CONNECT_ERROR ||
	                       code == LDAP_UNAVAILABLE || code == LDAP_BUSY ||
	                       code == LDAP_TIMELIMIT_EXCEEDED
	               ? ERR_UNAVAILABLE
	               : ERR_CONFIG;
}

enum err ldapdir_open(const struct ldapdir_settings *s, struct ldapdir **ret_dir)
{
	LDAP *ld;
	enum err err = connect_to(s, &ld);

	if (err)
		return err;
	if (s->user) {
		int code = bind_as(ld, s->user, s->password ? s->password : "");
		if (code) {
			ldap_unbind_ext_s(ld, NULL, NULL);
			return tell(s, "bind", code);
		}
	}
	*ret_dir = mem_zalloc(sizeof(**ret_dir));
	**ret_dir = (struct ldapdir){.settings = s, .ld = ld};
	return ERR_OK;
}

void ldapdir_close(struct ldapdir *dir)
{
	if (!dir)
		return;
	ldap_unbind_ext_s(dir->ld, NULL, NULL);
	free(dir);
}

enum err ldapdir_check(
        const struct ldapdir_settings *s, const char *dn, const char *password, bool *ret_good)
{
	AUTO(buf) struct buf nobody = BUF_NONE;
	LDAP *ld;
	enum err err = connect_to(s, &ld);

	*ret_good = false;
	if (err)
		return err;
	buf_printf(&nobody, "cn=nobody,%s", s->user_tree);
	/* Without a password a bind is anonymous, and succeeds. */
	int code = bind_as(ld, dn ? dn : buf_text(&nobody), *password ? password : "-");
	ldap_unbind_ext_s(ld, NULL, NULL);
	if (code == LDAP_INVALID_CREDENTIALS || code == LDAP_NO_SUCH_OBJECT ||
	        code == LDAP_INVALID_DN_SYNTAX || code == LDAP_INAPPROPRIATE_AUTH ||
	        code == LDAP_UNWILLING_TO_PERFORM)
		return ERR_OK;
	if (code)
		return tell(s, "check", code);
	*ret_good = dn && *password;
	return ERR_OK;
}

/* --- searches --- */

/* One value of an attribute, of the arena; NULL: it has none, or one that is no text. */
static const char *value_of(
        struct ldapdir *dir, LDAPMessage *entry, const char *attribute, struct arena *arena)
{
	struct berval **values = *attribute ? ldap_get_values_len(dir->ld, entry, attribute) : NULL;
	const char *text = NULL;

	if (values && values[0] && !memchr(values[0]->bv_val, 0, values[0]->bv_len))
		text = arena_strndup(arena, values[0]->bv_val, values[0]->bv_len);
	ldap_value_free_len(values);
	return text;
}

static bool is_enabled(struct ldapdir *dir, LDAPMessage *entry, struct arena *arena)
{
	const struct ldapdir_settings *s = dir->settings;
	const char *value = value_of(dir, entry, s->user_enabled, arena);
	unsigned long bits;

	if (s->user_enabled_mask) {
		bits = strtoul(value ? value : s->user_enabled_default, NULL, 0);
		return (bits & s->user_enabled_mask) != s->user_enabled_mask;
	}
	if (!value)
		value = s->user_enabled_default;
	bool on = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
	return on != s->user_enabled_invert;
}

static void read_members(
        struct ldapdir *dir, LDAPMessage *entry, struct arena *arena, struct ldapdir_entry *e)
{
	struct berval **values = ldap_get_values_len(dir->ld, entry, dir->settings->group_member);
	int count = ldap_count_values_len(values);

	e->members = arena_alloc(arena, (size_t)(count + 1) * sizeof(*e->members));
	for (int i = 0; i < count; i++)
		e->members[e->member_count++] =
		        arena_strndup(arena, values[i]->bv_val, values[i]->bv_len);
	ldap_value_free_len(values);
}

/* False: it has no id or no name. */
static bool read_entry(struct ldapdir *dir, LDAPMessage *entry, bool group, struct arena *arena,
        struct ldapdir_entry *e)
{
	const struct ldapdir_settings *s = dir->settings;
	char *dn = ldap_get_dn(dir->ld, entry);

	*e = (struct ldapdir_entry){.enabled = true};
	e->dn = arena_strdup(arena, dn ? dn : "");
	ldap_memfree(dn);
	e->id = value_of(dir, entry, group ? s->group_id : s->user_id, arena);
	e->name = value_of(dir, entry, group ? s->group_name : s->user_name, arena);
	e->description =
	        value_of(dir, entry, group ? s->group_description : s->user_description, arena);
	if (!e->id || !e->name || !*e->dn)
		return false;
	if (group) {
		read_members(dir, entry, arena, e);
	} else {
		e->mail = value_of(dir, entry, s->user_mail, arena);
		e->enabled = is_enabled(dir, entry, arena);
	}
	return true;
}

static enum err take(struct ldapdir *dir, LDAPMessage *result, bool group, struct arena *arena,
        struct ldapdir_entries *entries)
{
	int more = ldap_count_entries(dir->ld, result);

	if (more <= 0)
		return ERR_OK;
	if (entries->count + (unsigned)more > LDAPDIR_ENTRIES_MAX)
		return ERR_TOO_LARGE;
	struct ldapdir_entry *items =
	        arena_alloc(arena, (entries->count + (unsigned)more) * sizeof(*items));
	if (entries->count)
		memcpy(items, entries->items, entries->count * sizeof(*items));
	entries->items = items;
	for (LDAPMessage *at = ldap_first_entry(dir->ld, result); at;
	        at = ldap_next_entry(dir->ld, at)) {
		if (read_entry(dir, at, group, arena, &items[entries->count]))
			entries->count++;
	}
	return ERR_OK;
}

/* Takes the cookie of the page that came: *cookie of no length when it was the last. */
static void next_page(struct ldapdir *dir, LDAPMessage *result, struct berval *cookie)
{
	LDAPControl **controls = NULL;

	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){.bv_len = 0};
	if (ldap_parse_result(dir->ld, result, NULL, NULL, NULL, NULL, &controls, 0))
		return;
	LDAPControl *page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	ber_int_t estimate;
	if (page)
		ldap_parse_pageresponse_control(dir->ld, page, &estimate, cookie);
	ldap_controls_free(controls);
}

static enum err search(struct ldapdir *dir, bool group, const char *filter, struct arena *arena,
        struct ldapdir_entries *entries)
{
	const struct ldapdir_settings *s = dir->settings;
	struct timeval limit = {.tv_sec = LDAPDIR_SECONDS};
	struct berval cookie = {.bv_len = 0};
	enum err err = ERR_OK;

	do {
		LDAPControl *page = NULL;
		LDAPMessage *result = NULL;
		if (s->page_size)
			ldap_create_page_control(
			        dir->ld, (ber_int_t)s->page_size, &cookie, 0, &page);
		LDAPControl *controls[] = {page, NULL};
		int code = ldap_search_ext_s(dir->ld, group ? s->group_tree : s->user_tree,
		        s->subtree ? LDAP_SCOPE_SUBTREE : LDAP_SCOPE_ONELEVEL, filter, NULL, 0,
		        page ? controls : NULL, NULL, &limit, LDAPDIR_ENTRIES_MAX, &result);
		if (page)
			ldap_control_free(page);
		if (code)
			err = tell(s, "search", code);
		else
			err = take(dir, result, group, arena, entries);
		if (!err && s->page_size)
			next_page(dir, result, &cookie);
		ldap_msgfree(result);
	} while (!err && cookie.bv_len);
	ber_memfree(cookie.bv_val);
	return err;
}

static enum err find(struct ldapdir *dir, bool group, const char *attribute, const char *value,
        struct arena *arena, struct ldapdir_entries *ret)
{
	const struct ldapdir_settings *s = dir->settings;
	AUTO(buf) struct buf filter = BUF_NONE;

	*ret = (struct ldapdir_entries){.count = 0};
	buf_printf(&filter, "(&(objectClass=%s)%s", group ? s->group_class : s->user_class,
	        group ? s->group_filter : s->user_filter);
	if (attribute) {
		buf_printf(&filter, "(%s=", attribute);
		ldapdir_escape(value, &filter);
		buf_char(&filter, ')');
	}
	buf_char(&filter, ')');
	return search(dir, group, buf_text(&filter), arena, ret);
}

enum err ldapdir_users(struct ldapdir *dir, const char *attribute, const char *value,
        struct arena *arena, struct ldapdir_entries *ret_users)
{
	return find(dir, false, attribute, value, arena, ret_users);
}

enum err ldapdir_groups(struct ldapdir *dir, const char *attribute, const char *value,
        struct arena *arena, struct ldapdir_entries *ret_groups)
{
	return find(dir, true, attribute, value, arena, ret_groups);
}
