/* body: what a GET sends or a copy reads: one object, or the segments of a dynamic large object in
 * the order of their names, as one row of bytes. Parts of it (ranges, texts between them) are
 * queued with body_add_* and then taken piece by piece. Links (unit/symlink.h) are followed. */
#ifndef PROXY_BODY_H
#define PROXY_BODY_H

#include "proxy/proxy.h"
#include "proxy/ranged.h"
#include "proxy/reader.h"
#include "proxy/unit/symlink.h"

struct segment {
	const char *name, *etag;
	uint64_t start, size; /* in the whole; bytes */
};

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
	struct reader head;    /* the object itself; of a link, what it leads to */
	struct link_walk link; /* to there */
	/* Dynamic large object (X-Object-Manifest): segments in another container. */
	bool is_dlo, listed;
	const char *segment_container, *segment_prefix;
	struct info_fetch segment_info, segment_account;
	struct ranged list;
	struct backend_list page; /* what is asked of it */
	bool asked;
	struct segment *segments;
	unsigned segment_count, segment_room;
	uint64_t size, ts;
	enum err err;
	struct reader segment; /* the one being read */
	unsigned segment_index;
	uint8_t segment_state;
	/* What is to be sent. */
	struct body_part *parts;
	unsigned part_count, part_room, part_at;
	uint64_t part_offset; /* within the part */
	bool closed, raw;
};

enum body_step { BODY_PIECE, BODY_WAIT, BODY_END, BODY_FAILED };

/* Texts are borrowed. first_offset/first_len: bytes to bring along with the version. Set body->raw
 * before to read a manifest itself, body->link.raw to read a link itself. */
void body_open(struct body *body, struct request *request, struct op *op, struct proxy *proxy,
        struct arena *arena, unsigned policy, const char *account, const char *container,
        const char *object, uint64_t first_offset, uint64_t first_len);
bool body_ready(struct body *body);
enum err body_err(const struct body *body);
bool body_is_dlo(const struct body *body);
const struct backend_reply *body_head(const struct body *body);
uint64_t body_size(const struct body *body);
uint64_t body_ts(const struct body *body); /* of the newest of its segments and itself */
void body_etag(const struct body *body, char *ret_text, size_t size);

/* Queue; each returns the bytes it adds. */
uint64_t body_add_range(struct body *body, uint64_t start, uint64_t end);
uint64_t body_add_text(struct body *body, const char *text);

/* All that was queued, when it is one range that came along with the version; else NULL. The
 * caller gets the reference. */
struct bytes *body_take_whole(
        struct body *body, uint64_t total, size_t *ret_offset, size_t *ret_len);

/* The next piece of what was queued; at BODY_WAIT the op is woken when there is more. */
enum body_step body_next(
        struct body *body, struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len);

void body_close(struct body *body); /* once, from the op */
void body_done(struct body *body);

#endif
