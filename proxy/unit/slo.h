/* slo: static large objects: objects whose bytes are those of others, named in a manifest that says
 * of each which it must be (swift/common/middleware/slo.py). What GET and HEAD make of them is in
 * proxy/body.h. */
#ifndef PROXY_UNIT_SLO_H
#define PROXY_UNIT_SLO_H

#include "proxy/proxy.h"

extern const struct method slo_put;    /* slo_put.c: PUT ?multipart-manifest=put */
extern const struct method slo_delete; /* slo_delete.c: DELETE ?multipart-manifest=delete */
extern const struct method slo_async_delete;
extern const struct method slo_copy; /* slo_copy.c: of the manifest itself */

/* An etag without the quotes that it may have. */
const char *slo_bare_etag(struct arena *arena, const char *etag);

#endif
