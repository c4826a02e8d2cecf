#include "identity/tables.h"

#include <stddef.h>

#define BOTH (FIELD_CREATE | FIELD_UPDATE)
#define TEXT(type, name, flags, min, max)                                                          \
	{                                                                                          \
#name, FIELD_TEXT, offsetof(struct type, name), (flags), (min), (max), NULL        \
	}
#define BOOL(type, name, flags)                                                                    \
	{                                                                                          \
#name, FIELD_BOOL, offsetof(struct type, name), (flags), 0, 0, NULL                \
	}
#define INT(type, name, flags)                                                                     \
	{                                                                                          \
#name, FIELD_INT, offsetof(struct type, name), (flags), 0, 0, NULL                 \
	}
#define JSON(type, name, flags)                                                                    \
	{                                                                                          \
#name, FIELD_JSON, offsetof(struct type, name), (flags), 0, 0, NULL                \
	}
#define TABLE(var, one, many, in, ...)                                                             \
	static const struct field var##_items[] = {__VA_ARGS__};                                   \
	const struct fields var##_fields = {.name = one,                                           \
	        .plural = many,                                                                    \
	        .table = in,                                                                       \
	        .items = var##_items,                                                              \
	        .count = COUNT_OF(var##_items),                                                    \
	        .extra = true}

#define TAGS                                                                                       \
	{                                                                                          \
		"tags", FIELD_JSON, offsetof(struct project, tags),                                \
		        BOTH | FIELD_ANY | FIELD_UNSTORED, 0, 0, NULL                              \
	}

TABLE(project, "project", "projects", "project", [PROJECT_ID] = TEXT(project, id, FIELD_SAME, 0, 0),
        [PROJECT_NAME] = TEXT(project, name, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 64),
        [PROJECT_DOMAIN] = TEXT(
                project, domain_id, FIELD_CREATE | FIELD_SAME | FIELD_FILTER | FIELD_NULL, 1, 64),
        [PROJECT_PARENT] = TEXT(project, parent_id, BOTH | FIELD_FILTER | FIELD_NULL, 1, 64),
        [PROJECT_DESCRIPTION] = TEXT(project, description, BOTH | FIELD_NULL, 0, 0),
        [PROJECT_OPTIONS] = JSON(project, options, BOTH),
        [PROJECT_ENABLED] = BOOL(project, enabled, BOTH | FIELD_FILTER),
        [PROJECT_IS_DOMAIN] = BOOL(project, is_domain, FIELD_CREATE | FIELD_SAME | FIELD_FILTER),
        [PROJECT_TAGS] = TAGS);

/* The same table. */
TABLE(domain, "domain", "domains", "project", [PROJECT_ID] = TEXT(project, id, FIELD_SAME, 0, 0),
        [PROJECT_NAME] = TEXT(project, name, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 64),
        [PROJECT_DOMAIN] = TEXT(project, domain_id, FIELD_HIDDEN, 0, 0),
        [PROJECT_PARENT] = TEXT(project, parent_id, FIELD_HIDDEN, 0, 0),
        [PROJECT_DESCRIPTION] = TEXT(project, description, BOTH | FIELD_NULL, 0, 0),
        [PROJECT_OPTIONS] = JSON(project, options, BOTH),
        [PROJECT_ENABLED] = BOOL(project, enabled, BOTH | FIELD_FILTER),
        [PROJECT_IS_DOMAIN] = BOOL(project, is_domain, FIELD_HIDDEN), [PROJECT_TAGS] = TAGS);

