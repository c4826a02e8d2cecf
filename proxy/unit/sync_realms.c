#include "proxy/unit/sync_realms.h"

#include "lib/base/mem.h"
#include "lib/crypto/hmac.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static char *capitals(const char *text)
{
	char *copy = mem_strdup(text);

	for (char *p = copy; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return copy;
}

static char *trim(char *text)
{
	text += strspn(text, " \t\r\f\v");
	for (size_t len = strlen(text); len && isspace((unsigned char)text[len - 1]);)
		text[--len] = 0;
	return text;
}

static void set(char **text, const char *value)
{
	free(*text);
	*text = mem_strdup(value);
}

static void set_cluster(struct sync_realm *realm, const char *name, const char *url)
{
	realm->clusters =
	        mem_realloc(realm->clusters, (realm->cluster_count + 1) * sizeof(*realm->clusters));
	realm->clusters[realm->cluster_count++] =
	        (struct sync_cluster){.name = capitals(name), .url = mem_strdup(url)};
}

static void set_option(struct sync_realm *realm, const char *name, const char *value)
{
	if (strcasecmp(name, "key") == 0)
		set(&realm->key, value);
	else if (strcasecmp(name, "key2") == 0)
		set(&realm->key2, value);
	else if (strncasecmp(name, "cluster_", 8) == 0)
		set_cluster(realm, name + 8, value);
}

static void add_realm(struct sync_realms *realms, const char *name)
{
	realms->realms = mem_realloc(realms->realms, (realms->count + 1) * sizeof(*realms->realms));
	realms->realms[realms->count++] = (struct sync_realm){.name = capitals(name)};
}

/* "[section]", "name = value" or "name: value". NULL, or what is wrong. */
static const char *parse_line(struct sync_realms *realms, char *line, bool *in_default)
{
	line = trim(line);
	if (!*line || *line == '#' || *line == ';')
		return NULL;
	if (*line == '[') {
		char *end = strchr(line, ']');
		if (!end)
			return "a section wants a ']'";
		*end = 0;
		if (!*(line + 1) || line[1 + strspn(line + 1, NAME_CHARS)])
			return "a realm's name has letters, digits, '_', '-' and '.'";
		*in_default = strcmp(line + 1, "DEFAULT") == 0;
		if (!*in_default && sync_realm_find(realms, line + 1))
			return "the same realm is there twice";
		if (!*in_default)
			add_realm(realms, line + 1);
		return NULL;
	}
	char *mark = line + strcspn(line, "=:");
	if (!*mark)
		return "a line wants a name, '=' and a value";
	*mark = 0;
	const char *name = trim(line);
	if (*in_default)
		return NULL;
	if (!realms->count)
		return "a realm's section comes first";
	if (!*name || name[strspn(name, NAME_CHARS)])
		return "a cluster's name has letters, digits, '_', '-' and '.'";
	set_option(&realms->realms[realms->count - 1], name, trim(mark + 1));
	return NULL;
}

bool sync_realms_parse(const char *text, struct sync_realms *ret_realms, struct buf *error)
{
	char *copy = mem_strdup(text);
	const char *wrong = NULL;
	bool in_default = false;
	unsigned number = 1;

	for (char *line = copy, *end; line && !wrong; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = 0;
		wrong = parse_line(ret_realms, line, &in_default);
		if (wrong)
			buf_printf(error, "line %u: %s", number, wrong);
		number++;
	}
	free(copy);
	return !wrong;
}

void sync_realms_done(struct sync_realms *realms)
{
	for (unsigned i = 0; i < realms->count; i++) {
		struct sync_realm *r = &realms->realms[i];
		for (unsigned j = 0; j < r->cluster_count; j++) {
			free(r->clusters[j].name);
			free(r->clusters[j].url);
		}
		free(r->clusters);
		free(r->name);
		free(r->key);
		free(r->key2);
	}
	free(realms->realms);
	free(realms->current);
	free(realms->hosts);
	*realms = (struct sync_realms){0};
}

const struct sync_realm *sync_realm_find(const struct sync_realms *realms, const char *name)
{
	for (unsigned i = 0; realms && i < realms->count; i++) {
		if (strcasecmp(realms->realms[i].name, name) == 0)
			return &realms->realms[i];
	}
	return NULL;
}

static const char *endpoint(const struct sync_realm *realm, const char *cluster)
{
	for (unsigned i = 0; i < realm->cluster_count; i++) {
		if (strcasecmp(realm->clusters[i].name, cluster) == 0)
			return realm->clusters[i].url;
	}
	return NULL;
}

/* realm/cluster/account/container */
static bool parse_realm(const struct sync_realms *realms, const char *value, char *path,
        struct sync_target *ret, struct buf *error)
{
	char *parts[4], *save = path;
	unsigned count = 0;

	for (char *part; (part = strsep(&save, "/")); count++) {
		if (count < 4)
			parts[count] = part;
	}
	if (count != 4) {
		buf_printf(error, "Invalid X-Container-Sync-To format '%s'", value);
		return false;
	}
	ret->realm = sync_realm_find(realms, parts[0]);
	if (!ret->realm || !ret->realm->key || !*ret->realm->key) {
		buf_printf(error, "No realm key for '%s'", parts[0]);
		return false;
	}
	const char *url = endpoint(ret->realm, parts[1]);
	if (!url || !*url) {
		buf_printf(error, "No cluster endpoint for '%s' '%s'", parts[0], parts[1]);
		return false;
	}
	size_t len = strlen(url);
	while (len && url[len - 1] == '/')
		len--;
	buf_printf(&ret->url, "%.*s/%s/%s", (int)len, url, parts[2], parts[3]);
	return true;
}

static bool listed(const char *hosts, const char *host, size_t host_len)
{
	for (; hosts && *hosts; hosts += strspn(hosts, ", ")) {
		size_t len = strcspn(hosts, ", ");
		if (len == host_len && strncasecmp(hosts, host, len) == 0)
			return true;
		hosts += len;
	}
	return false;
}

static bool parse_url(const struct sync_realms *realms, const char *value, struct sync_target *ret,
        struct buf *error)
{
	const char *colon = strstr(value, "://");
	size_t scheme = colon ? (size_t)(colon - value) : 0;

	if (!colon || !((scheme == 4 && strncasecmp(value, "http", 4) == 0) ||
	                      (scheme == 5 && strncasecmp(value, "https", 5) == 0))) {
		buf_printf(error,
		        "Invalid scheme '%.*s' in X-Container-Sync-To, must be \"//\", \"http\", "
		        "or "
		        "\"https\".",
		        (int)scheme, value);
		return false;
	}
	const char *host = colon + 3, *path = strchr(host, '/');
	if (!path) {
		buf_str(error, "Path required in X-Container-Sync-To");
		return false;
	}
	if (strpbrk(path, "?#;")) {
		buf_str(error, "Params, queries, and fragments not allowed in X-Container-Sync-To");
		return false;
	}
	size_t len = strcspn(host, ":/?#@\\");
	bool plain = host[len] == ':' || host + len == path;
	for (const char *p = host + len + 1; plain && host[len] == ':' && p < path; p++)
		plain = isdigit((unsigned char)*p);
	if (!plain || !listed(realms->hosts, host, len)) {
		buf_printf(error, "Invalid host '%.*s' in X-Container-Sync-To", (int)len, host);
		return false;
	}
	buf_str(&ret->url, value);
	return true;
}

bool sync_target_parse(const struct sync_realms *realms, const char *value,
        struct sync_target *ret_target, struct buf *error)
{
	char *text = mem_strdup(value);
	bool good = true;

	for (size_t len = strlen(text); len && text[len - 1] == '/';)
		text[--len] = 0;
	if (strncmp(text, "//", 2) == 0)
		good = parse_realm(realms, value, text + 2, ret_target, error);
	else if (*text)
		good = parse_url(realms, text, ret_target, error);
	free(text);
	return good;
}

void sync_sign(const char *method, const char *path, const char *timestamp, const char *nonce,
        const char *realm_key, const char *user_key, char ret_hex[SYNC_SIGNATURE_SIZE])
{
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t mac[20];

	buf_printf(&text, "%s\n%s\n%s\n%s\n%s", method, path, timestamp, nonce, user_key);
	hmac_sha1(realm_key, strlen(realm_key), text.data, text.len, mac);
	for (unsigned i = 0; i < sizeof(mac); i++) {
		ret_hex[2 * i] = "0123456789abcdef"[mac[i] >> 4];
		ret_hex[2 * i + 1] = "0123456789abcdef"[mac[i] & 15];
	}
	ret_hex[2 * sizeof(mac)] = 0;
}
