/* Parts of multipart uploads.
 *
 *   UploadPart  prepare -> look -> Swift's PUT of an object
 *   ListParts   prepare -> look -> read */
#include "proxy/put.h"
#include "proxy/s3/upload.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK = 1, READ };

/* --- UploadPart --- */

struct part {
	struct upload upload;
	struct upload_parts before;
	unsigned number;
};

static void part_done(struct request *request)
{
	struct part *p = request->own;

	upload_done(&p->upload);
	upload_parts_done(&p->before);
}

/* From here on it is a PUT of the part's own object. */
static enum step pass(struct request *request, struct part *p)
{
	const struct upload_part *part = upload_part_begin(request, &p->upload, p->number);

	request->container = part->container;
	request->object = part->object;
	part_done(request);
	request->own = NULL;
	request->own_done = NULL;
	info_fetch_done(&request->container_info);
	request->container_info = (struct info_fetch){0};
	request_set_header(request, "Content-Type", UPLOAD_PART_TYPE);
	request_set_header(request, PUT_LISTED, "true");
	return s3_pass(request, &object_put);
}

enum step s3_part_stored(struct request *request)
{
	bool over;

	if (!request->s3->part)
		return STEP_NEXT;
	if (!upload_part_late(request, request->s3->part, &over))
		return STEP_WAIT;
	return over ? s3_fail(request, S3_NoSuchUpload) : STEP_NEXT;
}

void s3_part_done(struct s3 *s3)
{
	if (s3->part)
		sub_done(&s3->part->sub);
}

/* An upload that was begun with checksums wants them of all parts, and no others. */
static enum s3_error want_sum(struct request *request, struct part *p, const char **ret_text)
{
	enum checksum_kind kind;

	if (!upload_sum_kind(&p->upload, &kind) && request->s3->sum.on)
		return S3_OK;
	return s3_sum_want(request, kind, ret_text);
}

static enum step part_look(struct op *op)
{
	struct request *request = request_of(op);
	struct part *p = request->own;
	enum s3_error error;

	if (!p) {
		p = request->own = arena_zalloc(request_arena(request), sizeof(*p));
		request->own_done = part_done;
		p->number = upload_number(s3_param(request, "partNumber"));
		if (!p->number)
			return s3_fail_text(request, S3_InvalidArgument, UPLOAD_NUMBER_TEXT);
		if ((error = s3_take_md5(request)))
			return s3_fail(request, error);
		if (!request->http->has_length && !request->http->chunked)
			return s3_fail(request, S3_MissingContentLength);
	}
	if (!upload_find(request, &p->upload, &error))
		return STEP_WAIT;
	enum err err;
	if (!error && !upload_part_follows(request, &p->upload, &p->before, p->number, &err))
		return STEP_WAIT;
	if (!error && err)
		error = S3_ServiceUnavailable;
	const char *text = NULL;
	if (!error)
		error = want_sum(request, p, &text);
	if (!error)
		error = s3_sse_take_part(request, &p->upload.marker.headers, &text);
	return error ? s3_fail_text(request, error, text) : pass(request, p);
}

static const struct op_state put_states[] = {
        {"prepare", s3_prepare, TO(LOOK), 15000},
        [LOOK] = {"look", part_look, 0, 0},
};
const struct method s3_part_put = {.name = "s3-part-put", .states = put_states};

/* --- ListParts --- */

#define PARTS_MAX 1000

struct part_list {
	struct upload upload;
	struct upload_parts parts;
	uint64_t marker, max;
};

static void list_done(struct request *request)
{
	struct part_list *l = request->own;

	upload_done(&l->upload);
	upload_parts_done(&l->parts);
}

static bool take_number(struct request *request, const char *name, uint64_t *ret)
{
	const char *text = s3_param(request, name);
	char *end;

	if (!text || !*text)
		return true;
	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *ret <= INT32_MAX;
}

static enum step list_look(struct op *op)
{
	struct request *request = request_of(op);
	struct part_list *l = request->own;
	enum s3_error error;

