/* sum: checksums of bodies (x-amz-checksum-*), compared while they come in, and kept:
 *
 *     X-Object-Sysmeta-S3-Checksum: SHA256 <base64> FULL_OBJECT     or COMPOSITE, <base64>-N
 *
 * A part's is in its row too, behind its type ("; s3_checksum=SHA256/<base64>"), and from there in
 * the manifest of the whole.
 *
 * Source: "Checking object integrity in Amazon S3", Amazon S3 User Guide. */
#ifndef PROXY_S3_SUM_H
#define PROXY_S3_SUM_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/crypto/checksum.h"
#include "proxy/s3/error.h"

struct request;

#define SUM_HEADER     "X-Object-Sysmeta-S3-Checksum"
#define SUM_TEXT       45 /* base64 of the longest, and a NUL */
#define SUM_WHOLE      "FULL_OBJECT"
#define SUM_COMPOSITE  "COMPOSITE"
#define SUM_PART_PARAM "s3_checksum"

#define SUM_UNKNOWN_TEXT                                                                           \
	"Checksum algorithm provided is unsupported. Please try again with any of the valid "      \
	"types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"

/* Of the body of a request. */
struct s3_sum {
	bool on, trails, ended;
	struct checksum sum;
	enum checksum_kind kind;
	const char *wanted; /* base64; NULL: any will do */
	char text[SUM_TEXT];
};

const char *sum_name(enum checksum_kind kind);                 /* "CRC64NVME" */
const char *sum_header(enum checksum_kind kind);               /* "x-amz-checksum-crc64nvme" */
const char *sum_element(enum checksum_kind kind);              /* "ChecksumCRC64NVME" */
bool sum_find(const char *name, enum checksum_kind *ret_kind); /* case does not count */

/* By the headers of a request; streams: it is sent in S3's chunks. */
enum s3_error s3_sum_begin(struct request *request, bool streams, const char **ret_text);
/* The header that is to come behind the body; or NULL. */
const char *s3_sum_trailer(const struct s3_sum *sum);
/* The body's next bytes; at its end, with what trailed them (a kv block), is it as was said? */
void s3_sum_add(struct s3_sum *sum, const void *data, size_t len);
enum s3_error s3_sum_end(
        struct s3_sum *sum, struct arena *arena, const struct buf *trailer, const char **ret_text);
void s3_sum_done(struct s3_sum *sum);
/* What is stored without any has this one, of all bytes, as at AWS. */
#define SUM_DEFAULT CHECKSUM_CRC64NVME
/* One of that kind, whatever comes. */
void s3_sum_start(struct s3_sum *sum, enum checksum_kind kind);
/* A part of an upload that wants this kind. */
enum s3_error s3_sum_want(struct request *request, enum checksum_kind kind, const char **ret_text);

/* The body is stored next: its headers get what was found, and so does the answer. */
void s3_sum_keep(struct request *request);
void sum_keep(struct request *request, const struct s3_sum *sum, bool of_part);

/* One that is kept. False: it is none. */
struct sum_kept {
	enum checksum_kind kind;
	const char *value, *type; /* in the arena */
};
bool sum_read(struct arena *arena, const char *header, struct sum_kept *ret_kept);
const char *sum_text(struct arena *arena, const struct sum_kept *kept); /* as it is kept */
/* Of a part, by its row's type. */
bool sum_of_part(struct arena *arena, const char *type, struct sum_kept *ret_kept);
/* base64 of a digest of that kind; false: it is none. */
bool sum_decode(enum checksum_kind kind, const char *text, uint8_t ret_digest[CHECKSUM_BYTES_MAX]);

/* In the answer: of a part, by its type in the manifest of a whole with these headers. */
void s3_sum_tell_part(struct request *request, const struct buf *headers, const char *type);
/* In an answer's headers. */
void sum_tell(struct buf *headers, const struct sum_kept *kept);

#endif
