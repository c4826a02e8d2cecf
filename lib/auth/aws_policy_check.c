#include "lib/auth/aws_policy_internal.h"

#include <string.h>
#include <strings.h>

/* What follows ACCOUNT and its colon in an ARN that begins so; NULL: it is another. */
static const char *behind_account(const char *arn, const char *begin, size_t *ret_len)
{
	size_t len = strlen(begin);

	if (strncmp(arn, begin, len) != 0)
		return NULL;
	*ret_len = strcspn(arn + len, ":");
	return arn[len + *ret_len] ? arn + len + *ret_len + 1 : NULL;
}

static bool begins_and_goes_on(const char *text, const char *with)
{
	size_t len = strlen(with);

	return strncmp(text, with, len) == 0 && text[len];
}

/* Could it be somebody? What is no ARN is an account, or an id. */
static bool principal_good(const char *text)
{
	size_t account;
	const char *what;

	if (strncmp(text, "arn:", 4) != 0)
		return *text;
	if ((what = behind_account(text, "arn:aws:sts::", &account)))
		return begins_and_goes_on(what, "assumed-role/");
	if (!(what = behind_account(text, "arn:aws:iam::", &account)))
		return false;
	return (account && strcmp(what, "root") == 0) || begins_and_goes_on(what, "user/") ||
	       begins_and_goes_on(what, "role/");
}

static bool all_good(const struct jval *principals)
{
	for (size_t i = 0; i < s3_texts_len(principals); i++) {
		if (!principal_good(s3_text_at(principals, i)))
			return false;
	}
	return true;
}

static bool principals_good(const struct jval *principals)
{
	const char *text, *kind;

	if (jread_str(principals, &text))
		return strcmp(text, "*") == 0;
	if (!jread_is_object(principals) || !jread_name(principals, 0))
		return false;
	for (size_t i = 0; (kind = jread_name(principals, i)); i++) {
		if (!s3_are_texts(jread_get(principals, kind)))
			return false;
		if (strcmp(kind, "AWS") != 0 && strcmp(kind, "CanonicalUser") != 0 &&
		        strcmp(kind, "Service") != 0 && strcmp(kind, "Federated") != 0)
			return false;
		if (strcmp(kind, "AWS") == 0 && !all_good(jread_get(principals, kind)))
			return false;
	}
	return true;
}

static bool actions_good(const struct jval *actions)
{
	if (!s3_are_texts(actions))
		return false;
	for (size_t i = 0; i < s3_texts_len(actions); i++) {
		if (!s3_action_known(s3_text_at(actions, i)))
			return false;
	}
	return true;
}

static bool resources_good(const struct jval *resources, const char *bucket)
{
	if (!s3_are_texts(resources))
		return false;
	for (size_t i = 0; i < s3_texts_len(resources); i++) {
		const char *pattern = s3_resource_of(s3_text_at(resources, i));
		AUTO(buf) struct buf name = BUF_NONE;
		if (!pattern)
			return false;
		buf_add(&name, pattern, strcspn(pattern, "/"));
		if (!s3_policy_like(buf_text(&name), bucket, false))
			return false;
	}
	return true;
}

/* One of the two, not both; NULL when it is so. */
static const struct jval *one_of(const struct jval *s, const char *name, const char *not_name)
{
	const struct jval *a = jread_get(s, name), *b = jread_get(s, not_name);

	return a && b ? NULL : a ? a : b;
}

static const char *statement_wrong(const struct jval *s, const char *bucket)
{
	const char *effect;

	if (!jread_is_object(s))
		return "Syntax errors in policy.";
	if (!jread_str(jread_get(s, "Effect"), &effect) ||
	        (strcmp(effect, "Allow") != 0 && strcmp(effect, "Deny") != 0))
		return "Invalid effect";
	if (!principals_good(one_of(s, "Principal", "NotPrincipal")))
		return "Invalid principal in policy";
	if (s3_statement_allows(s) && jread_get(s, "NotPrincipal"))
		return "Allow with NotPrincipal is not allowed.";
	if (!actions_good(one_of(s, "Action", "NotAction")))
		return "Policy has invalid action";
	if (!resources_good(one_of(s, "Resource", "NotResource"), bucket))
		return "Policy has invalid resource";
	return s3_conditions_wrong(jread_get(s, "Condition"));
}

