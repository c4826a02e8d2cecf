/* Containers that keep versions: switching it on and off, what is told of them, and DELETE. */
#include "proxy/pipeline.h"
#include "proxy/s3/lock.h"
#include "proxy/unit/legacy_versions.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BEGIN, ASKED, LOOKED, DELETED };

/* A request of our own to the hidden container. */
struct hidden {
	struct request_end end;
	struct sub sub;
	const char *name;
	uint8_t step;
};

static void end(struct request_end *end)
{
	sub_done(&CONTAINER_OF(end, struct hidden, end)->sub);
}

static struct hidden *hidden_of(struct request *request)
{
	struct hidden *h = request->unit_own;

	if (h)
		return h;
	h = request->unit_own = arena_zalloc(request_arena(request), sizeof(*h));
	h->end.run = end;
	h->name = versions_container(request_arena(request), request->container);
	request_at_end(request, &h->end);
	return h;
}

static void begin(struct request *request, struct hidden *h, const char *method)
{
	sub_done(&h->sub);
	sub_init(&h->sub, request, &unit_object_versioning, SUB_AS_SYSTEM, method);
	sub_path(&h->sub, request->account, h->name, NULL, NULL);
}

/* --- on and off --- */

static const char *why_not(const struct request *request)
{
	const struct info *info = request->container_info.info;
	const char *sync = info_header(info, "X-Container-Sync-To");

	if (legacy_versions_location(info))
		return "Cannot enable object versioning on a container that is already using the "
		       "legacy versioned writes feature.";
	if (sync && *sync)
		return "Cannot enable object versioning on a container configured as source of "
		       "container syncing.";
	return NULL;
}

/* With the policy of the container itself. */
static enum step create(struct request *request, struct hidden *h)
{
	const struct info *info = request->container_info.info;
	const struct policy *policies = request_cluster(request)->policies;
	const char *wanted = http_get(request->http, "X-Storage-Policy");

	if (info->exists && policies[info->policy].deprecated)
		return request_fail_text(request, 400,
		        "Cannot enable object versioning on a container that uses a deprecated "
		        "storage policy.");
	begin(request, h, "PUT");
	if (info->exists)
		sub_header(&h->sub, "X-Storage-Policy", policies[info->policy].name);
	else if (wanted && *wanted)
		sub_header(&h->sub, "X-Storage-Policy", wanted);
	sub_start(&h->sub);
	h->step = ASKED;
	return STEP_WAIT;
}

static enum step set(struct request *request)
{
	struct hidden *h = hidden_of(request);
	bool on = is_true(http_get(request->http, "X-Versions-Enabled"));
	bool put = strcmp(request->http->method, "PUT") == 0;
	const char *text = why_not(request);
	AUTO(buf) struct buf quoted = BUF_NONE;

	if (text)
		return request_fail_text(request, 400, text);
	if (!on && s3_lock_enabled(request->container_info.info))
		return request_fail_text(
		        request, 409, "Object Lock keeps versions: they cannot be switched off.");
	/* Refused by who comes next. */
	if (h->step == BEGIN &&
	        (constraint_metadata(request, "container") ||
	                strlen(request->container) >
	                        request_cluster(request)->limits.max_container_name))
		return STEP_NEXT;
	if (on && h->step == BEGIN && (put || request->container_info.info->exists))
		return create(request, h);
	if (h->step == ASKED && !sub_headed(&h->sub))
		return STEP_WAIT;
	if (h->step == ASKED && h->sub.status == 400)
		return request_fail_text(request, 400,
		        arena_strdup(request_arena(request), "Error enabling object versioning"));
	if (h->step == ASKED && !sub_ok(&h->sub) && h->sub.status != 409)
		return request_fail_text(request, 500, "Error enabling object versioning");
	request_set_header(request, VERSIONS_ENABLED, on ? "True" : "False");
	if (on) {
		url_quote(&quoted, h->name, "");
		request_set_header(request, VERSIONS_CONTAINER, buf_text(&quoted));
	}
	return STEP_NEXT;
}

