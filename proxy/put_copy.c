/* The source of a copy: another object, or a part of it, in pieces of our own. */
#include "proxy/put.h"

#include "proxy/conditional.h"
#include "proxy/s3/s3.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Splits "container/object" of a Destination or X-Copy-From; false when it is none. */
static bool split_path(
        struct arena *arena, const char *value, const char **ret_container, const char **ret_object)
{
	size_t len;
	char *path = url_unquote(arena, value, strlen(value), &len);

	if (strlen(path) != len || !utf8_valid(path, len))
		return false;
	if (*path == '/')
		path++;
	char *slash = strchr(path, '/');
	if (!slash || slash == path || !slash[1])
		return false;
	*slash = 0;
	*ret_container = path;
	*ret_object = slash + 1;
	return true;
}

static const char *account_header(struct request *request, const char *name)
{
	const char *value = http_get(request->http, name);
	size_t len;

	if (!value)
		return request->account;
	return url_unquote(request_arena(request), value, strlen(value), &len);
}

static enum step bad_copy_header(struct request *request, const char *name)
{
	return request_fail_text(request, 412,
	        arena_printf(request_arena(request),
	                "%s header must be of the form <container name>/<object name>", name));
}

static void begin_sum(struct request *request, struct copy *copy)
{
	const char *wanted = http_get(request->http, PUT_SUM);
	size_t len = wanted ? strcspn(wanted, " ") : 0;
	enum checksum_kind kind;

	if (!wanted || !sum_find(arena_strndup(request_arena(request), wanted, len), &kind))
		return;
	s3_sum_start(&copy->sum, kind);
	copy->sum_of_part = wanted[len];
}

void put_copy_sum(struct request *request, struct put *put)
{
	const char *text;

	if (!put->copy || !put->copy->sum.on)
		return;
	s3_sum_end(&put->copy->sum, request_arena(request), NULL, &text);
	sum_keep(request, &put->copy->sum, put->copy->sum_of_part);
}

enum step put_copy_setup(struct request *request, struct put *put)
{
	struct arena *arena = request_arena(request);
	const char *from = http_get(request->http, "X-Copy-From");
	const char *to = http_get(request->http, "Destination");
	bool copies = strcmp(request->http->method, "COPY") == 0;

	put->account = request->account;
	put->container = request->container;
	put->object = request->object;
	if (copies) {
		put->copy = arena_zalloc(arena, sizeof(*put->copy));
		put->copy->account = request->account;
		put->copy->container = request->container;
		put->copy->object = request->object;
		if (!to || !split_path(arena, to, &put->container, &put->object))
			return bad_copy_header(request, "Destination");
		put->account = account_header(request, "Destination-Account");
	} else if (from) {
		put->copy = arena_zalloc(arena, sizeof(*put->copy));
		if (!split_path(arena, from, &put->copy->container, &put->copy->object))
			return bad_copy_header(request, "X-Copy-From");
		put->copy->account = account_header(request, "X-Copy-From-Account");
		if (request->http->content_length)
			return request_fail_text(
			        request, 400, "Copy requests require a zero byte body");
	}
	if (put->copy && (strchr(put->account, '/') || strchr(put->copy->account, '/')))
		return request_fail_text(request, 412, "Account name cannot contain slashes");
	if (put->copy) {
		put->copy->fresh = is_true(http_get(request->http, "X-Fresh-Metadata"));
		begin_sum(request, put->copy);
	}
	return STEP_NEXT;
}

/* Does the header say how the source's bytes are put together? Of a copy of those bytes that is not
 * true. */
static bool is_of_manifest(const char *name, const struct copy *copy)
{
	bool large = body_is_slo(&copy->body) || body_is_dlo(&copy->body);

	if (strcasecmp(name, "X-Object-Manifest") == 0)
		return !copy->body.raw;
	if (strcasecmp(name, S3_WRITTEN) == 0)
		return !copy->body.raw;
	return large && (strcasecmp(name, "X-Static-Large-Object") == 0 ||
	                        strcasecmp(name, S3_ETAG) == 0 || strcasecmp(name, S3_CLASS) == 0 ||
	                        has_prefix(name, "X-Object-Sysmeta-Slo-") ||
	                        has_prefix(name, "X-Object-Sysmeta-Container-Update-Override-"));
}

void put_copy_headers(struct request *request, struct put *put, struct buf *out)
{
	const struct backend_reply *r = body_head(&put->copy->body);
	struct kv_pair pair;

	for (size_t at = 0; kv_next(r->headers.data, r->headers.len, &at, &pair);) {
		bool plain = strcasecmp(pair.name, "Content-Type") != 0 &&
		             strcasecmp(pair.name, VERSIONS_NULL) != 0 &&
		             !is_of_manifest(pair.name, put->copy);
		if (plain && !kv_get(out->data, out->len, pair.name) &&
		        !http_get(request->http, pair.name))
			kv_add(out, pair.name, pair.value);
	}
	if (!put->delete_at) {
		const char *at = kv_get(out->data, out->len, "X-Delete-At");
		put->delete_at = at ? strtoull(at, NULL, 10) : 0;
	}
}

