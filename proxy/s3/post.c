#include "proxy/s3/post.h"

#include "proxy/s3/s3.h"
#include "proxy/s3/tags.h"

#include "lib/base/base64.h"
#include "lib/base/kv.h"
#include "lib/xml/xml.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PIECE (64u << 10)

/* --- the file, once it has begun --- */

static void take_event(struct s3_post *post, const uint8_t *in, size_t *left)
{
	switch (multipart_next(&post->parts, &post->rest, &post->rest_len)) {
	case MULTIPART_DATA:
		break;
	case MULTIPART_MORE:
		post->rest_len = 0;
		post->dry = !*left;
		if (*left)
			multipart_feed(&post->parts, in, *left);
		*left = 0;
		break;
	case MULTIPART_PART_END:
		post->over = true;
		break;
	default:
		post->error = S3_MalformedPOSTRequest;
	}
}

size_t s3_post_feed(struct s3_post *post, const uint8_t *in, size_t len, uint8_t *out, size_t room,
        size_t *ret_given)
{
	size_t left = len, given = 0;

	while (!post->over && !post->error && !post->dry && given < room) {
		if (!post->rest_len) {
			take_event(post, in, &left);
			continue;
		}
		size_t n = post->rest_len < room - given ? post->rest_len : room - given;
		memcpy(out + given, post->rest, n);
		post->rest += n;
		post->rest_len -= n;
		given += n;
	}
	if (post->parts.in.err)
		post->error = S3_ServiceUnavailable;
	*ret_given = given;
	return post->over ? len : len - left;
}

enum s3_error s3_post_end(const struct s3_post *post, uint64_t given)
{
	if (post->error)
		return post->error;
	if (!post->over)
		return S3_MalformedPOSTRequest;
	return given < post->range.min ? S3_EntityTooSmall : S3_OK;
}

void s3_post_done(struct s3_post *post)
{
	multipart_done(&post->parts);
	buf_done(&post->value);
}

/* --- what the fields say, in the terms of PutObject --- */

static enum s3_error missing(struct request *request, const char *name, const char **ret_text)
{
	*ret_text = arena_printf(request_arena(request),
	        "Bucket POST must contain a field named '%s'.  If it is specified, please check "
	        "the order of the fields.",
	        name);
	return S3_InvalidArgument;
}

static const char *expanded(struct arena *arena, const char *value, const char *filename)
{
	static const char variable[] = "${filename}";
	AUTO(buf) struct buf out = BUF_NONE;

	if (!strstr(value, variable))
		return value;
	for (const char *at; (at = strstr(value, variable)); value = at + strlen(variable)) {
		buf_add(&out, value, (size_t)(at - value));
		buf_str(&out, filename);
	}
	buf_str(&out, value);
	return arena_strdup(arena, buf_text(&out));
}

/* Who signs, and how. */
static enum s3_error take_signature(struct request *request, const char **ret_text)
{
	static const char *const four[] = {
	        "policy", "x-amz-signature", "x-amz-credential", "x-amz-date", "x-amz-algorithm"};
	static const char *const two[] = {"policy", "AWSAccessKeyId", "signature"};
	const struct post_field *fields = request->s3->post->fields;
	struct s3_sign *s = &request->s3->sign;
	bool is_four = false, is_two = false;

	for (unsigned i = 1; i < COUNT_OF(four); i++)
		is_four |= post_field_get(fields, four[i]) != NULL;
	for (unsigned i = 0; i < COUNT_OF(two) && !is_four; i++)
		is_two |= post_field_get(fields, two[i]) != NULL;
	*s = (struct s3_sign){.until = INT64_MAX, .in_query = true};
	if (!is_four && !is_two)
		return S3_OK;
	s->kind = is_four ? S3_SIGNED_4 : S3_SIGNED_2;
	for (unsigned i = 0; i < (is_four ? COUNT_OF(four) : COUNT_OF(two)); i++) {
		const char *name = is_four ? four[i] : two[i];
		if (!post_field_get(fields, name))
			return missing(request, name, ret_text);
	}
	s->policy = post_field_get(fields, "policy");
	s->session = post_field_get(fields, "x-amz-security-token");
	s->access = post_field_get(fields, "AWSAccessKeyId");
	s->signature = post_field_get(fields, is_four ? "x-amz-signature" : "signature");
	if (!is_four)
		return S3_OK;
	if (strcmp(post_field_get(fields, "x-amz-algorithm"), S3_ALGORITHM) != 0) {
		*ret_text = "X-Amz-Algorithm only supports \"" S3_ALGORITHM "\"";
		return S3_InvalidArgument;
	}
	s->time = post_field_get(fields, "x-amz-date");
	if (!s3_sign_credential(
	            request_arena(request), post_field_get(fields, "x-amz-credential"), s) ||
	        strncmp(s->time, s->date, 8) != 0) {
		*ret_text = "The form's x-amz-credential is mal-formed; expecting "
		            "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\" of the day "
		            "that x-amz-date says.";
		return S3_InvalidArgument;
	}
	return S3_OK;
}

