#include "proxy/s3/sign_query.h"

#include "lib/http/guard.h"
#include "lib/http/url.h"
#include <string.h>
#include <strings.h>

const char *sign_query(const struct http_req *http)
{
	const char *question = strchr(http->target, '?');

	return question ? question + 1 : "";
}

unsigned sign_params(
        const struct http_req *http, struct arena *arena, struct sign_param params[SIGN_PARAMS_MAX])
{
	unsigned count = 0;
	size_t ignored;

	for (const char *p = sign_query(http); *p && count < SIGN_PARAMS_MAX;) {
		size_t len = strcspn(p, "&"), name_len = 0;
		while (name_len < len && p[name_len] != '=')
			name_len++;
		size_t skip = name_len + (name_len < len);
		if (len)
			params[count++] =
			        (struct sign_param){url_unquote_plus(arena, p, name_len, &ignored),
			                url_unquote_plus(arena, p + skip, len - skip, &ignored)};
		p += len + (p[len] == '&');
	}
	return count;
}

const char *sign_param(const struct http_req *http, struct arena *arena, const char *name)
{
	struct sign_param params[SIGN_PARAMS_MAX];
	unsigned count = sign_params(http, arena, params);

	for (unsigned i = 0; i < count; i++) {
		if (strcmp(params[i].name, name) == 0)
			return params[i].value;
	}
	return NULL;
}

/* What is to be done, and stored, and how. Not checksums: SDKs have them there of a body that they
 * did not have, and AWS does not look at them. */
static bool counts(const char *name)
{
	static const char *const names[] = {"x-amz-acl", "x-amz-bypass-governance-retention",
	        "x-amz-copy-source", "x-amz-expected-bucket-owner", "x-amz-grant-", "x-amz-meta-",
	        "x-amz-metadata-directive", "x-amz-object-lock-", "x-amz-server-side-encryption",
	        "x-amz-source-expected-bucket-owner", "x-amz-storage-class", "x-amz-tagging",
	        "x-amz-website-redirect-location"};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strncasecmp(name, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

static bool is_header(const struct http_req *http, const struct sign_param *p, bool every)
{
	if (strncasecmp(p->name, "x-amz-", 6) != 0 || http_get(http, p->name))
		return false;
	if (!guard_is_token(p->name) || (!every && !counts(p->name)))
		return false;
	for (const char *c = p->value; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	}
	return true;
}

void sign_params_to_headers(struct http_req *http, bool every)
{
	struct sign_param params[SIGN_PARAMS_MAX];
	unsigned count = sign_params(http, &http->arena, params), there = http->header_count;
	struct http_header *all = arena_alloc(&http->arena, (there + count) * sizeof(*all));

	if (there)
		memcpy(all, http->headers, there * sizeof(*all));
	http->headers = all;
	for (unsigned i = 0; i < count; i++) {
		if (is_header(http, &params[i], every))
			all[http->header_count++] =
			        (struct http_header){params[i].name, params[i].value};
	}
}
