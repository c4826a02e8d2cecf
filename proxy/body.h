/* body: what a GET sends or a copy reads: one object, or the segments of a large object, dynamic or
 * static, as one row of bytes. Parts of it (ranges, texts between them) are queued with body_add_*
 * and then taken piece by piece. Links (unit/symlink.h) are followed. */
#ifndef PROXY_BODY_H
#define PROXY_BODY_H

#include "proxy/proxy.h"
#include "proxy/ranged.h"
#include "proxy/reader.h"
#include "proxy/segments.h"
#include "proxy/unit/symlink.h"

#include "lib/http/range.h"

struct body_part {
	const char *text;    /* NULL: a range */
	uint64_t start, end; /* inclusive */
};

struct body {
	struct request *request; /* whose rights count for segments */
	struct op *op;
	struct proxy *proxy;
	struct arena *arena;
	unsigned policy;
	const char *account, *container, *object;
	/* Set before it is opened. raw: a manifest itself is meant; anew: as a client would send
	 * it; head: its bytes will not be asked for; parts: nor is head then without segments. */
	bool raw, anew, head_only, parts_wanted;
	bool one; /* raw, but what S3 keeps in parts, or in another class, is one object */
	struct reader head;    /* the object itself; of a link, what it leads to */
	struct link_walk link; /* to there; its `raw` is the caller's too */
	bool is_dlo, is_slo, whole, listed;
	struct buf text;           /* a static large object's manifest; owned */
	struct bytes *shown;       /* that as a client would send it; owned */
	struct manifest manifest;  /* of the segments; owned until segments has it */
	struct segments *segments; /* NULL: the object's own bytes */
	unsigned segment_count;
	/* Dynamic large object (X-Object-Manifest): segments in another container. */
	const char *segment_container, *segment_prefix, *last_name;
	struct info_fetch segment_info, segment_account;
	struct ranged list;
	struct backend_list page; /* what is asked of it */
	unsigned segment_room;
	bool asked;
	uint64_t size, ts;
	enum err err; /* ERR_FORMAT: its manifest cannot be read */
	/* What is to be sent. */
	struct body_part *parts;
	unsigned part_count, part_room, part_at;
	uint64_t part_offset; /* within the part */
	bool closed;
};

enum body_step { BODY_PIECE, BODY_WAIT, BODY_END, BODY_FAILED };

/* Texts are borrowed. first_offset/first_len: bytes to bring along with the version. */
void body_open(struct body *body, struct request *request, struct op *op, struct proxy *proxy,
        struct arena *arena, unsigned policy, const char *account, const char *container,
        const char *object, uint64_t first_offset, uint64_t first_len);
bool body_ready(struct body *body);
/* After each opening of its head: with the key that the request brings (SEAL_OPEN). */
void body_key(struct body *body);
/* Why its own bytes cannot be read; and to read them as they are stored all the same, once it is
 * ready and nothing is queued. */
enum seal_lock body_lock(const struct body *body);
void body_verbatim(struct body *body);
enum err body_err(const struct body *body);
bool body_is_dlo(const struct body *body);
bool body_is_slo(const struct body *body); /* not so when it is read raw */
/* ?part-number of a static large object (text may be NULL): *ret_part, 0: none; its range, whose
 * end is before its start when there are not so many. NULL, or the text of a 400. */
const char *body_part(const struct body *body, const char *text, const char *range,
        uint64_t *ret_part, struct range *ret_range);
/* The type that the manifest has of that part, once it is there. */
const char *body_part_type(const struct body *body, uint64_t part);
const struct backend_reply *body_head(const struct body *body);
uint64_t body_size(const struct body *body);
uint64_t body_ts(const struct body *body); /* of the newest of its segments and itself */
/* That time, told to requests of our own beside X-Timestamp, which is: */
#define GET_WRITTEN "X-Backend-Written"
/* Of its own last write, a POST too: what who writes under a condition names (PUT_IF_THERE). */
uint64_t body_newest(const struct body *body);
void body_etag(const struct body *body, char *ret_text, size_t size);

/* The next bytes of [at, end), without a queue; the reference moves to the caller. */
enum body_step body_read(struct body *body, uint64_t at, uint64_t end, struct bytes **ret_piece,
        size_t *ret_offset, size_t *ret_len);

/* Queue; each returns the bytes it adds. */
uint64_t body_add_range(struct body *body, uint64_t start, uint64_t end);
uint64_t body_add_text(struct body *body, const char *text);

/* All that was queued, when it is one range that came along with the version; else NULL. The
 * caller gets the reference. */
struct bytes *body_take_whole(
        struct body *body, uint64_t total, size_t *ret_offset, size_t *ret_len);

/* Before the first byte of a large object goes out: can its first segment be read? True when that
 * is known; *ret_err as segments_ready. */
bool body_begins(struct body *body, enum err *ret_err);

/* The next piece of what was queued; at BODY_WAIT the op is woken when there is more. */
enum body_step body_next(
        struct body *body, struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len);

void body_close(struct body *body); /* once, from the op */
void body_done(struct body *body);

#endif
