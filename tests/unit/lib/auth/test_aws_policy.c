#include "lib/auth/aws_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The values of a test: one key that is there, with up to three values. */
struct values {
	const char *key, *all[4];
};

static const char *value(void *arg, const char *key, unsigned n)
{
	const struct values *v = arg;

	return v && v->key && strcmp(v->key, key) == 0 && n < 3 ? v->all[n] : NULL;
}

static enum s3_verdict decide(
        const char *statement, const struct values *values, struct s3_policy_ask ask)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	char text[2048];

	snprintf(text, sizeof(text), "{\"Statement\": %s}", statement);
	assert_int_equal(jread_parse(text, strlen(text), &root), ERR_OK);
	ask.value = value;
	ask.arg = (void *)values;
	return s3_policy_decide(root.value, &ask);
}

static void likes(void **state)
{
	(void)state;
	assert_true(s3_policy_like("*", "", false));
	assert_true(s3_policy_like("a*c?e", "abbcde", false));
	assert_true(s3_policy_like("**a", "aaa", false));
	assert_false(s3_policy_like("a*b", "abc", false));
	assert_false(s3_policy_like("A", "a", false));
	assert_true(s3_policy_like("S3:get*", "s3:GetObject", true));
	assert_false(s3_policy_like("", "a", false));
}

static void principals(void **state)
{
	static const struct {
		const char *principal;
		bool alt, anyone;
	} rows[] = {
	        {"\"Principal\": \"*\"", true, true},
	        {"\"Principal\": {\"AWS\": \"*\"}", true, true},
	        {"\"Principal\": {\"AWS\": \"alt\"}", true, false},
	        {"\"Principal\": {\"AWS\": [\"x\", \"arn:aws:iam::alt:root\"]}", true, false},
	        {"\"Principal\": {\"AWS\": \"arn:aws:iam::alt:user/bob\"}", true, false},
	        {"\"Principal\": {\"AWS\": \"arn:aws:iam::alt:user/path/bob\"}", true, false},
	        {"\"Principal\": {\"AWS\": \"arn:aws:iam::alt:user/other\"}", false, false},
	        {"\"Principal\": {\"AWS\": \"arn:aws:iam::alt:user\"}", false, false},
	        {"\"Principal\": {\"AWS\": \"arn:aws:iam::alt:user/alt-id\"}", false, false},
	        {"\"Principal\": {\"AWS\": \"arn:aws:iam:::user/alt-id\"}", true, false},
	        {"\"Principal\": {\"AWS\": \"arn:aws:iam::other:root\"}", false, false},
	        {"\"Principal\": {\"CanonicalUser\": \"alt-id\"}", true, false},
	        {"\"Principal\": {\"Service\": \"alt\"}", false, false},
	        {"\"NotPrincipal\": {\"AWS\": \"alt\"}", false, true},
	};
	struct s3_policy_ask anyone = {.action = "s3:GetObject", .resource = "b/k"}, alt = anyone;
	char text[512];

	(void)state;
	alt.account = "alt";
	alt.id = "alt-id";
	alt.user = "u1";
	alt.user_name = "bob";
	alt.for_account = true;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text),
		        "{\"Effect\": \"Deny\", %s, \"Action\": \"s3:*\", \"Resource\": "
		        "\"arn:aws:s3:::b/*\"}",
		        rows[i].principal);
		assert_int_equal(decide(text, NULL, alt), rows[i].alt ? S3_DENIED : S3_SILENT);
		assert_int_equal(
		        decide(text, NULL, anyone), rows[i].anyone ? S3_DENIED : S3_SILENT);
	}
}

