/* guard: refuses requests that two HTTP parsers could read differently (RFC 9112 6.3, 3.2, 5.1).
 * Pure; runs before anything else looks at a request. */
#ifndef LIB_HTTP_GUARD_H
#define LIB_HTTP_GUARD_H

#include "lib/http/http.h"

/* NULL when the request is fine, else a sentence for the client, with the status (400; 501 for a
 * transfer coding we do not know, RFC 9112 6.1). On success fills has_length, content_length,
 * chunked and expects_continue. */
const char *guard_check(struct http_req *req, int *ret_status);

/* What a header's name has to be (RFC 9110, 5.6.2). */
bool guard_is_token(const char *text);

/* Headers whose names are none, which that has let pass, are dropped: once
 * it is known that nobody has signed them, or that the signature is right. */
void guard_drop_odd(struct http_req *req);

#endif
