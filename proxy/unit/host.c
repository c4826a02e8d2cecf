#include "proxy/unit/host.h"

#include "proxy/pipeline.h"
#include "proxy/unit/cname.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Steps through a list of words, separated by commas and blanks; NULL at its end. */
static const char *next_word(struct arena *arena, const char **list)
{
	*list += strspn(*list, ", ");
	size_t len = strcspn(*list, ", ");
	const char *word = len ? arena_strndup(arena, *list, len) : NULL;

	*list += len;
	return word;
}

static const char *without_dots(struct arena *arena, const char *text, size_t len)
{
	while (len && *text == '.')
		text++, len--;
	while (len && text[len - 1] == '.')
		len--;
	return arena_strndup(arena, text, len);
}

/* What stands before one of our domains; NULL: it is none. */
static const char *before_domain(struct arena *arena, const char *domains, const char *host)
{
	const char *domain;
	size_t len = strlen(host);

	while ((domain = next_word(arena, &domains))) {
		domain += *domain == '.';
		size_t n = strlen(domain);
		if (len > n && host[len - n - 1] == '.' && strcmp(host + len - n, domain) == 0)
			return without_dots(arena, host, len - n - 1);
	}
	return NULL;
}

/* The account as it is named: with a '-' for the '_', and in whatever case, since browsers do not
 * keep it. NULL: it is none of ours. */
static const char *account_of(struct arena *arena, const struct unit_options *o, const char *name)
{
	const char *prefixes = o->domain_prefixes, *prefix;
	char *account = arena_strdup(arena, name);
	bool any = false;

	if (!strchr(account, '_') && strchr(account, '-'))
		*strchr(account, '-') = '_';
	size_t len = strcspn(account, "_");
	while ((prefix = next_word(arena, &prefixes))) {
		any = true;
		if (strlen(prefix) == len && strncasecmp(prefix, account, len) == 0)
			return arena_printf(arena, "%s%s", prefix, account + len);
	}
	if (!any)
		return name;
	return *o->domain_default_prefix
	               ? arena_printf(arena, "%s_%s", o->domain_default_prefix, account)
	               : NULL;
}

static void rewrite(struct request *request, const char *account, const char *container)
{
	const struct unit_options *o = &request_cluster(request)->units;
	const char *path = request->path + 1, *root = o->domain_path_root;
	size_t root_len = strlen(root);
	AUTO(buf) struct buf text = BUF_NONE;

	while (root_len && root[root_len - 1] == '/')
		root_len--;
	while (root_len && *root == '/')
		root++, root_len--;
	buf_printf(&text, "/%.*s/", (int)root_len, root);
	url_quote(&text, account, "");
	if (container) {
		buf_char(&text, '/');
		url_quote(&text, container, "");
	}
	buf_char(&text, '/');
	if (o->domain_mangles && strncmp(path, root, root_len) == 0 &&
	        (path[root_len] == '/' || !path[root_len]))
		path += root_len + (path[root_len] == '/');
	buf_str(&text, path);
	request->remapped_from = request->path;
	request->path = arena_strdup(request_arena(request), buf_text(&text));
}

/* What comes before a domain in the name that we are called by; NULL: it is no such name. */
static const char *names_of_host(struct request *request)
{
	const struct unit_options *o = &request_cluster(request)->units;
	struct arena *arena = request_arena(request);
	const char *host =
	        request->storage_host ? request->storage_host : http_get(request->http, "Host");

	if (!o->domain_storage || !*o->domain_storage || !host)
		return NULL;
	const char *port = strrchr(host, ':');
	return before_domain(arena, o->domain_storage,
	        arena_strndup(arena, host, port ? (size_t)(port - host) : strlen(host)));
}

bool host_stands(struct request *request)
{
	return cname_wanted(request) || names_of_host(request);
}

bool host_remap(struct request *request)
{
	const struct unit_options *o = &request_cluster(request)->units;
	struct arena *arena = request_arena(request);
	const char *names = names_of_host(request);

	if (!names)
		return true;
	const char *dot = strchr(names, '.');
	if (dot && strchr(dot + 1, '.'))
		return false;
	const char *account = account_of(arena, o, dot ? dot + 1 : names);
	const char *container = dot ? arena_strndup(arena, names, (size_t)(dot - names)) : NULL;
	if (account)
		rewrite(request, account, container);
	return true;
}

/* A whole URL of ours that is told leads to where the client has come from. */
static const char *as_asked(struct request *request, const char *url)
{
	const char *path = has_prefix(url, "http://")    ? strchr(url + 7, '/')
	                   : has_prefix(url, "https://") ? strchr(url + 8, '/')
	                                                 : NULL;
	size_t len = strlen(request->path);

	return path && strncmp(path, request->path, len) == 0
	               ? arena_printf(request_arena(request), "%.*s%s%s", (int)(path - url), url,
	                         request->remapped_from, path + len)
	               : url;
}

static void answer(struct request *request, int status)
{
	struct buf told = BUF_NONE, *out = &request->http->out;
	struct kv_pair pair;

	(void)status;
	if (!request->remapped_from)
		return;
	for (size_t at = 0; kv_next(out->data, out->len, &at, &pair);) {
		bool leads = strcasecmp(pair.name, "Location") == 0 ||
		             strcasecmp(pair.name, "Content-Location") == 0;
		kv_add(&told, pair.name, leads ? as_asked(request, pair.value) : pair.value);
	}
	buf_done(out);
	*out = told;
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	const struct unit_options *o = &cluster->units;

	if (!o->domain_storage || !*o->domain_storage)
		return false;
	if (*o->domain_default_prefix)
		buf_printf(out, "\"default_reseller_prefix\": \"%s\"", o->domain_default_prefix);
	else
		buf_str(out, "\"default_reseller_prefix\": null");
	return true;
}

const struct unit unit_domain_remap = {.name = "domain_remap", .answer = answer, .info = tell};
