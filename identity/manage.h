/* manage: what is the same for all that administrators make, show, list, change and delete. */
#ifndef IDENTITY_MANAGE_H
#define IDENTITY_MANAGE_H

#include "identity/identity.h"

/* A change under way, in its transaction. */
struct change {
	struct rest_req *req;
	const struct managed *what;
	struct db_tx *tx;
	void *record;
	const void *old;           /* NULL: it is made */
	const char *password_hash; /* users: of the new password; NULL: none */
};

/* A kind of resource. Hooks may be NULL; they return errors with a text for the client. */
struct managed {
	struct resource resource;
	const char *noun;       /* "user": in errors, and of the policy's target */
	const char *param;      /* "user_id": in paths */
	size_t domain_offset;   /* of its domain_id, in the struct; 0: it has none */
	const char *list_where; /* a condition that holds for all of them; NULL: none */
	void (*defaults)(struct rest_req *req, void *record); /* of a new one, before the body */
	void (*complete)(struct rest_req *req, void *record); /* what the body left open */
	enum err (*check)(struct change *change);             /* before it is written */
	enum err (*after)(struct change *change);             /* once it is */
	enum err (*before_delete)(struct change *change);
};

extern const struct managed managed_project, managed_domain, managed_user, managed_group,
        managed_role, managed_region, managed_service, managed_endpoint;

/* Handlers of routes whose `own` is the kind. */
enum err on_managed_show(struct rest_req *req);
enum err on_managed_list(struct rest_req *req);
enum err on_managed_create(struct rest_req *req);
enum err on_managed_update(struct rest_req *req);
enum err on_managed_delete(struct rest_req *req);

#endif
