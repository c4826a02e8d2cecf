/* audit: what a request did to whom, as an event in CADF (DMTF DSP0262): who, what, target and
 * outcome, by ids. Never a body, a query or a token. */
#ifndef LIB_REST_AUDIT_H
#define LIB_REST_AUDIT_H

#include "lib/rest/rest.h"

/* Does somebody hear of such a request? GET and HEAD change nothing. */
bool audit_wants(const struct rest_req *req);

/* The event as JSON, once the request's status is known. */
void audit_print(const struct rest_req *req, struct buf *out);

#endif