/* The header that a field stands for; NULL: none. */
static const char *header_of(const char *name)
{
	static const char *const plain[] = {"cache-control", "content-type", "content-disposition",
	        "content-encoding", "content-language", "content-md5", "expires"};
	static const char *const others[] = {"x-amz-signature", "x-amz-credential",
	        "x-amz-algorithm", "x-amz-date", "x-amz-content-sha256", "x-amz-trailer",
	        "x-amz-decoded-content-length"};

	if (strcmp(name, "acl") == 0)
		return "x-amz-acl";
	for (unsigned i = 0; i < COUNT_OF(plain); i++) {
		if (strcmp(name, plain[i]) == 0)
			return name;
	}
	for (unsigned i = 0; i < COUNT_OF(others); i++) {
		if (strcmp(name, others[i]) == 0)
			return NULL;
	}
	return has_prefix(name, "x-amz-") && !has_prefix(name, "x-amz-copy-source") ? name : NULL;
}

static bool is_header(const char *name, const char *value)
{
	for (const char *p = name; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
			return false;
	}
	for (const char *p = value; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return true;
}

/* Of the form's request only what says who asks, and from where. */
static void drop_headers(struct http_req *http)
{
	static const char *const kept[] = {
	        "Host", "Origin", "Referer", "User-Agent", "X-Forwarded-For"};
	unsigned count = 0;

	for (unsigned i = 0; i < http->header_count; i++) {
		for (unsigned k = 0; k < COUNT_OF(kept); k++) {
			if (strcasecmp(http->headers[i].name, kept[k]) == 0) {
				http->headers[count++] = http->headers[i];
				break;
			}
		}
	}
	http->header_count = count;
}

static enum s3_error take_tags(struct request *request, const char **ret_text)
{
	const char *sent = post_field_get(request->s3->post->fields, "tagging");
	AUTO(buf) struct buf text = BUF_NONE;
	const struct xml *root;
	enum s3_error error;

	if (!sent)
		return S3_OK;
	if (xml_parse(sent, strlen(sent), request_arena(request), &root))
		return S3_MalformedXML;
	error = s3_tags_of_xml(root, S3_OBJECT_TAGS_MAX, &text, ret_text);
	if (!error)
		request_set_header(request, "x-amz-tagging", buf_text(&text));
	return error;
}

static enum s3_error take_headers(struct request *request, const char **ret_text)
{
	const struct post_field *fields = request->s3->post->fields;

	drop_headers(request->http);
	for (const struct post_field *f = fields; f; f = f->next) {
		const char *header = header_of(f->name);
		if (header && !is_header(header, f->value)) {
			*ret_text = arena_printf(
			        request_arena(request), "The field '%s' is no header.", f->name);
			return S3_InvalidArgument;
		}
		if (header)
			request_set_header(request, header, f->value);
	}
	return take_tags(request, ret_text);
}

/* The bucket is a field, too: of what the policy may speak. */
static enum s3_error take_names(struct request *request, const char **ret_text)
{
	struct s3 *s3 = request->s3;
	const char *key = post_field_get(s3->post->fields, "key"),
	           *bucket = post_field_get(s3->post->fields, "bucket");

	if (!key)
		return missing(request, "key", ret_text);
	if (!*key) {
		*ret_text = "User key must have a length greater than 0.";
		return S3_InvalidArgument;
	}
	if (strlen(key) > request_cluster(request)->limits.max_object_name)
		return S3_KeyTooLongError;
	if (bucket && strcmp(bucket, s3->bucket) != 0) {
		*ret_text = "Invalid according to Policy: the form's bucket is another one.";
		return S3_AccessDenied;
	}
	if (!bucket) {
		struct post_field *f = arena_zalloc(request_arena(request), sizeof(*f));
		*f = (struct post_field){s3->post->fields, "bucket", s3->bucket, false};
		s3->post->fields = f;
	}
	s3->key = request->object = key;
	request->path = arena_printf(request_arena(request), "/%s",
	        request_quoted(
	                request, s3->host_bucket ? key : s3->bucket, s3->host_bucket ? NULL : key));
	return S3_OK;
}

static const struct method put_file;

static enum step begin_file(struct request *request)
{
	struct s3_post *post = request->s3->post;
	const char *text = NULL;
	enum s3_error error;

	for (struct post_field *f = post->fields; f; f = f->next)
		f->value = expanded(request_arena(request), f->value, post->filename);
	error = take_names(request, &text);
	if (!error)
		error = take_signature(request, &text);
	if (!error)
		error = take_headers(request, &text);
	if (error)
		return s3_fail_text(request, error, text);
	post->in_file = true;
	request->http->method = "PUT";
	request->http->has_length = false;
	request->http->chunked = true;
	request->http->content_length = 0;
	s3_payload_of_post(request, post->received);
	return request_become(request, &put_file);
}

/* --- the fields --- */

static enum step begin_part(struct request *request, struct s3_post *post)
{
	struct arena *arena = request_arena(request);
	const char *disposition = multipart_header(&post->parts, "Content-Disposition"),
	           *name = attribute_get(arena, disposition, "name"),
	           *filename = attribute_get(arena, disposition, "filename");

	if (!name || !*name || !attribute_value_is(disposition, "form-data"))
		return s3_fail(request, S3_MalformedPOSTRequest);
	if (strcasecmp(name, "file") == 0) {
		for (const char *p = filename ? filename : ""; *p; p++) {
			if (*p == '/' || *p == '\\')
				filename = p + 1;
		}
		post->filename = filename ? filename : "";
		if (!utf8_valid(post->filename, strlen(post->filename)))
			return s3_fail(request, S3_MalformedPOSTRequest);
		return begin_file(request);
	}
	char *lower = arena_strdup(arena, name);
	for (char *p = lower; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	post->value_name = lower;
	post->field_bytes += strlen(name);
	buf_reset(&post->value);
	return STEP_NEXT;
}

static enum step take_data(
        struct request *request, struct s3_post *post, const char *data, size_t len)
{
	post->field_bytes += len;
	if (post->field_bytes > POST_FIELDS_MAX)
		return s3_fail(request, S3_MaxPostPreDataLengthExceededError);
	buf_add(&post->value, data, len);
	return STEP_NEXT;
}

static enum step end_field(struct request *request, struct s3_post *post)
{
	struct arena *arena = request_arena(request);
	const char *value = arena_strndup(arena, buf_text(&post->value), post->value.len);

	if (strlen(value) != post->value.len || !utf8_valid(value, post->value.len))
		return s3_fail(request, S3_MalformedPOSTRequest);
	if (post_field_get(post->fields, post->value_name))
		return s3_fail_text(request, S3_InvalidArgument,
		        arena_printf(arena, "The form has the field '%s' more than once.",
		                post->value_name));
	struct post_field *f = arena_zalloc(arena, sizeof(*f));
	*f = (struct post_field){post->fields, post->value_name, value, false};
	post->fields = f;
	return STEP_NEXT;
}

static enum step want(struct request *request, struct s3_post *post)
{
	if (post->receiving)
		return STEP_WAIT;
	if (post->parts.in.err)
		return s3_fail(request, S3_ServiceUnavailable);
	if (post->received)
		return s3_fail(request, S3_MalformedPOSTRequest);
	struct bytes *into = bytes_new(PIECE);
	if (!into)
		return s3_fail(request, S3_ServiceUnavailable);
	post->receiving = true;
	http_body_want(request->http, into);
	return STEP_WAIT;
}

void s3_post_take(struct request *request, struct bytes *piece, bool last)
{
	struct s3_post *post = request->s3->post;

	post->receiving = false;
	post->received = last;
	if (piece)
		multipart_feed(&post->parts, piece->data, piece->len);
	bytes_unref(piece);
	op_wake(&request->op);
}

static enum step one_event(struct request *request, struct s3_post *post)
{
	const char *data;
	size_t len;

	switch (multipart_next(&post->parts, &data, &len)) {
	case MULTIPART_MORE:
		return want(request, post);
	case MULTIPART_PART:
		return begin_part(request, post);
	case MULTIPART_DATA:
		return take_data(request, post, data, len);
	case MULTIPART_PART_END:
		return end_field(request, post);
	case MULTIPART_END:
		return s3_fail_text(request, S3_InvalidArgument,
		        "POST requires exactly one file upload per request.");
	default:
		return s3_fail(request, S3_MalformedPOSTRequest);
	}
}

static enum step begin(struct request *request)
{
	const char *type = http_get(request->http, "Content-Type"),
	           *boundary = attribute_get(request_arena(request), type, "boundary");

	if (!attribute_value_is(type, "multipart/form-data") || !boundary || !*boundary) {
		s3_error_add(request, "Condition",
		        "Bucket POST must be of the enclosure-type multipart/form-data");
		return s3_fail(request, S3_PreconditionFailed);
	}
	struct s3_post *post = arena_zalloc(request_arena(request), sizeof(*post));
	multipart_init(&post->parts, boundary);
	post->range.max = UINT64_MAX;
	request->s3->post = post;
	return STEP_NEXT;
}

static enum step form(struct op *op)
{
	struct request *request = request_of(op);
	enum step step = STEP_NEXT;

	if (request->http->gone)
		return STEP_DONE;
	if (!request->s3->post)
		step = begin(request);
	while (step == STEP_NEXT && !request->s3->post->in_file)
		step = one_event(request, request->s3->post);
	return step;
}

static const struct op_state form_states[] = {{"form", form, 0, 60000}};
const struct method s3_object_post = {.name = "s3-object-post", .states = form_states};

/* --- the upload --- */

static enum step policy(struct op *op)
{
	struct request *request = request_of(op);
	const struct env *env = request_cluster(request)->env;
	const char *sent = request->s3->sign.policy, *text = NULL;
	struct s3_post *post = request->s3->post;
	AUTO(buf) struct buf json = BUF_NONE;
	enum s3_error error;

	if (!sent)
		return op_go(op, 2);
	if (!base64_decode(sent, strlen(sent), &json))
		return s3_fail_text(
		        request, S3_InvalidPolicyDocument, "Invalid Policy: Invalid Base64.");
	error = post_policy_check(buf_text(&json), (int64_t)(env->wall_us(env) / 1000000),
	        post->fields, request_arena(request), &post->range, &text);
	return error ? s3_fail_text(request, error, text) : op_go(op, 2);
}

static const struct op_state put_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"policy", policy, TO(2), 0},
        {"pass", s3_object_pass_put, 0, 0},
};
static const struct method put_file = {.name = "s3-object-post", .states = put_states};

