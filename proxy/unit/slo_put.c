/* PUT of a manifest: each object that it names is looked at, with the rights of the client, and
 * must be what the manifest says; then the manifest is stored, with what was found.
 *
 *   receive -> heads -> store */
#include "proxy/manifest.h"
#include "proxy/mime.h"
#include "proxy/pipeline.h"
#include "proxy/sub.h"
#include "proxy/unit/gather.h"
#include "proxy/unit/report.h"
#include "proxy/unit/slo.h"
#include "proxy/unit/symlink.h"

#include "lib/base/kv.h"
#include "lib/crypto/md5.h"
#include "lib/http/url.h"
#include <stdlib.h>
#include <string.h>

enum { RECEIVE, HEADS, STORE };

#define ANSWER_MAX (64u << 10) /* of the PUT's own answer */

/* What an object was found to be. */
struct found {
	int status; /* 0: not looked at */
	uint64_t length;
	const char *etag, *type, *modified;
	bool is_slo;
	unsigned first; /* the first segment of the same path: that is looked at */
};

struct head {
	struct sub sub;
	unsigned index;
	bool used;
};

struct put {
	struct gather gather; /* first */
	struct report report;
	struct manifest manifest;
	struct found *found;
	struct head *heads;
	unsigned next; /* segment to be looked at */
	struct sub store;
	char etag[33];
	bool heartbeat;
};

static void put_done(struct request *request)
{
	struct put *put = request->own;

	for (unsigned i = 0; put->heads && i < request_cluster(request)->limits.slo_concurrency;
	        i++)
		sub_done(&put->heads[i].sub);
	sub_done(&put->store);
	gather_done(&put->gather);
	report_done(&put->report);
	manifest_done(&put->manifest);
}

/* --- receive --- */

static enum step too_large(struct request *request)
{
	return request_fail_html(request, 413,
	        arena_printf(request_arena(request), "Manifest File > %llu bytes",
	                (unsigned long long)request_cluster(request)->limits.slo_bytes));
}

static int by_path(const void *a, const void *b, void *manifest)
{
	const struct manifest *m = manifest;
	unsigned one = *(const unsigned *)a, other = *(const unsigned *)b;
	int order = strcmp(m->segments[one].path, m->segments[other].path);

	return order ? order : one < other ? -1 : one > other;
}

/* Finds, for each segment, the first one of the same path. */
static unsigned find_first(struct request *request, struct put *put)
{
	struct manifest *m = &put->manifest;
	unsigned *order = arena_alloc(request_arena(request), (m->count + 1) * sizeof(*order));
	unsigned count = 0;

	for (unsigned i = 0; i < m->count; i++) {
		if (m->segments[i].path)
			order[count++] = i;
	}
	if (count > request_cluster(request)->limits.slo_segments)
		return count;
	qsort_r(order, count, sizeof(*order), by_path, m);
	for (unsigned i = 0; i < count; i++) {
		bool same = i &&
		            strcmp(m->segments[order[i]].path, m->segments[order[i - 1]].path) == 0;
		put->found[order[i]].first = same ? put->found[order[i - 1]].first : order[i];
	}
	return count;
}

static enum step take_manifest(struct request *request, struct put *put)
{
	AUTO(buf) struct buf text = BUF_NONE;
	struct arena *arena = request_arena(request);
	const struct limits *limits = &request_cluster(request)->limits;
	const char *path = arena_printf(arena, "%s/%s", request->container, request->object);
	enum err err = manifest_take(
	        &put->manifest, buf_text(&put->gather.text), put->gather.text.len, path, &text);

	if (err == ERR_TOO_LARGE)
		return request_fail_html(request, 413, "The manifest has too many values.");
	if (err && has_prefix(buf_text(&text), "Manifest must"))
		return request_fail_html(request, 400, buf_text(&text));
	if (err)
		return request_fail_text(request, 400, buf_text(&text));
	put->found = arena_zalloc(arena, (put->manifest.count + 1) * sizeof(*put->found));
	if (find_first(request, put) > limits->slo_segments)
		return request_fail_html(request, 413,
		        arena_printf(arena, "Number of object-backed segments must be <= %u",
		                limits->slo_segments));
	put->heads = arena_zalloc(arena, limits->slo_concurrency * sizeof(*put->heads));
	return op_go(&request->op, HEADS);
}

static enum step put_receive(struct op *op)
{
	struct request *request = request_of(op);
	const struct limits *limits = &request_cluster(request)->limits;
	struct put *put = request->own;
	enum err err;

