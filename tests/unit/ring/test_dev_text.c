#include "ring/dev_text.h"

#include "tests/lib/test.h"

static void what_people_write_is_read(void **state)
{
	static const struct {
		const char *text;
		unsigned given;
		const char *printed; /* with 0 and - for what was not given */
	} cases[] = {
	        {"d74", DEV_ID, "74 0 0 -:0 -:0 - -"},
	        {"r4", DEV_REGION, "0 4 0 -:0 -:0 - -"},
	        {"z1", DEV_ZONE, "0 0 1 -:0 -:0 - -"},
	        {"z1-1.2.3.4", DEV_ZONE | DEV_IP, "0 0 1 1.2.3.4:0 -:0 - -"},
	        {"1.2.3.4", DEV_IP, "0 0 0 1.2.3.4:0 -:0 - -"},
	        {":5678", DEV_PORT, "0 0 0 -:5678 -:0 - -"},
	        {"R5.6.7.8", DEV_REPLICATION_IP, "0 0 0 -:0 5.6.7.8:0 - -"},
	        {"R:56", DEV_REPLICATION_PORT, "0 0 0 -:0 -:56 - -"},
	        {"/sdb1", DEV_NAME, "0 0 0 -:0 -:0 sdb1 -"},
	        {"_shiny one", DEV_META, "0 0 0 -:0 -:0 - shiny one"},
	        {"[::1]:80", DEV_IP | DEV_PORT, "0 0 0 ::1:80 -:0 - -"},
	        {"[2001:DB8:0:0::1]", DEV_IP, "0 0 0 2001:db8::1:0 -:0 - -"},
	        {"d1r2z3-1.2.3.4:5R6.7.8.9:10/sdb_\"a_b\"",
	                DEV_ID | DEV_REGION | DEV_ZONE | DEV_IP | DEV_PORT | DEV_REPLICATION_IP |
	                        DEV_REPLICATION_PORT | DEV_NAME | DEV_META,
	                "1 2 3 1.2.3.4:5 6.7.8.9:10 sdb \"a_b\""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(dev_text) struct dev_text text = DEV_TEXT_NONE;
		AUTO(buf) struct buf line = BUF_NONE;
		const struct ring_dev *dev = &text.dev;
		assert_int_equal(dev_text_parse(cases[i].text, &text), ERR_OK);
		assert_int_equal(text.given, cases[i].given);
		buf_printf(&line, "%u %u %u %s:%u %s:%u %s %s", dev->id, dev->region, dev->zone,
		        dev->ip ? dev->ip : "-", dev->port,
		        dev->replication_ip ? dev->replication_ip : "-", dev->replication_port,
		        dev->device ? dev->device : "-", dev->meta ? dev->meta : "-");
		assert_string_equal(buf_text(&line), cases[i].printed);
	}
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const cases[] = {"", "-", "d", "dx", "rz1", "z1x", "1.2.3", "1.2.3.4.5",
	        "[::1", "[zz]", ":", "z1r2", "/", "/ sdb", "/sdb ", "999.1.1.1", "d1 ",
	        "d99999999999", "z1-host:6200/sdb", "R"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(dev_text) struct dev_text text = DEV_TEXT_NONE;
		if (dev_text_parse(cases[i], &text) != ERR_BAD_REQUEST)
			fail_msg("'%s' was taken", cases[i]);
	}
}

static void options_are_checked(void **state)
{
	static const struct {
		enum dev_field field;
		const char *value;
		enum err err;
	} cases[] = {
	        {DEV_PORT, "6200", ERR_OK},
	        {DEV_PORT, "65536", ERR_BAD_REQUEST},
	        {DEV_PORT, "", ERR_BAD_REQUEST},
	        {DEV_IP, "Storage-1.example.com", ERR_OK},
	        {DEV_IP, "-x", ERR_BAD_REQUEST},
	        {DEV_IP, "a..b", ERR_BAD_REQUEST},
	        {DEV_IP, "FE80::1", ERR_OK},
	        {DEV_WEIGHT, "1.5", ERR_OK},
	        {DEV_WEIGHT, "-1", ERR_BAD_REQUEST},
	        {DEV_WEIGHT, "nan", ERR_BAD_REQUEST},
	        {DEV_NAME, "", ERR_BAD_REQUEST},
	        {DEV_META, "", ERR_OK},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(dev_text) struct dev_text text = DEV_TEXT_NONE;
		assert_int_equal(dev_text_set(&text, cases[i].field, cases[i].value), cases[i].err);
	}
}

static void a_search_matches_all_it_names(void **state)
{
	static const struct {
		const char *search;
		bool matches;
	} cases[] = {{"d3", true}, {"d4", false}, {"r1z2", true}, {"r1z3", false},
	        {"10.0.0.1:6200", true}, {":6201", false}, {"/sdb", true}, {"/sd", false},
	        {"_hin", true}, {"_thin", false}, {"d3r1z2-10.0.0.1:6200R10.1.0.1:6300/sdb", true}};
	char ip[] = "10.0.0.1", replication_ip[] = "10.1.0.1", name[] = "sdb",
	     meta[] = "shiny hint";
	const struct ring_dev dev = {.id = 3,
	        .region = 1,
	        .zone = 2,
	        .ip = ip,
	        .port = 6200,
	        .replication_ip = replication_ip,
	        .replication_port = 6300,
	        .device = name,
	        .meta = meta};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(dev_text) struct dev_text text = DEV_TEXT_NONE;
		assert_int_equal(dev_text_parse(cases[i].search, &text), ERR_OK);
		assert_int_equal(dev_text_matches(&text, &dev), cases[i].matches);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_people_write_is_read),
	        cmocka_unit_test(what_makes_no_sense_is_refused),
	        cmocka_unit_test(options_are_checked),
	        cmocka_unit_test(a_search_matches_all_it_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