static void actions_and_resources(void **state)
{
	static const struct {
		const char *rest;
		enum s3_verdict verdict;
	} rows[] = {
	        {"\"Action\": \"*\", \"Resource\": \"*\"", S3_ALLOWED},
	        {"\"Action\": \"s3:Put*\", \"Resource\": \"*\"", S3_SILENT},
	        {"\"NotAction\": \"s3:Put*\", \"Resource\": \"*\"", S3_ALLOWED},
	        {"\"NotAction\": \"s3:Get*\", \"Resource\": \"*\"", S3_SILENT},
	        {"\"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::b\"", S3_SILENT},
	        {"\"Action\": \"s3:GetObject\", \"Resource\": [\"x\", \"arn:aws:s3:::b/a/*\"]",
	                S3_ALLOWED},
	        {"\"Action\": \"s3:GetObject\", \"NotResource\": \"arn:aws:s3:::b/a/*\"",
	                S3_SILENT},
	        {"\"Action\": \"s3:GetObject\", \"NotResource\": \"arn:aws:s3:::b/c/*\"",
	                S3_ALLOWED},
	        {"\"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::b/${aws:username}/*\"",
	                S3_ALLOWED},
	};
	static const struct values values = {"aws:username", {"a"}};
	const struct s3_policy_ask ask = {.action = "s3:GetObject", .resource = "b/a/k"};
	char text[512];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text), "[{\"Effect\": \"Allow\", \"Principal\": \"*\", %s}]",
		        rows[i].rest);
		assert_int_equal(decide(text, &values, ask), rows[i].verdict);
	}
}

/* What a user has made of their name, or sent, is no pattern. */
static void values_are_no_patterns(void **state)
{
	static const struct {
		const char *pattern, *value, *key;
		bool fits;
	} rows[] = {
	        {"${v}/*", "*", "b/k", false},
	        {"${v}/*", "*", "*/k", true},
	        {"${v}/*", "a?", "ab/k", false},
	        {"${v}/*", "a?", "a?/k", true},
	        {"*/${v}", "x*y", "a/x*y", true},
	        {"a${*}", NULL, "ab", false},
	        {"a${*}${?}${$}", NULL, "a*?$", true},
	        {"${none}/*", NULL, "${none}/k", true},
	};
	char text[512], name[64];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		const struct values values = {"v", {rows[i].value}};
		const struct s3_policy_ask ask = {.action = "s3:GetObject", .resource = name};
		snprintf(name, sizeof(name), "b/%s", rows[i].key);
		snprintf(text, sizeof(text),
		        "{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:*\", "
		        "\"Resource\": \"arn:aws:s3:::b/%s\"}",
		        rows[i].pattern);
		assert_int_equal(decide(text, &values, ask), rows[i].fits ? S3_ALLOWED : S3_SILENT);
	}
}

