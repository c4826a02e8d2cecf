#include "proxy/dispersion.h"
#include "proxy/operator.h"
#include "proxy/pipeline.h"

#include "lib/base/auto.h"
#include "lib/json/jout.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 5000

/* What a query names. */
struct probe {
	unsigned policy, number;
	bool object;
	char container[64], name[64];
};

struct look {
	struct probe probe;
	struct place place;
	uint64_t partition;
	struct fan fan;
};

static enum step answer(struct request *request, struct buf *out)
{
	buf_char(out, '\n');
	http_header(request->http, "Content-Type", "application/json");
	request_headers(request, 200);
	http_reply_text(request->http, 200, buf_text(out));
	return STEP_DONE;
}

static unsigned number_of(struct request *request, const char *name)
{
	const char *text = query_get(&request->query, name);

	unsigned long number = text ? strtoul(text, NULL, 10) : 0;

	return number > UINT_MAX ? UINT_MAX : (unsigned)number;
}

static void probe_name(struct probe *p, unsigned number)
{
	p->number = number;
	snprintf(p->name, sizeof(p->name), DISPERSION_OBJECT, number);
	if (p->object)
		snprintf(p->container, sizeof(p->container), DISPERSION_OBJECTS, p->policy);
	else
		snprintf(p->container, sizeof(p->container), DISPERSION_CONTAINER, p->policy,
		        number);
}

/* Policy and kind of the query, and the rings that place such; NULL: there are none. */
static const struct ring_set *probe_kind(struct request *request, struct probe *p)
{
	const struct cluster *cluster = request_cluster(request);
	const char *kind = query_get(&request->query, "kind");

	*p = (struct probe){.policy = number_of(request, "policy"),
	        .object = kind && strcmp(kind, "object") == 0};
	if (p->policy >= BACKEND_POLICIES || !cluster->policies[p->policy].name)
		return NULL;
	return proxy_rings(cluster, p->object ? BACKEND_OBJECT : BACKEND_CONTAINER, p->policy);
}

static void probe_place(struct request *request, const struct probe *p, struct place *ret_place)
{
	proxy_place(request_cluster(request), p->policy, DISPERSION_ACCOUNT, p->container,
	        p->object ? p->name : NULL, ret_place);
}

/* --- which policies there are --- */

static enum step tell_policies(struct op *op)
{
	struct request *request = request_of(op);
	const struct cluster *cluster = request_cluster(request);
	AUTO(buf) struct buf out = BUF_NONE;
	struct jout j = {.out = &out};

	if (request->http->gone)
		return STEP_DONE;
	jout_array(&j, NULL);
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		const struct policy *policy = &cluster->policies[i];
		if (!policy->name)
			continue;
		jout_object(&j, NULL);
		jout_int(&j, "index", i);
		jout_text(&j, "name", policy->name);
		jout_bool(&j, "default", i == cluster->policy_default);
		jout_bool(&j, "deprecated", policy->deprecated);
		jout_end_object(&j);
	}
	jout_end_array(&j);
	return answer(request, &out);
}

static const struct op_state policies_states[] = {{"policies", tell_policies, 0, 0}};
static const struct method policies_get = {.name = "dispersion", .states = policies_states};

/* --- where probes would be --- */

static enum step tell_parts(struct op *op)
{
	struct request *request = request_of(op);
	AUTO(buf) struct buf out = BUF_NONE;
	struct jout j = {.out = &out};
	struct place place;
	struct probe p;

	if (request->http->gone)
		return STEP_DONE;
	const struct ring_set *rings = probe_kind(request, &p);
	unsigned from = number_of(request, "from"), count = number_of(request, "count");
	if (!rings)
		return request_fail(request, 404);
	struct ring *ring = ring_set_newest(rings);
	jout_object(&j, NULL);
	jout_int(&j, "partitions", (int64_t)ring_parts(ring));
	jout_array(&j, "parts");
	for (unsigned i = 0; i < count && i < DISPERSION_PARTS; i++) {
		probe_name(&p, from + i);
		probe_place(request, &p, &place);
		jout_int(&j, NULL, ring_partition(ring, place.key));
	}
	jout_end_array(&j);
	jout_end_object(&j);
	return answer(request, &out);
}

static const struct op_state parts_states[] = {{"parts", tell_parts, 0, 0}};
static const struct method parts_get = {.name = "dispersion", .states = parts_states};

/* --- who has a probe --- */

enum { ASK, ANSWER };

/* Each primary of the newest ring. */
static enum step look_ask(struct op *op)
{
	struct request *request = request_of(op);
	struct look *look = request->own;
	uint32_t devices[PLACE_MAX];
	unsigned count = 0;

