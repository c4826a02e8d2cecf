/* lock: object lock: retention until a date and legal holds of versions (WORM). What is locked is
 * not deleted by its version, whoever asks and by which API; new versions and delete markers may
 * hide it. Source: "Locking objects with Object Lock", Amazon S3 User Guide. */
#ifndef PROXY_S3_LOCK_H
#define PROXY_S3_LOCK_H

#include "proxy/proxy.h"
#include "proxy/s3/error.h"

/* Of a bucket: "Enabled", or with a default retention "Enabled MODE 30 Days" ("Years"). */
#define S3_BUCKET_LOCK "X-Container-Sysmeta-S3-Lock"
/* Of a version: "MODE 1893456000.00000"; "ON" or "OFF". */
#define S3_RETENTION  "X-Object-Transient-Sysmeta-S3-Retention"
#define S3_LEGAL_HOLD "X-Object-Transient-Sysmeta-S3-Legal-Hold"

bool s3_lock_enabled(const struct info *info);

enum s3_lock_mode { S3_LOCK_NONE, S3_LOCK_GOVERNANCE, S3_LOCK_COMPLIANCE };

struct s3_retention {
	enum s3_lock_mode mode;
	uint64_t until; /* ticks of 10 us */
};

const char *s3_lock_mode_name(enum s3_lock_mode mode);
/* S3_LOCK_NONE: there is no mode of that name. */
enum s3_lock_mode s3_lock_mode_of(const char *name);
/* "2030-01-01T00:00:00Z"; false: no date. */
bool s3_lock_date(const char *text, uint64_t *ret_until);
void s3_lock_date_write(uint64_t until, struct buf *out);

/* What a version's headers (a kv block) say. */
struct s3_retention s3_retention_of(const struct buf *headers);
const char *s3_retention_kept(struct arena *arena, struct s3_retention retention);

/* May a version with these headers be deleted? governance: of GOVERNANCE whoever asks is free. */
bool s3_locked(const struct buf *headers, uint64_t now, bool governance);
/* May the retention of a version become the other one? */
bool s3_retention_may(
        struct s3_retention is, struct s3_retention wanted, uint64_t now, bool bypass);
/* Does a request say that it passes by GOVERNANCE, and may it? */
bool s3_lock_bypass(struct request *request, const char *key, const char *version);
uint64_t s3_lock_now(struct request *request);

/* Turns a request's headers, or the bucket's default, into those that what is made will have. */
enum s3_error s3_lock_take(struct request *request, const char **ret_text);
/* Tells a header of a version in S3's names. False: it is none of the lock's. */
bool s3_lock_tell(struct buf *out, const char *name, const char *value);

#endif