	if (!put) {
		if (http_get(request->http, "X-Copy-From"))
			return request_fail_html(
			        request, 405, "Multipart Manifest PUTs cannot be COPY requests");
		if (!request->http->has_length && !request->http->chunked)
			return request_fail(request, 411);
		put = request->own = arena_zalloc(request_arena(request), sizeof(*put));
		request->own_done = put_done;
		report_init(&put->report, request);
	}
	if (!gather_ready(request, limits->slo_bytes, &err))
		return STEP_WAIT;
	if (err == ERR_CLIENT_GONE)
		return STEP_DONE;
	if (err)
		return err == ERR_TOO_LARGE ? too_large(request) : request_fail(request, 503);
	put->heartbeat = is_true(query_get(&request->query, "heartbeat"));
	return take_manifest(request, put);
}

/* --- heads --- */

static const char *iso_date(struct request *request, const char *modified)
{
	char text[ISO_DATE_SIZE];
	int64_t seconds;

	if (!modified || !http_date_parse(modified, &seconds))
		seconds = (int64_t)(request->ts / TS_PER_SECOND);
	iso_date_format((uint64_t)seconds * TS_PER_SECOND, text);
	return arena_strdup(request_arena(request), text);
}

static void take_head(struct request *request, struct put *put, struct head *head)
{
	struct arena *arena = request_arena(request);
	const char *type = sub_get(&head->sub, "Content-Type"), *etag = sub_get(&head->sub, "Etag");

	put->found[head->index] = (struct found){
	        .first = head->index,
	        .status = head->sub.status,
	        .length = head->sub.length,
	        .etag = slo_bare_etag(arena, arena_strdup(arena, etag ? etag : "")),
	        .type = arena_strdup(arena, type ? type : "application/octet-stream"),
	        .modified = iso_date(request, sub_get(&head->sub, "Last-Modified")),
	        .is_slo = is_true(sub_get(&head->sub, "X-Static-Large-Object")),
	};
	sub_done(&head->sub);
	head->used = false;
}

static void start_head(struct request *request, struct put *put, struct head *head, unsigned index)
{
	const struct manifest_segment *s = &put->manifest.segments[index];

	head->used = true;
	head->index = index;
	sub_init(&head->sub, request, &unit_slo, SUB_AS_CLIENT, "HEAD");
	sub_path(&head->sub, request->account, s->container, s->object, NULL);
	sub_start(&head->sub);
}

/* True when all were looked at. */
static bool look_at_all(struct request *request, struct put *put)
{
	bool open = false;

	for (unsigned i = 0; i < request_cluster(request)->limits.slo_concurrency; i++) {
		struct head *head = &put->heads[i];
		if (head->used && sub_headed(&head->sub))
			take_head(request, put, head);
		while (!head->used && put->next < put->manifest.count) {
			unsigned index = put->next++;
			if (put->manifest.segments[index].path && put->found[index].first == index)
				start_head(request, put, head, index);
		}
		open |= head->used;
	}
	return !open;
}

/* Notes what was found in the manifest; what does not fit to it becomes an error. */
static void judge(struct request *request, struct put *put, unsigned index)
{
	struct manifest_segment *s = &put->manifest.segments[index];
	const struct found *found = &put->found[put->found[index].first];
	const char *name = s->path;

	if (found->status / 100 != 2) {
		report_error(&put->report, name, status_line(request, found->status));
		return;
	}
	bool fits = manifest_range(s, found->length);
	s->length = fits && s->has_range ? s->last - s->first + 1 : found->length;
	if (!fits)
		report_error(&put->report, name, "Unsatisfiable Range");
	if (s->length < 1 && index != put->manifest.count - 1)
		report_error(
		        &put->report, name, "Too small; each segment must be at least 1 byte.");
	if (s->has_bytes && s->bytes != found->length)
		report_error(&put->report, name, "Size Mismatch");
	if (s->etag && strcmp(s->etag, found->etag) != 0)
		report_error(&put->report, name, "Etag Mismatch");
	s->path = arena_printf(&put->manifest.arena, "/%s", name + strspn(name, "/"));
	s->bytes = found->length;
	s->etag = found->etag;
	s->type = found->type;
	s->modified = found->modified;
	s->is_slo = found->is_slo;
}

static enum step refuse(struct request *request, struct put *put, int status)
{
	if (put->heartbeat) {
		report_text(&put->report, "Response Status", status_line(request, status));
		report_text(&put->report, "Response Body",
		        swift_error_lines(request_arena(request), status));
	}
	return report_answer(&put->report, status, "upload");
}

