/* listing: query parameters and bodies of account and container listings. Pure. */
#ifndef PROXY_LISTING_H
#define PROXY_LISTING_H

#include "proxy/proxy.h"

enum listing_format { LISTING_PLAIN, LISTING_JSON, LISTING_XML, LISTING_TEXT_XML };

struct listing {
	enum listing_format format;
	struct backend_list list;
	struct credit credit; /* for its rows */
};

/* May as many rows as are asked for be read into memory? As credit_take; the credit is the owner's
 * to give back. */
bool listing_credit(struct request *request, struct listing *listing, enum err *ret_err);

/* 0, or the status to answer with and its text in *ret_text (NULL: the standard one). */
int listing_parse(struct request *request, unsigned limit_max, struct listing *ret_listing,
        const char **ret_text);

/* The best of our types for an Accept header (or NULL): by quality, then by how exact it names it.
 * False: none will do. */
bool listing_accept(const char *accept, enum listing_format *ret_format);

const char *listing_content_type(enum listing_format format);

/* Renders the encoded rows (backend_rows_*) of an account (container NULL) or a container. */
void listing_render(struct buf *out, enum listing_format format, const struct cluster *cluster,
        const char *account, const char *container, const struct buf *rows);

/* One of them, of an object, with more members behind: ", \"name\": value". */
struct shown;
void listing_json_object(struct buf *out, const struct backend_row *row, const struct shown *shown,
        const char *more);
/* What it says of a link, as such members. */
void listing_json_link(struct buf *out, const struct shown *shown);
void listing_json_subdir(struct buf *out, const char *name);

/* Pages of the same listing by several replicas, none of them to be trusted alone. */
struct listing_pages {
	/* `count` pages; behind them, by `states` replicas, what they know of disputed names. */
	const struct buf *pages[2 * PLACE_MAX];
	uint64_t bits[2 * PLACE_MAX]; /* by whom: as in the place's sets */
	unsigned count, states;
	const struct place *place; /* borrowed; NULL: pages have but to tell a name `need` times */
	unsigned need;             /* votes of common prefixes, or with no place of all */
	unsigned asked;            /* rows: a page of so many goes on behind its end */
	bool reverse;
};

/* How many pages must have a common prefix: when all are there a majority, else one. */
unsigned listing_need(const struct listing_pages *pages, const struct place *place);

/* Appends rows with the names of which no majority tells the same (with no place: not all). */
void listing_disputed(const struct listing_pages *pages, struct buf *ret_rows);

/* One page. A row that a majority has counts as it is; of the others, by what `states` know of
 * them, the newest, live or deleted: it goes to ret_bring as well (NULL with no place), for what
 * one reader was shown the next must be shown too. */
void listing_merge(const struct listing_pages *pages, unsigned limit, struct buf *ret_rows,
        struct buf *ret_bring);

#endif
