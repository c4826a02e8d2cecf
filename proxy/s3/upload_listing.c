/* ListMultipartUploads: the markers of a bucket's uploads.
 *
 *   prepare -> read -> (read ...) answer */
#include "proxy/s3/upload.h"
#include "proxy/seal.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/shown.h"

#include <stdlib.h>
#include <string.h>

#define UPLOADS_MAX 1000

struct listing_of_uploads {
	struct ranged read;
	struct backend_list list;
	const char *prefix, *delimiter, *key_marker, *id_marker;
	uint64_t max;
	bool encodes, begun, more;
	unsigned count;
	struct buf uploads, prefixes, next_key, next_id, last; /* owned */
};

static void list_done(struct request *request)
{
	struct listing_of_uploads *l = request->own;

	ranged_done(&l->read);
	buf_done(&l->uploads);
	buf_done(&l->prefixes);
	buf_done(&l->next_key);
	buf_done(&l->next_id);
	buf_done(&l->last);
}

static const char *given(struct request *request, const char *name)
{
	const char *text = s3_param(request, name);

	return text && *text ? text : NULL;
}

static const char *escaped(struct request *request, const char *name)
{
	AUTO(buf) struct buf text = BUF_NONE;

	versions_escape(name, &text);
	return arena_strdup(request_arena(request), buf_text(&text));
}

/* Behind all uploads of that key, or behind one of them. */
static const char *marker(struct request *request, const struct listing_of_uploads *l)
{
	struct arena *arena = request_arena(request);

	if (!l->key_marker)
		return NULL;
	return l->id_marker ? upload_marker(arena, l->key_marker, l->id_marker)
	                    : upload_marker(arena, l->key_marker, "v");
}

static enum s3_error parse(
        struct request *request, struct listing_of_uploads *l, const char **ret_text)
{
	const char *max = given(request, "max-uploads"),
	           *encoding = given(request, "encoding-type");
	char *end;

	l->max = max ? strtoull(max, &end, 10) : UPLOADS_MAX;
	if (max && (*max < '0' || *max > '9' || *end || l->max > INT32_MAX)) {
		*ret_text = "Argument maxUploads must be an integer between 0 and 2147483647";
		return S3_InvalidArgument;
	}
	if (encoding && strcmp(encoding, "url") != 0) {
		*ret_text = "Invalid Encoding Method specified in Request";
		return S3_InvalidArgument;
	}
	if (l->max > UPLOADS_MAX)
		l->max = UPLOADS_MAX;
	l->encodes = encoding;
	l->prefix = given(request, "prefix");
	l->delimiter = given(request, "delimiter");
	l->key_marker = given(request, "key-marker");
	l->id_marker = l->key_marker ? given(request, "upload-id-marker") : NULL;
	l->list = (struct backend_list){.prefix = l->prefix ? escaped(request, l->prefix) : NULL,
	        .marker = marker(request, l),
	        .limit = UPLOADS_MAX + 1};
	return S3_OK;
}

/* --- rows --- */

static void add_name(
        const struct listing_of_uploads *l, struct buf *out, const char *element, const char *name)
{
	AUTO(buf) struct buf quoted = BUF_NONE;

	if (l->encodes)
		url_quote(&quoted, name, "");
	s3_xml_text(out, element, l->encodes ? buf_text(&quoted) : name);
}

static void add_upload(struct request *request, struct listing_of_uploads *l, const char *key,
        const char *id, const struct backend_row *row)
{
	struct buf *out = &l->uploads;

	buf_str(out, "<Upload>");
	add_name(l, out, "Key", key);
	s3_xml_text(out, "UploadId", id);
	upload_tell_people(request, row->content_type, out);
	struct shown s;
	shown_make(row, request->account, request->container, &s);
	s3_xml_text(out, "StorageClass", s3_class_told(s.s3_class));
	shown_done(&s);
	s3_xml_date(out, "Initiated", upload_begun(id));
	buf_str(out, "</Upload>");
}

/* The end of the common prefix that the key is under; NULL: it is under none. */
static const char *prefix_end(const struct listing_of_uploads *l, const char *key)
{
	size_t skip = l->prefix ? strlen(l->prefix) : 0;
	const char *at = l->delimiter ? strstr(key + skip, l->delimiter) : NULL;

	return at ? at + strlen(l->delimiter) : NULL;
}

static void set(struct buf *buf, const char *text, size_t len)
{
	buf_reset(buf);
	buf_add(buf, text, len);
}

/* One row. False: no more are wanted. */
static bool take(
        struct request *request, struct listing_of_uploads *l, const struct backend_row *row)
{
	AUTO(buf) struct buf key = BUF_NONE;
	const char *id;

