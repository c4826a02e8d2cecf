/* tables: what the identity service keeps, one struct and one table of fields for each resource.
 * Ids are 32 hexadecimal digits, but that of the domain "default". */
#ifndef IDENTITY_TABLES_H
#define IDENTITY_TABLES_H

#include "lib/db/db.h"
#include "lib/rest/fields.h"

/* A domain is a project of its own kind: is_domain, and ROOT_DOMAIN for its domain. */
#define ROOT_DOMAIN    "<<root>>"
#define DEFAULT_DOMAIN "default"

struct project {
	struct record record;
	const char *id, *name, *domain_id, *parent_id, *description, *options;
	bool enabled, is_domain;
	const char *tags;              /* JSON: an array of texts, in their order */
	const char *parents, *subtree; /* JSON, when they are asked for; NULL: they are not */
};
enum {
	PROJECT_ID,
	PROJECT_NAME,
	PROJECT_DOMAIN,
	PROJECT_PARENT,
	PROJECT_DESCRIPTION,
	PROJECT_OPTIONS,
	PROJECT_ENABLED,
	PROJECT_IS_DOMAIN,
	PROJECT_TAGS
};

struct user {
	struct record record;
	const char *id, *name, *domain_id, *default_project_id, *description, *email, *options;
	const char *password; /* as it was given; its hash is in the table password */
	bool enabled;
	int64_t created_us, last_active_day, failures, failed_us;
	int64_t expires_us; /* of the password; 0: never, or there is none */
};
enum {
	USER_ID,
	USER_NAME,
	USER_DOMAIN,
	USER_DEFAULT_PROJECT,
	USER_DESCRIPTION,
	USER_EMAIL,
	USER_OPTIONS,
	USER_PASSWORD,
	USER_ENABLED
};

struct group {
	struct record record;
	const char *id, *name, *domain_id, *description;
};
enum { GROUP_ID, GROUP_NAME, GROUP_DOMAIN, GROUP_DESCRIPTION };

struct role {
	struct record record;
	const char *id, *name, *domain_id, *description,
	        *options; /* domain_id "": of all domains */
};
enum { ROLE_ID, ROLE_NAME, ROLE_DOMAIN, ROLE_DESCRIPTION, ROLE_OPTIONS };

struct region {
	struct record record;
	const char *id, *parent_region_id, *description;
};

struct service {
	struct record record;
	const char *id, *type, *name, *description;
	bool enabled;
};

struct endpoint {
	struct record record;
	const char *id, *service_id, *region_id, *interface, *url;
	bool enabled;
	const char *region; /* what region_id was called before */
};
enum {
	ENDPOINT_ID,
	ENDPOINT_SERVICE,
	ENDPOINT_REGION_ID,
	ENDPOINT_INTERFACE,
	ENDPOINT_URL,
	ENDPOINT_ENABLED,
	ENDPOINT_REGION
};

struct credential {
	struct record record;
	const char *id, *user_id, *project_id, *type;
	const char *blob;   /* as it was given */
	const char *sealed; /* as it is kept */
};

/* What a project may have of something, unless a limit of its own says otherwise. */
struct registered_limit {
	struct record record;
	const char *id, *service_id, *region_id, *resource_name, *description;
	int64_t default_limit;
};

struct limit {
	struct record record;
	const char *id, *service_id, *region_id, *resource_name, *description, *project_id,
	        *domain_id; /* one of these is NULL */
	int64_t resource_limit;
	const char *project_domain; /* of the project; NULL: none */
};
enum {
	LIMIT_ID,
	LIMIT_SERVICE,
	LIMIT_REGION,
	LIMIT_RESOURCE,
	LIMIT_DESCRIPTION,
	LIMIT_PROJECT,
	LIMIT_DOMAIN,
	LIMIT_VALUE
};

/* A text that some service may fetch: rules of its own. */
struct policy_text {
	struct record record;
	const char *id, *type, *blob, *content; /* content: blob, as it is stored */
};

/* Somebody else's program that asks users for a part of their rights (OAuth 1.0a). */
struct consumer {
	struct record record;
	const char *id, *description, *secret;
};

struct endpoint_group {
	struct record record;
	const char *id, *name, *description;
	const char *filters;                            /* JSON */
	const char *service_id, *region_id, *interface; /* the same; NULL: any */
};
enum {
	ENDPOINT_GROUP_ID,
	ENDPOINT_GROUP_NAME,
	ENDPOINT_GROUP_DESCRIPTION,
	ENDPOINT_GROUP_FILTERS,
};

extern const struct fields consumer_fields;
extern const struct fields registered_limit_fields, limit_fields, policy_text_fields,
        endpoint_group_fields;
extern const struct fields project_fields, domain_fields, user_fields, group_fields, role_fields,
        region_fields, service_fields, endpoint_fields, credential_fields;
extern const struct db_schema identity_schema;

#endif
