/* Object GET and HEAD.
 *
 *   prepare -> open -> manifest (-> begin) -> stream -> close
 *
 * A small body goes out in one answer. A large one, several ranges, or a large object of segments
 * is a stream: parts (a text or a range of an object) sent one after the other. Nothing of it is
 * answered before the first segment is there (begin). */
#include "proxy/body.h"
#include "proxy/conditional.h"
#include "proxy/params.h"
#include "proxy/pipeline.h"
#include "proxy/proxy.h"
#include "proxy/reader.h"
#include "proxy/s3/s3.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include "lib/crypto/md5.h"
#include "lib/http/range.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PREPARE, OPEN, MANIFEST, BEGIN, STREAM };

struct get {
	struct body body;
	struct range ranges[RANGE_MAX];
	unsigned range_count;
	char etag[64];
	struct credit credit; /* for a piece of it */
	uint64_t first_offset, first_len, total;
	int status;
	const char *part_text; /* ?part-number */
	uint64_t part;         /* its number; 0: none */
	bool asked;
};

static void get_done(struct request *request)
{
	struct get *get = request->own;

	body_done(&get->body);
	credit_give(&get->credit);
}

static struct get *get_of(struct request *request)
{
	return request->own;
}

/* The first bytes worth bringing along with the version. Only a plain range that cannot turn out
 * to mean something else: of an inline body nothing more can be read later. */
static void first_bytes(const struct request *request, uint64_t *ret_offset, uint64_t *ret_len)
{
	const char *range = http_get(request->http, "Range");
	char start[19], end[19];
	int used = 0;

	*ret_offset = 0;
	*ret_len = request->head ? 0 : UINT64_MAX;
	if (request->head || !range)
		return;
	if (http_get(request->http, "If-Range") ||
	        sscanf(range, "bytes=%18[0-9]-%18[0-9]%n", start, end, &used) != 2 || range[used])
		return;
	uint64_t from = strtoull(start, NULL, 10), to = strtoull(end, NULL, 10);
	if (to >= from) {
		*ret_offset = from;
		*ret_len = to - from + 1;
	}
}

static enum step get_open(struct op *op)
{
	struct request *request = request_of(op);
	struct get *get = request->own;

	if (!get) {
		if (!request->container_info.info->exists)
			return request_fail(request, 404);
		if (strlen(request->object) > request_cluster(request)->limits.max_object_name &&
		        !reserved_name(request->container))
			return request_fail(request, 404);
		get = request->own = arena_zalloc(request_arena(request), sizeof(*get));
		request->own_done = get_done;
		first_bytes(request, &get->first_offset, &get->first_len);
	}
	if (!get->asked) {
		size_t piece = get->first_len < BACKEND_PIECE ? get->first_len : BACKEND_PIECE;
		enum err err;
		if (request->http->gone)
			return STEP_DONE;
		if (piece && !credit_take(&get->credit, &request->proxy->budget, op, piece, &err))
			return err ? request_fail(request, 503) : STEP_WAIT;
		get->asked = true;
		const char *raw = query_get(&request->query, "multipart-manifest"),
		           *format = query_get(&request->query, "format");
		const char *as_link = query_get(&request->query, "symlink");
		get->body.link.raw = as_link && strcmp(as_link, "get") == 0;
		get->part_text =
		        query_get(&request->query, request->s3 ? "partNumber" : "part-number");
		get->body.raw = raw && strcmp(raw, "get") == 0;
		get->body.anew = get->body.raw && format && strcmp(format, "raw") == 0;
		get->body.head_only = request->head;
		get->body.parts_wanted = get->part_text;
		body_open(&get->body, request, op, request->proxy, request_arena(request),
		        request->container_info.info->policy, request->account, request->container,
		        request->object, get->first_offset, get->first_len);
	}
	if (!info_get(&request->account_info, op, request->proxy, request->account, NULL))
		return STEP_WAIT;
	if (!body_ready(&get->body))
		return STEP_WAIT;
	if (request->http->gone) {
		body_close(&get->body);
		return STEP_DONE;
	}
	return op_go(op, MANIFEST);
}

