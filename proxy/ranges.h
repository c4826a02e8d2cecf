/* ranges: which containers are in ranges, as far as this proxy was told (lib/backend/points.h).
 * What it knows may be old: then devices refuse (ERR_MOVED) and tell what they know, and it is
 * learned from that. A point counts as sure once a majority of those before it said that its names
 * have moved; until then rows behind it go to both sides. */
#ifndef PROXY_RANGES_H
#define PROXY_RANGES_H

#include "lib/backend/points.h"
#include "proxy/proxy.h"

/* The points of a container, those that are not sure with `deleted`; NULL: none is known. Borrowed
 * until the loop's turn ends. */
const struct buf *ranges_known(struct proxy *proxy, const char *account, const char *container);

/* What the devices of a range ("": of the container itself) have answered. */
void ranges_learn(struct proxy *proxy, const char *account, const char *container, const char *id,
        const struct fan *fan);

void ranges_forget(struct proxy *proxy, const char *account, const char *container);
void ranges_forget_all(struct proxy *proxy);

#endif
