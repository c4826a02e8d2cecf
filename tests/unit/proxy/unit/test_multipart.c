/* Bodies of forms, in pieces of every size. */
#include "tests/lib/test.h"

#include "proxy/unit/multipart.h"
#include <string.h>

/* What a body is: "P(name)", "D..." joined, "E" for each part, then "." or "!". */
static void read_all(const char *boundary, const char *body, size_t step, struct buf *out)
{
	struct multipart m;
	size_t at = 0, len = strlen(body);
	const char *data;
	size_t data_len;

	multipart_init(&m, boundary);
	for (;;) {
		switch (multipart_next(&m, &data, &data_len)) {
		case MULTIPART_MORE:
			if (at == len) {
				buf_str(out, "?");
				multipart_done(&m);
				return;
			}
			multipart_feed(&m, body + at, step < len - at ? step : len - at);
			at += step < len - at ? step : len - at;
			break;
		case MULTIPART_PART:
			buf_printf(out, "P(%s)",
			        multipart_header(&m, "x-name") ? multipart_header(&m, "x-name")
			                                       : "");
			break;
		case MULTIPART_DATA:
			buf_add(out, data, data_len);
			break;
		case MULTIPART_PART_END:
			buf_str(out, "E");
			break;
		case MULTIPART_END:
			buf_str(out, ".");
			multipart_done(&m);
			return;
		case MULTIPART_BAD:
			buf_printf(out, "! %s", m.fault);
			multipart_done(&m);
			return;
		}
	}
}

static void expect(const char *body, const char *events)
{
	for (size_t step = 1; step < 40; step++) {
		AUTO(buf) struct buf out = BUF_NONE;
		read_all("b", body, step, &out);
		assert_string_equal(buf_text(&out), events);
	}
}

static void parts_come_one_after_the_other(void **state)
{
	(void)state;
	expect("--b\r\nX-Name: a\r\n\r\none\r\n--b\r\nx-name:b \r\nOther: "
	       "x\r\n\r\ntwo\r\n--b--\r\n",
	        "P(a)oneEP(b)twoE.");
	expect("\r\n\r\n--b\n\n\r\n--b--", "P()E.");
	expect("--b\r\nX-Name: a\r\n\r\n\r\n--b--epilogue", "P(a)E.");
	expect("--b\r\n\r\n\r\n\r\n--b--", "P()\r\nE.");
}

static void what_looks_like_an_end_is_data(void **state)
{
	(void)state;
	expect("--b\r\n\r\n--b\r\n\r\n--b--", "P()--b\r\nE.");
	expect("--b\r\n\r\na\r\n--\r\n-b\n--b\r\r\n--b--", "P()a\r\n--\r\n-b\n--b\rE.");
	expect("--b\r\n\r\n\r\n\r\n\r\n-\r\n--b--", "P()\r\n\r\n\r\n-E.");
}

static void what_is_cut_short_has_no_end(void **state)
{
	(void)state;
	expect("", "?");
	expect("\r", "?");
	expect("--", "?");
	expect("--b", "?");
	expect("--b\r", "?");
	expect("--b\r\nX-Name: a\r\n", "?");
	expect("--b\r\n\r\nabc", "P()?");
	expect("--b\r\n\r\nabc\r\n--b", "P()abc?");
	expect("--b\r\n\r\nabc\r\n--b-", "P()abc?");
}

static void bad_ones_are_told(void **state)
{
	static const char *const starts[] = {
	        "x", "--c\r\n", "--b--\r\n", "--bb\r\n", "a\r\n--b\r\n", "\n--b\r\n", "--b \r\n"};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(starts); i++)
		expect(starts[i], "! invalid starting boundary");
	AUTO(buf) struct buf body = BUF_NONE;
	AUTO(buf) struct buf out = BUF_NONE;
	buf_str(&body, "--b\r\nX-Name: ");
	for (unsigned i = 0; i < MULTIPART_HEADERS_MAX; i++)
		buf_char(&body, 'a');
	read_all("b", buf_text(&body), 100, &out);
	assert_string_equal(buf_text(&out), "! headers of a part are too long");
}

static void headers_go_on_in_the_next_line(void **state)
{
	(void)state;
	expect("--b\r\nX-Name: a\r\n\tb\r\n c\r\nnone\r\n: x\r\n\r\n\r\n--b--", "P(a\tb c)E.");
}

static void attributes(void **state)
{
	static const struct {
		const char *text, *name, *value;
	} cases[] = {{"form-data; name=\"a\"; filename=\"b\"", "name", "a"},
	        {"form-data; name=\"a\"; filename=\"b\"", "filename", "b"},
	        {"form-data;name=a;filename=b c", "filename", "b c"},
	        {"form-data; filename=\"a;b=\\\"c\"; name=x", "filename", "a;b=\\\"c"},
	        {"form-data; filename=\"a\"b\"", "filename", "a\"b"},
	        {"form-data; filename=\"a", "filename", NULL},
	        {"form-data; filename=\"\"", "filename", ""},
	        {"form-data; name=1; name=2", "name", "2"}, {"form-data; name", "name", NULL},
	        {"form-data", "name", NULL}, {"", "name", NULL}, {"x; ; name=a", "name", NULL},
	        {"x; Name=a", "name", NULL}, {"x;name=;a=b", "a", NULL}};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		const char *value = attribute_get(&arena, cases[i].text, cases[i].name);
		if (cases[i].value)
			assert_string_equal(value ? value : "(none)", cases[i].value);
		else
			assert_null(value);
	}
	arena_done(&arena);
	assert_true(attribute_value_is("form-data ;x=y", "form-data"));
	assert_false(attribute_value_is("form-data2", "form-data"));
	assert_false(attribute_value_is(NULL, "form-data"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(parts_come_one_after_the_other),
	        cmocka_unit_test(what_looks_like_an_end_is_data),
	        cmocka_unit_test(what_is_cut_short_has_no_end),
	        cmocka_unit_test(bad_ones_are_told),
	        cmocka_unit_test(headers_go_on_in_the_next_line),
	        cmocka_unit_test(attributes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
