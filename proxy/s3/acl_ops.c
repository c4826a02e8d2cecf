/* Access control lists of buckets and objects, told and changed.
 *
 *   GetBucketAcl  prepare -> tell
 *   PutBucketAcl  prepare -> read -> resolve -> store
 *   GetObjectAcl  prepare -> look -> tell
 *   PutObjectAcl  prepare -> look -> read -> resolve -> store */
#include "proxy/s3/attribute.h"
#include "proxy/s3/document.h"
#include "proxy/s3/s3.h"
#include "proxy/unit/reserved.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

#define BODY_MAX (256u << 10)

enum { PREPARE, LOOK, READ, RESOLVE, STORE };

struct acl_op {
	struct s3_document document; /* the first member */
	struct sub look, store;
	struct s3_acl now, acl;
};

static void op_done(struct request *request)
{
	struct acl_op *a = request->own;

	s3_document_done(&a->document);
	sub_done(&a->look);
	sub_done(&a->store);
}

static struct acl_op *own(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct acl_op));
		request->own_done = op_done;
	}
	return request->own;
}

static enum step tell(struct request *request, const struct s3_acl *acl)
{
	AUTO(buf) struct buf xml = BUF_NONE;

	s3_xml_begin(&xml, "AccessControlPolicy");
	s3_acl_tell(acl, &xml);
	buf_str(&xml, "</AccessControlPolicy>");
	return s3_reply_xml(request, &xml);
}

/* --- which list there is --- */

static enum step tell_bucket(struct op *op)
{
	struct request *request = request_of(op);
	struct acl_op *a = own(request);

	s3_acl_of_bucket(request, &a->now);
	return tell(request, &a->now);
}

static const char *version_query(struct request *request)
{
	const char *version = request->object ? s3_param(request, "versionId") : NULL;
	AUTO(buf) struct buf query = BUF_NONE;

	if (!version)
		return NULL;
	buf_str(&query, "version-id=");
	url_quote(&query, version, "");
	return arena_strdup(request_arena(request), buf_text(&query));
}

/* STEP_NEXT: a->now is there, and they may. */
static enum step look(struct request *request)
{
	struct acl_op *a = own(request);
	enum s3_error error;

	if (!a->look.x && !a->look.headed) {
		sub_init(&a->look, request, NULL, SUB_AS_SYSTEM, "HEAD");
		sub_path(&a->look, request->account, request->container, request->object,
		        version_query(request));
		sub_start(&a->look);
	}
	if (!sub_headed(&a->look))
		return STEP_WAIT;
	if (!sub_ok(&a->look))
		return s3_fail_sub(request, &a->look);
	if ((error = s3_may_object(request, &a->look.headers)))
		return s3_fail(request, error);
	s3_acl_of_object(request, &a->look.headers, &a->now);
	return STEP_NEXT;
}

static enum step tell_object(struct op *op)
{
	struct request *request = request_of(op);
	enum step step = look(request);

	return step == STEP_NEXT ? tell(request, &own(request)->now) : step;
}

/* --- which it is to have --- */

static enum step look_first(struct op *op)
{
	enum step step = look(request_of(op));

	return step == STEP_NEXT ? op_go(op, READ) : step;
}

static enum s3_error read_body(struct request *request, struct acl_op *a, const char **ret_text)
{
	enum s3_error error =
	        s3_acl_of_xml(a->document.root, request_arena(request), &a->acl, ret_text);

	if (error)
		return error;
	/* Whose it is stays so. */
	if (a->acl.owner && strcmp(a->acl.owner, a->now.owner) != 0)
		return S3_AccessDenied;
	a->acl.owner = a->now.owner;
	a->acl.owner_name = a->now.owner_name;
	return S3_OK;
}

static enum step read_list(struct op *op)
{
	struct request *request = request_of(op);
	struct acl_op *a = own(request);
	const char *text = NULL;
	enum s3_error error;

	if (!request->object)
		s3_acl_of_bucket(request, &a->now);
	if (s3_acl_is_said(request)) {
		error = s3_acl_said(request, a->now.owner, a->now.owner_name, &a->acl, &text);
	} else {
		enum step step = s3_document_read(
		        request, "AccessControlPolicy", BODY_MAX, S3_DIGEST_IF_SENT);
		if (step != STEP_NEXT)
			return step;
		error = read_body(request, a, &text);
	}
	if (!error)
		error = s3_acl_fits(request, &a->acl);
	return error ? s3_fail_text(request, error, text) : op_go(op, RESOLVE);
}

static enum step resolve(struct op *op)
{
	struct request *request = request_of(op);
	const char *text = NULL;
	bool wait;
	enum s3_error error = s3_acl_resolve(request, &own(request)->acl, &text, &wait);

	if (wait)
		return STEP_WAIT;
	return error ? s3_fail_text(request, error, text) : op_go(op, STORE);
}

/* A version is where versions are; the newest, and one of the time before there were any, by the
 * key's name. */
static void store_path(struct request *request, struct sub *store)
{
	struct arena *arena = request_arena(request);
	const char *version = request->object ? s3_param(request, "versionId") : NULL;
	uint64_t id;

	if (version && ts_parse(version, &id))
		sub_path(store, request->account, versions_container(arena, request->container),
		        versions_object(arena, request->object, id), NULL);
	else
		sub_path(store, request->account, request->container, request->object, NULL);
}

static enum step store(struct op *op)
{
	struct request *request = request_of(op);
	struct acl_op *a = own(request);

	if (!a->store.x && !a->store.headed) {
		sub_init(&a->store, request, NULL, SUB_AS_SYSTEM, "POST");
		store_path(request, &a->store);
		if (request->object)
			s3_same_metadata(&a->store, &a->look);
		sub_header(&a->store, request->object ? S3_OBJECT_ACL : S3_BUCKET_ACL,
		        s3_acl_kept(request, &a->acl));
		sub_start(&a->store);
	}
	if (!sub_headed(&a->store))
		return STEP_WAIT;
	return sub_ok(&a->store) ? s3_empty(request, 200) : s3_fail_sub(request, &a->store);
}

static const struct op_state bucket_get_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"tell", tell_bucket, 0, 0},
};
const struct method s3_bucket_acl_get = {.name = "s3-bucket-acl-get", .states = bucket_get_states};

static const struct op_state object_get_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"tell", tell_object, 0, 0},
};
const struct method s3_object_acl_get = {.name = "s3-object-acl-get", .states = object_get_states};

static enum step straight(struct op *op)
{
	return op_go(op, READ);
}

static const struct op_state bucket_put_states[] = {
        [PREPARE] = {"prepare", s3_prepare, TO(LOOK), 15000},
        [LOOK] = {"known", straight, TO(READ), 0},
        [READ] = {"read", read_list, TO(RESOLVE), 0},
        [RESOLVE] = {"resolve", resolve, TO(STORE), 0},
        [STORE] = {"store", store, 0, 0},
};
const struct method s3_bucket_acl_put = {
        .name = "s3-bucket-acl-put", .states = bucket_put_states, .body = gather_on_body};

static const struct op_state object_put_states[] = {
        [PREPARE] = {"prepare", s3_prepare, TO(LOOK), 15000},
        [LOOK] = {"look", look_first, TO(READ), 0},
        [READ] = {"read", read_list, TO(RESOLVE), 0},
        [RESOLVE] = {"resolve", resolve, TO(STORE), 0},
        [STORE] = {"store", store, 0, 0},
};
const struct method s3_object_acl_put = {
        .name = "s3-object-acl-put", .states = object_put_states, .body = gather_on_body};