TABLE(user, "user", "users", "user", [USER_ID] = TEXT(user, id, FIELD_SAME, 0, 0),
        [USER_NAME] = TEXT(user, name, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 255),
        [USER_DOMAIN] = TEXT(
                user, domain_id, FIELD_CREATE | FIELD_SAME | FIELD_FILTER | FIELD_NULL, 1, 64),
        [USER_DEFAULT_PROJECT] = TEXT(user, default_project_id, BOTH | FIELD_NULL, 0, 64),
        [USER_DESCRIPTION] = TEXT(user, description, BOTH | FIELD_NULL, 0, 0),
        [USER_EMAIL] = TEXT(user, email, BOTH | FIELD_NULL, 0, 0),
        [USER_OPTIONS] = JSON(user, options, BOTH),
        [USER_PASSWORD] = TEXT(
                user, password, BOTH | FIELD_NULL | FIELD_HIDDEN | FIELD_UNSTORED, 0, 0),
        [USER_ENABLED] = BOOL(user, enabled, BOTH | FIELD_FILTER),
        INT(user, created_us, FIELD_HIDDEN), INT(user, last_active_day, FIELD_HIDDEN),
        INT(user, failures, FIELD_HIDDEN), INT(user, failed_us, FIELD_HIDDEN));

TABLE(group, "group", "groups", "user_group", [GROUP_ID] = TEXT(group, id, FIELD_SAME, 0, 0),
        [GROUP_NAME] = TEXT(group, name, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 64),
        [GROUP_DOMAIN] = TEXT(
                group, domain_id, FIELD_CREATE | FIELD_SAME | FIELD_FILTER | FIELD_NULL, 1, 64),
        [GROUP_DESCRIPTION] = TEXT(group, description, BOTH | FIELD_NULL, 0, 0));

TABLE(role, "role", "roles", "role", [ROLE_ID] = TEXT(role, id, FIELD_SAME, 0, 0),
        [ROLE_NAME] = TEXT(role, name, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 255),
        [ROLE_DOMAIN] = TEXT(
                role, domain_id, FIELD_CREATE | FIELD_SAME | FIELD_FILTER | FIELD_NULL, 1, 64),
        [ROLE_DESCRIPTION] = TEXT(role, description, BOTH | FIELD_NULL, 0, 0),
        [ROLE_OPTIONS] = JSON(role, options, BOTH));

TABLE(region, "region", "regions", "region",
        TEXT(region, id, FIELD_CREATE | FIELD_SAME | FIELD_NULL, 0, 255),
        TEXT(region, parent_region_id, BOTH | FIELD_NULL | FIELD_FILTER, 0, 255),
        TEXT(region, description, BOTH | FIELD_NULL, 0, 0));

TABLE(service, "service", "services", "service", TEXT(service, id, FIELD_SAME, 0, 0),
        TEXT(service, type, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 255),
        TEXT(service, name, BOTH | FIELD_NULL | FIELD_FILTER, 0, 255),
        TEXT(service, description, BOTH | FIELD_NULL, 0, 0), BOOL(service, enabled, BOTH));

static const char *const interfaces[] = {"public", "internal", "admin", NULL};
TABLE(endpoint, "endpoint", "endpoints",
        "endpoint", [ENDPOINT_ID] = TEXT(endpoint, id, FIELD_SAME, 0, 0),
        [ENDPOINT_SERVICE] = TEXT(
                endpoint, service_id, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 64),
        [ENDPOINT_REGION_ID] = TEXT(endpoint, region_id, BOTH | FIELD_NULL | FIELD_FILTER, 0, 255),
        [ENDPOINT_INTERFACE] = {"interface", FIELD_TEXT, offsetof(struct endpoint, interface),
                BOTH | FIELD_REQUIRED | FIELD_FILTER, 0, 0, interfaces},
        [ENDPOINT_URL] = TEXT(endpoint, url, BOTH | FIELD_REQUIRED, 1, 225),
        [ENDPOINT_ENABLED] = BOOL(endpoint, enabled, BOTH),
        [ENDPOINT_REGION] = TEXT(
                endpoint, region, BOTH | FIELD_NULL | FIELD_HIDDEN | FIELD_UNSTORED, 0, 255));

TABLE(credential, "credential", "credentials", "credential",
        TEXT(credential, id, FIELD_CREATE | FIELD_SAME | FIELD_NULL, 0, 64),
        TEXT(credential, user_id, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 64),
        TEXT(credential, project_id, BOTH | FIELD_NULL, 1, 64),
        TEXT(credential, type, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 255),
        TEXT(credential, blob, BOTH | FIELD_REQUIRED | FIELD_UNSTORED, 0, 0),
        TEXT(credential, sealed, FIELD_HIDDEN, 0, 0));
