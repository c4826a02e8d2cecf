/* pages: rendered container listings kept while the container stays as it was. A page is served
 * again when a majority of the replicas says the hash it was made from. */
#ifndef PROXY_PAGES_H
#define PROXY_PAGES_H

#include "proxy/db.h"

/* As db_read; but when a page of these parameters is kept, only hashes are asked for at first. */
bool pages_read(struct db_read *read, struct request *request, const struct listing *listing);

/* The body for a listing that was read: kept, or rendered and, when its rows are just those of the
 * hash, kept. NULL when it is empty. The caller owns the reference. */
struct bytes *pages_render(struct proxy *proxy, struct request *request,
        const struct listing *listing, const struct db_read *read);

void pages_forget_all(struct proxy *proxy);

#endif
