/* What AWS has and a bucket here never does: told as AWS tells of what is off, and refused where it
 * would have to be done.
 *
 *   prepare -> tell | refuse
 *   RestoreObject   prepare -> read -> look */
#include "proxy/s3/attribute.h"
#include "proxy/s3/s3.h"

#include <string.h>

/* --- configurations of which there are none --- */

static const struct {
	const char *query, *list; /* the root element of a list of them */
} lists[] = {
        {"analytics", "ListBucketAnalyticsConfigurationResult"},
        {"inventory", "ListInventoryConfigurationsResult"},
        {"metrics", "ListMetricsConfigurationsResult"},
        {"intelligent-tiering", "ListBucketIntelligentTieringConfigurationsOutput"},
};

static const char *list_of(const struct request *request)
{
	for (unsigned i = 0; i < COUNT_OF(lists); i++) {
		if (strcmp(lists[i].query, request->s3->operation->query) == 0)
			return lists[i].list;
	}
	return NULL;
}

/* One by its id, or all. */
static enum step tell_none(struct op *op)
{
	struct request *request = request_of(op);
	const char *list = list_of(request);
	AUTO(buf) struct buf xml = BUF_NONE;

	if (!list)
		return s3_fail(request, S3_ReplicationConfigurationNotFoundError);
	if (s3_param(request, "id"))
		return s3_fail(request, S3_NoSuchConfiguration);
	s3_xml_begin(&xml, list);
	s3_xml_bool(&xml, "IsTruncated", false);
	buf_printf(&xml, "</%s>", list);
	return s3_reply_xml(request, &xml);
}

static const struct op_state none_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"tell", tell_none, 0, 0},
};
const struct method s3_none_get = {.name = "s3-none-get", .states = none_states};

static enum step drop_none(struct op *op)
{
	struct request *request = request_of(op);

	return list_of(request) ? s3_fail(request, S3_NoSuchConfiguration) : s3_empty(request, 204);
}

static const struct op_state drop_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"drop", drop_none, 0, 0},
};
const struct method s3_none_delete = {.name = "s3-none-delete", .states = drop_states};

/* --- what is refused, to who may ask --- */

static enum step no_torrent(struct op *op)
{
	return s3_fail_text(request_of(op), S3_NoSuchKey, "There is no torrent of this object.");
}

static const struct op_state torrent_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"refuse", no_torrent, 0, 0},
};
const struct method s3_torrent = {.name = "s3-torrent", .states = torrent_states};

/* As to accounts of AWS's that do not have it. */
static enum step no_select(struct op *op)
{
	return s3_fail(request_of(op), S3_MethodNotAllowed);
}

static const struct op_state select_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"refuse", no_select, 0, 0},
};
const struct method s3_select = {.name = "s3-select", .states = select_states};

/* --- RestoreObject: no object is in an archive --- */

#define RESTORE_MAX (64u << 10)

static enum step restore_read(struct op *op)
{
	struct request *request = request_of(op);

	s3_attribute_own(request);
	enum step step =
	        s3_document_read(request, "RestoreRequest", RESTORE_MAX, S3_DIGEST_IF_SENT);
	return step == STEP_NEXT ? op_go(op, 2) : step;
}

static enum step restore_look(struct op *op)
{
	struct request *request = request_of(op);
	enum step step;

	if (request->http->gone)
		return STEP_DONE;
	step = s3_attribute_look(request);
	if (step != STEP_NEXT)
		return step;
	return s3_fail_text(request, S3_InvalidObjectState,
	        "Restore is not allowed for the object's current storage class");
}

static const struct op_state restore_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"read", restore_read, TO(2), 60000},
        {"look", restore_look, 0, 0},
};
const struct method s3_restore = {
        .name = "s3-restore", .states = restore_states, .body = gather_on_body};
