/* Buckets: made, looked at, deleted.
 *
 *   HeadBucket    prepare -> answer
 *   CreateBucket  prepare -> body -> name (-> taken | names -> name) -> make
 *   DeleteBucket  prepare -> parts -> drop -> unname
 *
 * Order: the name, then the container; the container, then the name. So a container that was made
 * by S3 always has its name. */
#include "proxy/s3/config.h"
#include "proxy/s3/lock.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/upload.h"
#include "proxy/unit/gather.h"
#include "proxy/unit/reserved.h"

#include "lib/base/kv.h"
#include "lib/base/markup.h"
#include "lib/xml/xml.h"
#include <string.h>

#define LOCATION_MAX 64 /* bytes of its name */

struct bucket_op {
	struct gather gather;
	struct sub sub;
	const char *location; /* that was asked for, or NULL */
	bool asked, named;
	unsigned classes; /* whose parts went, and STANDARD's */
};

static void bucket_done(struct request *request)
{
	struct bucket_op *b = request->own;

	sub_done(&b->sub);
	gather_done(&b->gather);
}

static struct bucket_op *own(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct bucket_op));
		request->own_done = bucket_done;
	}
	return request->own;
}

static struct sub *begin(struct request *request, enum sub_rights rights, const char *method,
        const char *account, const char *container, const char *object, const char *query)
{
	struct bucket_op *b = own(request);

	sub_done(&b->sub);
	sub_init(&b->sub, request, NULL, rights, method);
	sub_path(&b->sub, account, container, object, query);
	b->asked = true;
	return &b->sub;
}

static enum step go(struct request *request, unsigned state)
{
	own(request)->asked = false;
	return op_go(&request->op, state);
}

/* --- HeadBucket, GetBucketLocation --- */

static enum step head_bucket(struct op *op)
{
	struct request *request = request_of(op);

	http_header(request->http, "Content-Type", "application/xml");
	http_header(request->http, "x-amz-bucket-region", S3_REGION);
	return s3_empty(request, 200);
}

static const struct op_state head_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"answer", head_bucket, 0, 0},
};
const struct method s3_bucket_head = {.name = "s3-bucket-head", .states = head_states};

/* The first region of all is told as nothing ("GetBucketLocation", Amazon S3 API Reference). */
static enum step tell_location(struct op *op)
{
	struct request *request = request_of(op);
	const char *place = info_header(request->container_info.info, S3_BUCKET_LOCATION);
	AUTO(buf) struct buf xml = BUF_NONE;

	s3_xml_begin(&xml, "LocationConstraint");
	markup_escape(&xml, place ? place : "", place ? strlen(place) : 0, "&<>\"");
	buf_str(&xml, "</LocationConstraint>");
	return s3_reply_xml(request, &xml);
}

static const struct op_state location_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"answer", tell_location, 0, 0},
};
const struct method s3_bucket_location = {.name = "s3-bucket-location", .states = location_states};

/* --- CreateBucket --- */

enum { PREPARE, BODY, NAME, TAKEN, NAMES, MAKE };

#define BODY_MAX (64u << 10)

static enum step created(struct request *request)
{
	AUTO(buf) struct buf path = BUF_NONE;

	buf_char(&path, '/');
	url_quote(&path, request->s3->bucket, "");
	http_header(request->http, "Location", buf_text(&path));
	return s3_empty(request, 200);
}

/* Any place will do: it is kept, and told. */
static enum s3_error take_location(struct request *request, struct bucket_op *b)
{
	const struct xml *root;

	if (!b->gather.text.len)
		return S3_OK;
	if (xml_parse(b->gather.text.data, b->gather.text.len, request_arena(request), &root) ||
	        strcmp(root->name, "CreateBucketConfiguration") != 0)
		return S3_MalformedXML;
	b->location = xml_text(root, "LocationConstraint");
	return b->location && strlen(b->location) > LOCATION_MAX ? S3_InvalidLocationConstraint
	                                                         : S3_OK;
}

static enum step create_body(struct op *op)
{
	struct request *request = request_of(op);
	struct bucket_op *b = own(request);
	const char *text = NULL;
	enum err err = ERR_OK;

