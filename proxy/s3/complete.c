/* CompleteMultipartUpload: the parts that it names become one static large object.
 *
 *   prepare -> receive -> look -> there -> parts -> replace -> claim -> store -> unmark -> left ->
 * sweep
 *                          ^-- again --------------------------'---------'         '-- answer --'
 *
 * What the parts are is told by the listing of them: none is looked at by itself. Where the whole
 * is there already, the list has been sent twice: it is answered as before. Of two at once one is
 * first: each stores in place of what it found there, and looks again if that has changed. Never
 * whatever is there: that may be the other's whole, and what this one names gone with it. */
#include "proxy/manifest.h"
#include "proxy/pipeline.h"
#include "proxy/put.h"
#include "proxy/s3/attribute.h"
#include "proxy/s3/document.h"
#include "proxy/s3/tags.h"
#include "proxy/s3/upload_claim.h"
#include "proxy/s3/upload_sum.h"
#include "proxy/unit/symlink.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

enum { RECEIVE = 1, LOOK, THERE, PARTS, REPLACE, CLAIM, STORE, UNMARK, LEFT, SWEEP };

#define BODY_MAX  (8u << 20)
#define TRIES_MAX 32 /* of what others write all the time */

struct complete {
	struct s3_document document; /* first */
	struct upload upload;
	struct upload_listed *listed;
	unsigned count;
	struct upload_parts parts, left;  /* left: once the whole is there */
	const struct upload_row **chosen; /* of `listed` */
	struct manifest manifest;
	struct sub sub;
	struct upload_claim claim;
	struct sweep sweep;
	const char *etag, *version_id, *sum; /* sum: as it is kept, or NULL */
	/* What is in the key's place: when it was written, or NULL; is it only a link to it? */
	const char *there_at;
	bool looked, leads_on, conditional; /* conditional: by the client's wish */
	bool missing;                       /* there is no such upload, or no more */
	bool stored;                        /* by us */
	unsigned tries;
};

static void complete_done(struct request *request)
{
	struct complete *c = request->own;

	s3_document_done(&c->document);
	upload_done(&c->upload);
	upload_parts_done(&c->parts);
	upload_parts_done(&c->left);
	manifest_done(&c->manifest);
	sub_done(&c->sub);
	upload_claim_done(&c->claim);
	sweep_done(&c->sweep);
}

/* --- receive --- */

static enum step complete_receive(struct op *op)
{
	struct request *request = request_of(op);
	struct complete *c = request->own;

	if (!c) {
		c = request->own = arena_zalloc(request_arena(request), sizeof(*c));
		request->own_done = complete_done;
	}
	if (request->http->has_length && !request->http->content_length)
		return s3_fail(request, S3_MalformedXML);
	enum step step = s3_document_text(request, BODY_MAX, S3_DIGEST_IF_SENT);
	return step == STEP_NEXT ? op_go(op, LOOK) : step;
}

/* --- which upload --- */

static enum step read_list(struct request *request, struct complete *c)
{
	enum s3_error error = S3_MalformedXML;

	if (s3_document_parse(request, "CompleteMultipartUpload"))
		error = upload_list_parse(
		        c->document.root, request_arena(request), &c->listed, &c->count);
	if (!error)
		return op_go(&request->op, THERE);
	if (c->missing)
		return s3_fail(request, S3_NoSuchUpload);
	return s3_fail_text(request, error,
	        error == S3_InvalidArgument ? "PartNumber must be >= 1 and <= 10000" : NULL);
}

static enum step complete_look(struct op *op)
{
	struct request *request = request_of(op);
	struct complete *c = request->own;
	const char *text = NULL;
	enum s3_error error;

	if (!upload_find(request, &c->upload, &error))
		return STEP_WAIT;
	c->missing = error == S3_NoSuchUpload;
	if (!error)
		error = s3_sse_take_whole(request, &c->upload.marker.headers, &text);
	if (error && !c->missing)
		return s3_fail_text(request, error, text);
	return c->listed ? op_go(op, THERE) : read_list(request, c);
}

/* --- is it there already? --- */

static void head(struct request *request, struct complete *c, const char *query)
{
	sub_done(&c->sub);
	sub_init(&c->sub, request, NULL, SUB_AS_SYSTEM, "HEAD");
	sub_path(&c->sub, request->account, request->s3->bucket, request->s3->key, query);
	sub_start(&c->sub);
}

static enum step is_made(struct request *request, struct complete *c)
{
	c->sum = sub_get(&c->sub, SUM_HEADER);
	c->sum = c->sum ? arena_strdup(request_arena(request), c->sum) : NULL;
	c->version_id = sub_get(&c->sub, "X-Object-Version-Id");
	c->version_id = c->version_id ? arena_strdup(request_arena(request), c->version_id) : NULL;
	s3_sse_tell(request, &request->http->out, sub_get(&c->sub, S3_SSE));
	sub_done(&c->sub);
	return op_go(&request->op, UNMARK);
}

