#include "proxy/params.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Bytes up to the next ';' that is not inside quotes. */
static size_t part_len(const char *text)
{
	bool quoted = false;
	size_t len = 0;

	for (; text[len] && (quoted || text[len] != ';'); len++) {
		if (text[len] == '\\' && quoted && text[len + 1])
			len++;
		else if (text[len] == '"')
			quoted = !quoted;
	}
	return len;
}

static bool is_named(const char *part, size_t len, const char *name)
{
	size_t blank = strspn(part, " \t"), name_len = strlen(name);

	return blank + name_len < len && strncasecmp(part + blank, name, name_len) == 0 &&
	       part[blank + name_len] == '=';
}

size_t params_value_len(const char *text)
{
	size_t len = part_len(text);

	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	return len;
}

const char *params_get(const char *text, const char *name, size_t *ret_len)
{
	for (const char *p = text + part_len(text); *p;) {
		size_t len = part_len(++p);
		if (is_named(p, len, name)) {
			const char *value = strchr(p, '=') + 1, *end = p + len;
			while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
				end--;
			if (end - value >= 2 && *value == '"' && end[-1] == '"')
				value++, end--;
			*ret_len = (size_t)(end - value);
			return value;
		}
		p += len;
	}
	return NULL;
}

void params_without(const char *text, const char *name, struct buf *out)
{
	const char *p = text + part_len(text);

	buf_add(out, text, (size_t)(p - text));
	while (*p) {
		size_t len = part_len(p + 1);
		if (!is_named(p + 1, len, name))
			buf_add(out, p, len + 1);
		p += len + 1;
	}
}

bool params_swift_bytes(const char *content_type, uint64_t *ret_bytes)
{
	size_t len;
	const char *value =
	        strchr(content_type, ';') ? params_get(content_type, "swift_bytes", &len) : NULL;

	if (!value || !len || strspn(value, "0123456789") < len || len > 19)
		return false;
	*ret_bytes = strtoull(value, NULL, 10);
	return true;
}
