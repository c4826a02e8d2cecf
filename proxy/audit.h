/* audit: where an account, container or object is, what each of its devices holds, and what of that
 * is not as it should be and why: GET /audit/ACCOUNT[/CONTAINER[/OBJECT]], plain text, for
 * operators.
 *
 * Who may ask shows that he can read the node's secret (token.key in its state folder): the request
 * carries a time and an HMAC over it and the path. It travels over the API's own port, so that
 * there is one server and one way in; what is overheard is good for a minute and for that path
 * alone. */
#ifndef PROXY_AUDIT_H
#define PROXY_AUDIT_H

#include "proxy/proxy.h"

#define AUDIT_PREFIX "/audit/"
#define AUDIT_TIME   "X-Audit-Time" /* seconds since 1970 */
#define AUDIT_SIGN   "X-Audit-Sign" /* 64 hex digits */
#define AUDIT_SKEW_S 60

/* The signature of a path (as sent, with its prefix) at that time; 64 digits and a NUL. */
void audit_sign(const uint8_t secret[32], const char *path, const char *time, char ret_sign[65]);

/* Of a path with the prefix: the method, or NULL with the status to refuse it with. */
const struct method *audit_route(struct request *request, int *ret_status);

#endif
