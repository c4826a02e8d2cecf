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

/* Pages of the same listing by several replicas, none of them to be trusted alone. */
struct listing_pages {
	/* `count` pages; behind them, by `states` replicas, what they know of disputed names. */
	const struct buf *pages[2 * PLACE_MAX];
	unsigned count, states;
	unsigned asked; /* rows: a page of so many goes on behind its end */
	bool reverse;
};

/* The page of every replica says enough by its count: how many must have a name. Else 1. */
unsigned listing_need(const struct listing_pages *pages, const struct place *place);

/* Appends rows with the names that some pages have and others have not. */
void listing_disputed(const struct listing_pages *pages, struct buf *ret_rows);

/* One page: the names that `need` pages have, each by its newest row, unless that, or what a
 * replica knows, is that it was deleted. */
void listing_merge(
        const struct listing_pages *pages, unsigned need, unsigned limit, struct buf *ret_rows);

#endif
