/* GetBucketLogging  prepare -> tell
 * PutBucketLogging  prepare -> read -> target -> store */
#include "proxy/s3/logging.h"

#include "proxy/s3/config.h"
#include "proxy/s3/document.h"
#include "proxy/s3/s3.h"

#include <string.h>
#include <strings.h>

#define DOCUMENT_MAX (40u << 10)
#define SERVICE      "logging.s3.amazonaws.com"

enum { PREPARE, READ, TARGET, STORE };

struct logging_op {
	struct s3_document document; /* the first member */
	struct info_fetch target;
	struct sub sub;
	struct s3_acl acl;                  /* of the objects; count 0: private */
	const char *name, *prefix, *format; /* name NULL: nothing is logged */
};

static void op_done(struct request *request)
{
	struct logging_op *l = request->own;

	s3_document_done(&l->document);
	info_fetch_done(&l->target);
	sub_done(&l->sub);
}

static struct logging_op *own(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct logging_op));
		request->own_done = op_done;
	}
	return request->own;
}

/* --- may it be delivered --- */

struct source {
	const char *arn, *owner;
};

static const char *condition_value(void *arg, const char *key, unsigned n)
{
	const struct source *source = arg;

	if (n)
		return NULL;
	if (strcasecmp(key, "aws:SourceAccount") == 0)
		return source->owner;
	return strcasecmp(key, "aws:SourceArn") == 0 ? source->arn : NULL;
}

static enum s3_verdict policy_says(const struct info *target, const char *name, const char *prefix,
        struct source *source, struct arena *arena)
{
	const char *kept = info_header(target, S3_BUCKET_POLICY);
	AUTO(jroot) struct jroot root = JROOT_NONE;
	const struct s3_policy_ask ask = {
	        .action = "s3:PutObject",
	        .resource = arena_printf(arena, "%s/%s", name, prefix),
	        .service = SERVICE,
	        .value = condition_value,
	        .arg = source,
	};

	if (!kept || !*kept || jread_parse(kept, strlen(kept), &root))
		return S3_SILENT;
	return s3_policy_decide(root.value, &ask);
}

/* Who delivers logs is a group that lists know: it must be able to write, and to read the list. */
static bool list_gives(const struct info *target, struct arena *arena)
{
	const char *kept = info_header(target, S3_BUCKET_ACL);
	unsigned rights = 0;
	struct s3_acl acl;

	if (!kept || !*kept || s3_owner_enforced(target) || !s3_acl_read(kept, arena, &acl))
		return false;
	for (unsigned i = 0; i < acl.count; i++) {
		if (acl.grants[i].kind == S3_GRANTEE_LOG_DELIVERY)
			rights |= acl.grants[i].right;
	}
	return (rights & (S3_WRITE | S3_READ_ACP)) == (S3_WRITE | S3_READ_ACP);
}

bool s3_log_may(const struct info *target, const char *target_name, const char *prefix,
        const char *bucket, const char *owner)
{
	struct arena arena;

	arena_init(&arena);
	struct source source = {arena_printf(&arena, "arn:aws:s3:::%s", bucket), owner};
	enum s3_verdict verdict = policy_says(target, target_name, prefix, &source, &arena);
	bool may = verdict == S3_ALLOWED || (verdict == S3_SILENT && list_gives(target, &arena));
	arena_done(&arena);
	return may;
}

const char *s3_log_owner(struct arena *arena, const struct info *info, const char *account)
{
	const char *owner = info_header(info, S3_BUCKET_OWNER), *under = strchr(account, '_');

	if (owner && *owner)
		return arena_strndup(arena, owner, strcspn(owner, " "));
	return arena_strdup(arena, under ? under + 1 : account);
}

/* --- GetBucketLogging --- */

static enum step tell(struct op *op)
{
	struct request *request = request_of(op);
	const char *kept = info_header(request->container_info.info, S3_LOGGING);
	AUTO(buf) struct buf xml = BUF_NONE;

	if (kept && *kept) {
		buf_str(&xml, kept);
	} else {
		s3_xml_begin(&xml, "BucketLoggingStatus");
		buf_str(&xml, "</BucketLoggingStatus>");
	}
	return s3_reply_xml(request, &xml);
}

static const struct op_state get_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"tell", tell, 0, 0},
};
const struct method s3_logging_get = {.name = "s3-logging-get", .states = get_states};

/* --- PutBucketLogging --- */

static enum s3_error take_format(const struct xml *format, const char **ret_format)
{
	const struct xml *parts = xml_child(format, "PartitionedPrefix");
	const char *source = xml_text(parts, "PartitionDateSource");

	*ret_format = S3_LOG_SIMPLE;
	if (!format)
		return S3_OK;
	if (!format->first || format->first->next)
		return S3_MalformedXML;
	if (!parts)
		return xml_child(format, "SimplePrefix") ? S3_OK : S3_MalformedXML;
	if (source && strcmp(source, "EventTime") != 0 && strcmp(source, "DeliveryTime") != 0)
		return S3_MalformedXML;
	*ret_format = source && strcmp(source, "EventTime") == 0 ? S3_LOG_EVENT : S3_LOG_DELIVERY;
	return S3_OK;
}

