/* What clusters share a key, where a container may be synced to, and what signs it. */
#include "tests/lib/test.h"

#include "proxy/unit/sync_realms.h"

static const char text[] =
        "# clusters\n[DEFAULT]\nmtime_check_interval = 5\n\n[us]\nkey = one key\n"
        "Key2: another=key\ncluster_dfw1 = http://dfw1.host/v1/\n[No-Key]\n"
        "cluster_a = http://a/v1\n";

static bool leads(struct sync_realms *realms, const char *value, const char *url)
{
	AUTO(buf) struct buf error = BUF_NONE;
	struct sync_target target = {0};
	bool good = sync_target_parse(realms, value, &target, &error);

	good = good && (!url || strcmp(buf_text(&target.url), url) == 0);
	buf_done(&target.url);
	return good;
}

static void realms_are_read_as_swift_reads_them(void **state)
{
	struct sync_realms realms = {0};
	AUTO(buf) struct buf error = BUF_NONE;

	(void)state;
	assert_true(sync_realms_parse(text, &realms, &error));
	assert_int_equal(realms.count, 2);
	const struct sync_realm *us = sync_realm_find(&realms, "uS");
	assert_string_equal(us->name, "US");
	assert_string_equal(us->key, "one key");
	assert_string_equal(us->key2, "another=key");
	assert_int_equal(us->cluster_count, 1);
	assert_string_equal(us->clusters[0].name, "DFW1");
	assert_null(sync_realm_find(&realms, "DEFAULT"));
	sync_realms_done(&realms);
}

static void what_is_no_such_file_is_told_by_its_line(void **state)
{
	static const char *const bad[] = {"key = x", "[us", "[]", "[us]\nkey", "[us]\n[US]",
	        "[a\"b]", "[us]\ncluster_a\"b = x"};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(bad); i++) {
		struct sync_realms realms = {0};
		AUTO(buf) struct buf error = BUF_NONE;
		assert_false(sync_realms_parse(bad[i], &realms, &error));
		assert_non_null(strstr(buf_text(&error), "line "));
		sync_realms_done(&realms);
	}
}

static void containers_are_synced_to_clusters_of_realms_and_to_hosts_that_are_allowed(void **state)
{
	static const char *const bad[] = {"//us/dfw1/a", "//us/dfw1/a/c/o", "//eu/dfw1/a/c",
	        "//us/ord1/a/c", "//no-key/a/a/c", "ftp://good/v1/a/c", "http://good",
	        "http://bad/v1/a/c", "http://good@bad/v1/a/c", "http://good:80@bad/v1/a/c",
	        "http://good/v1/a/c?x", "/v1/a/c", "http://good\\@bad/v1/a/c"};
	struct sync_realms realms = {0};
	AUTO(buf) struct buf error = BUF_NONE;

	(void)state;
	assert_true(sync_realms_parse(text, &realms, &error));
	realms.hosts = strdup("other, good");
	assert_true(leads(&realms, "//us/dfw1/AUTH_x/c", "http://dfw1.host/v1/AUTH_x/c"));
	assert_true(leads(&realms, "//Us/Dfw1/AUTH_x/c//", "http://dfw1.host/v1/AUTH_x/c"));
	assert_true(leads(&realms, "http://GOOD:81/v1/a/c/", "http://GOOD:81/v1/a/c"));
	assert_true(leads(&realms, "/", ""));
	for (unsigned i = 0; i < COUNT_OF(bad); i++)
		assert_false(leads(&realms, bad[i], NULL));
	sync_realms_done(&realms);
}

/* Made by Python's hmac module. */
static void signatures_are_those_of_swift(void **state)
{
	char made[SYNC_SIGNATURE_SIZE];

	(void)state;
	sync_sign(
	        "GET", "/some/path", "1387212345.67890", "my_nonce", "realm_key", "user_key", made);
	assert_string_equal(made, "5a6eb486eb7b44ae1b1f014187a94529c3f9c8f9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(realms_are_read_as_swift_reads_them),
	        cmocka_unit_test(what_is_no_such_file_is_told_by_its_line),
	        cmocka_unit_test(
	                containers_are_synced_to_clusters_of_realms_and_to_hosts_that_are_allowed),
	        cmocka_unit_test(signatures_are_those_of_swift),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
