/* chunked: bodies that clients send in chunks of S3's own (Content-Encoding: aws-chunked), each
 * signed or not, and what may follow them: checksums, signed or not. Pure.
 *
 * Sources: "Signature calculations for the Authorization header: transferring payload in multiple
 * chunks" and "... including trailing headers", Amazon S3 API Reference. */
#ifndef PROXY_S3_CHUNKED_H
#define PROXY_S3_CHUNKED_H

#include "lib/auth/aws.h"
#include "lib/base/buf.h"
#include "proxy/s3/error.h"
#include "proxy/s3/sign.h"

#define CHUNK_LINE_MAX    512  /* bytes of a chunk's first line */
#define CHUNK_TRAILER_MAX 8192 /* of all lines behind the last */

enum chunked_state { CHUNK_HEAD, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER, CHUNK_OVER, CHUNK_BAD };

struct chunked {
	bool is_signed, has_trailer;
	/* Signed: with what, and by which signature before. Borrowed. */
	const uint8_t *key;
	const struct s3_sign *sign;
	/* private */
	enum chunked_state state;
	enum s3_error error;
	uint64_t left;                                           /* bytes of the chunk at hand */
	char before[S3_SIGNATURE_SIZE], said[S3_SIGNATURE_SIZE]; /* signatures */
	struct sha256 *sha256;                                   /* owned: of the chunk at hand */
	bool last;
	struct buf line, trailer; /* owned; trailer: a kv block of what follows the chunks */
};

/* By what X-Amz-Content-Sha256 says; false: it is none of these ways. The rest is the caller's to
 * set. */
bool chunked_begin(struct chunked *chunked, const char *how);
void chunked_done(struct chunked *chunked);

/* Takes bytes in, and puts what they hold out: up to `room` bytes. Returns how many it has taken;
 * fewer than there are: no room is left, or chunked->error. */
size_t chunked_feed(struct chunked *chunked, const uint8_t *in, size_t len, uint8_t *out,
        size_t room, size_t *ret_given);
/* Has the end come that it says is one? */
static inline bool chunked_over(const struct chunked *chunked)
{
	return chunked->state == CHUNK_OVER;
}

#endif
