#include "proxy/s3/transition.h"

#include "proxy/errand.h"
#include "proxy/manifest.h"
#include "proxy/pipeline.h"
#include "proxy/put.h"
#include "proxy/s3/event.h"
#include "proxy/s3/upload.h"
#include "proxy/s3/version.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/symlink.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BUCKET, NAME, LOOK, MANIFEST, PLACES, COPY, NOTE, LINK, STORE };

#define AT_ONCE 4
/* Who began to read parts before they were moved has this share of a day to end. */
#define READERS_SHARE 24

struct move {
	struct s3_transition *transition;
	struct sub link, head, sub;     /* what is in the key's place; the version; the rest */
	const char *container, *object; /* of the version */
	uint64_t version;               /* its id; 0: it is in the key's place */
	const char *class, *id, *etag;  /* that it is to have; etag: as S3 tells it */
	const char **sources,
	        **objects;        /* of the segments: in the bucket, or its parts; where to */
	const char *places;       /* the container of these */
	struct manifest manifest; /* owned; of the new segments, once they are copied */
	struct sub copies[AT_ONCE];
	unsigned copied[AT_ONCE], next;
	bool asked, linked, parts;
};

static struct move *move_of(struct request *request)
{
	return request->own;
}

static void move_done(struct request *request)
{
	struct move *m = request->own;

	for (unsigned i = 0; i < AT_ONCE; i++)
		sub_done(&m->copies[i]);
	sub_done(&m->link);
	sub_done(&m->head);
	sub_done(&m->sub);
	manifest_done(&m->manifest);
}

static enum step go(struct request *request, unsigned state)
{
	move_of(request)->asked = false;
	return op_go(&request->op, state);
}

static enum step over(struct request *request, enum s3_transition_outcome outcome)
{
	move_of(request)->transition->outcome = outcome;
	return STEP_DONE;
}

static void ask(struct request *request, struct sub *sub, const char *method, const char *container,
        const char *object, const char *query)
{
	sub_init(sub, request, &unit_object_versioning, SUB_AS_SYSTEM, method);
	sub_path(sub, request->account, container, object, query);
	sub_start(sub);
	move_of(request)->asked = true;
}

/* --- what is there --- */

static void is_version(struct request *request, uint64_t id)
{
	struct move *m = move_of(request);

	m->version = id;
	m->container = versions_container(request_arena(request), request->container);
	m->object = versions_object(request_arena(request), request->object, id);
}

static enum step move_bucket(struct op *op)
{
	struct request *request = request_of(op);
	struct move *m = move_of(request);

	if (!info_get(&request->container_info, op, request->proxy, request->account,
	            request->container))
		return STEP_WAIT;
	if (request->container_info.err)
		return STEP_DONE;
	if (!request->container_info.info->exists)
		return over(request, TRANSITION_LEFT);
	m->container = request->container;
	m->object = request->object;
	if (!m->transition->version)
		return go(request, NAME);
	is_version(request, m->transition->version);
	return go(request, LOOK);
}

/* Does the key lead to a version? Then that is the one. */
static enum step move_name(struct op *op)
{
	struct request *request = request_of(op);
	struct move *m = move_of(request);
	uint64_t id;

	if (!m->asked)
		ask(request, &m->link, "HEAD", m->container, m->object, "symlink=get");
	if (!sub_headed(&m->link))
		return STEP_WAIT;
	if (m->link.status == 404)
		return over(request, TRANSITION_LEFT);
	if (!sub_ok(&m->link))
		return STEP_DONE;
	m->linked = s3_version_linked(request, &m->link, &id);
	if (m->linked)
		is_version(request, id);
	return go(request, LOOK);
}

static bool is_expired(struct request *request, const struct sub *head)
{
	const char *at = sub_get(head, "X-Delete-At");

	return at && strtoull(at, NULL, 10) <= request->ts / TS_PER_SECOND;
}

/* Delete markers have no bytes; links lead to others'; of large objects those can be moved whose
 * parts are nobody else's. */
static bool is_movable(struct request *request, const struct sub *head)
{
	const char *type = sub_get(head, "Content-Type");

	return !sub_get(head, LINK_TARGET) && !sub_get(head, "X-Object-Manifest") &&
	       !(type && strcmp(type, VERSIONS_MARKER) == 0) && !is_expired(request, head) &&
	       (!sub_get(head, "X-Static-Large-Object") || sub_get(head, UPLOAD_ID_HEADER));
}

