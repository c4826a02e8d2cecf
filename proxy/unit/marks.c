#include "proxy/unit/marks.h"

#include "proxy/proxy.h"

#include "lib/base/kv.h"
#include <string.h>

static const struct {
	const char *name, *stored;
} marks[] = {{"X-Account-Read-Only", MARK_READ_ONLY},
        {"X-Account-Global-Write-Ratelimit", MARK_WRITE_RATELIMIT}};

bool marks_changed(const struct request *request)
{
	bool any = false;

	for (unsigned i = 0; i < COUNT_OF(marks); i++)
		any |= http_get(request->http, marks[i].name) != NULL;
	return any && request->account && !request->container &&
	       strcmp(request->http->method, "POST") == 0;
}

int marks_account_headers(struct request *request, struct buf *headers)
{
	for (unsigned i = 0; i < COUNT_OF(marks); i++) {
		const char *value = http_get(request->http, marks[i].name);
		if (!value)
			continue;
		if (!request->identity.reseller)
			return 403;
		kv_add(headers, marks[i].stored, value);
	}
	return 0;
}

void marks_account_answer(struct request *request, const struct backend_reply *reply)
{
	for (unsigned i = 0; request->identity.reseller && i < COUNT_OF(marks); i++) {
		const char *value =
		        kv_get(reply->headers.data, reply->headers.len, marks[i].stored);
		if (value && *value)
			http_header(request->http, marks[i].name, value);
	}
}
