/* What clients are answered: XML, and headers in S3's names. */
#include "proxy/s3/cors.h"
#include "proxy/s3/lifecycle.h"
#include "proxy/s3/lock.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/tags.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include "lib/base/markup.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

/* --- XML --- */

void s3_xml_begin(struct buf *out, const char *root)
{
	buf_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s xmlns=\"" NAMESPACE "\">",
	        root);
}

/* Control characters, which keys may have and XML 1.0 has no place for, as S3 writes them. */
static void add_text(struct buf *out, const char *text)
{
	while (*text) {
		size_t plain = 0;
		while ((unsigned char)text[plain] >= ' ' || text[plain] == '\n')
			plain++;
		markup_escape(out, text, plain, "&<>\"");
		text += plain;
		if (*text)
			buf_printf(out, "&#x%x;", (unsigned char)*text++);
	}
}

void s3_xml_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "<%s>", name);
	add_text(out, text);
	buf_printf(out, "</%s>", name);
}

void s3_xml_u64(struct buf *out, const char *name, uint64_t value)
{
	buf_printf(out, "<%s>%llu</%s>", name, (unsigned long long)value, name);
}

void s3_xml_bool(struct buf *out, const char *name, bool value)
{
	s3_xml_text(out, name, value ? "true" : "false");
}

void s3_xml_owner(struct buf *out, const char *name, const char *id, const char *display)
{
	buf_printf(out, "<%s>", name);
	s3_xml_text(out, "ID", id);
	s3_xml_text(out, "DisplayName", display);
	buf_printf(out, "</%s>", name);
}

/* In whole seconds, as Last-Modified tells it. */
void s3_xml_date(struct buf *out, const char *name, uint64_t ts)
{
	char date[ISO_DATE_SIZE];

	iso_date_format((ts + TS_PER_SECOND - 1) / TS_PER_SECOND * TS_PER_SECOND, date);
	buf_printf(out, "<%s>%.19s.000Z</%s>", name, date, name);
}

/* --- failures --- */

static const char *error_type(const struct request *request)
{
	return request->s3->is_site ? "text/html; charset=utf-8" : "application/xml";
}

static bool is_bodiless(const struct request *request, int status)
{
	return request->head || status == 304;
}

/* BucketName and Key are told by errors of what is, or is not, there. */
static void name_resource(const struct request *request, enum s3_error error, struct buf *xml)
{
	const struct s3 *s3 = request->s3;
	const char *bucket = s3->error_bucket ? s3->error_bucket : s3->bucket,
	           *key = s3->error_key ? s3->error_key : s3->key;
	int status = s3_error_status(error);

	if (error == S3_NoSuchUpload) {
		const char *id = s3_param(request, "uploadId");
		s3_xml_text(xml, "UploadId", id ? id : "");
		return;
	}
	if (bucket && (status == 404 || status == 409 || error == S3_InvalidBucketName))
		s3_xml_text(xml, "BucketName", bucket);
	if (key && status == 404)
		s3_xml_text(xml, "Key", key);
	if (status != 400)
		s3_xml_text(xml, "Resource", request->path);
}

void s3_error_add(struct request *request, const char *name, const char *text)
{
	AUTO(buf) struct buf xml = BUF_NONE;
	struct s3 *s3 = request->s3;

	buf_str(&xml, s3->error_extra ? s3->error_extra : "");
	s3_xml_text(&xml, name, text);
	s3->error_extra = arena_strdup(request_arena(request), buf_text(&xml));
}

void s3_error_add_u64(struct request *request, const char *name, uint64_t value)
{
	s3_error_add(request, name,
	        arena_printf(request_arena(request), "%llu", (unsigned long long)value));
}

enum s3_error s3_invalid_argument(struct request *request, const char *name, const char *value)
{
	s3_error_add(request, "ArgumentName", name);
	s3_error_add(request, "ArgumentValue", value ? value : "");
	return S3_InvalidArgument;
}

static enum step answer_error(
        struct request *request, enum s3_error error, int status, const char *text)
{
	AUTO(buf) struct buf xml = BUF_NONE;
	struct s3 *s3 = request->s3;

