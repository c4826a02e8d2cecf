/* aws: signatures of requests to AWS's APIs, versions 0, 1, 2 and 4, as Keystone's clients make
 * them for EC2 and S3. Pure; any thread. */
#ifndef LIB_AUTH_AWS_H
#define LIB_AUTH_AWS_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

#define AWS_KEY 32

/* The key of version 4 that is good for one day (YYYYMMDD), region and service: who has it can
 * check signatures of that scope, and learns nothing of the secret. */
void aws_signing_key(const char *secret, const char *date, const char *region, const char *service,
        uint8_t ret_key[AWS_KEY]);

struct aws_pair {
	const char *name, *value;
};

struct aws_request {
	const char *verb, *host, *path;
	const char *body_hash; /* SHA-256 in hexadecimal; NULL: not told */
	const struct aws_pair *params, *headers;
	unsigned param_count, header_count;
};

/* Appends the signature that the request ought to have, by the version it says (SignatureVersion,
 * or 4 by its Authorization or X-Amz-Algorithm). ERR_BAD_REQUEST: of no version, or something that
 * it stands on is missing. */
enum err aws_sign(const struct aws_request *request, const char *secret, struct arena *arena,
        struct buf *out);

/* The signature of an S3 request of which only the string to sign is known: version 4 when it
 * begins with AWS4, else S3's first. ERR_BAD_REQUEST. */
enum err aws_sign_text(
        const void *text, size_t len, const char *secret, struct arena *arena, struct buf *out);

#endif
