#include "proxy/s3/s3.h"
#include "proxy/pipeline.h"
#include "proxy/s3/access.h"
#include "proxy/s3/logging.h"
#include "proxy/unit/host.h"

#include "lib/http/guard.h"

#include <string.h>

/* --- which requests --- */

/* Paths that Swift's API has taken: unsigned requests to these are none of S3's. */
static bool is_swifts(const char *path)
{
	static const char *const first[] = {"v1", "v1.0", "auth", "info", "healthcheck",
	        "crossdomain.xml", "metrics", "recon", "endpoints", "audit", "dispersion"};
	const char *start = path + (*path == '/');
	size_t len = strcspn(start, "/");

	for (unsigned i = 0; i < COUNT_OF(first); i++) {
		if (strlen(first[i]) == len && strncmp(start, first[i], len) == 0)
			return true;
	}
	return false;
}

/* "bucket" of "bucket.s3.example.org:8080", when that is one of the domains; else NULL. */
static const char *bucket_of_host(struct request *request, const char *domains)
{
	struct arena *arena = request_arena(request);
	const char *host = http_get(request->http, "Host");

	if (!domains || !*domains || !host)
		return NULL;
	size_t len = strcspn(host, ":");
	for (const char *p = domains; *p;) {
		p += strspn(p, ", .");
		size_t n = strcspn(p, ", ");
		if (n && len > n + 1 && host[len - n - 1] == '.' &&
		        strncasecmp(host + len - n, p, n) == 0)
			return arena_strndup(arena, host, len - n - 1);
		p += n;
	}
	return NULL;
}