/* When what is there was written comes first, then what it is: who comes between has changed the
 * former when we store. */
static enum step complete_there(struct op *op)
{
	struct request *request = request_of(op);
	struct complete *c = request->own;

	if (!c->sub.parent) {
		c->etag = upload_etag(request_arena(request), c->listed, c->count);
		head(request, c, "symlink=get&multipart-manifest=get");
	}
	if (!sub_headed(&c->sub))
		return STEP_WAIT;
	if (!sub_ok(&c->sub) && c->sub.status != 404)
		return s3_fail_sub(request, &c->sub);
	if (!c->looked) {
		const char *ts = sub_ok(&c->sub) ? sub_get(&c->sub, "X-Timestamp") : NULL;
		c->looked = true;
		c->there_at = ts ? arena_strdup(request_arena(request), ts) : NULL;
		c->leads_on = sub_ok(&c->sub) && sub_get(&c->sub, LINK_TARGET);
		if (c->leads_on) {
			head(request, c, "multipart-manifest=get");
			return STEP_WAIT;
		}
	}
	const char *id = sub_ok(&c->sub) ? sub_get(&c->sub, UPLOAD_ID_HEADER) : NULL,
	           *etag = sub_ok(&c->sub) ? sub_get(&c->sub, S3_ETAG) : NULL,
	           *upload = s3_param(request, "uploadId");
	if (id && etag && upload && strcmp(id, upload) == 0)
		return strcmp(etag, c->etag) == 0 ? is_made(request, c)
		                                  : s3_fail(request, S3_NoSuchUpload);
	sub_done(&c->sub);
	return c->missing ? s3_fail(request, S3_NoSuchUpload) : op_go(op, PARTS);
}

/* --- which parts --- */

static enum step too_small(struct request *request, const struct upload_row *row)
{
	s3_error_add_u64(request, "ProposedSize", row->bytes);
	s3_error_add_u64(request, "MinSizeAllowed", request_cluster(request)->units.s3_part_min);
	s3_error_add_u64(request, "PartNumber", row->number);
	s3_error_add(request, "ETag", row->etag);
	return s3_fail_text(request, S3_EntityTooSmall,
	        "Your proposed upload is smaller than the minimum allowed size");
}

/* Finds the part that each of the list means. NULL: all are there, and large enough. */
static const struct upload_listed *choose(struct request *request, struct complete *c)
{
	unsigned at = 0;

	c->chosen = arena_alloc(request_arena(request), c->count * sizeof(*c->chosen));
	for (unsigned i = 0; i < c->count; i++) {
		const struct upload_listed *l = &c->listed[i];
		while (at < c->parts.count && c->parts.rows[at].number < l->number)
			at++;
		if (at == c->parts.count || c->parts.rows[at].number != l->number ||
		        strcasecmp(c->parts.rows[at].etag, l->etag) != 0)
			return l;
		c->chosen[i] = &c->parts.rows[at];
	}
	return NULL;
}

static enum step invalid_part(struct request *request, const struct upload_listed *listed)
{
	s3_error_add(request, "UploadId", s3_param(request, "uploadId"));
	s3_error_add_u64(request, "PartNumber", listed->number);
	s3_error_add(request, "ETag", listed->etag);
	return s3_fail(request, S3_InvalidPart);
}

/* --- the whole --- */

static void make_manifest(struct complete *c)
{
	struct manifest *m = &c->manifest;
	const struct upload_parts *p = &c->parts;
	char date[ISO_DATE_SIZE];

	arena_init(&m->arena);
	m->segments = arena_zalloc(&m->arena, c->count * sizeof(*m->segments));
	for (; m->count < c->count; m->count++) {
		const struct upload_row *row = c->chosen[m->count];
		iso_date_format(row->ts, date);
		m->segments[m->count] = (struct manifest_segment){
		        .path = arena_printf(
		                &m->arena, "/%s/%s%s", p->container, p->prefix, row->end),
		        .etag = row->etag,
		        .type = row->type,
		        .modified = arena_strdup(&m->arena, date),
		        .bytes = row->bytes,
		};
		m->size += row->bytes;
	}
}

/* What the marker has for itself alone. */
static bool is_markers_own(const char *name)
{
	return strcasecmp(name, "Content-Type") == 0 || strcasecmp(name, UPLOAD_CLAIMS) == 0 ||
	       has_prefix(name, "X-Object-Sysmeta-Container-Update-");
}

