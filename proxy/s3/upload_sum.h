/* upload_sum: the ETag and the checksum of a whole, made of those of its parts. */
#ifndef PROXY_S3_UPLOAD_SUM_H
#define PROXY_S3_UPLOAD_SUM_H

#include "proxy/s3/upload.h"

/* "md5-N": of the parts' MD5s, one behind the other; and how many they are. */
const char *upload_etag(struct arena *arena, const struct upload_listed *listed, unsigned count);

/* As the upload was begun with: NULL where a part has none of that kind. chosen: the
 * parts that the list means. S3_InvalidPart: another one was said of a part; S3_BadDigest: of the
 * whole. */
enum s3_error upload_sum(struct request *request, const struct upload *upload,
        const struct upload_listed *listed, const struct upload_row *const *chosen, unsigned count,
        const char **ret_sum, const char **ret_text);

#endif
