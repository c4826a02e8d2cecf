#include "identity/applications.h"
#include "identity/assign.h"
#include "identity/aws.h"
#include "identity/credentials.h"
#include "identity/domainconfig.h"
#include "identity/epfilter.h"
#include "identity/identity.h"
#include "identity/limits.h"
#include "identity/login.h"
#include "identity/manage.h"
#include "identity/policies.h"
#include "identity/projects.h"
#include "identity/revoke.h"
#include "identity/security.h"

#include <stdio.h>
#include <string.h>

/* --- versions --- */

static void show_version(struct rest_req *req, const char *name, struct jout *out)
{
	AUTO(buf) struct buf self = BUF_NONE;

	buf_printf(&self, "%s/v3/", resource_base(req));
	jout_object(out, name);
	jout_text(out, "id", "v3.14");
	jout_text(out, "status", "stable");
	jout_text(out, "updated", "2020-04-07T00:00:00Z");
	jout_array(out, "links");
	jout_object(out, NULL);
	jout_text(out, "rel", "self");
	jout_text(out, "href", buf_text(&self));
	jout_end_object(out);
	jout_end_array(out);
	jout_array(out, "media-types");
	jout_object(out, NULL);
	jout_text(out, "base", "application/json");
	jout_text(out, "type", "application/vnd.openstack.identity-v3+json");
	jout_end_object(out);
	jout_end_array(out);
	jout_end_object(out);
}

static enum err on_versions(struct rest_req *req)
{
	struct jout *out = &req->json;

	jout_object(out, NULL);
	jout_object(out, "versions");
	jout_array(out, "values");
	show_version(req, NULL, out);
	jout_end_array(out);
	jout_end_object(out);
	jout_end_object(out);
	return ERR_OK;
}

static enum err on_version(struct rest_req *req)
{
	jout_object(&req->json, NULL);
	show_version(req, "version", &req->json);
	jout_end_object(&req->json);
	return ERR_OK;
}

static enum err on_health(struct rest_req *req)
{
	buf_str(&req->out, "OK");
	return ERR_OK;
}

/* --- the catalog of who asks --- */

static enum err run_catalog(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;

	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	jout_object(&req->json, NULL);
	enum err err = show_catalog(
	        tx, req->caller.project_id, req->caller.user_id, "catalog", &req->json);
	jout_object(&req->json, "links");
	jout_text(&req->json, "self",
	        arena_printf(req->arena, "%s/v3/auth/catalog", resource_base(req)));
	jout_end_object(&req->json);
	jout_end_object(&req->json);
	return err;
}

static enum err on_catalog(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_catalog, req);
}

/* Four of the routes of a kind; `one` is its rule's noun, `many` that of lists, `show` how one is
 * shown. */
