#include "lib/json/jout.h"
#include "lib/json/jread.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 character at text, with its code point; 0 when it is malformed. */
static size_t utf8_read(const unsigned char *text, uint32_t *ret_code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = text[0] < 0x80             ? 1
	             : (text[0] & 0xe0) == 0xc0 ? 2
	             : (text[0] & 0xf0) == 0xe0 ? 3
	             : (text[0] & 0xf8) == 0xf0 ? 4
	                                        : 0;
	uint32_t code = len == 1 ? text[0] : len ? text[0] & (0xffu >> (len + 1)) : 0;

	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (len == 0 || code < smallest[len] || code > 0x10ffff || (code & 0xfffff800) == 0xd800)
		return 0;
	*ret_code = code;
	return len;
}

static void code_out(struct buf *buf, uint32_t code)
{
	if (code == '"' || code == '\\')
		buf_printf(buf, "\\%c", (char)code);
	else if (code >= 0x20 && code < 0x7f)
		buf_char(buf, (char)code);
	else if (code < 0x10000)
		buf_printf(buf, "\\u%04x", code);
	else
		buf_printf(buf, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
		        0xdc00 + ((code - 0x10000) & 0x3ff));
}

void jout_ascii(struct buf *buf, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	buf_char(buf, '"');
	while (*at) {
		uint32_t code = 0xfffd;
		size_t len = utf8_read(at, &code);
		code_out(buf, code);
		at += len ? len : 1;
	}
	buf_char(buf, '"');
}

void jout_f64(struct buf *buf, double number)
{
	char text[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	buf_str(buf, text);
	if (!strpbrk(text, ".e"))
		buf_str(buf, ".0");
}

/* --- the writer --- */

static void begin(struct jout *j, const char *name)
{
	if (j->more)
		buf_str(j->out, ", ");
	j->more = true;
	if (!name)
		return;
	jout_ascii(j->out, name);
	buf_str(j->out, ": ");
}

static void open(struct jout *j, const char *name, char c)
{
	begin(j, name);
	buf_char(j->out, c);
	j->more = false;
}

static void end(struct jout *j, char c)
{
	buf_char(j->out, c);
	j->more = true;
}

void jout_object(struct jout *j, const char *name)
{
	open(j, name, '{');
}

void jout_array(struct jout *j, const char *name)
{
	open(j, name, '[');
}

void jout_end_object(struct jout *j)
{
	end(j, '}');
}

void jout_end_array(struct jout *j)
{
	end(j, ']');
}

void jout_raw(struct jout *j, const char *name, const char *json)
{
	begin(j, name);
	buf_str(j->out, json);
}

void jout_null(struct jout *j, const char *name)
{
	jout_raw(j, name, "null");
}

void jout_text(struct jout *j, const char *name, const char *text)
{
	begin(j, name);
	if (text)
		jout_ascii(j->out, text);
	else
		buf_str(j->out, "null");
}

void jout_int(struct jout *j, const char *name, int64_t number)
{
	begin(j, name);
	buf_printf(j->out, "%lld", (long long)number);
}

void jout_bool(struct jout *j, const char *name, bool value)
{
	jout_raw(j, name, value ? "true" : "false");
}

void jout_value(struct jout *j, const char *name, const struct jval *value)
{
	begin(j, name);
	jread_print(value, j->out);
}
