#include "proxy/s3/logging.h"

#include "proxy/s3/log_record.h"
#include "proxy/s3/s3.h"

#include "lib/base/kv.h"
#include <string.h>

void s3_log_hold(struct request *request)
{
	struct info *info = request->container_info.info;
	const char *to = info ? info_header(info, S3_LOGGING_TO) : NULL;

	if (!to || !*to || request->trusted || !request->s3->bucket || request->s3->logged)
		return;
	struct s3_log_held *held = arena_zalloc(request_arena(request), sizeof(*held));
	*held = (struct s3_log_held){info, request->account, to};
	info->refs++;
	request->s3->logged = held;
}

/* Of an object that was sent, or has come, as a whole or in part. */
static const char *size_of(struct request *request)
{
	const struct http_req *http = request->http;
	const char *range = kv_get(http->out.data, http->out.len, "Content-Range"),
	           *slash = range ? strrchr(range, '/') : NULL;
	bool puts = strcmp(http->method, "PUT") == 0, gets = strcmp(http->method, "GET") == 0;
	const struct s3_operation *operation = request->s3->operation;

	if (!operation || operation->level != S3_OBJECT || operation->query || operation->header)
		return NULL;
	if (slash)
		return slash + 1;
	if (http->status != 200 || (!puts && !gets))
		return NULL;
	return arena_printf(request_arena(request), "%llu",
	        (unsigned long long)(puts ? http->content_length : http->bytes_out));
}

/* What all records of a request have. */
static struct s3_log_record begun(struct request *request, const struct s3_log_held *held)
{
	const struct s3 *s3 = request->s3;
	const struct env *env = request_cluster(request)->env;

	return (struct s3_log_record){
	        .owner = s3_log_owner(request_arena(request), held->info, held->account),
	        .bucket = s3->bucket,
	        .at_us = env->wall_us(env),
	        .remote = request->http->remote,
	        .requester = s3->caller.id,
	        .id = request->trans_id,
	        .host = http_get(request->http, "Host"),
	        .signature_version = s3->sign.kind == S3_SIGNED_4   ? 4
	                             : s3->sign.kind == S3_SIGNED_2 ? 2
	                                                            : 0,
	        .in_query = s3->sign.in_query && !s3->post,
	};
}

void s3_log_key(struct request *request, const char *key, const char *version, enum s3_error error)
{
	const struct s3_log_held *held = request->s3->logged;

	if (!held)
		return;
	struct s3_log_record record = begun(request, held);
	record.part = "BATCH.DELETE.OBJECT";
	record.is_key = true;
	record.key = key;
	record.version = version;
	record.status = error ? s3_error_status(error) : 204;
	record.error = error ? s3_error_code(error) : NULL;
	s3_log_add(request, held, &record);
}

/* What it looked like, and how long it has taken until now. */
static void add_request(struct request *request, struct s3_log_record *record)
{
	const struct http_req *http = request->http;

	record->took_us = reactor_now_us(request->proxy->reactor) - http->start_us;
	record->at_us -= record->took_us;
	record->method = http->method;
	record->target = http->target;
	record->protocol = http->http_1_0 ? "HTTP/1.0" : "HTTP/1.1";
	record->referer = http_get(http, "Referer");
	record->agent = http_get(http, "User-Agent");
}

void s3_log_source(struct request *request, const struct s3_log_source *source, enum s3_error error)
{
	const char *to = source->info ? info_header(source->info, S3_LOGGING_TO) : NULL;
	const struct s3_log_held held = {source->info, source->account, to};

	if (!to || !*to || request->trusted)
		return;
	struct s3_log_record record = begun(request, &held);
	add_request(request, &record);
	record.part = s3_param(request, "uploadId") ? "REST.COPY.PART_GET" : "REST.COPY.OBJECT_GET";
	record.bucket = source->bucket;
	record.key = source->key;
	record.version = source->version;
	record.size = source->size;
	record.status = error ? s3_error_status(error) : 200;
	record.error = error ? s3_error_code(error) : NULL;
	s3_log_add(request, &held, &record);
}

void s3_log_note(struct request *request)
{
	struct s3 *s3 = request->s3;
	struct http_req *http = request->http;
	struct s3_log_held *held = s3 ? TAKE(s3->logged) : NULL;

	if (!held)
		return;
	struct s3_log_record record = begun(request, held);
	add_request(request, &record);
	record.operation = s3->operation;
	record.is_site = s3->is_site;
	record.key = s3->key;
	record.status = http->status;
	record.error = s3->told ? s3_error_code(s3->told) : NULL;
	record.sent = http->bytes_out;
	record.size = size_of(request);
	record.version = kv_get(http->out.data, http->out.len, "x-amz-version-id");
	record.by_list = s3->access.by_list;
	s3_log_add(request, held, &record);
	info_unref(held->info);
}