	if (!l) {
		l = request->own = arena_zalloc(request_arena(request), sizeof(*l));
		request->own_done = list_done;
		l->max = PARTS_MAX;
		if (!take_number(request, "max-parts", &l->max))
			return s3_fail_text(request, S3_InvalidArgument,
			        "Argument maxParts must be an integer between 0 and 2147483647");
		if (!take_number(request, "part-number-marker", &l->marker))
			return s3_fail_text(request, S3_InvalidArgument,
			        "Argument partNumberMarker must be an integer between 0 and "
			        "2147483647");
		if (l->max > PARTS_MAX)
			l->max = PARTS_MAX;
		l->parts.after = l->marker < UPLOAD_PARTS ? (unsigned)l->marker : UPLOAD_PARTS;
		l->parts.max = (unsigned)l->max + 1;
	}
	if (!upload_find(request, &l->upload, &error))
		return STEP_WAIT;
	return error ? s3_fail(request, error) : op_go(op, READ);
}

static void add_part(struct arena *arena, const struct part_list *l, struct buf *xml,
        const struct upload_row *row)
{
	struct sum_kept sum;

	buf_str(xml, "<Part>");
	s3_xml_u64(xml, "PartNumber", row->number);
	s3_xml_date(xml, "LastModified", row->ts);
	buf_printf(xml, "<ETag>&quot;%s&quot;</ETag>", row->etag);
	s3_xml_u64(xml, "Size", row->bytes);
	if (sum_of_part(arena, row->type, &sum) && !upload_sum_unasked(&l->upload, sum.kind))
		s3_xml_text(xml, sum_element(sum.kind), sum.value);
	buf_str(xml, "</Part>");
}

static void add_sum(struct request *request, const struct part_list *l, struct buf *xml)
{
	const char *said = upload_header(&l->upload, UPLOAD_SUM);
	size_t len = said ? strcspn(said, " ") : 0;

	if (!len || !said[len])
		return;
	s3_xml_text(xml, "ChecksumAlgorithm", arena_strndup(request_arena(request), said, len));
	s3_xml_text(xml, "ChecksumType", said + len + 1);
}

static enum step answer(struct request *request, struct part_list *l)
{
	AUTO(buf) struct buf xml = BUF_NONE, parts = BUF_NONE;
	uint64_t last = l->marker;
	unsigned i;

	for (i = 0; i < l->parts.count && i < l->max; i++) {
		add_part(request_arena(request), l, &parts, &l->parts.rows[i]);
		last = l->parts.rows[i].number;
	}
	s3_xml_begin(&xml, "ListPartsResult");
	s3_xml_text(&xml, "Bucket", request->s3->bucket);
	s3_xml_text(&xml, "Key", request->s3->key);
	s3_xml_text(&xml, "UploadId", l->upload.id);
	upload_tell_people(request, upload_header(&l->upload, UPLOAD_ROW_TYPE), &xml);
	s3_xml_text(&xml, "StorageClass", s3_class_told(upload_header(&l->upload, S3_CLASS)));
	add_sum(request, l, &xml);
	s3_xml_u64(&xml, "PartNumberMarker", l->marker);
	s3_xml_u64(&xml, "NextPartNumberMarker", last);
	s3_xml_u64(&xml, "MaxParts", l->max);
	s3_xml_bool(&xml, "IsTruncated", i < l->parts.count);
	buf_add(&xml, parts.data, parts.len);
	buf_str(&xml, "</ListPartsResult>");
	return s3_reply_xml(request, &xml);
}

static enum step list_read(struct op *op)
{
	struct request *request = request_of(op);
	struct part_list *l = request->own;
	enum err err;

	if (!upload_parts_read(request, &l->upload, &l->parts, &err))
		return STEP_WAIT;
	return err ? s3_fail(request, S3_ServiceUnavailable) : answer(request, l);
}

static const struct op_state list_states[] = {
        {"prepare", s3_prepare, TO(LOOK), 15000},
        [LOOK] = {"look", list_look, TO(READ), 0},
        [READ] = {"read", list_read, 0, 0},
};
const struct method s3_part_list = {.name = "s3-part-list", .states = list_states};