static const char *bare(struct arena *arena, const char *etag)
{
	size_t len = etag ? strlen(etag) : 0;

	return len > 1 && *etag == '"' ? arena_strndup(arena, etag + 1, len - 2)
	                               : arena_strdup(arena, etag ? etag : "");
}

static void make_room(struct request *request, struct move *m, unsigned count)
{
	struct arena *arena = request_arena(request);

	m->id = upload_new_id(request);
	m->places = upload_segments(arena, request->s3->bucket, m->class);
	m->sources = arena_alloc(arena, (count + 1) * sizeof(*m->sources));
	m->objects = arena_alloc(arena, (count + 1) * sizeof(*m->objects));
}

static void set_segment(struct request *request, struct move *m, unsigned i, unsigned number)
{
	struct arena *arena = request_arena(request);

	m->objects[i] = upload_part(arena, request->s3->key, m->id, number);
	m->manifest.segments[i].path = arena_printf(arena, "/%s/%s", m->places, m->objects[i]);
}

/* What was written as one is one segment. */
static enum step one_segment(struct request *request, struct move *m)
{
	char date[ISO_DATE_SIZE];

	make_room(request, m, 1);
	arena_init(&m->manifest.arena);
	m->manifest.segments = arena_zalloc(&m->manifest.arena, sizeof(*m->manifest.segments));
	m->manifest.count = 1;
	m->manifest.size = m->head.length;
	iso_date_format(request->ts, date);
	m->manifest.segments[0] = (struct manifest_segment){.etag = m->etag,
	        .type = UPLOAD_PART_TYPE,
	        .modified = arena_strdup(&m->manifest.arena, date),
	        .bytes = m->head.length};
	m->sources[0] = NULL;
	set_segment(request, m, 0, 1);
	return go(request, PLACES);
}

static enum step move_look(struct op *op)
{
	struct request *request = request_of(op);
	struct arena *arena = request_arena(request);
	struct move *m = move_of(request);

	if (!m->asked)
		ask(request, &m->head, "HEAD", m->container, m->object, "symlink=get");
	if (!sub_headed(&m->head))
		return STEP_WAIT;
	if (m->head.status == 404)
		return over(request, TRANSITION_LEFT);
	if (!sub_ok(&m->head))
		return STEP_DONE;
	m->class = is_movable(request, &m->head) ? m->transition->wanted(m->transition, &m->head)
	                                         : NULL;
	if (!m->class)
		return over(request, TRANSITION_LEFT);
	m->parts = sub_get(&m->head, "X-Static-Large-Object");
	m->etag = bare(arena, sub_get(&m->head, m->parts ? S3_ETAG : "Etag"));
	return m->parts ? go(request, MANIFEST) : one_segment(request, m);
}

/* The number of a part by its name, which ends in one. */
static unsigned number_of(const char *object)
{
	const char *slash = strrchr(object, '/');

	return slash ? upload_part_number(slash + 1) : 0;
}

static bool take_manifest(struct request *request, struct move *m)
{
	make_room(request, m, m->manifest.count);
	for (unsigned i = 0; i < m->manifest.count; i++) {
		const struct manifest_segment *s = &m->manifest.segments[i];
		unsigned number = s->path && !s->is_slo && !s->has_range &&
		                                  s3_segments_of(request->s3->bucket, s->container)
		                          ? number_of(s->object)
		                          : 0;
		if (!number)
			return false;
		m->sources[i] = request_quoted(request, s->container, s->object);
		set_segment(request, m, i, number);
	}
	return *m->etag && m->manifest.count;
}

static enum step move_manifest(struct op *op)
{
	struct request *request = request_of(op);
	struct move *m = move_of(request);
	const char *was = sub_get(&m->head, "X-Timestamp"), *is;

	if (!m->asked)
		ask(request, &m->sub, "GET", m->container, m->object,
		        "symlink=get&multipart-manifest=get");
	if (!sub_collect(&m->sub, MANIFEST_BYTES_MAX))
		return STEP_WAIT;
	is = sub_get(&m->sub, "X-Timestamp");
	if (m->sub.status == 404 || (sub_ok(&m->sub) && (!is || !was || strcmp(is, was) != 0)))
		return over(request, TRANSITION_LEFT);
	if (!sub_ok(&m->sub) || m->sub.failed ||
	        manifest_read(&m->manifest, buf_text(&m->sub.text), m->sub.text.len))
		return STEP_DONE;
	sub_done(&m->sub);
	return take_manifest(request, m) ? go(request, PLACES) : over(request, TRANSITION_LEFT);
}

