#include "proxy/unit/marks.h"

#include "proxy/proxy.h"

#include "lib/base/kv.h"

static const struct {
	const char *name, *stored;
} marks[] = {{MARK_HEADER_READ_ONLY, MARK_READ_ONLY},
        {"X-Account-Global-Write-Ratelimit", MARK_WRITE_RATELIMIT}};

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
