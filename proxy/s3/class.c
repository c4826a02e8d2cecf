#include "proxy/s3/class.h"

#include "proxy/put.h"
#include "proxy/s3/tags.h"
#include "proxy/s3/upload.h"
#include "proxy/unit/symlink.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

/* --- which there are --- */

static bool is_class(const char *text, size_t len)
{
	return len && len <= S3_CLASS_MAX &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") >= len;
}

/* Of a policy's name; NULL: it cannot be one. */
static const char *class_of(struct arena *arena, const char *policy)
{
	char *name = arena_strdup(arena, policy);

	for (char *p = name; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	return is_class(name, strlen(name)) && strcmp(name, S3_CLASS_STANDARD) != 0 ? name : NULL;
}

static bool policy_named(
        const struct cluster *cluster, const char *name, size_t len, unsigned *ret_policy)
{
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		const struct policy *p = &cluster->policies[i];
		if (p->name && !p->deprecated && strlen(p->name) == len &&
		        strncasecmp(p->name, name, len) == 0) {
			*ret_policy = i;
			return true;
		}
	}
	return false;
}

/* The next "CLASS:policy" of a list. False: there is no more. */
struct alias {
	const char *class, *policy;
	size_t class_len, policy_len;
};

static bool next_alias(const char **at, struct alias *ret)
{
	const char *p = *at + strspn(*at, ", \t");
	size_t len = strcspn(p, ", \t"), name = strcspn(p, ":, \t");

	*at = p + len;
	*ret = (struct alias){p, p + name + 1, name, name < len ? len - name - 1 : 0};
	return len;
}

bool s3_classes_good(const struct cluster *cluster, struct buf *ret_wrong)
{
	const char *at = cluster->units.s3_classes ? cluster->units.s3_classes : "";
	struct alias a;
	unsigned policy;

	while (next_alias(&at, &a)) {
		if (is_class(a.class, a.class_len) &&
		        strncmp(a.class, S3_CLASS_STANDARD ":", a.class_len + 1) != 0 &&
		        policy_named(cluster, a.policy, a.policy_len, &policy))
			continue;
		buf_add(ret_wrong, a.class, (size_t)(at - a.class));
		return false;
	}
	return true;
}

bool s3_class_policy(const struct cluster *cluster, const char *class, unsigned *ret_policy)
{
	const char *at = cluster->units.s3_classes ? cluster->units.s3_classes : "";
	size_t len = strlen(class);
	struct alias a;

	if (!is_class(class, len) || strcmp(class, S3_CLASS_STANDARD) == 0)
		return false;
	while (next_alias(&at, &a)) {
		if (a.class_len == len && strncmp(a.class, class, len) == 0)
			return policy_named(cluster, a.policy, a.policy_len, ret_policy);
	}
	return policy_named(cluster, class, len, ret_policy);
}

const char *s3_class_at(const struct cluster *cluster, struct arena *arena, unsigned index)
{
	const char *at = cluster->units.s3_classes ? cluster->units.s3_classes : "";
	struct alias a;

	while (next_alias(&at, &a)) {
		if (index-- == 0)
			return arena_strndup(arena, a.class, a.class_len);
	}
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		const char *policy = cluster->policies[i].name,
		           *class = policy ? class_of(arena, policy) : NULL;
		if (class && index-- == 0)
			return class;
	}
	return NULL;
}

enum s3_error s3_class_take(struct request *request)
{
	const struct cluster *cluster = request_cluster(request);
	const char *class = http_get(request->http, "x-amz-storage-class"),
	           *name = cluster->policies[request->container_info.info->policy].name,
	           *own = class && name ? class_of(request_arena(request), name) : NULL;
	unsigned policy;

	if (class && (strcmp(class, S3_CLASS_STANDARD) == 0 || (own && strcmp(class, own) == 0)))
		class = NULL;
	if (class && !s3_class_policy(cluster, class, &policy))
		return S3_InvalidStorageClass;
	request->s3->whole.class = class;
	request_set_header(request, S3_CLASS, class);
	return S3_OK;
}

