#include "proxy/s3/lock.h"

#include "proxy/s3/s3.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY_TS  (86400 * TS_PER_SECOND)
#define MISSING "Bucket is missing Object Lock Configuration"

bool s3_lock_enabled(const struct info *info)
{
	const char *lock = info_header(info, S3_BUCKET_LOCK);

	return lock && *lock;
}

static const char *const modes[] = {"", "GOVERNANCE", "COMPLIANCE"};

const char *s3_lock_mode_name(enum s3_lock_mode mode)
{
	return modes[mode];
}

enum s3_lock_mode s3_lock_mode_of(const char *name)
{
	for (unsigned i = S3_LOCK_GOVERNANCE; name && i < COUNT_OF(modes); i++) {
		if (strcmp(name, modes[i]) == 0)
			return (enum s3_lock_mode)i;
	}
	return S3_LOCK_NONE;
}

bool s3_lock_date(const char *text, uint64_t *ret_until)
{
	AUTO(buf) struct buf date = BUF_NONE;
	size_t len = strcspn(text, "Z+");

	if (strcmp(text + len, "Z") != 0 && strcmp(text + len, "+00:00") != 0)
		return false;
	buf_add(&date, text, len);
	return iso_date_parse(buf_text(&date), ret_until);
}

void s3_lock_date_write(uint64_t until, struct buf *out)
{
	char date[ISO_DATE_SIZE];

	iso_date_format(until, date);
	buf_printf(out, "%.23sZ", date);
}

/* --- what is kept --- */

static struct s3_retention parse(const char *kept)
{
	struct s3_retention r = {0};
	size_t len = kept ? strcspn(kept, " ") : 0;

	for (unsigned i = S3_LOCK_GOVERNANCE; len && i < COUNT_OF(modes); i++) {
		if (strlen(modes[i]) == len && strncmp(kept, modes[i], len) == 0 && kept[len] &&
		        ts_parse(kept + len + 1, &r.until))
			r.mode = (enum s3_lock_mode)i;
	}
	return r;
}

struct s3_retention s3_retention_of(const struct buf *headers)
{
	return parse(kv_get(headers->data, headers->len, S3_RETENTION));
}

const char *s3_retention_kept(struct arena *arena, struct s3_retention retention)
{
	char until[TS_TEXT_SIZE];

	if (!retention.mode)
		return "";
	ts_format(retention.until, until);
	return arena_printf(arena, "%s %s", modes[retention.mode], until);
}

/* --- what may be done --- */

bool s3_locked(const struct buf *headers, uint64_t now, bool governance)
{
	struct s3_retention r = s3_retention_of(headers);
	const char *hold = kv_get(headers->data, headers->len, S3_LEGAL_HOLD);

	if (hold && strcmp(hold, "ON") == 0)
		return true;
	return r.mode && r.until > now && !(r.mode == S3_LOCK_GOVERNANCE && governance);
}

bool s3_retention_may(struct s3_retention is, struct s3_retention wanted, uint64_t now, bool bypass)
{
	if (!is.mode || is.until <= now || (is.mode == S3_LOCK_GOVERNANCE && bypass))
		return true;
	return wanted.mode == is.mode && wanted.until >= is.until;
}

bool s3_lock_bypass(struct request *request, const char *key, const char *version)
{
	const char *says = http_get(request->http, "x-amz-bypass-governance-retention");
	struct s3_target target = {.action = "s3:BypassGovernanceRetention",
	        .account = request->account,
	        .bucket = request->s3->bucket,
	        .info = request->container_info.info,
	        .key = key,
	        .version = version};

	return is_true(says) && !s3_may_at(request, &target);
}

uint64_t s3_lock_now(struct request *request)
{
	const struct cluster *cluster = request_cluster(request);

	return cluster->env->wall_us(cluster->env) / (1000000 / TS_PER_SECOND);
}

/* --- what is made --- */

static struct s3_retention by_default(const struct info *info, uint64_t now)
{
	const char *kept = info_header(info, S3_BUCKET_LOCK), *mode = strchr(kept, ' ');
	struct s3_retention r = {0};
	char *unit;

	for (unsigned i = S3_LOCK_GOVERNANCE; mode && i < COUNT_OF(modes); i++) {
		size_t len = strlen(modes[i]);
		if (strncmp(mode + 1, modes[i], len) != 0)
			continue;
		r.mode = (enum s3_lock_mode)i;
		uint64_t n = strtoull(mode + 1 + len, &unit, 10);
		r.until = now + n * (strcmp(unit, " Years") == 0 ? 365 : 1) * DAY_TS;
	}
	return r;
}

static enum s3_error read_retention(struct request *request, uint64_t now,
        struct s3_retention *ret_retention, const char **ret_text)
{
	const char *mode = http_get(request->http, "x-amz-object-lock-mode"),
	           *date = http_get(request->http, "x-amz-object-lock-retain-until-date");

	if (!mode && !date)
		return S3_OK;
	ret_retention->mode = s3_lock_mode_of(mode);
	if (!mode || !date)
		*ret_text = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must "
		            "both be supplied";
	else if (!ret_retention->mode)
		*ret_text = "Unknown wormMode directive.";
	else if (!s3_lock_date(date, &ret_retention->until))
		*ret_text = "The retain until date must be provided in ISO 8601 format";
	else if (ret_retention->until <= now)
		*ret_text = "The retain until date must be in the future!";
	return *ret_text ? S3_InvalidArgument : S3_OK;
}

enum s3_error s3_lock_take(struct request *request, const char **ret_text)
{
	const struct info *info = request->container_info.info;
	const char *hold = http_get(request->http, "x-amz-object-lock-legal-hold");
	uint64_t now = s3_lock_now(request);
	struct s3_retention r = {0};
	enum s3_error error = read_retention(request, now, &r, ret_text);

	if (error)
		return error;
	if (hold && strcmp(hold, "ON") != 0 && strcmp(hold, "OFF") != 0) {
		*ret_text = "Legal Hold must be either of 'ON' or 'OFF'";
		return S3_InvalidArgument;
	}
	if (!s3_lock_enabled(info)) {
		*ret_text = hold || r.mode ? MISSING : NULL;
		return hold || r.mode ? S3_InvalidRequest : S3_OK;
	}
	if (!r.mode)
		r = by_default(info, now);
	if (r.mode)
		request_set_header(
		        request, S3_RETENTION, s3_retention_kept(request_arena(request), r));
	if (hold)
		request_set_header(request, S3_LEGAL_HOLD, hold);
	return S3_OK;
}

bool s3_lock_tell(struct buf *out, const char *name, const char *value)
{
	AUTO(buf) struct buf date = BUF_NONE;

	if (strcasecmp(name, S3_LEGAL_HOLD) == 0) {
		kv_add(out, "x-amz-object-lock-legal-hold", value);
		return true;
	}
	if (strcasecmp(name, S3_RETENTION) != 0)
		return false;
	struct s3_retention r = parse(value);
	if (r.mode) {
		s3_lock_date_write(r.until, &date);
		kv_add(out, "x-amz-object-lock-mode", modes[r.mode]);
		kv_add(out, "x-amz-object-lock-retain-until-date", buf_text(&date));
	}
	return true;
}
