/* bulk: many deletes in one request. */
#ifndef PROXY_BULK_H
#define PROXY_BULK_H

#include "proxy/proxy.h"

extern const struct method bulk_delete;

/* Does this request ask for it? The rest of its path, behind the account, means nothing then. */
bool bulk_wanted(const struct request *request);

#endif
