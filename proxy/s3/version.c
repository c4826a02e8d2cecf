#include "proxy/s3/version.h"

#include "proxy/conditional.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include <string.h>

enum s3_versioning s3_versioning(const struct info *info)
{
	if (!info_header(info, VERSIONS_CONTAINER))
		return S3_UNVERSIONED;
	return is_true(info_header(info, VERSIONS_ENABLED)) ? S3_ENABLED : S3_SUSPENDED;
}

uint64_t s3_version_new(struct request *request, const char *key)
{
	struct cluster *cluster = request_cluster(request);
	struct place place;

	proxy_place(cluster, 0, request->account, request->container, key, &place);
	return hlc_stamp(cluster->hlc, place.key);
}

const char *s3_version_text(struct request *request, uint64_t id)
{
	char *text = arena_alloc(request_arena(request), TS_TEXT_SIZE);

	ts_format(id, text);
	return text;
}

void s3_versions_ask(
        struct request *request, struct sub *sub, const char *key, unsigned limit, uint64_t behind)
{
	AUTO(buf) struct buf query = BUF_NONE, prefix = BUF_NONE;
	struct arena *arena = request_arena(request);

	versions_escape(key, &prefix);
	buf_str(&prefix, "\x01\x01");
	buf_printf(&query, "format=json&limit=%u&prefix=", limit);
	url_quote(&query, buf_text(&prefix), "");
	if (behind) {
		buf_str(&query, "&marker=");
		url_quote(&query, versions_object(arena, key, behind), "");
	}
	sub_done(sub);
	sub_init(sub, request, NULL, SUB_AS_SYSTEM, "GET");
	sub_path(sub, request->account, versions_container(arena, request->container), NULL,
	        buf_text(&query));
	sub_start(sub);
}

bool s3_versions_read(const struct sub *sub, struct jroot *ret_rows)
{
	if (sub->status == 404)
		return true;
	return sub_ok(sub) && !sub->failed && !jread_parse(sub->text.data, sub->text.len, ret_rows);
}

bool s3_versions_at(const struct jroot *rows, size_t index, struct s3_version *ret_version)
{
	const struct jval *row = jread_at(rows->value, index);
	AUTO(buf) struct buf key = BUF_NONE;
	struct s3_version v = {0};
	const char *name, *type;

	if (!jread_str(jread_get(row, "name"), &name) || !versions_parse(name, &key, &v.id))
		return false;
	v.marker = jread_str(jread_get(row, "content_type"), &type) &&
	           strcmp(type, VERSIONS_MARKER) == 0;
	jread_bool(jread_get(row, "null_version"), &v.null);
	*ret_version = v;
	return true;
}

bool s3_etag_is(const char *wanted, const char *etag)
{
	return conditional_names(wanted, etag);
}

bool s3_time_is(const char *wanted, uint64_t ts)
{
	int64_t seconds;
	uint64_t at;

	if (!http_date_parse(wanted, &seconds)) {
		AUTO(buf) struct buf text = BUF_NONE;
		buf_add(&text, wanted, strcspn(wanted, "Z+"));
		if (!iso_date_parse(buf_text(&text), &at))
			return false;
		seconds = (int64_t)(at / TS_PER_SECOND);
	}
	return seconds == (int64_t)((ts + TS_PER_SECOND - 1) / TS_PER_SECOND);
}
