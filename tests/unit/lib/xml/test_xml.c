#include "lib/base/buf.h"
#include "lib/xml/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum err parse(struct arena *arena, const char *text, const struct xml **ret_root)
{
	return xml_parse(text, strlen(text), arena, ret_root);
}

static void tree(void **state)
{
	const struct xml *root, *item;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	assert_int_equal(parse(&arena,
	                         "<?xml version=\"1.0\"?><a:List xmlns:a=\"urn:x\"><Key> a&amp;b "
	                         "</Key><Key>\xc3\xa4<![CDATA[<c>]]></Key>"
	                         "<Who xmlns:i=\"urn:y\" i:type=\"User\"/><!-- no --></a:List>",
	                         &root),
	        ERR_OK);
	assert_string_equal(root->name, "List");
	item = xml_child(root, "Key");
	assert_string_equal(item->text, " a&b ");
	item = xml_next(item);
	assert_string_equal(item->text, "\xc3\xa4<c>");
	assert_null(xml_next(item));
	assert_string_equal(xml_attribute(xml_child(root, "Who"), "type"), "User");
	assert_null(xml_attribute(xml_child(root, "Who"), "other"));
	assert_string_equal(xml_text(root, "Who"), "");
	assert_null(xml_text(root, "None"));
	assert_null(xml_text(NULL, "None"));
	arena_done(&arena);
}

static void refusals(void **state)
{
	static const char *const cases[] = {"", "<a>", "<a></b>", "text", "<a>&nothing;</a>",
	        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
	        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
	        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>", "<a>\x01</a>",
	        "<a/><b/>", "<a>\xff</a>"};
	const struct xml *root;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(parse(&arena, cases[i], &root), ERR_FORMAT);
	arena_done(&arena);
}

static void bounds(void **state)
{
	AUTO(buf) struct buf deep = BUF_NONE, wide = BUF_NONE;
	const struct xml *root;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i <= XML_DEPTH_MAX; i++)
		buf_str(&deep, "<a>");
	for (unsigned i = 0; i <= XML_DEPTH_MAX; i++)
		buf_str(&deep, "</a>");
	assert_int_equal(parse(&arena, buf_text(&deep), &root), ERR_TOO_LARGE);
	assert_int_equal(
	        xml_parse(deep.data + 3, deep.len - 7, &arena, &root), ERR_OK); /* one less */
	buf_str(&wide, "<a>");
	for (unsigned i = 0; i < XML_ELEMENTS_MAX; i++)
		buf_str(&wide, "<b/>");
	buf_str(&wide, "</a>");
	assert_int_equal(parse(&arena, buf_text(&wide), &root), ERR_TOO_LARGE);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(tree),
	        cmocka_unit_test(refusals),
	        cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