/* ETags in double quotes (RFC 9110 8.8.3) where the container, or else the account, asks for it;
 * Swift's own default is without (etag_quoter). */
static bool wants_quotes(const struct request *request)
{
	const char *wish =
	        info_header(request->container_info.info, "X-Container-Rfc-Compliant-Etags");

	if (!wish || !*wish)
		wish = info_header(request->account_info.info, "X-Account-Rfc-Compliant-Etags");
	return is_true(wish);
}

static void answer_etag(struct request *request, const struct get *get)
{
	bool quote = get->etag[0] != '"' && wants_quotes(request);

	http_header(request->http, "Etag",
	        quote ? arena_printf(request_arena(request), "\"%s\"", get->etag) : get->etag);
}

/* What it says of the size is for listings. */
static const char *shown_type(struct request *request, const char *type)
{
	AUTO(buf) struct buf text = BUF_NONE;
	uint64_t bytes;

	if (!params_swift_bytes(type, &bytes))
		return type;
	params_without(type, "swift_bytes", &text);
	return arena_strdup(request_arena(request), buf_text(&text));
}

/* Is it the manifest of a static large object, as it is kept, that is sent? */
static bool shows_manifest(const struct get *get)
{
	const struct buf *headers = &body_head(&get->body)->headers;

	return get->body.raw && !get->body.anew &&
	       is_true(kv_get(headers->data, headers->len, "X-Static-Large-Object"));
}

/* To S3: what is of one segment for its class's sake is not. */
static bool is_of_parts(const struct get *get)
{
	const struct buf *headers = &body_head(&get->body)->headers;
	const char *etag = kv_get(headers->data, headers->len, S3_ETAG);

	return body_is_slo(&get->body) && (!etag || s3_is_of_parts(etag));
}

static void manifest_headers(struct request *request, const struct get *get)
{
	char etag[33];

	md5_hex(body_head(&get->body)->etag, etag);
	http_header(request->http, "X-Manifest-Etag", etag);
	if (get->part && (!request->s3 || is_of_parts(get)))
		request_header_u64(request, "X-Parts-Count", get->body.segment_count);
	if (get->part && request->s3)
		s3_sum_tell_part(request, &body_head(&get->body)->headers,
		        body_part_type(&get->body, get->part));
}

static void answer_headers(struct request *request, struct get *get)
{
	const struct backend_reply *r = body_head(&get->body);
	char ts[TS_TEXT_SIZE], date[HTTP_DATE_SIZE];
	struct kv_pair pair;
	bool has_type = false;

	for (size_t at = 0; kv_next(r->headers.data, r->headers.len, &at, &pair);) {
		/* Who asks on behalf of another request sees what is kept for it, too. */
		if ((!request->parent && !request->s3 && strcasestr(pair.name, "-Sysmeta-")) ||
		        strcasecmp(pair.name, "Etag") == 0)
			continue;
		bool is_type = strcasecmp(pair.name, "Content-Type") == 0;
		has_type |= is_type;
		if (is_type && shows_manifest(get))
			http_header(request->http, pair.name, "application/json; charset=utf-8");
		else
			http_header(request->http, pair.name,
			        is_type ? shown_type(request, pair.value) : pair.value);
	}
	if (!has_type)
		http_header(request->http, "Content-Type", "application/octet-stream");
	if (get->body.link.raw)
		link_answer(request, r);
	ts_format(request->parent ? body_newest(&get->body) : body_ts(&get->body), ts);
	http_date_format(
	        (int64_t)((body_ts(&get->body) + TS_PER_SECOND - 1) / TS_PER_SECOND), date);
	http_header(request->http, "Last-Modified", date);
	http_header(request->http, "X-Timestamp", ts);
	if (request->parent) {
		ts_format(body_ts(&get->body), ts);
		http_header(request->http, GET_WRITTEN, ts);
	}
	http_header(request->http, "Accept-Ranges", "bytes");
	answer_etag(request, get);
	if (body_is_slo(&get->body))
		manifest_headers(request, get);
}

static enum step stop(struct request *request, int status)
{
	body_close(&get_of(request)->body);
	return status == 304 || request->head ? request_empty(request, status)
	                                      : request_fail(request, status);
}

