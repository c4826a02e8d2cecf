/* Copies: of an object, and of a part of a multipart upload from an object.
 *
 *   CopyObject      prepare -> source -> store (-> segment -> whole)
 *   UploadPartCopy  prepare -> look -> source -> store
 *
 * The source is looked at first (whose bucket, may they read it, conditions, what of it is to be
 * kept); the bytes are then brought by a request of our own, Swift's PUT with X-Copy-From. */
#include "proxy/put.h"
#include "proxy/s3/access.h"
#include "proxy/s3/sum.h"
#include "proxy/s3/tags.h"
#include "proxy/s3/upload.h"
#include "proxy/seal.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COPY_SOURCE "x-amz-copy-source"
#define TO_ITSELF                                                                                  \
	"This copy request is illegal because it is trying to copy an object to itself without "   \
	"changing the object's metadata, storage class, website redirect location or encryption "  \
	"attributes."

struct source {
	const char *account, *bucket, *key, *version; /* version: Swift's, or NULL */
	struct info_fetch info;
	struct sub names, head;
	struct s3_null null;
	bool parsed, elsewhere, found;
};

struct copying {
	struct upload upload; /* UploadPartCopy */
	struct upload_parts before;
	unsigned number;
	struct source source;
	struct sub store;
	bool anew;           /* metadata of the request, not of the source */
	struct sum_kept sum; /* that is kept; no value: none */
	bool sums;           /* one of its kind is made of the bytes */
	const char *open;    /* the key that the source wants (SEAL_OPEN), or NULL */
};

static void copying_done(struct request *request)
{
	struct copying *c = request->own;

	upload_done(&c->upload);
	upload_parts_done(&c->before);
	info_fetch_done(&c->source.info);
	sub_done(&c->source.names);
	sub_done(&c->source.head);
	sub_done(&c->source.null.sub);
	sub_done(&c->store);
}

static struct copying *copying_of(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct copying));
		request->own_done = copying_done;
	}
	return request->own;
}

/* --- the source --- */

/* "/bucket/key?versionId=..." */
static enum s3_error parse_source(struct request *request, struct source *s, const char **ret_text)
{
	static const char version[] = "?versionId=";
	const char *sent = http_get(request->http, "x-amz-copy-source"),
	           *mark = sent ? strchr(sent, '?') : NULL;
	struct arena *arena = request_arena(request);
	size_t len;

	*ret_text = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
	if (!sent)
		return s3_invalid_argument(request, COPY_SOURCE, NULL);
	if (mark && (!has_prefix(mark, version) || strchr(mark, '&'))) {
		*ret_text = "Unsupported copy source parameter.";
		return s3_invalid_argument(request, COPY_SOURCE, sent);
	}
	if (mark)
		s->version = url_unquote(
		        arena, mark + strlen(version), strlen(mark + strlen(version)), &len);
	char *path = url_unquote(arena, sent, mark ? (size_t)(mark - sent) : strlen(sent), &len);
	if (strlen(path) != len || !utf8_valid(path, len))
		return s3_invalid_argument(request, COPY_SOURCE, NULL);
	path += *path == '/';
	char *slash = strchr(path, '/');
	if (!slash || slash == path || !slash[1])
		return s3_invalid_argument(request, COPY_SOURCE, sent);
	*slash = 0;
	s->bucket = path;
	s->key = slash + 1;
	s->account = request->s3->caller.account;
	s->parsed = true;
	return S3_OK;
}

/* Whose bucket is it? As s3_bucket_find has it. */
static bool find_bucket(struct request *request, struct source *s, enum s3_error *ret_error)
{
	while (!s->found) {
		if (s->account &&
		        !info_get(&s->info, &request->op, request->proxy, s->account, s->bucket))
			return false;
		if (s->account && s->info.err) {
			*ret_error = S3_ServiceUnavailable;
			return true;
		}
		s->found = s->account && s->info.info->exists;
		if (s->found || s->elsewhere)
			break;
		if (!s->names.parent) {
			sub_init(&s->names, request, NULL, SUB_AS_SYSTEM, "HEAD");
			sub_path(&s->names, S3_NAMES_ACCOUNT, S3_NAMES_CONTAINER, s->bucket, NULL);
			sub_start(&s->names);
		}
		if (!sub_headed(&s->names))
			return false;
		s->elsewhere = true;
		s->account = sub_ok(&s->names) ? sub_get(&s->names, S3_NAMES_OWNER) : NULL;
		info_fetch_done(&s->info);
		s->info = (struct info_fetch){0};
	}
	*ret_error = s->found ? S3_OK : S3_NoSuchBucket;
	return true;
}

