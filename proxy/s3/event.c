#include "proxy/s3/event.h"

#include "proxy/pipeline.h"
#include "proxy/rows.h"
#include "proxy/s3/logging.h"
#include "proxy/s3/notification.h"
#include "proxy/s3/s3.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/base/mem.h"
#include "lib/json/jout.h"
#include <stdlib.h>
#include <string.h>

/* --- which object, as clients know it --- */

struct subject {
	const struct info *info; /* of the bucket */
	const char *bucket, *key;
	const char *version; /* or NULL */
	bool marker;         /* that is a delete marker */
	bool moved;          /* to another storage class */
};

static struct request *root_of(struct request *request)
{
	while (request->parent)
		request = request->parent;
	return request;
}

/* A version of the bucket's, by the name under which it is kept. */
static bool find_kept(struct request *request, struct subject *s)
{
	const struct request *root = root_of(request);
	struct arena *arena = request_arena(request);
	AUTO(buf) struct buf key = BUF_NONE;
	uint64_t id;

	if (!root->s3 || !root->container || !root->container_info.info ||
	        strcmp(s->bucket, versions_container(arena, root->container)) != 0 ||
	        !versions_parse(s->key, &key, &id))
		return false;
	s->info = root->container_info.info;
	s->bucket = root->container;
	s->key = arena_strdup(arena, buf_text(&key));
	s->version = s3_version_text(request, id);
	return true;
}

/* What is moved to another storage class, wherever that is kept. */
static bool find_moved(struct request *request, struct subject *s)
{
	const struct request *root = root_of(request);
	const char *version = request->trusted ? http_get(request->http, S3_EVENT_MOVED) : NULL;

	if (!version || !root->container_info.info)
		return false;
	*s = (struct subject){.info = root->container_info.info,
	        .bucket = root->container,
	        .key = root->object,
	        .version = *version ? version : NULL,
	        .moved = true};
	return true;
}

/* False: it is no object of clients, but behind one. */
static bool find_subject(struct request *request, enum s3_event_write write, struct subject *s)
{
	const struct versions *v = request->versions;
	const char *marker = request->trusted ? http_get(request->http, S3_EVENT_MARKER) : NULL;

	if (find_moved(request, s))
		return true;
	if (v && v->swapped) {
		s->info = versions_named(request);
		s->bucket = v->container;
		s->key = v->object;
		s->version = s3_version_text(request, v->id);
		return true;
	}
	if (reserved_name(s->bucket))
		return write == S3_EVENT_POST && find_kept(request, s);
	/* Links to versions, and copies of what was there before. */
	if (request->parent && request->first_unit >= pipeline_behind(&unit_object_versioning))
		return false;
	if (write == S3_EVENT_DELETE && v && v->made)
		marker = s3_version_text(request, v->id);
	s->marker = marker;
	s->version = marker;
	return true;
}

/* --- what has happened --- */

static const char *put_name(const struct request *request, const struct request *root)
{
	static const char *const names[][2] = {{"CopyObject", "ObjectCreated:Copy"},
	        {"PostObject", "ObjectCreated:Post"},
	        {"CompleteMultipartUpload", "ObjectCreated:CompleteMultipartUpload"},
	        {"PutObject", "ObjectCreated:Put"}};
	const struct s3_operation *operation = root->s3 ? root->s3->operation : NULL;

	if (query_get(&request->query, "version-id"))
		return NULL; /* an older version takes the place of one that goes */
	for (unsigned i = 0; operation && i < COUNT_OF(names); i++) {
		if (strcmp(operation->name, names[i][0]) == 0)
			return names[i][1];
	}
	if (operation)
		return NULL;
	const char *method = root->http->method;
	if (strcmp(method, "COPY") == 0 || http_get(root->http, "X-Copy-From"))
		return "ObjectCreated:Copy";
	return strcmp(method, "POST") == 0     ? "ObjectCreated:Post"
	       : strcmp(method, "DELETE") == 0 ? NULL
	                                       : "ObjectCreated:Put";
}

static const char *delete_name(const struct request *root, bool marker)
{
	const struct s3 *s3 = root->s3;

	if (s3 && !s3->operation)
		return marker ? "LifecycleExpiration:DeleteMarkerCreated"
		              : "LifecycleExpiration:Delete";
	if (s3 && strncmp(s3->operation->name, "DeleteObject", strlen("DeleteObject")) != 0)
		return NULL;
	return marker ? "ObjectRemoved:DeleteMarkerCreated" : "ObjectRemoved:Delete";
}

static const char *post_name(const struct request *root)
{
	static const char *const names[][2] = {{"PutObjectTagging", "ObjectTagging:Put"},
	        {"DeleteObjectTagging", "ObjectTagging:Delete"}, {"PutObjectAcl", "ObjectAcl:Put"}};
	const struct s3_operation *operation = root->s3 ? root->s3->operation : NULL;

	for (unsigned i = 0; operation && i < COUNT_OF(names); i++) {
		if (strcmp(operation->name, names[i][0]) == 0)
			return names[i][1];
	}
	return NULL;
}

static const char *name_of(const struct request *request, const struct request *root,
        enum s3_event_write write, const struct subject *s)
{
	switch (write) {
	case S3_EVENT_PUT:
		return s->moved ? "LifecycleTransition" : put_name(request, root);
	case S3_EVENT_POST:
		return post_name(root);
	default:
		return delete_name(root, s->marker);
	}
}

