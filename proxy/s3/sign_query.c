#include "proxy/s3/sign_query.h"

#include "lib/http/url.h"
#include <string.h>

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