static void conditions(void **state)
{
	static const struct {
		const char *condition, *value;
		bool holds;
	} rows[] = {
	        {"\"StringEquals\": {\"k\": [\"x\", \"a\"]}", "a", true},
	        {"\"StringEquals\": {\"k\": \"a\"}", "A", false},
	        {"\"StringEquals\": {\"k\": \"a\"}", NULL, false},
	        {"\"StringEqualsIfExists\": {\"k\": \"a\"}", NULL, true},
	        {"\"StringNotEquals\": {\"k\": [\"a\", \"b\"]}", "b", false},
	        {"\"StringNotEquals\": {\"k\": [\"a\", \"b\"]}", "c", true},
	        {"\"StringNotEquals\": {\"k\": \"a\"}", NULL, true},
	        {"\"StringEqualsIgnoreCase\": {\"k\": \"a\"}", "A", true},
	        {"\"StringLike\": {\"k\": \"a*c\"}", "abc", true},
	        {"\"StringNotLike\": {\"k\": \"a*\"}", "abc", false},
	        {"\"StringLike\": {\"k\": \"${k}\"}", "a*", true},
	        {"\"StringEquals\": {\"k\": \"${k}\"}", "a*?", true},
	        {"\"StringLike\": {\"k\": \"a${*}\"}", "ab", false},
	        {"\"NumericLessThanEquals\": {\"k\": 10}", "10", true},
	        {"\"NumericLessThan\": {\"k\": \"10\"}", "10", false},
	        {"\"NumericGreaterThan\": {\"k\": \"10\"}", "x", false},
	        {"\"DateGreaterThan\": {\"k\": \"2026-01-01T00:00:00Z\"}", "2026-01-02T00:00:00Z",
	                true},
	        {"\"DateLessThan\": {\"k\": \"2026-01-01T00:00:00Z\"}", "2026-01-02T00:00:00Z",
	                false},
	        {"\"Bool\": {\"k\": true}", "true", true},
	        {"\"Bool\": {\"k\": \"false\"}", "true", false},
	        {"\"Null\": {\"k\": \"true\"}", NULL, true},
	        {"\"Null\": {\"k\": \"true\"}", "a", false},
	        {"\"Null\": {\"k\": false}", "a", true},
	        {"\"IpAddress\": {\"k\": \"10.1.0.0/16\"}", "10.1.2.3", true},
	        {"\"IpAddress\": {\"k\": \"10.1.0.0/16\"}", "10.2.2.3", false},
	        {"\"IpAddress\": {\"k\": \"2001:db8::/32\"}", "2001:db8::1", true},
	        {"\"IpAddress\": {\"k\": \"10.1.2.3\"}", "::ffff:10.1.2.3", true},
	        {"\"NotIpAddress\": {\"k\": \"10.1.0.0/16\"}", "10.1.2.3", false},
	        {"\"IpAddress\": {\"k\": \"10.1.0.0/999\"}", "10.1.2.3", false},
	        {"\"StringEquals\": {\"k\": \"a\", \"l\": \"b\"}", "a", false},
	};
	const struct s3_policy_ask ask = {.action = "s3:GetObject", .resource = "b/k"};
	char text[512];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		const struct values values = {"k", {rows[i].value}};
		snprintf(text, sizeof(text),
		        "{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:*\", "
		        "\"Resource\": \"*\", \"Condition\": {%s}}",
		        rows[i].condition);
		assert_int_equal(
		        decide(text, &values, ask), rows[i].holds ? S3_ALLOWED : S3_SILENT);
	}
}

static void several_values(void **state)
{
	static const struct {
		const char *condition;
		const char *a, *b;
		bool holds;
	} rows[] = {
	        {"ForAllValues:StringEquals", "x", "y", true},
	        {"ForAllValues:StringEquals", "x", "z", false},
	        {"ForAllValues:StringEquals", NULL, NULL, true},
	        {"ForAnyValue:StringEquals", "z", "y", true},
	        {"ForAnyValue:StringEquals", "z", "z", false},
	        {"ForAnyValue:StringEquals", NULL, NULL, false},
	        {"ForAnyValue:StringNotEquals", "x", "z", true},
	        {"ForAllValues:StringNotEquals", "x", "z", false},
	};
	const struct s3_policy_ask ask = {.action = "s3:GetObject", .resource = "b/k"};
	char text[512];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		const struct values values = {"k", {rows[i].a, rows[i].b}};
		snprintf(text, sizeof(text),
		        "{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:*\", "
		        "\"Resource\": \"*\", \"Condition\": {\"%s\": {\"k\": [\"x\", \"y\"]}}}",
		        rows[i].condition);
		assert_int_equal(
		        decide(text, &values, ask), rows[i].holds ? S3_ALLOWED : S3_SILENT);
	}
}

