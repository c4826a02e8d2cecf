/* Object PUT and COPY.
 *
 *   prepare -> check (-> source) -> target -> receive -> verify -> commit
 *
 * The body comes in pieces of BACKEND_PIECE. One that fits in a single inline piece travels in the
 * commit itself; of a larger one each piece is staged on all primaries while the next comes in.
 * Where the policy is erasure-coded, pieces go to ec_put.h instead.
 * For a copy the pieces come from the source instead of the client. */
#include "proxy/put.h"

#include "proxy/mime.h"
#include "proxy/params.h"
#include "proxy/quota.h"
#include "proxy/s3/event.h"
#include "proxy/s3/s3.h"
#include "proxy/sync_queue.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include "lib/crypto/md5.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void put_done(struct request *request)
{
	struct put *put = request->own;

	if (put->large)
		md5_engine_leave(request->proxy->md5);
	for (unsigned i = 0; i < PIECES_MAX; i++) {
		fan_done(&put->pieces[i].staged);
		bytes_unref(put->pieces[i].bytes);
		bytes_unref(put->pieces[i].stored);
		credit_give(&put->pieces[i].credit);
	}
	credit_give(&put->incoming);
	credit_give(&put->kept);
	bytes_unref(put->next_piece);
	bytes_unref(put->inline_body);
	seal_done(&put->seal);
	commit_done(&put->commit);
	ec_put_done(&put->ec);
	fan_done(&put->unstage);
	info_fetch_done(&put->container_info);
	info_fetch_done(&put->account_info);
	info_fetch_done(&put->quota_info);
	info_fetch_done(&put->late_info);
	if (put->copy) {
		s3_sum_done(&put->copy->sum);
		bytes_unref(put->copy->gathered);
		bytes_unref(put->copy->over);
		if (put->copy->opened)
			body_done(&put->copy->body);
		info_fetch_done(&put->copy->container_info);
		info_fetch_done(&put->copy->account_info);
	}
}

/* --- check --- */

/* COPY was prepared for its source; the destination is somebody's container too. */
static enum step other_destination(struct request *request, struct put *put)
{
	bool wait;

	if (!info_get(&put->container_info, &request->op, request->proxy, put->account,
	            put->container))
		return STEP_WAIT;
	if (put->container_info.err)
		return request_fail(request, 503);
	put->info = put->container_info.info;
	struct access access = {put->account, put->container, true, false, false, false, false};
	enum err err = request_authorize(request, &access,
	        info_header(put->info, "X-Container-Write"), &put->account_info, &wait);
	if (wait)
		return STEP_WAIT;
	return err ? request_err(request, err) : STEP_NEXT;
}

static const char *check_headers(struct request *request, struct put *put)
{
	const struct limits *limits = &request_cluster(request)->limits;
	const char *type = http_get(request->http, "Content-Type");
	const char *manifest = http_get(request->http, "X-Object-Manifest");
	const char *none_match = http_get(request->http, "If-None-Match"),
	           *if_there = http_get(request->http, PUT_IF_THERE);
	size_t len = strlen(put->object);
	const char *text;

	if (none_match && !strchr(none_match, '*'))
		return "If-None-Match only supports *";
	put->commit.only_if_absent = none_match;
	if (if_there && !ts_parse(if_there, &put->commit.only_if_at))
		return "Bad timestamp";
	/* Names of our own making have more than the client's in them. */
	if (len > limits->max_object_name && !reserved_name(put->container) && !request->trusted &&
	        !s3_is_part(request, put->account, put->container))
		return arena_printf(request_arena(request),
		        "Object name length of %zu longer than %u", len, limits->max_object_name);
	put->content_type = type && *type ? type : NULL;
	if (is_true(http_get(request->http, "X-Detect-Content-Type")) ||
	        (!put->content_type && !put->copy))
		put->content_type = mime_guess(put->object);
	if (put->content_type && !utf8_valid(put->content_type, strlen(put->content_type)))
		return "Invalid Content-Type";
	if ((text = constraint_delete_at(request, &put->delete_at)))
		return text;
	if (manifest) {
		const char *slash = strchr(manifest, '/');
		if (!slash || slash == manifest || strpbrk(manifest, "?&") || !slash[1] ||
		        slash[1] == '/')
			return "X-Object-Manifest must be in the format container/prefix";
	}
	return constraint_metadata(request, "object");
}