/* --- the row --- */

/* NULL: we ourselves, by a rule of the bucket's. */
static const char *user_of(const struct request *root)
{
	const char *user = root->s3 ? root->s3->caller.id : root->identity.user;

	if (root->s3 && !root->s3->operation)
		return NULL;
	return user ? user : "Anonymous";
}

/* Rows are delivered in the order of their names. */
static char *row_name(struct request *request, const struct event_target *target)
{
	const struct cluster *cluster = request_cluster(request);
	uint64_t unique;

	cluster->env->random(cluster->env, &unique, sizeof(unique));
	return arena_printf(request_arena(request), "%s/%016llx-%016llx", target->name,
	        (unsigned long long)hlc_now(cluster->hlc), (unsigned long long)unique);
}

static void add_known(struct jout *j, const char *name, const char *text)
{
	if (text && *text)
		jout_text(j, name, text);
}

static const char *note_of(struct request *request, const struct subject *s, const char *event,
        const struct notification_rule *rule, const char *container)
{
	const struct request *root = root_of(request);
	struct arena *arena = request_arena(request);
	AUTO(buf) struct buf text = BUF_NONE;
	struct jout j = {.out = &text};

	jout_object(&j, NULL);
	jout_text(&j, "event", event);
	jout_text(&j, "bucket", s->bucket);
	jout_text(&j, "key", s->key);
	add_known(&j, "version", s->version);
	add_known(&j, "rule", rule->id);
	add_known(&j, "owner", s3_log_owner(arena, s->info, request->account));
	add_known(&j, "user", user_of(root));
	add_known(&j, "address", root->http->remote);
	add_known(&j, "request", root->trans_id);
	jout_text(&j, "of", request_quoted(request, request->account, container));
	jout_end_object(&j);
	return arena_strdup(arena, buf_text(&text));
}

const struct s3_event *s3_event_of(struct request *request, enum s3_event_write write,
        const struct info *bucket, const char *container, const char *object)
{
	const struct event_targets *targets = request_cluster(request)->events;
	struct subject s = {.info = bucket, .bucket = container, .key = object};
	struct arena *arena = request_arena(request);
	struct notification n;

	if (!targets || !targets->count || !find_subject(request, write, &s))
		return NULL;
	const char *kept = info_header(s.info, S3_NOTIFICATION);
	if (!kept || !*kept || !notification_parse(kept, arena, &n))
		return NULL;
	const char *name = name_of(request, root_of(request), write, &s);
	const struct notification_rule *rule = name ? notification_find(&n, name, s.key) : NULL;
	const struct event_target *target = rule ? event_target_find(targets, rule->arn) : NULL;
	if (!target)
		return NULL;
	struct s3_event *event = arena_alloc(arena, sizeof(*event));
	event->name = row_name(request, target);
	event->note = note_of(request, &s, name, rule, container);
	return event;
}

/* --- s3:TestEvent --- */

#define TEST_TRIES 10
#define TEST_US    1000000

struct test {
	struct row_put put;
	struct proxy *proxy;
	struct timer timer;
	unsigned tries;
	char *name, *note; /* owned */
	uint64_t ts;
};

static void on_put(struct row_put *put);

static void send_test(struct timer *timer)
{
	struct test *test = CONTAINER_OF(timer, struct test, timer);

	test->put = (struct row_put){
	        .row = {.name = test->name, .content_type = test->note, .etag = "", .ts = test->ts},
	        .done = on_put,
	};
	rows_put(test->proxy, EVENTS_ACCOUNT, EVENTS_CONTAINER, &test->put);
}

/* A cloud that has just started may have no such container yet. */
static void on_put(struct row_put *put)
{
	struct test *test = CONTAINER_OF(put, struct test, put);

	if (put->err && ++test->tries < TEST_TRIES) {
		timer_set(test->proxy->reactor, &test->timer, TEST_US);
		return;
	}
	free(test->name);
	free(test->note);
	free(test);
}

static void put_test(struct request *request, const struct event_target *target)
{
	struct test *test = mem_zalloc(sizeof(*test));
	AUTO(buf) struct buf text = BUF_NONE;
	struct jout j = {.out = &text};

	jout_object(&j, NULL);
	jout_text(&j, "event", "s3:TestEvent");
	jout_text(&j, "bucket", request->container);
	jout_text(&j, "request", request->trans_id);
	jout_end_object(&j);
	test->name = mem_strdup(row_name(request, target));
	test->note = buf_take(&text);
	test->proxy = request->proxy;
	test->timer.fire = send_test;
	test->ts = hlc_now(request_cluster(request)->hlc);
	send_test(&test->timer);
}

void s3_event_test(struct request *request, const struct notification *n)
{
	const struct event_targets *targets = request_cluster(request)->events;

	for (unsigned i = 0; targets && i < n->count; i++) {
		const struct event_target *target = event_target_find(targets, n->rules[i].arn);
		bool again = false;
		for (unsigned k = 0; k < i; k++)
			again |= event_target_find(targets, n->rules[k].arn) == target;
		if (target && !again)
			put_test(request, target);
	}
}