	s3->told = error;
	request_headers(request, status);
	if (is_bodiless(request, status)) {
		http_reply(request->http, status, NULL, 0, 0);
		return STEP_DONE;
	}
	if (s3->is_site) {
		s3_site_error(request, error, status, text ? text : s3_error_text(error), &xml);
		http_reply_text(request->http, status, buf_text(&xml));
		return STEP_DONE;
	}
	buf_str(&xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
	s3_xml_text(&xml, "Code", s3_error_code(error));
	s3_xml_text(&xml, "Message", text ? text : s3_error_text(error));
	buf_str(&xml, s3->error_extra ? s3->error_extra : "");
	name_resource(request, error, &xml);
	s3_xml_text(&xml, "RequestId", request->trans_id);
	s3_xml_text(&xml, "HostId", request->trans_id);
	buf_str(&xml, "</Error>");
	http_reply_text(request->http, status, buf_text(&xml));
	return STEP_DONE;
}

enum step s3_fail_text(struct request *request, enum s3_error error, const char *text)
{
	buf_reset(&request->http->out);
	if (error == S3_AccessDenied && !text)
		text = request->s3->access.denied;
	if (request->s3->is_site) {
		http_header(request->http, "x-amz-error-code", s3_error_code(error));
		http_header(
		        request->http, "x-amz-error-message", text ? text : s3_error_text(error));
	}
	http_header(request->http, "Content-Type", error_type(request));
	return answer_error(request, error, s3_error_status(error), text);
}

enum step s3_fail_with(struct request *request, enum s3_error error)
{
	return answer_error(request, error, s3_error_status(error), NULL);
}

enum step s3_fail(struct request *request, enum s3_error error)
{
	return s3_fail_text(request, error, NULL);
}

static enum s3_error error_of(const struct request *request, int status)
{
	switch (status) {
	case 304:
		return S3_NotModified;
	case 401:
	case 403:
		return S3_AccessDenied;
	case 404:
		return !request->s3->key                ? S3_NoSuchBucket
		       : s3_param(request, "versionId") ? S3_NoSuchVersion
		                                        : S3_NoSuchKey;
	case 405:
		return S3_MethodNotAllowed;
	case 408:
		return S3_RequestTimeout;
	case 409:
		return S3_OperationAborted;
	case 411:
		return S3_MissingContentLength;
	case 412:
		return S3_PreconditionFailed;
	case 413:
		return S3_EntityTooLarge;
	case 416:
		return S3_InvalidRange;
	case 422:
		return S3_BadDigest;
	case 498:
		return S3_SlowDown;
	case 499:
		return S3_IncompleteBody;
	case 501:
		return S3_NotImplemented;
	case 503:
	case 507:
		return S3_ServiceUnavailable;
	default:
		return status / 100 == 4 ? S3_InvalidRequest : S3_InternalError;
	}
}

enum step s3_fail_status(struct request *request, int status, const char *text)
{
	const struct s3 *s3 = request->s3;

	/* Whether a delete marker hides it makes a difference. */
	if (status == 404 && s3->operation && s3->operation->method == &s3_object_get &&
	        !s3->error && !s3->missing && !s3_param(request, "versionId") &&
	        s3_versioning(request->container_info.info))
		return request_become(request, &s3_version_missing);
	enum s3_error error = s3->error ? s3->error : error_of(request, status);
	if (error == S3_NoSuchKey && !s3_may_list(request))
		error = S3_AccessDenied;
	if (error == S3_InvalidRequest && text && strstr(text, "X-Delete-"))
		error = S3_InvalidArgument;
	const char *said = s3->error_text                ? s3->error_text
	                   : error == S3_InvalidArgument ? text
	                   : error == S3_InvalidRequest  ? text
	                                                 : NULL;