static const char *over_quota(struct request *request, const struct put *put, uint64_t size)
{
	return quota_exceeded(request->identity.reseller ? NULL : put->quota_info.info,
	        put->container_info.info ? put->info : versions_named(request),
	        versions_kept(request), size);
}

/* Of a link there is nothing to seal but metadata. */
static enum err begin_seal(struct request *request, struct put *put)
{
	const struct cluster *cluster = request_cluster(request);
	const struct seal_keys *keys = cluster->seal;
	struct seal_path path = {put->account, put->container, put->object};
	const char *with = http_get(request->http, SEAL_WITH);

	if (put->verbatim)
		return ERR_OK;
	if (!with && !request->trusted && !request->s3)
		with = s3_sse_default(
		        request, put->container_info.info ? put->info : versions_named(request));
	if (!with && put->copy)
		with = put_copy_seal(request, put);
	if (with && http_get(request->http, "X-Symlink-Target"))
		with = keys && keys->current ? "root" : NULL;
	if (with)
		return seal_begin_with(&put->seal, cluster->env, keys, path, with);
	if (keys && keys->active)
		seal_begin(&put->seal, keys, path);
	return ERR_OK;
}

/* Where the object goes, and what is said about it. After the source of a copy: Swift reads
 * that first, so its refusal comes first. */
static enum step put_target(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = request->own;
	struct http_req *http = request->http;
	const char *text;
	enum step step;

	if (request->method == &object_copy) {
		if ((step = other_destination(request, put)) != STEP_NEXT)
			return step;
	}
	if (!put->info->exists)
		return request_fail(request, 404);
	if (!put->copy && !http->has_length && !http->chunked)
		return request_fail_text(request, 411, "Missing Content-Length header.");
	if (http->content_length > request_cluster(request)->limits.max_file_size)
		return request_fail_text(request, 413, "Your request is too large.");
	if ((text = check_headers(request, put)))
		return request_fail_text(request, 400, text);
	put->quota_info.counts = true;
	if (!info_get(&put->quota_info, op, request->proxy, put->account, NULL))
		return STEP_WAIT;
	if (put->quota_info.err)
		return request_fail(request, 503);
	text = over_quota(request, put, put->copy ? put->copy->left : http->content_length);
	if (text)
		return request_fail_html(request, 413, text);
	put->policy = put->info->policy;
	put->wanted_etag = http_get(http, "Etag");
	put->stage = atomic_fetch_add(&request_cluster(request)->next_stage, 1);
	md5_stream_init(&put->md5);
	put->large = !put->copy && http->content_length > BACKEND_INLINE_MAX;
	if (put->large)
		md5_engine_join(request->proxy->md5);
	proxy_place(request_cluster(request), put->policy, put->account, put->container,
	        put->object, &put->place);
	if (begin_seal(request, put))
		return put_abandon(request, put, 503);
	ec_put_start(&put->ec, op, request->proxy, put->policy, &put->place, put->account,
	        put->container, put->object, put->stage);
	return op_go(op, PUT_RECEIVE);
}

static enum step put_check(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = request->own = arena_zalloc(request_arena(request), sizeof(*put));

	put->request = request;
	put->info = request->container_info.info;
	request->own_done = put_done;
	enum step step = put_copy_setup(request, put);
	if (step != STEP_NEXT)
		return step;
	return op_go(op, put->copy ? PUT_SOURCE : PUT_TARGET);
}

/* --- headers of the new object --- */

static const char *const kept_headers[] = {"Content-Disposition", "Content-Encoding",
        "Cache-Control", "Content-Language", "Expires", "X-Robots-Tag"};

static void add_request_headers(struct request *request, struct put *put, struct buf *out)
{
	const char *manifest = http_get(request->http, "X-Object-Manifest"),
	           *slo = http_get(request->http, "X-Static-Large-Object");

	request_copy_headers(request, out, "X-Object-Meta-");
	request_copy_headers(request, out, "X-Object-Sysmeta-");
	request_copy_headers(request, out, "X-Object-Transient-Sysmeta-");
	if (slo)
		kv_add(out, "X-Static-Large-Object", slo);
	for (unsigned i = 0; i < COUNT_OF(kept_headers); i++) {
		const char *value = http_get(request->http, kept_headers[i]);
		if (value && *value)
			kv_add(out, kept_headers[i], value);
	}
	if (manifest)
		kv_add(out, "X-Object-Manifest", manifest);
	if (put->delete_at) {
		char text[24];
		snprintf(text, sizeof(text), "%llu", (unsigned long long)put->delete_at);
		kv_add(out, "X-Delete-At", text);
	}
}