uint64_t s3_written(const struct backend_reply *object)
{
	const char *text = kv_get(object->headers.data, object->headers.len, S3_WRITTEN);
	uint64_t ts;

	return text && ts_parse(text, &ts) ? ts : object->ts;
}

/* --- containers --- */

size_t s3_segments_bucket(const char *container)
{
	const size_t end = strlen(S3_SEGMENTS);
	const char *found = NULL;

	for (const char *p = container; (p = strstr(p, S3_SEGMENTS)); p++) {
		const char *class = p + end + 1;
		if (!p[end] || (p[end] == '+' && is_class(class, strlen(class))))
			found = p;
	}
	return found ? (size_t)(found - container) : 0;
}

bool s3_segments_of(const char *bucket, const char *container)
{
	size_t len = strlen(bucket);

	return s3_segments_bucket(container) == len && strncmp(bucket, container, len) == 0;
}

static bool make(struct request *request, struct s3_segments *s, const char *class, bool *ret_ok)
{
	const struct cluster *cluster = request_cluster(request);
	unsigned policy = request->container_info.info->policy;
	const char *name = upload_segments(request_arena(request), request->s3->bucket, class);

	*ret_ok = false;
	if (!s->sub.parent &&
	        !info_get(&s->info, &request->op, request->proxy, request->account, name))
		return false;
	*ret_ok = !s->info.err && s->info.info->exists;
	if (s->info.err || *ret_ok)
		return true;
	if (!s->sub.parent) {
		if (class && !s3_class_policy(cluster, class, &policy))
			return true;
		sub_init(&s->sub, request, NULL, SUB_AS_SYSTEM, "PUT");
		sub_path(&s->sub, request->account, name, NULL, NULL);
		sub_header(&s->sub, "X-Storage-Policy", cluster->policies[policy].name);
		sub_start(&s->sub);
	}
	*ret_ok = sub_headed(&s->sub) && sub_ok(&s->sub);
	return sub_headed(&s->sub);
}

enum step s3_segments_make(struct request *request, const char *class)
{
	struct s3_segments *s = &request->s3->segments;
	bool ok;

	for (unsigned count = class ? 2 : 1; s->at < count; s->at++) {
		if (!make(request, s, s->at ? class : NULL, &ok))
			return STEP_WAIT;
		if (!ok)
			return s->sub.parent ? s3_fail_sub(request, &s->sub)
			                     : s3_fail(request, S3_ServiceUnavailable);
		info_fetch_done(&s->info);
		s->info = (struct info_fetch){0};
		sub_done(&s->sub);
		s->sub = (struct sub){0};
	}
	return STEP_NEXT;
}

/* --- an object of a class --- */

enum { BEGIN, NOTE, STORE, UNDO, OVER };

void s3_whole_done(struct s3_whole *w)
{
	buf_done(&w->headers);
	info_unref(TAKE(w->info));
	sub_done(&w->sub);
}

void s3_whole_name(struct request *request)
{
	struct arena *arena = request_arena(request);
	struct s3_whole *w = &request->s3->whole;

	w->id = upload_new_id(request);
	w->container = upload_segments(arena, request->s3->bucket, w->class);
	w->object = upload_part(arena, request->s3->key, w->id, 1);
}

/* What is said of the object, and not of its bytes. */
static bool is_of_whole(const char *name)
{
	static const char *const names[] = {
	        "X-Robots-Tag", "X-Delete-At", "X-Delete-After", "If-None-Match", PUT_IF_THERE};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return upload_keeps(name);
}

void s3_whole_divert(struct request *request)
{
	struct s3_whole *w = &request->s3->whole;
	struct http_req *http = request->http;
	unsigned kept = 0;

	s3_whole_name(request);
	for (unsigned i = 0; i < http->header_count; i++) {
		bool moves = is_of_whole(http->headers[i].name);
		if (moves)
			kv_add(&w->headers, http->headers[i].name, http->headers[i].value);
		/* How it is sealed is said of both. */
		if (!moves || strcasecmp(http->headers[i].name, S3_SSE) == 0)
			http->headers[kept++] = http->headers[i];
	}
	http->header_count = kept;
	request_set_header(request, "Content-Type", UPLOAD_PART_TYPE);
	w->info = TAKE(request->container_info.info);
	info_fetch_done(&request->container_info);
	w->diverted = true;
	request->container_info = (struct info_fetch){0};
	request->container = w->container;
	request->object = w->object;
}

