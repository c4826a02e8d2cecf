/* endpoints: where an account, a container or an object is kept, for programs that want to work
 * beside their data (swift/common/middleware/list_endpoints.py). Asked by anybody. */
#ifndef PROXY_UNIT_ENDPOINTS_H
#define PROXY_UNIT_ENDPOINTS_H

#include "proxy/proxy.h"

#define ENDPOINTS_PREFIX "/endpoints/"

extern const struct method endpoints_get;

#endif