/* Once its own headers are known: they may let somebody. */
static enum s3_error may_read(struct request *request, const struct source *s)
{
	struct s3_target target = {.action = s->version ? "s3:GetObjectVersion" : "s3:GetObject",
	        .account = s->account,
	        .bucket = s->bucket,
	        .info = s->info.info,
	        .key = s->key,
	        .version = s->version,
	        .headers = sub_ok(&s->head) ? &s->head.headers : NULL};

	return s3_may_at(request, &target);
}

/* Swift's name for the version that is meant. */
static bool take_version(struct request *request, struct source *s, enum s3_error *ret_error)
{
	uint64_t id = 0;

	*ret_error = S3_OK;
	if (!s->version || s->head.parent)
		return true;
	if (strcmp(s->version, "null") != 0) {
		if (!ts_parse(s->version, &id) || !s3_versioning(s->info.info))
			*ret_error = S3_NoSuchVersion;
	} else if (s3_versioning(s->info.info)) {
		if (!s3_null_find(request, &s->null, s->account, s->bucket, s->key, ret_error, &id))
			return false;
		s->version = id ? s3_version_text(request, id) : NULL;
	} else {
		s->version = NULL;
	}
	return true;
}

static const char *version_query(struct request *request, const struct source *s)
{
	return s->version ? arena_printf(request_arena(request), "version-id=%s", s->version)
	                  : NULL;
}

static bool look(struct request *request, struct source *s)
{
	if (!s->head.parent) {
		sub_init(&s->head, request, NULL, SUB_AS_SYSTEM, "HEAD");
		sub_path(&s->head, s->account, s->bucket, s->key, version_query(request, s));
		sub_start(&s->head);
	}
	return sub_headed(&s->head);
}

static const char *etag_of(const struct source *s)
{
	const char *etag = sub_get(&s->head, S3_ETAG);

	if (!etag)
		etag = sub_get(&s->head, "Etag");
	return etag ? etag : "";
}

/* Was it written after that? False when it is no date. */
static bool is_later(const struct source *s, const char *date)
{
	const char *modified = sub_get(&s->head, "Last-Modified");
	int64_t at, then;

	return modified && http_date_parse(modified, &at) && http_date_parse(date, &then) &&
	       at > then;
}

static bool fits(const struct request *request, const struct source *s)
{
	const struct http_req *http = request->http;
	const char *match = http_get(http, "x-amz-copy-source-if-match"),
	           *none = http_get(http, "x-amz-copy-source-if-none-match"),
	           *since = http_get(http, "x-amz-copy-source-if-modified-since"),
	           *until = http_get(http, "x-amz-copy-source-if-unmodified-since");

	if (match ? !s3_etag_is(match, etag_of(s)) : until && is_later(s, until))
		return false;
	return none ? !s3_etag_is(none, etag_of(s)) : !since || is_later(s, since);
}

/* STEP_NEXT: it is there, may be read, and is as it is wanted. */
static enum step find_source(struct request *request, struct source *s)
{
	enum s3_error error = S3_OK;
	const char *text = NULL;

	if (!s->parsed && (error = parse_source(request, s, &text)))
		return s3_fail_text(request, error, text);
	if (!find_bucket(request, s, &error))
		return STEP_WAIT;
	if (error)
		return s3_fail(request, error);
	if (!take_version(request, s, &error))
		return STEP_WAIT;
	if (error)
		return s3_fail(request, error);
	if (!look(request, s))
		return STEP_WAIT;
	if ((error = may_read(request, s)))
		return s3_fail(request, error);
	if (s->head.status == 404)
		return s3_fail(request, s->version ? S3_NoSuchVersion : S3_NoSuchKey);
	if (!sub_ok(&s->head))
		return s3_fail_sub(request, &s->head);
	return fits(request, s) ? STEP_NEXT : s3_fail(request, S3_PreconditionFailed);
}

/* --- the copy --- */

static void begin_store(
        struct request *request, struct copying *c, const char *container, const char *object)
{
	struct source *s = &c->source;