/* As in Swift's s3api. */
static bool is_for_both(const char *name)
{
	static const char *const names[] = {
	        "X-Forwarded-For", "X-Robots-Tag", "X-Delete-At", "X-Delete-After"};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* What is Swift's to say, or ours to ourselves, an S3 client cannot. */
static void drop_others(struct http_req *http)
{
	unsigned kept = 0;

	guard_drop_odd(http);
	for (unsigned i = 0; i < http->header_count; i++) {
		const char *name = http->headers[i].name;
		bool x = (*name == 'X' || *name == 'x') && (name[1] == '-' || name[1] == '_');
		if (!x || has_prefix(name, "x-amz-") || is_for_both(name))
			http->headers[kept++] = http->headers[i];
	}
	http->header_count = kept;
}

static enum step login(struct request *request)
{
	struct s3 *s3 = request->s3;
	enum s3_error error;
	const char *text = NULL;

	if (request->identified)
		return STEP_NEXT;
	if (!s3_login(request, &error, &text))
		return STEP_WAIT;
	if (!error)
		error = s3_payload_begin(request, &text);
	if (error)
		return s3_fail_text(request, error, text);
	unit_gatekeeper.enter(request);
	drop_others(request->http);
	request->identified = true;
	request->account = s3->caller.account;
	return STEP_NEXT;
}

static const struct op_state refuse_states[];
static const struct method refuse = {.name = "s3-refuse", .states = refuse_states};

static const struct method *refused(struct s3 *s3, enum s3_error error, const char *text)
{
	s3->error = error;
	s3->error_text = text;
	return &refuse;
}

/* Who is not let in is not told what there is. */
static enum step refuse_state(struct op *op)
{
	struct request *request = request_of(op);
	struct s3 *s3 = request->s3;
	enum step step;

	if (request->http->gone)
		return STEP_DONE;
	if (s3->error != S3_ServiceUnavailable && (step = login(request)) != STEP_NEXT)
		return step;
	return s3_fail_text(request, s3->error, s3->error_text);
}

static const struct op_state refuse_states[] = {{"refuse", refuse_state, 0, 0}};

/* "/bucket/key", or "/key" below a host that is a bucket's. False: no names of ours. */
static bool split(struct request *request, struct s3 *s3)
{
	struct arena *arena = request_arena(request);
	const char *sent = request->path + 1;
	size_t len;
	char *path = url_unquote(arena, sent, strlen(sent), &len);

	if (strlen(path) != len || !utf8_valid(path, len))
		return false;
	s3->bucket = s3->host_bucket;
	if (!s3->bucket) {
		size_t n = strcspn(path, "/");
		s3->bucket = n ? arena_strndup(arena, path, n) : NULL;
		path += n + (path[n] == '/');
	}
	s3->key = s3->bucket && *path ? path : NULL;
	return s3->bucket || !*path;
}

static void released(struct request_end *end)
{
	struct s3 *s3 = CONTAINER_OF(end, struct s3, end);

	sub_done(&s3->look);
	if (s3->rights)
		s3_rights_done(s3->rights);
	jread_done(&s3->policy);
	if (s3->access.naming.asked)
		arena_done(&s3->access.naming.ask.arena);
	sub_done(&s3->null.sub);
	s3_condition_done(&s3->condition);
	s3_payload_done(&s3->payload);
	s3_sum_done(&s3->sum);
	s3_parts_done(&s3->parts);
	s3_part_done(s3);
	info_fetch_done(&s3->segments.info);
	sub_done(&s3->segments.sub);
	s3_whole_done(&s3->whole);
	if (s3->post)
		s3_post_done(s3->post);
	if (s3->site)
		s3_site_done(s3->site);
}

/* Parameters that say to Swift's methods what S3 has no words for, or others. */
static void drop_params(struct query *query)
{
	static const char *const names[] = {"multipart-manifest", "symlink", "version-id",
	        "extract-archive", "bulk-delete", "heartbeat"};

	for (unsigned i = 0; i < query->count; i++) {
		for (unsigned n = 0; n < COUNT_OF(names); n++) {
			if (strcmp(query->pairs[i].name, names[n]) == 0)
				query->pairs[i].name = "";
		}
	}
}

static const struct method *choose(struct request *request, struct s3 *s3)
{
	if (!atomic_load_explicit(request_cluster(request)->joined, memory_order_relaxed))
		return refused(s3, S3_ServiceUnavailable, NULL);
	if (!split(request, s3))
		return refused(s3, S3_InvalidURI, NULL);
	if (s3->key && strlen(s3->key) > request_cluster(request)->limits.max_object_name)
		return refused(s3, S3_KeyTooLongError, NULL);
	if (s3->is_site) {
		const struct method *method = s3_site_route(request);
		return method ? method : refused(s3, S3_MethodNotAllowed, NULL);
	}
	s3->operation = s3_operation_find(request->http, &request->query,
	        s3->key      ? S3_OBJECT
	        : s3->bucket ? S3_BUCKET
	                     : S3_SERVICE);
	if (!s3->operation)
		return refused(s3, S3_MethodNotAllowed, NULL);
	if (!s3->operation->method)
		return refused(s3, S3_NotImplemented, NULL);
	drop_params(&request->query);
	request->container = s3->bucket;
	request->object = s3->key;
	return s3->operation->method;
}

struct s3 *s3_begin(struct request *request)
{
	struct s3 *s3 = request->s3 = arena_zalloc(request_arena(request), sizeof(*s3));

	s3->end.run = released;
	request_at_end(request, &s3->end);
	return s3;
}

const struct method *s3_route(struct request *request)
{
	const struct unit_options *units = &request_cluster(request)->units;
	const char *host_bucket, *site;

	if (!units->s3 || !request_cluster(request)->serves)
		return NULL;
	site = bucket_of_host(request, units->s3_website_domains);
	host_bucket = site ? site : bucket_of_host(request, units->s3_domains);
	if (!host_bucket && !s3_sign_present(request->http) &&
	        (is_swifts(request->path) || http_get(request->http, "X-Auth-Token") ||
	                host_stands(request)))
		return NULL;
	struct s3 *s3 = s3_begin(request);
	s3->host_bucket = host_bucket;
	s3->is_site = site;
	return choose(request, s3);
}

bool s3_is_part(const struct request *request, const char *account, const char *container)
{
	const char *bucket = request->s3 ? request->s3->bucket : NULL;

	return bucket && request->authorized && strcmp(account, request->account) == 0 &&
	       s3_segments_of(bucket, container);
}

/* --- state 0 --- */

enum step s3_prepare(struct op *op)
{
	struct request *request = request_of(op);
	struct s3 *s3 = request->s3;
	enum s3_error error;
	const char *text = NULL;
	bool wait = false;
	enum step step;

	if (request->http->gone)
		return STEP_DONE;
	if ((step = login(request)) != STEP_NEXT)
		return step;
	if (s3->bucket && !s3_bucket_find(request))
		return STEP_WAIT;
	s3_log_hold(request);
	if (s3->error)
		return s3_fail(request, s3->error);
	error = s3_may(request, &wait);
	if (wait)
		return STEP_WAIT;
	if (!error)
		error = s3_acl_take(request, &text, &wait);
	if (wait)
		return STEP_WAIT;
	if (error)
		return s3_fail_text(request, error, text);
	request->authorized = true;
	return op_go(op, 1);
}

enum step s3_pass(struct request *request, const struct method *method)
{
	/* Behind what only Swift's requests have: tokens, temporary URLs, forms. */
	if (!request->s3->prepared)
		request->first_unit = request->entered = request->passed =
		        (uint8_t)pipeline_behind(&unit_formpost);
	request->s3->prepared = true;
	return request_become(request, method);
}

/* Requests come to it before the pipeline (s3_route). As Swift's s3api tells of itself. */
static bool tell(const struct cluster *cluster, struct buf *out)
{
	buf_str(out, "\"max_bucket_listing\": 1000, \"max_parts_listing\": 1000, "
	             "\"max_upload_part_num\": 10000, \"max_multi_delete_objects\": 1000, "
	             "\"allow_multipart_uploads\": true, \"min_segment_size\": 5242880, "
	             "\"s3_acl\": true");
	return cluster->units.s3;
}

const struct unit unit_s3api = {.name = "s3api", .info = tell};
