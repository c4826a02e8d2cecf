/* MERGE: what another replica knows of a database. Each thing it knows becomes the record that told
 * it there; merging them is the same in any order, but a delete comes before the puts after it. */
#include "lib/base/mem.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

struct merge {
	struct info info; /* the other's */
	const char *account, *container;
	struct merge_step {
		uint8_t type, policy;
		uint64_t ts;
		struct buf headers; /* owned; kv block; SPLIT: its rows */
		uint32_t rows;
	} * steps; /* owned */
	unsigned count, at;
};

void merge_free(struct merge *merge)
{
	if (!merge)
		return;
	for (unsigned i = 0; i < merge->count; i++)
		buf_done(&merge->steps[i].headers);
	free(merge->steps);
	info_done(&merge->info);
	free(merge);
}

static struct merge_step *add_step(struct merge *merge, uint8_t type, uint64_t ts)
{
	merge->steps = mem_realloc(merge->steps, (merge->count + 1) * sizeof(*merge->steps));
	struct merge_step *step = &merge->steps[merge->count++];
	*step = (struct merge_step){.type = type, .ts = ts};
	return step;
}

/* Headers that were set at one time travel in one POST. */
static void add_headers(struct merge *merge)
{
	uint64_t after = 0, ts;

	while ((ts = info_next_ts(&merge->info, after))) {
		info_headers_at(&merge->info, ts, &add_step(merge, RECORD_POST, ts)->headers);
		after = ts;
	}
}

static void add_points(struct merge *merge)
{
	const struct info *info = &merge->info;
	struct backend_row point;

	if (!info->points.len && !info->promised)
		return;
	struct merge_step *step = add_step(merge, RECORD_SPLIT, info->promised);
	for (size_t at = 0; backend_rows_next(&info->points, &at, &point); step->rows++)
		record_add_row(&step->headers, &point);
}

enum err merge_parse(const struct backend_msg *msg, struct merge **ret_merge)
{
	struct merge *merge = mem_zalloc(sizeof(*merge));
	struct info *info = &merge->info;
	size_t at = 0;

	if (msg->headers_len && (!info_decode(msg->headers, msg->headers_len, &at, info,
	                                 &merge->account, &merge->container) ||
	                                at != msg->headers_len)) {
		merge_free(merge);
		return ERR_BAD_REQUEST;
	}
	if (info->delete_ts)
		add_step(merge, RECORD_DELETE, info->delete_ts);
	if (info->created_ts)
		add_step(merge, RECORD_PUT, info->created_ts)->policy = info->policy;
	if (info->put_ts && info->put_ts != info->created_ts)
		add_step(merge, RECORD_PUT, info->put_ts)->policy = info->policy;
	add_headers(merge);
	add_points(merge);
	*ret_merge = merge;
	return ERR_OK;
}

static void fill(const struct request *request, struct record *record)
{
	const struct backend_msg *msg = request->call->msg;
	const struct merge_step *step = &request->merge->steps[request->merge->at];

	*record = (struct record){
	        .type = step->type,
	        .policy = step->policy,
	        .account = msg->account ? msg->account : "",
	        .container = msg->container ? msg->container : "",
	        .ts = step->ts,
	};
	if (step->type == RECORD_SPLIT) {
		record->rows = step->headers.data;
		record->rows_len = step->headers.len;
		record->row_count = step->rows;
	} else {
		record->headers = step->headers.data;
		record->headers_len = step->headers.len;
	}
	memcpy(record->key, msg->key, sizeof(record->key));
}

static void on_durable(struct device_append *append);

static void next(struct request *request)
{
	struct record record;

	fill(request, &record);
	buf_reset(&request->payload);
	record_encode(&request->payload, &record);
	buf_add(&request->payload, record.rows, record.rows_len);
	if (request->payload.err || request->payload.len > DEVICE_PAYLOAD_MAX) {
		request->space->changes--;
		request_finish(request, ERR_TOO_LARGE);
		return;
	}
	request_append(request, on_durable);
}

static void rows_or_end(struct request *request)
{
	const struct info *info = &request->space->info;

	if (!request->call->msg->row_count)
		request_finish(request, ERR_OK);
	else if (!info->put_ts && !info->delete_ts)
		request_finish(request, ERR_NOT_FOUND);
	else
		request_append_rows(request);
}

static void on_durable(struct device_append *append)
{
	struct request *request = CONTAINER_OF(append, struct request, append);
	struct rows *rows = request->rows;
	struct space *space = request->space;
	struct merge *merge = request->merge;
	struct record record;

	rows->inflight_bytes -= request->payload.len;
	if (!append->err) {
		fill(request, &record);
		if (record.ts > rows->newest_ts)
			rows->newest_ts = record.ts;
		apply_record(space, &record);
		applied(rows, append->lsn);
		merge->at++;
		if (merge->at < merge->count) {
			next(request);
			return;
		}
	}
	space->refs++;
	space->changes--;
	if (append->err)
		request_finish(request, append->err);
	else
		rows_or_end(request);
	space_wake(space);
	space_unref(space);
	rows_pump(rows);
}

void merge_run(struct request *request)
{
	if (!request->merge->count) {
		rows_or_end(request);
		return;
	}
	request->space->changes++;
	next(request);
}
