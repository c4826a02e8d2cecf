/* errand: a request of our own that nobody has sent, for work that is made of requests (sub.h), or
 * is an operation of S3's as it stands. It may do everything; what it answers goes nowhere but for
 * the status. */
#ifndef PROXY_ERRAND_H
#define PROXY_ERRAND_H

#include "proxy/proxy.h"

/* About a bucket, and one of its keys (or NULL); the names are copied. The caller may fill in the
 * rest (own, query), then starts it. */
struct request *errand_new(
        struct proxy *proxy, const char *account, const char *bucket, const char *key);
/* done: from the loop, when it is over and about to be freed; status: 0: it has answered nothing.
 */
void errand_start(struct request *request, const struct method *method,
        void (*done)(void *owner, int status), void *owner);

#endif
