/* transition: an object, or one version of it, moves to another storage class: its bytes are copied
 * to where those of the class are, then a large object of them takes its place, if that still is
 * what was looked at. All else of it stays as it was told before
 * (docs/decisions/0013-transitions.md).
 *
 *   bucket (-> name) -> look (-> manifest) -> places -> copy -> note (-> link) -> store */
#ifndef PROXY_S3_TRANSITION_H
#define PROXY_S3_TRANSITION_H

#include "proxy/proxy.h"
#include "proxy/sub.h"

enum s3_transition_outcome {
	TRANSITION_FAILED,
	TRANSITION_LEFT, /* it is not to be moved, cannot be, or was written meanwhile */
	TRANSITION_MADE,
};

struct s3_transition {
	/* The caller's; borrowed until it is over. */
	struct proxy *proxy;
	const char *account, *bucket, *key;
	uint64_t version; /* the id of one that is not current; or 0 */
	uint64_t day_s;   /* what takes most of a day is given up: who sweeps may be at it */
	/* Asked about what is found: to which class is it to go? NULL: it stays. */
	const char *(*wanted)(struct s3_transition *transition, const struct sub *head);
	void (*done)(struct s3_transition *transition); /* from the loop */
	enum s3_transition_outcome outcome;
};

void s3_transition_start(struct s3_transition *transition);

#endif
