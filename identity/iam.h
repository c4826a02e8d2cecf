/* iam: users, groups, roles and policies of an account (aws.h). Names are kept as they were given
 * and are the same in capitals and small letters. */
#ifndef IDENTITY_IAM_H
#define IDENTITY_IAM_H

#include "identity/aws.h"

#define IAM_USERS       5000 /* how many an account may have */
#define IAM_GROUPS      300
#define IAM_ROLES       1000
#define IAM_POLICIES    1500
#define IAM_VERSIONS    5  /* of a policy */
#define IAM_KEYS        2  /* of a user */
#define IAM_MEMBERSHIPS 10 /* of a user */
#define IAM_ATTACHED    10 /* to a user, group or role */
#define IAM_INLINE      64 /* the same */
#define IAM_TAGS        50 /* of a user, role or policy */

#define IAM_INLINE_TOTAL  20480 /* of all within one user, group or role */
#define IAM_INLINE_BYTES  10240
#define IAM_MANAGED_BYTES 6144
#define IAM_TRUST_BYTES   4096

#define IAM_NO_SUCH_POLICY "Policy %s does not exist or is not attachable."

/* --- who and what there is: iam_owner.c --- */

/* A user, group, role or policy of the account. */
struct iam_owner {
	enum iam_kind kind;
	const char *id, *name, *path;
};

/* A user that IAM has made is "NAME@PROJECT" to the identity service, so that an account's names
 * are its own: no user of the domain has them. What follows NAME; */
const char *iam_suffix(struct aws_call *call);
/* the name of any user, as their account knows it; */
const char *iam_user_name(struct arena *arena, const char *name, const char *project_id);
/* and the same in SQL, of user u and with the suffix bound to it. */
#define IAM_USER_NAME "REPLACE(u.name, ?, '')"

/* "UserName" */
const char *iam_param(enum iam_kind kind);
/* "iam_user_policy": the table of what belongs to owners of a kind. */
const char *iam_table(struct aws_call *call, enum iam_kind kind, const char *what);
const char *iam_arn(struct aws_call *call, const struct iam_owner *owner);
/* By name; a user: who has a role in the account's project. NoSuchEntity. */
enum err iam_find(struct aws_call *call, struct db_tx *tx, enum iam_kind kind, const char *name,
        struct iam_owner *ret_owner);
/* The one that the action is about, by its parameter. ValidationError, NoSuchEntity. */
enum err iam_named(
        struct aws_call *call, struct db_tx *tx, enum iam_kind kind, struct iam_owner *ret_owner);
/* NoSuchEntity is ERR_NOT_FOUND here, and no answer. */
enum err iam_lookup(struct aws_call *call, struct db_tx *tx, enum iam_kind kind, const char *name,
        struct iam_owner *ret_owner);
/* The ARN of what the action is about, as policies are asked of it. */
enum err iam_resource(struct aws_call *call, struct db_tx *tx, const char **ret_arn);
/* A name that is to be another's: EntityAlreadyExists where it is. `own_id`: whose it may be; NULL.
 */
enum err iam_free(struct aws_call *call, struct db_tx *tx, enum iam_kind kind, const char *name,
        const char *own_id);
/* Is it within PathPrefix, where there is one? */
bool iam_below(const struct aws_call *call, const char *path);
/* What is derived of the keys of those whose policies it changes is to be asked for anew. */
enum err iam_changed(struct aws_call *call, struct db_tx *tx, const struct iam_owner *owner);

/* --- iam.c --- */

/* Was the user made by IAM in this account, and has no more than that gave it? AccessDenied. */
enum err iam_user_ours(struct aws_call *call, struct db_tx *tx, const char *user_id);
/* Those of the user that an answer is about. */
void iam_user_show(struct aws_call *call, const char *id, const char *name, const char *path,
        uint64_t created_us);

enum err iam_user_create(struct aws_call *call, struct db_tx *tx);
enum err iam_user_get(struct aws_call *call, struct db_tx *tx);
enum err iam_user_list(struct aws_call *call, struct db_tx *tx);
enum err iam_user_update(struct aws_call *call, struct db_tx *tx);
enum err iam_user_delete(struct aws_call *call, struct db_tx *tx);

enum err iam_key_create(struct aws_call *call, struct db_tx *tx); /* iam_access.c */
enum err iam_key_list(struct aws_call *call, struct db_tx *tx);
enum err iam_key_update(struct aws_call *call, struct db_tx *tx);
enum err iam_key_delete(struct aws_call *call, struct db_tx *tx);

enum err iam_group_create(struct aws_call *call, struct db_tx *tx); /* iam_groups.c */
enum err iam_group_get(struct aws_call *call, struct db_tx *tx);
enum err iam_group_list(struct aws_call *call, struct db_tx *tx);
enum err iam_group_update(struct aws_call *call, struct db_tx *tx);
enum err iam_group_delete(struct aws_call *call, struct db_tx *tx);
enum err iam_member_add(struct aws_call *call, struct db_tx *tx);
enum err iam_member_remove(struct aws_call *call, struct db_tx *tx);
enum err iam_member_list(struct aws_call *call, struct db_tx *tx);

enum err iam_role_create(struct aws_call *call, struct db_tx *tx); /* iam_roles.c */
enum err iam_role_get(struct aws_call *call, struct db_tx *tx);
enum err iam_role_list(struct aws_call *call, struct db_tx *tx);
enum err iam_role_update(struct aws_call *call, struct db_tx *tx);
enum err iam_role_describe(struct aws_call *call, struct db_tx *tx);
enum err iam_role_trust(struct aws_call *call, struct db_tx *tx);
enum err iam_role_delete(struct aws_call *call, struct db_tx *tx);

