#include "tests/lib/test.h"

#include "lib/rest/fields.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct thing {
	struct record record;
	const char *id, *name, *kind, *options, *secret;
	int64_t size;
	bool enabled;
};

static const char *const kinds[] = {"big", "small", NULL};
static const struct field items[] = {
        {"id", FIELD_TEXT, offsetof(struct thing, id), 0, 0, 0, NULL},
        {"name", FIELD_TEXT, offsetof(struct thing, name),
                FIELD_CREATE | FIELD_UPDATE | FIELD_REQUIRED | FIELD_FILTER, 1, 5, NULL},
        {"kind", FIELD_TEXT, offsetof(struct thing, kind), FIELD_CREATE | FIELD_NULL, 0, 0, kinds},
        {"options", FIELD_JSON, offsetof(struct thing, options),
                FIELD_CREATE | FIELD_UPDATE | FIELD_NULL, 0, 0, NULL},
        {"secret", FIELD_TEXT, offsetof(struct thing, secret),
                FIELD_CREATE | FIELD_HIDDEN | FIELD_UNSTORED, 0, 0, NULL},
        {"size", FIELD_INT, offsetof(struct thing, size), FIELD_CREATE | FIELD_UPDATE, -2, 10,
                NULL},
        {"enabled", FIELD_BOOL, offsetof(struct thing, enabled), FIELD_CREATE | FIELD_UPDATE, 0, 0,
                NULL},
};
static const struct fields fields = {.name = "thing",
        .plural = "things",
        .table = "thing",
        .items = items,
        .count = COUNT_OF(items),
        .extra = true};
static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

static enum err give(const struct fields *of, const char *json, enum fields_for what,
        struct thing *thing, struct buf *error)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;

	assert_int_equal(jread_parse(json, strlen(json), &root), ERR_OK);
	return fields_read(of, root.value, what, &arena, thing, error);
}

static void shows(const struct thing *thing, const char *json)
{
	AUTO(buf) struct buf text = BUF_NONE;
	struct jout out = {.out = &text};

	jout_object(&out, NULL);
	fields_show(&fields, thing, &out);
	jout_end_object(&out);
	assert_string_equal(buf_text(&text), json);
}

static void test_what_is_given(void **state)
{
	AUTO(buf) struct buf error = BUF_NONE;
	struct thing thing = {.id = "i", .enabled = true};

	(void)state;
	assert_int_equal(give(&fields,
	                         "{\"name\": \"\u2603\u2603\u2603\u2603\u2603\", \"size\": -2, "
	                         "\"secret\": \"s\", \"x\": [1, {}], \"y\": \"z\"}",
	                         FOR_CREATE, &thing, &error),
	        ERR_OK);
	assert_true(field_given(&thing, 1) && field_given(&thing, 5) && !field_given(&thing, 6));
	shows(&thing,
	        "{\"id\": \"i\", \"name\": \"\\u2603\\u2603\\u2603\\u2603\\u2603\", \"kind\": "
	        "null, \"options\": null, \"size\": -2, \"enabled\": true, \"x\": [1,{}], "
	        "\"y\": \"z\"}");
	assert_int_equal(
	        give(&fields,
	                "{\"enabled\": false, \"options\": {\"a\": 1}, \"x\": null, \"y\": "
	                "1}",
	                FOR_UPDATE, &thing, &error),
	        ERR_OK);
	shows(&thing,
	        "{\"id\": \"i\", \"name\": \"\\u2603\\u2603\\u2603\\u2603\\u2603\", \"kind\": "
	        "null, \"options\": {\"a\":1}, \"size\": -2, \"enabled\": false, \"y\": 1}");
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *json;
		enum fields_for what;
		const char *error;
	} cases[] = {
	        {"[]", FOR_CREATE, "thing"},
	        {"{}", FOR_CREATE, "'name' is a required"},
	        {"{\"name\": null}", FOR_CREATE, "'name': wants a value"},
	        {"{\"name\": 1}", FOR_CREATE, "'name': wants a string"},
	        {"{\"name\": \"\"}", FOR_CREATE, "1 to 5 char"},
	        {"{\"name\": \"abcdef\"}", FOR_CREATE, "1 to 5 char"},
	        {"{\"name\": \"a\", \"kind\": \"odd\"}", FOR_CREATE, "one of big small"},
	        {"{\"name\": \"a\", \"kind\": 5}", FOR_CREATE, "a string or null"},
	        {"{\"name\": \"a\", \"size\": \"1\"}", FOR_CREATE, "whole number"},
	        {"{\"name\": \"a\", \"size\": 1.5}", FOR_CREATE, "whole number"},
	        {"{\"name\": \"a\", \"size\": 11}", FOR_CREATE, "from -2 to 10"},
	        {"{\"name\": \"a\", \"enabled\": \"true\"}", FOR_CREATE, "true or false"},
	        {"{\"name\": \"a\", \"options\": []}", FOR_CREATE, "an object"},
	        {"{\"name\": \"a\", \"id\": \"x\"}", FOR_CREATE, "'id': it cannot be given"},
	        {"{\"kind\": \"big\"}", FOR_UPDATE, "'kind': it cannot be changed"},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf) struct buf error = BUF_NONE;
		struct thing thing = {.id = "i"};
		assert_int_equal(give(&fields, cases[i].json, cases[i].what, &thing, &error),
		        ERR_BAD_REQUEST);
		if (!strstr(buf_text(&error), cases[i].error))
			fail_msg("%s: %s", cases[i].json, buf_text(&error));
	}
	struct fields closed = fields;
	struct thing thing = {.id = "i"};
	AUTO(buf) struct buf error = BUF_NONE;
	closed.extra = false;
	assert_int_equal(give(&closed, "{\"name\": \"a\", \"x\": 1}", FOR_CREATE, &thing, &error),
	        ERR_BAD_REQUEST);
}

