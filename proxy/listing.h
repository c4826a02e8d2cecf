/* listing: query parameters and bodies of account and container listings. Pure. */
#ifndef PROXY_LISTING_H
#define PROXY_LISTING_H

#include "proxy/proxy.h"

enum listing_format { LISTING_PLAIN, LISTING_JSON, LISTING_XML, LISTING_TEXT_XML };

struct listing {
	enum listing_format format;
	struct backend_list list;
};

/* 0, or the status to answer with and its text in *ret_text (NULL: the standard one). */
int listing_parse(struct request *request, unsigned limit_max, struct listing *ret_listing,
        const char **ret_text);

const char *listing_content_type(enum listing_format format);

/* Renders the encoded rows (backend_rows_*) of an account (container NULL) or a container. */
void listing_render(struct buf *out, enum listing_format format, const struct cluster *cluster,
        const char *account, const char *container, const struct buf *rows);

/* Rows of several replicas of which no majority agrees: a name counts when a majority of all
 * replicas lists it, or, when not all answered, when any does; the newest row of it wins. */
void listing_merge(const struct buf *const *pages, unsigned count, unsigned replicas, bool reverse,
        unsigned limit, struct buf *ret_rows);

#endif
