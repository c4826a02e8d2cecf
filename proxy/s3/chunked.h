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

#define CHUNK_LINE_MAX 512  /* bytes of a chunk's first line, or one behind the last */
#define CHUNK_MIN      8192 /* bytes of a chunk that is not the last */

enum chunked_state { CHUNK_HEAD, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER, CHUNK_OVER, CHUNK_BAD };

struct chunked {
	bool is_signed;
	/* Signed: with what, and by which signature before. Borrowed. */
	const uint8_t *key;
	const struct s3_sign *sign;
	enum s3_error error;
	/* IncompleteBody: it ended too early, or has so many bytes where others were announced;
	 * InvalidChunkSizeError: behind which (from 1), and its size. */
	bool cut_off;
	uint64_t wanted, provided;
	struct buf trailer; /* owned; a kv block of what follows the chunks */
	struct buf text;    /* owned; the string to sign of the last signature that was looked at */
	/* private */
	enum chunked_state state;
	bool signs_trailer, has_signature;
	const char *expected; /* header behind the last chunk; or NULL */
	uint64_t size, lacks; /* bytes of the body: in all, still to come */
	uint64_t chunk, left; /* bytes of the chunk at hand */
	unsigned number;      /* chunks begun */
	char before[S3_SIGNATURE_SIZE], said[S3_SIGNATURE_SIZE]; /* signatures */
	struct sha256 *sha256;                                   /* owned: of the chunk at hand */
	struct buf line;                                         /* owned */
};

/* By what X-Amz-Content-Sha256 says, of a body of so many bytes, behind which the trailer (NULL:
 * none) is to come; false: it is none of these ways. key and sign are the caller's to set. */
bool chunked_begin(struct chunked *chunked, const char *how, uint64_t size, const char *trailer);
void chunked_done(struct chunked *chunked);

/* Takes bytes in, and puts what they hold out: up to `room` bytes. Returns how many it has taken;
 * fewer than there are: no room is left, or chunked->error. */
size_t chunked_feed(struct chunked *chunked, const uint8_t *in, size_t len, uint8_t *out,
        size_t room, size_t *ret_given);
/* Nothing more comes: is it whole? Else chunked->error. */
void chunked_end(struct chunked *chunked);

#endif
