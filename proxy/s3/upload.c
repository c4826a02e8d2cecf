/* Where multipart uploads are, and how they begin.
 *
 *   CreateMultipartUpload  prepare -> segments -> mark (-> uploads -> mark) */
#include "proxy/s3/upload.h"
#include "proxy/seal.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/symlink.h"

#include "lib/base/kv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define END "\x01\x01"

/* --- names --- */

const char *upload_container(struct arena *arena, const char *bucket)
{
	return arena_printf(arena, RESERVED "uploads" RESERVED "%s", bucket);
}

const char *upload_segments(struct arena *arena, const char *bucket, const char *class)
{
	return class ? arena_printf(arena, "%s" S3_SEGMENTS "+%s", bucket, class)
	             : arena_printf(arena, "%s" S3_SEGMENTS, bucket);
}

const char *upload_marker(struct arena *arena, const char *key, const char *id)
{
	AUTO(buf) struct buf name = BUF_NONE;

	versions_escape(key, &name);
	buf_str(&name, END);
	buf_str(&name, id);
	return arena_strdup(arena, buf_text(&name));
}

bool upload_parse_marker(const char *name, struct buf *out_key, const char **ret_id)
{
	const char *end = strstr(name, END);

	if (!end || !versions_unescape(name, (size_t)(end - name), out_key))
		return false;
	*ret_id = end + strlen(END);
	return true;
}

uint64_t upload_begun(const char *id)
{
	char text[17];

	snprintf(text, sizeof(text), "%s", *id ? id + 1 : "");
	return strtoull(text, NULL, 16);
}

/* In order of time; nobody guesses it. A letter comes first: no part's number looks like it. */
const char *upload_new_id(struct request *request)
{
	const struct env *env = request_cluster(request)->env;
	uint64_t random;

	env->random(env, &random, sizeof(random));
	return arena_printf(request_arena(request), "u%016llx%016llx",
	        (unsigned long long)request->ts, (unsigned long long)random);
}

static bool is_id(const char *text)
{
	return text && strlen(text) == UPLOAD_ID_LEN && *text == 'u' &&
	       strspn(text + 1, "0123456789abcdef") == UPLOAD_ID_LEN - 1;
}

/* --- found --- */

bool upload_find(struct request *request, struct upload *u, enum s3_error *ret_error)
{
	struct arena *arena = request_arena(request);

	*ret_error = S3_OK;
	if (!u->asked) {
		u->id = s3_param(request, "uploadId");
		if (!is_id(u->id)) {
			*ret_error = S3_NoSuchUpload;
			return true;
		}
		u->asked = true;
		sub_init(&u->marker, request, NULL, SUB_AS_SYSTEM, "HEAD");
		sub_path(&u->marker, request->account, upload_container(arena, request->s3->bucket),
		        upload_marker(arena, request->s3->key, u->id), NULL);
		sub_start(&u->marker);
	}
	if (!sub_headed(&u->marker))
		return false;
	if (!sub_ok(&u->marker))
		*ret_error = u->marker.status == 404 ? S3_NoSuchUpload : S3_ServiceUnavailable;
	return true;
}

void upload_done(struct upload *u)
{
	sub_done(&u->marker);
}

/* --- whose it is --- */

#define OWNS ";owner"

static const char *begun_by(struct request *request)
{
	const struct s3_caller *caller = &request->s3->caller;
	const char *owner, *name, *id = caller->id ? caller->id : "anonymous";

	s3_owner_new(request, &owner, &name);
	return arena_printf(request_arena(request), "%s%s %s", id,
	        owner && strcmp(owner, id) == 0 ? OWNS : "", caller->name ? caller->name : id);
}

void upload_tell_people(struct request *request, const char *row_type, struct buf *xml)
{
	const char *text = row_type ? row_type : "", *owner, *owner_name;
	size_t len = strcspn(text, " "), suffix = strlen(OWNS);
	bool owns = len > suffix && strncmp(text + len - suffix, OWNS, suffix) == 0;
	const char *id = arena_strndup(request_arena(request), text, owns ? len - suffix : len),
	           *name = text[len] ? text + len + 1 : id;

	s3_bucket_owner(request, &owner, &owner_name);
	s3_xml_owner(xml, "Initiator", id, name);
	s3_xml_owner(xml, "Owner", owns ? id : owner, owns ? name : owner_name);
}

/* --- CreateMultipartUpload --- */

enum { SEGMENTS = 1, MARK, UPLOADS };

struct create {
	struct sub sub;
	const char *id, *sum;
	bool asked, made;
};

static void create_done(struct request *request)
{
	struct create *c = request->own;

	sub_done(&c->sub);
}

static struct create *create_of(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct create));
		request->own_done = create_done;
	}
	return request->own;
}

static struct sub *begin(
        struct request *request, const char *method, const char *container, const char *object)
{
	struct create *c = create_of(request);

	sub_done(&c->sub);
	sub_init(&c->sub, request, NULL, SUB_AS_SYSTEM, method);
	sub_path(&c->sub, request->account, container, object, NULL);
	c->asked = true;
	return &c->sub;
}

static enum step create_go(struct request *request, unsigned state)
{
	create_of(request)->asked = false;
	return op_go(&request->op, state);
}

static enum step create_segments(struct op *op)
{
	struct request *request = request_of(op);
	enum s3_error error = s3_class_take(request);

