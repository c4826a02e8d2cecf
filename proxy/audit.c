/* ask -> answer: all primaries and the first devices behind them are asked at once, of an object
 * also the containers for its row. */
#include "proxy/audit.h"
#include "proxy/ec_put.h"
#include "proxy/operator.h"

#include "lib/backend/points.h"
#include "lib/base/auto.h"
#include "lib/base/hex.h"
#include "lib/base/ts.h"
#include "lib/log/log.h"
#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 5000
#define HANDOFFS    2

enum { ASK, ANSWER };

struct audit {
	struct place place, row_place;
	unsigned primaries;       /* of what is asked: those after them are handoffs */
	uint8_t index[PLACE_MAX]; /* of the fragment that each primary should have */
	uint64_t parts, part;
	struct fan fan, rows;
	char range[RANGE_ID_MAX + 1]; /* which range of its container is asked for the row */
};

/* --- asking --- */

static struct audit *audit_of(struct op *op)
{
	return request_of(op)->own;
}

static enum backend_kind kind_of(const struct request *request)
{
	return request->object      ? BACKEND_OBJECT
	       : request->container ? BACKEND_CONTAINER
	                            : BACKEND_ACCOUNT;
}

static struct backend_msg *message(
        struct request *request, enum backend_op op, enum backend_kind kind)
{
	struct backend_msg *msg = backend_msg_new(op, kind);

	backend_msg_path(msg, request->account, kind == BACKEND_ACCOUNT ? NULL : request->container,
	        kind == BACKEND_OBJECT ? request->object : NULL);
	return msg;
}

/* Primaries, then some of those behind them. */
static unsigned devices_of(struct request *request, unsigned policy, uint32_t devices[])
{
	struct audit *audit = request->own;
	const struct ring_set *rings =
	        proxy_rings(request_cluster(request), kind_of(request), policy);
	AUTO(ring_handoffs) struct ring_handoffs handoffs = RING_HANDOFFS_NONE;
	unsigned count = audit->primaries = audit->place.count;
	uint32_t id;

	memcpy(devices, audit->place.devices, count * sizeof(*devices));
	if (!rings)
		return count;
	ec_indices(rings, &audit->place, audit->index);
	struct ring *ring = ring_set_newest(rings);
	audit->part = ring_partition(ring, audit->place.key);
	audit->parts = ring_parts(ring);
	ring_handoffs_init(&handoffs, ring, (uint32_t)audit->part);
	while (count < audit->primaries + HANDOFFS && ring_handoffs_next(&handoffs, &id)) {
		uint32_t device = rings->handles[rings->count - 1][id];
		if (!place_bit(&audit->place, device))
			devices[count++] = device;
	}
	return count;
}

static void ask_row(struct request *request)
{
	struct audit *audit = request->own;
	struct backend_msg *msg = message(request, BACKEND_DB_ROWS, BACKEND_CONTAINER);
	struct backend_row *row = backend_msg_alloc(msg, sizeof(*row));

	AUTO(buf) struct buf room = BUF_NONE;
	const char *account, *container;

	range_path(request->account, request->container, audit->range, &room, &account, &container);
	backend_msg_path(msg, account, container, NULL);
	row->name = backend_msg_strdup(msg, request->object);
	row->content_type = row->etag = "";
	msg->rows = row;
	msg->row_count = 1;
	proxy_place(request_cluster(request), 0, account, container, NULL, &audit->row_place);
	fan_ask(&audit->rows, &request->op, request->proxy, msg, &audit->row_place, DEADLINE_MS);
}

/* Who was asked for the row knows a range that has it instead: that is asked. */
static bool ask_range(struct request *request)
{
	struct audit *audit = request->own;
	AUTO(buf) struct buf points = BUF_NONE;
	struct backend_row point;

	for (unsigned i = 0; i < audit->rows.count; i++) {
		const struct buf *known = &audit->rows.calls[i].reply.points;
		for (size_t at = 0; backend_rows_next(known, &at, &point);)
			points_join(&points, &point);
	}
	if (!points_find(&points, request->object, &point) || point.deleted ||
	        strcmp(point.content_type, audit->range) == 0 ||
	        strlen(point.content_type) > RANGE_ID_MAX)
		return false;
	snprintf(audit->range, sizeof(audit->range), "%s", point.content_type);
	fan_done(&audit->rows);
	ask_row(request);
	return true;
}

