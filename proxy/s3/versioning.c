/* PutBucketVersioning, GetBucketVersioning.
 *
 *   GetBucketVersioning  prepare -> answer
 *   PutBucketVersioning  prepare -> read -> enable (-> suspend) */
#include "proxy/s3/document.h"
#include "proxy/s3/lock.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/version.h"
#include "proxy/unit/versions.h"

#include <string.h>
#include <strings.h>

static enum step get(struct op *op)
{
	struct request *request = request_of(op);
	const char *enabled = info_header(request->container_info.info, VERSIONS_ENABLED);
	AUTO(buf) struct buf xml = BUF_NONE;

	s3_xml_begin(&xml, "VersioningConfiguration");
	if (enabled)
		s3_xml_text(&xml, "Status", is_true(enabled) ? "Enabled" : "Suspended");
	buf_str(&xml, "</VersioningConfiguration>");
	return s3_reply_xml(request, &xml);
}

static const struct op_state get_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"answer", get, 0, 0},
};
const struct method s3_versioning_get = {.name = "s3-versioning-get", .states = get_states};

enum { PREPARE, READ, ENABLE, SUSPEND };

struct put {
	struct s3_document document; /* the first member */
	struct sub sub;
	bool asked, suspends;
};

static void put_done(struct request *request)
{
	struct put *p = request->own;

	sub_done(&p->sub);
	s3_document_done(&p->document);
}

static enum step read(struct op *op)
{
	struct request *request = request_of(op);
	const struct info *info = request->container_info.info;
	struct put *p = request->own;
	enum step step;

	if (!p) {
		p = request->own = arena_zalloc(request_arena(request), sizeof(*p));
		request->own_done = put_done;
	}
	step = s3_document_read(request, "VersioningConfiguration", 64u << 10, S3_DIGEST_IF_SENT);
	if (step != STEP_NEXT)
		return step;
	const char *status = xml_text(p->document.root, "Status"),
	           *mfa = xml_text(p->document.root, "MfaDelete");
	if (mfa && strcmp(mfa, "Disabled") != 0)
		return s3_fail(
		        request, strcmp(mfa, "Enabled") == 0 ? S3_NotImplemented : S3_MalformedXML);
	p->suspends = status && strcmp(status, "Suspended") == 0;
	if (!p->suspends && !(status && strcmp(status, "Enabled") == 0))
		return s3_fail(request, S3_MalformedXML);
	if (p->suspends && s3_lock_enabled(info))
		return s3_fail_text(request, S3_InvalidBucketState,
		        "An Object Lock configuration is present on this bucket, so the versioning "
		        "state cannot be changed.");
	return op_go(op, p->suspends && s3_versioning(info) ? SUSPEND : ENABLE);
}

/* True: it is set. */
static bool set(struct request *request, struct put *p, const char *enabled)
{
	if (!p->asked) {
		p->asked = true;
		sub_done(&p->sub);
		sub_init(&p->sub, request, NULL, SUB_AS_SYSTEM, "POST");
		sub_path(&p->sub, request->account, request->container, NULL, NULL);
		sub_header(&p->sub, "X-Versions-Enabled", enabled);
		sub_start(&p->sub);
	}
	return sub_headed(&p->sub);
}

static enum step answer(struct request *request, const struct put *p)
{
	if (p->sub.status == 400)
		return s3_fail_text(request, S3_InvalidBucketState,
		        "The container has versions of an older kind, or is synchronised.");
	return sub_ok(&p->sub) ? s3_empty(request, 200) : s3_fail_sub(request, &p->sub);
}

/* Also of one that is to be suspended: from then on it has versions, if only null ones. */
static enum step enable(struct op *op)
{
	struct request *request = request_of(op);
	struct put *p = request->own;

	if (!set(request, p, "true"))
		return STEP_WAIT;
	if (!p->suspends || !sub_ok(&p->sub))
		return answer(request, p);
	p->asked = false;
	return op_go(op, SUSPEND);
}

static enum step suspend(struct op *op)
{
	struct request *request = request_of(op);
	struct put *p = request->own;

	return set(request, p, "false") ? answer(request, p) : STEP_WAIT;
}

static const struct op_state put_states[] = {
        [PREPARE] = {"prepare", s3_prepare, TO(READ), 15000},
        [READ] = {"read", read, TO(ENABLE) | TO(SUSPEND), 0},
        [ENABLE] = {"enable", enable, TO(SUSPEND), 0},
        [SUSPEND] = {"suspend", suspend, 0, 0},
};
const struct method s3_versioning_put = {
        .name = "s3-versioning-put", .states = put_states, .body = gather_on_body};
