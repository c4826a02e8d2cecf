/* One call: waits for its database to be loaded and for what it depends on, decides, appends its
 * record, applies it when durable, answers. A call runs again from the top each time something
 * it waited for has come. */
#include "lib/backend/points.h"
#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include "lib/rows/compare.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

size_t overlay_total(const struct rows *rows)
{
	return overlay_bytes(rows->active.overlay) +
	       (rows->frozen.overlay ? overlay_bytes(rows->frozen.overlay) : 0) +
	       rows->inflight_bytes;
}

void space_hash(const struct space *space, uint8_t ret_hash[16])
{
	uint64_t hash[2], points[2];
	struct totals totals;

	space_totals(space, &totals);
	info_hash(&space->info, hash);
	info_points_hash(&space->info, false, points);
	hash[0] += totals.hash[0] + points[0];
	hash[1] += totals.hash[1] + points[1];
	memcpy(ret_hash, hash, sizeof(hash));
}

static void fill_reply(struct request *request, enum err err)
{
	bool taken = request->call->msg->op == BACKEND_DB_MERGE ||
	             (request->call->msg->op == BACKEND_DB_UPDATE && !err);

	struct backend_reply *reply = &request->call->reply;
	const struct space *space = request->space;
	const struct info *info = &space->info;
	struct totals totals;
	uint8_t hash[16];

	space_totals(space, &totals);
	space_hash(space, hash);
	reply->exact = !request->source.store || memcmp(hash, reply->hash, sizeof(hash)) == 0;
	if (!request->source.store) /* else it is that of before the rows were read */
		memcpy(reply->hash, hash, sizeof(hash));
	reply->deleted = info->delete_ts && !info_is_put(info);
	reply->ts = info->created_ts ? info->created_ts : info->put_ts;
	reply->put_ts = info->put_ts;
	reply->meta_ts = info_changed_ts(info);
	reply->delete_ts = info->delete_ts;
	reply->policy = info->policy;
	reply->containers = request->rows->config.kind == BACKEND_ACCOUNT ? totals.rows : 0;
	memcpy(reply->containers_of, totals.containers, sizeof(reply->containers_of));
	memcpy(reply->count, totals.count, sizeof(reply->count));
	memcpy(reply->bytes, totals.bytes, sizeof(reply->bytes));
	if (!reply->points.len && !taken)
		buf_add(&reply->points, info->points.data, info->points.len);
}

void request_finish(struct request *request, enum err err)
{
	struct rows *rows = request->rows;

	if (request->space) {
		if (request->space->loaded)
			fill_reply(request, err);
		space_unref(request->space);
	}
	backend_finish(request->call, err);
	list_remove(&request->all);
	buf_done(&request->payload);
	merge_free(request->merge);
	free(request->cut);
	free(request);
	rows_ended(rows);
}

static bool expired(const struct request *request)
{
	uint64_t deadline_us = request->call->deadline_us;

	return deadline_us && reactor_now_us(request->rows->reactor) >= deadline_us;
}

/* --- changes --- */

static bool rows_valid(enum backend_kind kind, const struct backend_msg *msg)
{
	for (unsigned i = 0; i < msg->row_count; i++) {
		const struct backend_row *row = &msg->rows[i];
		if (!row->name || !*row->name || strlen(row->name) > ROW_NAME_MAX ||
		        row->policy >= BACKEND_POLICIES || row->ts == 0)
			return false;
		if (kind == BACKEND_CONTAINER &&
		        ((row->content_type && strlen(row->content_type) > ROW_TEXT_MAX) ||
		                (row->etag && strlen(row->etag) > ROW_TEXT_MAX)))
			return false;
	}
	return true;
}

static size_t row_bytes(const struct backend_row *row)
{
	return 128 + strlen(row->name) + (row->content_type ? strlen(row->content_type) : 0) +
	       (row->etag ? strlen(row->etag) : 0);
}

