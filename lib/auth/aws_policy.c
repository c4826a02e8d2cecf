#include "lib/auth/aws_policy_internal.h"

#include <string.h>

/* --- principals, actions, resources --- */

static bool same(const char *a, const char *b, size_t len)
{
	return b && strlen(b) == len && strncmp(a, b, len) == 0;
}

/* Names are an account's own: another's user may have the same. Without an account it is an id: the
 * user's, or the canonical one, which is who speaks for the account. */
static bool is_user(const struct s3_policy_ask *ask, const char *name, bool of_account)
{
	size_t len = strlen(name);

	return same(name, ask->user, len) ||
	       (of_account ? same(name, ask->user_name, len)
	                   : ask->for_account && same(name, ask->id, len));
}

/* "arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION" */
static bool is_session(const struct s3_policy_ask *ask, const char *principal)
{
	AUTO(buf) struct buf mine = BUF_NONE;

	if (!ask->role)
		return false;
	buf_printf(
	        &mine, "arn:aws:sts::%s:assumed-role/%s/%s", ask->account, ask->role, ask->session);
	return strcmp(buf_text(&mine), principal) == 0;
}

/* "arn:aws:iam::ACCOUNT:root", "arn:aws:iam::ACCOUNT:user/NAME" or ":role/NAME", an account, or
 * all; "arn:aws:iam:::user/ID". */
static bool principal_is(const struct s3_policy_ask *ask, const char *principal)
{
	static const char arn[] = "arn:aws:iam::";

	if (strcmp(principal, "*") == 0)
		return true;
	if (!ask->account)
		return false;
	if (is_session(ask, principal))
		return true;
	if (strncmp(principal, arn, sizeof(arn) - 1) != 0)
		return ask->for_account && (strcmp(principal, ask->account) == 0 ||
		                                   (ask->id && strcmp(principal, ask->id) == 0));
	principal += sizeof(arn) - 1;
	size_t len = strcspn(principal, ":");
	const char *what = principal + len + (principal[len] == ':');
	if (len && !same(principal, ask->account, len))
		return false;
	if (len && strcmp(what, "root") == 0)
		return ask->for_account;
	if (strncmp(what, "role/", 5) == 0)
		return len && ask->role && strcmp(strrchr(what, '/') + 1, ask->role) == 0;
	return !ask->role && strncmp(what, "user/", 5) == 0 &&
	       is_user(ask, strrchr(what, '/') + 1, len);
}

static bool principals_have(const struct s3_policy_ask *ask, const struct jval *principals)
{
	const char *text, *kind;

	if (jread_str(principals, &text))
		return strcmp(text, "*") == 0;
	for (size_t i = 0; (kind = jread_name(principals, i)); i++) {
		const struct jval *all = jread_get(principals, kind);
		bool canonical = strcmp(kind, "CanonicalUser") == 0,
		     service = strcmp(kind, "Service") == 0;
		for (size_t k = 0; k < s3_texts_len(all); k++) {
			text = s3_text_at(all, k);
			if (ask->service || service) {
				if (ask->service && service && strcmp(ask->service, text) == 0)
					return true;
				continue;
			}
			if (canonical ? ask->for_account && ask->id && strcmp(ask->id, text) == 0
			              : strcmp(kind, "AWS") == 0 && principal_is(ask, text))
				return true;
		}
	}
	return false;
}

static bool actions_have(const struct s3_policy_ask *ask, const struct jval *actions)
{
	for (size_t i = 0; i < s3_texts_len(actions); i++) {
		if (s3_policy_like(s3_text_at(actions, i), ask->action, true))
			return true;
	}
	return false;
}

const char *s3_resource_of(const char *arn)
{
	if (strcmp(arn, "*") == 0)
		return arn;
	if (strncmp(arn, "arn:aws:s3:", 11) != 0)
		return NULL;
	arn = strchr(arn + 11, ':');
	arn = arn ? strchr(arn + 1, ':') : NULL;
	return arn ? arn + 1 : NULL;
}