	if (!upload_parse_marker(row->name, &key, &id))
		return true;
	const char *text = buf_text(&key), *end = prefix_end(l, text);
	size_t len = end ? (size_t)(end - text) : 0;
	/* Under the prefix that came last, or that the listing goes on behind. */
	if (end && ((l->last.len == len && memcmp(l->last.data, text, len) == 0) ||
	                   (l->key_marker && strncmp(l->key_marker, text, len) == 0)))
		return true;
	if (l->count == l->max) {
		l->more = l->max;
		return false;
	}
	l->count++;
	set(&l->next_key, text, end ? len : key.len);
	set(&l->next_id, end ? "" : id, end ? 0 : strlen(id));
	if (!end) {
		add_upload(request, l, text, id, row);
		return true;
	}
	set(&l->last, text, len);
	buf_str(&l->prefixes, "<CommonPrefixes>");
	add_name(l, &l->prefixes, "Prefix", buf_text(&l->last));
	buf_str(&l->prefixes, "</CommonPrefixes>");
	return true;
}

/* True when the page was the last that is wanted. */
static bool take_page(struct request *request, struct listing_of_uploads *l)
{
	struct arena *arena = request_arena(request);
	struct unseal_rows sealed = {.keys = request_cluster(request)->seal,
	        .account = request->account,
	        .container = l->read.root.container};
	struct backend_row row;
	const char *last = NULL;
	unsigned rows = 0;
	bool full = false;

	for (size_t at = 0; !full && backend_rows_next(l->read.root.rows, &at, &row); rows++) {
		row.etag = unseal_row(&sealed, row.etag);
		full = !take(request, l, &row);
		last = row.name;
	}
	unseal_rows_done(&sealed);
	if (full || rows < l->list.limit)
		return true;
	l->list.marker = l->last.len ? arena_printf(arena, "%s\xf4\x8f\xbf\xbf",
	                                       escaped(request, buf_text(&l->last)))
	                             : NULL;
	if (!l->list.marker || strcmp(l->list.marker, last) < 0)
		l->list.marker = arena_strdup(arena, last);
	return false;
}

/* --- the answer --- */

static enum step answer(struct request *request, struct listing_of_uploads *l)
{
	AUTO(buf) struct buf xml = BUF_NONE;

	s3_xml_begin(&xml, "ListMultipartUploadsResult");
	s3_xml_text(&xml, "Bucket", request->s3->bucket);
	add_name(l, &xml, "KeyMarker", l->key_marker ? l->key_marker : "");
	s3_xml_text(&xml, "UploadIdMarker", l->id_marker ? l->id_marker : "");
	bool next = l->more || l->count > 1; /* as Swift's s3api: not of one alone */
	add_name(l, &xml, "NextKeyMarker", next ? buf_text(&l->next_key) : "");
	s3_xml_text(&xml, "NextUploadIdMarker", next ? buf_text(&l->next_id) : "");
	if (l->delimiter)
		add_name(l, &xml, "Delimiter", l->delimiter);
	add_name(l, &xml, "Prefix", l->prefix ? l->prefix : "");
	s3_xml_u64(&xml, "MaxUploads", l->max);
	if (l->encodes)
		s3_xml_text(&xml, "EncodingType", "url");
	s3_xml_bool(&xml, "IsTruncated", l->more);
	buf_add(&xml, l->uploads.data, l->uploads.len);
	buf_add(&xml, l->prefixes.data, l->prefixes.len);
	buf_str(&xml, "</ListMultipartUploadsResult>");
	return s3_reply_xml(request, &xml);
}

static void ask(struct request *request, struct listing_of_uploads *l)
{
	l->begun = true;
	l->read = (struct ranged){.root = {.op = &request->op,
	                                  .proxy = request->proxy,
	                                  .account = request->account,
	                                  .container = upload_container(
	                                          request_arena(request), request->s3->bucket)}};
}

static enum step list_read(struct op *op)
{
	struct request *request = request_of(op);
	struct listing_of_uploads *l = request->own;
	const char *text = NULL;

	if (!l) {
		l = request->own = arena_zalloc(request_arena(request), sizeof(*l));
		request->own_done = list_done;
		enum s3_error error = parse(request, l, &text);
		if (error)
			return s3_fail_text(request, error, text);
	}
	for (;;) {
		if (request->http->gone)
			return STEP_DONE;
		if (!l->begun)
			ask(request, l);
		if (!ranged_rows(&l->read, &l->list))
			return STEP_WAIT;
		if (l->read.err && l->read.err != ERR_NOT_FOUND)
			return s3_fail(request, S3_ServiceUnavailable);
		if (l->read.err || take_page(request, l))
			return answer(request, l);
		ranged_done(&l->read);
		l->begun = false;
	}
}

static const struct op_state states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"read", list_read, 0, 0},
};
const struct method s3_upload_list = {.name = "s3-upload-list", .states = states};