const char *put_type(struct put *put)
{
	const struct backend_reply *r = put->copy ? body_head(&put->copy->body) : NULL;
	const char *type = put->content_type;
	uint64_t bytes;

	if (r && !type)
		type = kv_get(r->headers.data, r->headers.len, "Content-Type");
	if (r && type && body_is_slo(&put->copy->body) && params_swift_bytes(type, &bytes)) {
		AUTO(buf) struct buf text = BUF_NONE;
		params_without(type, "swift_bytes", &text);
		type = arena_strdup(request_arena(put->request), buf_text(&text));
	}
	return type ? type : mime_guess(put->object);
}

void put_headers(struct request *request, struct put *put, const char *type, struct buf *out)
{
	kv_add(out, "Content-Type", type);
	add_request_headers(request, put, out);
	if (put->copy && !put->copy->fresh)
		put_copy_headers(request, put, out);
	else if (put->verbatim)
		put_copy_sealed(put, out);
	link_stored(request, out);
}

/* --- commit --- */

/* What is stored stays as it is; the metadata goes by the new name. */
static void seal_again(struct request *request, struct put *put, struct buf *headers)
{
	memcpy(put->digest, body_head(&put->copy->body)->etag, 16);
	put->size = seal_plain_size(put->stored);
	seal_metadata(request_cluster(request)->seal,
	        (struct seal_path){put->account, put->container, put->object}, headers);
}

static void start_commit(struct request *request, struct put *put)
{
	AUTO(buf) struct buf headers = BUF_NONE;
	const char *type = put_type(put);
	char etag[33];

	struct backend_msg *msg = commit_message(&put->commit, BACKEND_OBJECT_PUT, &request->op,
	        request->proxy, put->policy, put->account, put->container, put->object);
	if (put->staged_ts)
		msg->ts = put->staged_ts;
	else if (request->set_ts)
		msg->ts = request->set_ts;
	request->ts = msg->ts;
	put_headers(request, put, type, &headers);
	if (put->verbatim)
		seal_again(request, put, &headers);
	if (put->seal.aead)
		seal_headers(&put->seal, &headers, put->size, put->digest, msg->etag);
	else
		memcpy(msg->etag, put->digest, 16);
	if (put->seal.opaque)
		memcpy(put->digest, msg->etag, 16);
	backend_msg_headers(msg, &headers);
	put->commit.set_time = request->set_ts != 0;
	const struct info *info = put->late_info.info ? put->late_info.info : put->info;
	put->commit.synced = sync_since(info);
	put->commit.event = s3_event_of(request, S3_EVENT_PUT, info, put->container, put->object);
	msg->handle = put->stage;
	msg->size = put->stored;
	if (put->ec.ec) {
		/* Its fragments are where this place says. */
		put->commit.fragments = &put->ec;
		put->commit.place = put->place;
		place_address(&put->place, msg);
	} else if (put->staging) {
		msg->stage = put->stage;
	} else {
		msg->body = TAKE(put->inline_body);
	}
	md5_hex(put->digest, etag);
	struct backend_row row = {.content_type = type, .etag = etag, .bytes = put->size};
	commit_updates(&put->commit, &row, 0, put->delete_at);
	commit_start(&put->commit);
}

static bool etag_matches(const char *wanted, const char *etag)
{
	size_t len = strlen(wanted);

	if (len >= 2 && wanted[0] == '"' && wanted[len - 1] == '"') {
		wanted++;
		len -= 2;
	}
	return len == 32 && strncasecmp(wanted, etag, 32) == 0;
}

#define FACTS_US 5000000

/* While a long body came in, the container may have been set to be synced. */
static bool late_facts(struct op *op, struct request *request, struct put *put)
{
	uint64_t now = reactor_now_us(request->proxy->reactor);

	if (!put->late_info.started && now - put->info->asked_us < FACTS_US)
		return true;
	return info_get(&put->late_info, op, request->proxy, put->account, put->container);
}

