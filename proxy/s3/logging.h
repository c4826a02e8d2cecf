/* logging: access logs of buckets (PutBucketLogging), delivered as objects of another bucket of the
 * same account.
 *
 *   logging.c      what is set, and may it be delivered
 *   log_note.c     records of requests
 *   log_deliver.c  records, kept for each bucket until there are many or some time has passed, then
 *                  an object of them. Each loop has its own. As with AWS nobody waits for it, and
 *                  what cannot be delivered is tried once more, then dropped. */
#ifndef PROXY_S3_LOGGING_H
#define PROXY_S3_LOGGING_H

#include "proxy/proxy.h"
#include "proxy/s3/error.h"

#define S3_LOGGING "X-Container-Sysmeta-S3-Logging" /* XML, as it was sent */
/* The same as it is used: "target format prefix", the prefix percent-encoded. */
#define S3_LOGGING_TO "X-Container-Sysmeta-S3-Logging-To"
/* What the objects' list is to be, as acl.h keeps it; "": private. */
#define S3_LOGGING_ACL "X-Container-Sysmeta-S3-Logging-Acl"

#define S3_LOG_SIMPLE   "simple"   /* PREFIX2026-11-22-07-00-00-0123456789ABCDEF */
#define S3_LOG_EVENT    "event"    /* below the owner, region, bucket and day of the requests */
#define S3_LOG_DELIVERY "delivery" /* of the delivery */

/* May logs of a bucket of that owner be delivered to the target? By its policy, or its list. */
bool s3_log_may(const struct info *target, const char *target_name, const char *prefix,
        const char *bucket, const char *owner);
/* The bucket's owner by its system metadata; in the arena. */
const char *s3_log_owner(struct arena *arena, const struct info *info, const char *account);

/* --- log_note.c --- */

/* It is known which bucket a client's request names: keeps what a record wants of it, since what
 * comes behind may look at other containers. */
void s3_log_hold(struct request *request);
/* A key of DeleteObjects is done with. */
void s3_log_key(struct request *request, const char *key, const char *version, enum s3_error error);
/* What a copy is made from was read, or not: a record in the log of its bucket. */
struct s3_log_source {
	struct info *info; /* of the bucket; NULL: there is none */
	const char *account, *bucket, *key, *version, *size;
};
void s3_log_source(
        struct request *request, const struct s3_log_source *source, enum s3_error error);
/* It is over. */
void s3_log_note(struct request *request);

/* --- log_deliver.c --- */

/* What a record wants of a bucket. */
struct s3_log_held {
	struct info *info; /* a reference */
	const char *account, *to;
};

struct s3_log_record;
void s3_log_add(struct request *request, const struct s3_log_held *held,
        const struct s3_log_record *record);
/* Delivers all that is kept. */
void s3_log_flush(struct proxy *proxy);
void s3_log_free(struct proxy *proxy);

#endif