/* The policy is the container's. */
static enum step audit_ask(struct op *op)
{
	struct request *request = request_of(op);
	struct audit *audit = audit_of(op);
	enum backend_kind kind = kind_of(request);
	uint32_t devices[PLACE_MAX + HANDOFFS];
	unsigned policy = 0;

	if (request->http->gone)
		return STEP_DONE;
	if (kind == BACKEND_OBJECT) {
		if (!info_get(&request->container_info, op, request->proxy, request->account,
		            request->container))
			return STEP_WAIT;
		if (fan_open(&request->container_info.fan))
			return STEP_WAIT;
		if (request->container_info.err)
			return request_fail_text(
			        request, 503, "The container's devices do not tell its policy.\n");
		policy = request->container_info.info->policy;
	}
	proxy_place(request_cluster(request), policy, request->account, request->container,
	        request->object, &audit->place);
	unsigned count = devices_of(request, policy, devices);
	struct backend_msg *msg = message(
	        request, kind == BACKEND_OBJECT ? BACKEND_OBJECT_GET : BACKEND_DB_STATE, kind);
	msg->policy = (uint8_t)policy;
	memcpy(msg->key, audit->place.key, sizeof(msg->key));
	fan_start(&audit->fan, op, request->proxy, msg, devices, count, DEADLINE_MS);
	if (kind == BACKEND_OBJECT)
		ask_row(request);
	return op_go(op, ANSWER);
}

/* --- telling --- */

static const char *ts_text(uint64_t ts, char text[TS_TEXT_SIZE])
{
	if (!ts)
		return "-";
	ts_format(ts, text);
	return text;
}

static void name_device(struct request *request, uint32_t device, struct buf *out)
{
	AUTO(buf) struct buf name = BUF_NONE;

	if (request->proxy->name_device)
		request->proxy->name_device(request->proxy, device, &name);
	else
		buf_printf(&name, "device %u", device);
	buf_printf(out, "%-24s ", buf_text(&name));
}

static bool answers(const struct backend_reply *reply)
{
	return !reply->err || reply->err == ERR_NOT_FOUND || reply->err == ERR_CORRUPT;
}

static const char *hex(const uint8_t bytes[16], char text[33])
{
	hex_encode(bytes, 16, text);
	return text;
}

static void tell_version(struct buf *out, const struct backend_reply *reply)
{
	char ts[TS_TEXT_SIZE], meta[TS_TEXT_SIZE], etag[33];
	bool posted = reply->meta_ts > reply->ts;

	if (!answers(reply))
		buf_printf(out, "no answer: %s", err_text(reply->err));
	else if (reply->err == ERR_CORRUPT)
		buf_str(out, "cannot be read: its checksum fails");
	else if (reply->deleted)
		buf_printf(out, "%s deleted", ts_text(reply->ts, ts));
	else if (reply->err)
		buf_str(out, "nothing");
	else
		buf_printf(out, "%s metadata %s size %llu etag %s", ts_text(reply->ts, ts),
		        ts_text(posted ? reply->meta_ts : 0, meta), (unsigned long long)reply->size,
		        hex(reply->etag, etag));
	if (reply->draft_ts)
		buf_str(out, " draft");
	if (!reply->err && reply->fragment.k)
		buf_printf(out, " fragment %u of %u+%u", reply->fragment.index, reply->fragment.k,
		        reply->fragment.m);
}

static void tell_database(struct buf *out, const struct backend_reply *reply)
{
	char put[TS_TEXT_SIZE], deleted[TS_TEXT_SIZE], hash[33];

	if (!answers(reply))
		buf_printf(out, "no answer: %s", err_text(reply->err));
	else if (reply->err)
		buf_str(out, "nothing");
	else
		buf_printf(out, "put %s deleted %s rows %llu hash %s", ts_text(reply->put_ts, put),
		        ts_text(reply->delete_ts, deleted), (unsigned long long)reply->size,
		        hex(reply->hash, hash));
}

static bool row_of(const struct backend_reply *reply, struct backend_row *ret_row)
{
	size_t at = 0;

	return !reply->err && backend_rows_next(&reply->rows, &at, ret_row);
}

static void tell_row(struct buf *out, const struct backend_reply *reply)
{
	char ts[TS_TEXT_SIZE];
	struct backend_row row;

	if (reply->err)
		buf_printf(out, "no row: %s", err_text(reply->err));
	else if (!row_of(reply, &row))
		buf_str(out, "no row");
	else if (row.deleted)
		buf_printf(out, "%s deleted", ts_text(row.ts, ts));
	else
		buf_printf(out, "%s size %llu etag %s type %s", ts_text(row.ts, ts),
		        (unsigned long long)row.bytes, row.etag, row.content_type);
}

