/* bulk: many uploads or deletes in one request (swift/common/middleware/bulk.py). The rest of its
 * path, behind the account, means nothing to a delete; to an upload it comes before all names. */
#ifndef PROXY_UNIT_BULK_H
#define PROXY_UNIT_BULK_H

#include "proxy/proxy.h"

extern const struct method bulk_upload; /* PUT ?extract-archive= */
extern const struct method bulk_delete; /* DELETE or POST ?bulk-delete */

/* The request is known, and has a user: STEP_NEXT. Else as request_identify; or it is answered. */
enum step bulk_identify(struct request *request);

#endif
