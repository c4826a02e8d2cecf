/* GetObjectAttributes: what is known of an object, and of the parts that it was uploaded in.
 *
 *   prepare -> look (-> parts) -> answer */
#include "proxy/manifest.h"
#include "proxy/s3/access.h"
#include "proxy/s3/upload.h"
#include "proxy/unit/versions.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK = 1, PARTS };
enum { A_ETAG, A_CHECKSUM, A_PARTS, A_CLASS, A_SIZE, ATTRIBUTES };

#define PARTS_MAX 1000

struct attributes {
	unsigned wanted; /* bits */
	uint64_t marker, max;
	struct sub head, manifest;
	struct manifest parts;
};

static void attributes_done(struct request *request)
{
	struct attributes *a = request->own;

	sub_done(&a->head);
	sub_done(&a->manifest);
	manifest_done(&a->parts);
}

/* --- what is asked for --- */

static bool take_names(const char *text, unsigned *ret_wanted)
{
	static const char *const names[ATTRIBUTES] = {
	        "ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"};

	for (const char *p = text; *p;) {
		size_t len;
		unsigned i;
		p += strspn(p, ", ");
		len = strcspn(p, ", ");
		for (i = 0; i < ATTRIBUTES; i++) {
			if (strlen(names[i]) == len && strncmp(names[i], p, len) == 0)
				break;
		}
		if (len && i == ATTRIBUTES)
			return false;
		if (len)
			*ret_wanted |= 1u << i;
		p += len;
	}
	return *ret_wanted;
}

static bool take_number(const struct request *request, const char *name, uint64_t *ret)
{
	const char *text = http_get(request->http, name);
	char *end;

	if (!text)
		return true;
	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *ret <= INT32_MAX;
}

static enum s3_error parse(struct request *request, struct attributes *a, const char **ret_text)
{
	const char *names = http_get(request->http, "x-amz-object-attributes");

	a->max = PARTS_MAX;
	if (!names || !take_names(names, &a->wanted)) {
		*ret_text = "Invalid attribute name specified.";
		return S3_InvalidArgument;
	}
	if (!take_number(request, "x-amz-max-parts", &a->max) ||
	        !take_number(request, "x-amz-part-number-marker", &a->marker)) {
		*ret_text = "x-amz-max-parts and x-amz-part-number-marker must be integers between "
		            "0 and 2147483647";
		return S3_InvalidArgument;
	}
	if (a->max > PARTS_MAX)
		a->max = PARTS_MAX;
	return S3_OK;
}

/* --- the answer --- */

static void add_sum(struct request *request, const struct attributes *a, struct buf *xml)
{
	struct sum_kept sum;

	if (!sum_read(request_arena(request), sub_get(&a->head, SUM_HEADER), &sum))
		return;
	buf_str(xml, "<Checksum>");
	s3_xml_text(xml, sum_element(sum.kind), sum.value);
	s3_xml_text(xml, "ChecksumType", sum.type);
	buf_str(xml, "</Checksum>");
}

static void add_parts(struct request *request, const struct attributes *a, struct buf *xml)
{
	const struct manifest *m = &a->parts;
	uint64_t at = a->marker < m->count ? a->marker : m->count, end = at + a->max;

	if (end > m->count)
		end = m->count;
	buf_str(xml, "<ObjectParts>");
	s3_xml_u64(xml, "PartsCount", m->count);
	s3_xml_u64(xml, "PartNumberMarker", a->marker);
	s3_xml_u64(xml, "NextPartNumberMarker", end);
	s3_xml_u64(xml, "MaxParts", a->max);
	s3_xml_bool(xml, "IsTruncated", end < m->count);
	for (; at < end; at++) {
		const struct manifest_segment *s = &m->segments[at];
		struct sum_kept sum;
		buf_str(xml, "<Part>");
		s3_xml_u64(xml, "PartNumber", at + 1);
		s3_xml_u64(xml, "Size", s->length);
		if (sum_of_part(request_arena(request), s->type, &sum))
			s3_xml_text(xml, sum_element(sum.kind), sum.value);
		buf_str(xml, "</Part>");
	}
	buf_str(xml, "</ObjectParts>");
}