static void start_store(struct request *request, struct put *put)
{
	static const char *const without[] = {
	        "Content-Type", "Etag", ROW_ETAG, "X-Static-Large-Object", NULL};
	AUTO(buf) struct buf json = BUF_NONE;
	struct arena *arena = request_arena(request);
	const char *type = http_get(request->http, "Content-Type"),
	           *row = http_get(request->http, ROW_ETAG);
	uint8_t digest[16];
	char md5[33];

	manifest_write(&put->manifest, &json);
	md5_digest(buf_text(&json), json.len, digest);
	md5_hex(digest, md5);
	sub_init(&put->store, request, &unit_slo, SUB_AS_CLIENT, "PUT");
	sub_path(&put->store, request->account, request->container, request->object, NULL);
	sub_copy_headers(&put->store, without);
	const char *size = arena_printf(arena, "%llu", (unsigned long long)put->manifest.size);
	sub_header(&put->store, "X-Object-Sysmeta-Slo-Etag", put->etag);
	sub_header(&put->store, "X-Object-Sysmeta-Slo-Size", size);
	sub_header(&put->store, "X-Static-Large-Object", "True");
	sub_header(&put->store, "Etag", md5);
	sub_header(&put->store, ROW_ETAG,
	        arena_printf(arena, "%s; slo_etag=%s", row && *row ? row : md5, put->etag));
	sub_header(&put->store, "Content-Type",
	        arena_printf(arena, "%s;swift_bytes=%s",
	                type && *type ? type : mime_guess(request->object), size));
	sub_body_text(&put->store, buf_text(&json), json.len);
	sub_start(&put->store);
}

static enum step put_heads(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = request->own;
	struct manifest *m = &put->manifest;

	if (request->http->gone)
		return STEP_DONE;
	if (put->heartbeat)
		report_beat(&put->report, 202, request_cluster(request)->limits.slo_yield_s, true);
	if (!look_at_all(request, put))
		return STEP_WAIT;
	for (unsigned i = 0; i < m->count; i++) {
		if (m->segments[i].path)
			judge(request, put, i);
		m->size += m->segments[i].length;
	}
	if (put->report.error_count)
		return refuse(request, put, 400);
	manifest_etag(m, put->etag);
	const char *wanted = slo_bare_etag(request_arena(request), http_get(request->http, "Etag"));
	if (wanted && *wanted && strcmp(wanted, put->etag) != 0) {
		if (!put->heartbeat)
			return request_fail(request, 422);
		return refuse(request, put, 422);
	}
	start_store(request, put);
	return op_go(op, STORE);
}

/* --- store --- */

static enum step answer_plainly(struct request *request, struct put *put)
{
	struct kv_pair pair;

	if (sub_ok(&put->store)) {
		const char *modified = sub_get(&put->store, "Last-Modified");
		http_header(request->http, "Etag",
		        arena_printf(request_arena(request), "\"%s\"", put->etag));
		if (modified)
			http_header(request->http, "Last-Modified", modified);
		const char *version = sub_get(&put->store, "X-Object-Version-Id");
		if (version)
			http_header(request->http, "X-Object-Version-Id", version);
		return request_empty(request, put->store.status);
	}
	const struct buf *told = &put->store.headers;
	for (size_t at = 0; kv_next(told->data, told->len, &at, &pair);) {
		if (!has_prefix(pair.name, "X-Trans-Id") &&
		        !has_prefix(pair.name, "X-Openstack-Request-Id"))
			http_header(request->http, pair.name, pair.value);
	}
	request_headers(request, put->store.status);
	http_reply_text(request->http, put->store.status, buf_text(&put->store.text));
	return STEP_DONE;
}

static enum step put_store(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = request->own;

	if (!sub_collect(&put->store, ANSWER_MAX))
		return STEP_WAIT;
	if (request->http->gone)
		return STEP_DONE;
	if (!put->heartbeat)
		return answer_plainly(request, put);
	report_text(&put->report, "Response Status", status_line(request, put->store.status));
	if (sub_ok(&put->store)) {
		const char *modified = sub_get(&put->store, "Last-Modified");
		report_text(&put->report, "Etag",
		        arena_printf(request_arena(request), "\"%s\"", put->etag));
		report_text(&put->report, "Last Modified", modified ? modified : "");
	}
	report_text(&put->report, "Response Body", buf_text(&put->store.text));
	return report_answer(&put->report, 202, "upload");
}

static const struct op_state states[] = {
        [RECEIVE] = {"receive", put_receive, TO(HEADS), 0},
        [HEADS] = {"heads", put_heads, TO(STORE), 0},
        [STORE] = {"store", put_store, 0, 0},
};
const struct method slo_put = {
        .name = "slo-put", .states = states, .body = gather_on_body, .writes = true};