void put_copy_sealed(const struct put *put, struct buf *out)
{
	const struct buf *headers = &body_head(&put->copy->body)->headers;
	const char *sealed = kv_get(headers->data, headers->len, SEAL_HEADER);

	if (sealed)
		kv_add(out, SEAL_HEADER, sealed);
}

const char *put_copy_seal(struct request *request, struct put *put)
{
	const struct buf *headers = &body_head(&put->copy->body)->headers;

	return put->copy->fresh ? NULL
	                        : s3_sse_seal(request, kv_get(headers->data, headers->len, S3_SSE));
}

/* May it be read? What only a customer's key opens goes on as it is when we move it ourselves. */
static bool unlock(struct request *request, struct put *put)
{
	struct body *body = &put->copy->body;
	bool has_key = http_get(request->http, SEAL_OPEN);

	if (s3_sse_is_customers(&body_head(body)->headers) && !has_key && !body->raw &&
	        !request->trusted)
		return false;
	if (body_lock(body) == SEAL_WANTS_KEY && request->trusted && !has_key) {
		put->verbatim = true;
		body_verbatim(body);
	}
	return !body_lock(body);
}

static void take_gathered(struct put *put)
{
	struct bytes *piece = TAKE(put->copy->gathered);

	put_take_piece(put, piece, 0, piece->len);
}

/* The pieces of a source have the sizes of its segments and ranges; ours are whole, but for the
 * last. False when memory is out. The piece moves here. */
static bool gather(struct put *put, struct bytes *piece, size_t offset, size_t len)
{
	struct copy *copy = put->copy;
	size_t whole = put_piece_bytes(put);

	if (!copy->gathered && offset == 0 && (len == whole || (put->last && len < whole))) {
		put_take_piece(put, piece, 0, len);
		return true;
	}
	if (!copy->gathered)
		copy->gathered = bytes_new(BACKEND_PIECE);
	if (!copy->gathered) {
		bytes_unref(piece);
		return false;
	}
	struct bytes *to = copy->gathered;
	size_t room = whole - to->len, n = len < room ? len : room;
	memcpy(to->data + to->len, piece->data + offset, n);
	to->len += n;
	if (to->len == whole) {
		put_take_piece(put, TAKE(copy->gathered), 0, whole);
		if (n < len)
			copy->over = bytes_copy(piece->data + offset + n, len - n);
		if (n < len && !copy->over) {
			bytes_unref(piece);
			return false;
		}
	}
	bytes_unref(piece);
	if (put->last && copy->over)
		put->last = false; /* not before that is in, too */
	else if (put->last && copy->gathered)
		take_gathered(put);
	return true;
}

bool put_copy_feed(struct put *put, bool *ret_failed)
{
	struct copy *copy = put->copy;
	struct bytes *piece;
	size_t offset, len;

	*ret_failed = false;
	if (!copy || put->last || put->hashing || !put_free_piece(put) ||
	        !put_has_credit(put, PIECES_MAX * BACKEND_PIECE) ||
	        !put_has_segment(put, copy->left))
		return false;
	if (copy->over) {
		struct bytes *over = TAKE(copy->over);
		put->last = copy->left == 0;
		*ret_failed = !gather(put, over, 0, over->len);
		if (put->last)
			body_close(&copy->body);
		return true;
	}
	switch (body_next(&copy->body, &piece, &offset, &len)) {
	case BODY_WAIT:
		return false;
	case BODY_FAILED:
		*ret_failed = true;
		return false;
	case BODY_END:
		put->last = true;
		body_close(&copy->body);
		return true;
	default:
		s3_sum_add(&copy->sum, piece->data + offset, len);
		copy->left -= len;
		put->last = copy->left == 0;
		*ret_failed = !gather(put, piece, offset, len);
		if (put->last)
			body_close(&copy->body);
		return true;
	}
}

/* A version of the source may be named; it is for owners. STEP_WAIT until its container is known.
 */
static enum step source_version(struct request *request, struct copy *copy)
{
	const char *id = query_get(&request->query, "version-id");
	struct arena *arena = request_arena(request);
	uint64_t ts;

	if (!id || !*id || copy->named_object || strcmp(id, "null") == 0)
		return STEP_NEXT;
	if (!info_header(copy->container_info.info, VERSIONS_CONTAINER))
		return request_fail_text(request, 400,
		        "version-aware operations require that the container is versioned");
	if (!ts_parse(id, &ts))
		return request_fail_text(request, 400, "Invalid version parameter");
	copy->named_container = copy->container;
	copy->named_object = copy->object;
	copy->container = versions_container(arena, copy->named_container);
	copy->object = versions_object(arena, copy->named_object, ts);
	info_fetch_done(&copy->container_info);
	copy->container_info = (struct info_fetch){0};
	op_wake(&request->op);
	return STEP_WAIT;
}

/* Once who asks may read it. */
static enum step open_source(struct request *request, struct put *put)
{
	struct copy *copy = put->copy;
	enum step step = source_version(request, copy);
	bool wait;