	if (error)
		return s3_fail(request, error);
	enum step step = s3_segments_make(request, request->s3->whole.class);
	return step == STEP_NEXT ? create_go(request, MARK) : step;
}

bool upload_keeps(const char *name)
{
	static const char *const names[] = {"Content-Type", "Content-Disposition",
	        "Content-Encoding", "Cache-Control", "Content-Language", "Expires"};

	if (has_prefix(name, "X-Object-Meta-") || has_prefix(name, "X-Object-Sysmeta-") ||
	        has_prefix(name, "X-Object-Transient-Sysmeta-"))
		return true;
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* What the whole will have, in Swift's terms already. */
static void mark_headers(struct request *request, struct sub *sub)
{
	const struct http_req *http = request->http;

	for (unsigned i = 0; i < http->header_count; i++) {
		if (upload_keeps(http->headers[i].name))
			sub_header(sub, http->headers[i].name, http->headers[i].value);
	}
	s3_sse_sub(request, sub, http_get(http, S3_SSE));
	if (create_of(request)->sum)
		sub_header(sub, UPLOAD_SUM, create_of(request)->sum);
	/* Listings of uploads tell who has begun them. */
	sub_header(sub, UPLOAD_ROW_TYPE, begun_by(request));
	if (request->s3->whole.class)
		sub_header(sub, ROW_ETAG,
		        arena_printf(request_arena(request), EMPTY_MD5 "; " S3_CLASS_PARAM "=%s",
		                request->s3->whole.class));
}

/* Which checksums the parts have, and what becomes of them. */
static enum s3_error take_sum(struct request *request, struct create *c, const char **ret_text)
{
	const char *algorithm = http_get(request->http, "x-amz-checksum-algorithm"),
	           *type = http_get(request->http, "x-amz-checksum-type");
	enum checksum_kind kind;

	if (!algorithm) {
		*ret_text = "The x-amz-checksum-type header can only be used with the "
		            "x-amz-checksum-algorithm header.";
		return type ? S3_InvalidRequest : S3_OK;
	}
	if (!sum_find(algorithm, &kind)) {
		*ret_text = SUM_UNKNOWN_TEXT;
		return S3_InvalidRequest;
	}
	if (!type)
		type = kind == CHECKSUM_CRC64NVME ? SUM_WHOLE : SUM_COMPOSITE;
	bool whole = strcmp(type, SUM_WHOLE) == 0;
	if ((!whole && strcmp(type, SUM_COMPOSITE) != 0) || (whole && !checksum_combines(kind)) ||
	        (!whole && kind == CHECKSUM_CRC64NVME)) {
		*ret_text = arena_printf(request_arena(request),
		        "The %s checksum type cannot be used with the %s checksum algorithm.", type,
		        sum_name(kind));
		return S3_InvalidRequest;
	}
	c->sum = arena_printf(request_arena(request), "%s %s", sum_name(kind), type);
	http_header(request->http, "x-amz-checksum-algorithm", sum_name(kind));
	http_header(request->http, "x-amz-checksum-type", type);
	return S3_OK;
}

static enum step created(struct request *request)
{
	AUTO(buf) struct buf xml = BUF_NONE;

	s3_xml_begin(&xml, "InitiateMultipartUploadResult");
	s3_xml_text(&xml, "Bucket", request->s3->bucket);
	s3_xml_text(&xml, "Key", request->s3->key);
	s3_xml_text(&xml, "UploadId", create_of(request)->id);
	buf_str(&xml, "</InitiateMultipartUploadResult>");
	return s3_reply_xml(request, &xml);
}

static enum step create_mark(struct op *op)
{
	struct request *request = request_of(op);
	struct arena *arena = request_arena(request);
	struct create *c = create_of(request);
	const char *text = NULL;

	if (!c->id) {
		enum s3_error error = s3_take_object(request, &text);
		if (!error)
			error = take_sum(request, c, &text);
		if (error)
			return s3_fail_text(request, error, text);
		c->id = upload_new_id(request);
	}
	if (!c->asked) {
		begin(request, "PUT", upload_container(arena, request->s3->bucket),
		        upload_marker(arena, request->s3->key, c->id));
		mark_headers(request, &c->sub);
		sub_body_text(&c->sub, "", 0);
		sub_start(&c->sub);
	}
	if (!sub_headed(&c->sub))
		return STEP_WAIT;
	if (c->sub.status == 404 && !c->made)
		return create_go(request, UPLOADS);
	return sub_ok(&c->sub) ? created(request) : s3_fail_sub(request, &c->sub);
}

static enum step create_uploads(struct op *op)
{
	struct request *request = request_of(op);
	struct create *c = create_of(request);

	if (!c->asked)
		sub_start(begin(request, "PUT",
		        upload_container(request_arena(request), request->s3->bucket), NULL));
	if (!sub_headed(&c->sub))
		return STEP_WAIT;
	c->made = true;
	return sub_ok(&c->sub) ? create_go(request, MARK) : s3_fail_sub(request, &c->sub);
}

static const struct op_state create_states[] = {
        {"prepare", s3_prepare, TO(SEGMENTS), 15000},
        [SEGMENTS] = {"segments", create_segments, TO(MARK), 0},
        [MARK] = {"mark", create_mark, TO(UPLOADS), 0},
        [UPLOADS] = {"uploads", create_uploads, TO(MARK), 0},
};
const struct method s3_upload_create = {.name = "s3-upload-create", .states = create_states};
