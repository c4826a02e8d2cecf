/* cors: which web pages of other sites may use a bucket. Pure, but for the operation.
 *
 * Source: "Elements of a CORS configuration", Amazon S3 User Guide. */
#ifndef PROXY_S3_CORS_H
#define PROXY_S3_CORS_H

#include "lib/base/buf.h"
#include "lib/xml/xml.h"
#include <stdbool.h>

struct request;

#define S3_CORS_RULES 100

/* False: it is none; *ret_text: why, or NULL: not of the schema. */
bool s3_cors_good(const struct xml *root, const char **ret_text);
void s3_cors_tell(const char *kept, struct buf *out);
/* The first rule for such a request, or NULL. headers: those asked for, with commas; or NULL. */
const struct xml *s3_cors_find(
        const struct xml *root, const char *origin, const char *method, const char *headers);
/* What a page of request->origin may know of the answer, once the bucket is known. */
void s3_cors_answer(struct request *request);

#endif
