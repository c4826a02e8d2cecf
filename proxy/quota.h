/* quota: how much an account or a container may hold. Container quotas are metadata that owners
 * set (X-Container-Meta-Quota-Bytes, -Count); account quotas are set by reseller admins
 * (X-Account-Quota-Bytes, -Count, each also -Policy-NAME; X-Account-Meta-Quota-Bytes is the old
 * form). Totals trail by what is under way: quotas are exceeded by at most that. */
#ifndef PROXY_QUOTA_H
#define PROXY_QUOTA_H

#include "proxy/proxy.h"

/* Checks and takes over the quota headers of an account POST or PUT. 0, or the status. */
int quota_account_headers(struct request *request, struct buf *headers);

/* The stored ones, as their owners see them. */
void quota_account_answer(struct request *request, const struct backend_reply *reply);

/* NULL when an object of that size fits; else the text of the 413. Containers first. account NULL:
 * its quotas do not count, as for reseller administrators. */
const char *quota_exceeded(
        const struct info *account, const struct info *container, uint64_t kept, uint64_t size);

/* NULL when the quota headers of a container PUT or POST are good; else the text of the 400. */
const char *quota_container_headers(const struct request *request);

bool quota_account_is_set(const struct info *info);
/* Facts of a container with a quota change with every object: they are not kept. */
bool quota_is_set(const struct info *info);

#endif