/* "arn:aws:iam:::user/NAME" is of the account of who asks. */
static bool arn_fits(const struct s3_policy_ask *ask, const char *pattern)
{
	static const char here[] = "arn:aws:iam:::";
	AUTO(buf) struct buf full = BUF_NONE;

	if (!ask->account || strncmp(pattern, here, sizeof(here) - 1) != 0)
		return s3_policy_fits(ask, pattern, ask->arn);
	buf_printf(&full, "arn:aws:iam::%s:%s", ask->account, pattern + sizeof(here) - 1);
	return s3_policy_fits(ask, buf_text(&full), ask->arn);
}

static bool resources_have(const struct s3_policy_ask *ask, const struct jval *resources)
{
	for (size_t i = 0; i < s3_texts_len(resources); i++) {
		const char *text = s3_text_at(resources, i), *pattern = s3_resource_of(text);
		if (!ask->resource && arn_fits(ask, text))
			return true;
		if (ask->resource && pattern && s3_policy_fits(ask, pattern, ask->resource))
			return true;
	}
	return false;
}

/* --- all together --- */

const struct jval *s3_statement_at(const struct jval *policy, size_t i)
{
	const struct jval *all = jread_get(policy, "Statement");

	if (jread_is_object(all))
		return i == 0 ? all : NULL;
	return i < jread_len(all) ? jread_at(all, i) : NULL;
}

bool s3_statement_allows(const struct jval *statement)
{
	const char *effect;

	return jread_str(jread_get(statement, "Effect"), &effect) && strcmp(effect, "Allow") == 0;
}

/* What an account is allowed its users have by its leave; what it is denied, all of them. */
static bool is_for(const struct jval *s, const struct s3_policy_ask *ask)
{
	const struct jval *not = jread_get(s, "NotPrincipal");
	struct s3_policy_ask anybody = *ask;

	if (not )
		return !principals_have(ask, not );
	anybody.for_account |= !s3_statement_allows(s);
	return principals_have(&anybody, jread_get(s, "Principal"));
}

static bool statement_fits(const struct jval *s, const struct s3_policy_ask *ask)
{
	const struct jval *actions = jread_get(s, "Action"), *resources = jread_get(s, "Resource"),
	                  *not ;

	if (!ask->attached && !is_for(s, ask))
		return false;
	not = jread_get(s, "NotAction");
	if (not ? actions_have(ask, not ) : !actions_have(ask, actions))
		return false;
	not = jread_get(s, "NotResource");
	if (!ask->resource && !ask->arn)
		return s3_conditions_hold(ask, jread_get(s, "Condition"));
	if (not ? resources_have(ask, not ) : !resources_have(ask, resources))
		return false;
	return s3_conditions_hold(ask, jread_get(s, "Condition"));
}

enum s3_verdict s3_policy_decide(const struct jval *policy, const struct s3_policy_ask *ask)
{
	enum s3_verdict verdict = S3_SILENT;
	const struct jval *s;

	for (size_t i = 0; (s = s3_statement_at(policy, i)); i++) {
		if (!statement_fits(s, ask))
			continue;
		if (!s3_statement_allows(s))
			return S3_DENIED;
		verdict = S3_ALLOWED;
	}
	return verdict;
}

/* --- is it public? --- */

static bool is_everybody(const struct jval *principals)
{
	const struct jval *all = jread_get(principals, "AWS");
	const char *text;

	if (jread_str(principals, &text))
		return strcmp(text, "*") == 0;
	for (size_t i = 0; i < s3_texts_len(all); i++) {
		if (strcmp(s3_text_at(all, i), "*") == 0)
			return true;
	}
	return false;
}

bool s3_policy_denials(const char *text, struct buf *out)
{
	AUTO(jroot) struct jroot policy = JROOT_NONE;
	const struct jval *s;
	bool any = false;

	if (jread_parse(text, strlen(text), &policy))
		return false;
	for (size_t i = 0; (s = s3_statement_at(policy.value, i)); i++) {
		if (s3_statement_allows(s))
			continue;
		buf_str(out, any ? "," : "{\"Version\":\"2012-10-17\",\"Statement\":[");
		jread_print(s, out);
		any = true;
	}
	if (any)
		buf_str(out, "]}");
	return any;
}

bool s3_policy_is_public(const struct jval *policy)
{
	const struct jval *s;

	for (size_t i = 0; (s = s3_statement_at(policy, i)); i++) {
		if (s3_statement_allows(s) && is_everybody(jread_get(s, "Principal")) &&
		        !s3_conditions_bind(jread_get(s, "Condition")))
			return true;
	}
	return false;
}
