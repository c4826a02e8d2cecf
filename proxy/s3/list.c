/* ListObjects, versions 1 and 2: a container's listing in S3's terms. */
#include "proxy/ranged.h"
#include "proxy/s3/s3.h"
#include "proxy/seal.h"
#include "proxy/unit/shown.h"

#include "lib/base/base64.h"
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 1000

struct s3_list {
	struct ranged read;
	struct listing listing;
	struct s3_list_asked asked;
	bool v2, tells_owner;
	struct buf contents, prefixes, last; /* owned; last: the name that came last */
	unsigned count;
};

static void list_done(struct request *request)
{
	struct s3_list *l = request->own;

	ranged_done(&l->read);
	buf_done(&l->contents);
	buf_done(&l->prefixes);
	buf_done(&l->last);
}

static enum s3_error parse_max(
        struct request *request, struct s3_list_asked *a, const char **ret_text)
{
	const char *text = s3_param(request, "max-keys");
	char *end;

	a->max_keys = KEYS_MAX;
	if (!text || !*text)
		return S3_OK;
	a->max_keys = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || a->max_keys > INT32_MAX) {
		*ret_text = "Argument maxKeys must be an integer between 0 and 2147483647";
		return S3_InvalidArgument;
	}
	if (a->max_keys > KEYS_MAX)
		a->max_keys = KEYS_MAX;
	return S3_OK;
}

const char *s3_list_behind(
        struct request *request, const struct s3_list_asked *asked, const char *name)
{
	size_t skip = asked->prefix ? strlen(asked->prefix) : 0;

	if (!asked->delimiter || strncmp(name, asked->prefix ? asked->prefix : "", skip) != 0)
		return name;
	const char *at = strstr(name + skip, asked->delimiter);
	return at ? arena_printf(request_arena(request), "%.*s\xf4\x8f\xbf\xbf",
	                    (int)(at - name + (ptrdiff_t)strlen(asked->delimiter)), name)
	          : name;
}

enum s3_error s3_list_parse(
        struct request *request, struct s3_list_asked *ret_asked, const char **ret_text)
{
	const char *encoding = s3_param(request, "encoding-type"),
	           *delimiter = s3_param(request, "delimiter");

	if (request->query.bad)
		return S3_InvalidArgument;
	if (encoding && *encoding && strcmp(encoding, "url") != 0) {
		*ret_text = "Invalid Encoding Method specified in Request";
		return S3_InvalidArgument;
	}
	if (is_true(s3_param(request, "allow-unordered")) && delimiter && *delimiter) {
		*ret_text = "Unordered listings cannot be made with a delimiter"; /* as RGW */
		return S3_InvalidArgument;
	}
	ret_asked->encodes = encoding && *encoding;
	ret_asked->prefix = s3_param(request, "prefix");
	ret_asked->delimiter = delimiter && *delimiter ? delimiter : NULL;
	return parse_max(request, ret_asked, ret_text);
}

static enum s3_error parse_start(struct request *request, struct s3_list *l, const char **ret_text)
{
	const char *token = s3_param(request, "continuation-token"),
	           *start = s3_param(request, l->v2 ? "start-after" : "marker");
	AUTO(buf) struct buf name = BUF_NONE;

	if (l->v2 && token && *token) {
		if (!base64_decode(token, strlen(token), &name)) {
			*ret_text = "The continuation token provided is incorrect";
			return S3_InvalidArgument;
		}
		start = arena_strdup(request_arena(request), buf_text(&name));
	}
	if (start && *start)
		l->listing.list.marker = s3_list_behind(request, &l->asked, start);
	return S3_OK;
}

static enum s3_error parse(struct request *request, struct s3_list *l, const char **ret_text)
{
	const char *type = s3_param(request, "list-type");
	struct backend_list *list = &l->listing.list;
	enum s3_error error = s3_list_parse(request, &l->asked, ret_text);

	if (error)
		return error;
	if (type && strcmp(type, "2") != 0) {
		*ret_text = "Invalid List Type specified in Request";
		return s3_invalid_argument(request, "list-type", type);
	}
	l->v2 = type;
	l->tells_owner = !type || is_true(s3_param(request, "fetch-owner"));
	list->prefix = l->asked.prefix;
	list->delimiter = l->asked.delimiter;
	list->limit = (uint32_t)l->asked.max_keys + 1;
	return parse_start(request, l, ret_text);
}

/* --- the answer --- */

void s3_list_add_name(
        const struct s3_list_asked *asked, struct buf *out, const char *element, const char *name)
{
	AUTO(buf) struct buf quoted = BUF_NONE;

	if (asked->encodes)
		url_quote(&quoted, name, "");
	s3_xml_text(out, element, asked->encodes ? buf_text(&quoted) : name);
}

/* The link to a version that became the current one again is younger than that. */
static uint64_t modified(const struct shown *s, const struct backend_row *row)
{
	return s->version && s->written == row->ts ? s->version : s->written;
}