#define KIND_MADE(kind, base, param, one, many, show)                                              \
	{REST_GET, base, on_managed_list, "identity:list_" many, REST_LATER, 200,                  \
	        &managed_##kind},                                                                  \
	        {REST_GET, base "/{" param "}", show, "identity:get_" one, REST_LATER, 200,        \
	                &managed_##kind},                                                          \
	        {REST_PATCH, base "/{" param "}", on_managed_update, "identity:update_" one,       \
	                REST_BODY | REST_LATER, 200, &managed_##kind},                             \
	{                                                                                          \
		REST_DELETE, base "/{" param "}", on_managed_delete, "identity:delete_" one,       \
		        REST_LATER, 204, &managed_##kind                                           \
	}
#define KIND_SHOWN(kind, base, param, one, many, show)                                             \
	{REST_POST, base, on_managed_create, "identity:create_" one, REST_BODY | REST_LATER, 201,  \
	        &managed_##kind},                                                                  \
	        KIND_MADE(kind, base, param, one, many, show)
#define KIND(kind, base, param, one, many) KIND_SHOWN(kind, base, param, one, many, on_managed_show)
#define KIND_BUT_POST(kind, base, param, one, many)                                                \
	KIND_MADE(kind, base, param, one, many, on_managed_show)

/* The three routes that tie a policy to something. */
#define ASSOCIATION(tail, rule)                                                                    \
	{REST_GET, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY" tail, on_association_check,       \
	        "identity:check_policy_association_for_" rule, 0, 204, NULL},                      \
	        {REST_PUT, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY" tail, on_association_set, \
	                "identity:create_policy_association_for_" rule, 0, 204, NULL},             \
	{                                                                                          \
		REST_DELETE, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY" tail,                   \
		        on_association_clear, "identity:delete_policy_association_for_" rule, 0,   \
		        204, NULL                                                                  \
	}
/* A domain's configuration, or a part of it. */
#define CONFIG(path)                                                                               \
	{REST_GET, path, on_config_show, "identity:get_domain_config", REST_LATER, 200, NULL},     \
	        {REST_PATCH, path, on_config_update, "identity:update_domain_config", REST_BODY,   \
	                200, NULL},                                                                \
	{                                                                                          \
		REST_DELETE, path, on_config_delete, "identity:delete_domain_config", 0, 204, NULL \
	}
#define EPFILTER "/v3/OS-EP-FILTER"

#define PLACE(kind, actor, inherited)                                                              \
	&(const struct grant_place)                                                                \
	{                                                                                          \
		kind, actor, inherited                                                             \
	}
/* The four routes of grants; `rules` is what their names end with. */
#define GRANTS(base, tail, place, rule, rules)                                                     \
	{REST_GET, base "/roles" tail, on_grant_list, "identity:list_" rules, REST_LATER, 200,     \
	        place},                                                                            \
	        {REST_PUT, base "/roles/{role_id}" tail, on_grant_create, "identity:create_" rule, \
	                REST_LATER, 204, place},                                                   \
	        {REST_GET, base "/roles/{role_id}" tail, on_grant_check, "identity:check_" rule,   \
	                REST_LATER, 204, place},                                                   \
	{                                                                                          \
		REST_DELETE, base "/roles/{role_id}" tail, on_grant_revoke,                        \
		        "identity:revoke_" rule, REST_LATER, 204, place                            \
	}

#define TAGS    "/v3/projects/{project_id}/tags"
#define IMPLIED "/v3/roles/{prior_role_id}/implies/{implied_role_id}"

const struct rest_route identity_routes[] = {
        {REST_GET, "/", on_versions, NULL, REST_OPEN | REST_LOOP, 300, NULL},
        {REST_GET, "/v3", on_version, NULL, REST_OPEN | REST_LOOP, 200, NULL},
        {REST_GET, "/healthcheck", on_health, NULL, REST_OPEN | REST_LOOP, 200, NULL},
        {REST_POST, "/v3/auth/tokens", on_token_issue, NULL, REST_OPEN | REST_BODY, 201, NULL},
        {REST_GET, "/v3/auth/tokens", on_token_show, "identity:validate_token", REST_LATER, 200,
                NULL},
        {REST_DELETE, "/v3/auth/tokens", on_token_revoke, "identity:revoke_token", REST_LATER, 204,
                NULL},
        {REST_GET, "/v3/OS-REVOKE/events", on_revoke_events, "identity:list_revoke_events", 0, 200,
                NULL},
        {REST_GET, "/v3/OS-CAIRN/news", on_news, NULL, REST_OPEN, 200, NULL},
        {REST_GET, "/v3/OS-CAIRN/signing-key", on_signing_key, NULL, REST_OPEN, 200, NULL},
        {REST_POST, "/v3/OS-CAIRN/session-key", on_session_key, NULL, REST_OPEN | REST_BODY, 200,
                NULL},
        {REST_POST, "/v3/OS-CAIRN/aws", on_aws, NULL, REST_OPEN | REST_BODY, 200, NULL},
        {REST_GET, "/v3/OS-CAIRN/grantee", on_grantee, NULL, REST_OPEN, 200, NULL},
        {REST_POST, "/v3/OS-CAIRN/signature", on_signature, NULL, REST_OPEN | REST_BODY, 200, NULL},
        {REST_POST, "/v3/ec2tokens", on_ec2_token, "identity:ec2tokens_validate", REST_BODY, 200,
                NULL},
        {REST_POST, "/v3/s3tokens", on_s3_token, "identity:s3tokens_validate", REST_BODY, 200,
                NULL},
        {REST_GET, "/v3/users/{user_id}/credentials/OS-EC2", on_ec2_list,
                "identity:ec2_list_credentials", REST_LATER, 200, NULL},
        {REST_POST, "/v3/users/{user_id}/credentials/OS-EC2", on_ec2_create,
                "identity:ec2_create_credential", REST_BODY | REST_LATER, 201, NULL},
        {REST_GET, "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}", on_ec2_show,
                "identity:ec2_get_credential", REST_LATER, 200, NULL},
        {REST_DELETE, "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}", on_ec2_delete,
                "identity:ec2_delete_credential", REST_LATER, 204, NULL},
        {REST_POST, "/v3/users/{user_id}/application_credentials", on_application_create,
                "identity:create_application_credential", REST_BODY, 201, NULL},
        {REST_GET, "/v3/users/{user_id}/application_credentials", on_application_list,
                "identity:list_application_credentials", 0, 200, NULL},
        {REST_GET, "/v3/users/{user_id}/application_credentials/{application_credential_id}",
                on_application_show, "identity:get_application_credential", REST_LATER, 200, NULL},
        {REST_DELETE, "/v3/users/{user_id}/application_credentials/{application_credential_id}",
                on_application_delete, "identity:delete_application_credential", REST_LATER, 204,
                NULL},
        {REST_GET, "/v3/users/{user_id}/access_rules", on_access_rule_list,
                "identity:list_access_rules", REST_LATER, 200, NULL},
        {REST_GET, "/v3/users/{user_id}/access_rules/{access_rule_id}", on_access_rule_show,
                "identity:get_access_rule", REST_LATER, 200, NULL},
        {REST_DELETE, "/v3/users/{user_id}/access_rules/{access_rule_id}", on_access_rule_delete,
                "identity:delete_access_rule", REST_LATER, 204, NULL},
        {REST_POST, "/v3/OS-TRUST/trusts", on_trust_create, "identity:create_trust",
                REST_BODY | REST_LATER, 201, NULL},
        {REST_GET, "/v3/OS-TRUST/trusts", on_trust_list, "identity:list_trusts", REST_LATER, 200,
                NULL},
        {REST_GET, "/v3/OS-TRUST/trusts/{trust_id}", on_trust_show, "identity:get_trust",
                REST_LATER, 200, NULL},
        {REST_DELETE, "/v3/OS-TRUST/trusts/{trust_id}", on_trust_delete, "identity:delete_trust",
                REST_LATER, 204, NULL},
        {REST_GET, "/v3/OS-TRUST/trusts/{trust_id}/roles", on_trust_roles,
                "identity:list_roles_for_trust", REST_LATER, 200, NULL},
        {REST_GET, "/v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}", on_trust_role,
                "identity:get_role_for_trust", REST_LATER, 200, NULL},
        {REST_GET, "/v3/auth/catalog", on_catalog, "identity:get_auth_catalog", 0, 200, NULL},
        KIND(domain, "/v3/domains", "domain_id", "domain", "domains"),
        KIND_SHOWN(project, "/v3/projects", "project_id", "project", "projects", on_project_show),
        {REST_GET, TAGS, on_tags, "identity:list_project_tags", REST_LATER, 200, NULL},
        {REST_PUT, TAGS, on_tags_set, "identity:update_project_tags", REST_BODY | REST_LATER, 200,
                NULL},
        {REST_DELETE, TAGS, on_tags_clear, "identity:delete_project_tags", REST_LATER, 204, NULL},
        {REST_GET, TAGS "/{value}", on_tag, "identity:get_project_tag", REST_LATER, 204, NULL},
        {REST_PUT, TAGS "/{value}", on_tag_add, "identity:create_project_tag", REST_LATER, 201,
                NULL},
        {REST_DELETE, TAGS "/{value}", on_tag_drop, "identity:delete_project_tag", REST_LATER, 204,
                NULL},
        KIND(user, "/v3/users", "user_id", "user", "users"),
        KIND(group, "/v3/groups", "group_id", "group", "groups"),
        KIND(role, "/v3/roles", "role_id", "role", "roles"),
        KIND(region, "/v3/regions", "region_id", "region", "regions"),
        {REST_PUT, "/v3/regions/{region_id}", on_region_put, "identity:create_region",
                REST_BODY | REST_LATER, 201, &managed_region},
        KIND(service, "/v3/services", "service_id", "service", "services"),
        {REST_POST, "/v3/credentials", on_managed_create, "identity:create_credential",
                REST_BODY | REST_LATER, 201, &managed_credential},
        {REST_GET, "/v3/credentials", on_credential_list, "identity:list_credentials", REST_LATER,
                200, &managed_credential},
        {REST_GET, "/v3/credentials/{credential_id}", on_managed_show, "identity:get_credential",
                REST_LATER, 200, &managed_credential},
        {REST_PATCH, "/v3/credentials/{credential_id}", on_managed_update,
                "identity:update_credential", REST_BODY | REST_LATER, 200, &managed_credential},
        {REST_DELETE, "/v3/credentials/{credential_id}", on_managed_delete,
                "identity:delete_credential", REST_LATER, 204, &managed_credential},
        KIND(endpoint, "/v3/endpoints", "endpoint_id", "endpoint", "endpoints"),
        GRANTS("/v3/projects/{project_id}/users/{user_id}", "", PLACE("project", "user", false),
                "grant", "grants"),
        GRANTS("/v3/projects/{project_id}/groups/{group_id}", "", PLACE("project", "group", false),
                "grant", "grants"),
        GRANTS("/v3/domains/{domain_id}/users/{user_id}", "", PLACE("domain", "user", false),
                "grant", "grants"),
        GRANTS("/v3/domains/{domain_id}/groups/{group_id}", "", PLACE("domain", "group", false),
                "grant", "grants"),
        GRANTS("/v3/OS-INHERIT/projects/{project_id}/users/{user_id}", "/inherited_to_projects",
                PLACE("project", "user", true), "grant", "grants"),
        GRANTS("/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}", "/inherited_to_projects",
                PLACE("project", "group", true), "grant", "grants"),
        GRANTS("/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}", "/inherited_to_projects",
                PLACE("domain", "user", true), "grant", "grants"),
        GRANTS("/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}", "/inherited_to_projects",
                PLACE("domain", "group", true), "grant", "grants"),
        GRANTS("/v3/system/users/{user_id}", "", PLACE("system", "user", false),
                "system_grant_for_user", "system_grants_for_user"),
        GRANTS("/v3/system/groups/{group_id}", "", PLACE("system", "group", false),
                "system_grant_for_group", "system_grants_for_group"),
        {REST_PUT, "/v3/groups/{group_id}/users/{user_id}", on_member_add,
                "identity:add_user_to_group", REST_LATER, 204, NULL},
        {REST_GET, "/v3/groups/{group_id}/users/{user_id}", on_member_check,
                "identity:check_user_in_group", REST_LATER, 204, NULL},
        {REST_DELETE, "/v3/groups/{group_id}/users/{user_id}", on_member_remove,
                "identity:remove_user_from_group", REST_LATER, 204, NULL},
        {REST_GET, "/v3/groups/{group_id}/users", on_members, "identity:list_users_in_group",
                REST_LATER, 200, NULL},
        {REST_GET, "/v3/users/{user_id}/groups", on_members, "identity:list_groups_for_user",
                REST_LATER, 200, NULL},
        {REST_GET, "/v3/role_assignments", on_assignments, "identity:list_role_assignments",
                REST_LATER, 200, NULL},
        {REST_GET, "/v3/roles/{prior_role_id}/implies", on_implied_list,
                "identity:list_implied_roles", REST_LATER, 200, NULL},
        {REST_GET, IMPLIED, on_implied_show, "identity:get_implied_role", REST_LATER, 200, NULL},
        {REST_PUT, IMPLIED, on_implied_create, "identity:create_implied_role", REST_LATER, 201,
                NULL},
        {REST_DELETE, IMPLIED, on_implied_delete, "identity:delete_implied_role", REST_LATER, 204,
                NULL},
        {REST_GET, "/v3/role_inferences", on_inferences, "identity:list_role_inference_rules", 0,
                200, NULL},
        {REST_GET, "/v3/auth/projects", on_my_projects, "identity:get_auth_projects", 0, 200, NULL},
        {REST_GET, "/v3/auth/domains", on_my_domains, "identity:get_auth_domains", 0, 200, NULL},
        {REST_GET, "/v3/auth/system", on_my_system, "identity:get_auth_system", 0, 200, NULL},
        {REST_GET, "/v3/OS-FEDERATION/projects", on_my_projects, "identity:get_auth_projects", 0,
                200, NULL},
        {REST_GET, "/v3/OS-FEDERATION/domains", on_my_domains, "identity:get_auth_domains", 0, 200,
                NULL},
        {REST_POST, "/v3/users/{user_id}/password", on_password_change, NULL, REST_OPEN | REST_BODY,
                204, NULL},
        {REST_GET, "/v3/users/{user_id}/projects", on_users_projects, "identity:list_user_projects",
                REST_LATER, 200, NULL},
        {REST_POST, "/v3/registered_limits", on_managed_create_many,
                "identity:create_registered_limits", REST_BODY | REST_LATER, 201,
                &managed_registered_limit},
        KIND_BUT_POST(registered_limit, "/v3/registered_limits", "registered_limit_id",
                "registered_limit", "registered_limits"),
        {REST_GET, "/v3/limits/model", on_limit_model, "identity:get_limit_model", 0, 200, NULL},
        {REST_POST, "/v3/limits", on_managed_create_many, "identity:create_limits",
                REST_BODY | REST_LATER, 201, &managed_limit},
        KIND_BUT_POST(limit, "/v3/limits", "limit_id", "limit", "limits"),
        KIND(consumer, "/v3/OS-OAUTH1/consumers", "consumer_id", "consumer", "consumers"),
        KIND(policy, "/v3/policies", "policy_id", "policy", "policies"),
        ASSOCIATION("/endpoints/{endpoint_id}", "endpoint"),
        ASSOCIATION("/services/{service_id}", "service"),
        ASSOCIATION("/services/{service_id}/regions/{region_id}", "region_and_service"),
        {REST_GET, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints", on_policy_endpoints,
                "identity:list_endpoints_for_policy", 0, 200, NULL},
        {REST_GET, "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", on_endpoint_policy,
                "identity:get_policy_for_endpoint", 0, 200, NULL},
        KIND(endpoint_group, EPFILTER "/endpoint_groups", "endpoint_group_id", "endpoint_group",
                "endpoint_groups"),
        {REST_GET, EPFILTER "/endpoint_groups/{endpoint_group_id}/projects", on_epfilter_projects,
                "identity:list_projects_associated_with_endpoint_group", 0, 200, NULL},
        {REST_GET, EPFILTER "/endpoint_groups/{endpoint_group_id}/endpoints", on_epfilter_endpoints,
                "identity:list_endpoints_associated_with_endpoint_group", 0, 200, NULL},
        {REST_GET, EPFILTER "/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
                on_epfilter_check, "identity:get_endpoint_group_in_project", 0, 200, NULL},
        {REST_PUT, EPFILTER "/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
                on_epfilter_set, "identity:add_endpoint_group_to_project", 0, 204, NULL},
        {REST_DELETE, EPFILTER "/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
                on_epfilter_clear, "identity:remove_endpoint_group_from_project", 0, 204, NULL},
        {REST_GET, EPFILTER "/endpoints/{endpoint_id}/projects", on_epfilter_projects,
                "identity:list_projects_for_endpoint", 0, 200, NULL},
        {REST_GET, EPFILTER "/projects/{project_id}/endpoints", on_epfilter_endpoints,
                "identity:list_endpoints_for_project", 0, 200, NULL},
        {REST_GET, EPFILTER "/projects/{project_id}/endpoint_groups", on_epfilter_groups,
                "identity:list_endpoint_groups_for_project", 0, 200, NULL},
        {REST_GET, EPFILTER "/projects/{project_id}/endpoints/{endpoint_id}", on_epfilter_check,
                "identity:check_endpoint_in_project", 0, 204, NULL},
        {REST_PUT, EPFILTER "/projects/{project_id}/endpoints/{endpoint_id}", on_epfilter_set,
                "identity:add_endpoint_to_project", 0, 204, NULL},
        {REST_DELETE, EPFILTER "/projects/{project_id}/endpoints/{endpoint_id}", on_epfilter_clear,
                "identity:remove_endpoint_from_project", 0, 204, NULL},
        {REST_PUT, "/v3/domains/{domain_id}/config", on_config_create,
                "identity:create_domain_config", REST_BODY, 201, NULL},
        CONFIG("/v3/domains/{domain_id}/config"),
        CONFIG("/v3/domains/{domain_id}/config/{group}"),
        CONFIG("/v3/domains/{domain_id}/config/{group}/{option}"),
        {REST_GET, "/v3/domains/config/default", on_config_default,
                "identity:get_domain_config_default", 0, 200, NULL},
        {REST_GET, "/v3/domains/config/{group}/default", on_config_default,
                "identity:get_domain_config_default", 0, 200, NULL},
        {REST_GET, "/v3/domains/config/{group}/{option}/default", on_config_default,
                "identity:get_domain_config_default", 0, 200, NULL},
};
const unsigned identity_route_count = COUNT_OF(identity_routes);

/* --- errors --- */

static const char *title(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Request Entity Too Large";
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

static void error_body(int status, const char *text, struct buf *out)
{
	struct jout json = {.out = out};

	jout_object(&json, NULL);
	jout_object(&json, "error");
	jout_int(&json, "code", status);
	jout_text(&json, "message", text);
	jout_text(&json, "title", title(status));
	jout_end_object(&json);
	jout_end_object(&json);
}

/* A device's trouble is nothing that an API's client should hear of. */
static int error_status(enum err err)
{
	return err_status(err) == 507 ? 500 : 0;
}

const struct rest_dialect identity_dialect = {error_status, error_body};