/* They stand there as those of an access control list do. */
static enum s3_error take_grants(struct request *request, const struct xml *grants,
        struct s3_acl *ret_acl, const char **ret_text)
{
	const struct xml list = {
	        .name = "AccessControlList", .text = "", .first = grants ? grants->first : NULL};
	const struct xml root = {.name = "AccessControlPolicy", .text = "", .first = &list};
	enum s3_error error =
	        grants ? s3_acl_of_xml(&root, request_arena(request), ret_acl, ret_text) : S3_OK;

	return error == S3_MalformedACLError ? S3_MalformedXML : error;
}

static enum s3_error take(struct request *request, struct logging_op *l, const char **ret_text)
{
	static const char *const known[] = {
	        "TargetBucket", "TargetPrefix", "TargetGrants", "TargetObjectKeyFormat"};
	const struct xml *enabled = xml_child(l->document.root, "LoggingEnabled");
	enum s3_error error;

	if (l->document.root->first != enabled || xml_next(enabled))
		return S3_MalformedXML;
	for (const struct xml *e = enabled ? enabled->first : NULL; e; e = e->next) {
		unsigned i = 0;
		while (i < COUNT_OF(known) && strcmp(known[i], e->name) != 0)
			i++;
		if (i == COUNT_OF(known))
			return S3_MalformedXML;
	}
	if (!enabled)
		return S3_OK;
	l->name = xml_text(enabled, "TargetBucket");
	l->prefix = xml_text(enabled, "TargetPrefix");
	if (!l->name || !*l->name || strchr(l->name, '/') || !l->prefix)
		return S3_MalformedXML;
	if (strlen(l->prefix) > 512)
		return S3_KeyTooLongError;
	error = take_format(xml_child(enabled, "TargetObjectKeyFormat"), &l->format);
	return error ? error
	             : take_grants(request, xml_child(enabled, "TargetGrants"), &l->acl, ret_text);
}

static enum step read(struct op *op)
{
	struct request *request = request_of(op);
	struct logging_op *l = own(request);
	const char *text = NULL;
	enum step step =
	        s3_document_read(request, "BucketLoggingStatus", DOCUMENT_MAX, S3_DIGEST_IF_SENT);

	if (step != STEP_NEXT)
		return step;
	enum s3_error error = take(request, l, &text);
	if (error)
		return s3_fail_text(request, error, text);
	return op_go(op, l->name ? TARGET : STORE);
}

static enum step target(struct op *op)
{
	struct request *request = request_of(op);
	struct logging_op *l = own(request);
	const char *text = NULL, *id, *name;
	bool wait;

	if (request->http->gone)
		return STEP_DONE;
	enum s3_error error = s3_acl_resolve(request, &l->acl, &text, &wait);
	if (wait || !info_get(&l->target, op, request->proxy, request->account, l->name))
		return STEP_WAIT;
	if (!error && l->target.err)
		error = S3_ServiceUnavailable;
	if (error)
		return s3_fail_text(request, error, text);
	if (!l->target.info->exists)
		return s3_fail(request, S3_InvalidTargetBucketForLogging);
	if (l->acl.count && s3_owner_enforced(l->target.info))
		return s3_fail(request, S3_AccessControlListNotSupported);
	s3_bucket_owner(request, &id, &name);
	l->acl.owner = id;
	l->acl.owner_name = name;
	if (!s3_log_may(l->target.info, l->name, l->prefix, request->s3->bucket, id))
		return s3_fail_text(request, S3_AccessDenied,
		        "The target bucket's policy must let " SERVICE " do s3:PutObject, or its "
		        "list give the log-delivery group WRITE and READ_ACP permissions.");
	return op_go(op, STORE);
}

static void begin_store(struct request *request, struct logging_op *l)
{
	const struct buf *xml = &l->document.gather.text;
	AUTO(buf) struct buf to = BUF_NONE;

	if (l->name) {
		buf_printf(&to, "%s %s ", l->name, l->format);
		url_quote(&to, l->prefix, "");
	}
	sub_init(&l->sub, request, NULL, SUB_AS_SYSTEM, "POST");
	sub_path(&l->sub, request->account, request->container, NULL, NULL);
	sub_header(&l->sub, S3_LOGGING,
	        l->name ? arena_strndup(request_arena(request), xml->data, xml->len) : "");
	sub_header(&l->sub, S3_LOGGING_TO, buf_text(&to));
	sub_header(&l->sub, S3_LOGGING_ACL, l->acl.count ? s3_acl_kept(request, &l->acl) : "");
	sub_start(&l->sub);
}

static enum step store(struct op *op)
{
	struct request *request = request_of(op);
	struct logging_op *l = own(request);

	if (!l->sub.x && !l->sub.headed)
		begin_store(request, l);
	if (!sub_headed(&l->sub))
		return STEP_WAIT;
	return sub_ok(&l->sub) ? s3_empty(request, 200) : s3_fail_sub(request, &l->sub);
}

static const struct op_state put_states[] = {
        [PREPARE] = {"prepare", s3_prepare, TO(READ), 15000},
        [READ] = {"read", read, TO(TARGET) | TO(STORE), 60000},
        [TARGET] = {"target", target, TO(STORE), 15000},
        [STORE] = {"store", store, 0, 0},
};
const struct method s3_logging_put = {
        .name = "s3-logging-put", .states = put_states, .body = gather_on_body};