static void content_range(struct request *request, const struct range *r, uint64_t size)
{
	http_header(request->http, "Content-Range",
	        arena_printf(request_arena(request), "bytes %llu-%llu/%llu",
	                (unsigned long long)r->start, (unsigned long long)r->end,
	                (unsigned long long)size));
}

/* A body with several ranges: each with its part head (RFC 9110 14.6). */
static uint64_t plan_multipart(struct request *request, struct get *get, uint64_t size)
{
	struct arena *arena = request_arena(request);
	const struct backend_reply *r = body_head(&get->body);
	const char *type = kv_get(r->headers.data, r->headers.len, "Content-Type");
	const char *boundary = arena_strndup(arena, request->trans_id + 2, 20);
	uint64_t total = 0;
	char *text;

	for (unsigned i = 0; i < get->range_count; i++) {
		text = arena_printf(arena,
		        "--%s\r\nContent-Type: %s\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
		        boundary, type ? shown_type(request, type) : "application/octet-stream",
		        (unsigned long long)get->ranges[i].start,
		        (unsigned long long)get->ranges[i].end, (unsigned long long)size);
		total += body_add_text(&get->body, text);
		total += body_add_range(&get->body, get->ranges[i].start, get->ranges[i].end);
		total += body_add_text(&get->body, "\r\n");
	}
	text = arena_printf(arena, "--%s--", boundary);
	total += body_add_text(&get->body, text);
	/* Replaces the object's own type, which was not set yet for this case. */
	http_header(request->http, "Content-Type",
	        arena_printf(arena, "multipart/byteranges;boundary=%s", boundary));
	return total;
}

static void multipart_headers(struct request *request, struct get *get)
{
	struct buf kept = request->http->out;
	struct kv_pair pair;

	request->http->out = BUF_NONE;
	answer_headers(request, get);
	struct buf all = request->http->out;
	request->http->out = kept;
	for (size_t at = 0; kv_next(all.data, all.len, &at, &pair);) {
		if (strcasecmp(pair.name, "Content-Type") != 0)
			http_header(request->http, pair.name, pair.value);
	}
	buf_done(&all);
}

/* --- one part of a static large object, by its number --- */

static enum step no_such_part(struct request *request, struct get *get)
{
	const char *text = "The requested part number is not satisfiable";

	if (request->s3) {
		body_close(&get->body);
		return s3_fail(request, S3_InvalidPartNumber);
	}
	answer_headers(request, get);
	http_header(request->http, "Content-Range",
	        arena_printf(request_arena(request), "bytes */%llu",
	                (unsigned long long)body_size(&get->body)));
	body_close(&get->body);
	request_headers(request, 416);
	http_reply_text(request->http, 416, request->head ? "" : text);
	return STEP_DONE;
}

/* STEP_NEXT: go on; with get->part *ret_range is that. */
static enum step take_part(struct request *request, struct get *get, struct range *ret_range)
{
	/* To S3 whatever was sent as one has one part. */
	if (request->s3 && get->part_text && !is_of_parts(get)) {
		uint64_t size = body_size(&get->body);
		if (strcmp(get->part_text, "1") == 0 && size) {
			get->part = 1;
			*ret_range = (struct range){0, size - 1};
			return STEP_NEXT;
		}
		if (strcmp(get->part_text, "1") == 0)
			return STEP_NEXT;
		body_close(&get->body);
		return s3_fail(request, S3_InvalidPartNumber);
	}
	const char *text = body_part(&get->body, get->part_text, http_get(request->http, "Range"),
	        &get->part, ret_range);

	if (text) {
		body_close(&get->body);
		return request_fail_html(request, 400, text);
	}
	return get->part && ret_range->end < ret_range->start ? no_such_part(request, get)
	                                                      : STEP_NEXT;
}

static enum step answer_head(struct request *request, struct get *get, const struct range *part)
{
	uint64_t size = body_size(&get->body), length = size;
	int status = 200;

