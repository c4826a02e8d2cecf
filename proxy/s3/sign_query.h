/* sign_query: the query as it was sent, for who looks at signatures. Pure. */
#ifndef PROXY_S3_SIGN_QUERY_H
#define PROXY_S3_SIGN_QUERY_H

#include "lib/http/http.h"

#define SIGN_PARAMS_MAX 128

struct sign_param {
	const char *name, *value; /* decoded */
};

/* What stands behind the '?'; "": nothing does. */
const char *sign_query(const struct http_req *http);
/* Returns how many there are; what is beyond SIGN_PARAMS_MAX is left out, so such a signature is
 * wrong. */
unsigned sign_params(const struct http_req *http, struct arena *arena,
        struct sign_param params[SIGN_PARAMS_MAX]);
/* The first of that name, or NULL. */
const char *sign_param(const struct http_req *http, struct arena *arena, const char *name);
/* Adds the headers that a URL signed beforehand has as parameters: those of x-amz-; not `every`:
 * of them those that say what is to be done. Not those that were sent, nor what is no header's
 * name or value: one of several lines would be signed as several are. */
void sign_params_to_headers(struct http_req *http, bool every);

#endif