static void add_object(struct request *request, struct s3_list *l, const struct backend_row *row,
        const char *id, const char *display)
{
	struct buf *out = &l->contents;
	struct shown s;

	shown_make(row, request->account, request->container, &s);
	buf_str(out, "<Contents>");
	s3_list_add_name(&l->asked, out, "Key", row->name);
	s3_xml_date(out, "LastModified", modified(&s, row));
	buf_str(out, "<ETag>&quot;");
	if (s.s3_etag)
		buf_str(out, s.s3_etag);
	else if (s.slo_etag)
		buf_add(out, s.slo_etag, s.slo_len);
	else
		buf_str(out, s.etag);
	buf_str(out, "&quot;</ETag>");
	s3_xml_u64(out, "Size", s.bytes);
	if (l->tells_owner && id)
		s3_xml_owner(out, "Owner", id, display);
	s3_xml_text(out, "StorageClass", s3_class_told(s.s3_class));
	buf_str(out, "</Contents>");
	shown_done(&s);
}

static void add_rows(struct request *request, struct s3_list *l)
{
	struct unseal_rows sealed = {request_cluster(request)->seal, request->account,
	        request->container, NULL, NULL, BUF_NONE};
	struct backend_row row;
	const char *id, *display;

	s3_bucket_owner(request, &id, &display);
	for (size_t at = 0;
	        l->count < l->asked.max_keys && backend_rows_next(l->read.root.rows, &at, &row);
	        l->count++) {
		row.etag = unseal_row(&sealed, row.etag);
		if (row.subdir) {
			buf_str(&l->prefixes, "<CommonPrefixes>");
			s3_list_add_name(&l->asked, &l->prefixes, "Prefix", row.name);
			buf_str(&l->prefixes, "</CommonPrefixes>");
		} else {
			add_object(request, l, &row, id, display);
		}
		buf_reset(&l->last);
		buf_str(&l->last, row.name);
	}
	unseal_rows_done(&sealed);
}

static bool has_more(const struct s3_list *l)
{
	struct backend_row row;
	unsigned n = 0;

	for (size_t at = 0;
	        n <= l->asked.max_keys && backend_rows_next(l->read.root.rows, &at, &row);)
		n++;
	return l->asked.max_keys && n > l->asked.max_keys;
}

static void add_asked(struct request *request, const struct s3_list *l, struct buf *xml,
        const char *element, const char *param, bool always)
{
	const char *value = s3_param(request, param);

	if (value || always)
		s3_list_add_name(&l->asked, xml, element, value ? value : "");
}

static enum step answer(struct request *request, struct s3_list *l)
{
	AUTO(buf) struct buf xml = BUF_NONE, token = BUF_NONE;
	bool more = has_more(l);

	add_rows(request, l);
	s3_xml_begin(&xml, "ListBucketResult");
	s3_xml_text(&xml, "Name", request->s3->bucket);
	/* Clients of version 1 take it as it is. */
	if (l->v2)
		add_asked(request, l, &xml, "Prefix", "prefix", true);
	else
		s3_xml_text(&xml, "Prefix", l->asked.prefix ? l->asked.prefix : "");
	if (l->v2) {
		const char *asked = s3_param(request, "continuation-token");
		base64_encode(l->last.data, l->last.len, &token);
		if (more)
			s3_xml_text(&xml, "NextContinuationToken", buf_text(&token));
		if (asked)
			s3_xml_text(&xml, "ContinuationToken", asked);
		add_asked(request, l, &xml, "StartAfter", "start-after", false);
		s3_xml_u64(&xml, "KeyCount", l->count);
	} else {
		add_asked(request, l, &xml, "Marker", "marker", true);
		if (more && l->listing.list.delimiter)
			s3_list_add_name(&l->asked, &xml, "NextMarker", buf_text(&l->last));
	}
	s3_xml_u64(&xml, "MaxKeys", l->asked.max_keys);
	if (l->listing.list.delimiter)
		s3_list_add_name(&l->asked, &xml, "Delimiter", l->listing.list.delimiter);
	if (l->asked.encodes)
		s3_xml_text(&xml, "EncodingType", "url");
	s3_xml_bool(&xml, "IsTruncated", more);
	buf_add(&xml, l->contents.data, l->contents.len);
	buf_add(&xml, l->prefixes.data, l->prefixes.len);
	buf_str(&xml, "</ListBucketResult>");
	return s3_reply_xml(request, &xml);
}

static enum step list_read(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_list *l = request->own;
	const char *text = NULL;

	if (!l) {
		l = request->own = arena_zalloc(request_arena(request), sizeof(*l));
		request->own_done = list_done;
		enum s3_error error = parse(request, l, &text);
		if (error)
			return s3_fail_text(request, error, text);
	}
	if (!ranged_read(&l->read, request, &l->listing))
		return STEP_WAIT;
	if (l->read.err)
		return s3_fail_status(request, err_status(l->read.err), NULL);
	return answer(request, l);
}

static const struct op_state list_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"read", list_read, 0, 0},
};
const struct method s3_list_objects = {.name = "s3-list-objects", .states = list_states};
