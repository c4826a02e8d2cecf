/* host: names of accounts and containers in the name that a client calls us by: a request for
 * container.account.example.com/object is one for /v1/account/container/object (domain_remap). */
#ifndef PROXY_UNIT_HOST_H
#define PROXY_UNIT_HOST_H

#include "proxy/proxy.h"

/* Does the name that the request calls us by stand for an account of Swift's, by domain_remap or
 * the DNS? */
bool host_stands(struct request *request);

/* Rewrites request->path; false: the name cannot be meant so, which is answered with 400. */
bool host_remap(struct request *request);

#endif
