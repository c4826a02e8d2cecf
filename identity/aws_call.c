/* What actions of STS and IAM have in common: parameters, policies of who asks, XML, pages. */
#include "identity/iam.h"

#include "lib/auth/aws_policy.h"
#include "lib/base/markup.h"
#include "lib/http/url.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum err aws_fail(struct aws_call *c, int status, const char *code, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	c->status = status;
	c->code = code;
	c->text = arena_strdup(c->arena, text);
	return ERR_BAD_REQUEST;
}

const char *aws_param(const struct aws_call *c, const char *name)
{
	const char *value = query_get(&c->form, name);

	return value && *value ? value : NULL;
}

static bool is_name(const char *text)
{
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("+=,.@-_", *text))
			return false;
	}
	return true;
}

enum err aws_name(struct aws_call *c, const char *param, unsigned max, const char **ret)
{
	const char *value = aws_param(c, param);

	if (value && strlen(value) <= max && is_name(value)) {
		*ret = value;
		return ERR_OK;
	}
	return aws_fail(c, 400, "ValidationError",
	        "The parameter %s must be there, and have 1 to %u letters, digits and +=,.@-_.",
	        param, max);
}

enum err aws_path(struct aws_call *c, const char *param, const char **ret)
{
	const char *path = aws_param(c, param);
	size_t len = path ? strlen(path) : 0;

	if (!path) {
		*ret = "/";
		return ERR_OK;
	}
	bool good = len <= 512 && *path == '/' && path[len - 1] == '/';
	for (const char *p = path; good && *p; p++)
		good = *p > ' ' && *p < 0x7f;
	if (!good)
		return aws_fail(c, 400, "ValidationError",
		        "The specified value for path is invalid. It must begin and end with / and "
		        "contain only alphanumeric characters and/or / characters.");
	*ret = path;
	return ERR_OK;
}

enum err aws_document(struct aws_call *c, const char *param, size_t max,
        const char *(*check)(const struct jval *policy), const char **ret)
{
	const char *text = aws_param(c, param);
	AUTO(jroot) struct jroot root = JROOT_NONE;

	if (!text)
		return ERR_OK;
	if (strlen(text) > max)
		return aws_fail(c, 400, "ValidationError",
		        "The parameter %s must have length less than or equal to %zu", param, max);
	const char *wrong = jread_parse(text, strlen(text), &root) ? "Syntax errors in policy."
	                                                           : check(root.value);
	if (wrong)
		return aws_fail(c, 400, "MalformedPolicyDocument", "%s", wrong);
	*ret = text;
	return ERR_OK;
}

enum err aws_document_needed(struct aws_call *c, const char *param, size_t max,
        const char *(*check)(const struct jval *policy), const char **ret)
{
	*ret = NULL;
	enum err err = aws_document(c, param, max, check, ret);
	return err || *ret ? err
	                   : aws_fail(c, 400, "ValidationError", "The parameter %s must be there.",
	                             param);
}

enum err aws_number(struct aws_call *c, const char *param, int64_t min, int64_t max,
        int64_t standard, int64_t *ret)
{
	const char *text = aws_param(c, param);
	char *end = NULL;
	long long number = text ? strtoll(text, &end, 10) : standard;

	if (text && (*end || number < min || number > max))
		return aws_fail(c, 400, "ValidationError", "%s must be between %lld and %lld",
		        param, (long long)min, (long long)max);
	*ret = number;
	return ERR_OK;
}

enum err aws_text(struct aws_call *c, const char *param, size_t max, const char **ret)
{
	*ret = aws_param(c, param);
	if (!*ret || strlen(*ret) <= max)
		return ERR_OK;
	return aws_fail(c, 400, "ValidationError", "%s must have length less than or equal to %zu",
	        param, max);
}

enum err aws_quota(struct aws_call *c, int64_t there, int max, const char *name)
{
	return there < max ? ERR_OK
	                   : aws_fail(c, 409, "LimitExceeded", "Cannot exceed quota for %s: %d",
	                             name, max);
}

/* --- policies of who asks --- */

static const char *now(struct aws_call *c, bool iso)
{
	uint64_t us = time_now_us();
	char text[TIME_TEXT];

	if (!iso)
		return arena_printf(c->arena, "%llu", (unsigned long long)(us / 1000000));
	time_format(us, text);
	return arena_printf(c->arena, "%.19sZ", text);
}

/* Of who is to have it; else what whom the action is about has, whatever the form says. */
static const char *boundary_of(const struct aws_call *c)
{
	enum err (*run)(struct aws_call *, struct db_tx *) = c->action->run;
	bool takes = run == iam_user_create || run == iam_role_create || run == iam_boundary_put;
	const char *said = takes ? aws_param(c, "PermissionsBoundary") : NULL;

	return said ? said : c->boundary;
}

/* Other actions do not look at it: who asks could say anything. */
static const char *policy_of(const struct aws_call *c)
{
	const struct aws_action *a = c->action;
	bool takes = a->run == iam_attach || a->run == iam_detach ||
	             (a->about == IAM_POLICY && a->run != iam_policy_create);

	return takes ? aws_param(c, "PolicyArn") : NULL;
}

static const char *assume_param(const struct aws_call *c, const char *name)
{
	return c->action->run == sts_assume ? aws_param(c, name) : NULL;
}

