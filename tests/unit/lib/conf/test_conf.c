#include "tests/lib/test.h"

#include "lib/conf/conf.h"

struct values {
	const char *name;
	uint64_t size;
	bool on;
	struct conf_list users;
};

static const struct conf_option options[] = {
        {"node", "name", CONF_TEXT, offsetof(struct values, name), "x", 0, 0, CONF_RESTART,
                "Name."},
        {"node", "size", CONF_U64, offsetof(struct values, size), "4K", 1, 1 << 20, CONF_RESTART,
                "Size."},
        {"node", "on", CONF_BOOL, offsetof(struct values, on), "no", 0, 0, CONF_RELOAD, "On?"},
        {"auth", "user", CONF_LIST, offsetof(struct values, users), NULL, 0, 0, CONF_RESTART,
                "User."},
};

static enum err load(const char *text, struct values *values, struct buf *error, struct conf **conf)
{
	char path[512];
	const char *dir = test_tmpdir();

	snprintf(path, sizeof(path), "%s/a.conf", dir);
	FILE *file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
	enum err err = conf_load(path, options, COUNT_OF(options), values, error, conf);
	test_tmpdir_remove(dir);
	return err;
}

static void a_file_fills_the_struct(void **state)
{
	struct values v = {0};
	struct conf *conf = NULL;
	AUTO(buf) struct buf error = BUF_NONE;

	(void)state;
	assert_int_equal(load("# note\n[node]\nsize = 2k\non=yes\n[auth]\nuser = a b\nuser=c\n", &v,
	                         &error, &conf),
	        ERR_OK);
	assert_string_equal(v.name, "x");
	assert_int_equal(v.size, 2048);
	assert_true(v.on);
	assert_int_equal(v.users.count, 2);
	assert_string_equal(v.users.items[0], "a b");
	conf_free(conf);
}

static void a_mistake_names_its_line(void **state)
{
	static const struct {
		const char *text, *where;
	} cases[] = {
	        {"[node]\nsize = many\n", ":2: expected a number, not 'many'"},
	        {"[node]\nsize = 2G\n", ":2: size must be between"},
	        {"[node]\n\nfoo = 1\n", ":3: no option of that name"},
	        {"[nude]\n", ":1: no section of that name"},
	        {"[node]\non = perhaps\n", ":2: expected yes or no"},
	        {"size = 1\n", ":1: option outside a section"},
	        {"[node]\nsize\n", ":2: expected key = value"},
	        {"[node]\nsize = 1\nsize = 2\n", ":3: given twice"},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct values v = {0};
		struct conf *conf = NULL;
		AUTO(buf) struct buf error = BUF_NONE;
		assert_int_equal(load(cases[i].text, &v, &error, &conf), ERR_CONFIG);
		assert_non_null(strstr(buf_text(&error), cases[i].where));
	}
}

static void the_printed_file_reads_back(void **state)
{
	struct values v = {0};
	struct conf *conf = NULL;
	AUTO(buf) struct buf text = BUF_NONE;
	AUTO(buf) struct buf error = BUF_NONE;

	(void)state;
	conf_print(&text, options, COUNT_OF(options));
	assert_int_equal(load(buf_text(&text), &v, &error, &conf), ERR_OK);
	assert_int_equal(v.size, 4096);
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_file_fills_the_struct),
	        cmocka_unit_test(a_mistake_names_its_line),
	        cmocka_unit_test(the_printed_file_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