/* As many rows as one record may carry. */
static void choose_rows(struct request *request)
{
	const struct backend_msg *msg = request->call->msg;
	size_t len = 8192;

	request->row_from = request->row_to;
	while (request->row_to < msg->row_count) {
		len += row_bytes(&msg->rows[request->row_to]);
		if (len > DEVICE_PAYLOAD_MAX && request->row_to > request->row_from)
			break;
		request->row_to++;
	}
}

static void fill_record(const struct request *request, enum record_type type, struct record *record)
{
	const struct backend_msg *msg = request->call->msg;

	*record = (struct record){
	        .type = (uint8_t)type,
	        .policy = msg->policy,
	        .account = msg->account ? msg->account : "",
	        .container = msg->container ? msg->container : "",
	        .ts = msg->ts,
	};
	memcpy(record->key, msg->key, sizeof(record->key));
	if (type == RECORD_PUT || type == RECORD_POST) {
		record->headers = msg->headers;
		record->headers_len = msg->headers_len;
	}
	if (type == RECORD_ROWS)
		record->row_count = request->row_to - request->row_from;
	if (type == RECORD_SPLIT) {
		record->ts = msg->stage <= SPLIT_ACCEPT ? msg->ts : 0;
		record->row_count = msg->stage != SPLIT_PREPARE;
	}
}

/* The point as it is to be joined to the others. */
static void add_point(struct request *request)
{
	const struct backend_msg *msg = request->call->msg;
	const struct backend_row *row = msg->rows;
	struct backend_row point = {.name = row->name,
	        .content_type = row->content_type,
	        .etag = "",
	        .ts = msg->stage == SPLIT_ACCEPT ? msg->ts : row->ts,
	        .deleted = msg->stage == SPLIT_ACCEPT};

	if (msg->stage == SPLIT_TOTALS) {
		points_with_id(&request->space->info.points, row->content_type, &point);
		point.totals_ts = row->totals_ts;
		point.count = row->count;
		point.bytes = row->bytes;
	}
	record_add_row(&request->payload, &point);
}

static void encode(struct request *request, enum record_type type)
{
	const struct backend_msg *msg = request->call->msg;
	struct record record;

	fill_record(request, type, &record);
	buf_reset(&request->payload);
	record_encode(&request->payload, &record);
	for (unsigned i = request->row_from; type == RECORD_ROWS && i < request->row_to; i++) {
		struct backend_row row = msg->rows[i];
		row_normalise(request->rows->config.kind, &row);
		record_add_row(&request->payload, &row);
	}
	if (type == RECORD_SPLIT && record.row_count)
		add_point(request);
}

void request_append(struct request *request, void (*done)(struct device_append *append))
{
	struct rows *rows = request->rows;

	request->append = (struct device_append){
	        .role = rows->config.kind == BACKEND_CONTAINER ? DEVICE_ROLE_CONTAINER
	                                                       : DEVICE_ROLE_ACCOUNT,
	        .payload = request->payload.data,
	        .len = request->payload.len,
	        .done = done,
	};
	rows->inflight_bytes += request->payload.len;
	device_append(rows->device, &request->append);
}

static void wait_space(struct request *request)
{
	list_append(&request->space->waiting, &request->link);
}

static void on_rows_durable(struct device_append *append)
{
	struct request *request = CONTAINER_OF(append, struct request, append);
	struct rows *rows = request->rows;
	struct space *space = request->space;
	const struct backend_msg *msg = request->call->msg;

	rows->inflight_bytes -= request->payload.len;
	space->updates--;
	if (!append->err) {
		for (unsigned i = request->row_from; i < request->row_to; i++)
			apply_row(space, &msg->rows[i]);
		applied(rows, append->lsn);
	}
	space->refs++;
	if (append->err || request->row_to == msg->row_count)
		request_finish(request, append->err);
	else
		request_append_rows(request);
	if (space->updates == 0)
		space_wake(space);
	space_unref(space);
	rows_pump(rows);
}

/* A row behind a point is that range's. While the range is being filled it is ours too, if its
 * writer knows that and brings it there as well. */
