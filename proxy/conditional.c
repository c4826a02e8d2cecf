#include "proxy/conditional.h"

#include "lib/base/ts.h"
#include "lib/http/url.h"
#include <string.h>

bool conditional_names(const char *value, const char *etag)
{
	size_t etag_len = strlen(etag);

	if (etag_len >= 2 && *etag == '"') {
		etag++;
		etag_len -= 2;
	}
	while (*value) {
		size_t len = strcspn(value, ",");
		const char *start = value, *end = value + len;
		value = end + (*end == ',');
		while (start < end && *start == ' ')
			start++;
		while (end > start && end[-1] == ' ')
			end--;
		if (end - start >= 2 && start[0] == 'W' && start[1] == '/')
			start += 2;
		if (end - start >= 2 && *start == '"' && end[-1] == '"')
			start++, end--;
		len = (size_t)(end - start);
		if ((len == 1 && *start == '*') ||
		        (len == etag_len && memcmp(start, etag, len) == 0))
			return true;
	}
	return false;
}

int conditional_check(const struct http_req *req, const char *etag, uint64_t ts)
{
	const char *none = http_get(req, "If-None-Match"), *match = http_get(req, "If-Match");
	const char *modified = http_get(req, "If-Modified-Since");
	const char *unmodified = http_get(req, "If-Unmodified-Since");
	int64_t seconds = (int64_t)((ts + TS_PER_SECOND - 1) / TS_PER_SECOND), since;

	if (none && conditional_names(none, etag))
		return 304;
	if (match && !conditional_names(match, etag))
		return 412;
	if (modified && http_date_parse(modified, &since) && seconds <= since)
		return 304;
	if (unmodified && http_date_parse(unmodified, &since) && seconds > since)
		return 412;
	return 0;
}
