/* UploadPartCopy.
 *
 *   prepare -> look -> source -> store */
#include "proxy/put.h"
#include "proxy/s3/copy.h"

#include <stdlib.h>
#include <string.h>

enum { PART_LOOK = 1, PART_SOURCE, PART_STORE };

/* "bytes=0-99", and nothing else. False: it is none. */
static bool parse_range(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
	char *end;

	if (strncmp(text, "bytes=", 6) != 0 || text[6] < '0' || text[6] > '9')
		return false;
	*ret_first = strtoull(text + 6, &end, 10);
	if (*end != '-' || end[1] < '0' || end[1] > '9')
		return false;
	*ret_last = strtoull(end + 1, &end, 10);
	return !*end && *ret_first <= *ret_last;
}

static enum step part_look(struct op *op)
{
	struct request *request = request_of(op);
	struct copying *c = copying_of(request);
	enum s3_error error;

	c->number = upload_number(s3_param(request, "partNumber"));
	if (!c->number)
		return s3_fail_text(request, S3_InvalidArgument, UPLOAD_NUMBER_TEXT);
	if (!upload_find(request, &c->upload, &error))
		return STEP_WAIT;
	if (error)
		return s3_fail(request, error);
	enum err err;
	if (!upload_part_follows(request, &c->upload, &c->before, c->number, &err))
		return STEP_WAIT;
	return err ? s3_fail(request, S3_ServiceUnavailable) : op_go(op, PART_SOURCE);
}

static enum step part_source(struct op *op)
{
	struct request *request = request_of(op);
	struct arena *arena = request_arena(request);
	struct copying *c = copying_of(request);
	const char *range = http_get(request->http, "x-amz-copy-source-range");
	uint64_t first, last;
	const char *text = NULL;

	if (range && !parse_range(range, &first, &last))
		return s3_fail_text(request, S3_InvalidArgument,
		        "The x-amz-copy-source-range value must be of the form bytes=first-last "
		        "where first and last are the zero-based offsets of the first and last "
		        "bytes to copy");
	enum step step = copy_source_find(request, &c->source);
	if (step != STEP_NEXT)
		return step;
	if (range && last >= c->source.head.length)
		return s3_fail_text(request, S3_InvalidRange,
		        arena_printf(arena,
		                "Range specified is not valid for source object of size: %llu",
		                (unsigned long long)c->source.head.length));
	enum s3_error error = s3_sse_source(request, &c->source.head.headers, &c->open, &text);
	if (!error)
		error = s3_sse_take_part(request, &c->upload.marker.headers, &text);
	if (error)
		return s3_fail_text(request, error, text);
	upload_sum_kind(&c->upload, &c->sum.kind);
	c->unasked = upload_sum_unasked(&c->upload, c->sum.kind);
	c->sums = true;
	const struct upload_part *part = upload_part_begin(request, &c->upload, c->number);
	copying_begin(request, c, part->container, part->object);
	sub_header(&c->store, PUT_LISTED, "true");
	sub_header(&c->store, "Content-Type", UPLOAD_PART_TYPE);
	copying_sealing(request, c);
	if (range)
		sub_header(&c->store, "Range", range);
	sub_start(&c->store);
	return op_go(op, PART_STORE);
}

static enum step part_store(struct op *op)
{
	struct request *request = request_of(op);
	struct copying *c = copying_of(request);
	bool stored = sub_headed(&c->store) && sub_ok(&c->store);
	enum step step = stored ? s3_part_stored(request) : STEP_NEXT;

	return step == STEP_NEXT ? copying_stored(request, c, "CopyPartResult") : step;
}

static const struct op_state part_states[] = {
        {"prepare", s3_prepare, TO(PART_LOOK), 15000},
        [PART_LOOK] = {"look", part_look, TO(PART_SOURCE), 0},
        [PART_SOURCE] = {"source", part_source, TO(PART_STORE), 0},
        [PART_STORE] = {"store", part_store, 0, 0},
};
const struct method s3_part_copy = {.name = "s3-part-copy", .states = part_states};