	if ((request->http->content_length || request->http->chunked) &&
	        !gather_ready(request, BODY_MAX, &err))
		return STEP_WAIT;
	if (err == ERR_CLIENT_GONE)
		return STEP_DONE;
	enum s3_error error = err ? S3_MalformedXML : s3_payload_end(request, &text);
	if (!error)
		error = take_location(request, b);
	return error ? s3_fail_text(request, error, text) : op_go(op, NAME);
}

/* Who makes a bucket again may have meant another one. */
static bool is_same(struct request *request)
{
	const char *wanted = s3_acl_new(request),
	           *kept = info_header(request->container_info.info, S3_BUCKET_ACL), *owner, *name;

	s3_bucket_owner(request, &owner, &name);
	return strcmp(wanted ? wanted : "", kept ? kept : "") == 0 &&
	       strcmp(owner, request->s3->caller.id) == 0;
}

static enum step create_name(struct op *op)
{
	struct request *request = request_of(op);
	const char *ownership = http_get(request->http, "x-amz-object-ownership");
	struct s3 *s3 = request->s3;
	struct bucket_op *b = own(request);

	if (!b->asked) {
		if (s3->found == S3_OWN)
			return s3_fail(request, is_same(request) ? S3_BucketAlreadyOwnedByYou
			                                         : S3_BucketAlreadyExists);
		if (s3->found == S3_OTHERS)
			return s3_fail(request, S3_BucketAlreadyExists);
		if (!s3_bucket_name_good(s3->bucket))
			return s3_fail(request, S3_InvalidBucketName);
		if (ownership && !s3_ownership_good(ownership))
			return s3_fail_text(request, S3_InvalidArgument,
			        "Invalid x-amz-object-ownership header");
		if (ownership && strcmp(ownership, S3_OWNER_ENFORCED) == 0 && s3_acl_new(request))
			return s3_fail(request, S3_InvalidBucketAclWithObjectOwnership);
		begin(request, SUB_AS_SYSTEM, "PUT", S3_NAMES_ACCOUNT, S3_NAMES_CONTAINER,
		        s3->bucket, NULL);
		sub_header(&b->sub, "If-None-Match", "*");
		sub_header(&b->sub, S3_NAMES_OWNER, s3->caller.account);
		sub_body_text(&b->sub, "", 0);
		sub_start(&b->sub);
	}
	if (!sub_headed(&b->sub))
		return STEP_WAIT;
	if (b->sub.status == 412)
		return go(request, TAKEN);
	if (b->sub.status == 404 && !b->named)
		return go(request, NAMES);
	return sub_ok(&b->sub) ? go(request, MAKE) : s3_fail_sub(request, &b->sub);
}

/* The first bucket of all: where their names are is not there yet. */
static enum step create_names(struct op *op)
{
	struct request *request = request_of(op);
	struct bucket_op *b = own(request);

	if (!b->asked)
		sub_start(begin(request, SUB_AS_SYSTEM, "PUT", S3_NAMES_ACCOUNT, S3_NAMES_CONTAINER,
		        NULL, NULL));
	if (!sub_headed(&b->sub))
		return STEP_WAIT;
	b->named = true;
	return sub_ok(&b->sub) ? go(request, NAME) : s3_fail_sub(request, &b->sub);
}

/* By whom? One's own name may be left of a container that was never made. */
static enum step create_taken(struct op *op)
{
	struct request *request = request_of(op);
	struct bucket_op *b = own(request);

	if (!b->asked)
		sub_start(begin(request, SUB_AS_SYSTEM, "HEAD", S3_NAMES_ACCOUNT,
		        S3_NAMES_CONTAINER, request->s3->bucket, NULL));
	if (!sub_headed(&b->sub))
		return STEP_WAIT;
	const char *account = sub_get(&b->sub, S3_NAMES_OWNER);
	if (b->sub.status == 404)
		return s3_fail(request, S3_OperationAborted);
	if (!sub_ok(&b->sub))
		return s3_fail_sub(request, &b->sub);
	if (!account || strcmp(account, request->s3->caller.account) != 0)
		return s3_fail(request, S3_BucketAlreadyExists);
	return go(request, MAKE);
}

static enum step create_make(struct op *op)
{
	struct request *request = request_of(op);
	const struct s3_caller *c = &request->s3->caller;
	struct bucket_op *b = own(request);

