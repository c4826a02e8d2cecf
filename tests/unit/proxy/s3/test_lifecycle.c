#include "proxy/s3/lifecycle.h"

#include "proxy/s3/s3.h"

#include "lib/base/auto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RULE(filter, more) "<Rule>" filter "<Status>Enabled</Status>" more "</Rule>"
#define DAYS(n)            "<Expiration><Days>" n "</Days></Expiration>"
#define PREFIX(p)          "<Filter><Prefix>" p "</Prefix></Filter>"
#define DAY                ((uint64_t)LIFECYCLE_DAY * TS_PER_SECOND)

static enum s3_error read_rules(
        const char *rules, struct arena *arena, struct lifecycle *ret, const char **ret_text)
{
	const struct xml *root;
	const char *text =
	        arena_printf(arena, "<LifecycleConfiguration>%s</LifecycleConfiguration>", rules);

	assert_int_equal(xml_parse(text, strlen(text), arena, &root), ERR_OK);
	return lifecycle_read(root, arena, ret, ret_text);
}

static void refused(void **state)
{
	static const struct {
		const char *rules;
		enum s3_error error;
		const char *text;
	} bad[] = {
	        {"", S3_MalformedXML, NULL},
	        {"<Rule/>", S3_MalformedXML, NULL},
	        {"<Other/>", S3_MalformedXML, NULL},
	        {RULE("", DAYS("1")), S3_MalformedXML, NULL},
	        {RULE("<Prefix/><Filter/>", DAYS("1")), S3_MalformedXML, NULL},
	        {RULE("<Prefix/>", DAYS("1") DAYS("1")), S3_MalformedXML, NULL},
	        {RULE("<Prefix/>", DAYS("x")), S3_MalformedXML, NULL},
	        {RULE("<Prefix/>", DAYS("99999999999")), S3_MalformedXML, NULL},
	        {RULE("<Prefix/>", "<Unknown/>"), S3_MalformedXML, NULL},
	        {RULE("<Filter><Colour>red</Colour></Filter>", DAYS("1")), S3_MalformedXML, NULL},
	        {RULE("<Prefix/>", ""), S3_InvalidRequest,
	                "At least one action needs to be specified in a rule"},
	        {RULE("<Prefix/>", DAYS("0")), S3_InvalidArgument,
	                "'Days' for Expiration action must be a positive integer"},
	        {RULE("<Prefix/>", DAYS("-1")), S3_InvalidArgument,
	                "'Days' for Expiration action must be a positive integer"},
	        {RULE("<Prefix/>", "<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>"),
	                S3_InvalidArgument, "'Date' must be at midnight GMT"},
	        {RULE("<Prefix/>", "<Expiration><Date>20300101</Date></Expiration>"),
	                S3_MalformedXML, NULL},
	        {RULE("<Prefix/>", "<Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date>"
	                           "</Expiration>"),
	                S3_MalformedXML, NULL},
	        {RULE("<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>",
	                 "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1"
	                 "</DaysAfterInitiation></AbortIncompleteMultipartUpload>"),
	                S3_InvalidRequest,
	                "AbortIncompleteMultipartUpload cannot be specified with Tags."},
	        {RULE("<Filter><And><ObjectSizeGreaterThan>2</ObjectSizeGreaterThan>"
	              "<ObjectSizeLessThan>2</ObjectSizeLessThan></And></Filter>",
	                 DAYS("1")),
	                S3_InvalidRequest,
	                "'ObjectSizeLessThan' has to be a value greater than "
	                "'ObjectSizeGreaterThan'."},
	        {RULE("<Prefix/>", DAYS("3") "<Transition><Days>3</Days><StorageClass>C"
	                                     "</StorageClass></Transition>"),
	                S3_InvalidArgument,
	                "'Days' in the Expiration action for prefix '' must be greater than 'Days' "
	                "in the Transition action"},
	        {RULE("<ID>a</ID><Prefix/>", DAYS("1")) RULE("<ID>a</ID><Prefix/>", DAYS("2")),
	                S3_InvalidArgument,
	                "Rule ID must be unique. Found same ID for more than one rule"},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(bad); i++) {
		struct lifecycle lifecycle;
		const char *text;
		struct arena arena;
		arena_init(&arena);
		assert_int_equal(read_rules(bad[i].rules, &arena, &lifecycle, &text), bad[i].error);
		if (bad[i].text)
			assert_string_equal(text, bad[i].text);
		else
			assert_null(text);
		arena_done(&arena);
	}
}

