/* AbortMultipartUpload: how an upload is given up.
 *
 *   prepare -> look -> whole (-> versions <-> version) -> take -> parts -> sweep
 *                ^                  '-> unmark              '-> again */
#include "proxy/put.h"
#include "proxy/s3/upload_claim.h"
#include "proxy/s3/version.h"
#include "proxy/unit/reserved.h"

#include <stdlib.h>
#include <string.h>

#define SKEW_S    86400 /* that clocks may be apart, at the very most */
#define TRIES_MAX 8     /* of what many write at once, and may not be decided just then */

enum { LOOK = 1, WHOLE, VERSIONS, VERSION, TAKE, PARTS, SWEEP, UNMARK };

struct abort {
	struct upload upload;
	struct upload_parts parts;
	struct sweep sweep;
	struct sub sub;
	unsigned undecided; /* tries to take the marker */
	/* Of the key's versions. */
	struct jroot rows;
	size_t row_at;
	uint64_t page_at;
};

static void abort_done(struct request *request)
{
	struct abort *a = request->own;

	upload_done(&a->upload);
	upload_parts_done(&a->parts);
	sweep_done(&a->sweep);
	sub_done(&a->sub);
	jread_done(&a->rows);
}

static enum step abort_look(struct op *op)
{
	struct request *request = request_of(op);
	struct abort *a = request->own;
	enum s3_error error;

	if (!a) {
		a = request->own = arena_zalloc(request_arena(request), sizeof(*a));
		request->own_done = abort_done;
	}
	if (!upload_find(request, &a->upload, &error))
		return STEP_WAIT;
	return error ? s3_fail(request, error) : op_go(op, WHOLE);
}

static void head(
        struct request *request, struct abort *a, const char *container, const char *object)
{
	sub_init(&a->sub, request, NULL, SUB_AS_SYSTEM, "HEAD");
	sub_path(&a->sub, request->account, container, object, "multipart-manifest=get");
	sub_start(&a->sub);
}

/* Is what the sub has found the upload's whole? */
static enum step look(struct request *request, struct abort *a, bool *ret_whole)
{
	if (!sub_headed(&a->sub))
		return STEP_WAIT;
	if (!sub_ok(&a->sub) && a->sub.status != 404)
		return s3_fail_sub(request, &a->sub);
	const char *id = sub_ok(&a->sub) ? sub_get(&a->sub, UPLOAD_ID_HEADER) : NULL;
	*ret_whole = id && strcmp(id, a->upload.id) == 0;
	sub_done(&a->sub);
	return STEP_NEXT;
}

/* One whose whole is there, but for whose marker the time did not suffice, has parts that are in
 * use. */
static enum step abort_whole(struct op *op)
{
	struct request *request = request_of(op);
	struct abort *a = request->own;
	bool whole;

	if (!a->sub.parent)
		head(request, a, request->s3->bucket, request->s3->key);
	enum step step = look(request, a, &whole);
	if (step != STEP_NEXT)
		return step;
	if (whole)
		return op_go(op, UNMARK);
	return op_go(op, s3_versioning(request->container_info.info) ? VERSIONS : TAKE);
}

/* It may not be the current version any more. */
static enum step abort_versions(struct op *op)
{
	struct request *request = request_of(op);
	struct abort *a = request->own;

	if (!a->sub.parent)
		s3_versions_ask(request, &a->sub, request->account, request->s3->bucket,
		        request->s3->key, S3_VERSIONS_PAGE, a->page_at);
	if (!sub_collect(&a->sub, S3_VERSIONS_BYTES))
		return STEP_WAIT;
	if (!s3_versions_read(&a->sub, &a->rows))
		return s3_fail(request, S3_ServiceUnavailable);
	sub_done(&a->sub);
	a->row_at = 0;
	return op_go(op, a->rows.value ? VERSION : TAKE);
}

/* The newest come first; those from before the upload are none of it. */
static bool next_version(struct abort *a, struct s3_version *ret_version, bool *ret_more)
{
	bool there = s3_versions_at(&a->rows, a->row_at, ret_version);

	*ret_more = !there && a->row_at == S3_VERSIONS_PAGE;
	if (!there || ret_version->id + SKEW_S * TS_PER_SECOND < upload_begun(a->upload.id))
		return false;
	a->row_at++;
	a->page_at = ret_version->id;
	return true;
}

static enum step abort_version(struct op *op)
{
	struct request *request = request_of(op);
	struct arena *arena = request_arena(request);
	struct abort *a = request->own;
	struct s3_version v;
	bool more, whole = false;

