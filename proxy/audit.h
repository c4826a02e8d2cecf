/* audit: where an account, container or object is, what each of its devices holds, and what of that
 * is not as it should be and why: GET /audit/ACCOUNT[/CONTAINER[/OBJECT]], plain text, for
 * operators. Who may ask signs it (operator.h). */
#ifndef PROXY_AUDIT_H
#define PROXY_AUDIT_H

#include "proxy/proxy.h"

#define AUDIT_PREFIX "/audit/"

/* Of a path with the prefix: the method, or NULL with the status to refuse it with. */
const struct method *audit_route(struct request *request, int *ret_status);

#endif