static enum step put_verify(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = put_of(request);
	char etag[33];

	if (!request->http->gone && !late_facts(op, request, put))
		return STEP_WAIT;
	if (request->http->gone)
		return put_abandon(request, put, 0);
	const char *wrong = NULL;
	if (request->s3 && s3_payload_end(request, &wrong)) {
		put_abandon(request, put, 0);
		return s3_fail_text(request, request->s3->payload.error, wrong);
	}
	if (request->s3 && !s3_parts_replace(request))
		return STEP_WAIT;
	if (request->s3)
		s3_sum_keep(request);
	put_copy_sum(request, put);
	if (!put->copy && request->http->has_length && put->size != request->http->content_length)
		return put_abandon(request, put, 499);
	if (put->size && http_get(request->http, "X-Symlink-Target")) {
		put_abandon(request, put, 0);
		return request_fail_text(request, 400, "Symlink requests require a zero byte body");
	}
	/* How long it would be was not known before. */
	const char *over =
	        put->copy || request->http->has_length ? NULL : over_quota(request, put, put->size);
	if (over) {
		put_abandon(request, put, 0);
		return request_fail_html(request, 413, over);
	}
	md5_stream_final(&put->md5, put->digest);
	md5_hex(put->digest, etag);
	if (put->wanted_etag && *put->wanted_etag && !put->copy &&
	        !etag_matches(put->wanted_etag, etag))
		return put_abandon(request, put, 422);
	start_commit(request, put);
	return op_go(op, PUT_COMMIT);
}

static enum step put_commit(struct op *op)
{
	struct request *request = request_of(op);
	struct put *put = put_of(request);
	char etag[33], date[HTTP_DATE_SIZE];

	if (!commit_ready(&put->commit))
		return STEP_WAIT;
	switch (put->commit.err) {
	case ERR_OK:
		break;
	case ERR_CONFLICT:
		put_abandon(request, put, 0);
		return request_empty(request, 202);
	case ERR_PRECONDITION:
		return put_abandon(request, put, 412);
	case ERR_NO_SPACE:
		return put_abandon(request, put, 507);
	default:
		return put_abandon(request, put, 503);
	}
	if (put->commit.row_err == ERR_NOT_FOUND)
		return request_fail(request, 404);
	if (put->commit.row_err && http_get(request->http, PUT_LISTED))
		return request_fail(request, 503);
	md5_hex(put->digest, etag);
	AUTO(buf) struct buf headers = BUF_NONE;
	if (request->versions)
		put_headers(request, put, put_type(put), &headers);
	struct s3_whole *whole = request->s3 ? &request->s3->whole : NULL;
	enum step step = whole && whole->step ? STEP_NEXT
	                                      : versions_stored(request, etag, put->size,
	                                                put_type(put), &headers);
	if (step == STEP_NEXT && whole && whole->container)
		step = s3_whole_store(request, etag, put->size);
	if (step == STEP_NEXT && request->s3)
		step = s3_part_stored(request);
	if (step != STEP_NEXT)
		return step;
	http_header(request->http, "Etag", etag);
	uint64_t ts = put->commit.msg->ts;
	http_date_format((int64_t)((ts + TS_PER_SECOND - 1) / TS_PER_SECOND), date);
	http_header(request->http, "Last-Modified", date);
	if (put->copy)
		put_copied_from(request, put);
	if (request->s3)
		request->s3->told_size = put->size;
	return request_empty(request, 201);
}

static const struct op_state states[] = {
        [PUT_PREPARE] = {"prepare", request_prepare, TO(PUT_CHECK), 15000},
        [PUT_CHECK] = {"check", put_check, TO(PUT_SOURCE) | TO(PUT_TARGET), 0},
        [PUT_SOURCE] = {"source", put_copy_source, TO(PUT_TARGET), 0},
        [PUT_TARGET] = {"target", put_target, TO(PUT_RECEIVE), 0},
        [PUT_RECEIVE] = {"receive", put_receive, TO(PUT_VERIFY), 0},
        [PUT_VERIFY] = {"verify", put_verify, TO(PUT_COMMIT), 0},
        [PUT_COMMIT] = {"commit", put_commit, 0, 0},
};
const struct method object_put = {
        .name = "object-put", .states = states, .body = put_body, .writes = true};
/* Prepared as a read of its source; the destination is checked in put_check. */
const struct method object_copy = {.name = "object-copy", .states = states, .body = put_body};
