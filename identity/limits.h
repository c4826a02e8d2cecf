/* limits: limits of projects and domains, as services ask for them. */
#ifndef IDENTITY_LIMITS_H
#define IDENTITY_LIMITS_H

#include "identity/manage.h"

/* strict_two_level: a tree of projects is a domain and what is right below it, and none of these
 * has a limit above its domain's. */
bool limits_strict(const struct identity *identity);

enum err on_limit_model(struct rest_req *req);

#endif