static bool is_moved(const struct request *request)
{
	const struct backend_msg *msg = request->call->msg;
	const struct buf *points = &request->space->info.points;
	const char *id = msg->list.marker ? msg->list.marker : "";
	struct backend_row point;

	if (msg->op != BACKEND_DB_UPDATE || !points->len)
		return false;
	for (unsigned i = request->row_from; i < request->row_to; i++) {
		if (points_find(points, msg->rows[i].name, &point) &&
		        !(point.deleted &&
		                (strcmp(point.content_type, id) == 0 || MUTANT(split_unasked))))
			return true;
	}
	return false;
}

/* What a point decides holds for all that is appended behind it, so none may be under way. */
void request_append_rows(struct request *request)
{
	if (request->call->msg->op == BACKEND_DB_UPDATE && request->space->changes) {
		wait_space(request);
		return;
	}
	choose_rows(request);
	if (request->call->msg->op == BACKEND_DB_UPDATE &&
	        request->space->still_us > reactor_now_us(request->rows->reactor)) {
		request_finish(request, ERR_BUSY);
		return;
	}
	if (is_moved(request)) {
		request_finish(request, ERR_MOVED);
		return;
	}
	encode(request, RECORD_ROWS);
	request->space->updates++;
	request_append(request, on_rows_durable);
}

static enum record_type change_type(const struct backend_call *call)
{
	return call->msg->op == BACKEND_DB_PUT     ? RECORD_PUT
	       : call->msg->op == BACKEND_DB_SPLIT ? RECORD_SPLIT
	       : call->msg->op == BACKEND_DB_POST  ? RECORD_POST
	                                           : RECORD_DELETE;
}

static void on_change_durable(struct device_append *append)
{
	struct request *request = CONTAINER_OF(append, struct request, append);
	struct rows *rows = request->rows;
	struct space *space = request->space;
	struct record record;
	enum err err = append->err;

	rows->inflight_bytes -= request->payload.len;
	space->changes--;
	if (!err) {
		fill_record(request, change_type(request->call), &record);
		if (record.type == RECORD_SPLIT)
			record_parse(request->payload.data, request->payload.len, &record);
		if (record.ts > rows->newest_ts)
			rows->newest_ts = record.ts;
		apply_record(space, &record);
		applied(rows, append->lsn);
		err = request->err; /* ERR_EXISTS of a PUT is a success too */
	}
	space->refs++;
	request_finish(request, err);
	space_wake(space);
	space_unref(space);
	rows_pump(rows);
}

static void change(struct request *request, enum err answer)
{
	struct record record;

	fill_record(request, change_type(request->call), &record);
	if (record.headers_len && !info_has_room(&request->space->info, &record)) {
		request_finish(request, ERR_BAD_REQUEST);
		return;
	}
	encode(request, change_type(request->call));
	if (request->payload.err || request->payload.len > DEVICE_PAYLOAD_MAX) {
		request_finish(request, ERR_TOO_LARGE);
		return;
	}
	request->err = answer;
	request->space->changes++;
	request_append(request, on_change_durable);
}

/* --- waiting --- */

bool request_resolved(struct request *request)
{
	struct rows *rows = request->rows;

	if (!request->has_seq) {
		request->has_seq = true;
		request->need_seq = rows->seq_in;
	}
	if (rows->seq_done >= request->need_seq)
		return true;
	list_append(&rows->resolving, &request->link);
	resolve_pump(rows);
	return false;
}

void requests_wake_resolved(struct rows *rows, enum err err)
{
	struct list ready = LIST_INIT(ready), *node;

	list_splice(&ready, &rows->resolving);
	while ((node = list_first(&ready))) {
		struct request *request = LIST_ENTRY(node, struct request, link);
		list_remove(node);
		if (rows->seq_done < request->need_seq && !err) {
			list_append(&rows->resolving, node);
			continue;
		}
		if (rows->seq_done < request->need_seq)
			request->err = err;
		request_run(request);
	}
}

void requests_wake_blocked(struct rows *rows)
{
	struct list ready = LIST_INIT(ready), *node;

	list_splice(&ready, &rows->blocked);
	while ((node = list_first(&ready))) {
		list_remove(node);
		request_run(LIST_ENTRY(node, struct request, link));
	}
}