static void is_public(void **state)
{
	static const struct {
		const char *rest;
		bool is;
	} rows[] = {
	        {"\"Effect\": \"Allow\", \"Principal\": \"*\"", true},
	        {"\"Effect\": \"Deny\", \"Principal\": \"*\"", false},
	        {"\"Effect\": \"Allow\", \"Principal\": {\"AWS\": [\"a\", \"*\"]}", true},
	        {"\"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"a\"}", false},
	        {"\"Effect\": \"Allow\", \"Principal\": \"*\", \"Condition\": {\"IpAddress\": "
	         "{\"aws:SourceIp\": \"10.0.0.0/8\"}}",
	                false},
	        {"\"Effect\": \"Allow\", \"Principal\": \"*\", \"Condition\": {\"IpAddress\": "
	         "{\"aws:SourceIp\": \"0.0.0.0/0\"}}",
	                true},
	        {"\"Effect\": \"Allow\", \"Principal\": \"*\", \"Condition\": {\"StringLike\": "
	         "{\"aws:userid\": \"a*\"}}",
	                true},
	        {"\"Effect\": \"Allow\", \"Principal\": \"*\", \"Condition\": "
	         "{\"StringNotEquals\": "
	         "{\"aws:SourceVpc\": \"v\"}}",
	                true},
	        {"\"Effect\": \"Allow\", \"Principal\": \"*\", \"Condition\": {\"NumericEquals\": "
	         "{\"aws:userid\": [1]}}",
	                false},
	};
	char text[512];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		AUTO(jroot) struct jroot root = JROOT_NONE;
		snprintf(text, sizeof(text), "{\"Statement\": [{%s}]}", rows[i].rest);
		assert_int_equal(jread_parse(text, strlen(text), &root), ERR_OK);
		assert_int_equal(s3_policy_is_public(root.value), rows[i].is);
	}
}

/* What is attached names nobody, and may be of other services. */
static void attached(void **state)
{
	struct s3_policy_ask s3 = {.action = "s3:GetObject", .resource = "b/k", .attached = true},
	                     sts = {.action = "sts:AssumeRole",
	                             .arn = "arn:aws:iam::a:role/r",
	                             .attached = true};

	(void)state;
	assert_int_equal(decide("{\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": "
	                        "\"arn:aws:s3:::b/*\"}",
	                         NULL, s3),
	        S3_ALLOWED);
	s3.attached = false;
	assert_int_equal(
	        decide("{\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\"}", NULL,
	                s3),
	        S3_SILENT);
	assert_int_equal(decide("{\"Effect\": \"Allow\", \"Action\": \"sts:*\", \"Resource\": "
	                        "\"arn:aws:iam::a:role/*\"}",
	                         NULL, sts),
	        S3_ALLOWED);
	assert_int_equal(decide("{\"Effect\": \"Allow\", \"Action\": \"sts:*\", \"Resource\": "
	                        "\"arn:aws:iam::a:role/s\"}",
	                         NULL, sts),
	        S3_SILENT);
}

static void roles(void **state)
{
	static const struct {
		const char *principal;
		enum s3_verdict verdict;
	} rows[] = {
	        {"arn:aws:iam::a:role/r", S3_ALLOWED},
	        {"arn:aws:iam::a:role/path/r", S3_ALLOWED},
	        {"arn:aws:sts::a:assumed-role/r/me", S3_ALLOWED},
	        {"arn:aws:sts::a:assumed-role/r/you", S3_SILENT},
	        {"arn:aws:iam::a:role/s", S3_SILENT},
	        {"arn:aws:iam::b:role/r", S3_SILENT},
	        {"arn:aws:iam::a:user/r", S3_SILENT},
	        {"arn:aws:iam::a:root", S3_SILENT},
	};
	char text[256];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		struct s3_policy_ask ask = {.action = "s3:GetObject",
		        .resource = "b/k",
		        .account = "a",
		        .id = "a",
		        .user = "id:me",
		        .role = "r",
		        .session = "me"};
		snprintf(text, sizeof(text),
		        "{\"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"%s\"}, \"Action\": "
		        "\"s3:*\", \"Resource\": \"arn:aws:s3:::b/*\"}",
		        rows[i].principal);
		assert_int_equal(decide(text, NULL, ask), rows[i].verdict);
	}
}

