/* sub: a request that a request makes. The same routes, units and methods answer it as a client's,
 * with no network between: what Swift's middlewares do with requests of their own.
 *
 *   sub_init, sub_path, sub_header..., (sub_body | sub_body_streams), sub_start
 *   sub_headed  -> status and headers
 *   sub_next    -> bytes of the answer, one piece after the other; or sub_collect: all of them
 *   sub_done
 *
 * The parent's operation is woken whenever there is something new, and is not freed before the sub
 * is over. When the parent ends, or its client goes away, its subs are stopped. */
#ifndef PROXY_SUB_H
#define PROXY_SUB_H

#include "lib/base/list.h"
#include "lib/http/http.h"
#include "lib/op/op.h"

struct request;
struct unit;
struct sub_exchange;

enum sub_rights {
	SUB_AS_CLIENT, /* of who asked the parent; its container's ACL is looked at */
	SUB_AS_SYSTEM, /* everything, names that are reserved among it */
};

struct sub {
	struct request *parent; /* borrowed */
	struct sub_exchange *x; /* owned by itself; NULL once it is over */
	struct list link;       /* of the parent's */
	int status;             /* of the answer; 0 until it is known, 503 when there was none */
	struct buf headers;     /* of the answer: a kv block; owned */
	uint64_t length;        /* of the answer's body, bytes, as it says, or HTTP_UNTIL_END */
	struct buf text;        /* what sub_collect has gathered; owned */
	bool headed, over, failed;
};

enum sub_step { SUB_PIECE, SUB_WAIT, SUB_END, SUB_FAILED };

/* Prepares one; sub's memory is the caller's, zeroed or sub_done before. It passes those units of
 * the pipeline that come after `maker` (NULL: all of them). method is copied. */
void sub_init(struct sub *sub, struct request *parent, const struct unit *maker,
        enum sub_rights rights, const char *method);
/* Decoded names, copied; container and object may be NULL. query: as in a target, without the
 * '?', or NULL. */
void sub_path(struct sub *sub, const char *account, const char *container, const char *object,
        const char *query);
void sub_header(struct sub *sub, const char *name, const char *value); /* copied */
/* The parent's headers but those named in `without` (NULL-terminated; may be NULL) and those that
 * frame a body. */
void sub_copy_headers(struct sub *sub, const char *const *without);
/* A whole body: the reference moves. */
void sub_body(struct sub *sub, struct bytes *body, size_t offset, size_t len);
void sub_body_text(struct sub *sub, const char *text, size_t len); /* copied */
/* A body that comes by sub_write: of so many bytes, or UINT64_MAX: until sub_write_end. */
void sub_body_streams(struct sub *sub, uint64_t length);
void sub_start(struct sub *sub);

/* Bytes of the body that it would take now without keeping too much. */
size_t sub_room(const struct sub *sub);
void sub_write(struct sub *sub, struct bytes *piece, size_t offset, size_t len); /* piece moves */
void sub_write_end(struct sub *sub);

/* Is the status known? A sub without an answer has 503. */
bool sub_headed(const struct sub *sub);
const char *sub_get(const struct sub *sub, const char *name); /* a header of the answer, or NULL */
static inline bool sub_ok(const struct sub *sub)
{
	return sub->status / 100 == 2;
}

/* The next bytes of the answer's body; the reference moves to the caller. */
enum sub_step sub_next(
        struct sub *sub, struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len);

/* Gathers the answer's body in sub->text. True when the request is over; sub->failed: its body was
 * cut short or is longer than max bytes. */
bool sub_collect(struct sub *sub, size_t max);

/* Of a state that streams the whole answer's body to a client, which http_stream was called for:
 * call it until it returns STEP_DONE. */
enum step sub_relay(struct sub *sub, struct http_req *http);

/* No interest any more: what is under way ends by itself. */
void sub_stop(struct sub *sub);
/* Stops it, and frees what it has. Call it when the parent is released at the latest (own_done);
 * harmless on a zeroed one. */
void sub_done(struct sub *sub);

/* Of the parent, when it ends. */
void sub_stop_all(struct request *parent);

#endif
