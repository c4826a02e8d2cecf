/* CopyObject.
 *
 *   prepare -> source -> store (-> segment -> whole) */
#include "proxy/put.h"
#include "proxy/s3/copy.h"
#include "proxy/s3/tags.h"
#include "proxy/seal.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

#define TO_ITSELF                                                                                  \
	"This copy request is illegal because it is trying to copy an object to itself without "   \
	"changing the object's metadata, storage class, website redirect location or encryption "  \
	"attributes."

enum { SOURCE = 1, STORE, SEGMENT, WHOLE };

/* A directive says whether the request's or the source's counts. False: it says neither. */
static bool directive(const struct request *request, const char *name, bool *ret_anew)
{
	const char *said = http_get(request->http, name);

	*ret_anew = said && strcmp(said, "REPLACE") == 0;
	return !said || *ret_anew || strcmp(said, "COPY") == 0;
}

static bool is_to_itself(const struct request *request, const struct copy_source *s)
{
	return !s->version && strcmp(s->account, request->account) == 0 &&
	       strcmp(s->bucket, request->s3->bucket) == 0 && strcmp(s->key, request->s3->key) == 0;
}

static bool is_metadata(const char *name)
{
	static const char *const names[] = {"Content-Type", "Content-Disposition",
	        "Content-Encoding", "Cache-Control", "Content-Language", "Expires"};

	if (has_prefix(name, "X-Object-Meta-"))
		return true;
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static bool is_system(const char *name)
{
	return has_prefix(name, "X-Object-Sysmeta-") ||
	       has_prefix(name, "X-Object-Transient-Sysmeta-") || strcasecmp(name, SEAL_WITH) == 0;
}

static bool is_tags(const char *name)
{
	return strcasecmp(name, S3_OBJECT_TAGS) == 0;
}

/* Of the kind that is asked for, or of the source's. That of all bytes of the source is that of the
 * copy. */
static enum s3_error take_sum(struct request *request, struct copying *c, const char **ret_text)
{
	const char *algorithm = http_get(request->http, "x-amz-checksum-algorithm");
	struct sum_kept *sum = &c->sum;
	enum checksum_kind kind;
	bool has = sum_read(request_arena(request), sub_get(&c->source.head, SUM_HEADER), sum);

	if (algorithm && !sum_find(algorithm, &kind)) {
		*ret_text = SUM_UNKNOWN_TEXT;
		return S3_InvalidRequest;
	}
	if (!algorithm)
		kind = has ? sum->kind : SUM_DEFAULT;
	c->unasked = !algorithm && kind == SUM_DEFAULT;
	c->sums = !has || sum->kind != kind || strcmp(sum->type, SUM_WHOLE) != 0;
	if (c->sums)
		*sum = (struct sum_kept){.kind = kind};
	return S3_OK;
}

/* Of the request's headers, which s3_take_object has seen, and of the source's. */
static void copy_headers(struct request *request, struct copying *c, bool tags_anew)
{
	static const char *const conditions[] = {PUT_IF_THERE, "If-None-Match"};
	struct buf *out = &request->s3->whole.headers;
	const struct buf *from = &c->source.head.headers;
	const struct http_req *http = request->http;
	struct kv_pair pair;

	for (unsigned i = 0; i < http->header_count; i++) {
		const char *name = http->headers[i].name;
		bool keeps = is_tags(name)       ? tags_anew
		             : is_metadata(name) ? c->anew
		                                 : is_system(name);
		if (keeps)
			kv_add(out, name, http->headers[i].value);
	}
	for (size_t at = 0; kv_next(from->data, from->len, &at, &pair);) {
		if (is_tags(pair.name) ? !tags_anew : is_metadata(pair.name) && !c->anew)
			kv_add(out, pair.name, pair.value);
	}
	for (unsigned i = 0; i < COUNT_OF(conditions); i++) {
		const char *value = http_get(http, conditions[i]);
		if (value)
			kv_add(out, conditions[i], value);
	}
	if (c->sum.value)
		kv_add(out, SUM_HEADER, sub_get(&c->source.head, SUM_HEADER));
}

/* The copy itself, or of another class than STANDARD the segment. */
static void begin_object(struct request *request, struct copying *c)
{
	struct s3_whole *w = &request->s3->whole;
	const struct buf *headers = &w->headers;
	struct kv_pair pair;

	if (w->class) {
		s3_whole_name(request);
		copying_begin(request, c, w->container, w->object);
		sub_header(&c->store, "Content-Type", UPLOAD_PART_TYPE);
		copying_sealing(request, c);
		return;
	}
	copying_begin(request, c, request->s3->bucket, request->s3->key);
	for (size_t at = 0; kv_next(headers->data, headers->len, &at, &pair);)
		sub_header(&c->store, pair.name, pair.value);
}

static enum step copy_source(struct op *op)
{
	struct request *request = request_of(op);
	struct copying *c = copying_of(request);
	struct s3_whole *whole = &request->s3->whole;
	enum s3_error error;
	const char *text = NULL;
	bool tags_anew;

	if (http_get(request->http, "Range"))
		return s3_fail_text(request,
		        s3_invalid_argument(request, "Range", http_get(request->http, "Range")),
		        "RANGE is not supported in Copy!");
	if (!directive(request, "x-amz-metadata-directive", &c->anew))
		return s3_fail_text(request, S3_InvalidArgument, "Unknown metadata directive.");
	if (!directive(request, "x-amz-tagging-directive", &tags_anew))
		return s3_fail_text(request, S3_InvalidArgument, "Unknown tagging directive.");
	enum step step = copy_source_find(request, &c->source);
	if (step != STEP_NEXT)
		return step;
	/* Those of what is in the copy's place. */
	if (!s3_condition_met(request, &request->s3->condition, &error))
		return STEP_WAIT;
	if (error)
		return s3_fail(request, error);
	if (is_to_itself(request, &c->source) && !c->anew &&
	        !http_get(request->http, "x-amz-storage-class") &&
	        !http_get(request->http, "x-amz-website-redirect-location") &&
	        !http_get(request->http, "x-amz-server-side-encryption") &&
	        !http_get(request->http, "x-amz-server-side-encryption-customer-algorithm"))
		return s3_fail_text(request, S3_InvalidRequest, TO_ITSELF);
	if (c->source.head.length > request_cluster(request)->limits.max_file_size)
		return s3_fail_text(request, S3_InvalidRequest,
		        "The specified copy source is larger than the maximum allowable size for a "
		        "copy source: 5368709120");
	if ((error = s3_class_take(request)))
		return s3_fail(request, error);
	if (whole->class && (step = s3_segments_make(request, whole->class)) != STEP_NEXT)
		return step;
	if (!whole->class && !s3_versioning(request->container_info.info) &&
	        !is_to_itself(request, &c->source) &&
	        !s3_parts_note(
	                request, &request->s3->parts, request->s3->bucket, request->s3->key, NULL))
		return STEP_WAIT;
	error = s3_sse_source(request, &c->source.head.headers, &c->open, &text);
	if (!error)
		error = s3_take_object(request, &text);
	if (!error)
		error = take_sum(request, c, &text);
	if (error)
		return s3_fail_text(request, error, text);
	copy_headers(request, c, tags_anew);
	begin_object(request, c);
	request->s3->told_size = c->source.head.length;
	request->s3->told_tags = tags_anew ? http_get(request->http, S3_OBJECT_TAGS)
	                                   : sub_get(&c->source.head, S3_OBJECT_TAGS);
	sub_start(&c->store);
	return op_go(op, STORE);
}

static enum step copy_store(struct op *op)
{
	struct request *request = request_of(op);
	struct copying *c = copying_of(request);
	struct s3_whole *w = &request->s3->whole;

	if (!w->class)
		return copying_stored(request, c, "CopyObjectResult");
	if (!sub_headed(&c->store))
		return STEP_WAIT;
	if (!sub_ok(&c->store))
		return s3_fail_sub(request, &c->store);
	copying_take_sum(request, c);
	if (c->sums && c->sum.value)
		kv_add(&w->headers, SUM_HEADER, sum_text(request_arena(request), &c->sum));
	sub_done(&c->store);
	sub_init(&c->store, request, NULL, SUB_AS_SYSTEM, "HEAD");
	sub_path(&c->store, request->account, w->container, w->object, NULL);
	sub_start(&c->store);
	return op_go(op, SEGMENT);
}

/* How long it has become: the source may have changed since it was looked at. */
static enum step copy_segment(struct op *op)
{
	struct request *request = request_of(op);
	struct copying *c = copying_of(request);

	if (!sub_headed(&c->store))
		return STEP_WAIT;
	return sub_ok(&c->store) && sub_get(&c->store, "Etag") ? op_go(op, WHOLE)
	                                                       : s3_fail_sub(request, &c->store);
}

static enum step copy_whole(struct op *op)
{
	struct request *request = request_of(op);
	struct copying *c = copying_of(request);
	const char *etag = sub_get(&c->store, "Etag");
	char *plain = arena_strdup(request_arena(request), etag + (*etag == '"'));

	plain[strcspn(plain, "\"")] = 0;
	enum step step = s3_whole_store(request, plain, c->store.length);

	return step == STEP_NEXT ? copying_answer(request, c, "CopyObjectResult") : step;
}

static const struct op_state object_states[] = {
        {"prepare", s3_prepare, TO(SOURCE), 15000},
        [SOURCE] = {"source", copy_source, TO(STORE), 0},
        [STORE] = {"store", copy_store, TO(SEGMENT), 0},
        [SEGMENT] = {"segment", copy_segment, TO(WHOLE), 0},
        [WHOLE] = {"whole", copy_whole, 0, 0},
};
const struct method s3_object_copy = {.name = "s3-object-copy", .states = object_states};
