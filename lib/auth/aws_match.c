#include "lib/auth/aws_policy_internal.h"

#include <ctype.h>
#include <string.h>

/* In a pattern: the characters themselves, out of a variable's value. (No UTF-8 has these bytes.)
 */
#define PLAIN_STAR     '\xfe'
#define PLAIN_QUESTION '\xff'

static bool same_char(char a, char b, bool any_case)
{
	if (a == PLAIN_STAR || a == PLAIN_QUESTION)
		return b == (a == PLAIN_STAR ? '*' : '?');
	return any_case ? tolower((unsigned char)a) == tolower((unsigned char)b) : a == b;
}

bool s3_policy_like(const char *pattern, const char *text, bool any_case)
{
	const char *star = NULL, *from = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern == '?' || (*pattern && same_char(*pattern, *text, any_case))) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* --- a text, or several of them --- */

size_t s3_texts_len(const struct jval *value)
{
	const char *text;

	return jread_is_array(value) ? jread_len(value) : jread_str(value, &text) ? 1 : 0;
}

const char *s3_text_at(const struct jval *value, size_t i)
{
	const char *text;

	return jread_str(jread_is_array(value) ? jread_at(value, i) : value, &text) ? text : NULL;
}

bool s3_are_texts(const struct jval *value)
{
	size_t len = s3_texts_len(value);

	for (size_t i = 0; i < len; i++) {
		if (!s3_text_at(value, i))
			return false;
	}
	return len;
}

/* --- variables --- */

/* ${*}, ${?} and ${$} are the characters. */
static const char *variable(const struct s3_policy_ask *ask, const char *key)
{
	return *key && !key[1] && strchr("*?$", *key) ? key : ask->value(ask->arg, key, 0);
}

static void add_value(struct buf *out, const char *value, bool pattern)
{
	for (; *value; value++)
		buf_char(out, !pattern        ? *value
		              : *value == '*' ? PLAIN_STAR
		              : *value == '?' ? PLAIN_QUESTION
		                              : *value);
}

void s3_policy_expand(
        const struct s3_policy_ask *ask, const char *text, bool pattern, struct buf *out)
{
	while (*text) {
		const char *end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;
		size_t len = end ? (size_t)(end - text) - 2 : 0;
		char key[128];
		const char *value = NULL;
		if (len && len < sizeof(key)) {
			memcpy(key, text + 2, len);
			key[len] = 0;
			value = variable(ask, key);
		}
		if (value) {
			add_value(out, value, pattern);
			text = end + 1;
		} else {
			buf_char(out, *text++);
		}
	}
}

bool s3_policy_fits(const struct s3_policy_ask *ask, const char *pattern, const char *text)
{
	AUTO(buf) struct buf expanded = BUF_NONE;

	if (!strstr(pattern, "${"))
		return s3_policy_like(pattern, text, false);
	s3_policy_expand(ask, pattern, true, &expanded);
	return s3_policy_like(buf_text(&expanded), text, false);
}
