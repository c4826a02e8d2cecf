/* Object lock, told and changed: of a bucket, and of one version.
 *
 *   of a bucket   Get: prepare -> tell     Put: prepare -> store
 *   of a version  Get: prepare -> tell     Put: prepare -> store */
#include "proxy/s3/attribute.h"
#include "proxy/s3/lock.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/version.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX  (64u << 10)
#define DAYS_MAX  36500
#define YEARS_MAX 100

/* --- a bucket --- */

static enum step tell_bucket(struct op *op)
{
	struct request *request = request_of(op);
	const char *kept = info_header(request->container_info.info, S3_BUCKET_LOCK);
	AUTO(buf) struct buf xml = BUF_NONE;

	if (!s3_lock_enabled(request->container_info.info))
		return s3_fail(request, S3_ObjectLockConfigurationNotFoundError);
	s3_xml_begin(&xml, "ObjectLockConfiguration");
	s3_xml_text(&xml, "ObjectLockEnabled", "Enabled");
	const char *mode = strchr(kept, ' '), *count = mode ? strchr(mode + 1, ' ') : NULL,
	           *unit = count ? strchr(count + 1, ' ') : NULL;
	if (unit) {
		unit++;
		buf_printf(&xml,
		        "<Rule><DefaultRetention><Mode>%.*s</Mode><%s>%.*s</%s></DefaultRetention>"
		        "</Rule>",
		        (int)(count - mode - 1), mode + 1, unit, (int)(unit - count - 2), count + 1,
		        unit);
	}
	buf_str(&xml, "</ObjectLockConfiguration>");
	return s3_reply_xml(request, &xml);
}

static enum s3_error read_period(
        const char *text, unsigned long max, unsigned long *ret_period, const char **ret_text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end)
		return S3_MalformedXML;
	if (n <= 0)
		*ret_text = "Default retention period must be a positive integer value.";
	else if ((unsigned long)n > max)
		*ret_text = "Default retention period is too large.";
	*ret_period = (unsigned long)n;
	return *ret_text ? S3_InvalidRetentionPeriod : S3_OK;
}

static enum s3_error read_bucket(
        const struct xml *root, struct buf *ret_kept, const char **ret_text)
{
	const char *enabled = xml_text(root, "ObjectLockEnabled");
	const struct xml *rule = xml_child(root, "Rule"),
	                 *retention = xml_child(rule, "DefaultRetention");
	unsigned long period = 0;

	if (!enabled || strcmp(enabled, "Enabled") != 0 || (rule && !retention))
		return S3_MalformedXML;
	buf_str(ret_kept, "Enabled");
	if (!rule)
		return S3_OK;
	enum s3_lock_mode mode = s3_lock_mode_of(xml_text(retention, "Mode"));
	const char *days = xml_text(retention, "Days"), *years = xml_text(retention, "Years");
	if (!mode || !days == !years)
		return S3_MalformedXML;
	enum s3_error error =
	        read_period(days ? days : years, days ? DAYS_MAX : YEARS_MAX, &period, ret_text);
	buf_printf(
	        ret_kept, " %s %lu %s", s3_lock_mode_name(mode), period, days ? "Days" : "Years");
	return error;
}

static enum step put_bucket(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_attribute *a = s3_attribute_own(request);
	AUTO(buf) struct buf kept = BUF_NONE;
	const char *text = NULL;

	if (!a->document.root) {
		enum step step = s3_document_read(
		        request, "ObjectLockConfiguration", BODY_MAX, S3_DIGEST_IF_SENT);
		if (step != STEP_NEXT)
			return step;
	}
	enum s3_error error = read_bucket(a->document.root, &kept, &text);
	if (error)
		return s3_fail_text(request, error, text);
	if (s3_versioning(request->container_info.info) != S3_ENABLED)
		return s3_fail_text(request, S3_InvalidBucketState,
		        "Versioning must be 'Enabled' on the bucket to apply a Object Lock "
		        "configuration");
	return s3_bucket_store(request, S3_BUCKET_LOCK, buf_text(&kept))
	               ? s3_attribute_stored(request, 200)
	               : STEP_WAIT;
}

/* --- a version --- */

static enum step check_bucket(struct request *request)
{
	return s3_lock_enabled(request->container_info.info)
	               ? STEP_NEXT
	               : s3_fail_text(request, S3_InvalidRequest,
	                         "Bucket is missing Object Lock Configuration");
}

static enum step look(struct request *request)
{
	enum step step = check_bucket(request);

	return step == STEP_NEXT ? s3_attribute_look(request) : step;
}

static enum step tell_retention(struct op *op)
{
	struct request *request = request_of(op);
	enum step step = look(request);
	AUTO(buf) struct buf xml = BUF_NONE, date = BUF_NONE;