/* --- judging --- */

struct health {
	unsigned deviations;
	struct buf *out;
	struct request *request;
};

static void deviates(struct health *health, const struct backend_call *call, const char *why)
{
	health->deviations++;
	buf_str(health->out, "differs    ");
	name_device(health->request, call->device, health->out);
	buf_printf(health->out, "%s\n", why);
}

static bool newer(const struct backend_reply *a, const struct backend_reply *b)
{
	return a->ts != b->ts ? a->ts > b->ts : a->meta_ts > b->meta_ts;
}

static const struct backend_reply *newest_of(const struct fan *fan)
{
	const struct backend_reply *newest = NULL;

	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_reply *reply = &fan->calls[i].reply;
		if (answers(reply) && reply->ts && (!newest || newer(reply, newest)))
			newest = reply;
	}
	return newest;
}

static void judge_version(struct health *health, const struct backend_call *call,
        const struct backend_reply *newest, bool primary, uint8_t index)
{
	const struct backend_reply *reply = &call->reply;
	bool knows = answers(reply) && (reply->ts || reply->err == ERR_CORRUPT);

	if (!primary && knows)
		deviates(health, call, "has a copy, until all primaries have it");
	if (!primary)
		return;
	if (!answers(reply))
		deviates(health, call, "does not answer");
	else if (reply->err == ERR_CORRUPT)
		deviates(health, call, "cannot read its copy: it is fetched again");
	else if (newest && !reply->ts)
		deviates(health, call, "lacks it: the others bring it");
	else if (newest && reply->ts < newest->ts)
		deviates(health, call, "has what was before: the others bring the newest");
	else if (newest && reply->meta_ts < newest->meta_ts)
		deviates(health, call, "missed a POST: the others bring the metadata");
	else if (!reply->err && reply->fragment.k && reply->fragment.index != index)
		deviates(health, call, "has another one's fragment: the others bring its own");
}

static void judge_row(
        struct health *health, const struct backend_call *call, const struct backend_reply *newest)
{
	bool live = newest && !newest->deleted && newest->err != ERR_NOT_FOUND;
	struct backend_row row;

	if (call->reply.err)
		deviates(health, call, "does not tell of its listing");
	else if (live && !row_of(&call->reply, &row))
		deviates(health, call, "does not list it");
	else if (live && row.deleted)
		deviates(health, call, "lists it as deleted");
	else if (live && row.ts < newest->ts)
		deviates(health, call, "lists what was before");
	else if (newest && !live && row_of(&call->reply, &row) && !row.deleted)
		deviates(health, call, "still lists it");
}

static bool same_database(const struct backend_reply *a, const struct backend_reply *b)
{
	return a->err == b->err && a->put_ts == b->put_ts && a->delete_ts == b->delete_ts &&
	       memcmp(a->hash, b->hash, 16) == 0;
}

/* What most of them say is held to be right here; replication joins what any of them knows. */
static void judge_databases(struct health *health, const struct fan *fan, unsigned primaries)
{
	unsigned most = 0, best = 0;

	for (unsigned i = 0; i < primaries; i++) {
		unsigned same = 0;
		for (unsigned j = 0; j < primaries; j++)
			same += same_database(&fan->calls[i].reply, &fan->calls[j].reply);
		if (answers(&fan->calls[i].reply) && same > most) {
			most = same;
			best = i;
		}
	}
	for (unsigned i = 0; i < primaries; i++) {
		const struct backend_call *call = &fan->calls[i];
		if (!answers(&call->reply))
			deviates(health, call, "does not answer");
		else if (!same_database(&call->reply, &fan->calls[best].reply))
			deviates(health, call, "is not as most of them: they are made equal");
	}
}

/* What is told of a container in ranges by whoever knows most of it. */
static void tell_ranges(struct request *request, struct buf *out)
{
	struct audit *audit = request->own;
	AUTO(buf) struct buf points = BUF_NONE;
	struct backend_row point;

	for (unsigned i = 0; i < audit->fan.count; i++) {
		const struct backend_reply *reply = &audit->fan.calls[i].reply;
		for (size_t at = 0; backend_rows_next(&reply->points, &at, &point);)
			points_join(&points, &point);
	}
	const char *account = request->account, *container = request->container, *id;
	if (strcmp(account, RANGES_ACCOUNT) == 0)
		range_parts(
		        arena_strdup(request_arena(request), container), &account, &container, &id);
	for (size_t at = 0; backend_rows_next(&points, &at, &point);)
		buf_printf(out, "range      behind %s in %s/%s/%s/%s%s rows %llu bytes %llu\n",
		        log_quote(point.name), RANGES_ACCOUNT, account, container,
		        point.content_type, point.deleted ? " being filled" : "",
		        (unsigned long long)point.count, (unsigned long long)point.bytes);
}

