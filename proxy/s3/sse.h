/* sse: server-side encryption as S3's clients ask for it, over what seals bodies (proxy/seal.h): by
 * the root secret (AES256), by a key that they name (aws:kms), or by their own (SSE-C), which is
 * nowhere kept. What an object has is in its system metadata:
 *
 *     X-Object-Sysmeta-S3-Sse: AES256
 *                              aws:kms KEY-AS-NAMED true|false CONTEXT     context: base64, or -
 *                              customer SALT VERIFIER                      base64: HMAC of the key
 *
 * Source: "Protecting data with server-side encryption", Amazon S3 User Guide. */
#ifndef PROXY_S3_SSE_H
#define PROXY_S3_SSE_H

#include "lib/base/buf.h"
#include "lib/base/kv.h"
#include "proxy/s3/error.h"

#include <stdbool.h>

struct info;
struct request;
struct sub;

#define S3_SSE        "X-Object-Sysmeta-S3-Sse"
#define S3_SSE_ROOT   "AES256"
#define S3_SSE_KMS    "aws:kms"
#define S3_KMS_ID_MAX 2048

#define S3_BLOCKS_SSEC "SSE-C"
#define S3_SSE_LOCKED                                                                              \
	"The object is encrypted with a key that has to be sent along, or is not to be used."

/* Of a new object (PutObject, CopyObject, CreateMultipartUpload): by its headers or what is set for
 * the bucket, into S3_SSE and SEAL_WITH among the request's headers, and into the answer. */
enum s3_error s3_sse_take(struct request *request, const char **ret_text);

/* The same of what belongs to an upload: by the headers of its marker, with which the request's
 * have to go together. */
enum s3_error s3_sse_take_part(
        struct request *request, const struct buf *marker, const char **ret_text);
/* Of the whole of it, which has the marker's headers by itself. */
enum s3_error s3_sse_take_whole(
        struct request *request, const struct buf *marker, const char **ret_text);
/* Of a marker or a whole, which have no bytes of the client's: their metadata is sealed. */
void s3_sse_sub(struct request *request, struct sub *sub, const char *kept);

/* Of who reads: the key that is sent along, as SEAL_OPEN among the headers. */
enum s3_error s3_sse_take_read(struct request *request, const char **ret_text);
/* Then, once the object's headers are there: is it the right one? */
enum s3_error s3_sse_may_read(
        struct request *request, const struct buf *headers, const char **ret_text);
/* The same of a copy's source. *ret_key: as SEAL_OPEN for who reads it, or NULL. */
enum s3_error s3_sse_source(struct request *request, const struct buf *headers,
        const char **ret_key, const char **ret_text);

/* In an answer: what is kept of an object. */
void s3_sse_tell(struct request *request, struct buf *out, const char *kept);

/* Of an object that Swift's API puts into a bucket (info: of its container): what is set for that,
 * as SEAL_WITH, and S3_SSE among the request's headers; or NULL. */
const char *s3_sse_default(struct request *request, const struct info *info);

/* Is its body closed to all who have not its client's key? */
bool s3_sse_is_customers(const struct buf *headers);
/* SEAL_WITH for another object with the same as `kept` (may be NULL); NULL: none that we know of.
 */
const char *s3_sse_seal(struct request *request, const char *kept);

#endif
