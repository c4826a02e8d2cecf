/* event_target: where notifications of buckets may go: what the operator has named, and nothing
 * else. Clients know a target by an ARN, `arn:cairn:sqs::NAME:webhook` (or `:amqp`), with any
 * region and with sns or lambda in place of sqs. Pure. */
#ifndef PROXY_S3_EVENT_TARGET_H
#define PROXY_S3_EVENT_TARGET_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

struct event_target {
	const char *name, *url; /* the URL may hold a password: it is told to nobody */
	bool amqp;              /* else an HTTP server */
};

struct event_targets {
	struct arena arena;
	struct event_target *all;
	unsigned count;
};

/* "NAME:URL NAME:URL...", with blanks or commas between. False: *error says why, without secrets.
 * event_targets_done either way. */
bool event_targets_parse(struct event_targets *targets, const char *text, struct buf *error);
void event_targets_done(struct event_targets *targets);

/* NULL: there is none, or it is no ARN of ours; targets may be NULL. */
const struct event_target *event_target_find(const struct event_targets *targets, const char *arn);

#endif
