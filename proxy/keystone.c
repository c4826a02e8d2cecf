#include "proxy/keystone.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- the configuration --- */

#define SEPARATORS ", \t"

static bool complain(struct buf *error, const char *option, const char *what, const char *value)
{
	buf_printf(error, "[auth] %s %s '%s'", option, what, value);
	return false;
}

static bool add_roles(
        struct role_set *set, const char *words, const char *option, struct buf *error)
{
	unsigned n = 0;

	while (set->names[n])
		n++;
	for (const char *p = words; *(p += strspn(p, SEPARATORS)); p += strcspn(p, SEPARATORS)) {
		if (n == KEYSTONE_ROLES_MAX)
			return complain(error, option, "has too many roles:", words);
		set->names[n++] = mem_strndup(p, strcspn(p, SEPARATORS));
	}
	return true;
}

/* "AUTH, SERVICE"; '' is the empty one. */
static bool parse_prefixes(struct keystone *k, const char *words, struct buf *error)
{
	for (const char *p = words; *(p += strspn(p, SEPARATORS)); p += strcspn(p, SEPARATORS)) {
		size_t len = strcspn(p, SEPARATORS);
		char *text = mem_zalloc(len + 2);
		if (k->prefix_count == KEYSTONE_PREFIXES_MAX)
			return complain(error, "reseller_prefix", "has too many:", words);
		if (len != 2 || memcmp(p, "''", 2) != 0) {
			memcpy(text, p, len);
			if (text[len - 1] != '_')
				text[len] = '_';
		}
		k->prefixes[k->prefix_count++].text = text;
	}
	return k->prefix_count || complain(error, "reseller_prefix", "wants one at least, not", "");
}

/* Where a line's roles go: `offset` is of the set in a prefix. "SERVICE: service" is for one. */
static bool parse_line(
        struct keystone *k, const char *line, size_t offset, const char *option, struct buf *error)
{
	const char *colon = strchr(line, ':'), *words = colon ? colon + 1 : line;
	bool found = false;

	for (unsigned i = 0; i < k->prefix_count; i++) {
		struct keystone_prefix *prefix = &k->prefixes[i];
		size_t len = strlen(prefix->text);
		bool named = colon &&
		             ((size_t)(colon - line) == len || (size_t)(colon - line) + 1 == len) &&
		             strncmp(prefix->text, line, (size_t)(colon - line)) == 0;
		if (colon && !named)
			continue;
		found = true;
		void *set = (char *)prefix + offset;
		if (!add_roles(set, words, option, error))
			return false;
	}
	return found || complain(error, option, "names a prefix that is none:", line);
}

static bool parse_roles(struct keystone *k, const struct conf_list *lines, const char *fallback,
        size_t offset, const char *option, struct buf *error)
{
	if (!lines->count)
		return parse_line(k, fallback, offset, option, error);
	for (unsigned i = 0; i < lines->count; i++) {
		if (!parse_line(k, lines->items[i], offset, option, error))
			return false;
	}
	return true;
}

/* Clients find the service there; versions they find themselves. */
static const char *challenge_of(const char *url)
{
	AUTO(buf) struct buf text = BUF_NONE;
	size_t len = strlen(url);

	while (len && url[len - 1] == '/')
		len--;
	if (len > 3 && memcmp(url + len - 3, "/v3", 3) == 0)
		len -= 3;
	buf_printf(&text, "Keystone uri=\"%.*s\"", (int)len, url);
	return mem_strdup(buf_text(&text));
}

static bool has_prefix_named(const struct keystone *k, const char *text)
{
	for (unsigned i = 0; i < k->prefix_count; i++) {
		if (strcmp(k->prefixes[i].text, text) == 0)
			return true;
	}
	return false;
}

/* Who reads in a project reads its accounts, but for those that are a service's, too. */
static bool default_readers(struct keystone *k, struct buf *error)
{
	for (unsigned i = 0; i < k->prefix_count; i++) {
		struct keystone_prefix *prefix = &k->prefixes[i];
		if (!prefix->services.names[0] &&
		        !add_roles(&prefix->readers, "reader", "project_reader_roles", error))
			return false;
	}
	return true;
}