static void tell_all(struct request *request, struct buf *out)
{
	struct audit *audit = request->own;
	bool object = request->object;
	char key[33];

	buf_printf(out, "name       %s", log_quote(request->account));
	if (request->container)
		buf_printf(out, " %s", log_quote(request->container));
	if (object)
		buf_printf(out, " %s", log_quote(request->object));
	buf_printf(out, "\npartition  %llu of %llu, ring version %llu, key %s\n",
	        (unsigned long long)audit->part, (unsigned long long)audit->parts,
	        (unsigned long long)audit->place.versions.newest, hex(audit->place.key, key));
	for (unsigned i = 0; i < audit->fan.count; i++) {
		buf_str(out, i < audit->primaries ? "primary    " : "handoff    ");
		name_device(request, audit->fan.calls[i].device, out);
		if (object)
			tell_version(out, &audit->fan.calls[i].reply);
		else
			tell_database(out, &audit->fan.calls[i].reply);
		buf_char(out, '\n');
	}
	if (request->container && !object)
		tell_ranges(request, out);
	for (unsigned i = 0; i < audit->rows.count; i++) {
		buf_str(out, "listing    ");
		name_device(request, audit->rows.calls[i].device, out);
		tell_row(out, &audit->rows.calls[i].reply);
		buf_char(out, '\n');
	}
}

static void judge_all(struct request *request, struct health *health)
{
	struct audit *audit = request->own;
	const struct backend_reply *newest = newest_of(&audit->fan);

	if (!request->object) {
		judge_databases(health, &audit->fan, audit->primaries);
		return;
	}
	for (unsigned i = 0; i < audit->fan.count; i++)
		judge_version(health, &audit->fan.calls[i], newest, i < audit->primaries,
		        i < audit->primaries ? audit->index[i] : 0);
	for (unsigned i = 0; i < audit->rows.count; i++)
		judge_row(health, &audit->rows.calls[i], newest);
}

static enum step audit_answer(struct op *op)
{
	struct request *request = request_of(op);
	struct audit *audit = audit_of(op);
	AUTO(buf) struct buf out = BUF_NONE;
	struct health health = {.out = &out, .request = request};

	if (fan_open(&audit->fan) || fan_open(&audit->rows))
		return STEP_WAIT;
	if (request->http->gone)
		return STEP_DONE;
	if (request->object && ask_range(request))
		return STEP_WAIT;
	tell_all(request, &out);
	judge_all(request, &health);
	buf_printf(&out, "health     %s\n",
	        health.deviations ? "not all is as it should be" : "all is well");
	return request_fail_text(request, 200, buf_text(&out));
}

static const struct op_state states[] = {
        [ASK] = {"ask", audit_ask, TO(ANSWER), 0},
        [ANSWER] = {"answer", audit_answer, 0, 0},
};
static const struct method audit_method = {.name = "audit", .states = states};

static void done(struct request *request)
{
	struct audit *audit = request->own;

	fan_done(&audit->fan);
	fan_done(&audit->rows);
}

const struct method *audit_route(struct request *request, int *ret_status)
{
	struct arena *arena = request_arena(request);
	const char *sent = request->path + strlen(AUDIT_PREFIX);
	size_t len;
	char *p = url_unquote(arena, sent, strlen(sent), &len), *slash;

	*ret_status = 403;
	if (strcmp(request->http->method, "GET") != 0 ||
	        !operator_signed(request, "audit", request->path))
		return NULL;
	*ret_status = 412;
	if (strlen(p) != len || !*p || *p == '/')
		return NULL;
	request->account = p;
	if ((slash = strchr(p, '/'))) {
		*slash = 0;
		request->container = slash[1] ? slash + 1 : NULL;
	}
	/* A range's name has slashes in it. */
	bool range = strcmp(p, RANGES_ACCOUNT) == 0;
	if (request->container && !range && (slash = strchr(request->container, '/'))) {
		*slash = 0;
		request->object = slash[1] ? slash + 1 : NULL;
		if (!*request->container)
			return NULL;
	}
	request->own = arena_zalloc(arena, sizeof(struct audit));
	request->own_done = done;
	return &audit_method;
}
