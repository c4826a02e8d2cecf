#include "identity/pattern.h"

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define CONDITIONS_MAX 16

struct pattern {
	struct condition {
		regex_t regex; /* owned */
		bool not ;
	} conditions[CONDITIONS_MAX];
	unsigned count;
};

/* POSIX has no \d; in brackets it has none of them, and nothing is escaped there: a ']' comes
 * first.
 */
static enum err translate(const char *at, size_t len, struct buf *out)
{
	const char *end = at + len;
	bool brackets = false;

	buf_char(out, '^');
	for (; at < end; at++) {
		if (*at == '\\' && at + 1 < end && strchr(brackets ? "dws" : "d", at[1])) {
			const char *class = at[1] == 'd'   ? "0-9"
			                    : at[1] == 'w' ? "[:alnum:]_"
			                                   : "[:space:]";
			buf_printf(out, brackets ? "%s" : "[%s]", class);
			at++;
			continue;
		}
		if (*at == '\\' && at + 1 < end && brackets) {
			if (*++at == ']' && out->data[out->len - 1] != '[')
				return ERR_CONFIG;
		} else if (*at == '\\' && at + 1 < end) {
			buf_char(out, *at++);
		} else if (*at == '[') {
			brackets = true;
		} else if (*at == ']') {
			brackets = false;
		}
		buf_char(out, *at);
	}
	return out->err;
}

static enum err add(struct pattern *p, const char *text, size_t len, bool not )
{
	AUTO(buf) struct buf regex = BUF_NONE;

	if (p->count == CONDITIONS_MAX)
		return ERR_CONFIG;
	if (translate(text, len, &regex) ||
	        regcomp(&p->conditions[p->count].regex, buf_text(&regex), REG_EXTENDED | REG_NOSUB))
		return ERR_CONFIG;
	p->conditions[p->count++].not = not ;
	return ERR_OK;
}

/* Behind the ')' that closes the '(' at the begin; NULL: there is none. */
static const char *closed(const char *at)
{
	unsigned depth = 0;

	for (; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == '(')
			depth++;
		else if (*at == ')' && --depth == 0)
			return at + 1;
	}
	return NULL;
}

enum err pattern_new(const char *text, struct pattern **ret_pattern)
{
	struct pattern *p = mem_zalloc(sizeof(*p));
	enum err err = ERR_OK;

	text += *text == '^';
	while (!err && (strncmp(text, "(?=", 3) == 0 || strncmp(text, "(?!", 3) == 0)) {
		const char *end = closed(text);
		err = end ? add(p, text + 3, (size_t)(end - text) - 4, text[2] == '!') : ERR_CONFIG;
		text = end;
	}
	if (!err)
		err = strstr(text, "(?") ? ERR_CONFIG : add(p, text, strlen(text), false);
	if (err) {
		pattern_free(p);
		return err;
	}
	*ret_pattern = p;
	return ERR_OK;
}

void pattern_free(struct pattern *p)
{
	for (unsigned i = 0; p && i < p->count; i++)
		regfree(&p->conditions[i].regex);
	free(p);
}

bool pattern_matches(const struct pattern *p, const char *text)
{
	for (unsigned i = 0; i < p->count; i++) {
		bool matches = regexec(&p->conditions[i].regex, text, 0, NULL, 0) == 0;
		if (matches == p->conditions[i].not )
			return false;
	}
	return true;
}
