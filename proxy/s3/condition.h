/* condition: If-Match and If-None-Match of what is written. What is there is looked at first; the
 * write is then told to be one of just that (put.h, commit.h), so nothing comes between. */
#ifndef PROXY_S3_CONDITION_H
#define PROXY_S3_CONDITION_H

#include "proxy/s3/error.h"
#include "proxy/sub.h"

struct s3_condition {
	struct sub sub;
	bool asked, looked;
	const char *ts; /* when what is there was written, or NULL */
};

/* Call until it returns true. Without an error the request's headers are then PUT_IF_THERE, or
 * "If-None-Match: *", or neither where nothing was wanted. */
bool s3_condition_met(struct request *request, struct s3_condition *c, enum s3_error *ret_error);
void s3_condition_done(struct s3_condition *c);

#endif