	if (step != STEP_NEXT)
		return step;
	const struct s3_attribute *a = request->own;
	struct s3_retention r = s3_retention_of(&a->look.headers);
	if (!r.mode)
		return s3_fail(request, S3_NoSuchObjectLockConfiguration);
	s3_lock_date_write(r.until, &date);
	s3_xml_begin(&xml, "Retention");
	s3_xml_text(&xml, "Mode", s3_lock_mode_name(r.mode));
	s3_xml_text(&xml, "RetainUntilDate", buf_text(&date));
	buf_str(&xml, "</Retention>");
	return s3_reply_xml(request, &xml);
}

static enum s3_error read_retention(struct request *request, const struct xml *root,
        struct s3_retention *ret_retention, const char **ret_text)
{
	const char *mode = xml_text(root, "Mode"), *date = xml_text(root, "RetainUntilDate");

	if (!mode && !date)
		return S3_OK;
	ret_retention->mode = s3_lock_mode_of(mode);
	if (!ret_retention->mode || !date || !s3_lock_date(date, &ret_retention->until))
		return S3_MalformedXML;
	if (ret_retention->until > s3_lock_now(request))
		return S3_OK;
	*ret_text = "The retain until date must be in the future!";
	return S3_InvalidArgument;
}

/* STEP_NEXT: the document is there, and the version has been looked at. */
static enum step read(struct request *request, const char *root)
{
	struct s3_attribute *a = s3_attribute_own(request);
	enum step step = check_bucket(request);

	if (step == STEP_NEXT && !a->document.root)
		step = s3_document_read(request, root, BODY_MAX, S3_DIGEST_IF_SENT);
	return step;
}

static enum step put_retention(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_attribute *a = s3_attribute_own(request);
	struct s3_retention wanted = {0};
	const char *text = NULL;
	enum step step = read(request, "Retention");

	if (step != STEP_NEXT)
		return step;
	enum s3_error error = read_retention(request, a->document.root, &wanted, &text);
	if (error)
		return s3_fail_text(request, error, text);
	if ((step = s3_attribute_look(request)) != STEP_NEXT)
		return step;
	bool bypass = s3_lock_bypass(request, request->object, a->version);
	if (!s3_retention_may(
	            s3_retention_of(&a->look.headers), wanted, s3_lock_now(request), bypass))
		return s3_fail_text(request, S3_AccessDenied,
		        "Access Denied because object protected by object lock.");
	return s3_attribute_store(
	               request, S3_RETENTION, s3_retention_kept(request_arena(request), wanted))
	               ? s3_attribute_stored(request, 200)
	               : STEP_WAIT;
}

static enum step tell_hold(struct op *op)
{
	struct request *request = request_of(op);
	enum step step = look(request);
	AUTO(buf) struct buf xml = BUF_NONE;

	if (step != STEP_NEXT)
		return step;
	const struct s3_attribute *a = request->own;
	const char *hold = sub_get(&a->look, S3_LEGAL_HOLD);
	if (!hold)
		return s3_fail(request, S3_NoSuchObjectLockConfiguration);
	s3_xml_begin(&xml, "LegalHold");
	s3_xml_text(&xml, "Status", hold);
	buf_str(&xml, "</LegalHold>");
	return s3_reply_xml(request, &xml);
}

static enum step put_hold(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_attribute *a = s3_attribute_own(request);
	enum step step = read(request, "LegalHold");

	if (step != STEP_NEXT)
		return step;
	const char *status = xml_text(a->document.root, "Status");
	if (!status || (strcmp(status, "ON") != 0 && strcmp(status, "OFF") != 0))
		return s3_fail(request, S3_MalformedXML);
	if ((step = s3_attribute_look(request)) != STEP_NEXT)
		return step;
	return s3_attribute_store(request, S3_LEGAL_HOLD, status)
	               ? s3_attribute_stored(request, 200)
	               : STEP_WAIT;
}

#define LOCK_METHOD(id, title, state)                                                              \
	static const struct op_state id##_states[] = {                                             \
	        {"prepare", s3_prepare, TO(1), 15000},                                             \
	        {title, state, 0, 0},                                                              \
	};                                                                                         \
	const struct method s3_##id = {                                                            \
	        .name = "s3-" title, .states = id##_states, .body = gather_on_body}

LOCK_METHOD(bucket_lock_get, "bucket-lock-get", tell_bucket);
LOCK_METHOD(bucket_lock_put, "bucket-lock-put", put_bucket);
LOCK_METHOD(retention_get, "retention-get", tell_retention);
LOCK_METHOD(retention_put, "retention-put", put_retention);
LOCK_METHOD(legal_hold_get, "legal-hold-get", tell_hold);
LOCK_METHOD(legal_hold_put, "legal-hold-put", put_hold);
