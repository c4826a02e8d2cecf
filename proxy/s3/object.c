/* Objects: what is one request of Swift's as well. */
#include "proxy/s3/lock.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/tags.h"
#include "proxy/s3/upload.h"

#include "lib/base/base64.h"
#include "lib/base/hex.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static enum s3_error check_part(struct request *request, const char **ret_text)
{
	const char *number = s3_param(request, "partNumber");

	if (!number)
		return S3_OK;
	if (http_get(request->http, "Range")) {
		*ret_text = "Cannot specify both Range header and partNumber query parameter";
		return S3_InvalidRequest;
	}
	if (upload_number(number))
		return S3_OK;
	*ret_text = "Part number must be an integer between 1 and 10000, inclusive";
	return s3_invalid_argument(request, "partNumber", number);
}

static enum step pass_get(struct op *op)
{
	struct request *request = request_of(op);
	const char *text = NULL;
	enum s3_error error = check_part(request, &text);

	if (error)
		return s3_fail_text(request, error, text);
	if (!s3_version_take(request, &error, &text))
		return STEP_WAIT;
	if (!error)
		error = s3_sse_take_read(request, &text);
	return error ? s3_fail_text(request, error, text) : s3_pass(request, &object_get);
}

static const struct op_state get_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"pass", pass_get, 0, 0},
};
const struct method s3_object_get = {.name = "s3-object-get", .states = get_states};

/* --- PutObject --- */

enum s3_error s3_take_md5(struct request *request)
{
	const char *text = http_get(request->http, "Content-MD5");
	AUTO(buf) struct buf digest = BUF_NONE;
	char hex[33];

	request_set_header(request, "Etag", NULL);
	if (!text)
		return S3_OK;
	if (!base64_decode(text, strlen(text), &digest) || digest.len != 16)
		return S3_InvalidDigest;
	hex_encode(digest.data, 16, hex);
	request_set_header(request, "Etag", hex);
	return S3_OK;
}

/* Swift guesses a type by the name; S3 has one for all that do not say. */
static void take_type(struct request *request)
{
	const char *type = http_get(request->http, "Content-Type");

	if (!type || !*type)
		request_set_header(request, "Content-Type", S3_TYPE);
	request_set_header(request, "X-Detect-Content-Type", NULL);
}

static enum s3_error take_redirect(struct request *request)
{
	const char *location = http_get(request->http, S3_REDIRECT_HEADER);

	request_set_header(request, S3_REDIRECT, location);
	return !location || s3_website_location_good(location) ? S3_OK : S3_InvalidRedirectLocation;
}

enum s3_error s3_take_object(struct request *request, const char **ret_text)
{
	enum s3_error error = s3_class_take(request);

	if (!error)
		error = s3_tags_take(request, ret_text);
	if (!error)
		error = s3_lock_take(request, ret_text);
	if (!error)
		error = take_redirect(request);
	if (!error)
		error = s3_sse_take(request, ret_text);
	if (error)
		return error;
	take_type(request);
	request_set_header(request, S3_OBJECT_ACL, s3_acl_new(request));
	return s3_take_metadata(request);
}

enum step s3_object_pass_put(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_whole *whole = &request->s3->whole;
	enum s3_error error = s3_class_take(request);
	const char *text = NULL;
	enum step step;

	if (error)
		return s3_fail(request, error);
	if (whole->class && (step = s3_segments_make(request, whole->class)) != STEP_NEXT)
		return step;
	if (!s3_condition_met(request, &request->s3->condition, &error))
		return STEP_WAIT;
	if (!error)
		error = s3_take_md5(request);
	if (!error)
		error = s3_take_object(request, &text);
	if (error)
		return s3_fail_text(request, error, text);
	if (!request->http->has_length && !request->http->chunked)
		return s3_fail(request, S3_MissingContentLength);
	request->s3->told_tags = http_get(request->http, S3_OBJECT_TAGS);
	if (!request->s3->sum.on)
		s3_sum_start(&request->s3->sum, SUM_DEFAULT);
	if (whole->class)
		s3_whole_divert(request);
	return s3_pass(request, &object_put);
}

static const struct op_state put_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"pass", s3_object_pass_put, 0, 0},
};
const struct method s3_object_put = {.name = "s3-object-put", .states = put_states};