	answer_headers(request, get);
	if (request->s3)
		request->s3->told_size = size;
	if (get->part || get->status == 206) {
		content_range(request, part, size);
		length = part->end - part->start + 1;
		status = 206;
	}
	request_headers(request, status);
	http_reply_head(request->http, status, length);
	body_close(&get->body);
	return STEP_DONE;
}

static enum step failed(struct request *request, struct get *get)
{
	enum err err = body_err(&get->body);

	switch (err) {
	case ERR_NOT_FOUND:
	case ERR_CONFLICT:
	case ERR_FORBIDDEN:
	case ERR_UNAUTHORIZED:
	case ERR_UNSUPPORTED:
		return stop(request, err_status(err));
	case ERR_FORMAT:
		body_close(&get->body);
		return request_fail_html(request, 500, "Unable to load SLO manifest");
	default:
		return stop(request, 503);
	}
}

/* What of it is sent: get->ranges. False: nothing of what was asked for. */
static bool take_ranges(struct request *request, struct get *get)
{
	const char *if_range = http_get(request->http, "If-Range");
	const char *range = http_get(request->http, "Range");
	uint64_t size = body_size(&get->body);

	if (if_range && !conditional_names(if_range, get->etag))
		range = NULL;
	if (request->s3 && range && !size)
		return false;
	/* Swift sends several ranges of a dynamic large object as the whole of it. */
	if (range && body_is_dlo(&get->body) && strchr(range, ','))
		range = NULL;
	switch (range_parse(range, size, get->ranges, &get->range_count)) {
	case RANGE_UNSATISFIABLE:
		return false;
	case RANGE_SOME:
		get->status = 206;
		return true;
	default:
		get->status = 200;
		get->ranges[0] = (struct range){0, size ? size - 1 : 0};
		get->range_count = size ? 1 : 0;
		return true;
	}
}

static enum step unsatisfiable(struct request *request, struct get *get)
{
	http_header(request->http, "Content-Range",
	        arena_printf(request_arena(request), "bytes */%llu",
	                (unsigned long long)body_size(&get->body)));
	answer_etag(request, get);
	http_header(request->http, "Accept-Ranges", "bytes");
	return stop(request, 416);
}

static void plan(struct request *request, struct get *get)
{
	struct body *body = &get->body;
	uint64_t size = body_size(body);

	if (get->status == 206 && get->range_count > 1) {
		get->total = plan_multipart(request, get, size);
		multipart_headers(request, get);
		return;
	}
	answer_headers(request, get);
	if (get->status == 206)
		content_range(request, &get->ranges[0], size);
	if (get->range_count)
		get->total = body_add_range(body, get->ranges[0].start, get->ranges[0].end);
}

/* S3 has another of what was uploaded in parts. */
static void take_etag(const struct request *request, struct get *get)
{
	const struct buf *headers = &body_head(&get->body)->headers;
	const char *etag = request->s3 ? kv_get(headers->data, headers->len, S3_ETAG) : NULL;

	if (etag && body_is_slo(&get->body))
		snprintf(get->etag, sizeof(get->etag), "\"%s\"", etag);
	else
		body_etag(&get->body, get->etag, sizeof(get->etag));
}

/* What is sealed with a key of its client's, or one that is not to be used, has no bytes for
 * others. */
static enum step unlock(struct request *request, struct get *get)
{
	struct body *body = &get->body;
	const struct buf *headers = &body_head(body)->headers;
	const char *text = NULL;
	enum s3_error error = S3_OK;

	if (request->s3)
		error = s3_sse_may_read(request, headers, &text);
	if (error) {
		body_close(body);
		return s3_fail_text(request, error, text);
	}
	if (request->head ||
	        (!body_lock(body) && (request->s3 || body->raw || !s3_sse_is_customers(headers))))
		return STEP_NEXT;
	body_close(body);
	return request_fail_text(request, 403, S3_SSE_LOCKED);
}

static enum step get_manifest(struct op *op)
{
	struct request *request = request_of(op);
	struct get *get = get_of(request);
	struct body *body = &get->body;
	struct range part = {0};

