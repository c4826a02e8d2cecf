/* payload: the body of an S3 request on its way to who takes it in: compared with the hash that was
 * signed, and taken out of its chunks where it comes in such. */
#ifndef PROXY_S3_PAYLOAD_H
#define PROXY_S3_PAYLOAD_H

#include "lib/base/bytes.h"
#include "lib/http/http.h"
#include "proxy/s3/chunked.h"

struct request;
struct s3_post;
struct sha256;

struct s3_payload {
	const char *wanted;    /* SHA-256 in hexadecimal that it ought to have; NULL: any will do */
	struct sha256 *sha256; /* owned */
	enum s3_error error;   /* found while it came in */
	const char *error_text;
	/* In chunks: the carrier brings them to us, and we the body to the method. */
	bool streams;
	struct chunked chunked;
	struct s3_post *post; /* borrowed: in a form instead */
	const struct http_carrier *below;
	struct http_carrier carrier;
	struct bytes *raw, *into; /* owned: as it came; where the method wants it */
	size_t raw_at;
	uint64_t given;
	bool raw_last, pumping;
};

/* Once it is known who signed: what will come. */
enum s3_error s3_payload_begin(struct request *request, const char **ret_text);
/* The same of what is a file in a form, of which all has come when last. */
void s3_payload_of_post(struct request *request, bool last);
/* A piece from the carrier, which it owns from now on: to the method, as it is or as what its
 * chunks hold. */
void s3_payload_take(struct request *request, struct bytes *piece, bool last);
/* It has come to its end: is it what was signed? */
enum s3_error s3_payload_end(struct request *request, const char **ret_text);
void s3_payload_done(struct s3_payload *payload);

#endif