/* --- its bytes --- */

static enum step move_places(struct op *op)
{
	struct request *request = request_of(op);
	enum step step = s3_segments_make(request, move_of(request)->class);

	return step == STEP_NEXT ? go(request, COPY) : step;
}

/* Sealed as they are; what only a client's key opens goes on as it is. */
static void start_copy(struct request *request, struct move *m, struct sub *sub, unsigned i)
{
	struct manifest_segment *s = &m->manifest.segments[i];
	const char *sse = sub_get(&m->head, S3_SSE), *seal = s3_sse_seal(request, sse),
	           *query = "multipart-manifest=get";

	if (!m->sources[i] && m->version)
		query = arena_printf(request_arena(request), "%s&version-id=%s", query,
		        s3_version_text(request, m->version));
	sub_init(sub, request, &unit_object_versioning, SUB_AS_SYSTEM, "PUT");
	sub_path(sub, request->account, m->places, m->objects[i], query);
	sub_header(sub, "X-Copy-From",
	        m->sources[i] ? m->sources[i]
	                      : request_quoted(request, request->container, request->object));
	sub_header(sub, "X-Fresh-Metadata", "true");
	sub_header(sub, "If-Match", s->etag);
	sub_header(sub, "Content-Type", s->type ? s->type : UPLOAD_PART_TYPE);
	if (sse)
		sub_header(sub, S3_SSE, sse);
	if (seal)
		sub_header(sub, SEAL_WITH, seal);
	sub_start(sub);
}

/* False: it failed, or what was to be copied is another by now. */
static bool take_copy(struct request *request, struct move *m, unsigned slot)
{
	struct sub *sub = &m->copies[slot];
	const char *etag = sub_get(sub, "Etag");
	bool ok = sub_ok(sub) && etag;

	if (ok)
		m->manifest.segments[m->copied[slot]].etag = bare(request_arena(request), etag);
	else if (sub->status / 100 == 4)
		m->transition->outcome = TRANSITION_LEFT;
	sub_done(sub);
	return ok;
}

static enum step move_copy(struct op *op)
{
	struct request *request = request_of(op);
	struct move *m = move_of(request);
	bool open = false;

	for (unsigned i = 0; i < AT_ONCE; i++) {
		struct sub *sub = &m->copies[i];
		if (sub->parent && sub_headed(sub) && !take_copy(request, m, i))
			return STEP_DONE;
		if (!sub->parent && m->next < m->manifest.count) {
			m->copied[i] = m->next++;
			start_copy(request, m, sub, m->copied[i]);
		}
		open |= sub->parent != NULL;
	}
	return open ? STEP_WAIT : go(request, NOTE);
}

/* --- the object --- */

static enum step move_note(struct op *op)
{
	struct request *request = request_of(op);
	struct move *m = move_of(request);
	uint64_t took = hlc_now(request_cluster(request)->hlc) - request->ts,
	         day = m->transition->day_s * TS_PER_SECOND;

	if (took > day / 4 * 3)
		return STEP_DONE;
	request->s3->parts.after_s = (unsigned)(m->transition->day_s / READERS_SHARE);
	/* Who writes the key meanwhile may keep what is there as a version: then it is for the
	 * sweep to see that nothing needs its parts. */
	bool keeps = !m->version && s3_versioning(request->container_info.info);
	if (m->parts && !keeps &&
	        !s3_parts_note(request, &request->s3->parts, m->container, m->object, NULL))
		return STEP_WAIT;
	return go(request, m->linked ? LINK : STORE);
}

static struct upload_whole whole_of(const struct move *m, const struct sub *head)
{
	const char *written = sub_get(head, S3_WRITTEN);

	return (struct upload_whole){.manifest = &m->manifest,
	        .id = m->id,
	        .etag = m->etag,
	        .class = m->class,
	        .written = written ? written : sub_get(head, GET_WRITTEN),
	        .type = sub_get(head, "Content-Type")};
}

/* What is said of it anew, or was so of how its bytes are put together. */
static bool is_replaced(const char *name)
{
	static const char *const names[] = {"X-Object-Sysmeta-Slo-Etag",
	        "X-Object-Sysmeta-Slo-Size", S3_ETAG, S3_CLASS, S3_WRITTEN, UPLOAD_ID_HEADER,
	        SEAL_HEADER, LINK_ETAG};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return has_prefix(name, "X-Object-Sysmeta-Container-Update-");
}