static void too_many(void **state)
{
	AUTO(buf) struct buf rules = BUF_NONE;
	struct lifecycle lifecycle;
	struct arena arena;
	const char *text;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < LIFECYCLE_RULES; i++)
		buf_str(&rules, RULE("<Prefix/>", DAYS("1")));
	assert_int_equal(read_rules(buf_text(&rules), &arena, &lifecycle, &text), S3_OK);
	assert_int_equal(lifecycle.count, LIFECYCLE_RULES);
	buf_str(&rules, RULE("<Prefix/>", DAYS("1")));
	assert_int_equal(read_rules(buf_text(&rules), &arena, &lifecycle, &text), S3_MalformedXML);
	arena_done(&arena);
}

static void due(void **state)
{
	const struct lifecycle_action two = {.set = true, .days = 2}, none = {0},
	                              dated = {.set = true, .dated = true, .date = 7 * DAY},
	                              ages = {.set = true, .days = INT32_MAX};

	(void)state;
	assert_int_equal(lifecycle_due(&two, 10 * DAY, LIFECYCLE_DAY), 12 * DAY);
	assert_int_equal(lifecycle_due(&two, 10 * DAY + 1, LIFECYCLE_DAY), 13 * DAY);
	assert_int_equal(lifecycle_due(&two, 10 * DAY + 1, 1), 10 * DAY + 1 + 2 * TS_PER_SECOND);
	assert_int_equal(lifecycle_due(&dated, 10 * DAY, LIFECYCLE_DAY), 7 * DAY);
	assert_true(lifecycle_due(&none, 10 * DAY, LIFECYCLE_DAY) == LIFECYCLE_NEVER);
	assert_true(lifecycle_due(&ages, UINT64_MAX - DAY, LIFECYCLE_DAY) == LIFECYCLE_NEVER);
}

static void first_that_expires(void **state)
{
	struct lifecycle_object object = {
	        .key = "logs/a", .tags = "a=b%20c&d=", .size = 100, .ts = 10 * DAY};
	const struct lifecycle_rule *rule = NULL;
	struct lifecycle l;
	struct arena arena;
	const char *text;

	(void)state;
	arena_init(&arena);
	assert_int_equal(
	        read_rules(RULE("<ID>all</ID><Filter/>", DAYS("9")) //
	                RULE("<ID>logs</ID>" PREFIX("logs/"), DAYS("5")) RULE(
	                        "<ID>tags</ID><Filter><And><Tag><Key>a</Key><Value>b c</Value>"
	                        "</Tag><Tag><Key>d</Key><Value/></Tag></And></Filter>",
	                        DAYS("4")) RULE("<ID>big</ID><Filter><ObjectSizeGreaterThan>100"
	                                        "</ObjectSizeGreaterThan></Filter>",
	                        DAYS("1")),
	                &arena, &l, &text),
	        S3_OK);
	assert_int_equal(lifecycle_expires(&l, &object, LIFECYCLE_DAY, &rule), 14 * DAY);
	assert_string_equal(rule->id, "tags");
	object.tags = "a=b%20c";
	assert_int_equal(lifecycle_expires(&l, &object, LIFECYCLE_DAY, &rule), 15 * DAY);
	assert_string_equal(rule->id, "logs");
	object.key = "log";
	assert_int_equal(lifecycle_expires(&l, &object, LIFECYCLE_DAY, &rule), 19 * DAY);
	object.size = 101;
	assert_int_equal(lifecycle_expires(&l, &object, LIFECYCLE_DAY, &rule), 11 * DAY);
	assert_true(lifecycle_wants_tags(&l));
	arena_done(&arena);
}

#define MOVE(days, class)                                                                          \
	"<Transition><Days>" days "</Days><StorageClass>" class "</StorageClass></Transition>"