	if (request->http->gone)
		return STEP_DONE;
	const struct ring_set *rings = probe_kind(request, &look->probe);
	if (!rings)
		return request_fail(request, 404);
	probe_name(&look->probe, number_of(request, "probe"));
	probe_place(request, &look->probe, &look->place);
	look->partition = ring_partition(ring_set_newest(rings), look->place.key);
	for (unsigned i = 0; i < look->place.count; i++) {
		if (look->place.sets[0] >> i & 1)
			devices[count++] = look->place.devices[i];
	}
	bool object = look->probe.object;
	struct backend_msg *msg = backend_msg_new(object ? BACKEND_OBJECT_GET : BACKEND_DB_STATE,
	        object ? BACKEND_OBJECT : BACKEND_CONTAINER);
	backend_msg_path(
	        msg, DISPERSION_ACCOUNT, look->probe.container, object ? look->probe.name : NULL);
	msg->policy = (uint8_t)(object ? look->probe.policy : 0);
	memcpy(msg->key, look->place.key, sizeof(msg->key));
	fan_start(&look->fan, op, request->proxy, msg, devices, count, DEADLINE_MS);
	return op_go(op, ANSWER);
}

/* NULL: the device has its copy; or what is wrong. */
static const char *lacks(const struct look *look, unsigned i)
{
	const struct backend_reply *reply = &look->fan.calls[i].reply;

	if (reply->err && reply->err != ERR_NOT_FOUND)
		return err_text(reply->err);
	if (reply->err || reply->deleted ||
	        (!look->probe.object && reply->put_ts <= reply->delete_ts))
		return "not there";
	/* Two devices with the same fragment are one copy. */
	for (unsigned other = 0; reply->fragment.k && other < i; other++) {
		const struct backend_reply *before = &look->fan.calls[other].reply;
		if (!before->err && !before->deleted && before->fragment.k &&
		        before->fragment.index == reply->fragment.index)
			return "another's fragment";
	}
	return NULL;
}

static enum step look_answer(struct op *op)
{
	struct request *request = request_of(op);
	struct look *look = request->own;
	AUTO(buf) struct buf out = BUF_NONE;
	struct jout j = {.out = &out};

	if (fan_open(&look->fan))
		return STEP_WAIT;
	if (request->http->gone)
		return STEP_DONE;
	jout_object(&j, NULL);
	jout_int(&j, "partition", (int64_t)look->partition);
	jout_array(&j, "copies");
	for (unsigned i = 0; i < look->fan.count; i++) {
		AUTO(buf) struct buf name = BUF_NONE;
		if (request->proxy->name_device)
			request->proxy->name_device(
			        request->proxy, look->fan.calls[i].device, &name);
		jout_object(&j, NULL);
		jout_text(&j, "device", buf_text(&name));
		jout_text(&j, "lacks", lacks(look, i));
		jout_end_object(&j);
	}
	jout_end_array(&j);
	jout_end_object(&j);
	return answer(request, &out);
}

static const struct op_state look_states[] = {
        [ASK] = {"ask", look_ask, TO(ANSWER), 0},
        [ANSWER] = {"answer", look_answer, 0, 0},
};
static const struct method look_get = {.name = "dispersion", .states = look_states};

static void look_done(struct request *request)
{
	struct look *look = request->own;

	fan_done(&look->fan);
}

/* --- routes --- */

/* "CONTAINER/OBJECT"; false: it is no name of a probe. */
static bool name_probe(struct request *request, const char *text)
{
	struct arena *arena = request_arena(request);
	const char *slash = strchr(text, '/');

	if (text[strcspn(text, "%")])
		return false;
	request->account = DISPERSION_ACCOUNT;
	if (*text)
		request->container =
		        arena_strndup(arena, text, slash ? (size_t)(slash - text) : strlen(text));
	if (slash)
		request->object = slash + 1;
	return (!request->container || *request->container) && (!slash || *request->object);
}

const struct method *dispersion_route(struct request *request, int *ret_status)
{
	static const char store[] = "store";
	const char *verb = request->http->method, *path = request->path + strlen(DISPERSION_PREFIX);
	size_t len = strcspn(path, "/");
	bool get = strcmp(verb, "GET") == 0;
	char what[32];

	snprintf(what, sizeof(what), "dispersion %s", verb);
	*ret_status = 403;
	if (!operator_signed(request, what, request->http->target))
		return NULL;
	*ret_status = 404;
	if (get && strcmp(path, "policies") == 0)
		return &policies_get;
	if (get && strcmp(path, "parts") == 0)
		return &parts_get;
	if (get && strcmp(path, "look") == 0) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct look));
		request->own_done = look_done;
		return &look_get;
	}
	if (len != strlen(store) || strncmp(path, store, len) != 0 ||
	        !name_probe(request, path + len + (path[len] == '/')))
		return NULL;
	request->identified = request->trusted = true;
	const struct policy *policies = request_cluster(request)->policies;
	unsigned policy = number_of(request, "policy");
	if (query_get(&request->query, "policy") && policy < BACKEND_POLICIES)
		request_set_header(request, "X-Storage-Policy", policies[policy].name);
	request->first_unit = (uint8_t)pipeline_behind(&unit_tempurl_end);
	request->entered = request->passed = request->first_unit;
	*ret_status = 0;
	return NULL;
}