static bool parse_readers(struct keystone *k, const struct conf_list *lines, struct buf *error)
{
	return lines->count ? parse_roles(k, lines, "", offsetof(struct keystone_prefix, readers),
	                              "project_reader_roles", error)
	                    : default_readers(k, error);
}

static void free_roles(struct role_set *set)
{
	for (unsigned i = 0; set->names[i]; i++)
		free((void *)(uintptr_t)set->names[i]);
}

/* One that is refused; others are never done with. */
static void free_refused(struct keystone *k)
{
	for (unsigned i = 0; i < k->prefix_count; i++) {
		struct keystone_prefix *prefix = &k->prefixes[i];
		free_roles(&prefix->operators);
		free_roles(&prefix->services);
		free_roles(&prefix->readers);
		free((void *)(uintptr_t)prefix->text);
	}
	free_roles(&k->system_readers);
	free_roles(&k->service_tokens);
	free((void *)(uintptr_t)k->challenge);
	free(k);
}

static bool is_url(const char *text)
{
	return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

enum err keystone_new(
        const struct keystone_options *o, struct keystone **ret_keystone, struct buf *error)
{
	if (!is_url(o->url)) {
		complain(error, "identity_url", "wants http://HOST:PORT/v3, not", o->url);
		return ERR_CONFIG;
	}
	struct keystone *k = mem_zalloc(sizeof(*k));
	k->challenge = challenge_of(o->url);
	k->reseller_admin = o->reseller_admin_role;
	k->default_domain = o->default_domain_id;
	k->names_in_acls = o->names_in_acls;
	if (!parse_prefixes(k, o->reseller_prefix, error) ||
	        !parse_roles(k, o->operator_roles, "admin, swiftoperator, member",
	                offsetof(struct keystone_prefix, operators), "operator_roles", error) ||
	        !parse_roles(k, o->service_roles,
	                has_prefix_named(k, "SERVICE_") ? "SERVICE: service" : "",
	                offsetof(struct keystone_prefix, services), "service_roles", error) ||
	        !parse_readers(k, o->project_reader_roles, error) ||
	        !add_roles(
	                &k->system_readers, o->system_reader_roles, "system_reader_roles", error) ||
	        !add_roles(
	                &k->service_tokens, o->service_token_roles, "service_token_roles", error)) {
		free_refused(k);
		return ERR_CONFIG;
	}
	*ret_keystone = k;
	return ERR_OK;
}

/* --- the rules --- */

static bool has_role(const struct verified *user, const char *name)
{
	for (unsigned i = 0; user && i < user->role_count; i++) {
		if (strcasecmp(user->roles[i].name, name) == 0)
			return true;
	}
	return false;
}

static bool has_any(const struct verified *user, const struct role_set *set)
{
	for (unsigned i = 0; set->names[i]; i++) {
		if (has_role(user, set->names[i]))
			return true;
	}
	return false;
}

static const char *project_of(const struct verified *user)
{
	return user->token.scope == TOKEN_PROJECT ? user->token.scope_id : NULL;
}

const struct keystone_prefix *keystone_prefix_of(const struct keystone *k, const char *account)
{
	const struct keystone_prefix *rest = NULL;

	for (unsigned i = 0; i < k->prefix_count; i++) {
		const char *text = k->prefixes[i].text;
		if (!*text)
			rest = &k->prefixes[i];
		else if (strncmp(account, text, strlen(text)) == 0)
			return &k->prefixes[i];
	}
	return rest;
}

bool keystone_is_own(const struct keystone *k, const struct verified *user, const char *account)
{
	const char *project = project_of(user);

	for (unsigned i = 0; project && i < k->prefix_count; i++) {
		size_t len = strlen(k->prefixes[i].text);
		if (strncmp(account, k->prefixes[i].text, len) == 0 &&
		        strcmp(account + len, project) == 0)
			return true;
	}
	return false;
}

bool keystone_is_reseller(const struct keystone *k, const struct verified *user)
{
	return has_role(user, k->reseller_admin);
}

bool keystone_is_service(const struct keystone *k, const struct verified *service)
{
	return has_any(service, &k->service_tokens);
}

static bool is_text(const char *text, size_t len, const char *what)
{
	return what && strlen(what) == len && memcmp(text, what, len) == 0;
}

/* Is it the id, the name (NULL: there is none), or a star? */
static bool matches(const char *text, size_t len, const char *id, const char *name)
{
	return is_text(text, len, "*") || is_text(text, len, id) || is_text(text, len, name);
}

/* An entry "project:user"; names have colons of their own, ids have none. */
static bool names_caller(const char *entry, const struct keystone_caller *c)
{
	const char *project = project_of(c->user);

	for (const char *colon = entry; (colon = strchr(colon, ':')); colon++) {
		if (matches(entry, (size_t)(colon - entry), project, c->project_name) &&
		        matches(colon + 1, strlen(colon + 1), c->user->token.user_id, c->user_name))
			return true;
	}
	return false;
}

static bool acl_names_caller(const char *acl, const struct keystone_caller *c)
{
	struct arena arena;
	const char *entry;
	bool found = false;

	arena_init(&arena);
	while (!found && (entry = acl_next_group(&arena, &acl)))
		found = names_caller(entry, c);
	arena_done(&arena);
	return found;
}

bool keystone_acl_names(const char *acl)
{
	struct arena arena;
	const char *entry;
	bool found = false;

	arena_init(&arena);
	while (!found && (entry = acl_next_group(&arena, &acl)))
		found = strchr(entry, ':');
	arena_done(&arena);
	return found;
}

static bool is_default(const struct keystone *k, const char *domain)
{
	return domain && strcmp(domain, k->default_domain) == 0;
}

bool keystone_names_count(
        const struct keystone *k, const struct verified *user, const char *account_domain_id)
{
	return k->names_in_acls && is_default(k, user->token.user_domain_id) && project_of(user) &&
	       is_default(k, user->token.scope_domain_id) &&
	       (!account_domain_id || is_default(k, account_domain_id));
}

static bool acl_names_role(const char *acl, const struct verified *user)
{
	struct arena arena;
	const char *entry;
	bool found = false;

	arena_init(&arena);
	while (!found && (entry = acl_next_group(&arena, &acl)))
		found = has_role(user, entry);
	arena_done(&arena);
	return found;
}

enum keystone_verdict keystone_decide(const struct keystone *k, const struct keystone_caller *c,
        const struct access *access, const char *acl, const char *referer)
{
	if (access->options)
		return KEYSTONE_ALLOWED;
	if (keystone_is_reseller(k, c->user))
		return KEYSTONE_OWNER;
	if (access->reads && has_any(c->user, &k->system_readers))
		return KEYSTONE_ALLOWED;
	if (!access->container && access->deletes)
		return KEYSTONE_DENIED;
	/* Before the ACL, which may name its owner too: who that is sees more. */
	const struct keystone_prefix *own = keystone_is_own(k, c->user, access->account)
	                                            ? keystone_prefix_of(k, access->account)
	                                            : NULL;
	if (own && has_any(c->user, &own->operators) &&
	        (!own->services.names[0] || has_any(c->service, &own->services)))
		return KEYSTONE_OWNER;
	if (acl_names_caller(acl, c))
		return KEYSTONE_ALLOWED;
	bool referred = acl_referrer_allowed(acl, referer);
	if (referred && (access->object || acl_rlistings(acl)))
		return KEYSTONE_ALLOWED;
	if (!own)
		return KEYSTONE_DENIED;
	if (access->reads && has_any(c->user, &own->readers))
		return KEYSTONE_ALLOWED;
	return !referred && acl_names_role(acl, c->user) ? KEYSTONE_ALLOWED : KEYSTONE_DENIED;
}
