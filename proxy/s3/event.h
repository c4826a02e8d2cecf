/* event: what has happened to an object of a bucket that wants it told (notification.h). It is a
 * row of a hidden container, which rides with the object's record as its listing update does
 * (commit.h): where the write is, it is, and a proxy that dies loses none. The row goes when its
 * target has taken it (node/notifier.h).
 *
 * A row is named "target/time-unique"; its etag, bytes and time are the object's, and its content
 * type is a JSON object of the rest: event, bucket, key, and maybe rule, owner, user, address,
 * request, version, of (account/container, encoded, whose row's etag it is). */
#ifndef PROXY_S3_EVENT_H
#define PROXY_S3_EVENT_H

#include "proxy/proxy.h"
#include "proxy/s3/event_target.h"
#include "proxy/seal.h"

#define EVENTS_ACCOUNT   ".cairn"
#define EVENTS_CONTAINER "events"

/* Of a DELETE of our own: the delete marker that was made with it. */
#define S3_EVENT_MARKER "X-Backend-Delete-Marker"

/* Of a PUT of our own: it moves an object to another storage class; its version's id, or empty. */
#define S3_EVENT_MOVED "X-Backend-Moved"

struct s3_event {
	const char *name, *note; /* of the row: its name and content type */
};

enum s3_event_write { S3_EVENT_PUT, S3_EVENT_POST, S3_EVENT_DELETE };

/* Of a write that the request is about to commit; `bucket`: of the container that it goes to.
 * NULL: nobody wants to know. In the request's arena. */
const struct s3_event *s3_event_of(struct request *request, enum s3_event_write write,
        const struct info *bucket, const char *container, const char *object);

/* Tells each target of a configuration, once, that it is one. */
struct notification;
void s3_event_test(struct request *request, const struct notification *notification);

/* What a target is sent: AWS's JSON. False: it is no such row. */
bool s3_event_print(const struct seal_keys *keys, const struct backend_row *row, struct buf *out);

#endif
