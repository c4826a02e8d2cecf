#include "proxy/sync_queue.h"

#include "proxy/proxy.h"
#include <string.h>

const char *sync_since(const struct info *container)
{
	const char *to = info_header(container, SYNC_TO),
	           *since = info_header(container, SYNC_SINCE);

	return to && *to && since && strlen(since) == TS_TEXT_SIZE - 1 ? since : NULL;
}

void sync_row_name(struct buf *out, const char *account, const char *container, const char *since,
        const char *object)
{
	buf_printf(out, "%s/%s/%s/%s", account, container, since, object);
}

static char *cut(char *text)
{
	char *slash = text ? strchr(text, '/') : NULL;

	if (slash)
		*slash++ = 0;
	return slash;
}

bool sync_row_parts(char *name, struct sync_row *ret_row)
{
	char *container = cut(name), *since = cut(container), *object = cut(since);
	struct sync_row row = {.account = name, .container = container, .object = object};

	if (!object || !*name || !*container || strlen(since) != TS_TEXT_SIZE - 1 ||
	        !ts_parse(since, &row.since))
		return false;
	*ret_row = row;
	return true;
}
