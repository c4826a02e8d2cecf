#include "proxy/unit/reserved.h"

#include <string.h>

#define END "\x01\x01"

const char *versions_container(struct arena *arena, const char *container)
{
	return arena_printf(arena, RESERVED "versions" RESERVED "%s", container);
}

const char *versions_container_of(const char *container)
{
	static const char before[] = RESERVED "versions" RESERVED;

	return strncmp(container, before, strlen(before)) == 0 ? container + strlen(before)
	                                                       : container;
}

void versions_escape(const char *name, struct buf *out)
{
	for (; *name; name++) {
		buf_char(out, *name);
		if (*name == 1)
			buf_char(out, 2);
	}
}

bool versions_unescape(const char *text, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		buf_char(out, text[i]);
		if (text[i] == 1 && (++i == len || text[i] != 2))
			return false;
	}
	return true;
}

const char *versions_object(struct arena *arena, const char *name, uint64_t ts)
{
	AUTO(buf) struct buf out = BUF_NONE;
	char inverted[TS_TEXT_SIZE];

	ts_format(TS_MAX - ts, inverted);
	versions_escape(name, &out);
	buf_str(&out, END);
	buf_str(&out, inverted);
	return arena_strdup(arena, buf_text(&out));
}

bool versions_parse(const char *version, struct buf *out, uint64_t *ret_ts)
{
	const char *end = strstr(version, END);
	uint64_t inverted;

	if (!end || !ts_parse(end + strlen(END), &inverted) ||
	        !versions_unescape(version, (size_t)(end - version), out))
		return false;
	*ret_ts = TS_MAX - inverted;
	return true;
}
