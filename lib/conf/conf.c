#include "lib/conf/conf.h"

#include "lib/base/arena.h"
#include "lib/base/mem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_BYTES 4096

struct conf {
	struct arena arena;
	const struct conf_option *options;
	unsigned count;
	char *values;    /* borrowed: the caller's struct */
	unsigned *lines; /* of each option: where it was given (last); 0: it was not */
	const char *path;
	unsigned line;
	struct buf *error;
};

static enum err complain(struct conf *c, const char *what, const char *detail)
{
	buf_printf(c->error, "%s:%u: %s%s%s%s", c->path, c->line, what, detail ? " '" : "",
	        detail ? detail : "", detail ? "'" : "");
	return ERR_CONFIG;
}

static char *trim(char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	size_t len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = 0;
	return text;
}

static bool parse_u64(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno)
		return false;
	const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 32 : *end) : NULL;
	if (unit) {
		for (long i = unit - units; i >= 0; i--) {
			if (value > UINT64_MAX / 1024)
				return false;
			value *= 1024;
		}
		end++;
	}
	*ret = value;
	return !*end;
}

static bool parse_bool(const char *text, bool *ret)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (unsigned i = 0; i < COUNT_OF(words); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret = i % 2;
			return true;
		}
	}
	return false;
}

static enum err set(struct conf *c, const struct conf_option *o, const char *text)
{
	void *at = c->values + o->offset;
	struct conf_list *list = at;
	uint64_t number;

	switch (o->type) {
	case CONF_TEXT:
		*(const char **)at = arena_strdup(&c->arena, text);
		return ERR_OK;
	case CONF_BOOL:
		return parse_bool(text, at) ? ERR_OK : complain(c, "expected yes or no, not", text);
	case CONF_LIST:
		list->items = mem_realloc(list->items, (list->count + 1) * sizeof(*list->items));
		list->items[list->count++] = arena_strdup(&c->arena, text);
		return ERR_OK;
	default:
		if (!parse_u64(text, &number))
			return complain(c, "expected a number, not", text);
		if (number < o->min || number > o->max) {
			buf_printf(c->error, "%s:%u: %s must be between %llu and %llu", c->path,
			        c->line, o->key, (unsigned long long)o->min,
			        (unsigned long long)o->max);
			return ERR_CONFIG;
		}
		*(uint64_t *)at = number;
		return ERR_OK;
	}
}

static enum err set_fallbacks(struct conf *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		const struct conf_option *o = &c->options[i];
		if (c->lines[i] || !o->fallback || o->type == CONF_LIST)
			continue;
		enum err err = set(c, o, o->fallback);
		if (err)
			return err;
	}
	return ERR_OK;
}

/* A line ends with its newline, or with the file; what seems to end before that has a NUL in it. */
static bool ends_well(FILE *file, const char *line)
{
	size_t len = strlen(line);

	return (len && line[len - 1] == '\n') || (len && feof(file));
}

static enum err take_line(struct conf *c, char *line, char *section, size_t section_size)
{
	char *equals;

	line = trim(line);
	if (!*line || *line == '#' || *line == ';')
		return ERR_OK;
	if (*line == '[') {
		char *end = strchr(line, ']');
		if (!end || end[1])
			return complain(c, "expected [section], not", line);
		*end = 0;
		snprintf(section, section_size, "%s", line + 1);
		for (unsigned i = 0; i < c->count; i++) {
			if (strcmp(c->options[i].section, section) == 0)
				return ERR_OK;
		}
		return complain(c, "no section of that name:", section);
	}
	equals = strchr(line, '=');
	if (!equals)
		return complain(c, "expected key = value, not", line);
	*equals = 0;
	char *key = trim(line), *value = trim(equals + 1);
	for (unsigned i = 0; i < c->count; i++) {
		const struct conf_option *o = &c->options[i];
		if (strcmp(o->section, section) != 0 || strcmp(o->key, key) != 0)
			continue;
		if (c->lines[i] && o->type != CONF_LIST)
			return complain(c, "given twice:", key);
		c->lines[i] = c->line;
		return set(c, o, value);
	}
	return complain(c,
	        *section ? "no option of that name in this section:" : "option outside a section:",
	        key);
}

enum err conf_load(const char *path, const struct conf_option *options, unsigned count,
        void *values, struct buf *error, struct conf **ret_conf)
{
	struct conf *c = mem_zalloc(sizeof(*c));
	char line[LINE_MAX_BYTES], section[64] = "";
	enum err err = ERR_OK;

	arena_init(&c->arena);
	c->options = options;
	c->count = count;
	c->values = values;
	c->lines = mem_zalloc(count * sizeof(*c->lines));
	c->path = path ? path : "default";
	c->error = error;
	FILE *file = path ? fopen(path, "re") : NULL;
	if (path && !file) {
		err = err_from_errno(errno);
		buf_printf(error, "%s: %s", path, err_text(err));
	}
	while (!err && file && fgets(line, sizeof(line), file)) {
		c->line++;
		if (strlen(line) == sizeof(line) - 1)
			err = complain(c, "line is too long", NULL);
		else if (!ends_well(file, line))
			err = complain(c, "a NUL byte", NULL);
		else
			err = take_line(c, line, section, sizeof(section));
	}
	if (!err && file && ferror(file)) {
		err = err_from_errno(errno);
		buf_printf(error, "%s: %s", path, err_text(err));
	}
	if (file)
		fclose(file);
	if (!err)
		err = set_fallbacks(c);
	if (err) {
		conf_free(c);
		return err;
	}
	*ret_conf = c;
	return ERR_OK;
}

unsigned conf_line(const struct conf *c, const char *section, const char *key)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (strcmp(c->options[i].section, section) == 0 &&
		        strcmp(c->options[i].key, key) == 0)
			return c->lines[i];
	}
	return 0;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->count; i++) {
		if (c->options[i].type == CONF_LIST) {
			struct conf_list *list = (void *)(c->values + c->options[i].offset);
			free(list->items);
			*list = (struct conf_list){0};
		}
	}
	arena_done(&c->arena);
	free(c->lines);
	free(c);
}

void conf_print(struct buf *out, const struct conf_option *options, unsigned count)
{
	const char *section = "";

	for (unsigned i = 0; i < count; i++) {
		const struct conf_option *o = &options[i];
		if (strcmp(section, o->section) != 0) {
			section = o->section;
			buf_printf(out, "%s[%s]\n", i ? "\n" : "", section);
		}
		buf_printf(out, "# %s", o->help);
		if (o->type == CONF_U64)
			buf_printf(out, " %llu to %llu.", (unsigned long long)o->min,
			        (unsigned long long)o->max);
		if (o->type == CONF_LIST)
			buf_str(out, " May be given many times.");
		buf_printf(out, " %s\n%s%s = %s\n",
		        o->change == CONF_RELOAD ? "Read again at SIGHUP." : "Takes a restart.",
		        o->fallback ? "" : "# ", o->key, o->fallback ? o->fallback : "");
	}
}
