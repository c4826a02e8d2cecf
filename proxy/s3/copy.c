#include "proxy/s3/copy.h"

#include "proxy/put.h"
#include "proxy/seal.h"
#include "proxy/unit/versions.h"

static void copying_done(struct request *request)
{
	struct copying *c = request->own;

	upload_done(&c->upload);
	upload_parts_done(&c->before);
	copy_source_done(&c->source);
	sub_done(&c->store);
}

struct copying *copying_of(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct copying));
		request->own_done = copying_done;
	}
	return request->own;
}

void copying_sealing(struct request *request, struct copying *c)
{
	static const char *const names[] = {S3_SSE, SEAL_WITH};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		const char *value = http_get(request->http, names[i]);
		if (value)
			sub_header(&c->store, names[i], value);
	}
}

void copying_begin(
        struct request *request, struct copying *c, const char *container, const char *object)
{
	struct copy_source *s = &c->source;

	sub_init(&c->store, request, NULL, SUB_AS_SYSTEM, "PUT");
	sub_path(&c->store, request->account, container, object, copy_source_query(request, s));
	sub_header(&c->store, "X-Copy-From", request_quoted(request, s->bucket, s->key));
	sub_header(&c->store, "X-Copy-From-Account", request_quoted(request, s->account, NULL));
	sub_header(&c->store, "X-Fresh-Metadata", "true");
	/* Its bytes are those of the headers that were looked at. */
	if (sub_get(&s->head, "Etag"))
		sub_header(&c->store, PUT_SOURCE_ETAG, sub_get(&s->head, "Etag"));
	if (c->open)
		sub_header(&c->store, SEAL_OPEN, c->open);
	if (c->sums)
		sub_header(&c->store, PUT_SUM,
		        arena_printf(request_arena(request), "%s%s", sum_name(c->sum.kind),
		                c->number ? " part" : ""));
	sub_body_text(&c->store, "", 0);
}

enum step copying_answer(struct request *request, struct copying *c, const char *root)
{
	AUTO(buf) struct buf xml = BUF_NONE;
	const char *modified = sub_get(&c->store, "Last-Modified"),
	           *etag = sub_get(&c->store, "Etag"),
	           *id = sub_get(&c->store, "X-Object-Version-Id"),
	           *from = sub_get(&c->source.head, "X-Object-Version-Id");
	int64_t seconds;

	if (!modified || !etag || !http_date_parse(modified, &seconds))
		return s3_fail(request, S3_InternalError);
	s3_xml_begin(&xml, root);
	s3_xml_date(&xml, "LastModified", (uint64_t)seconds * TS_PER_SECOND);
	buf_printf(&xml, "<ETag>&quot;%s&quot;</ETag>", etag);
	if (c->sum.value && !c->unasked) {
		s3_xml_text(&xml, sum_element(c->sum.kind), c->sum.value);
		if (!c->number)
			s3_xml_text(&xml, "ChecksumType", c->sum.type);
	}
	buf_printf(&xml, "</%s>", root);
	if (from && s3_versioning(c->source.info.info))
		http_header(request->http, "x-amz-copy-source-version-id",
		        sub_get(&c->source.head, VERSIONS_NULL) ? "null" : from);
	if (id && request->s3->operation->method == &s3_object_copy)
		http_header(request->http, "x-amz-version-id", id);
	return s3_reply_xml(request, &xml);
}

void copying_take_sum(struct request *request, struct copying *c)
{
	const char *made = c->sums ? sub_get(&c->store, sum_header(c->sum.kind)) : NULL;

	if (!made)
		return;
	c->sum.value = arena_strdup(request_arena(request), made);
	c->sum.type = SUM_WHOLE;
}

enum step copying_stored(struct request *request, struct copying *c, const char *root)
{
	if (!sub_headed(&c->store))
		return STEP_WAIT;
	if (c->store.status == 416)
		return s3_fail(request, S3_InvalidRange);
	if (!sub_ok(&c->store))
		return s3_fail_sub(request, &c->store);
	copying_take_sum(request, c);
	return copying_answer(request, c, root);
}