const char *aws_value(void *arg, const char *key, unsigned n)
{
	struct aws_call *c = arg;
	const struct {
		const char *key, *value;
	} texts[] = {{"aws:username", c->user_name}, {"aws:userid", c->user_id},
	        {"aws:PrincipalArn", c->principal_arn}, {"aws:PrincipalAccount", c->project_id},
	        {"aws:PrincipalType", c->signer.role_name ? "AssumedRole" : "User"},
	        {"sts:RoleSessionName", assume_param(c, "RoleSessionName")},
	        {"sts:ExternalId", assume_param(c, "ExternalId")}, {"iam:PolicyARN", policy_of(c)},
	        {"iam:PermissionsBoundary", boundary_of(c)}, {"aws:SourceIp", c->from},
	        {"aws:UserAgent", c->agent}, {"aws:SecureTransport", c->tls ? "true" : "false"}};

	if (n)
		return NULL;
	for (unsigned i = 0; i < COUNT_OF(texts); i++) {
		if (strcasecmp(texts[i].key, key) == 0)
			return texts[i].value;
	}
	return strcasecmp(key, "aws:CurrentTime") == 0 ? now(c, true)
	       : strcasecmp(key, "aws:EpochTime") == 0 ? now(c, false)
	                                               : NULL;
}

static enum err deny(struct aws_call *c, const struct s3_policy_ask *ask, const char *why)
{
	return aws_fail(c, 403, "AccessDenied",
	        "User: %s is not authorized to perform: %s on resource: %.300s %s", c->arn,
	        ask->action, ask->arn, why);
}

static enum err decide(const char *text, const struct s3_policy_ask *ask, enum s3_verdict *ret)
{
	AUTO(jroot) struct jroot policy = JROOT_NONE;

	if (jread_parse(text, strlen(text), &policy))
		return ERR_INTERNAL;
	*ret = s3_policy_decide(policy.value, ask);
	return ERR_OK;
}

/* Of a JSON array's policies: each allows it, or any does; one that denies is an error. */
static enum err decide_all(struct aws_call *c, const char *texts, const struct s3_policy_ask *ask,
        const char *denial, bool *ret_each, bool *ret_any)
{
	AUTO(jroot) struct jroot all = JROOT_NONE;
	const char *text;
	enum s3_verdict verdict;

	*ret_each = true;
	*ret_any = false;
	if (jread_parse(texts, strlen(texts), &all))
		return ERR_INTERNAL;
	for (size_t i = 0; i < jread_len(all.value); i++) {
		if (!jread_str(jread_at(all.value, i), &text) || decide(text, ask, &verdict))
			return ERR_INTERNAL;
		if (verdict == S3_DENIED)
			return deny(c, ask, denial);
		*ret_any |= verdict == S3_ALLOWED;
		*ret_each &= verdict == S3_ALLOWED;
	}
	return ERR_OK;
}

enum err aws_may(struct aws_call *c, const char *action, const char *arn, enum aws_may *ret_may)
{
	const struct s3_policy_ask ask = {.action = action,
	        .arn = arn,
	        .account = c->project_id,
	        .attached = true,
	        .value = aws_value,
	        .arg = c};
	const char *bound = c->signer.session.policy;
	enum s3_verdict verdict = S3_SILENT;
	bool within, may, ignored;
	enum err err = decide_all(c, c->signer.policies, &ask,
	        "with an explicit deny in an identity-based policy", &ignored, &may);

	if (!err)
		err = decide_all(c, c->signer.boundaries, &ask,
		        "with an explicit deny in a permissions boundary", &within, &ignored);
	if (!err && bound)
		err = decide(bound, &ask, &verdict);
	if (!err && bound && verdict != S3_ALLOWED)
		return deny(c, &ask, "because no session policy allows the action");
	if (!err)
		*ret_may = !within ? AWS_BOUNDED : may ? AWS_ALLOWED : AWS_UNSAID;
	return err;
}

/* --- XML --- */

void aws_xml(struct aws_call *c, const char *name, const char *text)
{
	buf_printf(&c->xml, "<%s>", name);
	for (; *text; text++) {
		if ((unsigned char)*text >= ' ' || *text == '\n')
			markup_escape(&c->xml, text, 1, "&<>\"");
		else
			buf_printf(&c->xml, "&#x%x;", (unsigned char)*text);
	}
	buf_printf(&c->xml, "</%s>", name);
}

void aws_xml_time(struct aws_call *c, const char *name, uint64_t us)
{
	char text[TIME_TEXT];

	time_format(us, text);
	buf_printf(&c->xml, "<%s>%.19sZ</%s>", name, text, name);
}

void aws_xml_int(struct aws_call *c, const char *name, int64_t number)
{
	buf_printf(&c->xml, "<%s>%lld</%s>", name, (long long)number, name);
}

void aws_xml_document(struct aws_call *c, const char *name, const char *text)
{
	AUTO(buf) struct buf quoted = BUF_NONE;

	url_quote(&quoted, text, "");
	aws_xml(c, name, buf_text(&quoted));
}

/* --- pages --- */

enum err aws_page_begin(struct aws_call *c, struct aws_page *ret)
{
	*ret = (struct aws_page){.call = c, .after = aws_param(c, "Marker")};
	return aws_number(c, "MaxItems", 1, 1000, 100, &ret->max);
}

bool aws_page_takes(struct aws_page *page, const char *key)
{
	if (page->after && strcasecmp(key, page->after) <= 0)
		return false;
	if (page->count == page->max) {
		page->more = true;
		return false;
	}
	page->count++;
	page->last = arena_strdup(page->call->arena, key);
	return true;
}

void aws_page_end(struct aws_page *page)
{
	aws_xml(page->call, "IsTruncated", page->more ? "true" : "false");
	if (page->more)
		aws_xml(page->call, "Marker", page->last);
}