static void expire(struct rows *rows, bool all)
{
	LIST_EACH_SAFE (node, &rows->requests) {
		struct request *request = LIST_ENTRY(node, struct request, all);
		if (list_empty(&request->link) || (!all && !expired(request)))
			continue;
		list_remove(&request->link);
		request_finish(request, all ? ERR_CLOSED : ERR_DEADLINE);
	}
}

void requests_expire(struct rows *rows)
{
	expire(rows, false);
}

void requests_drop(struct rows *rows)
{
	expire(rows, true);
}

/* --- listing --- */

/* Replicas are compared whatever became of them. */
static bool compares(const struct backend_call *call)
{
	return call->msg->op == BACKEND_DB_ROW_DIGEST || call->msg->op == BACKEND_DB_ROW_RANGE ||
	       call->msg->op == BACKEND_DB_STATE;
}

static void list_run(struct work *work)
{
	struct request *request = CONTAINER_OF(work, struct request, job.work);

	const struct backend_msg *msg = request->call->msg;
	struct buf *rows = &request->call->reply.rows;

	if (msg->op == BACKEND_DB_ROWS)
		request->err = list_names(&request->source, msg->rows, msg->row_count, rows);
	else if (msg->op == BACKEND_DB_ROW_DIGEST)
		request->err = compare_row_digest(
		        &request->source, request->rows->config.kind, request->call);
	else if (msg->op == BACKEND_DB_ROW_RANGE)
		request->err = compare_row_range(&request->source, request->call);
	else
		request->err = list_rows(&request->source, &msg->list, rows, &request->gap);
}

static void list_done(struct job *job)
{
	struct request *request = CONTAINER_OF(job, struct request, job);
	enum err err = request->err;

	for (unsigned i = 0; i < COUNT_OF(request->source.overlays); i++)
		overlay_unref(request->source.overlays[i]);
	sweep_gap(request->rows, &request->gap);
	buf_done(&request->gap.from);
	buf_done(&request->gap.to);
	const char *cut = points_cut(&request->space->info.points);
	bool moved = cut && (!request->cut || strcmp(cut, request->cut) != 0);
	if (!err && moved && !request->rows->closing) {
		/* Some of it moved meanwhile, and may be gone from here already. */
		buf_reset(&request->call->reply.rows);
		buf_reset(&request->call->reply.headers);
		buf_reset(&request->call->reply.points);
		request->err = ERR_OK;
		request_run(request);
		return;
	}
	if (!err && !compares(request->call) && !info_is_put(&request->space->info))
		err = ERR_NOT_FOUND; /* a deleted account; the reaper reads its rows */
	request_finish(request, err);
}

static void start_list(struct request *request)
{
	struct rows *rows = request->rows;

	const struct buf *points = &request->space->info.points;
	const char *cut = points_cut(points);

	free(request->cut);
	request->cut = cut ? mem_strdup(cut) : NULL;
	buf_reset(&request->call->reply.points);
	buf_add(&request->call->reply.points, points->data, points->len);
	request->source = (struct list_source){
	        .store = rows->store,
	        .key = request->space->key,
	        .cut = request->cut,
	        .overlays = {overlay_ref(rows->active.overlay),
	                rows->frozen.overlay ? overlay_ref(rows->frozen.overlay) : NULL},
	};
	space_hash(request->space, request->call->reply.hash);
	job_start(&request->job, rows, list_run, list_done);
}

/* --- the operations --- */

static bool is_deleted_account(const struct request *request)
{
	const struct info *info = &request->space->info;

	return request->rows->config.kind == BACKEND_ACCOUNT && info->delete_ts &&
	       !info_is_put(info);
}

static void run_put(struct request *request)
{
	const struct info *info = &request->space->info;
	uint64_t ts = request->call->msg->ts;

	/* An account stays deleted until the reaper has emptied it. */
	if (is_deleted_account(request)) {
		if (!request_resolved(request))
			return;
		if (request->space->now.rows > 0) {
			request_finish(request, ERR_FORBIDDEN);
			return;
		}
	}
	if (ts <= info->delete_ts)
		request_finish(request, ERR_CONFLICT);
	else
		change(request, info_is_put(info) ? ERR_EXISTS : ERR_OK);
}

