/* reserved: names that are ours. A container whose name begins with a byte that no UTF-8 has cannot
 * be named by clients; it holds the versions of the container in its name. There a version of the
 * object "a" of time t is named
 *
 *     escaped("a") 0x01 0x01 (9999999999.99999 - t)
 *
 * where escaped() writes 0x01 as 0x01 0x02: names sort as the objects do, and an object's versions
 * from the newest on. Pure. */
#ifndef PROXY_UNIT_RESERVED_H
#define PROXY_UNIT_RESERVED_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/ts.h"

#define RESERVED "\xff"

static inline bool reserved_name(const char *name)
{
	return (unsigned char)*name == 0xff;
}

/* Whose names may be that much longer than those of clients. */
#define RESERVED_CONTAINER_EXTRA 16

const char *versions_container(struct arena *arena, const char *container);
/* Whose versions are there; of any other container, that one. */
const char *versions_container_of(const char *container);

/* A part of an object's name as it stands in names of versions. */
void versions_escape(const char *name, struct buf *out);
/* The same back; false when it is no such text. */
bool versions_unescape(const char *text, size_t len, struct buf *out);

const char *versions_object(struct arena *arena, const char *name, uint64_t ts);
/* False: no name of a version. Appends the object's. */
bool versions_parse(const char *version, struct buf *out, uint64_t *ret_ts);

#endif
