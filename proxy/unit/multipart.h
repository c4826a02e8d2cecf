/* multipart: a multipart/form-data body (RFC 7578), fed in pieces of any size, as a row of events.
 * It keeps no more than the last piece, and a part's headers. Pure. */
#ifndef PROXY_UNIT_MULTIPART_H
#define PROXY_UNIT_MULTIPART_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

#define MULTIPART_HEADERS_MAX 16384 /* bytes of one part's */

enum multipart_event {
	MULTIPART_MORE, /* wants to be fed */
	MULTIPART_PART, /* one begins: multipart_header */
	MULTIPART_DATA, /* of it */
	MULTIPART_PART_END,
	MULTIPART_END, /* whatever follows does not count */
	MULTIPART_BAD, /* it is none: `fault` */
};

struct multipart {
	struct buf delimiter; /* owned: what ends a part's data */
	struct buf in;        /* owned: what was fed, from `at` on still to be looked at */
	size_t at;
	struct buf headers; /* owned: kv block of the part at hand */
	int state;
	const char *fault;
};

void multipart_init(struct multipart *multipart, const char *boundary);
void multipart_done(struct multipart *multipart);

void multipart_feed(struct multipart *multipart, const void *data, size_t len);
/* MULTIPART_DATA: *ret_data is borrowed until it is fed again. END and BAD stay. */
enum multipart_event multipart_next(
        struct multipart *multipart, const char **ret_data, size_t *ret_len);

/* Of the part at hand; NULL: it has none of that name. */
const char *multipart_header(const struct multipart *multipart, const char *name);

/* "form-data; name=\"a\"; filename=\"b\"": does the text have that value, and what is the
 * attribute? In the arena, without quotes; NULL: none. */
bool attribute_value_is(const char *text, const char *value);
const char *attribute_get(struct arena *arena, const char *text, const char *name);

#endif