static void come_back(struct request *request)
{
	struct s3_whole *w = &request->s3->whole;

	if (!w->diverted)
		return;
	info_fetch_done(&request->container_info);
	request->container_info =
	        (struct info_fetch){.info = TAKE(w->info), .started = true, .done = true};
	w->diverted = false;
	request->container = request->s3->bucket;
	request->object = request->s3->key;
}

static void start_store(struct request *request, const char *etag, uint64_t bytes)
{
	struct arena *arena = request_arena(request);
	struct s3_whole *w = &request->s3->whole;
	const char *sum = http_get(request->http, SUM_HEADER);
	struct manifest m = {.count = 1, .size = bytes};
	char date[ISO_DATE_SIZE];
	struct kv_pair pair;

	iso_date_format(hlc_now(request_cluster(request)->hlc), date);
	struct manifest_segment segment = {
	        .path = arena_printf(arena, "/%s/%s", w->container, w->object),
	        .etag = etag,
	        .type = UPLOAD_PART_TYPE,
	        .modified = date,
	        .bytes = bytes,
	};
	m.segments = &segment;
	upload_whole_begin(request, &w->sub);
	for (size_t at = 0; kv_next(w->headers.data, w->headers.len, &at, &pair);) {
		if (strcasecmp(pair.name, "Content-Type") != 0)
			sub_header(&w->sub, pair.name, pair.value);
	}
	if (sum)
		sub_header(&w->sub, SUM_HEADER, sum);
	s3_sse_sub(request, &w->sub, kv_get(w->headers.data, w->headers.len, S3_SSE));
	upload_whole_send(request, &w->sub,
	        &(struct upload_whole){.manifest = &m,
	                .id = w->id,
	                .etag = etag,
	                .class = w->class,
	                .type = kv_get(w->headers.data, w->headers.len, "Content-Type")});
}

/* Nothing names the segment: it goes. */
static void start_undo(struct request *request)
{
	struct s3_whole *w = &request->s3->whole;

	w->status = w->sub.status;
	sub_done(&w->sub);
	sub_init(&w->sub, request, NULL, SUB_AS_SYSTEM, "DELETE");
	sub_path(&w->sub, request->account, w->container, w->object, NULL);
	sub_start(&w->sub);
}

static enum step stored(struct request *request)
{
	const struct s3_whole *w = &request->s3->whole;
	const char *id = sub_get(&w->sub, "X-Object-Version-Id");

	if (id)
		http_header(request->http, "X-Object-Version-Id", id);
	return STEP_NEXT;
}

enum step s3_whole_store(struct request *request, const char *etag, uint64_t bytes)
{
	struct s3_whole *w = &request->s3->whole;

	if (w->step == BEGIN) {
		come_back(request);
		w->step = NOTE;
	}
	if (w->step == NOTE) {
		if (!s3_versioning(request->container_info.info) &&
		        !s3_parts_note(request, &request->s3->parts, request->s3->bucket,
		                request->s3->key, w->id))
			return STEP_WAIT;
		start_store(request, etag, bytes);
		w->step = STORE;
	}
	if (!sub_headed(&w->sub))
		return STEP_WAIT;
	/* What is not known to have failed may come to light: its segment is left to who sweeps. */
	if (w->step == STORE && w->sub.status >= 500)
		return s3_fail_status(request, w->sub.status, NULL);
	if (w->step == STORE && !sub_ok(&w->sub)) {
		start_undo(request);
		w->step = UNDO;
		return STEP_WAIT;
	}
	if (w->step == UNDO)
		return s3_fail_status(request, w->status, NULL);
	w->step = OVER;
	return stored(request);
}
