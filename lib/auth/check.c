#include "lib/auth/check.h"

#include "lib/base/mem.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 64
#define TEXT_MAX  65536
#define WORDS_MAX 1000

struct parser {
	const char *at;
	unsigned depth, words;
	const char *why;
};

void check_free(struct check *c)
{
	if (!c)
		return;
	check_free(c->left);
	check_free(c->right);
	free(c->name);
	free(c->value);
	free(c);
}

static struct check *make(enum check_kind kind, struct check *left, struct check *right)
{
	struct check *c = mem_zalloc(sizeof(*c));

	*c = (struct check){.kind = kind, .left = left, .right = right};
	return c;
}

static struct check *wrong(struct parser *p, const char *why)
{
	if (!p->why)
		p->why = why;
	return NULL;
}

static void skip(struct parser *p)
{
	while (isspace((unsigned char)*p->at))
		p->at++;
}

/* The bytes of a check: up to a space, or to a parenthesis that it did not open; in quotes anything
 * goes. */
static size_t word_len(const char *at)
{
	unsigned open = 0;
	char quote = 0;
	size_t n = 0;

	for (; at[n]; n++) {
		if (quote) {
			quote = at[n] == quote ? 0 : quote;
			continue;
		}
		if (isspace((unsigned char)at[n]) || (at[n] == ')' && !open))
			break;
		if (at[n] == '\'' || at[n] == '"')
			quote = at[n];
		open += at[n] == '(';
		open -= at[n] == ')';
	}
	return n;
}

static bool is_word(const struct parser *p, const char *word)
{
	size_t len = strlen(word);

	return strncasecmp(p->at, word, len) == 0 &&
	       (!p->at[len] || isspace((unsigned char)p->at[len]) || p->at[len] == '(');
}

static bool is_number(const char *text)
{
	char *end;

	strtod(text, &end);
	return end != text && !*end && !isspace((unsigned char)*text) &&
	       isdigit((unsigned char)end[-1]);
}

/* What stands before the colon: a text when it is quoted, None, True, False or a number. */
static struct check *take_left(const char *text, size_t len)
{
	static const char *const words[] = {"None", "True", "False"};
	bool quoted = len >= 2 && (*text == '\'' || *text == '"') && text[len - 1] == *text;
	struct check *c = make(CHECK_ATTRIBUTE, NULL, NULL);

	c->name = quoted ? mem_strndup(text + 1, len - 2) : mem_strndup(text, len);
	for (unsigned i = 0; i < COUNT_OF(words); i++)
		quoted |= strcmp(c->name, words[i]) == 0;
	if (quoted || is_number(c->name))
		c->kind = CHECK_TEXT;
	else if (strcmp(c->name, "rule") == 0)
		c->kind = CHECK_RULE;
	else if (strcmp(c->name, "role") == 0)
		c->kind = CHECK_ROLE;
	return c;
}

static struct check *parse_word(struct parser *p)
{
	size_t len = word_len(p->at), left = 0;
	const char *at = p->at;
	char quote = 0;

	p->at += len;
	if (len == 1 && (*at == '@' || *at == '!'))
		return make(*at == '@' ? CHECK_ALL : CHECK_NONE, NULL, NULL);
	for (; left < len && (quote || at[left] != ':'); left++) {
		if (quote ? at[left] == quote : at[left] == '\'' || at[left] == '"')
			quote = quote ? 0 : at[left];
	}
	if (left == len || left == 0)
		return wrong(p, "a check wants kind:value, @ or !");
	if ((left == 4 && strncmp(at, "http", 4) == 0) ||
	        (left == 5 && strncmp(at, "https", 5) == 0))
		return wrong(p, "checks by http are not supported");
	struct check *c = take_left(at, left);
	c->value = mem_strndup(at + left + 1, len - left - 1);
	return c;
}

static struct check *parse_or(struct parser *p);

static struct check *parse_one(struct parser *p)
{
	struct check *c;

