#include "proxy/s3/version.h"

#include "proxy/body.h"
#include "proxy/conditional.h"
#include "proxy/s3/s3.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/symlink.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
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

void s3_versions_ask(struct request *request, struct sub *sub, const char *account,
        const char *container, const char *key, unsigned limit, uint64_t behind)
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
	sub_path(sub, account, versions_container(arena, container), NULL, buf_text(&query));
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

bool s3_version_linked(struct request *request, const struct sub *head, uint64_t *ret_id)
{
	const char *target = sub_get(head, LINK_TARGET), *container, *object;
	AUTO(buf) struct buf key = BUF_NONE;

	return sub_ok(head) && sub_get(head, LINK_VERSION) && target &&
	       link_split(request_arena(request), target, &container, &object) &&
	       versions_parse(object, &key, ret_id);
}

/* --- a version that a request names --- */

static bool look_at_key(struct request *request, struct s3_null *n, const char *account,
        const char *container, const char *key)
{
	if (!n->asked) {
		n->asked = true;
		sub_init(&n->sub, request, NULL, SUB_AS_SYSTEM, "HEAD");
		sub_path(&n->sub, account, container, key, "symlink=get&multipart-manifest=get");
		sub_start(&n->sub);
	}
	return sub_headed(&n->sub);
}

/* A page of the versions: STEP_NEXT: there is another one. */
static enum step look_at_page(
        const struct sub *sub, uint64_t *at, enum s3_error *ret_error, uint64_t *ret_id)
{
	AUTO(jroot) struct jroot rows = JROOT_NONE;
	struct s3_version v = {0};
	size_t i = 0;

	if (!s3_versions_read(sub, &rows)) {
		*ret_error = S3_ServiceUnavailable;
		return STEP_DONE;
	}
	while (s3_versions_at(&rows, i, &v) && !v.null)
		i++;
	*ret_id = v.id;
	*at = v.id;
	if (!v.null && i == S3_VERSIONS_PAGE)
		return STEP_NEXT;
	*ret_error = v.null ? S3_OK : S3_NoSuchVersion;
	return STEP_DONE;
}

bool s3_null_find(struct request *request, struct s3_null *n, const char *account,
        const char *container, const char *key, enum s3_error *ret_error, uint64_t *ret_id)
{
	*ret_error = S3_OK;
	*ret_id = 0;
	if (!n->looked) {
		if (!look_at_key(request, n, account, container, key))
			return false;
		if (!sub_ok(&n->sub) && n->sub.status != 404)
			*ret_error = S3_ServiceUnavailable;
		if (*ret_error || (sub_ok(&n->sub) && !sub_get(&n->sub, LINK_VERSION)))
			return true;
		n->looked = true;
		n->asked = false;
	}
	for (;;) {
		if (!n->asked)
			s3_versions_ask(request, &n->sub, account, container, key, S3_VERSIONS_PAGE,
			        n->page_at);
		n->asked = true;
		if (!sub_collect(&n->sub, S3_VERSIONS_BYTES))
			return false;
		if (look_at_page(&n->sub, &n->page_at, ret_error, ret_id) == STEP_DONE)
			return true;
		n->asked = false;
	}
}

static void set_version(struct request *request, const char *id)
{
	struct query *query = &request->query;
	struct query_pair *pairs =
	        arena_alloc(request_arena(request), (query->count + 1) * sizeof(*pairs));

	memcpy(pairs, query->pairs, query->count * sizeof(*pairs));
	pairs[query->count] = (struct query_pair){"version-id", id};
	query->pairs = pairs;
	query->count++;
}

bool s3_version_take(struct request *request, enum s3_error *ret_error, const char **ret_text)
{
	const char *wanted = s3_param(request, "versionId");
	bool versioned = s3_versioning(request->container_info.info);
	struct s3 *s3 = request->s3;
	uint64_t id = 0;

	*ret_error = S3_OK;
	if (!wanted)
		return true;
	bool null = strcmp(wanted, "null") == 0;
	if (null && versioned) {
		if (!s3_null_find(request, &s3->null, request->account, request->container,
		            request->object, ret_error, &id))
			return false;
	} else if (!null && (!ts_parse(wanted, &id) || !id)) {
		*ret_error = S3_InvalidArgument;
		*ret_text = "Invalid version id specified";
	} else if (!null && !versioned) {
		*ret_error = S3_NoSuchVersion;
	}
	if (!*ret_error)
		set_version(request, id ? s3_version_text(request, id) : "null");
	return true;
}

/* --- delete markers --- */

static void tell_marker(struct request *request, const char *id)
{
	buf_reset(&request->http->out);
	http_header(request->http, "Content-Type", "application/xml");
	http_header(request->http, "x-amz-delete-marker", "true");
	http_header(request->http, "x-amz-version-id", id);
}

enum step s3_version_marker(
        struct request *request, const char *id, const struct backend_reply *marker)
{
	bool null = kv_get(marker->headers.data, marker->headers.len, VERSIONS_NULL);

	tell_marker(request, null ? "null" : id);
	http_header(request->http, "Allow", "DELETE");
	return s3_fail_with(request, S3_MethodNotAllowed);
}

static enum step look_for_marker(struct op *op)
{
	struct request *request = request_of(op);
	struct s3 *s3 = request->s3;
	AUTO(jroot) struct jroot rows = JROOT_NONE;
	struct s3_version v;

	if (!s3->missing) {
		s3->missing = true;
		s3_versions_ask(request, &s3->look, request->account, request->s3->bucket,
		        request->s3->key, 1, 0);
	}
	if (!sub_collect(&s3->look, S3_VERSIONS_BYTES))
		return STEP_WAIT;
	if (!s3_versions_read(&s3->look, &rows))
		return s3_fail(request, S3_ServiceUnavailable);
	if (!s3_versions_at(&rows, 0, &v) || !v.marker)
		return s3_fail(request, S3_NoSuchKey);
	tell_marker(request, v.null ? "null" : s3_version_text(request, v.id));
	return s3_fail_with(request, S3_NoSuchKey);
}

static const struct op_state missing_states[] = {{"marker", look_for_marker, 0, 15000}};
const struct method s3_version_missing = {.name = "s3-version-missing", .states = missing_states};

/* --- conditions --- */

bool s3_etag_is(const char *wanted, const char *etag)
{
	return conditional_names(wanted, etag);
}

uint64_t s3_modified(const struct sub *head)
{
	const char *text = sub_get(head, GET_WRITTEN);
	uint64_t ts;

	return text && ts_parse(text, &ts) ? ts : 0;
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
