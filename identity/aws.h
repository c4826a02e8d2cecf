/* aws: actions of STS and IAM, in AWS's query protocol: a form in, XML out. They come to the
 * proxies, which check who signed them and bring them here (POST /v3/OS-CAIRN/aws).
 *
 * An account is a project, its number the project's id. Users are the identity service's; what else
 * IAM knows is in tables of its own. Who administers the project may do all; who else asks, what
 * the policies attached to them allow. Sources: "Actions", AWS STS and IAM API References. */
#ifndef IDENTITY_AWS_H
#define IDENTITY_AWS_H

#include "identity/signer.h"

/* What an action is about, and what policies are attached to. */
enum iam_kind { IAM_NONE, IAM_USER, IAM_GROUP, IAM_ROLE, IAM_POLICY };

struct aws_call {
	struct rest_req *req;
	struct arena *arena;
	struct signer signer;
	struct query form;
	const char *from, *agent; /* the client's; or NULL */
	bool tls;
	const struct aws_action *action;
	/* Whose token was got with the key; of who has taken a role: the role's account. */
	const char *user_id;   /* "ROLE:SESSION" of a role */
	const char *user_name; /* NULL: a role */
	const char *project_id, *domain_id;
	const char *arn, *principal_arn; /* differ for a role: of the session, and of itself */
	bool administers;                /* the project */
	const char *boundary;            /* of the user or role that the action is about; or NULL */
	uint64_t news; /* what it has changed is told up to there (identity/news.c) */
	/* The answer: */
	struct buf xml; /* what stands within <ActionResult> */
	int status;     /* of an error; 0: none */
	const char *code, *text;
};

enum {
	AWS_WRITES = 1,
	AWS_OPEN = 2,    /* looks by itself who may, or lets everybody */
	AWS_SESSION = 4, /* with credentials of GetSessionToken, too */
	AWS_KEY = 8,     /* with no temporary ones, not a role's either: they would get what the key
	                    has by which they were got */
	AWS_BEGETS = 16, /* not by what was delegated: it would have rights that it was not given */
};

struct aws_action {
	const char *service, *name;
	enum err (*run)(struct aws_call *call, struct db_tx *tx);
	enum iam_kind about;
	unsigned flags;
};

/* NULL: there is none. */
const struct aws_action *aws_action_find(const char *service, const char *name);

/* POST /v3/OS-CAIRN/aws: {"aws": {"service", "access", "session", "form", "from",
 * "agent", "tls"}}, by a service. Answers
 * 200 with {"aws": {"action", "result"}} or {"aws": {"status", "code", "text"}}. */
enum err on_aws(struct rest_req *req);

/* --- for actions (aws_call.c) --- */

/* `return aws_fail(...)`: ends it, and undoes what it did. */
enum err aws_fail(struct aws_call *call, int status, const char *code, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* A parameter; NULL: it is not there, or empty. */
const char *aws_param(const struct aws_call *call, const char *name);
/* One that must be there, of at most that many of the characters that names have. */
enum err aws_name(struct aws_call *call, const char *param, unsigned max, const char **ret_name);
/* "/", or what the parameter says. */
enum err aws_path(struct aws_call *call, const char *param, const char **ret_path);
/* A number within bounds; `standard` where it is not there. */
enum err aws_number(struct aws_call *call, const char *param, int64_t min, int64_t max,
        int64_t standard, int64_t *ret_number);
/* NULL, or a text of at most so many bytes. */
enum err aws_text(struct aws_call *call, const char *param, size_t max, const char **ret_text);
/* A policy; *ret_text stays as it is where it is not there. */
enum err aws_document(struct aws_call *call, const char *param, size_t max,
        const char *(*check)(const struct jval *policy), const char **ret_text);
/* The same of one that must be there. */
enum err aws_document_needed(struct aws_call *call, const char *param, size_t max,
        const char *(*check)(const struct jval *policy), const char **ret_text);
/* LimitExceeded, where there are `max` of them already. */
enum err aws_quota(struct aws_call *call, int64_t there, int max, const char *name);
/* What policies attached to the caller say of an action on what has that name; an explicit denial
 * is AccessDenied. AWS_BOUNDED: whatever lets them, a permissions boundary does not. */
enum aws_may { AWS_UNSAID, AWS_ALLOWED, AWS_BOUNDED };
enum err aws_may(struct aws_call *call, const char *action, const char *arn, enum aws_may *ret_may);
/* May they do what they ask for to what has that name? AccessDenied. Asked before of what the
 * action is about (iam_resource); an action that makes another of it asks again. */
enum err aws_allowed(struct aws_call *call, const char *arn);
/* The n-th value of a condition's key; `call` is the argument of aws_policy.h's `value`. */
const char *aws_value(void *call, const char *key, unsigned n);

void aws_xml(struct aws_call *call, const char *name, const char *text);
void aws_xml_int(struct aws_call *call, const char *name, int64_t number);
void aws_xml_time(struct aws_call *call, const char *name, uint64_t us);
/* As documents are shown: percent-encoded. */
void aws_xml_document(struct aws_call *call, const char *name, const char *text);

/* --- lists by the page --- */

/* Of what comes in the order of keys (without case): Marker, MaxItems, IsTruncated. */
struct aws_page {
	struct aws_call *call;
	const char *after, *last;
	int64_t max, count;
	bool more;
};

enum err aws_page_begin(struct aws_call *call, struct aws_page *ret_page);
/* Is it on the page? */
bool aws_page_takes(struct aws_page *page, const char *key);
void aws_page_end(struct aws_page *page);

/* --- what there is: sts.c --- */

enum err sts_caller(struct aws_call *call, struct db_tx *tx);
enum err sts_session(struct aws_call *call, struct db_tx *tx);
enum err sts_assume(struct aws_call *call, struct db_tx *tx);

#endif