	sub_init(&c->store, request, NULL, SUB_AS_SYSTEM, "PUT");
	sub_path(&c->store, request->account, container, object, version_query(request, s));
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

static enum step answer(struct request *request, struct copying *c, const char *root)
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
	if (c->sum.value) {
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

/* The one that the bytes have turned out to have. */
static void take_made_sum(struct request *request, struct copying *c)
{
	const char *made = c->sums ? sub_get(&c->store, sum_header(c->sum.kind)) : NULL;

	if (!made)
		return;
	c->sum.value = arena_strdup(request_arena(request), made);
	c->sum.type = SUM_WHOLE;
}

static enum step stored(struct request *request, struct copying *c, const char *root)
{
	if (!sub_headed(&c->store))
		return STEP_WAIT;
	if (c->store.status == 416)
		return s3_fail(request, S3_InvalidRange);
	if (!sub_ok(&c->store))
		return s3_fail_sub(request, &c->store);
	take_made_sum(request, c);
	return answer(request, c, root);
}

/* --- CopyObject --- */

enum { SOURCE = 1, STORE, SEGMENT, WHOLE };

/* A directive says whether the request's or the source's counts. False: it says neither. */
static bool directive(const struct request *request, const char *name, bool *ret_anew)
{
	const char *said = http_get(request->http, name);

	*ret_anew = said && strcmp(said, "REPLACE") == 0;
	return !said || *ret_anew || strcmp(said, "COPY") == 0;
}

static bool is_to_itself(const struct request *request, const struct source *s)
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

/* How its bytes are sealed. */
static void copy_sealing(struct request *request, struct copying *c)
{
	static const char *const names[] = {S3_SSE, SEAL_WITH};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		const char *value = http_get(request->http, names[i]);
		if (value)
			sub_header(&c->store, names[i], value);
	}
}

/* The copy itself, or of another class than STANDARD the segment. */
static void begin_object(struct request *request, struct copying *c)
{
	struct s3_whole *w = &request->s3->whole;
	const struct buf *headers = &w->headers;
	struct kv_pair pair;

	if (w->class) {
		s3_whole_name(request);
		begin_store(request, c, w->container, w->object);
		sub_header(&c->store, "Content-Type", UPLOAD_PART_TYPE);
		copy_sealing(request, c);
		return;
	}
	begin_store(request, c, request->s3->bucket, request->s3->key);
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
	enum step step = find_source(request, &c->source);
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
		return stored(request, c, "CopyObjectResult");
	if (!sub_headed(&c->store))
		return STEP_WAIT;
	if (!sub_ok(&c->store))
		return s3_fail_sub(request, &c->store);
	take_made_sum(request, c);
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

	return step == STEP_NEXT ? answer(request, c, "CopyObjectResult") : step;
}

static const struct op_state object_states[] = {
        {"prepare", s3_prepare, TO(SOURCE), 15000},
        [SOURCE] = {"source", copy_source, TO(STORE), 0},
        [STORE] = {"store", copy_store, TO(SEGMENT), 0},
        [SEGMENT] = {"segment", copy_segment, TO(WHOLE), 0},
        [WHOLE] = {"whole", copy_whole, 0, 0},
};
const struct method s3_object_copy = {.name = "s3-object-copy", .states = object_states};

/* --- UploadPartCopy --- */

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
	enum step step = find_source(request, &c->source);
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
	c->sums = true;
	begin_store(request, c, upload_container_of_parts(request, &c->upload),
	        upload_part_new(request, &c->upload, c->number));
	sub_header(&c->store, PUT_LISTED, "true");
	sub_header(&c->store, "Content-Type", UPLOAD_PART_TYPE);
	copy_sealing(request, c);
	if (range)
		sub_header(&c->store, "Range", range);
	sub_start(&c->store);
	return op_go(op, PART_STORE);
}

static enum step part_store(struct op *op)
{
	struct request *request = request_of(op);

	return stored(request, copying_of(request), "CopyPartResult");
}

static const struct op_state part_states[] = {
        {"prepare", s3_prepare, TO(PART_LOOK), 15000},
        [PART_LOOK] = {"look", part_look, TO(PART_SOURCE), 0},
        [PART_SOURCE] = {"source", part_source, TO(PART_STORE), 0},
        [PART_STORE] = {"store", part_store, 0, 0},
};
const struct method s3_part_copy = {.name = "s3-part-copy", .states = part_states};
