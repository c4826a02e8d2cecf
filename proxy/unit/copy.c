/* copy: a COPY into a container that keeps versions is a PUT there, from a source: what the units
 * behind this one do with a PUT, they do with it as well. */
#include "proxy/pipeline.h"
#include "proxy/unit/legacy_versions.h"
#include "proxy/unit/symlink.h"
#include "proxy/unit/versions.h"

#include <string.h>

struct copy {
	struct request_end end;
	const char *account, *container, *object; /* where it goes */
	struct info_fetch info, account_info;
};

static void end(struct request_end *end)
{
	struct copy *copy = CONTAINER_OF(end, struct copy, end);

	info_fetch_done(&copy->info);
	info_fetch_done(&copy->account_info);
}

/* NULL: it says nothing that could be copied to, and is refused later. */
static struct copy *parse(struct request *request)
{
	struct arena *arena = request_arena(request);
	const char *to = http_get(request->http, "Destination");
	const char *account = http_get(request->http, "Destination-Account");
	struct copy *copy = arena_zalloc(arena, sizeof(*copy));
	size_t len;

	if (to && *to == '/')
		to++;
	copy->account = request->account;
	if (account)
		copy->account = url_unquote(arena, account, strlen(account), &len);
	if (!to || !link_split(arena, to, &copy->container, &copy->object) ||
	        !utf8_valid(copy->container, strlen(copy->container)) ||
	        !utf8_valid(copy->object, strlen(copy->object)) || strchr(copy->account, '/'))
		return NULL;
	copy->end.run = end;
	request_at_end(request, &copy->end);
	return copy;
}

static enum step become_put(struct request *request, struct copy *copy)
{
	struct info *source = request->container_info.info;

	request_set_header(request, "X-Copy-From",
	        request_quoted(request, request->container, request->object));
	request_set_header(
	        request, "X-Copy-From-Account", request_quoted(request, request->account, NULL));
	request_set_header(request, "Destination", NULL);
	request_set_header(request, "Destination-Account", NULL);
	request->account = copy->account;
	request->container = copy->container;
	request->object = copy->object;
	request->container_info.info = copy->info.info;
	copy->info.info = source;
	request->http->method = "PUT";
	return request_become(request, &object_put);
}

static enum step pass(struct request *request)
{
	struct copy *copy = request->unit_own;
	bool wait;

	if (request->method != &object_copy)
		return STEP_NEXT;
	if (!copy && !(copy = request->unit_own = parse(request)))
		return STEP_NEXT;
	if (!info_get(&copy->info, &request->op, request->proxy, copy->account, copy->container))
		return STEP_WAIT;
	if (copy->info.err || (!info_header(copy->info.info, VERSIONS_CONTAINER) &&
	                              !legacy_versions_location(copy->info.info)))
		return STEP_NEXT;
	struct access access = {copy->account, copy->container, true, false, false, false, false};
	enum err err = request_authorize(request, &access,
	        info_header(copy->info.info, "X-Container-Write"), &copy->account_info, &wait);
	if (wait)
		return STEP_WAIT;
	return err ? request_err(request, err) : become_put(request, copy);
}

const struct unit unit_copy = {.name = "copy", .pass = pass};