/* Policies within users, groups and roles; iam_inline.c. */
enum err iam_inline_put(struct aws_call *call, struct db_tx *tx);
enum err iam_inline_get(struct aws_call *call, struct db_tx *tx);
enum err iam_inline_list(struct aws_call *call, struct db_tx *tx);
enum err iam_inline_delete(struct aws_call *call, struct db_tx *tx);

enum err iam_policy_create(struct aws_call *call, struct db_tx *tx); /* iam_policies.c */
enum err iam_policy_get(struct aws_call *call, struct db_tx *tx);
enum err iam_policy_list(struct aws_call *call, struct db_tx *tx);
enum err iam_policy_delete(struct aws_call *call, struct db_tx *tx);
enum err iam_version_create(struct aws_call *call, struct db_tx *tx); /* iam_versions.c */
enum err iam_version_get(struct aws_call *call, struct db_tx *tx);
enum err iam_version_list(struct aws_call *call, struct db_tx *tx);
enum err iam_version_default(struct aws_call *call, struct db_tx *tx);
enum err iam_version_delete(struct aws_call *call, struct db_tx *tx);

enum err iam_attach(struct aws_call *call, struct db_tx *tx); /* iam_attached.c */
enum err iam_detach(struct aws_call *call, struct db_tx *tx);
enum err iam_attached_list(struct aws_call *call, struct db_tx *tx);
enum err iam_entity_list(struct aws_call *call, struct db_tx *tx);

enum err iam_tag_put(struct aws_call *call, struct db_tx *tx); /* iam_tags.c */
enum err iam_tag_delete(struct aws_call *call, struct db_tx *tx);
enum err iam_tag_list(struct aws_call *call, struct db_tx *tx);
/* Those that the form has, of something new. */
enum err iam_tags_take(struct aws_call *call, struct db_tx *tx, const struct iam_owner *owner);
/* <Tags>, where there are any. */
enum err iam_tags_show(struct aws_call *call, struct db_tx *tx, const struct iam_owner *owner);

enum err iam_boundary_put(struct aws_call *call, struct db_tx *tx); /* iam_boundary.c */
enum err iam_boundary_delete(struct aws_call *call, struct db_tx *tx);
/* The one that the form has, of something new. NoSuchEntity. */
enum err iam_boundary_take(struct aws_call *call, struct db_tx *tx, const struct iam_owner *owner);
/* NULL: it has none. */
enum err iam_boundary_arn(struct aws_call *call, struct db_tx *tx, const struct iam_owner *owner,
        const char **ret_arn);
/* <PermissionsBoundary>, where there is one. */
enum err iam_boundary_show(struct aws_call *call, struct db_tx *tx, const struct iam_owner *owner);
/* Of how many in the account a policy is the boundary. */
enum err iam_boundary_uses(
        struct aws_call *call, struct db_tx *tx, const char *policy_id, int64_t *ret_uses);

enum err iam_summary(struct aws_call *call, struct db_tx *tx); /* iam_summary.c */
/* What no account has, by the action's name. */
enum err iam_nothing(struct aws_call *call, struct db_tx *tx);

/* --- roles --- */

struct iam_role {
	const char *id, *project_id, *name, *path, *description, *trust;
	int64_t max_seconds, created_us;
};
/* By name, in an account. NoSuchEntity. */
enum err iam_role_find(struct aws_call *call, struct db_tx *tx, const char *project_id,
        const char *name, struct iam_role *ret_role);

/* --- managed policies --- */

struct iam_policy {
	const char *id, *project_id; /* NULL: one that all accounts have; its id is its name */
	const char *name, *path, *description;
	int64_t version, newest, created_us, updated_us;
};
/* The one that an ARN names, of an account; or that PolicyArn does, of the caller's. NoSuchEntity.
 */
enum err iam_policy_of(struct aws_call *call, struct db_tx *tx, const char *account,
        const char *arn, struct iam_policy *ret_policy);
enum err iam_policy_named(struct aws_call *call, struct db_tx *tx, struct iam_policy *ret_policy);
/* What its default version says. */
enum err iam_policy_text(struct aws_call *call, struct db_tx *tx, const struct iam_policy *policy,
        const char **ret_text);
enum err iam_policy_by_id(
        struct aws_call *call, struct db_tx *tx, const char *id, struct iam_policy *ret_policy);
const char *iam_policy_arn(struct aws_call *call, const struct iam_policy *policy);
/* To how many it is attached in the account. */
enum err iam_policy_uses(
        struct aws_call *call, struct db_tx *tx, const char *id, int64_t *ret_uses);

/* --- policies that all accounts have: iam_common.c --- */

struct iam_common {
	const char *name, *description, *document;
};
/* NULL behind the last. */
const struct iam_common *iam_common_at(unsigned i);
const struct iam_common *iam_common_find(const char *name);

/* --- iam_documents.c --- */

/* All that counts for a user in an account, or for a role: the texts, as a JSON array's members.
 * denials: of them what they deny. Adds to *count. */
enum err iam_documents(struct db_tx *tx, const char *user_id, const char *project_id,
        const char *role_id, bool denials, struct jout *out, unsigned *count);
/* The same of what bounds them. */
enum err iam_boundaries(struct db_tx *tx, const char *user_id, const char *project_id,
        const char *role_id, struct jout *out, unsigned *count);

#endif