static void marker_headers(struct complete *c)
{
	const struct buf *headers = &c->upload.marker.headers;
	struct kv_pair pair;

	for (size_t at = 0; kv_next(headers->data, headers->len, &at, &pair);) {
		if (upload_keeps(pair.name) && !is_markers_own(pair.name))
			sub_header(&c->sub, pair.name, pair.value);
	}
}

static void start_store(struct request *request, struct complete *c)
{
	static const char *const conditions[] = {PUT_IF_THERE, "If-None-Match"};

	upload_whole_begin(request, &c->sub);
	for (unsigned i = 0; i < COUNT_OF(conditions); i++) {
		const char *value = http_get(request->http, conditions[i]);
		if (value)
			sub_header(&c->sub, conditions[i], value);
		c->conditional |= value != NULL;
	}
	if (!c->conditional && !request->proxy->backend->plain)
		sub_header(&c->sub, conditions[!c->there_at], c->there_at ? c->there_at : "*");
	marker_headers(c);
	s3_sse_sub(request, &c->sub, upload_header(&c->upload, S3_SSE));
	if (c->sum)
		sub_header(&c->sub, SUM_HEADER, c->sum);
	upload_whole_send(request, &c->sub,
	        &(struct upload_whole){.manifest = &c->manifest,
	                .id = c->upload.id,
	                .etag = c->etag,
	                .type = upload_header(&c->upload, "Content-Type"),
	                .class = upload_header(&c->upload, S3_CLASS)});
}

static enum step complete_parts(struct op *op)
{
	struct request *request = request_of(op);
	struct complete *c = request->own;
	const char *text = NULL;
	enum err err;

	if (!upload_parts_read(request, &c->upload, &c->parts, &err))
		return STEP_WAIT;
	if (err)
		return s3_fail(request, S3_ServiceUnavailable);
	const struct upload_listed *missing = choose(request, c);
	if (missing)
		return invalid_part(request, missing);
	for (unsigned i = 0; i + 1 < c->count; i++) {
		if (c->chosen[i]->bytes < request_cluster(request)->units.s3_part_min)
			return too_small(request, c->chosen[i]);
	}
	enum s3_error failed;
	if (!s3_condition_met(request, &request->s3->condition, &failed))
		return STEP_WAIT;
	if (failed)
		return s3_fail(request, failed);
	enum s3_error error =
	        upload_sum(request, &c->upload, c->listed, c->chosen, c->count, &c->sum, &text);
	if (error)
		return s3_fail_text(request, error, text);
	return op_go(op, REPLACE);
}

static enum step complete_replace(struct op *op)
{
	struct request *request = request_of(op);
	struct complete *c = request->own;

	if (!s3_versioning(request->container_info.info) &&
	        !s3_parts_note(request, &request->s3->parts, request->s3->bucket, request->s3->key,
	                c->upload.id))
		return STEP_WAIT;
	make_manifest(c);
	return op_go(op, CLAIM);
}

/* Somebody has written the key, or taken the upload, meanwhile: was that the same upload? */
static enum step again(struct request *request, struct complete *c)
{
	c->tries++;
	c->looked = false;
	c->claim = (struct upload_claim){.id = c->claim.id};
	upload_done(&c->upload);
	c->upload = (struct upload){0};
	upload_parts_done(&c->parts);
	s3_parts_done(&request->s3->parts);
	manifest_done(&c->manifest);
	c->manifest = (struct manifest){0};
	sub_done(&c->sub);
	return op_go(&request->op, LOOK);
}

/* From here on nobody gives the upload up, and takes its parts. */
static enum step complete_claim(struct op *op)
{
	struct request *request = request_of(op);
	struct complete *c = request->own;

	if (!upload_claim_make(request, &c->upload, &c->claim))
		return STEP_WAIT;
	if (c->claim.error == S3_NoSuchUpload)
		return again(request, c);
	if (c->claim.error)
		return s3_fail(request, c->claim.error);
	start_store(request, c);
	return op_go(op, STORE);
}

static enum step complete_store(struct op *op)
{
	struct request *request = request_of(op);
	struct complete *c = request->own;

	if (!sub_headed(&c->sub))
		return STEP_WAIT;
	bool overtaken = c->sub.status == 412 && !c->conditional;
	/* What was refused never will be there; of what failed nobody knows. */
	if (c->sub.status / 100 == 4 && !upload_claim_drop(request, &c->upload, &c->claim))
		return STEP_WAIT;
	if (overtaken && c->tries < TRIES_MAX)
		return again(request, c);
	if (overtaken)
		return s3_fail(request, S3_ServiceUnavailable);
	if (!sub_ok(&c->sub))
		return s3_fail_sub(request, &c->sub);
	const char *id = sub_get(&c->sub, "X-Object-Version-Id");
	c->version_id = id ? arena_strdup(request_arena(request), id) : NULL;
	sub_done(&c->sub);
	c->stored = true;
	return op_go(op, UNMARK);
}

