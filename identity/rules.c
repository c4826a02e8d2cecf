/* The rules and their defaults, as Keystone has them (keystone/common/policies). */
#include "identity/identity.h"

const struct policy_rule identity_rules[] = {
        {"identity:get_access_rule",
                "(role:reader and system_scope:all) or user_id:%(target.user.id)s",
                "Show access rule.", "GET /v3/users/{user_id}/access_rules/{access_rule_id}"},
        {"identity:list_access_rules",
                "(role:reader and system_scope:all) or user_id:%(target.user.id)s",
                "List access rules.", "GET /v3/users/{user_id}/access_rules"},
        {"identity:delete_access_rule",
                "(role:admin and system_scope:all) or user_id:%(target.user.id)s",
                "Delete access rule.", "DELETE /v3/users/{user_id}/access_rules/{access_rule_id}"},
        {"identity:get_application_credential",
                "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner",
                "Show application credential.",
                "GET /v3/users/{user_id}/application_credentials/{application_credential_id}"},
        {"identity:list_application_credentials",
                "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner",
                "List application credentials.", "GET /v3/users/{user_id}/application_credentials"},
        {"identity:create_application_credential", "user_id:%(user_id)s",
                "Create application credential.",
                "POST /v3/users/{user_id}/application_credentials"},
        {"identity:delete_application_credential", "rule:admin_or_owner",
                "Delete application credential.",
                "DELETE /v3/users/{user_id}/application_credentials/{application_credential_id}"},
        {"identity:get_auth_catalog", "", "Show auth catalog.", "GET /v3/auth/catalog"},
        {"identity:get_auth_projects", "", "Show auth projects.", "GET /v3/auth/projects"},
        {"identity:get_auth_domains", "", "Show auth domains.", "GET /v3/auth/domains"},
        {"identity:get_auth_system", "", "Show auth system.", "GET /v3/auth/system"},
        {"admin_required", "role:admin or is_admin:1", NULL, NULL},
        {"service_role", "role:service", NULL, NULL},
        {"service_or_admin", "rule:admin_required or rule:service_role", NULL, NULL},
        {"owner", "user_id:%(user_id)s", NULL, NULL},
        {"admin_or_owner", "rule:admin_required or rule:owner", NULL, NULL},
        {"token_subject", "user_id:%(target.token.user_id)s", NULL, NULL},
        {"admin_or_token_subject", "rule:admin_required or rule:token_subject", NULL, NULL},
        {"service_admin_or_token_subject", "rule:service_or_admin or rule:token_subject", NULL,
                NULL},
        {"domain_managed_target_role",
                "'manager':%(target.role.name)s or 'member':%(target.role.name)s or "
                "'reader':%(target.role.name)s",
                NULL, NULL},
        {"identity:get_consumer", "rule:admin_required or (role:reader and system_scope:all)",
                "Show consumer.", "GET /v3/OS-OAUTH1/consumers/{consumer_id}"},
        {"identity:list_consumers", "rule:admin_required or (role:reader and system_scope:all)",
                "List consumers.", "GET /v3/OS-OAUTH1/consumers"},
        {"identity:create_consumer", "rule:admin_required", "Create consumer.",
                "POST /v3/OS-OAUTH1/consumers"},
        {"identity:update_consumer", "rule:admin_required", "Change consumer.",
                "PATCH /v3/OS-OAUTH1/consumers/{consumer_id}"},
        {"identity:delete_consumer", "rule:admin_required", "Delete consumer.",
                "DELETE /v3/OS-OAUTH1/consumers/{consumer_id}"},
        {"identity:get_credential",
                "(rule:admin_required) or (role:reader and system_scope:all) or "
                "user_id:%(target.credential.user_id)s",
                "Show credential.", "GET /v3/credentials/{credential_id}"},
        {"identity:list_credentials",
                "(rule:admin_required) or (role:reader and system_scope:all) or "
                "user_id:%(target.credential.user_id)s",
                "List credentials.", "GET /v3/credentials"},
        {"identity:create_credential",
                "(rule:admin_required) or user_id:%(target.credential.user_id)s",
                "Create credential.", "POST /v3/credentials"},
        {"identity:update_credential",
                "(rule:admin_required) or user_id:%(target.credential.user_id)s",
                "Change credential.", "PATCH /v3/credentials/{credential_id}"},
        {"identity:delete_credential",
                "(rule:admin_required) or user_id:%(target.credential.user_id)s",
                "Delete credential.", "DELETE /v3/credentials/{credential_id}"},
        {"identity:get_domain",
                "rule:admin_required or (role:reader and system_scope:all) or "
                "token.domain.id:%(target.domain.id)s or "
                "token.project.domain.id:%(target.domain.id)s",
                "Show domain.", "GET /v3/domains/{domain_id}"},
        {"identity:list_domains",
                "rule:admin_required or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.domain.id)s)",
                "List domains.", "GET /v3/domains"},
        {"identity:create_domain", "rule:admin_required", "Create domain.", "POST /v3/domains"},
        {"identity:update_domain", "rule:admin_required", "Change domain.",
                "PATCH /v3/domains/{domain_id}"},
        {"identity:delete_domain", "rule:admin_required", "Delete domain.",
                "DELETE /v3/domains/{domain_id}"},
        {"identity:create_domain_config", "rule:admin_required", "Create domain config.",
                "PUT /v3/domains/{domain_id}/config"},
        {"identity:get_domain_config", "rule:admin_required or (role:reader and system_scope:all)",
                "Show domain config.",
                "GET /v3/domains/{domain_id}/config, GET /v3/domains/{domain_id}/config/{group}, "
                "GET /v3/domains/{domain_id}/config/{group}/{option}"},
        {"identity:get_security_compliance_domain_config", "",
                "Show security compliance domain config.",
                "GET /v3/domains/{domain_id}/config/security_compliance, GET "
                "/v3/domains/{domain_id}/config/security_compliance/{option}"},
        {"identity:update_domain_config", "rule:admin_required", "Change domain config.",
                "PATCH /v3/domains/{domain_id}/config, PATCH "
                "/v3/domains/{domain_id}/config/{group}, PATCH "
                "/v3/domains/{domain_id}/config/{group}/{option}"},
        {"identity:delete_domain_config", "rule:admin_required", "Delete domain config.",
                "DELETE /v3/domains/{domain_id}/config, DELETE "
                "/v3/domains/{domain_id}/config/{group}, DELETE "
                "/v3/domains/{domain_id}/config/{group}/{option}"},
        {"identity:get_domain_config_default",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Show domain config default.",
                "GET /v3/domains/config/default, GET /v3/domains/config/{group}/default, GET "
                "/v3/domains/config/{group}/{option}/default"},
        {"identity:ec2_get_credential",
                "(rule:admin_required) or (role:reader and system_scope:all) or "
                "user_id:%(target.credential.user_id)s",
                "Ec2 get credential.",
                "GET /v3/users/{user_id}/credentials/OS-EC2/{credential_id}"},
        {"identity:ec2_list_credentials",
                "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner",
                "Ec2 list credentials.", "GET /v3/users/{user_id}/credentials/OS-EC2"},
        {"identity:ec2_create_credential",
                "(rule:admin_required) or (role:member and user_id:%(target.credential.user_id)s)",
                "Ec2 create credential.", "POST /v3/users/{user_id}/credentials/OS-EC2"},
        {"identity:ec2_delete_credential",
                "(rule:admin_required) or (role:member and user_id:%(target.credential.user_id)s)",
                "Ec2 delete credential.",
                "DELETE /v3/users/{user_id}/credentials/OS-EC2/{credential_id}"},
        {"identity:ec2tokens_validate", "rule:service_or_admin", "Ec2tokens validate.",
                "POST /v3/ec2tokens"},
        {"identity:get_endpoint", "rule:admin_required or (role:reader and system_scope:all)",
                "Show endpoint.", "GET /v3/endpoints/{endpoint_id}"},
        {"identity:list_endpoints", "rule:admin_required or (role:reader and system_scope:all)",
                "List endpoints.", "GET /v3/endpoints"},
        {"identity:create_endpoint", "rule:admin_required", "Create endpoint.",
                "POST /v3/endpoints"},
        {"identity:update_endpoint", "rule:admin_required", "Change endpoint.",
                "PATCH /v3/endpoints/{endpoint_id}"},
        {"identity:delete_endpoint", "rule:admin_required", "Delete endpoint.",
                "DELETE /v3/endpoints/{endpoint_id}"},
        {"identity:create_endpoint_group", "rule:admin_required", "Create endpoint group.",
                "POST /v3/OS-EP-FILTER/endpoint_groups"},
        {"identity:list_endpoint_groups",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List endpoint groups.", "GET /v3/OS-EP-FILTER/endpoint_groups"},
        {"identity:get_endpoint_group", "rule:admin_required or (role:reader and system_scope:all)",
                "Show endpoint group.", "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"},
        {"identity:update_endpoint_group", "rule:admin_required", "Change endpoint group.",
                "PATCH /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"},
        {"identity:delete_endpoint_group", "rule:admin_required", "Delete endpoint group.",
                "DELETE /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"},
        {"identity:list_projects_associated_with_endpoint_group",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List projects associated with endpoint group.",
                "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects"},
        {"identity:list_endpoints_associated_with_endpoint_group",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List endpoints associated with endpoint group.",
                "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints"},
        {"identity:get_endpoint_group_in_project",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Show endpoint group in project.",
                "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}"},
        {"identity:list_endpoint_groups_for_project",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List endpoint groups for project.",
                "GET /v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups"},
        {"identity:add_endpoint_group_to_project", "rule:admin_required",
                "Add endpoint group to project.",
                "PUT /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}"},
        {"identity:remove_endpoint_group_from_project", "rule:admin_required",
                "Remove endpoint group from project.",
                "DELETE "
                "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}"},
        {"identity:check_grant",
                "(rule:admin_required) or ((role:reader and system_scope:all) or ((role:reader and "
                "domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) "
                "or (role:reader and domain_id:%(target.user.domain_id)s and "
                "domain_id:%(target.domain.id)s) or (role:reader and "
                "domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) "
                "or (role:reader and domain_id:%(target.group.domain_id)s and "
                "domain_id:%(target.domain.id)s)) and (domain_id:%(target.role.domain_id)s or "
                "None:%(target.role.domain_id)s))",
                "Check grant.",
                "GET /v3/projects/{project_id}/users/{user_id}/roles/{role_id}, GET "
                "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}, GET "
                "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}, GET "
                "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}, GET "
                "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/"
                "inherited_to_projects, GET "
                "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/"
                "inherited_to_projects, GET "
                "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/"
                "inherited_to_projects, GET "
                "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/"
                "inherited_to_projects"},
        {"identity:list_grants",
                "(rule:admin_required) or ((role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) "
                "or (role:reader and domain_id:%(target.user.domain_id)s and "
                "domain_id:%(target.domain.id)s) or (role:reader and "
                "domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) "
                "or (role:reader and domain_id:%(target.group.domain_id)s and "
                "domain_id:%(target.domain.id)s))",
                "List grants.",
                "GET /v3/projects/{project_id}/users/{user_id}/roles, GET "
                "/v3/projects/{project_id}/groups/{group_id}/roles, GET "
                "/v3/domains/{domain_id}/users/{user_id}/roles, GET "
                "/v3/domains/{domain_id}/groups/{group_id}/roles, GET "
                "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects, "
                "GET "
                "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects"},
        {"identity:create_grant",
                "(rule:admin_required) or ((role:admin and domain_id:%(target.user.domain_id)s and "
                "domain_id:%(target.project.domain_id)s) or (role:admin and "
                "domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or "
                "(role:admin and domain_id:%(target.group.domain_id)s and "
                "domain_id:%(target.project.domain_id)s) or (role:admin and "
                "domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and "
                "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s) or "
                "((role:manager and domain_id:%(target.user.domain_id)s and "
                "domain_id:%(target.project.domain_id)s) or (role:manager and "
                "domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or "
                "(role:manager and domain_id:%(target.group.domain_id)s and "
                "domain_id:%(target.project.domain_id)s) or (role:manager and "
                "domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and "
                "rule:domain_managed_target_role",
                "Create grant.",
                "PUT /v3/projects/{project_id}/users/{user_id}/roles/{role_id}, PUT "
                "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}, PUT "
                "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}, PUT "
                "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}, PUT "
                "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/"
                "inherited_to_projects, PUT "
                "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/"
                "inherited_to_projects, PUT "
                "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/"
                "inherited_to_projects, PUT "
                "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/"
                "inherited_to_projects"},
        {"identity:revoke_grant",
                "(rule:admin_required) or ((role:admin and domain_id:%(target.user.domain_id)s and "
                "domain_id:%(target.project.domain_id)s) or (role:admin and "
                "domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or "
                "(role:admin and domain_id:%(target.group.domain_id)s and "
                "domain_id:%(target.project.domain_id)s) or (role:admin and "
                "domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and "
                "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s) or "
                "((role:manager and domain_id:%(target.user.domain_id)s and "
                "domain_id:%(target.project.domain_id)s) or (role:manager and "
                "domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or "
                "(role:manager and domain_id:%(target.group.domain_id)s and "
                "domain_id:%(target.project.domain_id)s) or (role:manager and "
                "domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and "
                "rule:domain_managed_target_role",
                "Revoke grant.",
                "DELETE /v3/projects/{project_id}/users/{user_id}/roles/{role_id}, DELETE "
                "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}, DELETE "
                "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}, DELETE "
                "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}, DELETE "
                "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/"
                "inherited_to_projects, DELETE "
                "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/"
                "inherited_to_projects, DELETE "
                "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/"
                "inherited_to_projects, DELETE "
                "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/"
                "inherited_to_projects"},
        {"identity:list_system_grants_for_user",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List system grants for user.", "HEAD/GET /v3/system/users/{user_id}/roles"},
        {"identity:check_system_grant_for_user",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Check system grant for user.",
                "HEAD/GET /v3/system/users/{user_id}/roles/{role_id}"},
        {"identity:create_system_grant_for_user", "rule:admin_required",
                "Create system grant for user.", "PUT /v3/system/users/{user_id}/roles/{role_id}"},
        {"identity:revoke_system_grant_for_user", "rule:admin_required",
                "Revoke system grant for user.",
                "DELETE /v3/system/users/{user_id}/roles/{role_id}"},
        {"identity:list_system_grants_for_group",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List system grants for group.", "HEAD/GET /v3/system/groups/{group_id}/roles"},
        {"identity:check_system_grant_for_group",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Check system grant for group.",
                "HEAD/GET /v3/system/groups/{group_id}/roles/{role_id}"},
        {"identity:create_system_grant_for_group", "rule:admin_required",
                "Create system grant for group.",
                "PUT /v3/system/groups/{group_id}/roles/{role_id}"},
        {"identity:revoke_system_grant_for_group", "rule:admin_required",
                "Revoke system grant for group.",
                "DELETE /v3/system/groups/{group_id}/roles/{role_id}"},
        {"identity:get_group",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.group.domain_id)s)",
                "Show group.", "GET /v3/groups/{group_id}"},
        {"identity:list_groups",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.group.domain_id)s)",
                "List groups.", "GET /v3/groups"},
        {"identity:list_groups_for_user",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.user.domain_id)s) or user_id:%(user_id)s",
                "List groups for user.", "GET /v3/users/{user_id}/groups"},
        {"identity:create_group",
                "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)",
                "Create group.", "POST /v3/groups"},
        {"identity:update_group",
                "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)",
                "Change group.", "PATCH /v3/groups/{group_id}"},
        {"identity:delete_group",
                "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)",
                "Delete group.", "DELETE /v3/groups/{group_id}"},
        {"identity:list_users_in_group",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.group.domain_id)s)",
                "List users in group.", "GET /v3/groups/{group_id}/users"},
        {"identity:remove_user_from_group",
                "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s "
                "and domain_id:%(target.user.domain_id)s)",
                "Remove user from group.", "DELETE /v3/groups/{group_id}/users/{user_id}"},
        {"identity:check_user_in_group",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)",
                "Check user in group.", "GET /v3/groups/{group_id}/users/{user_id}"},
        {"identity:add_user_to_group",
                "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s "
                "and domain_id:%(target.user.domain_id)s)",
                "Add user to group.", "PUT /v3/groups/{group_id}/users/{user_id}"},
        {"identity:create_identity_provider", "rule:admin_required", "Create identity provider.",
                "PUT /v3/OS-FEDERATION/identity_providers/{idp_id}"},
        {"identity:list_identity_providers",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List identity providers.", "GET /v3/OS-FEDERATION/identity_providers"},
        {"identity:get_identity_provider",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Show identity provider.", "GET /v3/OS-FEDERATION/identity_providers/{idp_id}"},
        {"identity:update_identity_provider", "rule:admin_required", "Change identity provider.",
                "PATCH /v3/OS-FEDERATION/identity_providers/{idp_id}"},
        {"identity:delete_identity_provider", "rule:admin_required", "Delete identity provider.",
                "DELETE /v3/OS-FEDERATION/identity_providers/{idp_id}"},
        {"identity:get_implied_role", "rule:admin_required or (role:reader and system_scope:all)",
                "Show implied role.", "GET /v3/roles/{prior_role_id}/implies/{implied_role_id}"},
        {"identity:list_implied_roles", "rule:admin_required or (role:reader and system_scope:all)",
                "List implied roles.", "GET /v3/roles/{prior_role_id}/implies"},
        {"identity:create_implied_role", "rule:admin_required", "Create implied role.",
                "PUT /v3/roles/{prior_role_id}/implies/{implied_role_id}"},
        {"identity:delete_implied_role", "rule:admin_required", "Delete implied role.",
                "DELETE /v3/roles/{prior_role_id}/implies/{implied_role_id}"},
        {"identity:list_role_inference_rules",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List role inference rules.", "GET /v3/role_inferences"},
        {"identity:check_implied_role", "rule:admin_required or (role:reader and system_scope:all)",
                "Check implied role.", NULL},
        {"identity:get_limit_model", "", "Show limit model.", "GET /v3/limits/model"},
        {"identity:get_limit",
                "rule:admin_required or (role:reader and system_scope:all) or "
                "(domain_id:%(target.limit.domain.id)s or "
                "domain_id:%(target.limit.project.domain_id)s) or "
                "(project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)",
                "Show limit.", "GET /v3/limits/{limit_id}"},
        {"identity:list_limits", "", "List limits.", "GET /v3/limits"},
        {"identity:create_limits", "rule:admin_required", "Create limits.", "POST /v3/limits"},
        {"identity:update_limit", "rule:admin_required", "Change limit.",
                "PATCH /v3/limits/{limit_id}"},
        {"identity:delete_limit", "rule:admin_required", "Delete limit.",
                "DELETE /v3/limits/{limit_id}"},
        {"identity:create_mapping", "rule:admin_required", "Create mapping.",
                "PUT /v3/OS-FEDERATION/mappings/{mapping_id}"},
        {"identity:get_mapping", "rule:admin_required or (role:reader and system_scope:all)",
                "Show mapping.", "GET /v3/OS-FEDERATION/mappings/{mapping_id}"},
        {"identity:list_mappings", "rule:admin_required or (role:reader and system_scope:all)",
                "List mappings.", "GET /v3/OS-FEDERATION/mappings"},
        {"identity:delete_mapping", "rule:admin_required", "Delete mapping.",
                "DELETE /v3/OS-FEDERATION/mappings/{mapping_id}"},
        {"identity:update_mapping", "rule:admin_required", "Change mapping.",
                "PATCH /v3/OS-FEDERATION/mappings/{mapping_id}"},
        {"identity:get_policy", "rule:admin_required or (role:reader and system_scope:all)",
                "Show policy.", "GET /v3/policies/{policy_id}"},
        {"identity:list_policies", "rule:admin_required or (role:reader and system_scope:all)",
                "List policies.", "GET /v3/policies"},
        {"identity:create_policy", "rule:admin_required", "Create policy.", "POST /v3/policies"},
        {"identity:update_policy", "rule:admin_required", "Change policy.",
                "PATCH /v3/policies/{policy_id}"},
        {"identity:delete_policy", "rule:admin_required", "Delete policy.",
                "DELETE /v3/policies/{policy_id}"},
        {"identity:create_policy_association_for_endpoint", "rule:admin_required",
                "Create policy association for endpoint.",
                "PUT /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}"},
        {"identity:check_policy_association_for_endpoint",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Check policy association for endpoint.",
                "GET /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}"},
        {"identity:delete_policy_association_for_endpoint", "rule:admin_required",
                "Delete policy association for endpoint.",
                "DELETE /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}"},
        {"identity:create_policy_association_for_service", "rule:admin_required",
                "Create policy association for service.",
                "PUT /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}"},
        {"identity:check_policy_association_for_service",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Check policy association for service.",
                "GET /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}"},
        {"identity:delete_policy_association_for_service", "rule:admin_required",
                "Delete policy association for service.",
                "DELETE /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}"},
        {"identity:create_policy_association_for_region_and_service", "rule:admin_required",
                "Create policy association for region and service.",
                "PUT "
                "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/"
                "{region_id}"},
        {"identity:check_policy_association_for_region_and_service",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Check policy association for region and service.",
                "GET "
                "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/"
                "{region_id}"},
        {"identity:delete_policy_association_for_region_and_service", "rule:admin_required",
                "Delete policy association for region and service.",
                "DELETE "
                "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/"
                "{region_id}"},
        {"identity:get_policy_for_endpoint",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Show policy for endpoint.",
                "GET /v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy"},
        {"identity:list_endpoints_for_policy",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List endpoints for policy.",
                "GET /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints"},
        {"identity:get_project",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) "
                "or project_id:%(target.project.id)s",
                "Show project.", "GET /v3/projects/{project_id}"},
        {"identity:list_projects",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.domain_id)s)",
                "List projects.", "GET /v3/projects"},
        {"identity:list_user_projects",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
                "List user projects.", "GET /v3/users/{user_id}/projects"},
        {"identity:create_project",
                "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s "
                "and not None:%(target.project.domain_id)s)",
                "Create project.", "POST /v3/projects"},
        {"identity:update_project",
                "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s "
                "and not None:%(target.project.domain_id)s)",
                "Change project.", "PATCH /v3/projects/{project_id}"},
        {"identity:delete_project",
                "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s "
                "and not None:%(target.project.domain_id)s)",
                "Delete project.", "DELETE /v3/projects/{project_id}"},
        {"identity:list_project_tags",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) "
                "or project_id:%(target.project.id)s",
                "List project tags.", "GET /v3/projects/{project_id}/tags"},
        {"identity:get_project_tag",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) "
                "or project_id:%(target.project.id)s",
                "Show project tag.", "GET /v3/projects/{project_id}/tags/{value}"},
        {"identity:update_project_tags",
                "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s "
                "and not None:%(target.project.domain_id)s)",
                "Change project tags.", "PUT /v3/projects/{project_id}/tags"},
        {"identity:create_project_tag",
                "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s "
                "and not None:%(target.project.domain_id)s)",
                "Create project tag.", "PUT /v3/projects/{project_id}/tags/{value}"},
        {"identity:delete_project_tags",
                "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s "
                "and not None:%(target.project.domain_id)s)",
                "Delete project tags.", "DELETE /v3/projects/{project_id}/tags"},
        {"identity:delete_project_tag",
                "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s "
                "and not None:%(target.project.domain_id)s)",
                "Delete project tag.", "DELETE /v3/projects/{project_id}/tags/{value}"},
        {"identity:list_projects_for_endpoint",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List projects for endpoint.",
                "GET /v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects"},
        {"identity:add_endpoint_to_project", "rule:admin_required", "Add endpoint to project.",
                "PUT /v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}"},
        {"identity:check_endpoint_in_project",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Check endpoint in project.",
                "GET /v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}"},
        {"identity:list_endpoints_for_project",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List endpoints for project.",
                "GET /v3/OS-EP-FILTER/projects/{project_id}/endpoints"},
        {"identity:remove_endpoint_from_project", "rule:admin_required",
                "Remove endpoint from project.",
                "DELETE /v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}"},
        {"identity:create_protocol", "rule:admin_required", "Create protocol.",
                "PUT /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"},
        {"identity:update_protocol", "rule:admin_required", "Change protocol.",
                "PATCH /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"},
        {"identity:get_protocol", "rule:admin_required or (role:reader and system_scope:all)",
                "Show protocol.",
                "GET /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"},
        {"identity:list_protocols", "rule:admin_required or (role:reader and system_scope:all)",
                "List protocols.", "GET /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols"},
        {"identity:delete_protocol", "rule:admin_required", "Delete protocol.",
                "DELETE /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"},
        {"identity:get_region", "", "Show region.", "GET /v3/regions/{region_id}"},
        {"identity:list_regions", "", "List regions.", "GET /v3/regions"},
        {"identity:create_region", "rule:admin_required", "Create region.",
                "POST /v3/regions, PUT /v3/regions/{region_id}"},
        {"identity:update_region", "rule:admin_required", "Change region.",
                "PATCH /v3/regions/{region_id}"},
        {"identity:delete_region", "rule:admin_required", "Delete region.",
                "DELETE /v3/regions/{region_id}"},
        {"identity:get_registered_limit", "", "Show registered limit.",
                "GET /v3/registered_limits/{registered_limit_id}"},
        {"identity:list_registered_limits", "", "List registered limits.",
                "GET /v3/registered_limits"},
        {"identity:create_registered_limits", "rule:admin_required", "Create registered limits.",
                "POST /v3/registered_limits"},
        {"identity:update_registered_limit", "rule:admin_required", "Change registered limit.",
                "PATCH /v3/registered_limits/{registered_limit_id}"},
        {"identity:delete_registered_limit", "rule:admin_required", "Delete registered limit.",
                "DELETE /v3/registered_limits/{registered_limit_id}"},
        {"identity:list_revoke_events", "rule:service_or_admin", "List revoke events.",
                "GET /v3/OS-REVOKE/events"},
        {"identity:get_role",
                "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and "
                "rule:domain_managed_target_role)",
                "Show role.", "GET /v3/roles/{role_id}"},
        {"identity:list_roles",
                "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and "
                "not domain_id:None)",
                "List roles.", "GET /v3/roles"},
        {"identity:create_role", "rule:admin_required", "Create role.", "POST /v3/roles"},
        {"identity:update_role", "rule:admin_required", "Change role.",
                "PATCH /v3/roles/{role_id}"},
        {"identity:delete_role", "rule:admin_required", "Delete role.",
                "DELETE /v3/roles/{role_id}"},
        {"identity:get_domain_role", "rule:admin_required or (role:reader and system_scope:all)",
                "Show domain role.", "GET /v3/roles/{role_id}"},
        {"identity:list_domain_roles", "rule:admin_required or (role:reader and system_scope:all)",
                "List domain roles.", "GET /v3/roles?domain_id={domain_id}"},
        {"identity:create_domain_role", "rule:admin_required", "Create domain role.",
                "POST /v3/roles"},
        {"identity:update_domain_role", "rule:admin_required", "Change domain role.",
                "PATCH /v3/roles/{role_id}"},
        {"identity:delete_domain_role", "rule:admin_required", "Delete domain role.",
                "DELETE /v3/roles/{role_id}"},
        {"identity:list_role_assignments",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.domain_id)s)",
                "List role assignments.", "GET /v3/role_assignments"},
        {"identity:list_role_assignments_for_tree",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.domain_id)s)",
                "List role assignments for tree.", "GET /v3/role_assignments?include_subtree"},
        {"identity:s3tokens_validate", "rule:service_or_admin", "S3tokens validate.",
                "POST /v3/s3tokens"},
        {"identity:get_service", "rule:admin_required or (role:reader and system_scope:all)",
                "Show service.", "GET /v3/services/{service_id}"},
        {"identity:list_services", "rule:admin_required or (role:reader and system_scope:all)",
                "List services.", "GET /v3/services"},
        {"identity:create_service", "rule:admin_required", "Create service.", "POST /v3/services"},
        {"identity:update_service", "rule:admin_required", "Change service.",
                "PATCH /v3/services/{service_id}"},
        {"identity:delete_service", "rule:admin_required", "Delete service.",
                "DELETE /v3/services/{service_id}"},
        {"identity:create_service_provider", "rule:admin_required", "Create service provider.",
                "PUT /v3/OS-FEDERATION/service_providers/{service_provider_id}"},
        {"identity:list_service_providers",
                "rule:admin_required or (role:reader and system_scope:all)",
                "List service providers.", "GET /v3/OS-FEDERATION/service_providers"},
        {"identity:get_service_provider",
                "rule:admin_required or (role:reader and system_scope:all)",
                "Show service provider.",
                "GET /v3/OS-FEDERATION/service_providers/{service_provider_id}"},
        {"identity:update_service_provider", "rule:admin_required", "Change service provider.",
                "PATCH /v3/OS-FEDERATION/service_providers/{service_provider_id}"},
        {"identity:delete_service_provider", "rule:admin_required", "Delete service provider.",
                "DELETE /v3/OS-FEDERATION/service_providers/{service_provider_id}"},
        {"identity:check_token",
                "rule:admin_required or (role:reader and system_scope:all) or rule:token_subject",
                "Check token.", NULL},
        {"identity:validate_token",
                "rule:admin_required or (role:reader and system_scope:all) or rule:service_role or "
                "rule:token_subject",
                "Validate token.", "GET /v3/auth/tokens"},
        {"identity:revoke_token", "rule:admin_required or rule:token_subject", "Revoke token.",
                "DELETE /v3/auth/tokens"},
        {"identity:revocation_list", "rule:service_or_admin", "Revocation list.",
                "GET /v3/auth/tokens/OS-PKI/revoked"},
        {"identity:create_trust", "user_id:%(target.trust.trustor_user_id)s", "Create trust.",
                "POST /v3/OS-TRUST/trusts"},
        {"identity:list_trusts", "rule:admin_required or (role:reader and system_scope:all)",
                "List trusts.", "GET /v3/OS-TRUST/trusts"},
        {"identity:list_trusts_for_trustor",
                "(rule:admin_required) or (role:reader and system_scope:all or "
                "user_id:%(target.trust.trustor_user_id)s)",
                "List trusts for trustor.",
                "GET /v3/OS-TRUST/trusts?trustor_user_id={trustor_user_id}"},
        {"identity:list_trusts_for_trustee",
                "(rule:admin_required) or (role:reader and system_scope:all or "
                "user_id:%(target.trust.trustee_user_id)s)",
                "List trusts for trustee.",
                "GET /v3/OS-TRUST/trusts?trustee_user_id={trustee_user_id}"},
        {"identity:list_roles_for_trust",
                "(rule:admin_required) or (role:reader and system_scope:all or "
                "user_id:%(target.trust.trustor_user_id)s or "
                "user_id:%(target.trust.trustee_user_id)s)",
                "List roles for trust.", "GET /v3/OS-TRUST/trusts/{trust_id}/roles"},
        {"identity:get_role_for_trust",
                "(rule:admin_required) or (role:reader and system_scope:all or "
                "user_id:%(target.trust.trustor_user_id)s or "
                "user_id:%(target.trust.trustee_user_id)s)",
                "Show role for trust.", "GET /v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}"},
        {"identity:delete_trust", "rule:admin_required or user_id:%(target.trust.trustor_user_id)s",
                "Delete trust.", "DELETE /v3/OS-TRUST/trusts/{trust_id}"},
        {"identity:get_trust",
                "(rule:admin_required) or (role:reader and system_scope:all or "
                "user_id:%(target.trust.trustor_user_id)s or "
                "user_id:%(target.trust.trustee_user_id)s)",
                "Show trust.", "GET /v3/OS-TRUST/trusts/{trust_id}"},
        {"identity:get_user",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
                "Show user.", "GET /v3/users/{user_id}"},
        {"identity:list_users",
                "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
                "domain_id:%(target.domain_id)s)",
                "List users.", "GET /v3/users"},
        {"identity:list_projects_for_user", "", "List projects for user.",
                "GET  /v3/auth/projects"},
        {"identity:list_domains_for_user", "", "List domains for user.", "GET /v3/auth/domains"},
        {"identity:create_user",
                "(rule:admin_required) or (role:manager and "
                "token.domain.id:%(target.user.domain_id)s)",
                "Create user.", "POST /v3/users"},
        {"identity:update_user",
                "(rule:admin_required) or (role:manager and "
                "token.domain.id:%(target.user.domain_id)s)",
                "Change user.", "PATCH /v3/users/{user_id}"},
        {"identity:delete_user",
                "(rule:admin_required) or (role:manager and "
                "token.domain.id:%(target.user.domain_id)s)",
                "Delete user.", "DELETE /v3/users/{user_id}"},
};
const unsigned identity_rule_count = COUNT_OF(identity_rules);
