/* upload_list: the list of parts that a CompleteMultipartUpload sends. Pure. */
#ifndef PROXY_S3_UPLOAD_LIST_H
#define PROXY_S3_UPLOAD_LIST_H

#include "lib/base/arena.h"
#include "lib/xml/xml.h"
#include "proxy/s3/error.h"

#include <stdbool.h>
#include <stddef.h>

#define UPLOAD_CHECKSUMS 5

struct upload_listed {
	unsigned number;
	const char *etag;                       /* without quotes */
	const char *checksum[UPLOAD_CHECKSUMS]; /* base64, by enum checksum; or NULL */
};

/* A part's number in decimal, 1 to 10000; 0: it is none. */
unsigned upload_number(const char *text);

/* root: of that name. S3_MalformedXML; S3_InvalidPartOrder (a part that is named twice
 * in a row is that of the last); S3_InvalidArgument for a number that no
 * part has. At least one part. */
enum s3_error upload_list_parse(const struct xml *root, struct arena *arena,
        struct upload_listed **ret_parts, unsigned *ret_count);

#endif