	skip(p);
	if (!*p->at || *p->at == ')')
		return wrong(p, "a check is missing");
	if (++p->depth > DEPTH_MAX || ++p->words > WORDS_MAX)
		return wrong(p, "it has too many parts");
	if (is_word(p, "not")) {
		p->at += 3;
		c = parse_one(p);
		c = c ? make(CHECK_NOT, c, NULL) : NULL;
	} else if (*p->at == '(') {
		p->at++;
		c = parse_or(p);
		skip(p);
		if (c && *p->at != ')') {
			check_free(c);
			c = wrong(p, "a parenthesis is not closed");
		} else if (c) {
			p->at++;
		}
	} else {
		c = parse_word(p);
	}
	p->depth--;
	return c;
}

static struct check *parse_row(struct parser *p, const char *word, enum check_kind kind,
        struct check *(*next)(struct parser *))
{
	struct check *c = next(p);

	for (skip(p); c && is_word(p, word); skip(p)) {
		p->at += strlen(word);
		struct check *right = next(p);
		if (!right) {
			check_free(c);
			return NULL;
		}
		c = make(kind, c, right);
	}
	return c;
}

static struct check *parse_and(struct parser *p)
{
	return parse_row(p, "and", CHECK_AND, parse_one);
}

static struct check *parse_or(struct parser *p)
{
	return parse_row(p, "or", CHECK_OR, parse_and);
}

enum err check_parse(const char *text, struct check **ret_check, const char **ret_why)
{
	struct parser p = {.at = text};

	if (strlen(text) > TEXT_MAX) {
		*ret_why = "it is too long";
		return ERR_FORMAT;
	}
	skip(&p);
	struct check *c = *p.at ? parse_or(&p) : make(CHECK_ALL, NULL, NULL);
	skip(&p);
	if (c && *p.at) {
		check_free(c);
		c = wrong(&p, *p.at == ')' ? "a parenthesis closes nothing"
		                           : "wants `and` or `or` between two checks");
	}
	*ret_check = c;
	*ret_why = p.why;
	return c ? ERR_OK : ERR_FORMAT;
}

/* --- what holds --- */

static bool fact(struct policy_facts facts, const char *name, size_t len, const char **ret_value)
{
	for (unsigned i = 0; i < facts.count; i++) {
		const struct policy_fact *f = &facts.items[i];
		if (strncmp(f->name, name, len) == 0 && !f->name[len]) {
			*ret_value = f->value ? f->value : "None";
			return true;
		}
	}
	return false;
}

/* The value with the target's facts in it; false when one of them is missing. */
static bool fill(const char *value, struct policy_facts target, struct buf *out)
{
	for (const char *at = value; *at;) {
		const char *end = at[0] == '%' && at[1] == '(' ? strstr(at, ")s") : NULL, *text;
		if (!end) {
			at += at[0] == '%' && at[1] == '%'; /* %% is one */
			buf_char(out, *at++);
			continue;
		}
		if (!fact(target, at + 2, (size_t)(end - at) - 2, &text))
			return false;
		buf_str(out, text);
		at = end + 2;
	}
	return true;
}

static bool compare(const struct check *c, struct policy_facts caller, struct policy_facts target)
{
	AUTO(buf) struct buf value = BUF_NONE;
	bool role = c->kind == CHECK_ROLE;

	if (!fill(c->value, target, &value))
		return false;
	if (c->kind == CHECK_TEXT)
		return strcmp(c->name, buf_text(&value)) == 0;
	for (unsigned i = 0; i < caller.count; i++) {
		const struct policy_fact *f = &caller.items[i];
		const char *has = f->value ? f->value : "None";
		if (strcmp(f->name, c->name) != 0)
			continue;
		if (role ? strcasecmp(has, buf_text(&value)) == 0
		         : strcmp(has, buf_text(&value)) == 0)
			return true;
	}
	return false;
}

bool check_holds(const struct check *c, struct policy_facts caller, struct policy_facts target)
{
	switch (c->kind) {
	case CHECK_ALL:
		return true;
	case CHECK_NONE:
		return false;
	case CHECK_AND:
		return check_holds(c->left, caller, target) &&
		       check_holds(c->right, caller, target);
	case CHECK_OR:
		return check_holds(c->left, caller, target) ||
		       check_holds(c->right, caller, target);
	case CHECK_NOT:
		return !check_holds(c->left, caller, target);
	case CHECK_RULE:
		return c->rule && check_holds(c->rule, caller, target);
	default:
		return compare(c, caller, target);
	}
}
