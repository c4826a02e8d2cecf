/* operator: requests of whoever can read the node's secret (token.key in its state folder): each
 * carries a time and an HMAC over it, what is to be done and the target. They travel over the API's
 * own port, so that there is one server and one way in; what is overheard is good for a minute and
 * for that target alone. */
#ifndef PROXY_OPERATOR_H
#define PROXY_OPERATOR_H

#include "proxy/proxy.h"

#define OPERATOR_TIME   "X-Audit-Time" /* seconds since 1970 */
#define OPERATOR_SIGN   "X-Audit-Sign" /* 64 hex digits */
#define OPERATOR_SKEW_S 60

/* The signature of a target, as sent, at that time; 64 digits and a NUL. */
void operator_sign(const uint8_t secret[32], const char *what, const char *target, const char *time,
        char ret_sign[65]);

bool operator_signed(struct request *request, const char *what, const char *target);

#endif
