/* encryption: what a bucket's new objects are encrypted with, unless their requests say otherwise
 * (proxy/s3/sse.h). Kept as METHOD true|false KEY [SSE-C]: whether bucket keys are asked for (told,
 * without other effect); METHOD and KEY may be -; SSE-C: clients' own keys are refused.
 *
 * Source: PutBucketEncryption, Amazon S3 API Reference. */
#ifndef PROXY_S3_ENCRYPTION_H
#define PROXY_S3_ENCRYPTION_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/xml/xml.h"
#include "proxy/s3/error.h"

/* *ret_kept and *ret_text are in the arena, or static. */
enum s3_error s3_encryption_read(
        const struct xml *root, struct arena *arena, const char **ret_kept, const char **ret_text);
void s3_encryption_tell(const char *kept, struct buf *out);

#endif
