#include "lib/auth/aws_policy.h"

#include "lib/http/url.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* In a pattern: the characters themselves, out of a variable's value. (No UTF-8 has these bytes.)
 */
#define PLAIN_STAR     '\xfe'
#define PLAIN_QUESTION '\xff'

static bool same_char(char a, char b, bool any_case)
{
	if (a == PLAIN_STAR || a == PLAIN_QUESTION)
		return b == (a == PLAIN_STAR ? '*' : '?');
	return any_case ? tolower((unsigned char)a) == tolower((unsigned char)b) : a == b;
}

bool s3_policy_like(const char *pattern, const char *text, bool any_case)
{
	const char *star = NULL, *from = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern == '?' || (*pattern && same_char(*pattern, *text, any_case))) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* --- a text, or several of them --- */

static size_t texts_len(const struct jval *value)
{
	const char *text;

	return jread_is_array(value) ? jread_len(value) : jread_str(value, &text) ? 1 : 0;
}

static const char *text_at(const struct jval *value, size_t i)
{
	const char *text;

	return jread_str(jread_is_array(value) ? jread_at(value, i) : value, &text) ? text : NULL;
}

static bool are_texts(const struct jval *value)
{
	size_t len = texts_len(value);

	for (size_t i = 0; i < len; i++) {
		if (!text_at(value, i))
			return false;
	}
	return len;
}

/* --- variables --- */

/* ${*}, ${?} and ${$} are the characters. */
static const char *variable(const struct s3_policy_ask *ask, const char *key)
{
	return *key && !key[1] && strchr("*?$", *key) ? key : ask->value(ask->arg, key, 0);
}

static void add_value(struct buf *out, const char *value, bool pattern)
{
	for (; *value; value++)
		buf_char(out, !pattern        ? *value
		              : *value == '*' ? PLAIN_STAR
		              : *value == '?' ? PLAIN_QUESTION
		                              : *value);
}

/* Replaces ${aws:username} and the like, whose values are never patterns; what is not known stays.
 */
static void expand(const struct s3_policy_ask *ask, const char *text, bool pattern, struct buf *out)
{
	while (*text) {
		const char *end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;
		size_t len = end ? (size_t)(end - text) - 2 : 0;
		char key[128];
		const char *value = NULL;
		if (len && len < sizeof(key)) {
			memcpy(key, text + 2, len);
			key[len] = 0;
			value = variable(ask, key);
		}
		if (value) {
			add_value(out, value, pattern);
			text = end + 1;
		} else {
			buf_char(out, *text++);
		}
	}
}

static bool like(const struct s3_policy_ask *ask, const char *pattern, const char *text)
{
	AUTO(buf) struct buf expanded = BUF_NONE;

	if (!strstr(pattern, "${"))
		return s3_policy_like(pattern, text, false);
	expand(ask, pattern, true, &expanded);
	return s3_policy_like(buf_text(&expanded), text, false);
}

/* --- conditions --- */

enum how { STRING, NUMBER, DATE, BOOL, IP, LIKE, NO_CASE, BINARY, NONE };

static const struct operator
{
	const char *name;
	enum how how;
	bool negated;
	int order; /* of numbers and dates: bits: 1 less, 2 equal, 4 greater */
}
operators[] = {
        {"StringEquals", STRING, false, 0},
        {"StringNotEquals", STRING, true, 0},
        {"StringEqualsIgnoreCase", NO_CASE, false, 0},
        {"StringNotEqualsIgnoreCase", NO_CASE, true, 0},
        {"StringLike", LIKE, false, 0},
        {"StringNotLike", LIKE, true, 0},
        {"ArnEquals", LIKE, false, 0},
        {"ArnLike", LIKE, false, 0},
        {"ArnNotEquals", LIKE, true, 0},
        {"ArnNotLike", LIKE, true, 0},
        {"BinaryEquals", BINARY, false, 0},
        {"Bool", BOOL, false, 0},
        {"IpAddress", IP, false, 0},
        {"NotIpAddress", IP, true, 0},
        {"Null", NONE, false, 0},
        {"NumericEquals", NUMBER, false, 2},
        {"NumericNotEquals", NUMBER, true, 2},
        {"NumericLessThan", NUMBER, false, 1},
        {"NumericLessThanEquals", NUMBER, false, 3},
        {"NumericGreaterThan", NUMBER, false, 4},
        {"NumericGreaterThanEquals", NUMBER, false, 6},
        {"DateEquals", DATE, false, 2},
        {"DateNotEquals", DATE, true, 2},
        {"DateLessThan", DATE, false, 1},
        {"DateLessThanEquals", DATE, false, 3},
        {"DateGreaterThan", DATE, false, 4},
        {"DateGreaterThanEquals", DATE, false, 6},
};

