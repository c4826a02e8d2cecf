#include "proxy/s3/copy_source.h"

#include "proxy/s3/access.h"
#include "proxy/s3/logging.h"

#include <string.h>

#define COPY_SOURCE "x-amz-copy-source"

void copy_source_done(struct copy_source *s)
{
	info_fetch_done(&s->info);
	sub_done(&s->names);
	sub_done(&s->head);
	sub_done(&s->null.sub);
}

/* "/bucket/key?versionId=..." */
static enum s3_error parse_source(
        struct request *request, struct copy_source *s, const char **ret_text)
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
static bool find_bucket(struct request *request, struct copy_source *s, enum s3_error *ret_error)
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
static enum s3_error may_read(struct request *request, const struct copy_source *s)
{
	struct s3_target target = {.action = s->version ? "s3:GetObjectVersion" : "s3:GetObject",
	        .account = s->account,
	        .bucket = s->bucket,
	        .info = s->info.info,
	        .key = s->key,
	        .version = s->version,
	        .headers = sub_ok(&s->head) ? &s->head.headers : NULL,
	        .is_source = true};

	return s3_may_at(request, &target);
}

/* Swift's name for the version that is meant. */
static bool take_version(struct request *request, struct copy_source *s, enum s3_error *ret_error)
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

const char *copy_source_query(struct request *request, const struct copy_source *s)
{
	return s->version ? arena_printf(request_arena(request), "version-id=%s", s->version)
	                  : NULL;
}

static bool look(struct request *request, struct copy_source *s)
{
	if (!s->head.parent) {
		sub_init(&s->head, request, NULL, SUB_AS_SYSTEM, "HEAD");
		sub_path(&s->head, s->account, s->bucket, s->key, copy_source_query(request, s));
		sub_start(&s->head);
	}
	return sub_headed(&s->head);
}

static const char *etag_of(const struct copy_source *s)
{
	const char *etag = sub_get(&s->head, S3_ETAG);

	if (!etag)
		etag = sub_get(&s->head, "Etag");
	return etag ? etag : "";
}

/* Was it written after that? False when it is no date. */
static bool is_later(const struct copy_source *s, const char *date)
{
	const char *modified = sub_get(&s->head, "Last-Modified");
	int64_t at, then;

	return modified && http_date_parse(modified, &at) && http_date_parse(date, &then) &&
	       at > then;
}

static bool fits(const struct request *request, const struct copy_source *s)
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

static enum step is_missing(
        struct request *request, const struct copy_source *s, enum s3_error error)
{
	if (s3_error_status(error) == 404) {
		request->s3->error_bucket = s->bucket;
		request->s3->error_key = s->key;
	}
	return s3_fail(request, error);
}

/* May it be copied? */
static enum s3_error judge(struct request *request, const struct copy_source *s)
{
	enum s3_error error = may_read(request, s);

	if (error)
		return error;
	if (s->head.status == 404)
		return s->version ? S3_NoSuchVersion : S3_NoSuchKey;
	if (!sub_ok(&s->head))
		return S3_ServiceUnavailable;
	return fits(request, s) ? S3_OK : S3_PreconditionFailed;
}

static void note(struct request *request, struct copy_source *s, enum s3_error error)
{
	const struct s3_log_source source = {s->info.info, s->account, s->bucket, s->key,
	        s->version,
	        sub_ok(&s->head) ? arena_printf(request_arena(request), "%llu",
	                                   (unsigned long long)s->head.length)
	                         : NULL};

	if (!s->noted)
		s3_log_source(request, &source, error);
	s->noted = true;
}

enum step copy_source_find(struct request *request, struct copy_source *s)
{
	enum s3_error error = S3_OK;
	const char *text = NULL;

	if (!s->parsed && (error = parse_source(request, s, &text)))
		return s3_fail_text(request, error, text);
	if (!find_bucket(request, s, &error))
		return STEP_WAIT;
	if (error)
		return is_missing(request, s, error);
	if (!take_version(request, s, &error))
		return STEP_WAIT;
	if (!error) {
		if (!look(request, s))
			return STEP_WAIT;
		error = judge(request, s);
	}
	note(request, s, error);
	if (error == S3_ServiceUnavailable && s->head.parent)
		return s3_fail_sub(request, &s->head);
	return error ? is_missing(request, s, error) : STEP_NEXT;
}
