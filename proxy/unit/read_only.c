/* read_only: no writes, to the whole cluster or to accounts that are marked so. A mark that says no
 * lets an account be written to all the same. */
#include "proxy/pipeline.h"
#include "proxy/unit/marks.h"

#include <string.h>

struct other {
	struct request_end end;
	struct info_fetch fetch;
};

static void other_end(struct request_end *end)
{
	info_fetch_done(&CONTAINER_OF(end, struct other, end)->fetch);
}

static bool writes(const struct request *request)
{
	const char *method = request->http->method;
	bool deletes = strcmp(method, "DELETE") == 0;

	return strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0 ||
	       strcmp(method, "COPY") == 0 ||
	       (deletes && !request_cluster((struct request *)request)->units.read_only_deletes);
}

/* Facts of the account that is written to; NULL: not yet there. */
static struct info_fetch *facts(struct request *request)
{
	const char *name = strcmp(request->http->method, "COPY") == 0
	                           ? http_get(request->http, "Destination-Account")
	                           : NULL;
	struct info_fetch *fetch = &request->account_info;

	if (name) {
		struct other *other = request->unit_own;
		if (!other) {
			other = request->unit_own =
			        arena_zalloc(request_arena(request), sizeof(*other));
			other->end.run = other_end;
			request_at_end(request, &other->end);
		}
		fetch = &other->fetch;
	}
	return info_get(fetch, &request->op, request->proxy, name ? name : request->account, NULL)
	               ? fetch
	               : NULL;
}

static enum step enter(struct request *request)
{
	if (request->trusted || !request->account || marks_changed(request) || !writes(request))
		return STEP_NEXT;
	const struct info_fetch *fetch = facts(request);
	if (!fetch)
		return STEP_WAIT;
	if (fetch->err)
		return request_fail(request, 503);
	const char *mark = info_header(fetch->info, MARK_READ_ONLY);
	bool closed = mark && *mark ? is_true(mark) : request_cluster(request)->units.read_only;
	return closed ? request_fail_html(request, 405, "Writes are disabled for this account.")
	              : STEP_NEXT;
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	(void)out;
	return cluster->units.read_only;
}

const struct unit unit_read_only = {.name = "read_only", .enter = enter, .info = tell};
