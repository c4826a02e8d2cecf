#include "proxy/s3/sum.h"

#include "proxy/s3/upload.h"

#include "lib/base/base64.h"
#include "lib/base/kv.h"
#include "proxy/params.h"
#include <string.h>
#include <strings.h>

#define PREFIX "x-amz-checksum-"

static const struct {
	const char *name, *header, *element;
} kinds[CHECKSUM_KINDS] = {
        [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32"},
        [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C"},
        [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME"},
        [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1"},
        [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256"},
};

const char *sum_name(enum checksum_kind kind)
{
	return kinds[kind].name;
}

const char *sum_header(enum checksum_kind kind)
{
	return kinds[kind].header;
}

const char *sum_element(enum checksum_kind kind)
{
	return kinds[kind].element;
}

bool sum_find(const char *name, enum checksum_kind *ret_kind)
{
	for (unsigned i = 0; name && i < CHECKSUM_KINDS; i++) {
		if (strcasecmp(kinds[i].name, name) == 0) {
			*ret_kind = (enum checksum_kind)i;
			return true;
		}
	}
	return false;
}

/* --- of a body --- */

#define SEVERAL "Expecting a single x-amz-checksum- header"

static const char *sum_of_header(const char *name)
{
	for (unsigned i = 0; i < CHECKSUM_KINDS; i++) {
		if (strcasecmp(kinds[i].header, name) == 0)
			return kinds[i].name;
	}
	return NULL;
}

/* The one that the headers have. */
static enum s3_error take_headers(
        const struct http_req *http, struct s3_sum *s, unsigned *count, const char **ret_text)
{
	for (unsigned i = 0; i < http->header_count; i++) {
		const char *name = http->headers[i].name, *rest = name + strlen(PREFIX);
		if (!has_prefix(name, PREFIX) || strcasecmp(rest, "algorithm") == 0 ||
		        strcasecmp(rest, "type") == 0 || strcasecmp(rest, "mode") == 0)
			continue;
		if (!sum_find(sum_of_header(name), &s->kind)) {
			*ret_text = "The algorithm type you specified in x-amz-checksum- header is "
			            "invalid.";
			return S3_InvalidRequest;
		}
		s->wanted = http->headers[i].value;
		++*count;
	}
	if (*count < 2)
		return S3_OK;
	*ret_text = SEVERAL ". Multiple checksum Types are not allowed.";
	return S3_InvalidRequest;
}

/* The one that is to come behind the body: "x-amz-checksum-crc32", and perhaps commas. */
static enum s3_error take_trailer(const struct http_req *http, struct arena *arena,
        struct s3_sum *s, unsigned *count, const char **ret_text)
{
	const char *sent = http_get(http, "x-amz-trailer");
	unsigned found = 0;

	if (!sent || !*sent)
		return S3_OK;
	size_t len = strlen(sent);
	while (len && strchr(" \t", sent[len - 1]))
		len--;
	while (len && sent[len - 1] == ',')
		len--;
	for (const char *p = arena_strndup(arena, sent, len);; p++) {
		p += strspn(p, " \t");
		size_t n = strcspn(p, ","), name = n;
		while (name && strchr(" \t", p[name - 1]))
			name--;
		if (!sum_find(sum_of_header(arena_strndup(arena, p, name)), &s->kind)) {
			*ret_text = "The value specified in the x-amz-trailer header is not "
			            "supported";
			return S3_InvalidRequest;
		}
		found++;
		p += n;
		if (!*p)
			break;
	}
	*count += found;
	s->trails = true;
	if (*count < 2)
		return S3_OK;
	*ret_text = found > 1 ? SEVERAL ". Multiple checksum Types are not allowed." : SEVERAL;
	return S3_InvalidRequest;
}

/* Its body is no object: what is sent along is of what becomes of it. */
static bool is_of_whole(const struct request *request)
{
	const struct s3_operation *operation = request->s3->operation;
	const struct method *method = operation ? operation->method : NULL;

	return method == &s3_upload_complete || method == &s3_upload_create;
}

static enum s3_error check_sum(
        struct request *request, const struct s3_sum *s, bool streams, const char **ret_text)
{
	const char *said = http_get(request->http, "x-amz-sdk-checksum-algorithm");
	uint8_t digest[CHECKSUM_BYTES_MAX];

	if (s->wanted && !sum_decode(s->kind, s->wanted, digest)) {
		*ret_text = arena_printf(request_arena(request), "Value for %s header is invalid.",
		        kinds[s->kind].header);
		return S3_InvalidRequest;
	}
	if (said && !s->on) {
		*ret_text = "x-amz-sdk-checksum-algorithm specified, but no corresponding "
		            "x-amz-checksum-* or x-amz-trailer headers were found.";
		return S3_InvalidRequest;
	}
	if (said && strcasecmp(said, kinds[s->kind].name) != 0) {
		*ret_text = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
		return S3_InvalidRequest;
	}
	return s->trails && !streams ? S3_MalformedTrailerError : S3_OK;
}

enum s3_error s3_sum_begin(struct request *request, bool streams, const char **ret_text)
{
	const struct http_req *http = request->http;
	bool sends = strcmp(http->method, "PUT") == 0 || strcmp(http->method, "POST") == 0;
	struct s3_sum s = {0};
	unsigned count = 0;

	if (!sends || is_of_whole(request))
		return S3_OK;
	enum s3_error error = take_headers(http, &s, &count, ret_text);
	if (!error)
		error = take_trailer(http, request_arena(request), &s, &count, ret_text);
	s.on = count > 0;
	if (!error)
		error = check_sum(request, &s, streams, ret_text);
	if (error || !s.on)
		return error;
	checksum_begin(&s.sum, s.kind);
	request->s3->sum = s;
	return S3_OK;
}

const char *s3_sum_trailer(const struct s3_sum *s)
{
	return s->on && s->trails ? kinds[s->kind].header : NULL;
}

enum s3_error s3_sum_want(struct request *request, enum checksum_kind kind, const char **ret_text)
{
	struct s3_sum *s = &request->s3->sum;

	if (s->on && s->kind != kind) {
		*ret_text = arena_printf(request_arena(request),
		        "Checksum Type mismatch occurred, expected checksum Type: %s, actual "
		        "checksum Type: %s",
		        kinds[kind].name, kinds[s->kind].name);
		return S3_InvalidRequest;
	}
	if (!s->on)
		s3_sum_start(s, kind);
	return S3_OK;
}

void s3_sum_start(struct s3_sum *s, enum checksum_kind kind)
{
	*s = (struct s3_sum){.on = true, .kind = kind};
	checksum_begin(&s->sum, kind);
}

void s3_sum_add(struct s3_sum *s, const void *data, size_t len)
{
	if (s->on && !s->ended)
		checksum_add(&s->sum, data, len);
}

enum s3_error s3_sum_end(
        struct s3_sum *s, struct arena *arena, const struct buf *trailer, const char **ret_text)
{
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t digest[CHECKSUM_BYTES_MAX];

	if (!s->on || s->ended)
		return S3_OK;
	s->ended = true;
	base64_encode(digest, checksum_end(&s->sum, digest), &text);
	memcpy(s->text, buf_text(&text), text.len + 1);
	if (s->trails) {
		s->wanted = kv_get(trailer->data, trailer->len, kinds[s->kind].header);
		if (!s->wanted || !sum_decode(s->kind, s->wanted, digest)) {
			*ret_text = arena_printf(arena, "Value for %s trailing header is invalid.",
			        kinds[s->kind].header);
			return S3_InvalidRequest;
		}
	}
	if (!s->wanted || strcmp(s->wanted, s->text) == 0)
		return S3_OK;
	*ret_text = arena_printf(arena,
	        "The %s you specified did not match the calculated checksum.", kinds[s->kind].name);
	return S3_BadDigest;
}

void s3_sum_done(struct s3_sum *s)
{
	if (s->on)
		checksum_done(&s->sum);
}

/* --- kept --- */

void s3_sum_keep(struct request *request)
{
	const struct s3_operation *operation = request->s3->operation;

	sum_keep(request, &request->s3->sum, operation && operation->method == &s3_part_put);
}

void sum_keep(struct request *request, const struct s3_sum *s, bool of_part)
{
	struct arena *arena = request_arena(request);

	if (!s->on || !s->ended)
		return;
	const char *name = kinds[s->kind].name;
	request_set_header(
	        request, SUM_HEADER, arena_printf(arena, "%s %s " SUM_WHOLE, name, s->text));
	http_header(request->http, kinds[s->kind].header, s->text);
	if (of_part)
		request_set_header(request, UPLOAD_ROW_TYPE,
		        arena_printf(arena, UPLOAD_PART_TYPE ";" SUM_PART_PARAM "=%s/%s", name,
		                s->text));
	else
		http_header(request->http, "x-amz-checksum-type", SUM_WHOLE);
}

bool sum_read(struct arena *arena, const char *header, struct sum_kept *ret)
{
	size_t name = header ? strcspn(header, " ") : 0;

	if (!name || !header[name])
		return false;
	const char *value = header + name + 1;
	size_t len = strcspn(value, " ");
	if (!value[len] || !sum_find(arena_strndup(arena, header, name), &ret->kind))
		return false;
	ret->value = arena_strndup(arena, value, len);
	ret->type = arena_strdup(arena, value + len + 1);
	return true;
}

const char *sum_text(struct arena *arena, const struct sum_kept *k)
{
	return arena_printf(arena, "%s %s %s", kinds[k->kind].name, k->value, k->type);
}

bool sum_of_part(struct arena *arena, const char *type, struct sum_kept *ret)
{
	size_t len, name;
	const char *value =
	        type && strchr(type, ';') ? params_get(type, SUM_PART_PARAM, &len) : NULL;

	if (!value)
		return false;
	value = arena_strndup(arena, value, len);
	name = strcspn(value, "/");
	if (!value[name] || !sum_find(arena_strndup(arena, value, name), &ret->kind))
		return false;
	ret->value = value + name + 1;
	ret->type = SUM_WHOLE;
	return true;
}

bool sum_decode(enum checksum_kind kind, const char *text, uint8_t ret_digest[CHECKSUM_BYTES_MAX])
{
	AUTO(buf) struct buf digest = BUF_NONE;
	AUTO(buf) struct buf again = BUF_NONE;

	if (!base64_decode(text, strlen(text), &digest) || digest.len != checksum_size(kind))
		return false;
	/* Nothing in bits that say nothing. */
	base64_encode(digest.data, digest.len, &again);
	if (strcmp(buf_text(&again), text) != 0)
		return false;
	memcpy(ret_digest, digest.data, digest.len);
	return true;
}

void sum_tell(struct buf *headers, const struct sum_kept *kept)
{
	kv_add(headers, kinds[kept->kind].header, kept->value);
	kv_add(headers, "x-amz-checksum-type", kept->type);
}

void s3_sum_tell_part(struct request *request, const struct buf *headers, const char *type)
{
	struct arena *arena = request_arena(request);
	struct sum_kept whole, part;

	if (!sum_of_part(arena, type, &part))
		return;
	http_header(request->http, kinds[part.kind].header, part.value);
	if (sum_read(arena, kv_get(headers->data, headers->len, SUM_HEADER), &whole))
		http_header(request->http, "x-amz-checksum-type", whole.type);
}