/* --- the answer --- */

static const char *url_of(struct request *request)
{
	const char *host = http_get(request->http, "Host");

	return arena_printf(request_arena(request), "http%s://%s%s",
	        request_cluster(request)->tls ? "s" : "", host ? host : "", request->path);
}

/* Where the browser is sent to; NULL: nowhere. */
static const char *redirect_of(struct request *request, const char *etag)
{
	const struct post_field *fields = request->s3->post->fields;
	const char *where = post_field_get(fields, "success_action_redirect");
	AUTO(buf) struct buf url = BUF_NONE;

	if (!where)
		where = post_field_get(fields, "redirect");
	if (!where || (!has_prefix(where, "http://") && !has_prefix(where, "https://")) ||
	        !is_header("", where))
		return NULL;
	buf_printf(&url, "%s%cbucket=", where, strchr(where, '?') ? '&' : '?');
	url_quote(&url, request->s3->bucket, "");
	buf_str(&url, "&key=");
	url_quote(&url, request->s3->key, "");
	buf_printf(&url, "&etag=%%22%s%%22", etag);
	return arena_strdup(request_arena(request), buf_text(&url));
}

static enum step answer_xml(struct request *request, const char *etag)
{
	AUTO(buf) struct buf xml = BUF_NONE;

	buf_str(&xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse>");
	s3_xml_text(&xml, "Location", url_of(request));
	s3_xml_text(&xml, "Bucket", request->s3->bucket);
	s3_xml_text(&xml, "Key", request->s3->key);
	s3_xml_text(&xml, "ETag", arena_printf(request_arena(request), "\"%s\"", etag));
	buf_str(&xml, "</PostResponse>");
	http_header(request->http, "Content-Type", "application/xml");
	request_headers(request, 201);
	http_reply_text(request->http, 201, buf_text(&xml));
	return STEP_DONE;
}

enum step s3_post_answer(struct request *request)
{
	struct http_req *http = request->http;
	const char *kept = kv_get(http->out.data, http->out.len, "Etag"),
	           *etag = arena_strdup(request_arena(request), kept ? kept : ""),
	           *wanted = post_field_get(request->s3->post->fields, "success_action_status"),
	           *where = redirect_of(request, etag);
	int status = where                                  ? 303
	             : wanted && strcmp(wanted, "200") == 0 ? 200
	             : wanted && strcmp(wanted, "201") == 0 ? 201
	                                                    : 204;

	http_header(http, "Location", where ? where : url_of(request));
	if (status == 201)
		return answer_xml(request, etag);
	request_headers(request, status);
	http_reply(http, status, NULL, 0, 0);
	return STEP_DONE;
}