/* What holds for policies of all kinds; then each statement. */
static const char *policy_wrong(const struct jval *policy,
        const char *(*statement)(const struct jval *s, const char *arg), const char *arg)
{
	const char *version, *wrong;
	const struct jval *s;

	if (!jread_is_object(policy))
		return "Policies must be valid JSON and the first byte must be '{'";
	if (jread_get(policy, "Version") &&
	        (!jread_str(jread_get(policy, "Version"), &version) ||
	                (strcmp(version, "2012-10-17") != 0 && strcmp(version, "2008-10-17") != 0)))
		return "The policy must contain a valid version string";
	if (!s3_statement_at(policy, 0))
		return "Missing required field Statement";
	for (size_t i = 0; (s = s3_statement_at(policy, i)); i++) {
		if ((wrong = statement(s, arg)))
			return wrong;
	}
	return NULL;
}

const char *s3_policy_check(const struct jval *policy, const char *bucket)
{
	return policy_wrong(policy, statement_wrong, bucket);
}

/* --- those of users and roles --- */

static bool effect_good(const struct jval *s)
{
	const char *effect;

	return jread_is_object(s) && jread_str(jread_get(s, "Effect"), &effect) &&
	       (strcmp(effect, "Allow") == 0 || strcmp(effect, "Deny") == 0);
}

/* "*", or "service:what it does"; of one service when that is given. */
static bool actions_named(const struct jval *actions, const char *service)
{
	size_t len = service ? strlen(service) : 0;

	if (!s3_are_texts(actions))
		return false;
	for (size_t i = 0; i < s3_texts_len(actions); i++) {
		const char *text = s3_text_at(actions, i), *colon = strchr(text, ':');
		if (strcmp(text, "*") == 0)
			continue;
		if (!colon || colon == text || !colon[1] ||
		        (service && strncasecmp(text, service, len) != 0))
			return false;
	}
	return true;
}

static bool resources_named(const struct jval *resources)
{
	if (!s3_are_texts(resources))
		return false;
	for (size_t i = 0; i < s3_texts_len(resources); i++) {
		const char *text = s3_text_at(resources, i);
		if (strcmp(text, "*") != 0 && strncmp(text, "arn:", 4) != 0)
			return false;
	}
	return true;
}

static const char *attached_wrong(const struct jval *s, const char *arg)
{
	(void)arg;
	if (!effect_good(s))
		return "Syntax errors in policy.";
	if (jread_get(s, "Principal") || jread_get(s, "NotPrincipal"))
		return "Policy document should not specify a principal.";
	if (!actions_named(one_of(s, "Action", "NotAction"), NULL))
		return "Policy statement must contain actions.";
	if (!resources_named(one_of(s, "Resource", "NotResource")))
		return "Policy statement must contain resources.";
	return s3_conditions_wrong(jread_get(s, "Condition"));
}

static const char *trust_wrong(const struct jval *s, const char *arg)
{
	(void)arg;
	if (!effect_good(s))
		return "Syntax errors in policy.";
	if (jread_get(s, "Resource") || jread_get(s, "NotResource"))
		return "Has prohibited field Resource.";
	if (jread_get(s, "NotPrincipal") || !principals_good(jread_get(s, "Principal")))
		return "Invalid principal in policy";
	if (!actions_named(one_of(s, "Action", "NotAction"), "sts:"))
		return "AssumeRole policy may only specify STS AssumeRole actions.";
	return s3_conditions_wrong(jread_get(s, "Condition"));
}

static const char *sid_at(const struct jval *policy, size_t i)
{
	const struct jval *s = s3_statement_at(policy, i);
	const char *sid;

	return s && jread_str(jread_get(s, "Sid"), &sid) ? sid : NULL;
}

static const char *sids_wrong(const struct jval *policy)
{
	const char *sid, *other;

	for (size_t i = 0; s3_statement_at(policy, i); i++) {
		for (size_t k = 0; (sid = sid_at(policy, i)) && k < i; k++) {
			if ((other = sid_at(policy, k)) && strcmp(sid, other) == 0)
				return "Statement IDs (SID) in a single policy must be unique.";
		}
	}
	return NULL;
}

const char *s3_policy_check_attached(const struct jval *policy)
{
	const char *wrong = policy_wrong(policy, attached_wrong, NULL);

	return wrong ? wrong : sids_wrong(policy);
}

const char *s3_policy_check_trust(const struct jval *policy)
{
	const char *wrong = policy_wrong(policy, trust_wrong, NULL);

	return wrong ? wrong : sids_wrong(policy);
}
