#include "proxy/s3/payload.h"

#include "proxy/s3/s3.h"

#include "lib/base/hex.h"
#include "lib/crypto/sha256.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_hash(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

/* --- pieces on their way to the method --- */

static enum s3_error mismatch(struct request *request, const char *said, const char *is)
{
	s3_error_add(request, "ClientComputedContentSHA256", said);
	s3_error_add(request, "S3ComputedContentSHA256", is);
	return S3_XAmzContentSHA256Mismatch;
}

static void see(struct request *request, const struct bytes *piece, bool last)
{
	struct s3_payload *p = &request->s3->payload;
	uint8_t digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	if (!p->sha256)
		return;
	if (piece)
		sha256_add(p->sha256, piece->data, piece->len);
	if (!last)
		return;
	sha256_end(p->sha256, digest);
	p->sha256 = NULL;
	hex_encode(digest, sizeof(digest), hex);
	if (strcasecmp(hex, p->wanted) != 0)
		p->error = mismatch(request, p->wanted, hex);
}

static void end_sum(struct request *request)
{
	struct s3_payload *p = &request->s3->payload;
	const char *text = NULL;
	enum s3_error error =
	        s3_sum_end(&request->s3->sum, request_arena(request), &p->chunked.trailer, &text);

	if (error && !p->error) {
		p->error = error;
		p->error_text = text;
	}
}

static void give(struct request *request, struct bytes *piece, bool last)
{
	see(request, piece, last);
	if (piece)
		s3_sum_add(&request->s3->sum, piece->data, piece->len);
	if (last)
		end_sum(request);
	if (request->method->body && !request->op.finished)
		request->method->body(request, piece, last);
	else
		bytes_unref(piece);
}

/* --- out of chunks --- */

#define RAW_BYTES (128u << 10)

static void check_end(struct request *request, struct s3_payload *p)
{
	struct chunked *c = &p->chunked;

	if (p->post) {
		p->error = s3_post_end(p->post, p->given);
		return;
	}
	chunked_end(c);
	p->error = c->error;
	switch (c->error) {
	case S3_IncompleteBody:
		if (c->cut_off) {
			p->error_text = "The request body terminated unexpectedly";
			return;
		}
		s3_error_add_u64(request, "NumberBytesExpected", c->wanted);
		s3_error_add_u64(request, "NumberBytesProvided", c->provided);
		return;
	case S3_InvalidChunkSizeError:
		s3_error_add_u64(request, "Chunk", c->wanted);
		s3_error_add_u64(request, "BadChunkSize", c->provided);
		return;
	case S3_SignatureDoesNotMatch:
		s3_login_tell(request, &c->text);
		return;
	default:
		return;
	}
}

static size_t feed(struct s3_payload *p, const uint8_t *in, size_t len, size_t *ret_given)
{
	uint8_t *out = p->into->data + p->into->len;
	size_t room = p->into->cap - p->into->len;

	return p->post ? s3_post_feed(p->post, in, len, out, room, ret_given)
	               : chunked_feed(&p->chunked, in, len, out, room, ret_given);
}

/* Nothing more can come of it. */
static bool is_over(const struct s3_payload *p)
{
	if (p->post ? p->post->error : p->chunked.error)
		return true;
	return !p->raw && p->raw_last && !(p->post && s3_post_keeps(p->post));
}

/* Fills the piece that is wanted, with what has come. True: it is to be handed over. */
static bool fill(struct s3_payload *p)
{
	struct bytes *into = p->into;
	size_t given = 0;

	if (p->raw)
		p->raw_at += feed(p, p->raw->data + p->raw_at, p->raw->len - p->raw_at, &given);
	else if (p->post && s3_post_keeps(p->post))
		feed(p, NULL, 0, &given);
	into->len += given;
	p->given += given;
	if (p->post && p->given > p->post->range.max)
		p->post->error = S3_EntityTooLarge;
	if (p->raw && p->raw_at == p->raw->len)
		bytes_unref(TAKE(p->raw));
	return into->len == into->cap || is_over(p);
}

static void pump(struct request *request)
{
	struct s3_payload *p = &request->s3->payload;

	if (p->pumping)
		return;
	p->pumping = true;
	while (p->into && fill(p)) {
		bool last = is_over(p);
		if (last)
			check_end(request, p);
		give(request, TAKE(p->into), last);
	}
	p->pumping = false;
	if (!p->into || p->raw || p->raw_last)
		return;
	struct bytes *raw = bytes_new(RAW_BYTES);
	if (raw) {
		p->below->body_want(request->http, raw);
	} else {
		p->error = S3_ServiceUnavailable;
		give(request, TAKE(p->into), true);
	}
}

static void want(struct http_req *http, struct bytes *into)
{
	struct request *request = http->op;

	request->s3->payload.into = into;
	pump(request);
}

void s3_payload_take(struct request *request, struct bytes *piece, bool last)
{
	struct s3_payload *p = &request->s3->payload;

	if (request->s3->post && !p->post) {
		s3_post_take(request, piece, last);
		return;
	}
	if (!p->streams) {
		give(request, piece, last);
		return;
	}
	if (p->post)
		p->post->dry = false;
	p->raw = piece;
	p->raw_at = 0;
	p->raw_last = last;
	pump(request);
}

