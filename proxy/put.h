/* put: what the files of PUT and COPY share. put.c has the states, put_pieces.c takes the body in,
 * put_copy.c brings it from another object. */
#ifndef PROXY_PUT_H
#define PROXY_PUT_H

#include "proxy/body.h"
#include "proxy/commit.h"
#include "proxy/ec_put.h"
#include "proxy/proxy.h"
#include "proxy/s3/sum.h"
#include "proxy/seal.h"

#include "lib/crypto/md5_lanes.h"
#include "lib/http/range.h"

enum { PUT_PREPARE, PUT_CHECK, PUT_SOURCE, PUT_TARGET, PUT_RECEIVE, PUT_VERIFY, PUT_COMMIT };

/* Of requests of our own: only in place of the object of that time. */
#define PUT_IF_THERE "X-Backend-If-There"
/* The same, of a copy: only of a source with this ETag, and else fails with 503. */
#define PUT_SOURCE_ETAG "X-Backend-Source-Etag"
/* The same, of a copy: a checksum of its bytes is kept and told (proxy/s3/sum.h). "SHA256"; with
 * " part" behind it as that of a part of an upload. */
#define PUT_SUM "X-Backend-Checksum"
/* The same: it counts only once it is listed, and else fails with 503. */
#define PUT_LISTED "X-Backend-Listed"

#define PIECES_MAX  4 /* staged or hashed at once, of one upload */
#define DEADLINE_MS 30000

struct piece {
	struct put *put;
	struct bytes *bytes;  /* owned */
	struct bytes *stored; /* owned: the same, or sealed */
	struct md5_job job;
	struct fan staged;
	struct credit credit;
	size_t offset, len;
	bool hashed, used;
};

/* A finished copy of the source, for COPY and X-Copy-From. */
struct copy {
	const char *account, *container, *object;
	struct info_fetch container_info, account_info;
	struct body body;
	struct range ranges[RANGE_MAX];
	struct bytes *gathered, *over; /* owned: a piece being filled; what did not fit into it */
	/* As the client names it, when that is a version of it. */
	const char *named_container, *named_object;
	bool opened, fresh, sum_of_part;
	uint64_t left;
	struct s3_sum sum; /* of what is copied */
};

struct put {
	struct request *request;
	const char *account, *container, *object; /* destination */
	unsigned policy;
	struct info_fetch container_info, account_info; /* of another destination (COPY) */
	struct info_fetch quota_info, late_info;
	const struct info *info;
	const char *content_type, *wanted_etag;
	uint64_t delete_at, size, stage;
	struct seal seal;   /* with an aead: what is stored is sealed */
	bool verbatim;      /* a copy of what is sealed with a key that is not here */
	uint64_t stored;    /* bytes so far, as stored */
	uint64_t staged_ts; /* plain backends: when the first piece was staged, and the object's */
	struct md5_stream md5;
	uint8_t digest[16];
	struct piece pieces[PIECES_MAX];
	struct bytes *next_piece; /* arrived while the one before was being hashed */
	bool last, receiving, staging, too_large, failed, full, hashing, large;
	struct bytes *inline_body; /* owned */
	/* For the piece that comes in, or all of a copy's; for the inline body. */
	struct credit incoming, kept;
	struct copy *copy;
	struct commit commit;
	struct ec_put ec;
	struct fan unstage;
	struct place place;
	uint64_t lost; /* of the place: failed a piece */
};

static inline struct put *put_of(struct request *request)
{
	return request->own;
}

/* --- put.c --- */

/* The headers of the new object, and its content type. */
const char *put_type(struct put *put);
void put_headers(struct request *request, struct put *put, const char *type, struct buf *out);

/* --- put_pieces.c --- */

enum step put_receive(struct op *op);
void put_body(struct request *request, struct bytes *piece, bool last);
/* Takes a piece in (moved): hashes it and, unless it may be the whole body, stages it. At most one
 * is hashed at a time: MD5 goes in order. */
void put_take_piece(struct put *put, struct bytes *bytes, size_t offset, size_t len);
/* Bytes of the next whole piece, as it comes in. */
size_t put_piece_bytes(const struct put *put);
struct piece *put_free_piece(struct put *put); /* NULL: all are under way */
/* May this upload take so much memory? */
bool put_has_credit(struct put *put, size_t bytes);
/* The same for the segment of which `rest` bytes are to come, where there are any. */
bool put_has_segment(struct put *put, uint64_t rest);
/* Gives up what was staged, and answers so (0: not at all). */
enum step put_abandon(struct request *request, struct put *put, int status);

/* --- put_copy.c --- */

/* Who copies what to where; STEP_NEXT when all is well. */
enum step put_copy_setup(struct request *request, struct put *put);
enum step put_copy_source(struct op *op);
/* What the copy is to be sealed with, as its source is (SEAL_WITH), or NULL. */
const char *put_copy_seal(struct request *request, struct put *put);
/* What a copy takes over: metadata and content headers the request does not set anew. */
void put_copy_headers(struct request *request, struct put *put, struct buf *out);
/* Of those, what says how it is sealed: bytes that are copied as they are need it. */
void put_copy_sealed(const struct put *put, struct buf *out);
/* Feeds from the copy's source, when this is a copy. */
bool put_copy_feed(struct put *put, bool *ret_failed);
/* Once all is there: what its headers have of its checksum. */
void put_copy_sum(struct request *request, struct put *put);
/* What the answer says of the source. */
void put_copied_from(struct request *request, struct put *put);

#endif
