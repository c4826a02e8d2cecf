/* segments: the bytes of a large object, segment after segment. Its manifest may name other
 * manifests (to a depth of SEGMENTS_DEPTH); those are read when their bytes are wanted. The
 * segments behind the one that is being sent are opened ahead. Each is read with the rights of who
 * asks. */
#ifndef PROXY_SEGMENTS_H
#define PROXY_SEGMENTS_H

#include "proxy/manifest.h"
#include "proxy/proxy.h"
#include "proxy/reader.h"

#define SEGMENTS_DEPTH 10
#define SEGMENTS_AHEAD 8

struct segment; /* a part of one object, or of inline data */

struct segments_level {
	struct manifest manifest; /* owned */
	uint64_t start, skip,
	        len; /* where it is in the whole; what is left out of it before that */
};

struct segments {
	struct request *request; /* borrowed; whose rights count */
	const char *bucket;      /* or NULL; who reads an object of S3's there may read its parts */
	struct op *op;
	struct proxy *proxy;
	const char *account;
	struct segments_level levels[SEGMENTS_DEPTH];
	unsigned depth;
	struct segment *sub; /* owned: the manifest being read; NULL: none */
	struct buf sub_text;
	struct segment *open[SEGMENTS_AHEAD]; /* owned: in the order in which they come */
	unsigned open_count;
	uint64_t plan_at, plan_end;
	enum err plan_err;   /* why it does not go on at plan_at */
	struct credit ahead; /* for what is read ahead */
	bool reads_ahead;    /* it was granted */
};

/* Its manifest: moved here. */
void segments_init(struct segments *segments, struct request *request, struct op *op,
        struct proxy *proxy, const char *account, struct manifest *manifest);

enum segments_step { SEGMENTS_PIECE, SEGMENTS_WAIT, SEGMENTS_FAILED };

/* True when the bytes at `at` can be sent, or not: *ret_err (ERR_CONFLICT: a segment is missing,
 * changed, or not for who asks). `end`: how far it will be read, exclusive. */
bool segments_ready(struct segments *segments, uint64_t at, uint64_t end, enum err *ret_err);

/* The next bytes from `at` on; the reference moves to the caller. */
enum segments_step segments_next(struct segments *segments, uint64_t at, uint64_t end,
        struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len);

/* Lets go of what is open; from the op. */
void segments_close(struct segments *segments);
void segments_done(struct segments *segments);

/* The next bytes of one reader from offset on, at most len. ERR_OK in *ret_err unless it failed. */
enum segments_step reader_next(struct reader *reader, uint64_t offset, uint64_t len,
        struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len);

#endif
