/* How much an account has of what; and what none has: lists of that are empty. */
#include "identity/iam.h"

#include "identity/sql.h"
#include <string.h>

static void entry(struct aws_call *c, const char *key, int64_t value)
{
	buf_str(&c->xml, "<entry>");
	aws_xml(c, "key", key);
	aws_xml_int(c, "value", value);
	buf_str(&c->xml, "</entry>");
}

static enum err count(
        struct aws_call *c, struct db_tx *tx, const char *key, const char *sql, const char *id)
{
	int64_t number;
	enum err err = sql_int(tx, sql, &number, TEXTS(id));

	if (!err)
		entry(c, key, number);
	return err;
}

enum err iam_summary(struct aws_call *c, struct db_tx *tx)
{
	static const struct {
		const char *key, *sql;
	} counts[] = {
	        {"Users",
	                "SELECT COUNT(DISTINCT actor_id) FROM assignment WHERE actor_kind = 'user' "
	                "AND kind = 'project' AND target_id = ?"},
	        {"Groups", "SELECT COUNT(*) FROM iam_group WHERE project_id = ?"},
	        {"Roles", "SELECT COUNT(*) FROM iam_role WHERE project_id = ?"},
	        {"Policies", "SELECT COUNT(*) FROM iam_policy WHERE project_id = ?"},
	        {"PolicyVersionsInUse",
	                "SELECT COUNT(*) FROM iam_policy_version v JOIN iam_policy p ON p.id = "
	                "v.policy_id WHERE p.project_id = ?"},
	};
	static const struct {
		const char *key;
		int value;
	} quotas[] = {
	        {"UsersQuota", IAM_USERS},
	        {"GroupsQuota", IAM_GROUPS},
	        {"RolesQuota", IAM_ROLES},
	        {"PoliciesQuota", IAM_POLICIES},
	        {"VersionsPerPolicyQuota", IAM_VERSIONS},
	        {"AccessKeysPerUserQuota", IAM_KEYS},
	        {"GroupsPerUserQuota", IAM_MEMBERSHIPS},
	        {"AttachedPoliciesPerUserQuota", IAM_ATTACHED},
	        {"AttachedPoliciesPerGroupQuota", IAM_ATTACHED},
	        {"AttachedPoliciesPerRoleQuota", IAM_ATTACHED},
	        {"PolicySizeQuota", IAM_MANAGED_BYTES},
	        {"UserPolicySizeQuota", IAM_INLINE_BYTES},
	        {"GroupPolicySizeQuota", IAM_INLINE_BYTES},
	        {"RolePolicySizeQuota", IAM_INLINE_BYTES},
	        {"AssumeRolePolicySizeQuota", IAM_TRUST_BYTES},
	        {"AccountMFAEnabled", 0},
	        {"MFADevices", 0},
	        {"MFADevicesInUse", 0},
	        {"Providers", 0},
	        {"InstanceProfiles", 0},
	        {"ServerCertificates", 0},
	};
	enum err err = ERR_OK;

	buf_str(&c->xml, "<SummaryMap>");
	for (unsigned i = 0; !err && i < COUNT_OF(counts); i++)
		err = count(c, tx, counts[i].key, counts[i].sql, c->project_id);
	for (unsigned i = 0; i < COUNT_OF(quotas); i++)
		entry(c, quotas[i].key, quotas[i].value);
	buf_str(&c->xml, "</SummaryMap>");
	return err;
}

enum err iam_nothing(struct aws_call *c, struct db_tx *tx)
{
	static const struct {
		const char *action, *list;
		bool pages;
	} lists[] = {
	        {"ListOpenIDConnectProviders", "OpenIDConnectProviderList", false},
	        {"ListSAMLProviders", "SAMLProviderList", false},
	        {"ListAccountAliases", "AccountAliases", true},
	        {"ListInstanceProfiles", "InstanceProfiles", true},
	        {"ListInstanceProfilesForRole", "InstanceProfiles", true},
	        {"ListServerCertificates", "ServerCertificateMetadataList", true},
	        {"ListVirtualMFADevices", "VirtualMFADevices", true},
	        {"ListMFADevices", "MFADevices", true},
	        {"ListSigningCertificates", "Certificates", true},
	        {"ListSSHPublicKeys", "SSHPublicKeys", true},
	        {"ListServiceSpecificCredentials", "ServiceSpecificCredentials", false},
	};
	enum iam_kind about = c->action->about;
	struct iam_owner o;
	enum err err =
	        about && aws_param(c, iam_param(about)) ? iam_named(c, tx, about, &o) : ERR_OK;

	if (err)
		return err;
	for (unsigned i = 0; i < COUNT_OF(lists); i++) {
		if (strcmp(lists[i].action, c->action->name) != 0)
			continue;
		buf_printf(&c->xml, "<%s></%s>%s", lists[i].list, lists[i].list,
		        lists[i].pages ? "<IsTruncated>false</IsTruncated>" : "");
		return ERR_OK;
	}
	return aws_fail(c, 404, "NoSuchEntity", "Login Profile for User %s cannot be found.",
	        aws_param(c, "UserName") ? o.name
	        : c->user_name           ? c->user_name
	                                 : "");
}
