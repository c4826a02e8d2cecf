#include "proxy/s3/parts.h"

#include "proxy/commit.h"
#include "proxy/s3/upload.h"
#include "proxy/unit/legacy_versions.h"
#include "proxy/unit/versions.h"

#include <string.h>

enum { BEGIN, LOOK, READ, NOTE, OVER };

void s3_parts_done(struct s3_parts *p)
{
	sub_done(&p->sub);
	info_fetch_done(&p->info);
	manifest_done(&p->manifest);
	*p = (struct s3_parts){0};
}

static void ask(struct s3_parts *p, const char *method)
{
	sub_done(&p->sub);
	sub_init(&p->sub, p->request, NULL, SUB_AS_SYSTEM, method);
	sub_path(&p->sub, p->request->account, p->container, p->object,
	        "symlink=get&multipart-manifest=get");
	sub_start(&p->sub);
}

/* A bucket without a container for parts has no such object: that is known without asking. */
static int begin(struct s3_parts *p)
{
	const char *bucket = p->request->s3->bucket,
	           *segments = upload_segments(request_arena(p->request), bucket, NULL);
	const struct info *named = versions_named(p->request);

	/* Older ways of keeping versions move it elsewhere, with its parts. */
	if (named && strcmp(p->container, bucket) == 0 && legacy_versions_location(named))
		return OVER;
	p->info.lacks = true; /* else each PutObject asks for it */
	if (!info_get(&p->info, &p->request->op, p->request->proxy, p->request->account, segments))
		return BEGIN;
	if (p->info.err || !p->info.info->exists)
		return OVER;
	ask(p, "HEAD");
	return LOOK;
}

static int look(struct s3_parts *p, const char *except)
{
	struct arena *arena = request_arena(p->request);

	if (!sub_headed(&p->sub))
		return LOOK;
	const char *id = sub_ok(&p->sub) ? sub_get(&p->sub, UPLOAD_ID_HEADER) : NULL;
	if (!id || (except && strcmp(id, except) == 0) ||
	        !sub_get(&p->sub, "X-Static-Large-Object"))
		return OVER;
	p->prefix = arena_printf(
	        arena, "/%s/", arena_strdup(arena, id)); /* in the names of its parts */
	ask(p, "GET");
	return READ;
}

static void on_row(struct row_put *put)
{
	struct s3_parts *p = put->owner;

	p->open--;
	op_child_end(&p->request->op);
}

static void note(struct s3_parts *p, struct row_put *put, const char *container, const char *object,
        uint64_t ts)
{
	*put = (struct row_put){
	        .row = {.name = arena_printf(request_arena(p->request), "%010llu-%s/%s/%s",
	                        (unsigned long long)(ts / TS_PER_SECOND + p->after_s),
	                        p->request->account, container, object),
	                .content_type = p->type,
	                .etag = "",
	                .ts = ts},
	        .done = on_row,
	        .owner = p,
	        .awaits = !p->request->proxy->backend->plain,
	};
	p->open++;
	op_child_begin(&p->request->op);
	rows_put(p->request->proxy, EXPIRY_ACCOUNT, EXPIRY_CONTAINER, put);
}

static int read_manifest(struct s3_parts *p)
{
	struct arena *arena = request_arena(p->request);

	if (!sub_collect(&p->sub, MANIFEST_BYTES_MAX))
		return READ;
	if (!sub_ok(&p->sub) || p->sub.failed ||
	        manifest_read(&p->manifest, buf_text(&p->sub.text), p->sub.text.len))
		return OVER;
	uint64_t ts = hlc_now(request_cluster(p->request)->hlc);
	p->type = arena_printf(arena, EXPIRY_AT_ONCE "/%s/%s", p->container, p->object);
	p->rows = arena_zalloc(arena, (p->manifest.count + 1) * sizeof(*p->rows));
	for (unsigned i = 0; i < p->manifest.count; i++) {
		const struct manifest_segment *s = &p->manifest.segments[i];
		if (s->path && s3_segments_of(p->request->s3->bucket, s->container) &&
		        strstr(s->object, p->prefix))
			note(p, &p->rows[i], s->container, s->object, ts);
	}
	return NOTE;
}

bool s3_parts_note(struct request *request, struct s3_parts *p, const char *container,
        const char *object, const char *except)
{
	if (p->request && (strcmp(p->container, container) != 0 || strcmp(p->object, object) != 0))
		s3_parts_done(p);
	if (!p->request)
		*p = (struct s3_parts){.request = request,
		        .container = container,
		        .object = object,
		        .after_s = p->after_s};
	for (;;) {
		uint8_t step = p->step;
		int next = OVER;
		if (step == BEGIN)
			next = begin(p);
		else if (step == LOOK)
			next = look(p, except);
		else if (step == READ)
			next = read_manifest(p);
		else if (step == NOTE && p->open)
			next = NOTE;
		p->step = (uint8_t)next;
		if (next == OVER)
			return true;
		if (next == step)
			return false;
	}
}

bool s3_parts_replace(struct request *request)
{
	struct s3 *s3 = request->s3;

	if (!s3->operation || s3->operation->method != &s3_object_put || s3->whole.diverted ||
	        s3_versioning(versions_named(request)))
		return true;
	return s3_parts_note(request, &s3->parts, s3->bucket, s3->key, NULL);
}
