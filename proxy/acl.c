#include "proxy/proxy.h"

#include "lib/json/jout.h"
#include "lib/json/jread.h"
#include <string.h>
#include <strings.h>

/* One item of a comma-separated ACL, trimmed; NULL at the end. */
static char *next_item(struct arena *arena, const char **at)
{
	while (**at) {
		size_t len = strcspn(*at, ",");
		const char *start = *at, *end = start + len;
		*at += len + (start[len] == ',');
		while (start < end && (*start == ' ' || *start == '\t'))
			start++;
		while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		if (end > start)
			return arena_strndup(arena, start, (size_t)(end - start));
	}
	return NULL;
}

static char *trim(char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	size_t len = strlen(text);
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		text[--len] = 0;
	return text;
}

static bool is_referrer_word(const char *word)
{
	return strcmp(word, ".r") == 0 || strcmp(word, ".ref") == 0 ||
	       strcmp(word, ".referer") == 0 || strcmp(word, ".referrer") == 0;
}

static const char *clean_item(
        struct arena *arena, const char *header, char *item, const char **ret_error)
{
	char *colon = strchr(item, ':');

	if (!colon)
		return item;
	char *first = trim(arena_strndup(arena, item, (size_t)(colon - item)));
	char *second = trim(arena_strdup(arena, colon + 1));
	if (first[0] != '.')
		return item;
	if (!is_referrer_word(first)) {
		*ret_error =
		        arena_printf(arena, "Unknown designator '%s' in ACL: '%s'", first, item);
		return NULL;
	}
	if (strcasestr(header, "write")) {
		*ret_error = arena_printf(arena, "Referrers not allowed in write ACL: '%s'", item);
		return NULL;
	}
	bool negate = second[0] == '-';
	if (negate)
		second = trim(second + 1);
	if (second[0] == '*' && second[1])
		second = trim(second + 1);
	if (!*second || strcmp(second, ".") == 0) {
		*ret_error = arena_printf(arena,
		        "No host/domain value after referrer designation in ACL: '%s'", item);
		return NULL;
	}
	return arena_printf(arena, ".r:%s%s", negate ? "-" : "", second);
}

char *acl_clean(struct arena *arena, const char *header, const char *value, const char **ret_error)
{
	AUTO(buf) struct buf out = BUF_NONE;
	char *item;

	while ((item = next_item(arena, &value))) {
		const char *clean = clean_item(arena, header, item, ret_error);
		if (!clean)
			return NULL;
		if (out.len)
			buf_char(&out, ',');
		buf_str(&out, clean);
	}
	return arena_strdup(arena, buf_text(&out));
}

/* Steps through a cleaned ACL. */
static bool next_part(const char **acl, const char **ret_part, size_t *ret_len)
{
	if (!*acl || !**acl)
		return false;
	*ret_part = *acl;
	*ret_len = strcspn(*acl, ",");
	*acl += *ret_len + ((*acl)[*ret_len] == ',');
	return true;
}

const char *acl_next_group(struct arena *arena, const char **acl)
{
	const char *part;
	size_t len;

	while (next_part(acl, &part, &len)) {
		if (len < 3 || memcmp(part, ".r:", 3) != 0)
			return url_unquote(arena, part, len, NULL);
	}
	return NULL;
}

bool acl_group_allowed(const char *acl, const char *const *groups)
{
	const char *name;
	struct arena arena;
	bool allowed = false;

	arena_init(&arena);
	while (!allowed && (name = acl_next_group(&arena, &acl))) {
		for (unsigned i = 0; groups && groups[i]; i++)
			allowed |= strcmp(groups[i], name) == 0;
	}
	arena_done(&arena);
	return allowed;
}

bool acl_rlistings(const char *acl)
{
	const char *part;
	size_t len;

	while (next_part(&acl, &part, &len)) {
		if (len == 10 && memcmp(part, ".rlistings", 10) == 0)
			return true;
	}
	return false;
}

/* The host of a Referer header, in lower case: what urlparse(...).hostname gives. */
static void referer_host(const char *referer, char *ret_host, size_t size)
{
	const char *start = referer ? strstr(referer, "//") : NULL;
	size_t n = 0;

	if (start) {
		start += 2;
		size_t len = strcspn(start, "/?#");
		const char *at = memrchr(start, '@', len);
		if (at) {
			len -= (size_t)(at + 1 - start);
			start = at + 1;
		}
		for (; n < len && n + 1 < size && start[n] != ':'; n++)
			ret_host[n] = (char)(start[n] >= 'A' && start[n] <= 'Z' ? start[n] + 32
			                                                        : start[n]);
	}
	ret_host[n] = 0;
	if (n == 0)
		memcpy(ret_host, "unknown", sizeof("unknown"));
}

