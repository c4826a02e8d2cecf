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

/* --- steps --- */

static const char *const steps[] = {
        /* Who, and what they have. */
        "CREATE TABLE IF NOT EXISTS project (id VARCHAR(64) PRIMARY KEY, name VARCHAR(64) NOT "
        "NULL, domain_id "
        "VARCHAR(64) NOT NULL, parent_id VARCHAR(64), description TEXT, options TEXT, enabled "
        "BIGINT NOT NULL, is_domain BIGINT NOT NULL, extra TEXT, UNIQUE (domain_id, name), FOREIGN "
        "KEY (domain_id) REFERENCES project (id), FOREIGN KEY (parent_id) REFERENCES project "
        "(id));"
        "CREATE TABLE IF NOT EXISTS project_tag (project_id VARCHAR(64) NOT NULL, name "
        "VARCHAR(255) NOT NULL, "
        "PRIMARY KEY (project_id, name), FOREIGN KEY (project_id) REFERENCES project (id) ON "
        "DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS user (id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) NOT NULL, "
        "domain_id "
        "VARCHAR(64) NOT NULL, default_project_id VARCHAR(64), description TEXT, email TEXT, "
        "options TEXT, enabled BIGINT NOT NULL, created_us BIGINT NOT NULL, last_active_day BIGINT "
        "NOT NULL, failures BIGINT NOT NULL, failed_us BIGINT NOT NULL, extra TEXT, UNIQUE "
        "(domain_id, name), FOREIGN KEY (domain_id) REFERENCES project (id));"
        "CREATE TABLE IF NOT EXISTS password (user_id VARCHAR(64) NOT NULL, created_us BIGINT NOT "
        "NULL, "
        "expires_us BIGINT, self_service BIGINT NOT NULL, hash VARCHAR(255) NOT NULL, PRIMARY KEY "
        "(user_id, created_us), FOREIGN KEY (user_id) REFERENCES user (id) ON DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS user_group (id VARCHAR(64) PRIMARY KEY, name VARCHAR(64) NOT "
        "NULL, domain_id "
        "VARCHAR(64) NOT NULL, description TEXT, extra TEXT, UNIQUE (domain_id, name), FOREIGN KEY "
        "(domain_id) REFERENCES project (id));"
        "CREATE TABLE IF NOT EXISTS membership (user_id VARCHAR(64) NOT NULL, group_id VARCHAR(64) "
        "NOT NULL, "
        "PRIMARY KEY (user_id, group_id), FOREIGN KEY (group_id) REFERENCES user_group (id) ON "
        "DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS role (id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) NOT NULL, "
        "domain_id "
        "VARCHAR(64) NOT NULL, description TEXT, options TEXT, extra TEXT, UNIQUE (domain_id, "
        "name));"
        "CREATE TABLE IF NOT EXISTS implied_role (prior_id VARCHAR(64) NOT NULL, implied_id "
        "VARCHAR(64) NOT "
        "NULL, PRIMARY KEY (prior_id, implied_id), FOREIGN KEY (prior_id) REFERENCES role (id) ON "
        "DELETE CASCADE, FOREIGN KEY (implied_id) REFERENCES role (id) ON DELETE CASCADE);"
        /* kind: of target_id, 'project', 'domain' or 'system'; actor_kind: 'user' or 'group'. */
        "CREATE TABLE IF NOT EXISTS assignment (actor_kind VARCHAR(8) NOT NULL, actor_id "
        "VARCHAR(64) NOT NULL, "
        "kind VARCHAR(8) NOT NULL, target_id VARCHAR(64) NOT NULL, role_id VARCHAR(64) NOT NULL, "
        "inherited BIGINT NOT NULL, PRIMARY KEY (actor_id, actor_kind, kind, target_id, role_id, "
        "inherited), FOREIGN KEY (role_id) REFERENCES role (id) ON DELETE CASCADE);"
        "CREATE INDEX IF NOT EXISTS assignment_of_target ON assignment (target_id);"
        "CREATE TABLE IF NOT EXISTS region (id VARCHAR(255) PRIMARY KEY, parent_region_id "
        "VARCHAR(255), "
        "description TEXT, extra TEXT, FOREIGN KEY (parent_region_id) REFERENCES region (id));"
        "CREATE TABLE IF NOT EXISTS service (id VARCHAR(64) PRIMARY KEY, type VARCHAR(255) NOT "
        "NULL, name "
        "VARCHAR(255), description TEXT, enabled BIGINT NOT NULL, extra TEXT);"
        "CREATE TABLE IF NOT EXISTS endpoint (id VARCHAR(64) PRIMARY KEY, service_id VARCHAR(64) "
        "NOT NULL, "
        "region_id VARCHAR(255), interface VARCHAR(8) NOT NULL, url TEXT NOT NULL, enabled BIGINT "
        "NOT NULL, extra TEXT, FOREIGN KEY (service_id) REFERENCES service (id) ON DELETE CASCADE, "
        "FOREIGN KEY (region_id) REFERENCES region (id));"
        /* What makes tokens invalid before their time, in the order of its number. */
        "CREATE TABLE IF NOT EXISTS revocation (number BIGINT PRIMARY KEY, at_us BIGINT NOT NULL, "
        "expires_us "
        "BIGINT NOT NULL, audit VARCHAR(32), chain VARCHAR(32), user_id VARCHAR(64), project_id "
        "VARCHAR(64), domain_id VARCHAR(64), role_id VARCHAR(64), trust_id VARCHAR(64), "
        "application_id VARCHAR(64));"
        "CREATE INDEX IF NOT EXISTS revocation_at ON revocation (expires_us)",
        /* Revocations by kind (lib/auth/revocation.h); how long tokens may live that processes of
         * ours, perhaps of another configuration, have given out until then. */
        "DROP TABLE IF EXISTS revocation;"
        "CREATE TABLE revocation (number BIGINT PRIMARY KEY, at_us BIGINT NOT NULL, expires_us "
        "BIGINT NOT NULL, kind VARCHAR(16) NOT NULL, first_id VARCHAR(64) NOT NULL, second_id "
        "VARCHAR(64));"
        "CREATE INDEX revocation_expires ON revocation (expires_us);"
        "CREATE TABLE IF NOT EXISTS token_life (seconds BIGINT PRIMARY KEY, until_us BIGINT NOT "
        "NULL);"
        "REPLACE INTO db_sequence (name, last) VALUES ('revocation', 0)",
        /* The last login that failed and is nobody's. */
        "CREATE TABLE IF NOT EXISTS failed_login (id VARCHAR(64) PRIMARY KEY, failures BIGINT NOT "
        "NULL, failed_us BIGINT NOT NULL)",
        /* Secrets of users; sealed: docs/formats/credential.md. */
        "CREATE TABLE IF NOT EXISTS credential (id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64) "
        "NOT NULL, project_id VARCHAR(64), type VARCHAR(255) NOT NULL, sealed MEDIUMTEXT NOT NULL, "
        "extra MEDIUMTEXT);"
        "CREATE INDEX IF NOT EXISTS credential_user ON credential (user_id);"
        "CREATE INDEX IF NOT EXISTS credential_project ON credential (project_id)",
        /* Application credentials; trusts. */
        "CREATE TABLE IF NOT EXISTS application_credential (id VARCHAR(64) PRIMARY KEY, name "
        "VARCHAR(255) NOT NULL, user_id VARCHAR(64) NOT NULL, project_id VARCHAR(64) NOT NULL, "
        "description TEXT, secret_hash VARCHAR(255) NOT NULL, unrestricted BIGINT NOT NULL, "
        "expires_us BIGINT NOT NULL, UNIQUE (user_id, name), FOREIGN KEY (project_id) REFERENCES "
        "project (id) ON DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS application_role (application_id VARCHAR(64) NOT NULL, role_id "
        "VARCHAR(64) NOT NULL, PRIMARY KEY (application_id, role_id), FOREIGN KEY "
        "(application_id) REFERENCES application_credential (id) ON DELETE CASCADE, FOREIGN KEY "
        "(role_id) REFERENCES role (id) ON DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS access_rule (id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64) "
        "NOT NULL, service VARCHAR(64) NOT NULL, path VARCHAR(255) NOT NULL, method VARCHAR(16) "
        "NOT NULL, UNIQUE (user_id, service, path, method));"
        "CREATE TABLE IF NOT EXISTS application_rule (application_id VARCHAR(64) NOT NULL, rule_id "
        "VARCHAR(64) NOT NULL, PRIMARY KEY (application_id, rule_id), FOREIGN KEY "
        "(application_id) REFERENCES application_credential (id) ON DELETE CASCADE, FOREIGN KEY "
        "(rule_id) REFERENCES access_rule (id));"
        "CREATE TABLE IF NOT EXISTS trust (id VARCHAR(64) PRIMARY KEY, trustor_user_id VARCHAR(64) "
        "NOT NULL, trustee_user_id VARCHAR(64) NOT NULL, project_id VARCHAR(64), "
        "redelegated_trust_id VARCHAR(64), impersonation BIGINT NOT NULL, remaining_uses BIGINT, "
        "redelegation_count BIGINT NOT NULL, expires_us BIGINT NOT NULL, FOREIGN KEY (project_id) "
        "REFERENCES project (id) ON DELETE CASCADE);"
        "CREATE INDEX IF NOT EXISTS trust_of_trustor ON trust (trustor_user_id);"
        "CREATE INDEX IF NOT EXISTS trust_of_trustee ON trust (trustee_user_id);"
        "CREATE INDEX IF NOT EXISTS trust_of_trust ON trust (redelegated_trust_id);"
        "CREATE TABLE IF NOT EXISTS trust_role (trust_id VARCHAR(64) NOT NULL, role_id VARCHAR(64) "
        "NOT NULL, PRIMARY KEY (trust_id, role_id), FOREIGN KEY (trust_id) REFERENCES trust (id) "
        "ON DELETE CASCADE, FOREIGN KEY (role_id) REFERENCES role (id) ON DELETE CASCADE)",
        /* Limits, policies, filters of endpoints, configuration of domains. */
        "CREATE TABLE IF NOT EXISTS registered_limit (id VARCHAR(64) PRIMARY KEY, service_id "
        "VARCHAR(64) NOT NULL, region_id VARCHAR(255), resource_name VARCHAR(255) NOT NULL, "
        "description TEXT, default_limit BIGINT NOT NULL, FOREIGN KEY (service_id) REFERENCES "
        "service (id) ON DELETE CASCADE, FOREIGN KEY (region_id) REFERENCES region (id) ON DELETE "
        "CASCADE);"
        "CREATE TABLE IF NOT EXISTS resource_limit (id VARCHAR(64) PRIMARY KEY, service_id "
        "VARCHAR(64) NOT NULL, region_id VARCHAR(255), resource_name VARCHAR(255) NOT NULL, "
        "description TEXT, project_id VARCHAR(64), domain_id VARCHAR(64), resource_limit BIGINT "
        "NOT NULL, FOREIGN KEY (service_id) REFERENCES service (id) ON DELETE CASCADE, FOREIGN KEY "
        "(region_id) REFERENCES region (id) ON DELETE CASCADE, FOREIGN KEY (project_id) REFERENCES "
        "project (id) ON DELETE CASCADE, FOREIGN KEY (domain_id) REFERENCES project (id) ON DELETE "
        "CASCADE);"
        "CREATE TABLE IF NOT EXISTS policy (id VARCHAR(64) PRIMARY KEY, type VARCHAR(255) NOT "
        "NULL, content LONGTEXT NOT NULL, extra TEXT);"
        /* '' stands for none: one of endpoint_id and service_id is. */
        "CREATE TABLE IF NOT EXISTS policy_association (endpoint_id VARCHAR(64) NOT NULL, "
        "service_id VARCHAR(64) NOT NULL, region_id VARCHAR(255) NOT NULL, policy_id VARCHAR(64) "
        "NOT NULL, PRIMARY KEY (endpoint_id, service_id, region_id), FOREIGN KEY (policy_id) "
        "REFERENCES policy (id) ON DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS endpoint_group (id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) "
        "NOT NULL, description TEXT, filters TEXT NOT NULL, service_id VARCHAR(64), region_id "
        "VARCHAR(255), interface VARCHAR(8));"
        "CREATE TABLE IF NOT EXISTS project_endpoint (project_id VARCHAR(64) NOT NULL, endpoint_id "
        "VARCHAR(64) NOT NULL, PRIMARY KEY (project_id, endpoint_id), FOREIGN KEY (project_id) "
        "REFERENCES project (id) ON DELETE CASCADE, FOREIGN KEY (endpoint_id) REFERENCES endpoint "
        "(id) ON DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS project_endpoint_group (project_id VARCHAR(64) NOT NULL, "
        "group_id VARCHAR(64) NOT NULL, PRIMARY KEY (project_id, group_id), FOREIGN KEY "
        "(project_id) REFERENCES project (id) ON DELETE CASCADE, FOREIGN KEY (group_id) REFERENCES "
        "endpoint_group (id) ON DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS domain_config (domain_id VARCHAR(64) NOT NULL, in_group "
        "VARCHAR(64) NOT NULL, name VARCHAR(64) NOT NULL, value TEXT NOT NULL, PRIMARY KEY "
        "(domain_id, in_group, name), FOREIGN KEY (domain_id) REFERENCES project (id) ON DELETE "
        "CASCADE)",
        /* Codes that do not count again. */
        "CREATE TABLE IF NOT EXISTS totp_used (credential_id VARCHAR(64) NOT NULL, step BIGINT NOT "
        "NULL, PRIMARY KEY (credential_id, step))",
        /* Rows that mirror a directory's users and groups. */
        "CREATE TABLE IF NOT EXISTS directory_entry (public_id VARCHAR(64) PRIMARY KEY, kind "
        "VARCHAR(8) NOT NULL, domain_id VARCHAR(64) NOT NULL, local_id VARCHAR(255) NOT NULL, "
        "FOREIGN KEY (domain_id) REFERENCES project (id) ON DELETE CASCADE);"
        "CREATE INDEX IF NOT EXISTS directory_entry_domain ON directory_entry (domain_id)",
        /* What is looked for often, or must be when something that it names goes. */
        "CREATE INDEX IF NOT EXISTS user_by_name ON user (name);"
        "CREATE INDEX IF NOT EXISTS user_by_project ON user (default_project_id);"
        "CREATE INDEX IF NOT EXISTS group_by_name ON user_group (name);"
        "CREATE INDEX IF NOT EXISTS project_by_name ON project (name);"
        "CREATE INDEX IF NOT EXISTS project_by_parent ON project (parent_id);"
        "CREATE INDEX IF NOT EXISTS membership_by_group ON membership (group_id);"
        "CREATE INDEX IF NOT EXISTS assignment_by_role ON assignment (role_id)",
        "CREATE TABLE IF NOT EXISTS consumer (id VARCHAR(64) PRIMARY KEY, description TEXT, secret "
        "VARCHAR(64) NOT NULL, extra TEXT)",
        "CREATE INDEX IF NOT EXISTS revocation_second ON revocation (second_id)",
        /* IAM: users that a project has made for itself, roles that others may take, and policies
         * of both. */
        "CREATE TABLE IF NOT EXISTS iam_user (user_id VARCHAR(64) PRIMARY KEY, project_id "
        "VARCHAR(64) NOT NULL, path VARCHAR(512) NOT NULL, FOREIGN KEY (user_id) REFERENCES user "
        "(id) ON DELETE CASCADE, FOREIGN KEY (project_id) REFERENCES project (id) ON DELETE "
        "CASCADE);"
        "CREATE TABLE IF NOT EXISTS iam_role (id VARCHAR(64) PRIMARY KEY, project_id VARCHAR(64) "
        "NOT NULL, name VARCHAR(64) NOT NULL, path VARCHAR(512) NOT NULL, description TEXT, trust "
        "TEXT NOT NULL, max_seconds BIGINT NOT NULL, created_us BIGINT NOT NULL, UNIQUE "
        "(project_id, name), FOREIGN KEY (project_id) REFERENCES project (id) ON DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS iam_user_policy (project_id VARCHAR(64) NOT NULL, owner_id "
        "VARCHAR(64) NOT NULL, name VARCHAR(128) NOT NULL, document TEXT NOT NULL, PRIMARY KEY "
        "(project_id, owner_id, name), FOREIGN KEY (project_id) REFERENCES project (id) ON DELETE "
        "CASCADE, FOREIGN KEY (owner_id) REFERENCES user (id) ON DELETE CASCADE);"
        "CREATE TABLE IF NOT EXISTS iam_role_policy (project_id VARCHAR(64) NOT NULL, owner_id "
        "VARCHAR(64) NOT NULL, name VARCHAR(128) NOT NULL, document TEXT NOT NULL, PRIMARY KEY "
        "(project_id, owner_id, name), FOREIGN KEY (project_id) REFERENCES project (id) ON DELETE "
        "CASCADE, FOREIGN KEY (owner_id) REFERENCES iam_role (id) ON DELETE CASCADE)",
};
const struct db_schema identity_schema = {"identity", steps, COUNT_OF(steps)};