#define LIMIT_MAX 0x7fffffff
#define AMOUNT(type, name, flags)                                                                  \
	{                                                                                          \
#name, FIELD_INT, offsetof(struct type, name), (flags), -1, LIMIT_MAX, NULL        \
	}
#define FIXED_TABLE(var, one, many, in, ...)                                                       \
	static const struct field var##_items[] = {__VA_ARGS__};                                   \
	const struct fields var##_fields = {.name = one,                                           \
	        .plural = many,                                                                    \
	        .table = in,                                                                       \
	        .items = var##_items,                                                              \
	        .count = COUNT_OF(var##_items)}

FIXED_TABLE(registered_limit, "registered_limit", "registered_limits", "registered_limit",
        TEXT(registered_limit, id, FIELD_SAME, 0, 0),
        TEXT(registered_limit, service_id, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 64),
        TEXT(registered_limit, region_id, BOTH | FIELD_NULL | FIELD_FILTER, 0, 255),
        TEXT(registered_limit, resource_name, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 255),
        TEXT(registered_limit, description, BOTH | FIELD_NULL, 0, 0),
        AMOUNT(registered_limit, default_limit, BOTH | FIELD_REQUIRED));

FIXED_TABLE(limit, "limit", "limits",
        "resource_limit", [LIMIT_ID] = TEXT(limit, id, FIELD_SAME, 0, 0),
        [LIMIT_SERVICE] = TEXT(
                limit, service_id, FIELD_CREATE | FIELD_REQUIRED | FIELD_FILTER, 1, 64),
        [LIMIT_REGION] = TEXT(limit, region_id, FIELD_CREATE | FIELD_NULL | FIELD_FILTER, 0, 255),
        [LIMIT_RESOURCE] = TEXT(
                limit, resource_name, FIELD_CREATE | FIELD_REQUIRED | FIELD_FILTER, 1, 255),
        [LIMIT_DESCRIPTION] = TEXT(limit, description, BOTH | FIELD_NULL, 0, 0),
        [LIMIT_PROJECT] = TEXT(limit, project_id, FIELD_CREATE | FIELD_NULL | FIELD_FILTER, 1, 64),
        [LIMIT_DOMAIN] = TEXT(limit, domain_id, FIELD_CREATE | FIELD_NULL | FIELD_FILTER, 1, 64),
        [LIMIT_VALUE] = AMOUNT(limit, resource_limit, BOTH | FIELD_REQUIRED));

#define HIDDEN(type, name) TEXT(type, name, FIELD_HIDDEN, 0, 0)
TABLE(policy_text, "policy", "policies", "policy", TEXT(policy_text, id, FIELD_SAME, 0, 0),
        TEXT(policy_text, type, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 255),
        TEXT(policy_text, blob, BOTH | FIELD_REQUIRED | FIELD_UNSTORED, 0, 0),
        HIDDEN(policy_text, content));

FIXED_TABLE(endpoint_group, "endpoint_group", "endpoint_groups",
        "endpoint_group", [ENDPOINT_GROUP_ID] = TEXT(endpoint_group, id, FIELD_SAME, 0, 0),
        [ENDPOINT_GROUP_NAME] = TEXT(
                endpoint_group, name, BOTH | FIELD_REQUIRED | FIELD_FILTER, 1, 255),
        [ENDPOINT_GROUP_DESCRIPTION] = TEXT(endpoint_group, description, BOTH | FIELD_NULL, 0, 0),
        [ENDPOINT_GROUP_FILTERS] = JSON(endpoint_group, filters, BOTH | FIELD_REQUIRED),
        HIDDEN(endpoint_group, service_id), HIDDEN(endpoint_group, region_id),
        HIDDEN(endpoint_group, interface));

TABLE(consumer, "consumer", "consumers", "consumer", TEXT(consumer, id, FIELD_SAME, 0, 0),
        TEXT(consumer, description, BOTH | FIELD_NULL, 0, 0), HIDDEN(consumer, secret));
