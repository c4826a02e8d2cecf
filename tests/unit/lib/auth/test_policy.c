#include "tests/lib/test.h"

#include "lib/auth/policy.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct policy_fact caller_facts[] = {
        {"role", "Member"},
        {"role", "reader"},
        {"user_id", "u1"},
        {"project_id", "p1"},
        {"domain_id", NULL},
        {"is_admin", "False"},
};
static const struct policy_fact target_facts[] = {
        {"target.user.id", "u1"},
        {"target.user.domain_id", "d1"},
        {"target.project.id", "p2"},
        {"target.trust.none", NULL},
        {"role_name", "READER"},
        {"100", "x"},
};
static const struct policy_facts caller = {caller_facts, COUNT_OF(caller_facts)},
                                 target = {target_facts, COUNT_OF(target_facts)};

static enum err allows(const char *check, bool *ret_allows)
{
	const struct policy_rule rules[] = {{"it", check, "It.", "GET /it"},
	        {"owner", "user_id:%(target.user.id)s", NULL, NULL}, {"nobody", "!", NULL, NULL}};
	AUTO(buf) struct buf error = BUF_NONE;
	struct policy *policy;
	enum err err = policy_new(rules, COUNT_OF(rules), NULL, &policy, &error);

	if (err) {
		assert_true(error.len > 0);
		return err;
	}
	*ret_allows = policy_allows(policy, "it", caller, target);
	assert_false(policy_allows(policy, "another", caller, target));
	policy_free(policy);
	return ERR_OK;
}

static void test_checks(void **state)
{
	static const struct {
		const char *check;
		bool allows;
	} cases[] = {
	        {"", true},
	        {"  ", true},
	        {"@", true},
	        {"!", false},
	        {"not !", true},
	        {"not (@ and !)", true},
	        {"role:member", true},
	        {"role:MEMBER", true},
	        {"role:admin", false},
	        {"role:%(role_name)s", true},
	        {"rule:owner", true},
	        {"rule:nobody", false},
	        {"rule:owner and not rule:nobody", true},
	        {"user_id:u1", true},
	        {"user_id:U1", false},
	        {"user_id:%(target.user.id)s", true},
	        {"user_id:%(target.user.domain_id)s", false},
	        {"user_id:%(target.group.id)s", false},
	        {"project_id:%(target.project.id)s", false},
	        {"domain_id:None", true},
	        {"None:%(target.trust.none)s", true},
	        {"None:%(target.user.id)s", false},
	        {"'d1':%(target.user.domain_id)s", true},
	        {"\"d1\":%(target.user.domain_id)s", true},
	        {"'d2':%(target.user.domain_id)s", false},
	        {"is_admin:False", true},
	        {"is_admin:1", false},
	        {"1:1", true},
	        {"True:True", true},
	        {"nothing:None", false},
	        {"'a b':a", false},
	        {"@ or ! and !", true},
	        {"! and ! or @", true},
	        {"(@ or !) and !", false},
	        {"!or:x or @", true},
	        {"NOT ! AND @", true},
	        {"((role:member))", true},
	        {"(user_id:%(target.user.id)s)and(@)", true},
	        {"'100%':100%%", true},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		bool it = !cases[i].allows;
		if (allows(cases[i].check, &it) || it != cases[i].allows)
			fail_msg("%s", cases[i].check);
	}
}

static void test_what_is_no_check(void **state)
{
	static const char *const cases[] = {"role", ":x", "and", "@ @", "@ and", "or @", "(@", "@)",
	        "()", "not", "rule:none", "rule:it", "http://a/b", "https:x", "@ xor @"};
	char deep[300], many[9001];
	bool it;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		if (allows(cases[i], &it) != ERR_CONFIG)
			fail_msg("%s", cases[i]);
	}
	memset(deep, '(', 200);
	deep[200] = 0;
	assert_int_equal(allows(deep, &it), ERR_CONFIG);
	for (unsigned i = 0; i < sizeof(many) - 1; i += 5)
		memcpy(many + i, "@ or ", 5);
	many[sizeof(many) - 1] = 0;
	assert_int_equal(allows(many, &it), ERR_CONFIG);
}

static const struct policy_rule rules[] = {
        {"admin", "role:admin", NULL, NULL},
        {"thing:get", "rule:admin", "See a thing.", "GET /things/{id}, HEAD /things/{id}"},
        {"thing:delete", "rule:admin", "Delete a thing.", "DELETE /things/{id}"},
};

static enum err with_file(const char *text, struct policy **ret_policy, struct buf *error)
{
	char path[] = "/tmp/cairn-policy-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	enum err err = policy_new(rules, COUNT_OF(rules), path, ret_policy, error);
	unlink(path);
	return err;
}

static void test_a_file_replaces_rules(void **state)
{
	static const char *const files[] = {
	        "# mine\n\"thing:get\": \"rule:mine\"\n\"mine\": \"role:reader\"\n",
	        "{\"thing:get\": [[\"rule:admin\"], [\"role:reader\", \"user_id:u1\"]]}",
	        "thing:get: 'role:reader'",
	};
	AUTO(buf) struct buf error = BUF_NONE;
	struct policy *policy;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(files); i++) {
		assert_int_equal(with_file(files[i], &policy, &error), ERR_OK);
		assert_true(policy_allows(policy, "thing:get", caller, target));
		assert_false(policy_allows(policy, "thing:delete", caller, target));
		policy_free(policy);
	}
	assert_int_equal(with_file("# nothing\n", &policy, &error), ERR_OK);
	policy_free(policy);
}

static void test_what_is_wrong_in_a_file(void **state)
{
	static const char *const files[][2] = {
	        {"a: b: c", ":1: "},
	        {"- x", ":1: wants lines"},
	        {"\n\"thing:get\": \"role\"", ":2: thing:get: "},
	        {"\"thing:get\": {a: b}", ":1: thing:get: wants a text"},
	        {"x: '@'\nx: '!'", ":2: x: is there twice"},
	        {"x: 'rule:y'\ny: 'rule:x'", "names itself"},
	        {"x: 'rule:z'", ":1: x: there is no rule \"z\""},
	        {"x: [[[a]]]", "wants a text"},
	};
	struct policy *policy;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(files); i++) {
		AUTO(buf) struct buf error = BUF_NONE;
		assert_int_equal(with_file(files[i][0], &policy, &error), ERR_CONFIG);
		if (!strstr(buf_text(&error), files[i][1]))
			fail_msg("%s", buf_text(&error));
	}
	AUTO(buf) struct buf error = BUF_NONE;
	assert_int_equal(
	        policy_new(rules, COUNT_OF(rules), "/nowhere/x", &policy, &error), ERR_CONFIG);
}

static void test_printed(void **state)
{
	AUTO(buf) struct buf out = BUF_NONE;

	(void)state;
	policy_print(&out, rules + 1, 1);
	assert_string_equal(buf_text(&out),
	        "# See a thing.\n# GET /things/{id}\n# HEAD /things/{id}\n"
	        "#\"thing:get\": \"rule:admin\"\n\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_checks),
	        cmocka_unit_test(test_what_is_no_check),
	        cmocka_unit_test(test_a_file_replaces_rules),
	        cmocka_unit_test(test_what_is_wrong_in_a_file),
	        cmocka_unit_test(test_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