	/* As AWS: in hexadecimal here, in base64 where a document is sent. */
	if (error == S3_BadDigest && !s3->error && http_get(request->http, "Etag"))
		s3_error_add(request, "ExpectedDigest", http_get(request->http, "Etag"));
	/* 304 and 416 say what there is. */
	if (error != S3_NotModified && error != S3_InvalidRange)
		return s3_fail_text(request, error, said);
	http_header(request->http, "Content-Type", error_type(request));
	return answer_error(request, error, s3_error_status(error), said);
}

enum step s3_fail_sub(struct request *request, const struct sub *sub)
{
	return s3_fail_status(request, sub->status, NULL);
}

/* --- successes --- */

enum step s3_reply_xml(struct request *request, const struct buf *xml)
{
	http_header(request->http, "Content-Type", "application/xml");
	request_headers(request, 200);
	http_reply_text(request->http, 200, buf_text(xml));
	return STEP_DONE;
}

enum step s3_empty(struct request *request, int status)
{
	if (request->s3->post)
		return s3_post_answer(request);
	request_headers(request, status);
	http_reply(request->http, status, NULL, 0, 0);
	return STEP_DONE;
}

int s3_status(const struct request *request, int status)
{
	bool deletes = strcmp(request->http->method, "DELETE") == 0;

	return status / 100 != 2 || status == 206 ? status : deletes ? 204 : 200;
}

/* --- headers --- */

/* S3 keeps the '_' in names of metadata, for which Swift's have no place; as Swift's s3api. */
static const char underscore[] = "=5F";

enum s3_error s3_take_metadata(struct request *request)
{
	struct http_req *http = request->http;
	size_t size = 0;