/* Who deletes a container in ranges has deleted those it names, and must know all there are. */
static bool knows_points(const struct request *request)
{
	const struct backend_msg *msg = request->call->msg;
	const struct buf *points = &request->space->info.points;
	struct backend_row point;
	unsigned count = 0;

	for (size_t at = 0; backend_rows_next(points, &at, &point); count++) {
		unsigned i = 0;
		while (i < msg->row_count && strcmp(msg->rows[i].name, point.content_type) != 0)
			i++;
		if (i == msg->row_count)
			return false;
	}
	return count == msg->row_count;
}

static void run_delete(struct request *request)
{
	struct space *space = request->space;
	struct totals totals;

	if (!info_is_put(&space->info)) {
		request_finish(request, ERR_NOT_FOUND);
		return;
	}
	if (request->rows->config.kind == BACKEND_CONTAINER) {
		if (space->updates) {
			wait_space(request);
			return;
		}
		request->has_seq = false; /* rows may have come while it waited */
		if (!request_resolved(request))
			return;
		if (!space_totals(space, &totals) || totals.rows > 0 || !knows_points(request)) {
			request_finish(request, ERR_CONFLICT);
			return;
		}
	}
	if (request->call->msg->ts <= space->info.put_ts) {
		request_finish(request, ERR_CONFLICT);
		return;
	}
	space->still_us = 0; /* one that is made anew takes rows */
	change(request, ERR_OK);
}

static bool is_point(const struct request *request)
{
	const struct backend_msg *msg = request->call->msg;
	const struct backend_row *row = msg->rows;
	bool point = msg->row_count == 1 && row->content_type && *row->content_type &&
	             strlen(row->content_type) <= RANGE_ID_MAX && row->ts;

	return request->rows->config.kind == BACKEND_CONTAINER && msg->stage >= SPLIT_PREPARE &&
	       msg->stage <= SPLIT_STILL &&
	       (point || msg->stage == SPLIT_PREPARE || msg->stage == SPLIT_STILL) &&
	       (msg->row_count == 0 || msg->stage != SPLIT_PREPARE);
}

/* ERR_OK: it is to be done; ERR_EXISTS: it is already. */
static enum err split_allowed(const struct request *request)
{
	const struct backend_msg *msg = request->call->msg;
	const struct backend_row *row = msg->rows;
	const struct info *info = &request->space->info;
	const char *cut = points_cut(&info->points);
	bool trimmed = !cut || (request->space->tail.rows == 0 && !request->space->tail_to);
	struct backend_row known;

	if (msg->meta_ts < info->delete_ts)
		return ERR_CONFLICT;
	switch (msg->stage) {
	case SPLIT_PREPARE:
		return msg->ts <= info->promised ? ERR_CONFLICT : trimmed ? ERR_OK : ERR_BUSY;
	case SPLIT_ACCEPT:
		if (msg->ts < info->promised || (cut && strcmp(row->name, cut) >= 0))
			return ERR_CONFLICT;
		return points_proposed(&info->points, &known) || trimmed ? ERR_OK : ERR_BUSY;
	case SPLIT_MOVED:
		return points_with_id(&info->points, row->content_type, &known) && !known.deleted
		               ? ERR_EXISTS
		               : ERR_OK;
	default:
		if (!points_with_id(&info->points, row->content_type, &known) || known.deleted)
			return ERR_CONFLICT;
		return row->totals_ts <= known.totals_ts ? ERR_EXISTS : ERR_OK;
	}
}

/* As DELETE: nothing is under way, all is counted. */
static void run_still(struct request *request)
{
	struct space *space = request->space;
	struct totals totals;

	if (!request->call->msg->len) {
		space->still_us = 0;
		request_finish(request, ERR_OK);
		return;
	}
	if (space->updates) {
		wait_space(request);
		return;
	}
	request->has_seq = false;
	if (!request_resolved(request))
		return;
	if (!space_totals(space, &totals) || totals.rows > 0 || !knows_points(request)) {
		request_finish(request, ERR_CONFLICT);
		return;
	}
	space->still_us = reactor_now_us(request->rows->reactor) + BACKEND_STILL_S * 1000000ull;
	request_finish(request, ERR_OK);
}