/* --- what will come --- */

/* Of the codings only those are the object's that are not for the way. */
static void take_coding(struct request *request)
{
	const char *coding = http_get(request->http, "Content-Encoding");
	AUTO(buf) struct buf rest = BUF_NONE;

	if (!coding || !strcasestr(coding, "aws-chunked"))
		return;
	for (const char *p = coding; *p;) {
		p += strspn(p, ", ");
		size_t len = strcspn(p, ", ");
		if (len && (len != 11 || strncasecmp(p, "aws-chunked", 11) != 0))
			buf_printf(&rest, "%s%.*s", rest.len ? ", " : "", (int)len, p);
		p += len;
	}
	request_set_header(request, "Content-Encoding", rest.len ? buf_text(&rest) : NULL);
}

/* The carrier's pieces come to us from now on. */
static void stand_between(struct request *request)
{
	struct s3_payload *p = &request->s3->payload;

	p->streams = true;
	p->below = request->http->carrier;
	p->carrier = *request->http->carrier;
	p->carrier.body_want = want;
	request->http->carrier = &p->carrier;
}

void s3_payload_of_post(struct request *request, bool last)
{
	struct s3_payload *p = &request->s3->payload;

	p->post = request->s3->post;
	p->raw_last = last;
	stand_between(request);
}

static enum s3_error begin_chunks(struct request *request, const char *how, const char **ret_text)
{
	struct s3 *s3 = request->s3;
	struct s3_payload *p = &s3->payload;
	struct http_req *http = request->http;
	const char *length = http_get(http, "X-Amz-Decoded-Content-Length");
	char *end = NULL;
	uint64_t size = length ? strtoull(length, &end, 10) : 0;

	if (!length || *length < '0' || *length > '9' || *end)
		return S3_MissingContentLength;
	if (!chunked_begin(&p->chunked, how, size, s3_sum_trailer(&s3->sum)) ||
	        (p->chunked.is_signed && !s3->caller.has_key)) {
		*ret_text =
		        "x-amz-content-sha256 names a way to send a body that is not known here.";
		return S3_NotImplemented;
	}
	p->chunked.key = s3->caller.key;
	p->chunked.sign = &s3->sign;
	stand_between(request);
	http->content_length = size;
	http->has_length = true;
	http->chunked = false;
	return S3_OK;
}

/* Only who signs in the header, and with version 4, says what the body is. Others are taken at
 * their word, which fits no body that is sent in chunks. */
static enum s3_error check_other(struct request *request, const char *hash)
{
	const char *length = http_get(request->http, "X-Amz-Decoded-Content-Length");
	uint64_t size = length ? strtoull(length, NULL, 10) : 0;

	if (!has_prefix(hash, S3_PAYLOAD_STREAM))
		return S3_OK;
	if (!length || *length < '0' || *length > '9')
		return S3_MissingContentLength;
	if (size >= request->http->content_length)
		return S3_OK;
	s3_error_add_u64(request, "NumberBytesExpected", size);
	s3_error_add_u64(request, "NumberBytesProvided", request->http->content_length);
	return S3_IncompleteBody;
}

static enum s3_error begin_hash(struct request *request, const char *hash)
{
	static const char none[] =
	        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	const struct http_req *http = request->http;

	if (strcmp(http->method, "PUT") != 0 && strcmp(http->method, "POST") != 0)
		return S3_OK;
	if (!http->content_length && !http->chunked)
		return http->has_length && strcasecmp(hash, none) != 0
		               ? mismatch(request, hash, none)
		               : S3_OK;
	request->s3->payload.wanted = hash;
	request->s3->payload.sha256 = sha256_new();
	return S3_OK;
}

enum s3_error s3_payload_begin(struct request *request, const char **ret_text)
{
	struct s3 *s3 = request->s3;
	bool says = s3->sign.kind == S3_SIGNED_4 && !s3->sign.in_query;
	const char *hash = http_get(request->http, "X-Amz-Content-Sha256");
	bool streams = (says || s3->sign.kind == S3_UNSIGNED) && hash &&
	               has_prefix(hash, S3_PAYLOAD_STREAM);

	if (says && hash && !streams && strcmp(hash, S3_PAYLOAD_NONE) != 0 && !is_hash(hash)) {
		*ret_text = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
		            "STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
		            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
		            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.";
		return s3_invalid_argument(request, "x-amz-content-sha256", hash);
	}
	if (streams)
		take_coding(request);
	enum s3_error error = s3_sum_begin(request, streams, ret_text);
	if (!error && hash && !says && !streams)
		error = check_other(request, hash);
	if (error || !hash || strcmp(hash, S3_PAYLOAD_NONE) == 0)
		return error;
	return streams ? begin_chunks(request, hash, ret_text) : begin_hash(request, hash);
}

enum s3_error s3_payload_end(struct request *request, const char **ret_text)
{
	end_sum(request); /* of no body, too */
	*ret_text = request->s3->payload.error_text;
	return request->s3->payload.error;
}

void s3_payload_done(struct s3_payload *p)
{
	sha256_free(p->sha256);
	p->sha256 = NULL;
	chunked_done(&p->chunked);
	bytes_unref(TAKE(p->raw));
	bytes_unref(TAKE(p->into));
}
