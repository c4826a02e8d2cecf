/* gatekeeper: what we say to ourselves in headers, clients can neither say nor hear. */
#include "proxy/pipeline.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

static bool is_ours(const char *name)
{
	static const char *const others[] = {"X-Account-Host", "X-Account-Device",
	        "X-Account-Partition", "X-Container-Host", "X-Container-Device",
	        "X-Container-Partition", "X-Container-Root-Db-State", "X-Delete-At-Host",
	        "X-Delete-At-Device", "X-Delete-At-Partition", "X-Delete-At-Container"};

	if (strcasestr(name, "-Sysmeta-") || has_prefix(name, "X-Backend"))
		return true;
	for (unsigned i = 0; i < COUNT_OF(others); i++) {
		if (strcasecmp(name, others[i]) == 0)
			return true;
	}
	return false;
}

static enum step enter(struct request *request)
{
	struct http_req *http = request->http;
	unsigned kept = 0;

	for (unsigned i = 0; !request->parent && i < http->header_count; i++) {
		/* WSGI, and so Swift, knows no difference between '_' and '-'. */
		char *name = arena_strdup(&http->arena, http->headers[i].name);
		title_case(name);
		if (!is_ours(name))
			http->headers[kept++] = http->headers[i];
	}
	if (!request->parent)
		http->header_count = kept;
	return STEP_NEXT;
}

static void answer(struct request *request, int status)
{
	struct buf all = request->http->out, told = BUF_NONE;
	struct kv_pair pair;
	bool any = false;

	(void)status;
	for (size_t at = 0; !request->parent && kv_next(all.data, all.len, &at, &pair);)
		any |= is_ours(pair.name);
	if (!any)
		return;
	for (size_t at = 0; kv_next(all.data, all.len, &at, &pair);) {
		if (!is_ours(pair.name))
			kv_add(&told, pair.name, pair.value);
	}
	buf_done(&all);
	request->http->out = told;
}

const struct unit unit_gatekeeper = {.name = "gatekeeper", .enter = enter, .answer = answer};