static void run_split(struct request *request)
{
	if (!is_point(request)) {
		request_finish(request, ERR_BAD_REQUEST);
		return;
	}
	if (!info_is_put(&request->space->info)) {
		request_finish(request, ERR_NOT_FOUND);
		return;
	}
	request->space->split_us = reactor_now_us(request->rows->reactor);
	if (request->call->msg->stage == SPLIT_STILL) {
		run_still(request);
		return;
	}
	enum err err = split_allowed(request);
	if (err)
		request_finish(request, err == ERR_EXISTS ? ERR_OK : err);
	else
		change(request, ERR_OK);
}

static void run_update(struct request *request)
{
	const struct backend_msg *msg = request->call->msg;
	bool any_live = false;

	for (unsigned i = 0; i < msg->row_count; i++)
		any_live |= !msg->rows[i].deleted;
	if (!info_is_put(&request->space->info) && !(is_deleted_account(request) && !any_live))
		request_finish(request, ERR_NOT_FOUND);
	else if (msg->row_count == 0)
		request_finish(request, ERR_OK);
	else
		request_append_rows(request);
}

static void run_read(struct request *request)
{
	struct backend_call *call = request->call;
	bool is_put = info_is_put(&request->space->info);

	if (!is_put && !is_deleted_account(request)) {
		request_finish(request, ERR_NOT_FOUND);
		return;
	}
	if (!request_resolved(request))
		return;
	info_headers(&request->space->info, &call->reply.headers);
	if (call->msg->op == BACKEND_DB_HEAD)
		request_finish(request, is_put ? ERR_OK : ERR_NOT_FOUND);
	else
		start_list(request);
}

/* To be compared with another replica's. */
static void run_compare(struct request *request)
{
	struct backend_reply *reply = &request->call->reply;
	const struct space *space = request->space;
	const struct info *info = &space->info;
	struct totals totals;

	if (!info->put_ts && !info->delete_ts) {
		request_finish(request, ERR_NOT_FOUND);
		return;
	}
	if (!request_resolved(request))
		return;
	if (request->call->msg->op == BACKEND_DB_ROW_RANGE)
		request->space->split_us = reactor_now_us(request->rows->reactor);
	if (request->call->msg->op != BACKEND_DB_STATE) {
		start_list(request);
		return;
	}
	struct info told = *info; /* what the account was told is each replica's own */
	told.reported_count = told.reported_bytes = told.reported_put_ts = 0;
	info_encode(&reply->items, &told, "", "");
	buf_str(&reply->path, space->account ? space->account : "");
	buf_char(&reply->path, 0);
	buf_str(&reply->path, space->container ? space->container : "");
	buf_add(&reply->path, "\0", 2); /* its NUL, and no object */
	space_totals(space, &totals);
	memcpy(reply->etag, totals.hash, sizeof(reply->etag));
	reply->size = totals.rows;
	request_finish(request, reply->items.err);
}

static bool is_write(const struct backend_call *call)
{
	return call->msg->op < BACKEND_DB_HEAD || call->msg->op == BACKEND_DB_UPDATE ||
	       call->msg->op == BACKEND_DB_MERGE || call->msg->op == BACKEND_DB_SPLIT;
}

static void run_op(struct request *request)
{
	switch (request->call->msg->op) {
	case BACKEND_DB_PUT:
		run_put(request);
		break;
	case BACKEND_DB_DELETE:
		run_delete(request);
		break;
	case BACKEND_DB_POST:
		if (info_is_put(&request->space->info))
			change(request, ERR_OK);
		else
			request_finish(request, ERR_NOT_FOUND);
		break;
	case BACKEND_DB_UPDATE:
		run_update(request);
		break;
	case BACKEND_DB_MERGE:
		merge_run(request);
		break;
	case BACKEND_DB_FORGET:
		forget_run(request);
		break;
	case BACKEND_DB_SPLIT:
		run_split(request);
		break;
	case BACKEND_DB_STATE:
	case BACKEND_DB_ROW_DIGEST:
	case BACKEND_DB_ROW_RANGE:
		run_compare(request);
		break;
	default:
		run_read(request);
	}
}