static const char *const steps[] = {
        "CREATE TABLE thing (id VARCHAR(64) PRIMARY KEY, name VARCHAR(255), kind VARCHAR(8), "
        "options TEXT, size BIGINT, enabled BIGINT, extra TEXT)"};
static const struct db_schema schema = {"things", steps, COUNT_OF(steps)};

static enum err use_rows(struct db_tx *tx, void *arg)
{
	struct thing one = {.record = {.extra = "{\"x\":1}"},
	        .id = "1",
	        .name = "n'",
	        .size = INT64_MIN,
	        .enabled = true};
	struct thing got = {.kind = "not so"};

	(void)arg;
	assert_int_equal(fields_insert(&fields, tx, &one), ERR_OK);
	assert_int_equal(fields_insert(&fields, tx, &one), ERR_EXISTS);
	one.kind = "big";
	assert_int_equal(fields_find(&fields, tx, "1", &arena, &got), ERR_OK);
	assert_true(got.kind == NULL && got.enabled && got.size == INT64_MIN);
	assert_string_equal(got.name, "n'");
	assert_string_equal(got.record.extra, "{\"x\":1}");
	one.record.extra = NULL;
	assert_int_equal(fields_update(&fields, tx, &one), ERR_OK);
	assert_int_equal(fields_find(&fields, tx, "1", &arena, &got), ERR_OK);
	assert_true(got.record.extra == NULL);
	assert_string_equal(got.kind, "big");
	assert_int_equal(fields_delete(&fields, tx, "1"), ERR_OK);
	assert_int_equal(fields_delete(&fields, tx, "1"), ERR_NOT_FOUND);
	assert_int_equal(fields_update(&fields, tx, &one), ERR_NOT_FOUND);
	return fields_find(&fields, tx, "1", &arena, &got);
}

static void test_rows(void **state)
{
	AUTO(buf) struct buf error = BUF_NONE;
	AUTO(buf) struct buf url = BUF_NONE;
	char dir[] = "/tmp/cairn-fields-XXXXXX", command[64];
	struct db *db;

	(void)state;
	assert_non_null(mkdtemp(dir));
	buf_printf(&url, "sqlite://%s/db", dir);
	assert_int_equal(db_new(buf_text(&url), &db, &error), ERR_OK);
	assert_int_equal(db_upgrade(db, &schema, &error), ERR_OK);
	assert_int_equal(db_run(db, DB_WRITE, use_rows, NULL), ERR_NOT_FOUND);
	db_free(db);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_what_is_given, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_what_is_refused, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