	if (step != STEP_NEXT)
		return step;
	const struct info *info = copy->container_info.info;
	struct access access = {copy->account, copy->container, true, true, false, false, false};
	enum err err = request_authorize(request, &access, info_header(info, "X-Container-Read"),
	        &copy->account_info, &wait);
	if (wait)
		return STEP_WAIT;
	if (err)
		return request_err(request, err);
	if (!info->exists)
		return request_fail(request, 404);
	copy->opened = true;
	const char *raw = query_get(&request->query, "multipart-manifest");
	const char *as_link = query_get(&request->query, "symlink");
	copy->body.raw = raw && strcmp(raw, "get") == 0;
	copy->body.link.raw = as_link && strcmp(as_link, "get") == 0;
	body_open(&copy->body, request, &request->op, request->proxy, request_arena(request),
	        info->policy, copy->account, copy->container, copy->object, 0, UINT64_MAX);
	return STEP_NEXT;
}

/* Is it there, and what the request wants? */
static enum step check_source(struct request *request, struct put *put)
{
	struct copy *copy = put->copy;

	if (copy->body.link.refusal) {
		put_abandon(request, put, 0);
		return request_fail_text(request, 409, copy->body.link.refusal);
	}
	if (body_err(&copy->body))
		return put_abandon(request, put, err_status(body_err(&copy->body)));
	if (!unlock(request, put))
		return put_abandon(request, put, 403);
	const struct backend_reply *r = body_head(&copy->body);
	const char *expires = kv_get(r->headers.data, r->headers.len, "X-Delete-At");
	if (expires && strtoull(expires, NULL, 10) <= request->ts / TS_PER_SECOND)
		return put_abandon(request, put, 404);
	char etag[64];
	body_etag(&copy->body, etag, sizeof(etag));
	int status = conditional_check(request->http, etag, body_ts(&copy->body));
	if (status == 412 && !put->commit.only_if_absent)
		return put_abandon(request, put, 412);
	const char *wanted = http_get(request->http, PUT_SOURCE_ETAG);
	return wanted && !conditional_names(wanted, etag) ? put_abandon(request, put, 503)
	                                                  : STEP_NEXT;
}

/* All of it, a part, or a range. */
static enum step choose_range(struct request *request, struct put *put)
{
	struct copy *copy = put->copy;
	struct range range = {0, body_size(&copy->body) - 1};
	unsigned count = 1;
	uint64_t part;
	const char *fault = body_part(&copy->body, query_get(&request->query, "part-number"),
	        http_get(request->http, "Range"), &part, &range);

	if (fault) {
		body_close(&copy->body);
		return request_fail_html(request, 400, fault);
	}
	if (part && range.end < range.start)
		return put_abandon(request, put, 416);
	enum range_result ranged = range_parse(
	        http_get(request->http, "Range"), body_size(&copy->body), copy->ranges, &count);
	if (ranged == RANGE_UNSATISFIABLE)
		return put_abandon(request, put, 416);
	if (ranged == RANGE_SOME && count == 1)
		range = copy->ranges[0];
	copy->left = body_size(&copy->body) ? range.end - range.start + 1 : 0;
	if (copy->left > request_cluster(request)->limits.max_file_size)
		return put_abandon(request, put, 413);
	if (copy->left)
		body_add_range(&copy->body, range.start, range.end);
	return STEP_NEXT;
}

enum step put_copy_source(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = put_of(request);
	struct copy *copy = put->copy;
	enum step step;

	if (request->http->gone)
		return put_abandon(request, put, 0);
	if (!info_get(&copy->container_info, op, request->proxy, copy->account, copy->container))
		return STEP_WAIT;
	if (copy->container_info.err)
		return request_fail(request, 503);
	if (!copy->opened && (step = open_source(request, put)) != STEP_NEXT)
		return step;
	if (!body_ready(&copy->body))
		return STEP_WAIT;
	if ((step = check_source(request, put)) != STEP_NEXT ||
	        (step = choose_range(request, put)) != STEP_NEXT)
		return step;
	return op_go(op, PUT_TARGET);
}

void put_copied_from(struct request *request, struct put *put)
{
	struct copy *copy = put->copy;
	char date[HTTP_DATE_SIZE];
	const struct backend_reply *r = body_head(&copy->body);
	struct kv_pair pair;

	bool named = copy->named_object;
	http_header(request->http, "X-Copied-From",
	        request_quoted(request, named ? copy->named_container : copy->container,
	                named ? copy->named_object : copy->object));
	http_header(request->http, "X-Copied-From-Account",
	        request_quoted(request, copy->account, NULL));
	http_date_format(
	        (int64_t)((body_ts(&copy->body) + TS_PER_SECOND - 1) / TS_PER_SECOND), date);
	http_header(request->http, "X-Copied-From-Last-Modified", date);
	for (size_t at = 0; !copy->fresh && kv_next(r->headers.data, r->headers.len, &at, &pair);) {
		if (has_prefix(pair.name, "X-Object-Meta-") && !http_get(request->http, pair.name))
			http_header(request->http, pair.name, pair.value);
	}
	request_copy_headers(request, &request->http->out, "X-Object-Meta-");
}