	if (!b->asked) {
		begin(request, SUB_AS_SYSTEM, "PUT", c->account, request->s3->bucket, NULL, NULL);
		if (is_true(http_get(request->http, "x-amz-bucket-object-lock-enabled"))) {
			sub_header(&b->sub, "X-Versions-Enabled", "true");
			sub_header(&b->sub, S3_BUCKET_LOCK, "Enabled");
		}
		sub_header(&b->sub, S3_BUCKET_OWNER,
		        arena_printf(request_arena(request), "%s %s", c->id, c->name));
		if (b->location && *b->location)
			sub_header(&b->sub, S3_BUCKET_LOCATION, b->location);
		const char *acl = s3_acl_new(request),
		           *ownership = http_get(request->http, "x-amz-object-ownership");
		if (acl)
			sub_header(&b->sub, S3_BUCKET_ACL, acl);
		if (ownership)
			sub_header(&b->sub, S3_OWNERSHIP, ownership);
		sub_start(&b->sub);
	}
	if (!sub_headed(&b->sub))
		return STEP_WAIT;
	return sub_ok(&b->sub) ? created(request) : s3_fail_sub(request, &b->sub);
}

static const struct op_state create_states[] = {
        [PREPARE] = {"prepare", s3_prepare, TO(BODY), 15000},
        [BODY] = {"body", create_body, TO(NAME), 60000},
        [NAME] = {"name", create_name, TO(TAKEN) | TO(NAMES) | TO(MAKE), 0},
        [TAKEN] = {"taken", create_taken, TO(MAKE), 0},
        [NAMES] = {"names", create_names, TO(NAME), 0},
        [MAKE] = {"make", create_make, 0, 0},
};
const struct method s3_bucket_create = {
        .name = "s3-bucket-create", .states = create_states, .body = gather_on_body};

/* --- DeleteBucket --- */

enum { DROP = 1, PARTS, UNNAME };

/* As the client: its container's rights have been looked at, but not whether others are needed. */
static enum step delete_drop(struct op *op)
{
	struct request *request = request_of(op);
	struct bucket_op *b = own(request);

	if (!b->asked)
		sub_start(begin(request, SUB_AS_SYSTEM, "DELETE", request->account,
		        request->s3->bucket, NULL, NULL));
	if (!sub_headed(&b->sub))
		return STEP_WAIT;
	if (b->sub.status == 409)
		return s3_fail(request, S3_BucketNotEmpty);
	return sub_ok(&b->sub) ? go(request, PARTS) : s3_fail_sub(request, &b->sub);
}

/* Whatever parts are left there stay: others may have put them. Where there are none of STANDARD
 * there are none of other classes. */
static enum step delete_parts(struct op *op)
{
	struct request *request = request_of(op);
	struct arena *arena = request_arena(request);
	struct bucket_op *b = own(request);
	const char *class =
	        b->classes ? s3_class_at(request_cluster(request), arena, b->classes - 1) : NULL;

	if (b->classes && !class)
		return go(request, UNNAME);
	if (!b->asked)
		sub_start(begin(request, SUB_AS_SYSTEM, "DELETE", request->account,
		        upload_segments(arena, request->s3->bucket, class), NULL, NULL));
	if (!sub_headed(&b->sub))
		return STEP_WAIT;
	if (!b->classes && b->sub.status == 404)
		return go(request, UNNAME);
	b->classes++;
	return go(request, PARTS);
}

static enum step delete_unname(struct op *op)
{
	struct request *request = request_of(op);
	struct bucket_op *b = own(request);

	if (!b->asked)
		sub_start(begin(request, SUB_AS_SYSTEM, "DELETE", S3_NAMES_ACCOUNT,
		        S3_NAMES_CONTAINER, request->s3->bucket, NULL));
	if (!sub_headed(&b->sub))
		return STEP_WAIT;
	if (!sub_ok(&b->sub) && b->sub.status != 404)
		return s3_fail_sub(request, &b->sub);
	return s3_empty(request, 204);
}

static const struct op_state delete_states[] = {
        {"prepare", s3_prepare, TO(DROP), 15000},
        [DROP] = {"drop", delete_drop, TO(PARTS), 0},
        [PARTS] = {"parts", delete_parts, TO(PARTS) | TO(UNNAME), 0},
        [UNNAME] = {"unname", delete_unname, 0, 0},
};
const struct method s3_bucket_delete = {.name = "s3-bucket-delete", .states = delete_states};