static enum step answer(struct request *request, struct complete *c)
{
	AUTO(buf) struct buf xml = BUF_NONE, location = BUF_NONE;
	const char *host = http_get(request->http, "Host");
	struct sum_kept sum;

	buf_printf(&location, "%s://%s/", request_cluster(request)->tls ? "https" : "http",
	        host ? host : "");
	if (!request->s3->host_bucket) {
		url_quote(&location, request->s3->bucket, "");
		buf_char(&location, '/');
	}
	url_quote(&location, request->s3->key, "");
	s3_xml_begin(&xml, "CompleteMultipartUploadResult");
	s3_xml_text(&xml, "Location", buf_text(&location));
	s3_xml_text(&xml, "Bucket", request->s3->bucket);
	s3_xml_text(&xml, "Key", request->s3->key);
	buf_printf(&xml, "<ETag>&quot;%s&quot;</ETag>", c->etag);
	if (c->sum && sum_read(request_arena(request), c->sum, &sum) &&
	        !upload_sum_unasked(&c->upload, sum.kind)) {
		s3_xml_text(&xml, sum_element(sum.kind), sum.value);
		s3_xml_text(&xml, "ChecksumType", sum.type);
	}
	buf_str(&xml, "</CompleteMultipartUploadResult>");
	if (c->version_id)
		http_header(request->http, "x-amz-version-id", c->version_id);
	request->s3->told_size = c->manifest.size;
	request->s3->told_tags = upload_header(&c->upload, S3_OBJECT_TAGS);
	return s3_reply_xml(request, &xml);
}

static enum step complete_unmark(struct op *op)
{
	struct request *request = request_of(op);
	struct arena *arena = request_arena(request);
	struct complete *c = request->own;

	if (!c->sub.parent) {
		sub_init(&c->sub, request, NULL, SUB_AS_SYSTEM, "DELETE");
		sub_path(&c->sub, request->account, upload_container(arena, request->s3->bucket),
		        upload_marker(arena, request->s3->key, s3_param(request, "uploadId")),
		        NULL);
		sub_start(&c->sub);
	}
	if (!sub_headed(&c->sub))
		return STEP_WAIT;
	return c->stored ? op_go(op, LEFT) : answer(request, c);
}

/* Is it a part that the whole is made of? */
static bool is_named(const void *owner, const char *end)
{
	const struct complete *c = owner;
	unsigned number = upload_part_number(end), first = 0, behind = c->count;

	while (first < behind) {
		unsigned middle = first + (behind - first) / 2;
		if (c->chosen[middle]->number < number)
			first = middle + 1;
		else
			behind = middle;
	}
	return first < c->count && strcmp(c->chosen[first]->end, end) == 0;
}

/* What is not named goes. What stays of that is in nobody's way. */
static enum step complete_left(struct op *op)
{
	struct request *request = request_of(op);
	struct complete *c = request->own;
	enum err err;

	c->left.wants_older = true;
	if (!upload_parts_read(request, &c->upload, &c->left, &err))
		return STEP_WAIT;
	sweep_parts(&c->sweep, &c->left, is_named, c);
	return op_go(op, SWEEP);
}

static enum step complete_sweep(struct op *op)
{
	struct request *request = request_of(op);
	struct complete *c = request->own;

	return sweep_run(request, &c->sweep) ? answer(request, c) : STEP_WAIT;
}

static const struct op_state states[] = {
        {"prepare", s3_prepare, TO(RECEIVE), 15000},
        [RECEIVE] = {"receive", complete_receive, TO(LOOK), 0},
        [LOOK] = {"look", complete_look, TO(THERE), 0},
        [THERE] = {"there", complete_there, TO(PARTS) | TO(UNMARK), 0},
        [PARTS] = {"parts", complete_parts, TO(REPLACE), 0},
        [REPLACE] = {"replace", complete_replace, TO(CLAIM), 0},
        [CLAIM] = {"claim", complete_claim, TO(STORE) | TO(LOOK), 0},
        [STORE] = {"store", complete_store, TO(UNMARK) | TO(LOOK), 0},
        [UNMARK] = {"unmark", complete_unmark, TO(LEFT), 0},
        [LEFT] = {"left", complete_left, TO(SWEEP), 0},
        [SWEEP] = {"sweep", complete_sweep, 0, 0},
};
const struct method s3_upload_complete = {
        .name = "s3-upload-complete", .states = states, .body = gather_on_body};
