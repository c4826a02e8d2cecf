/* ListObjectVersions: the listing of a container with its versions, in S3's terms.
 *
 *   prepare -> list */
#include "proxy/s3/s3.h"
#include "proxy/s3/version.h"
#include "proxy/unit/versions.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX  1000
#define BYTES_MAX (16u << 20)

struct list_versions {
	struct s3_list_asked asked;
	struct sub sub;
	struct jroot rows;
	struct buf items, prefixes;
	const char *id, *display; /* of the owner */
};

static void list_done(struct request *request)
{
	struct list_versions *l = request->own;

	sub_done(&l->sub);
	jread_done(&l->rows);
	buf_done(&l->items);
	buf_done(&l->prefixes);
}

#define BAD_VERSION "Invalid version id specified"

static void start(struct request *request, struct list_versions *l)
{
	const char *key = s3_param(request, "key-marker"),
	           *version = s3_param(request, "version-id-marker");
	AUTO(buf) struct buf query = BUF_NONE;

	buf_printf(&query, "versions&format=json&limit=%u", (unsigned)l->asked.max_keys + 1);
	query_add(&query, "prefix", l->asked.prefix);
	query_add(&query, "delimiter", l->asked.delimiter);
	if (key && *key && version && *version) {
		query_add(&query, "marker", key);
		query_add(&query, "version_marker", version);
	} else if (key && *key) {
		query_add(&query, "marker", s3_list_behind(request, &l->asked, key));
	}
	sub_init(&l->sub, request, NULL, SUB_AS_SYSTEM, "GET");
	sub_path(&l->sub, request->account, request->container, NULL, buf_text(&query));
	sub_start(&l->sub);
}

static const char *shown_id(const struct jval *row, bool *ret_null)
{
	const char *id = "null";

	*ret_null = false;
	jread_bool(jread_get(row, "null_version"), ret_null);
	jread_str(jread_get(row, "version_id"), &id);
	return id;
}

static void add_version(struct request *request, struct list_versions *l, const struct jval *row)
{
	const char *name = "", *etag = "", *slo = NULL, *type = "", *date = "", *class = NULL, *id;
	uint64_t bytes = 0, ts = 0;
	bool latest = false, null;
	struct buf *out = &l->items;

	jread_str(jread_get(row, "name"), &name);
	jread_str(jread_get(row, "content_type"), &type);
	jread_bool(jread_get(row, "is_latest"), &latest);
	if (jread_str(jread_get(row, "last_modified"), &date))
		iso_date_parse(date, &ts);
	bool marker = strcmp(type, VERSIONS_MARKER) == 0;
	buf_str(out, marker ? "<DeleteMarker>" : "<Version>");
	s3_list_add_name(&l->asked, out, "Key", name);
	id = shown_id(row, &null);
	s3_xml_text(out, "VersionId", null ? "null" : id);
	s3_xml_bool(out, "IsLatest", latest);
	if (jread_str(jread_get(row, "version_id"), &id))
		ts_parse(id, &ts); /* not that of a POST to it */
	s3_xml_date(out, "LastModified", ts);
	if (!marker) {
		jread_str(jread_get(row, "hash"), &etag);
		if (jread_str(jread_get(row, "s3_etag"), &slo) ||
		        jread_str(jread_get(row, "slo_etag"), &slo))
			etag = slo;
		s3_xml_text(out, "ETag",
		        *etag == '"' ? etag : arena_printf(request_arena(request), "\"%s\"", etag));
		jread_u64(jread_get(row, "bytes"), UINT64_MAX, &bytes);
		s3_xml_u64(out, "Size", bytes);
	}
	s3_xml_owner(out, "Owner", l->id, l->display);
	jread_str(jread_get(row, "storage_class"), &class);
	if (!marker)
		s3_xml_text(out, "StorageClass", s3_class_told(class));
	buf_str(out, marker ? "</DeleteMarker>" : "</Version>");
}