/* Of whom a policy that tells no account speaks: names are each account's own, ids are not. */
static void without_account(void **state)
{
	static const struct {
		const char *principal;
		bool user, role;
	} rows[] = {
	        {"arn:aws:iam:::user/name", false, false},
	        {"arn:aws:iam:::user/u1", true, false},
	        {"arn:aws:iam:::user/a", false, false}, /* the project: who speaks for it */
	        {"arn:aws:iam::a:user/a", false, false},
	        {"arn:aws:iam::a:user/u1", true, false},
	        {"arn:aws:iam:::role/name", false, false},
	        {"arn:aws:iam::a:user/name", true, false},
	        {"arn:aws:iam::a:role/name", false, true},
	};
	const struct s3_policy_ask user = {.action = "s3:GetObject",
	                                   .resource = "b/k",
	                                   .account = "a",
	                                   .id = "a",
	                                   .user = "u1",
	                                   .user_name = "name"},
	                           role = {.action = "s3:GetObject",
	                                   .resource = "b/k",
	                                   .account = "a",
	                                   .id = "a",
	                                   .user = "r1:me",
	                                   .role = "name",
	                                   .session = "me"};
	char text[256];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text),
		        "{\"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"%s\"}, \"Action\": "
		        "\"s3:*\", \"Resource\": \"arn:aws:s3:::b/*\"}",
		        rows[i].principal);
		assert_int_equal(decide(text, NULL, user), rows[i].user ? S3_ALLOWED : S3_SILENT);
		assert_int_equal(decide(text, NULL, role), rows[i].role ? S3_ALLOWED : S3_SILENT);
	}
}

/* What is denied to an account is denied to all in it, also to who has none of its rights. */
static void denied_to_an_account(void **state)
{
	static const char *const principals[] = {
	        "\"Principal\": {\"AWS\": \"arn:aws:iam::a:root\"}",
	        "\"Principal\": {\"AWS\": \"a\"}", "\"Principal\": {\"CanonicalUser\": \"a\"}",
	        "\"NotPrincipal\": {\"AWS\": \"arn:aws:iam::a:root\"}"};
	const struct s3_policy_ask user = {.action = "s3:GetObject",
	        .resource = "b/k",
	        .account = "a",
	        .id = "a",
	        .user = "u1",
	        .user_name = "name"};
	char text[256];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(principals); i++) {
		snprintf(text, sizeof(text),
		        "{\"Effect\": \"Deny\", %s, \"Action\": \"s3:*\", \"Resource\": "
		        "\"arn:aws:s3:::b/*\"}",
		        principals[i]);
		assert_int_equal(decide(text, NULL, user), S3_DENIED);
	}
}

/* What nobody can ask for is a mistake of who wrote the policy of a bucket. */
static void actions_that_are_none(void **state)
{
	static const struct {
		const char *action;
		bool good;
	} rows[] = {
	        {"\"*\"", true},
	        {"\"s3:*\"", true},
	        {"\"s3:Get*\"", true},
	        {"\"s3:GetObject*\"", true},
	        {"\"S3:getobject\"", true},
	        {"[\"s3:GetObject\", \"s3:PutObject\"]", true},
	        {"\"s3:?etObject\"", true},
	        {"\"s3:ReplicateObject\"", true},
	        {"\"s3:DeleteObjectVersionTagging\"", true},
	        {"\"s3:BypassGovernanceRetention\"", true},
	        {"\"s3:GetObjects\"", false},
	        {"[\"s3:GetObject\", \"s3:HeadObject\"]", false},
	        {"\"s3:Read*\"", false},
	        {"\"s3:\"", false},
	        {"\"s3\"", false},
	        {"\"\"", false},
	        {"\"iam:GetUser\"", false},
	        {"\"s*:GetObject\"", false},
	};
	char text[256];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		AUTO(jroot) struct jroot root = JROOT_NONE;
		snprintf(text, sizeof(text),
		        "{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": "
		        "%s, \"Resource\": \"arn:aws:s3:::b/*\"}}",
		        rows[i].action);
		assert_int_equal(jread_parse(text, strlen(text), &root), ERR_OK);
		const char *wrong = s3_policy_check(root.value, "b");
		if (rows[i].good)
			assert_null(wrong);
		else
			assert_string_equal(wrong, "Policy has invalid action");
	}
}

