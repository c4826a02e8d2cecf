/* policies: texts that services may fetch, and which endpoints they are for. */
#ifndef IDENTITY_POLICIES_H
#define IDENTITY_POLICIES_H

#include "identity/manage.h"

/* An endpoint, service or region (`what`) goes: so do the associations with it. */
enum err policies_forget(struct db_tx *tx, const char *what, const char *id);

enum err on_association_set(struct rest_req *req);
enum err on_association_check(struct rest_req *req);
enum err on_association_clear(struct rest_req *req);
enum err on_policy_endpoints(struct rest_req *req);
enum err on_endpoint_policy(struct rest_req *req);

#endif
