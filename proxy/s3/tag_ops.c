/* Tags of objects and buckets, told and changed.
 *
 *   Get     prepare -> tell
 *   Put     prepare -> read -> store
 *   Delete  prepare -> store */
#include "proxy/s3/attribute.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/tags.h"

#include <string.h>

#define BODY_MAX (256u << 10)

static enum step tell(struct request *request, const char *kept)
{
	AUTO(buf) struct buf xml = BUF_NONE;

	s3_xml_begin(&xml, "Tagging");
	s3_tags_tell(kept, &xml);
	buf_str(&xml, "</Tagging>");
	return s3_reply_xml(request, &xml);
}

static enum step tell_object(struct op *op)
{
	struct request *request = request_of(op);
	enum step step = s3_attribute_look(request);

	if (step != STEP_NEXT)
		return step;
	const struct s3_attribute *a = request->own;
	const char *kept = sub_get(&a->look, S3_OBJECT_TAGS);
	if (a->version)
		http_header(request->http, "x-amz-version-id", a->version);
	return tell(request, kept ? kept : "");
}

static enum step tell_bucket(struct op *op)
{
	struct request *request = request_of(op);
	const char *kept = info_header(request->container_info.info, S3_BUCKET_TAGS);

	return kept && *kept ? tell(request, kept) : s3_fail(request, S3_NoSuchTagSet);
}

/* STEP_NEXT: what is to be kept of the body is in *ret_kept. */
static enum step read_tags(struct request *request, unsigned max, struct buf *ret_kept)
{
	struct s3_attribute *a = s3_attribute_own(request);
	const char *text = NULL;

	if (!a->document.root) {
		enum step step = s3_document_read(request, "Tagging", BODY_MAX, S3_DIGEST_IF_SENT);
		if (step != STEP_NEXT)
			return step;
	}
	enum s3_error error = s3_tags_of_xml(a->document.root, max, ret_kept, &text);
	return error ? s3_fail_text(request, error, text) : STEP_NEXT;
}

static enum step put_object(struct op *op)
{
	struct request *request = request_of(op);
	AUTO(buf) struct buf kept = BUF_NONE;
	enum step step = read_tags(request, S3_OBJECT_TAGS_MAX, &kept);

	if (step == STEP_NEXT)
		step = s3_attribute_look(request);
	if (step != STEP_NEXT)
		return step;
	return s3_attribute_store(request, S3_OBJECT_TAGS, buf_text(&kept))
	               ? s3_attribute_stored(request, 200)
	               : STEP_WAIT;
}

static enum step delete_object(struct op *op)
{
	struct request *request = request_of(op);
	enum step step = s3_attribute_look(request);

	if (step != STEP_NEXT)
		return step;
	return s3_attribute_store(request, S3_OBJECT_TAGS, "") ? s3_attribute_stored(request, 204)
	                                                       : STEP_WAIT;
}

static enum step put_bucket(struct op *op)
{
	struct request *request = request_of(op);
	AUTO(buf) struct buf kept = BUF_NONE;
	enum step step = read_tags(request, S3_BUCKET_TAGS_MAX, &kept);

	if (step != STEP_NEXT)
		return step;
	return s3_bucket_store(request, S3_BUCKET_TAGS, buf_text(&kept))
	               ? s3_attribute_stored(request, 204)
	               : STEP_WAIT;
}

static enum step delete_bucket(struct op *op)
{
	struct request *request = request_of(op);

	return s3_bucket_store(request, S3_BUCKET_TAGS, "") ? s3_attribute_stored(request, 204)
	                                                    : STEP_WAIT;
}

#define TAG_METHOD(id, title, state)                                                               \
	static const struct op_state id##_states[] = {                                             \
	        {"prepare", s3_prepare, TO(1), 15000},                                             \
	        {title, state, 0, 0},                                                              \
	};                                                                                         \
	const struct method s3_##id = {                                                            \
	        .name = "s3-" title, .states = id##_states, .body = gather_on_body}

TAG_METHOD(object_tags_get, "object-tags-get", tell_object);
TAG_METHOD(object_tags_put, "object-tags-put", put_object);
TAG_METHOD(object_tags_delete, "object-tags-delete", delete_object);
TAG_METHOD(bucket_tags_get, "bucket-tags-get", tell_bucket);
TAG_METHOD(bucket_tags_put, "bucket-tags-put", put_bucket);
TAG_METHOD(bucket_tags_delete, "bucket-tags-delete", delete_bucket);
