/* unpack: the files of a tar archive that comes in pieces. The library behind it asks for more
 * bytes in the middle of its work, so each archive has a thread, which waits for them there; at
 * most UNPACK_MAX at once in a process. All calls from one reactor's thread. Hides libarchive.
 *
 * Nothing is believed of an archive: a file is told with its name as it is, and what is to be done
 * about names and sizes is the caller's. What it expands to is bounded: UNPACK_RATIO times the
 * bytes that came, and UNPACK_FREE. */
#ifndef LIB_ARCHIVE_UNPACK_H
#define LIB_ARCHIVE_UNPACK_H

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/reactor/reactor.h"

#define UNPACK_MAX   32
#define UNPACK_PIECE (256u << 10) /* a file up to here comes in one piece */
#define UNPACK_RATIO 250
#define UNPACK_FREE  (64ull << 20)

struct unpack;

enum unpack_kind { UNPACK_TAR, UNPACK_TAR_GZ, UNPACK_TAR_BZ2 };

enum unpack_what {
	UNPACK_FILE,  /* path, size, mime_type, metadata, and the first piece of it */
	UNPACK_DATA,  /* the next piece of that file */
	UNPACK_END,   /* of the archive */
	UNPACK_FAULT, /* text: why it cannot be read on */
};

struct unpack_item {
	enum unpack_what what;
	char *path;         /* owned */
	uint64_t size;      /* bytes of the whole file */
	char *mime_type;    /* owned, or NULL */
	struct buf meta;    /* kv block of the file's "user.meta." attributes, owned */
	struct bytes *data; /* owned; NULL: none */
	bool last;          /* no more of this file */
	char *text;         /* owned */
	struct unpack_item *next;
};
void unpack_item_free(struct unpack_item *item);

/* `ready` runs from the loop when there is something to take, or room again. ERR_BUSY: too many. A
 * file of more than size_max bytes is told, but not brought (data NULL, last). */
enum err unpack_new(enum unpack_kind kind, uint64_t size_max, struct reactor *reactor,
        void (*ready)(void *owner), void *owner, struct unpack **ret_unpack);
/* Nothing is told any more; what the thread does ends by itself. */
void unpack_free(struct unpack *unpack);

/* May more bytes be brought? */
bool unpack_has_room(struct unpack *unpack);
void unpack_feed(struct unpack *unpack, struct bytes *piece); /* moved */
void unpack_feed_end(struct unpack *unpack);

/* The next thing; NULL: none for now. The caller's to free. */
struct unpack_item *unpack_take(struct unpack *unpack);

#endif