static const char *etag_of(struct request *request, const struct attributes *a)
{
	const char *etag = sub_get(&a->head, S3_ETAG);
	size_t len;

	if (!etag)
		etag = sub_get(&a->head, "Etag");
	len = etag ? strlen(etag) : 0;
	return len > 1 && *etag == '"' ? arena_strndup(request_arena(request), etag + 1, len - 2)
	       : etag                  ? etag
	                               : "";
}

static enum step answer(struct request *request, struct attributes *a)
{
	const char *id = sub_get(&a->head, "X-Object-Version-Id"),
	           *modified = sub_get(&a->head, "Last-Modified");
	AUTO(buf) struct buf xml = BUF_NONE;

	s3_xml_begin(&xml, "GetObjectAttributesResponse");
	if (a->wanted & 1u << A_ETAG)
		s3_xml_text(&xml, "ETag", etag_of(request, a));
	if (a->wanted & 1u << A_CHECKSUM)
		add_sum(request, a, &xml);
	if (a->parts.count)
		add_parts(request, a, &xml);
	if (a->wanted & 1u << A_CLASS)
		s3_xml_text(&xml, "StorageClass", s3_class_told(sub_get(&a->head, S3_CLASS)));
	if (a->wanted & 1u << A_SIZE)
		s3_xml_u64(&xml, "ObjectSize", a->head.length);
	buf_str(&xml, "</GetObjectAttributesResponse>");
	if (modified)
		http_header(request->http, "Last-Modified", modified);
	if (id)
		http_header(request->http, "x-amz-version-id",
		        sub_get(&a->head, VERSIONS_NULL) ? "null" : id);
	return s3_reply_xml(request, &xml);
}

/* --- states --- */

static void start(struct request *request, struct sub *sub, const char *method, bool raw)
{
	const char *id = query_get(&request->query, "version-id");
	struct arena *arena = request_arena(request);

	sub_init(sub, request, NULL, SUB_AS_SYSTEM, method);
	sub_path(sub, request->account, request->s3->bucket, request->s3->key,
	        arena_printf(arena, "%s%s%s", raw ? "multipart-manifest=get&" : "",
	                id ? "version-id=" : "", id ? id : ""));
	sub_start(sub);
}

static enum step attributes_look(struct op *op)
{
	struct request *request = request_of(op);
	struct attributes *a = request->own;
	const char *text = NULL;
	enum s3_error error;

	if (!a) {
		a = request->own = arena_zalloc(request_arena(request), sizeof(*a));
		request->own_done = attributes_done;
		if ((error = parse(request, a, &text)) ||
		        (error = s3_sse_take_read(request, &text)))
			return s3_fail_text(request, error, text);
	}
	if (!a->head.parent) {
		if (!s3_version_take(request, &error, &text))
			return STEP_WAIT;
		if (error)
			return s3_fail_text(request, error, text);
		start(request, &a->head, "HEAD", false);
	}
	if (!sub_headed(&a->head))
		return STEP_WAIT;
	if (!sub_ok(&a->head))
		return s3_fail_sub(request, &a->head);
	if ((error = s3_may_object(request, &a->head.headers)))
		return s3_fail(request, error);
	if ((error = s3_sse_may_read(request, &a->head.headers, &text)))
		return s3_fail_text(request, error, text);
	if (!(a->wanted & 1u << A_PARTS) || !s3_is_of_parts(sub_get(&a->head, S3_ETAG)))
		return answer(request, a);
	start(request, &a->manifest, "GET", true);
	return op_go(op, PARTS);
}

static enum step attributes_parts(struct op *op)
{
	struct request *request = request_of(op);
	struct attributes *a = request->own;

	if (!sub_collect(&a->manifest, MANIFEST_BYTES_MAX))
		return STEP_WAIT;
	if (!sub_ok(&a->manifest) || a->manifest.failed)
		return s3_fail(request, S3_ServiceUnavailable);
	if (manifest_read(&a->parts, buf_text(&a->manifest.text), a->manifest.text.len))
		return s3_fail(request, S3_InternalError);
	return answer(request, a);
}

static const struct op_state states[] = {
        {"prepare", s3_prepare, TO(LOOK), 15000},
        [LOOK] = {"look", attributes_look, TO(PARTS), 0},
        [PARTS] = {"parts", attributes_parts, 0, 0},
};
const struct method s3_object_attributes = {.name = "s3-object-attributes", .states = states};