/* Resources that are none of S3's. */
static void names(void **state)
{
	static const struct {
		const char *resource, *arn;
		enum s3_verdict verdict;
	} rows[] = {
	        {"*", "*", S3_ALLOWED},
	        {"*", "arn:aws:iam::a:user/x", S3_ALLOWED},
	        {"arn:aws:iam::a:user/*", "arn:aws:iam::a:user/t/x", S3_ALLOWED},
	        {"arn:aws:iam::a:user/t/*", "arn:aws:iam::a:user/x", S3_SILENT},
	        {"arn:aws:iam::b:user/*", "arn:aws:iam::a:user/x", S3_SILENT},
	        {"arn:aws:iam:::user/x", "arn:aws:iam::a:user/x", S3_ALLOWED},
	        {"arn:aws:iam:::user/x", "arn:aws:iam::b:user/x", S3_SILENT},
	        {"arn:aws:iam::a:user/*", "*", S3_SILENT},
	        {"arn:aws:s3:::*", "arn:aws:iam::a:user/x", S3_SILENT},
	};
	char text[256];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		const struct s3_policy_ask ask = {.action = "iam:GetUser",
		        .arn = rows[i].arn,
		        .account = "a",
		        .attached = true};
		snprintf(text, sizeof(text),
		        "{\"Effect\": \"Allow\", \"Action\": \"iam:*\", \"Resource\": \"%s\"}",
		        rows[i].resource);
		assert_int_equal(decide(text, NULL, ask), rows[i].verdict);
	}
}

/* Is it a policy of the one kind, and of the other? */
static void kinds(void **state)
{
	static const struct {
		const char *statement;
		bool attached, trust;
	} rows[] = {
	        {"\"Action\": \"s3:*\", \"Resource\": \"*\"", true, false},
	        {"\"Action\": \"sts:AssumeRole\", \"Principal\": {\"AWS\": \"a\"}", false, true},
	        {"\"Action\": \"s3:*\", \"Principal\": \"*\"", false, false},
	        {"\"Action\": \"s3:*\", \"Resource\": \"*\", \"Principal\": \"*\"", false, false},
	        {"\"Action\": \"fly\", \"Resource\": \"*\"", false, false},
	        {"\"Action\": \"s3:*\", \"Resource\": \"b\"", false, false},
	        {"\"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"Is\": {}}", false,
	                false},
	        {"\"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"Bool\": {\"a\": "
	         "[true, 1, 1.5, \"x\"], \"b\": false}}",
	                true, false},
	        {"\"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"Bool\": {\"a\": "
	         "{}}}",
	                false, false},
	        {"\"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"Bool\": {\"a\": "
	         "[null]}}",
	                false, false},
	        {"\"Action\": [], \"Resource\": \"*\"", false, false},
	        {"\"Sid\": \"a\", \"Action\": \"s3:*\", \"Resource\": \"*\"}, {\"Sid\": \"b\", "
	         "\"Effect\": \"Deny\", \"Action\": \"s3:*\", \"Resource\": \"*\"",
	                true, false},
	        {"\"Sid\": \"a\", \"Action\": \"s3:*\", \"Resource\": \"*\"}, {\"Sid\": \"a\", "
	         "\"Effect\": \"Deny\", \"Action\": \"s3:*\", \"Resource\": \"*\"",
	                false, false},
	};
	char text[512];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		AUTO(jroot) struct jroot root = JROOT_NONE;
		snprintf(text, sizeof(text), "{\"Statement\": [{\"Effect\": \"Deny\", %s}]}",
		        rows[i].statement);
		assert_int_equal(jread_parse(text, strlen(text), &root), ERR_OK);
		assert_int_equal(!s3_policy_check_attached(root.value), rows[i].attached);
		assert_int_equal(!s3_policy_check_trust(root.value), rows[i].trust);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(likes),
	        cmocka_unit_test(principals),
	        cmocka_unit_test(actions_and_resources),
	        cmocka_unit_test(values_are_no_patterns),
	        cmocka_unit_test(conditions),
	        cmocka_unit_test(several_values),
	        cmocka_unit_test(is_public),
	        cmocka_unit_test(attached),
	        cmocka_unit_test(roles),
	        cmocka_unit_test(without_account),
	        cmocka_unit_test(denied_to_an_account),
	        cmocka_unit_test(actions_that_are_none),
	        cmocka_unit_test(names),
	        cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