static void add_rows(struct request *request, struct list_versions *l, size_t count)
{
	const char *prefix;

	s3_bucket_owner(request, &l->id, &l->display);
	for (size_t i = 0; i < count; i++) {
		const struct jval *row = jread_at(l->rows.value, i);
		if (!jread_str(jread_get(row, "subdir"), &prefix)) {
			add_version(request, l, row);
			continue;
		}
		buf_str(&l->prefixes, "<CommonPrefixes>");
		s3_list_add_name(&l->asked, &l->prefixes, "Prefix", prefix);
		buf_str(&l->prefixes, "</CommonPrefixes>");
	}
}

/* Where the next page begins. */
static void add_next(struct list_versions *l, struct buf *xml, const struct jval *last)
{
	const char *name = "";
	bool null;

	if (jread_str(jread_get(last, "subdir"), &name)) {
		s3_list_add_name(&l->asked, xml, "NextKeyMarker", name);
		return;
	}
	jread_str(jread_get(last, "name"), &name);
	s3_list_add_name(&l->asked, xml, "NextKeyMarker", name);
	s3_xml_text(xml, "NextVersionIdMarker", shown_id(last, &null));
}

static enum step answer(struct request *request, struct list_versions *l)
{
	size_t found = jread_len(l->rows.value),
	       count = found < l->asked.max_keys ? found : l->asked.max_keys;
	bool more = count && found > count;
	const char *key = s3_param(request, "key-marker"),
	           *version = s3_param(request, "version-id-marker");
	AUTO(buf) struct buf xml = BUF_NONE;

	add_rows(request, l, count);
	s3_xml_begin(&xml, "ListVersionsResult");
	s3_xml_text(&xml, "Name", request->s3->bucket);
	s3_list_add_name(&l->asked, &xml, "Prefix", l->asked.prefix ? l->asked.prefix : "");
	s3_list_add_name(&l->asked, &xml, "KeyMarker", key ? key : "");
	s3_xml_text(&xml, "VersionIdMarker", version ? version : "");
	if (more)
		add_next(l, &xml, jread_at(l->rows.value, count - 1));
	s3_xml_u64(&xml, "MaxKeys", l->asked.max_keys);
	if (s3_param(request, "delimiter")) /* an empty one, too, here alone */
		s3_list_add_name(&l->asked, &xml, "Delimiter", s3_param(request, "delimiter"));
	if (l->asked.encodes)
		s3_xml_text(&xml, "EncodingType", "url");
	s3_xml_bool(&xml, "IsTruncated", more);
	buf_add(&xml, l->items.data, l->items.len);
	buf_add(&xml, l->prefixes.data, l->prefixes.len);
	buf_str(&xml, "</ListVersionsResult>");
	return s3_reply_xml(request, &xml);
}

static enum step list(struct op *op)
{
	struct request *request = request_of(op);
	struct list_versions *l = request->own;
	const char *text = NULL;

	if (!l) {
		l = request->own = arena_zalloc(request_arena(request), sizeof(*l));
		request->own_done = list_done;
		enum s3_error error = s3_list_parse(request, &l->asked, &text);
		const char *key = s3_param(request, "key-marker"),
		           *version = s3_param(request, "version-id-marker");
		if (!error && version && *version && !(key && *key)) {
			error = s3_invalid_argument(request, "version-id-marker", version);
			text = key ? BAD_VERSION
			           : "A version-id marker cannot be specified without a key "
			             "marker.";
		}
		if (error)
			return s3_fail_text(request, error, text);
		start(request, l);
	}
	if (!sub_collect(&l->sub, BYTES_MAX))
		return STEP_WAIT;
	if (l->sub.status == 400)
		return s3_fail_text(request,
		        s3_invalid_argument(request, "version-id-marker",
		                s3_param(request, "version-id-marker")),
		        BAD_VERSION);
	if (!sub_ok(&l->sub) || l->sub.failed)
		return s3_fail_sub(request, &l->sub);
	if (jread_parse(l->sub.text.data, l->sub.text.len, &l->rows))
		return s3_fail(request, S3_InternalError);
	return answer(request, l);
}

static const struct op_state states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"list", list, 0, 0},
};
const struct method s3_list_versions = {.name = "s3-list-versions", .states = states};