void request_run(struct request *request)
{
	struct rows *rows = request->rows;
	struct space *space = request->space;

	if (request->err || rows->closing || rows->failed) {
		request_finish(request, request->err    ? request->err
		                        : rows->closing ? ERR_CLOSED
		                                        : ERR_IO);
	} else if (expired(request)) {
		request_finish(request, ERR_DEADLINE);
	} else if (!space->loaded) {
		wait_space(request);
		space_load(space);
	} else if (space->changes) {
		wait_space(request);
	} else if (is_write(request->call) && overlay_total(rows) > rows->config.overlay_max) {
		list_append(&rows->blocked, &request->link);
	} else {
		run_op(request);
	}
}

static bool text_fits(const char *text)
{
	return !text || strlen(text) <= ROW_NAME_MAX;
}

static bool brings_rows(const struct backend_msg *msg)
{
	return msg->op == BACKEND_DB_UPDATE || msg->op == BACKEND_DB_MERGE ||
	       msg->op == BACKEND_DB_SPLIT;
}

static bool is_known(const struct backend_msg *msg)
{
	return (msg->op >= BACKEND_DB_PUT && msg->op <= BACKEND_DB_ROWS) ||
	       (msg->op >= BACKEND_DB_STATE && msg->op <= BACKEND_DB_ROW_RANGE) ||
	       msg->op == BACKEND_DB_FORGET || msg->op == BACKEND_DB_SPLIT;
}

static enum err check(const struct rows *rows, const struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;

	if (msg->kind != rows->config.kind || !is_known(msg) || msg->policy >= BACKEND_POLICIES ||
	        (is_write(call) && !brings_rows(msg) && msg->ts == 0))
		return ERR_BAD_REQUEST;
	if (!text_fits(msg->account) || !text_fits(msg->container) ||
	        !text_fits(msg->list.marker) || !text_fits(msg->list.end_marker) ||
	        (is_write(call) && msg->op != BACKEND_DB_MERGE &&
	                !kv_valid(msg->headers, msg->headers_len)))
		return ERR_BAD_REQUEST;
	if (brings_rows(msg) && !rows_valid(rows->config.kind, msg))
		return ERR_BAD_REQUEST;
	for (unsigned i = 0; !is_write(call) && i < msg->row_count; i++) {
		if (!text_fits(msg->rows[i].name))
			return ERR_BAD_REQUEST;
	}
	return rows->started && !rows->closing ? ERR_OK : ERR_UNAVAILABLE;
}

static void compare_databases(struct rows *rows, struct backend_call *call)
{
	if (!compare_is_good(call->msg))
		backend_finish(call, ERR_BAD_REQUEST);
	else if (!rows->started || rows->closing || rows->failed)
		backend_finish(call, ERR_UNAVAILABLE);
	else if (call->msg->op == BACKEND_DB_DIGEST)
		digest_databases(rows, call);
	else
		compare_keys(rows, call);
}

void rows_handle(struct rows *rows, struct backend_call *call)
{
	struct merge *merge = NULL;

	if (call->msg->op == BACKEND_DB_DIGEST || call->msg->op == BACKEND_DB_KEYS) {
		compare_databases(rows, call);
		return;
	}
	enum err err = check(rows, call);
	if (!err && call->msg->op == BACKEND_DB_MERGE)
		err = merge_parse(call->msg, &merge);
	if (err) {
		backend_finish(call, err);
		return;
	}
	struct request *request = mem_zalloc(sizeof(*request));
	request->merge = merge;
	request->rows = rows;
	request->call = call;
	request->space = space_get(rows, call->msg->key);
	list_init(&request->link);
	list_append(&rows->requests, &request->all);
	rows->outstanding++;
	request_run(request);
	rows_pump(rows);
}