	for (unsigned i = 0; i < http->header_count; i++) {
		AUTO(buf) struct buf name = BUF_NONE;
		const char *sent = http->headers[i].name;
		if (!has_prefix(sent, "x-amz-meta-"))
			continue;
		size += strlen(sent) - strlen("x-amz-meta-") + strlen(http->headers[i].value);
		buf_str(&name, "X-Object-Meta-");
		for (const char *p = sent + strlen("x-amz-meta-"); *p; p++) {
			if (*p == '_')
				buf_str(&name, underscore);
			else
				buf_char(&name, *p);
		}
		http->headers[i].name = arena_strdup(&http->arena, buf_text(&name));
	}
	if (size <= S3_METADATA_MAX)
		return S3_OK;
	s3_error_add_u64(request, "Size", size);
	s3_error_add_u64(request, "MaxSizeAllowed", S3_METADATA_MAX);
	return S3_MetadataTooLarge;
}

static void tell_metadata(struct buf *out, const struct kv_pair *pair)
{
	AUTO(buf) struct buf name = BUF_NONE;

	buf_str(&name, "x-amz-meta-");
	for (const char *p = pair->name + strlen("X-Object-Meta-"); *p; p++) {
		if (strncasecmp(p, underscore, 3) == 0) {
			buf_char(&name, '_');
			p += 2;
		} else {
			buf_char(&name, (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
		}
	}
	kv_add(out, buf_text(&name), pair->value);
}

static bool is_told(const char *name)
{
	static const char *const told[] = {"Content-Type", "Content-Disposition",
	        "Content-Encoding", "Content-Language", "Content-Range", "Cache-Control", "Expires",
	        "Last-Modified", "Accept-Ranges", "Location", "Allow", "Vary", "Retry-After",
	        "X-Robots-Tag"};

	if (has_prefix(name, "x-amz-") || has_prefix(name, "Access-Control-"))
		return true;
	for (unsigned i = 0; i < COUNT_OF(told); i++) {
		if (strcasecmp(name, told[i]) == 0)
			return true;
	}
	return false;
}

/* A response-* parameter in place of what is kept. */
static const char *replaced(const struct request *request, const char *name)
{
	static const char *const pairs[][2] = {{"Content-Type", "response-content-type"},
	        {"Content-Language", "response-content-language"},
	        {"Content-Disposition", "response-content-disposition"},
	        {"Content-Encoding", "response-content-encoding"},
	        {"Cache-Control", "response-cache-control"}, {"Expires", "response-expires"}};

	for (unsigned i = 0; i < COUNT_OF(pairs); i++) {
		if (strcasecmp(name, pairs[i][0]) == 0)
			return s3_param(request, pairs[i][1]);
	}
	return NULL;
}

/* Those that are kept nowhere. */
static void add_replaced(const struct request *request, struct buf *out)
{
	static const char *const names[] = {"Content-Language", "Content-Disposition",
	        "Content-Encoding", "Cache-Control", "Expires"};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		const char *value = replaced(request, names[i]);
		if (value && !kv_get(out->data, out->len, names[i]))
			kv_add(out, names[i], value);
	}
}

static void tell_etag(struct request *request, struct buf *out, const char *etag)
{
	kv_add(out, "ETag",
	        *etag == '"' ? etag : arena_printf(request_arena(request), "\"%s\"", etag));
}

static void tell_version(struct buf *out, int status, const char *id)
{
	if (status != 404 && !kv_get(out->data, out->len, "x-amz-version-id"))
		kv_add(out, "x-amz-version-id", id);
}

/* Of a whole that is sent as such, to who asks for it. */
static void tell_sum(struct request *request, struct buf *out, int status, const char *kept)
{
	const char *mode = http_get(request->http, "x-amz-checksum-mode");
	struct sum_kept sum;

	if (status == 200 && mode && strcasecmp(mode, "ENABLED") == 0 &&
	        sum_read(request_arena(request), kept, &sum))
		sum_tell(out, &sum);
}

/* As Swift's s3api: a rule of nobody's. */
static void tell_expiration(struct request *request, struct buf *out, const char *at)
{
	char date[HTTP_DATE_SIZE];

	http_date_format(strtoll(at, NULL, 10), date);
	kv_add(out, "x-amz-expiration",
	        arena_printf(request_arena(request),
	                "expiry-date=\"%s\", rule-id=\"swift-object-expiration\"", date));
}

#define ANSWER_MORE 160 /* of most: ids, a type */

void s3_answer(struct request *request, int status)
{
	if (request->s3->post)
		request->http->method = "POST"; /* as it was sent */
	s3_cors_answer(request);
	struct buf all = request->http->out, out = BUF_NONE;
	struct kv_pair pair;
	const struct s3_operation *operation = request->s3->operation;
	buf_reserve(&out, all.len + ANSWER_MORE);
	bool null = kv_get(all.data, all.len, VERSIONS_NULL);
	bool shows = status / 100 == 2 && operation && !operation->writes && request->s3->key;

	for (size_t at = 0; kv_next(all.data, all.len, &at, &pair);) {
		const char *other =
		        shows && request->query.count ? replaced(request, pair.name) : NULL;
		if (strcasecmp(pair.name, "Etag") == 0)
			tell_etag(request, &out, pair.value);
		else if (strcasecmp(pair.name, "X-Object-Version-Id") == 0)
			tell_version(&out, status, null ? "null" : pair.value);
		else if (shows && strcasecmp(pair.name, S3_OBJECT_TAGS) == 0 && *pair.value)
			kv_add(&out, "x-amz-tagging-count",
			        arena_printf(
			                request_arena(request), "%u", s3_tags_count(pair.value)));
		else if (shows && s3_lock_tell(&out, pair.name, pair.value))
			continue;
		else if (shows && strcasecmp(pair.name, S3_CLASS) == 0)
			kv_add(&out, "x-amz-storage-class", pair.value);
		else if (shows && strcasecmp(pair.name, S3_SSE) == 0)
			s3_sse_tell(request, &out, pair.value);
		else if (has_prefix(pair.name, "X-Object-Meta-"))
			tell_metadata(&out, &pair);
		else if (shows && strcasecmp(pair.name, S3_REDIRECT) == 0)
			kv_add(&out, S3_REDIRECT_HEADER, pair.value);
		else if (strcasecmp(pair.name, SUM_HEADER) == 0)
			tell_sum(request, &out, status, pair.value);
		else if (shows && strcasecmp(pair.name, "X-Delete-At") == 0)
			tell_expiration(request, &out, pair.value);
		else if (shows && strcasecmp(pair.name, "X-Parts-Count") == 0)
			kv_add(&out, "x-amz-mp-parts-count", pair.value);
		else if (is_told(pair.name))
			kv_add(&out, pair.name, other ? other : pair.value);
	}
	if (shows && request->query.count)
		add_replaced(request, &out);
	if (!request->s3->told_tags)
		request->s3->told_tags = kv_get(all.data, all.len, S3_OBJECT_TAGS);
	lifecycle_answer(request, status, &out);
	request->s3->told_tags = NULL;
	if (operation && operation->writes && status / 100 == 2 &&
	        !kv_get(out.data, out.len, "Content-Type"))
		kv_add(&out, "Content-Type", "text/html; charset=UTF-8"); /* as Swift's s3api */
	kv_add(&out, "x-amz-request-id", request->trans_id);
	kv_add(&out, "x-amz-id-2", request->trans_id);
	buf_done(&all);
	request->http->out = out;
}