#define MOVE_OLD(days, newer, class)                                                               \
	"<NoncurrentVersionTransition><NoncurrentDays>" days                                       \
	"</NoncurrentDays><NewerNoncurrentVersions>" newer                                         \
	"</NewerNoncurrentVersions><StorageClass>" class "</StorageClass></"                       \
	                                                 "NoncurrentVersionTransition>"
#define TAGGED "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>"
#define SIZED  "<Filter><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan></Filter>"

static void moves(void **state)
{
	static const char *const plain = RULE("<Prefix/>", MOVE("30", "WARM") MOVE("90", "COLD"));
	static const struct {
		const char *rules;
		struct lifecycle_object object;
		uint64_t newer, day, least;
		const char *class;
	} cases[] = {
	        {plain, {.size = 9}, LIFECYCLE_CURRENT, 29, 0, NULL},
	        {plain, {.size = 9}, LIFECYCLE_CURRENT, 30, 0, "WARM"},
	        {plain, {.size = 9, .class = "WARM"}, LIFECYCLE_CURRENT, 89, 0, NULL},
	        {plain, {.size = 9, .class = "WARM"}, LIFECYCLE_CURRENT, 90, 0, "COLD"},
	        {plain, {.size = 9, .class = "COLD"}, LIFECYCLE_CURRENT, 90, 0, NULL},
	        {plain, {.size = 9}, LIFECYCLE_CURRENT, 90, 0, "COLD"},
	        /* It was put there at once. */
	        {plain, {.size = 9, .class = "COLD"}, LIFECYCLE_CURRENT, 30, 0, NULL},
	        {plain, {.size = 9, .class = "OTHER"}, LIFECYCLE_CURRENT, 30, 0, "WARM"},
	        {plain, {.size = 9}, 5, 90, 0, NULL},
	        {plain, {.size = 9}, LIFECYCLE_CURRENT, 90, 10, NULL},
	        {plain, {.size = 10}, LIFECYCLE_CURRENT, 90, 10, "COLD"},
	        {RULE(SIZED, MOVE("0", "WARM")), {.size = 9}, LIFECYCLE_CURRENT, 0, 10, "WARM"},
	        {RULE(TAGGED, MOVE("2", "COLD")) RULE("<Prefix/>", MOVE("1", "WARM")),
	                {.tags = "a=b"}, LIFECYCLE_CURRENT, 9, 0, "COLD"},
	        {RULE(TAGGED, MOVE("2", "COLD")) RULE("<Prefix/>", MOVE("1", "WARM")), {.tags = ""},
	                LIFECYCLE_CURRENT, 9, 0, "WARM"},
	        /* It may have to go to where it would by its other tags. */
	        {RULE(TAGGED, MOVE("2", "COLD")) RULE("<Prefix/>", MOVE("1", "WARM")),
	                {.class = "COLD", .any_tags = true}, LIFECYCLE_CURRENT, 9, 0, "WARM"},
	        {RULE("<Prefix/>", MOVE_OLD("3", "2", "COLD")), {.size = 9}, 1, 9, 0, NULL},
	        {RULE("<Prefix/>", MOVE_OLD("3", "2", "COLD")), {.size = 9}, 2, 2, 0, NULL},
	        {RULE("<Prefix/>", MOVE_OLD("3", "2", "COLD")), {.size = 9}, 2, 3, 0, "COLD"},
	        {RULE("<Prefix/>", MOVE_OLD("3", "2", "COLD")), {.size = 9}, LIFECYCLE_CURRENT, 9,
	                0, NULL},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct lifecycle_object object = cases[i].object;
		struct lifecycle l;
		struct arena arena;
		const char *text;
		arena_init(&arena);
		object.key = "k";
		object.ts = 100 * DAY;
		assert_int_equal(read_rules(cases[i].rules, &arena, &l, &text), S3_OK);
		l.least = cases[i].least;
		const char *class = lifecycle_moves(
		        &l, &object, cases[i].newer, (100 + cases[i].day) * DAY, LIFECYCLE_DAY);
		if (cases[i].class)
			assert_string_equal(class, cases[i].class);
		else
			assert_null(class);
		arena_done(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(refused),
	        cmocka_unit_test(too_many),
	        cmocka_unit_test(due),
	        cmocka_unit_test(first_that_expires),
	        cmocka_unit_test(moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