static bool host_matches(const char *host, const char *pattern, size_t len)
{
	size_t host_len = strlen(host);

	if (len == host_len && memcmp(pattern, host, len) == 0)
		return true;
	return len && pattern[0] == '.' && host_len >= len &&
	       memcmp(host + host_len - len, pattern, len) == 0;
}

bool acl_referrer_allowed(const char *acl, const char *referer)
{
	char host[256];
	const char *part;
	size_t len;
	bool allowed = false;

	referer_host(referer, host, sizeof(host));
	while (next_part(&acl, &part, &len)) {
		if (len < 3 || memcmp(part, ".r:", 3) != 0)
			continue;
		part += 3;
		len -= 3;
		if (len && part[0] == '-') {
			if (host_matches(host, part + 1, len - 1))
				allowed = false;
		} else if ((len == 1 && part[0] == '*') || host_matches(host, part, len)) {
			allowed = true;
		}
	}
	return allowed;
}

static const char *const account_keys[] = {"admin", "read-only", "read-write"};

static bool is_member(const struct jval *members, const char *const *groups)
{
	const char *name;

	for (size_t i = 0; i < jread_len(members); i++) {
		if (!jread_str(jread_at(members, i), &name))
			continue;
		for (unsigned g = 0; groups[g]; g++) {
			if (strcmp(groups[g], name) == 0)
				return true;
		}
	}
	return false;
}

const char *acl_account_access(const char *json, const char *const *groups)
{
	static const char *const strongest_first[] = {"admin", "read-write", "read-only"};
	AUTO(jroot) struct jroot root = JROOT_NONE;

	if (!json || !groups || jread_parse(json, strlen(json), &root))
		return NULL;
	for (unsigned k = 0; k < COUNT_OF(strongest_first); k++) {
		if (is_member(jread_get(root.value, strongest_first[k]), groups))
			return strongest_first[k];
	}
	return NULL;
}

static bool known_key(const char *key)
{
	for (unsigned k = 0; k < COUNT_OF(account_keys); k++) {
		if (strcmp(key, account_keys[k]) == 0)
			return true;
	}
	return false;
}

static const char *check_members(struct arena *arena, const char *key, const struct jval *members)
{
	const char *name;

	if (!known_key(key))
		return arena_printf(arena, "Key '%s' not recognized", key);
	if (!jread_is_array(members))
		return arena_printf(arena, "Value for key '%s' must be a list", key);
	for (size_t i = 0; i < jread_len(members); i++) {
		if (!jread_str(jread_at(members, i), &name))
			return arena_printf(arena, "Elements of '%s' list must be strings", key);
	}
	return NULL;
}

/* The ACL as Swift stores it: keys in order, no spaces, ASCII. */
static const char *canonical(struct arena *arena, const struct jval *acl)
{
	AUTO(buf) struct buf out = BUF_NONE;
	const char *name;

	for (unsigned k = 0; k < COUNT_OF(account_keys); k++) {
		const struct jval *members = jread_get(acl, account_keys[k]);
		if (!members)
			continue;
		buf_printf(&out, "%s\"%s\":[", out.len ? "," : "{", account_keys[k]);
		for (size_t i = 0; i < jread_len(members); i++) {
			if (i)
				buf_char(&out, ',');
			if (jread_str(jread_at(members, i), &name))
				jout_ascii(&out, name);
		}
		buf_char(&out, ']');
	}
	if (out.len)
		buf_char(&out, '}');
	return arena_strdup(arena, buf_text(&out));
}

const char *acl_account_check(struct arena *arena, const char *json, const char **ret_clean)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	const char *wrong, *key;

	*ret_clean = "";
	if (!*json)
		return NULL;
	if (jread_parse(json, strlen(json), &root) || !jread_is_object(root.value))
		return "Syntax error in JSON";
	for (size_t i = 0; (key = jread_name(root.value, i)); i++) {
		if ((wrong = check_members(arena, key, jread_get(root.value, key))))
			return wrong;
	}
	*ret_clean = canonical(arena, root.value);
	return NULL;
}
