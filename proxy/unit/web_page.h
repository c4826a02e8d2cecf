/* web_page: the HTML of a static web site's listings, as Swift's. Pure. */
#ifndef PROXY_UNIT_WEB_PAGE_H
#define PROXY_UNIT_WEB_PAGE_H

#include "lib/base/buf.h"

struct web_page {
	const char *label;  /* what is listed */
	const char *css;    /* X-Container-Meta-Web-Listings-Css, or NULL */
	const char *prefix; /* of the names; "" or NULL: none */
	const char *index;  /* X-Container-Meta-Web-Index, or NULL */
	const char *query;  /* for each link, with its '?' and escaped; "" */
	bool has_parent;    /* there is something to go back to */
};

/* rows: the listing, with '/' as the delimiter. */
void web_page_listing(const struct web_page *page, const struct buf *rows, struct buf *out);
/* Instead, where listings are off. */
void web_page_disabled(const struct web_page *page, struct buf *out);

/* "12", "3Ki", "1Mi": appended. */
void web_page_size(uint64_t bytes, struct buf *out);

#endif
