/* tags: of objects and buckets, kept as a query has them ("a=b&c="), in order of their keys. Pure,
 * but for what reads a request's header. */
#ifndef PROXY_S3_TAGS_H
#define PROXY_S3_TAGS_H

#include "lib/base/buf.h"
#include "lib/xml/xml.h"
#include "proxy/s3/error.h"

struct request;

#define S3_OBJECT_TAGS "X-Object-Transient-Sysmeta-S3-Tags"
#define S3_BUCKET_TAGS "X-Container-Sysmeta-S3-Tags"

#define S3_OBJECT_TAGS_MAX 10
#define S3_BUCKET_TAGS_MAX 50

/* Of a <Tagging>; and of x-amz-tagging. Appends the text that is kept. */
enum s3_error s3_tags_of_xml(
        const struct xml *root, unsigned max, struct buf *out, const char **ret_text);
enum s3_error s3_tags_of_text(
        const char *text, unsigned max, struct buf *out, const char **ret_text);

void s3_tags_tell(const char *kept, struct buf *xml); /* <TagSet>...</TagSet> */
unsigned s3_tags_count(const char *kept);

/* Turns x-amz-tagging of a request that makes an object into what is kept of it. */
enum s3_error s3_tags_take(struct request *request, const char **ret_text);

#endif
