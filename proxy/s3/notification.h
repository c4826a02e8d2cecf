/* notification: which events of a bucket's objects are told to whom (PutBucketNotification-
 * Configuration): XML as AWS has it; and the same as it is kept, in one line. Of one event to one
 * key a configuration has one rule at most. Pure.
 *
 * Source: "NotificationConfiguration", Amazon S3 API Reference; "Supported event types" and
 * "Configuring event notifications using object key name filtering", Amazon S3 User Guide. */
#ifndef PROXY_S3_NOTIFICATION_H
#define PROXY_S3_NOTIFICATION_H

#include "lib/base/buf.h"
#include "lib/xml/xml.h"
#include "proxy/s3/error.h"

#define S3_NOTIFICATION "X-Container-Sysmeta-S3-Notification" /* as notification_write has it */

#define NOTIFICATION_RULES 100
#define NOTIFICATION_BYTES (256u << 10) /* of the XML */
#define NOTIFICATION_KEPT  (40u << 10)

struct notification_rule {
	char kind;                   /* 'T'opic, 'Q'ueue, cloud 'F'unction: alike, but in XML */
	const char *id;              /* NULL: none was given */
	const char *arn;             /* of where it goes */
	uint32_t events;             /* bits */
	const char *prefix, *suffix; /* of keys; NULL: any */
};

struct notification {
	struct notification_rule *rules;
	unsigned count;
};

/* Everything in the arena. What is wrong: an error, and *ret_text or NULL. */
enum s3_error notification_read(const struct xml *root, struct arena *arena,
        struct notification *ret_notification, const char **ret_text);
void notification_tell(const struct notification *notification, struct buf *out); /* XML */

/* As it is kept: "" for one without rules. */
void notification_write(const struct notification *notification, struct buf *out);
/* False: it is no such text. */
bool notification_parse(
        const char *kept, struct arena *arena, struct notification *ret_notification);

/* Whom an event ("ObjectCreated:Put") to that key is told to, or NULL. */
const struct notification_rule *notification_find(
        const struct notification *notification, const char *event, const char *key);

#endif
