/* manage: what is the same for all that administrators make, show, list, change and delete. */
#ifndef IDENTITY_MANAGE_H
#define IDENTITY_MANAGE_H

#include "identity/identity.h"
#include "identity/options.h"

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
	const char *noun;     /* "user": in errors, and of the policy's target */
	const char *param;    /* "user_id": in paths */
	size_t domain_offset; /* of its domain_id, in the struct; 0: it has none */
	size_t user_offset;   /* of its user_id; 0: it is nobody's */
	const struct known_option
	        *options; /* that its member "options" may have; NULL: it has none */
	/* Conditions of lists; NULL: of the caller's domain, if it has the scope of one. */
	enum err (*where)(struct rest_req *req, struct resource_where *where);
	/* More that rules may ask of one; how many, at most 4. NULL: nothing. */
	unsigned (*facts)(const void *record, struct policy_fact *facts);
	void (*defaults)(struct rest_req *req, void *record); /* of a new one, before the body */
	void (*complete)(struct rest_req *req, void *record); /* what the body left open */
	enum err (*check)(struct change *change);             /* before it is written */
	enum err (*after)(struct change *change);             /* once it is */
	enum err (*together)(struct change *change);          /* once all of a request are */
	enum err (*before_delete)(struct change *change);
};

extern const struct managed managed_project, managed_domain, managed_user, managed_group,
        managed_role, managed_region, managed_service, managed_endpoint, managed_limit,
        managed_registered_limit, managed_consumer, managed_policy, managed_endpoint_group;

/* Handlers of routes whose `own` is the kind. */
enum err on_managed_show(struct rest_req *req);
enum err on_managed_list(struct rest_req *req);
enum err on_managed_create(struct rest_req *req);
enum err on_managed_update(struct rest_req *req);
enum err on_managed_delete(struct rest_req *req);

/* POST of a kind of which several are made at once: {"limits": [...]}. */
enum err on_managed_create_many(struct rest_req *req);

enum err on_region_put(struct rest_req *req); /* catalog.c */

/* --- for the rules of kinds --- */

/* The one that the route names, if that is allowed: a text tells who may see it that it is not
 * there. */
enum err managed_find(
        struct rest_req *req, struct db_tx *tx, const struct managed *what, void *record);
/* Where somebody who names no domain means to be. */
const char *manage_own_domain(const struct rest_req *req);
/* ERR_NOT_FOUND with a text: there is no such domain. */
enum err manage_need_domain(struct change *change, const char *id);
/* Without the blanks around it. */
const char *manage_trim(struct arena *arena, const char *text);
/* Trims a name; ERR_BAD_REQUEST with a text: nothing is left of it. */
enum err manage_name(struct rest_req *req, const char **name);
uint64_t manage_now_us(void); /* of the wall clock */

#endif