	if (body->link.location)
		http_header(request->http, "Content-Location", body->link.location);
	if (body->link.refusal && !request->head) {
		body_close(body);
		return request_fail_text(request, 409, body->link.refusal);
	}
	if (body_err(body))
		return failed(request, get);
	if (request_expired(request, body_head(body)))
		return stop(request, 404);
	enum step step = versions_found(request, body);
	if (step != STEP_NEXT)
		return step;
	if (request->s3 && s3_may_object(request, &body_head(body)->headers))
		return stop(request, 403);
	take_etag(request, get);
	int status = conditional_check(request->http, get->etag, body_ts(body));
	if (status == 304 || status == 412) {
		answer_etag(request, get);
		http_header(request->http, "Accept-Ranges", "bytes");
		return stop(request, status);
	}
	step = take_part(request, get, &part);
	if (step == STEP_NEXT)
		step = unlock(request, get);
	if (step != STEP_NEXT)
		return step;
	/* In Swift a HEAD is of the whole, whatever its Range. */
	if (request->head && (!request->s3 || get->part))
		return answer_head(request, get, &part);
	if (get->part) {
		get->status = 206;
		get->ranges[0] = part;
		get->range_count = 1;
	} else if (!take_ranges(request, get)) {
		return unsatisfiable(request, get);
	}
	if (request->head) {
		get->status = get->range_count == 1 ? get->status : 200;
		return answer_head(request, get, &get->ranges[0]);
	}
	plan(request, get);
	return op_go(op, BEGIN);
}

static enum step get_begin(struct op *op)
{
	struct request *request = request_of(op);
	struct get *get = get_of(request);
	struct body *body = &get->body;
	size_t offset, len;
	enum err err;

	if (request->http->gone) {
		body_close(body);
		return STEP_DONE;
	}
	if (!body_begins(body, &err))
		return STEP_WAIT;
	if (err) {
		buf_reset(&request->http->out);
		return stop(request, err == ERR_CONFLICT ? 409 : 503);
	}
	if (request->s3)
		request->s3->told_size = body_size(body);
	request_headers(request, get->status);
	struct bytes *whole = body_take_whole(body, get->total, &offset, &len);
	if (whole || get->total == 0) {
		http_reply(request->http, get->status, whole, offset, len);
		body_close(body);
		return STEP_DONE;
	}
	http_stream(request->http, get->status, get->total);
	return op_go(op, STREAM);
}

/* Keeps the client's window full. */
static enum step get_stream(struct op *op)
{
	struct request *request = request_of(op);
	struct body *body = &get_of(request)->body;
	enum body_step step;
	struct bytes *piece;
	size_t offset, len;
	/* While memory is scarce, the piece that its credit is for. */
	size_t window = budget_tight(&request->proxy->budget, BACKEND_PIECE) ? 1 : HTTP_WINDOW;

	if (request->http->gone) {
		body_close(body);
		return STEP_DONE;
	}
	while (http_stream_pending(request->http) < window) {
		step = body_next(body, &piece, &offset, &len);
		if (step == BODY_WAIT)
			return STEP_WAIT;
		if (step == BODY_END) {
			body_close(body);
			return STEP_DONE;
		}
		if (step == BODY_FAILED) {
			http_stream_abort(request->http);
			body_close(body);
			return STEP_DONE;
		}
		http_stream_write(request->http, piece, offset, len);
	}
	return STEP_WAIT;
}

static void on_room(struct request *request)
{
	if (!request->op.finished)
		op_wake(&request->op);
}

static const struct op_state states[] = {
        [PREPARE] = {"prepare", request_prepare, TO(OPEN), 15000},
        [OPEN] = {"open", get_open, TO(MANIFEST), 0},
        [MANIFEST] = {"manifest", get_manifest, TO(BEGIN), 0},
        [BEGIN] = {"begin", get_begin, TO(STREAM), 0},
        [STREAM] = {"stream", get_stream, 0, 0},
};
const struct method object_get = {.name = "object-get", .states = states, .room = on_room};

static bool tell_etag_quoter(const struct cluster *cluster, struct buf *out)
{
	(void)cluster;
	buf_str(out, "\"enable_by_default\": false");
	return true;
}

const struct unit unit_etag_quoter = {.name = "etag_quoter", .info = tell_etag_quoter};
