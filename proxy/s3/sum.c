#include "proxy/s3/sum.h"

#include "proxy/s3/upload.h"

#include "lib/base/base64.h"
#include "lib/base/kv.h"
#include "proxy/params.h"
#include <string.h>
#include <strings.h>

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

static bool names(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p && *p; p += strcspn(p, ",")) {
		p += strspn(p, ", ");
		if (strncasecmp(p, name, len) == 0 && strchr(", ", p[len]))
			return true;
	}
	return false;
}

/* Its body is no object: what is sent along is of what becomes of it. */
static bool is_of_whole(const struct request *request)
{
	const struct method *method = request->s3->operation->method;

	return method == &s3_upload_complete || method == &s3_upload_create;
}

enum s3_error s3_sum_begin(struct request *request, const char **ret_text)
{
	struct s3_sum *s = &request->s3->sum;
	const struct http_req *http = request->http;
	const char *trailer = http_get(http, "x-amz-trailer"),
	           *said = http_get(http, "x-amz-sdk-checksum-algorithm");
	unsigned count = 0;

	if (is_of_whole(request))
		return S3_OK;
	for (unsigned i = 0; i < CHECKSUM_KINDS; i++) {
		const char *value = http_get(http, kinds[i].header);
		bool trails = !value && names(trailer, kinds[i].header);
		if (!value && !trails)
			continue;
		count++;
		*s = (struct s3_sum){.on = true,
		        .kind = (enum checksum_kind)i,
		        .wanted = value,
		        .trails = trails};
	}
	if (count > 1) {
		s->on = false;
		*ret_text = "Expecting a single x-amz-checksum- header. Multiple checksum Types "
		            "are not allowed.";
		return S3_InvalidRequest;
	}
	if (s->on && said && strcasecmp(said, kinds[s->kind].name) != 0) {
		s->on = false;
		*ret_text = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
		return S3_InvalidRequest;
	}
	if (s->on)
		checksum_begin(&s->sum, s->kind);
	return S3_OK;
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
	if (!s->on) {
		*s = (struct s3_sum){.on = true, .kind = kind};
		checksum_begin(&s->sum, kind);
	}
	return S3_OK;
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
		if (!s->wanted) {
			*ret_text = "The trailer that x-amz-trailer names did not come.";
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
	struct arena *arena = request_arena(request);
	const struct s3_sum *s = &request->s3->sum;

	if (!s->on || !s->ended)
		return;
	const char *name = kinds[s->kind].name;
	request_set_header(
	        request, SUM_HEADER, arena_printf(arena, "%s %s " SUM_WHOLE, name, s->text));
	http_header(request->http, kinds[s->kind].header, s->text);
	if (request->s3->operation->method == &s3_part_put)
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

	if (!base64_decode(text, strlen(text), &digest) || digest.len != checksum_size(kind))
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
