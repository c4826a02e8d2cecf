/* copy: what CopyObject and UploadPartCopy share: once the source is known its bytes are brought by
 * a request of our own, Swift's PUT with X-Copy-From. */
#ifndef PROXY_S3_COPY_H
#define PROXY_S3_COPY_H

#include "proxy/s3/copy_source.h"
#include "proxy/s3/upload.h"

struct copying {
	struct upload upload; /* UploadPartCopy */
	struct upload_parts before;
	unsigned number;
	struct copy_source source;
	struct sub store;
	bool anew;           /* metadata of the request, not of the source */
	struct sum_kept sum; /* that is kept; no value: none */
	bool sums;           /* one of its kind is made of the bytes */
	bool unasked; /* which the result does not tell: clients of before know no such element */
	const char *open; /* the key that the source wants (SEAL_OPEN), or NULL */
};

/* The request's. */
struct copying *copying_of(struct request *request);

/* The store: begun, then come headers of the caller's and sub_start. */
void copying_begin(struct request *request, struct copying *copying, const char *container,
        const char *object);
/* How its bytes are sealed. */
void copying_sealing(struct request *request, struct copying *copying);
/* It has ended: the checksum that the bytes have turned out to have. */
void copying_take_sum(struct request *request, struct copying *copying);
/* Waits for it, and answers. */
enum step copying_stored(struct request *request, struct copying *copying, const char *root);
enum step copying_answer(struct request *request, struct copying *copying, const char *root);

#endif