static bool is_kept(const char *name)
{
	static const char *const names[] = {"Content-Disposition", "Content-Encoding",
	        "Content-Language", "Cache-Control", "Expires", "X-Robots-Tag", "X-Delete-At"};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return (has_prefix(name, "X-Object-Meta-") || has_prefix(name, "X-Object-Sysmeta-") ||
	               has_prefix(name, "X-Object-Transient-Sysmeta-")) &&
	       !is_replaced(name);
}

/* A PUT in place of what was looked at, with all that stays. */
static void begin_put(
        struct request *request, const char *container, const char *object, const struct sub *head)
{
	struct move *m = move_of(request);
	struct kv_pair pair;

	m->asked = true;
	sub_done(&m->sub);
	sub_init(&m->sub, request, &unit_object_versioning, SUB_AS_SYSTEM, "PUT");
	sub_path(&m->sub, request->account, container, object, NULL);
	for (size_t at = 0; kv_next(head->headers.data, head->headers.len, &at, &pair);) {
		if (is_kept(pair.name))
			sub_header(&m->sub, pair.name, pair.value);
	}
	sub_header(&m->sub, PUT_IF_THERE, sub_get(head, "X-Timestamp"));
	sub_header(&m->sub, S3_CLASS, m->class);
	s3_sse_sub(request, &m->sub, sub_get(head, S3_SSE));
}

/* What the bucket's listing tells of the version. First: a walk that ends here begins it again. */
static void start_link(struct request *request, struct move *m)
{
	struct arena *arena = request_arena(request);
	struct upload_whole whole = whole_of(m, &m->link);
	char md5[33];
	const char *params = upload_whole_params(arena, &whole, md5);

	begin_put(request, request->container, request->object, &m->link);
	sub_header(&m->sub, LINK_ETAG, md5);
	sub_header(&m->sub, S3_WRITTEN, whole.written);
	sub_header(&m->sub, ROW_ETAG, arena_printf(arena, EMPTY_MD5 "%s", params));
	sub_header(&m->sub, "Content-Type", whole.type);
	sub_start(&m->sub);
}

static enum step move_link(struct op *op)
{
	struct request *request = request_of(op);
	struct move *m = move_of(request);

	if (!m->asked)
		start_link(request, m);
	if (!sub_headed(&m->sub))
		return STEP_WAIT;
	if (m->sub.status == 412)
		return over(request, TRANSITION_LEFT);
	return sub_ok(&m->sub) ? go(request, STORE) : STEP_DONE;
}

/* Of what is not stored the segments stay until they are swept: a write whose end is not known may
 * still come to light. */
static enum step move_store(struct op *op)
{
	struct request *request = request_of(op);
	struct move *m = move_of(request);

	if (!m->asked) {
		struct upload_whole whole = whole_of(m, &m->head);
		begin_put(request, m->container, m->object, &m->head);
		sub_header(&m->sub, S3_EVENT_MOVED,
		        m->version ? s3_version_text(request, m->version) : "");
		upload_whole_send(request, &m->sub, &whole);
	}
	if (!sub_headed(&m->sub))
		return STEP_WAIT;
	if (sub_ok(&m->sub))
		return over(request, TRANSITION_MADE);
	return m->sub.status == 412 ? over(request, TRANSITION_LEFT) : STEP_DONE;
}

static const struct op_state states[] = {
        [BUCKET] = {"bucket", move_bucket, TO(NAME) | TO(LOOK), 0},
        [NAME] = {"name", move_name, TO(LOOK), 0},
        [LOOK] = {"look", move_look, TO(MANIFEST) | TO(PLACES), 0},
        [MANIFEST] = {"manifest", move_manifest, TO(PLACES), 0},
        [PLACES] = {"places", move_places, TO(COPY), 0},
        [COPY] = {"copy", move_copy, TO(NOTE), 0},
        [NOTE] = {"note", move_note, TO(LINK) | TO(STORE), 0},
        [LINK] = {"link", move_link, TO(STORE), 0},
        [STORE] = {"store", move_store, 0, 0},
};
static const struct method transition = {.name = "s3-transition", .states = states};

static void on_over(void *owner, int status)
{
	struct s3_transition *t = owner;

	(void)status;
	t->done(t);
}

void s3_transition_start(struct s3_transition *t)
{
	struct request *request = errand_new(t->proxy, t->account, t->bucket, t->key);
	struct move *m = arena_zalloc(request_arena(request), sizeof(*m));

	m->transition = t;
	t->outcome = TRANSITION_FAILED;
	request->own = m;
	request->own_done = move_done;
	errand_start(request, &transition, on_over, t);
}