/* --- GET and HEAD --- */

/* What the versions take is told with the container's bytes. */
static enum step read(struct request *request)
{
	struct hidden *h = hidden_of(request);

	if (h->step == BEGIN) {
		begin(request, h, "HEAD");
		sub_start(&h->sub);
		h->step = ASKED;
	}
	if (!sub_headed(&h->sub))
		return STEP_WAIT;
	request->versions_bytes = 0;
	const char *bytes = sub_get(&h->sub, "X-Container-Bytes-Used");
	if (sub_ok(&h->sub) && bytes)
		request->versions_bytes = strtoull(bytes, NULL, 10);
	return STEP_NEXT;
}

void versions_container_answer(struct request *request, int status)
{
	const struct info *info = request->container_info.info;
	const char *enabled = info_header(info, VERSIONS_ENABLED);
	struct buf all = request->http->out, told = BUF_NONE;
	struct kv_pair pair;

	if (!enabled || (strcmp(request->http->method, "GET") != 0 && !request->head))
		return;
	if (status / 100 == 2)
		http_header(request->http, "X-Versions-Enabled", enabled);
	if (!request->versions_bytes)
		return;
	all = request->http->out;
	for (size_t at = 0; kv_next(all.data, all.len, &at, &pair);) {
		bool is = strcasecmp(pair.name, "X-Container-Bytes-Used") == 0;
		char text[24];
		snprintf(text, sizeof(text), "%llu",
		        strtoull(pair.value, NULL, 10) + request->versions_bytes);
		kv_add(&told, pair.name, is ? text : pair.value);
	}
	buf_done(&all);
	request->http->out = told;
}

/* --- DELETE: with its versions' container, which must be empty, too --- */

static void begin_drop(struct request *request, struct hidden *h, const char *method,
        const char *container, uint8_t step)
{
	sub_done(&h->sub);
	sub_init(&h->sub, request, &unit_object_versioning, SUB_AS_SYSTEM, method);
	sub_path(&h->sub, request->account, container, NULL, NULL);
	sub_start(&h->sub);
	h->step = step;
}

static enum step drop(struct request *request)
{
	struct hidden *h = hidden_of(request);

	if (h->step == BEGIN)
		begin_drop(request, h, "HEAD", h->name, ASKED);
	if (!sub_headed(&h->sub))
		return STEP_WAIT;
	const char *objects = sub_get(&h->sub, "X-Container-Object-Count");
	bool empty = objects && strcmp(objects, "0") == 0;
	if (h->sub.status == 404)
		return STEP_NEXT;
	if (h->sub.status == 409 || (h->step == ASKED && sub_ok(&h->sub) && !empty))
		return request_fail_text(
		        request, 409, "Delete all versions before deleting container.");
	if (!sub_ok(&h->sub))
		return request_fail_text(request, 500, "Error deleting versioned container");
	if (h->step == ASKED) {
		begin_drop(request, h, "HEAD", request->container, LOOKED);
		return STEP_WAIT;
	}
	if (h->step == LOOKED && empty) {
		begin_drop(request, h, "DELETE", h->name, DELETED);
		return STEP_WAIT;
	}
	return STEP_NEXT; /* when it is not empty, refused by who comes next */
}

enum step versions_container_pass(struct request *request)
{
	const char *method = request->http->method;
	bool posts = strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0;
	bool versioned = info_header(request->container_info.info, VERSIONS_CONTAINER);
	bool got = strcmp(method, "GET") == 0;

	if (reserved_name(request->container))
		return STEP_NEXT;
	if (posts && http_get(request->http, "X-Versions-Enabled"))
		return set(request);
	if (got || request->head) {
		enum step step = versioned ? read(request) : STEP_NEXT;
		bool all = got && query_get(&request->query, "versions") &&
		           request->method == &container_get;
		return step == STEP_NEXT && all ? request_become(request, &versions_list) : step;
	}
	return strcmp(method, "DELETE") == 0 && versioned ? drop(request) : STEP_NEXT;
}
