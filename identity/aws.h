/* aws: actions of STS and IAM, in AWS's query protocol: a form in, XML out. They come to the
 * proxies, which check who signed them and bring them here (POST /v3/OS-CAIRN/aws).
 *
 * An account is a project, its number the project's id. Users are the identity service's; roles and
 * policies are in tables of their own. Sources: "Actions", AWS STS and IAM API References. */
#ifndef IDENTITY_AWS_H
#define IDENTITY_AWS_H

#include "identity/signer.h"

struct aws_call {
	struct rest_req *req;
	struct arena *arena;
	struct signer signer;
	struct query form;
	/* Whose token was got with the key: */
	const char *user_id, *user_name, *project_id, *project_name, *domain_id;
	bool administers; /* the project */
	/* The answer: */
	struct buf xml; /* what stands within <ActionResult> */
	int status;     /* of an error; 0: none */
	const char *code, *text;
};

struct aws_action {
	const char *service, *name;
	enum err (*run)(struct aws_call *call, struct db_tx *tx);
	bool administers; /* wants who does */
	bool writes;
	bool in_session; /* with temporary credentials, too */
};

/* POST /v3/OS-CAIRN/aws: {"aws": {"service", "access", "session", "form"}}, by a service. Answers
 * 200 with {"aws": {"action", "result"}} or {"aws": {"status", "code", "text"}}. */
enum err on_aws(struct rest_req *req);

/* --- for actions --- */

/* `return aws_fail(...)`: ends it, and undoes what it did. */
enum err aws_fail(struct aws_call *call, int status, const char *code, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* A parameter; NULL: it is not there, or empty. */
const char *aws_param(const struct aws_call *call, const char *name);
/* One that must be there, of at most that many of the characters that names have. */
enum err aws_name(struct aws_call *call, const char *param, unsigned max, const char **ret_name);
/* "/", or what Path says. */
enum err aws_path(struct aws_call *call, const char **ret_path);
/* A policy; *ret_text stays as it is where it is not there. */
enum err aws_document(struct aws_call *call, const char *param, size_t max,
        const char *(*check)(const struct jval *policy), const char **ret_text);
/* The user of the account by name, or (name NULL) who asks. NoSuchEntity. */
enum err aws_user(struct aws_call *call, struct db_tx *tx, const char *name, const char **ret_id);
/* What policies attached to the caller say of an action on what has that name. */
enum err aws_may(struct aws_call *call, const char *action, const char *arn, bool *ret_may);

void aws_xml(struct aws_call *call, const char *name, const char *text);
void aws_xml_time(struct aws_call *call, const char *name, uint64_t us);

/* --- what there is --- */

enum err sts_caller(struct aws_call *call, struct db_tx *tx); /* sts.c */
enum err sts_session(struct aws_call *call, struct db_tx *tx);
enum err sts_assume(struct aws_call *call, struct db_tx *tx);
enum err iam_user_create(struct aws_call *call, struct db_tx *tx); /* iam.c */
enum err iam_user_get(struct aws_call *call, struct db_tx *tx);
enum err iam_user_list(struct aws_call *call, struct db_tx *tx);
enum err iam_user_delete(struct aws_call *call, struct db_tx *tx);
enum err iam_group_list(struct aws_call *call, struct db_tx *tx);
enum err iam_provider_list(struct aws_call *call, struct db_tx *tx);
enum err iam_key_create(struct aws_call *call, struct db_tx *tx); /* iam_access.c */
enum err iam_key_list(struct aws_call *call, struct db_tx *tx);
enum err iam_key_delete(struct aws_call *call, struct db_tx *tx);
enum err iam_role_create(struct aws_call *call, struct db_tx *tx); /* iam_roles.c */
enum err iam_role_get(struct aws_call *call, struct db_tx *tx);
enum err iam_role_list(struct aws_call *call, struct db_tx *tx);
enum err iam_role_delete(struct aws_call *call, struct db_tx *tx);
enum err iam_role_trust(struct aws_call *call, struct db_tx *tx);
enum err iam_user_policy_put(struct aws_call *call, struct db_tx *tx); /* iam_policies.c */
enum err iam_user_policy_get(struct aws_call *call, struct db_tx *tx);
enum err iam_user_policy_list(struct aws_call *call, struct db_tx *tx);
enum err iam_user_policy_delete(struct aws_call *call, struct db_tx *tx);
enum err iam_role_policy_put(struct aws_call *call, struct db_tx *tx);
enum err iam_role_policy_get(struct aws_call *call, struct db_tx *tx);
enum err iam_role_policy_list(struct aws_call *call, struct db_tx *tx);
enum err iam_role_policy_delete(struct aws_call *call, struct db_tx *tx);

/* A role by name, in an account. NoSuchEntity. */
struct iam_role {
	const char *id, *project_id, *name, *path, *description, *trust;
	int64_t max_seconds, created_us;
};
enum err iam_role_find(struct aws_call *call, struct db_tx *tx, const char *project_id,
        const char *name, struct iam_role *ret_role);
/* The keys that were derived of a user's credentials in the account are to be asked for anew. */
enum err iam_user_changed(struct aws_call *call, struct db_tx *tx, const char *user_id);
/* Was the user made by IAM in this account, and has no more than that gave it? AccessDenied. */
enum err iam_user_ours(struct aws_call *call, struct db_tx *tx, const char *user_id);

#endif