	for (;;) {
		enum step step = a->sub.parent ? look(request, a, &whole) : STEP_NEXT;
		if (step != STEP_NEXT)
			return step;
		if (whole)
			return op_go(op, UNMARK);
		if (!next_version(a, &v, &more)) {
			jread_done(&a->rows);
			return op_go(op, more ? VERSIONS : TAKE);
		}
		if (!v.marker)
			head(request, a, versions_container(arena, request->s3->bucket),
			        versions_object(arena, request->s3->key, v.id));
	}
}

static void delete_marker(struct request *request, struct abort *a, const char *only_if)
{
	struct arena *arena = request_arena(request);

	sub_init(&a->sub, request, NULL, SUB_AS_SYSTEM, "DELETE");
	sub_path(&a->sub, request->account, upload_container(arena, request->s3->bucket),
	        upload_marker(arena, request->s3->key, a->upload.id), NULL);
	if (only_if && !request->proxy->backend->plain)
		sub_header(&a->sub, PUT_IF_THERE, only_if);
	sub_start(&a->sub);
}

/* Is the whole being stored, or may it be? */
static bool is_claimed(struct request *request, const struct abort *a)
{
	return claims_stand(upload_header(&a->upload, UPLOAD_CLAIMS),
	        hlc_now(request_cluster(request)->hlc) / TS_PER_SECOND);
}

/* Without its marker no whole is made of it any more; what is left of the parts when we are
 * interrupted the sweeper finds. */
static enum step abort_take(struct op *op)
{
	struct request *request = request_of(op);
	struct abort *a = request->own;

	if (is_claimed(request, a))
		return s3_fail(request, S3_OperationAborted);
	if (!a->sub.parent)
		delete_marker(request, a, sub_get(&a->upload.marker, "X-Timestamp"));
	if (!sub_headed(&a->sub))
		return STEP_WAIT;
	bool took = sub_ok(&a->sub), undecided = a->sub.status == 503 && ++a->undecided < TRIES_MAX;
	if (!took && !undecided && a->sub.status != 412 && a->sub.status != 404)
		return s3_fail_sub(request, &a->sub);
	sub_done(&a->sub);
	if (took)
		return op_go(op, PARTS);
	upload_done(&a->upload);
	a->upload = (struct upload){0};
	return op_go(op, LOOK);
}

/* There is no such upload any more, and the client cannot ask again: what cannot be listed or
 * deleted just now is left to the daily look for parts (lifecycle_sweep.c). */
static enum step abort_parts(struct op *op)
{
	struct request *request = request_of(op);
	struct abort *a = request->own;
	enum err err;

	a->parts.wants_older = true;
	if (!upload_parts_read(request, &a->upload, &a->parts, &err))
		return STEP_WAIT;
	sweep_parts(&a->sweep, &a->parts, NULL, NULL);
	return op_go(op, SWEEP);
}

static enum step abort_sweep(struct op *op)
{
	struct request *request = request_of(op);
	struct abort *a = request->own;

	return sweep_run(request, &a->sweep) ? s3_empty(request, 204) : STEP_WAIT;
}

static enum step abort_unmark(struct op *op)
{
	struct request *request = request_of(op);
	struct abort *a = request->own;

	if (!a->sub.parent)
		delete_marker(request, a, NULL);
	if (!sub_headed(&a->sub))
		return STEP_WAIT;
	if (!sub_ok(&a->sub) && a->sub.status != 404)
		return s3_fail_sub(request, &a->sub);
	return s3_empty(request, 204);
}

static const struct op_state abort_states[] = {
        {"prepare", s3_prepare, TO(LOOK), 15000},
        [LOOK] = {"look", abort_look, TO(WHOLE), 0},
        [WHOLE] = {"whole", abort_whole, TO(VERSIONS) | TO(TAKE) | TO(UNMARK), 0},
        [VERSIONS] = {"versions", abort_versions, TO(VERSION) | TO(TAKE), 0},
        [VERSION] = {"version", abort_version, TO(VERSIONS) | TO(TAKE) | TO(UNMARK), 0},
        [TAKE] = {"take", abort_take, TO(PARTS) | TO(LOOK), 0},
        [PARTS] = {"parts", abort_parts, TO(SWEEP), 0},
        [SWEEP] = {"sweep", abort_sweep, 0, 0},
        [UNMARK] = {"unmark", abort_unmark, 0, 0},
};
const struct method s3_upload_abort = {.name = "s3-upload-abort", .states = abort_states};
