/* post: what a browser's form uploads (PostObject). Its fields are read and put into the terms of a
 * PutObject's headers; then the request is one, and its body the bytes of the file in the form.
 *
 *   form -> prepare -> policy -> pass (object.c)
 *
 * Source: "POST Object", "Browser-Based Uploads Using POST", Amazon S3 API Reference. */
#ifndef PROXY_S3_POST_H
#define PROXY_S3_POST_H

#include "proxy/s3/post_policy.h"
#include "proxy/unit/multipart.h"

#include "lib/op/op.h"

#define POST_FIELDS_MAX 20480 /* bytes of all fields before the file */

struct bytes;
struct request;

struct s3_post {
	struct multipart parts; /* owned */
	struct post_field *fields;
	const char *policy; /* as it was sent, base64; NULL: anybody may who may without */
	const char *filename;
	struct buf value;       /* owned: of the field at hand */
	const char *value_name; /* in lower case; NULL: it has none */
	size_t field_bytes;
	struct post_range range;
	const char *rest; /* of the file, borrowed from parts: not handed over yet */
	size_t rest_len;
	bool receiving, received, in_file;
	bool dry;  /* wants another piece */
	bool over; /* what follows the file does not count */
	enum s3_error error;
};

/* A piece of the body before the file begins; it owns the piece. */
void s3_post_take(struct request *request, struct bytes *piece, bool last);

/* What the file in the form is, as chunked_feed. */
size_t s3_post_feed(struct s3_post *post, const uint8_t *in, size_t len, uint8_t *out, size_t room,
        size_t *ret_given);
/* Is there something to be handed over without another piece? */
static inline bool s3_post_keeps(const struct s3_post *post)
{
	return !post->over && !post->dry;
}
/* The body is over, and so long was the file. */
enum s3_error s3_post_end(const struct s3_post *post, uint64_t given);
void s3_post_done(struct s3_post *post);

/* The object is there: answers as the form wants it. */
enum step s3_post_answer(struct request *request);

#endif