/* "ForAnyValue:StringLikeIfExists" */
struct condition {
	const struct operator* operator;
	bool if_exists, for_all, for_any;
};

static bool parse_operator(const char *name, struct condition *ret)
{
	static const char exists[] = "IfExists";

	*ret = (struct condition){0};
	if (strncmp(name, "ForAllValues:", 13) == 0) {
		ret->for_all = true;
		name += 13;
	} else if (strncmp(name, "ForAnyValue:", 12) == 0) {
		ret->for_any = true;
		name += 12;
	}
	for (unsigned i = 0; i < COUNT_OF(operators); i++) {
		size_t len = strlen(operators[i].name);
		if (strncmp(operators[i].name, name, len) != 0)
			continue;
		ret->if_exists = strcmp(name + len, exists) == 0;
		if (!name[len] || (ret->if_exists && operators[i].how != NONE)) {
			ret->operator= & operators[i];
			return true;
		}
	}
	return false;
}

static bool parse_address(const char *text, size_t len, uint8_t ret[16])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char copy[64];

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = 0;
	if (inet_pton(AF_INET6, copy, ret) == 1)
		return true;
	memcpy(ret, mapped, sizeof(mapped));
	return inet_pton(AF_INET, copy, ret + 12) == 1;
}

static bool in_network(const char *network, const char *address)
{
	uint8_t net[16], ip[16];
	size_t len = strcspn(network, "/");
	unsigned long bits = 128;

	if (!parse_address(network, len, net) || !parse_address(address, strlen(address), ip))
		return false;
	if (network[len]) {
		bool v4 = !memchr(network, ':', len);
		char *end;
		bits = strtoul(network + len + 1, &end, 10) + (v4 ? 96 : 0);
		if (*end || bits > 128)
			return false;
	}
	for (unsigned i = 0; i < bits; i++) {
		if ((net[i / 8] ^ ip[i / 8]) >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

static bool number_of(const char *text, enum how how, double *ret)
{
	char date[ISO_DATE_SIZE], *end;
	size_t len = strcspn(text, "Z");
	uint64_t ts;

	if (how == DATE && len < sizeof(date)) {
		memcpy(date, text, len);
		date[len] = 0;
		if (iso_date_parse(date, &ts)) {
			*ret = (double)(ts / 100000);
			return true;
		}
	}
	*ret = strtod(text, &end);
	return end != text && !*end;
}

static bool compares(const struct operator* o, const char *wanted, const char *is)
{
	double a, b;

	if (!number_of(wanted, o->how, &a) || !number_of(is, o->how, &b))
		return false;
	return o->order & (b < a ? 1 : b > a ? 4 : 2);
}

static bool value_fits(const struct s3_policy_ask *ask, const struct operator* o,
        const char *wanted, const char *is)
{
	AUTO(buf) struct buf expanded = BUF_NONE;

	expand(ask, wanted, o->how == LIKE, &expanded);
	wanted = buf_text(&expanded);
	switch (o->how) {
	case STRING:
	case BINARY:
		return strcmp(wanted, is) == 0;
	case NO_CASE:
	case BOOL:
		return strcasecmp(wanted, is) == 0;
	case LIKE:
		return s3_policy_like(wanted, is, false);
	case IP:
		return in_network(wanted, is);
	case NUMBER:
	case DATE:
		return compares(o, wanted, is);
	default:
		return false;
	}
}

/* Text of what may stand as a number or a boolean in JSON. */
static const char *wanted_at(const struct jval *wanted, size_t i, struct buf *out)
{
	const struct jval *value = jread_is_array(wanted) ? jread_at(wanted, i) : wanted;
	const char *text;

	buf_reset(out);
	if (jread_str(value, &text))
		return text;
	jread_print(value, out);
	return buf_text(out);
}

static bool any_fits(const struct s3_policy_ask *ask, const struct operator* o,
        const struct jval *wanted, const char *is)
{
	AUTO(buf) struct buf text = BUF_NONE;
	size_t count = jread_is_array(wanted) ? jread_len(wanted) : 1;

	for (size_t i = 0; i < count; i++) {
		if (value_fits(ask, o, wanted_at(wanted, i, &text), is))
			return true;
	}
	return false;
}

static bool key_holds(const struct s3_policy_ask *ask, const struct condition *c, const char *key,
        const struct jval *wanted)
{
	const struct operator* o = c->operator;
	AUTO(buf) struct buf text = BUF_NONE;
	const char *is = ask->value(ask->arg, key, 0);
	bool any = false, all = true;

	if (o->how == NONE)
		return (strcasecmp(wanted_at(wanted, 0, &text), "true") == 0) == !is;
	if (!is)
		return c->if_exists || c->for_all || (o->negated && !c->for_any);
	for (unsigned n = 0; is; is = ask->value(ask->arg, key, ++n)) {
		bool fits = any_fits(ask, o, wanted, is) != o->negated;
		any |= fits;
		all &= fits;
	}
	return c->for_all || (o->negated && !c->for_any) ? all : any;
}

static bool conditions_hold(const struct s3_policy_ask *ask, const struct jval *conditions)
{
	struct condition c;
	const char *name, *key;

	for (size_t i = 0; (name = jread_name(conditions, i)); i++) {
		const struct jval *keys = jread_get(conditions, name);
		if (!parse_operator(name, &c))
			return false;
		for (size_t k = 0; (key = jread_name(keys, k)); k++) {
			if (!key_holds(ask, &c, key, jread_get(keys, key)))
				return false;
		}
	}
	return true;
}

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
		for (size_t k = 0; k < texts_len(all); k++) {
			text = text_at(all, k);
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
	for (size_t i = 0; i < texts_len(actions); i++) {
		if (s3_policy_like(text_at(actions, i), ask->action, true))
			return true;
	}
	return false;
}

/* Behind "arn:aws:s3:::", or a tenant or region in it; NULL: none of S3's. */
static const char *resource_of(const char *arn)
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
		return like(ask, pattern, ask->arn);
	buf_printf(&full, "arn:aws:iam::%s:%s", ask->account, pattern + sizeof(here) - 1);
	return like(ask, buf_text(&full), ask->arn);
}

static bool resources_have(const struct s3_policy_ask *ask, const struct jval *resources)
{
	for (size_t i = 0; i < texts_len(resources); i++) {
		const char *text = text_at(resources, i), *pattern = resource_of(text);
		if (!ask->resource && arn_fits(ask, text))
			return true;
		if (ask->resource && pattern && like(ask, pattern, ask->resource))
			return true;
	}
	return false;
}

/* --- all together --- */

static const struct jval *statement_at(const struct jval *policy, size_t i)
{
	const struct jval *all = jread_get(policy, "Statement");

	if (jread_is_object(all))
		return i == 0 ? all : NULL;
	return i < jread_len(all) ? jread_at(all, i) : NULL;
}

static bool allows(const struct jval *statement)
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
	anybody.for_account |= !allows(s);
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
		return conditions_hold(ask, jread_get(s, "Condition"));
	if (not ? resources_have(ask, not ) : !resources_have(ask, resources))
		return false;
	return conditions_hold(ask, jread_get(s, "Condition"));
}

enum s3_verdict s3_policy_decide(const struct jval *policy, const struct s3_policy_ask *ask)
{
	enum s3_verdict verdict = S3_SILENT;
	const struct jval *s;

	for (size_t i = 0; (s = statement_at(policy, i)); i++) {
		if (!statement_fits(s, ask))
			continue;
		if (!allows(s))
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
	for (size_t i = 0; i < texts_len(all); i++) {
		if (strcmp(text_at(all, i), "*") == 0)
			return true;
	}
	return false;
}

/* Is what the key may be said without wildcards? */
static bool is_fixed(const char *key, const struct jval *wanted)
{
	AUTO(buf) struct buf out = BUF_NONE;
	bool ip = strcasecmp(key, "aws:SourceIp") == 0;

	for (size_t i = 0; i < texts_len(wanted); i++) {
		const char *text = wanted_at(wanted, i, &out), *slash = strchr(text, '/');
		if (strpbrk(text, "*?") || strstr(text, "${"))
			return false;
		if (ip && slash && strtoul(slash + 1, NULL, 10) < (strchr(text, ':') ? 32 : 8))
			return false;
	}
	return texts_len(wanted);
}

static bool is_bound(const struct jval *conditions)
{
	static const char *const keys[] = {"aws:SourceIp", "aws:SourceArn", "aws:SourceVpc",
	        "aws:SourceVpce", "aws:SourceOwner", "aws:SourceAccount", "aws:PrincipalOrgID",
	        "aws:PrincipalArn", "aws:PrincipalAccount", "aws:userid",
	        "s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:DataAccessPointAccount"};
	struct condition c;
	const char *name, *key;

	for (size_t i = 0; (name = jread_name(conditions, i)); i++) {
		const struct jval *all = jread_get(conditions, name);
		if (!parse_operator(name, &c) || c.operator->negated || c.if_exists || c.for_all)
			continue;
		for (size_t k = 0; (key = jread_name(all, k)); k++) {
			for (unsigned n = 0; n < COUNT_OF(keys); n++) {
				if (strcasecmp(keys[n], key) == 0 &&
				        is_fixed(key, jread_get(all, key)))
					return true;
			}
		}
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
	for (size_t i = 0; (s = statement_at(policy.value, i)); i++) {
		if (allows(s))
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

	for (size_t i = 0; (s = statement_at(policy, i)); i++) {
		if (allows(s) && is_everybody(jread_get(s, "Principal")) &&
		        !is_bound(jread_get(s, "Condition")))
			return true;
	}
	return false;
}

/* --- is it a policy? --- */

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
	for (size_t i = 0; i < texts_len(principals); i++) {
		if (!principal_good(text_at(principals, i)))
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
		if (!are_texts(jread_get(principals, kind)))
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
	if (!are_texts(actions))
		return false;
	for (size_t i = 0; i < texts_len(actions); i++) {
		const char *text = text_at(actions, i);
		if (strcmp(text, "*") != 0 && strncasecmp(text, "s3:", 3) != 0)
			return false;
	}
	return true;
}

static bool resources_good(const struct jval *resources, const char *bucket)
{
	if (!are_texts(resources))
		return false;
	for (size_t i = 0; i < texts_len(resources); i++) {
		const char *pattern = resource_of(text_at(resources, i));
		AUTO(buf) struct buf name = BUF_NONE;
		if (!pattern)
			return false;
		buf_add(&name, pattern, strcspn(pattern, "/"));
		if (!s3_policy_like(buf_text(&name), bucket, false))
			return false;
	}
	return true;
}

/* A text, number or boolean, or several. */
static bool wanted_good(const struct jval *wanted)
{
	bool many = jread_is_array(wanted), good = true;

	for (size_t i = 0; good && i < (many ? jread_len(wanted) : 1); i++) {
		const struct jval *one = many ? jread_at(wanted, i) : wanted;
		good = !jread_is_null(one) && !jread_is_array(one) && !jread_is_object(one);
	}
	return good;
}

static const char *conditions_wrong(const struct jval *conditions)
{
	struct condition c;
	const char *name, *key;

	if (!conditions)
		return NULL;
	if (!jread_is_object(conditions))
		return "Syntax errors in policy.";
	for (size_t i = 0; (name = jread_name(conditions, i)); i++) {
		if (!parse_operator(name, &c))
			return "Invalid Condition type";
		const struct jval *keys = jread_get(conditions, name);
		if (!jread_is_object(keys))
			return "Policy has an invalid condition key";
		for (size_t k = 0; (key = jread_name(keys, k)); k++) {
			if (!wanted_good(jread_get(keys, key)))
				return "Syntax errors in policy.";
		}
	}
	return NULL;
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
	if (allows(s) && jread_get(s, "NotPrincipal"))
		return "Allow with NotPrincipal is not allowed.";
	if (!actions_good(one_of(s, "Action", "NotAction")))
		return "Policy has invalid action";
	if (!resources_good(one_of(s, "Resource", "NotResource"), bucket))
		return "Policy has invalid resource";
	return conditions_wrong(jread_get(s, "Condition"));
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
	if (!statement_at(policy, 0))
		return "Missing required field Statement";
	for (size_t i = 0; (s = statement_at(policy, i)); i++) {
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

	if (!are_texts(actions))
		return false;
	for (size_t i = 0; i < texts_len(actions); i++) {
		const char *text = text_at(actions, i), *colon = strchr(text, ':');
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
	if (!are_texts(resources))
		return false;
	for (size_t i = 0; i < texts_len(resources); i++) {
		const char *text = text_at(resources, i);
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
	return conditions_wrong(jread_get(s, "Condition"));
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
	return conditions_wrong(jread_get(s, "Condition"));
}

static const char *sid_at(const struct jval *policy, size_t i)
{
	const struct jval *s = statement_at(policy, i);
	const char *sid;

	return s && jread_str(jread_get(s, "Sid"), &sid) ? sid : NULL;
}

static const char *sids_wrong(const struct jval *policy)
{
	const char *sid, *other;

	for (size_t i = 0; statement_at(policy, i); i++) {
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
