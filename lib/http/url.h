/* url: percent-encoding, query strings and HTTP dates. Pure. */
#ifndef LIB_HTTP_URL_H
#define LIB_HTTP_URL_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

/* Decodes %XX of `len` bytes; a '%' without two hex digits stays as it is (as Python's unquote
 * does). The result may hold NUL bytes: *ret_len tells its length. */
char *url_unquote(struct arena *arena, const char *text, size_t len, size_t *ret_len);

/* As above with '+' as a space: a query's values. */
char *url_unquote_plus(struct arena *arena, const char *text, size_t len, size_t *ret_len);

/* Percent-encodes all but letters, digits and "_.-~/" and what `safe` names. */
void url_quote(struct buf *out, const char *text, const char *safe);

bool utf8_valid(const char *text, size_t len);

struct query {
	struct query_pair {
		const char *name, *value; /* decoded */
	} * pairs;
	unsigned count;
	bool bad; /* some name or value is not UTF-8 */
};

/* Splits what follows the '?'. At most 64 pairs are kept. A NUL in a value (clients end a marker
 * with one to mean "just behind this name") becomes the next byte in order, 0x01. */
void query_parse(struct arena *arena, const char *text, struct query *ret_query);
/* The same of at most `max` pairs. */
void query_parse_many(struct arena *arena, const char *text, unsigned max, struct query *ret_query);
const char *query_get(const struct query *query, const char *name); /* last of that name, or NULL */
/* Appends "&name=value", quoted; nothing where the value is NULL or empty. */
void query_add(struct buf *query, const char *name, const char *value);

#define HTTP_DATE_SIZE 30
/* "Sun, 06 Nov 1994 08:49:37 GMT" */
void http_date_format(int64_t seconds, char ret_text[HTTP_DATE_SIZE]);
/* The three forms of RFC 9110 5.6.7. */
bool http_date_parse(const char *text, int64_t *ret_seconds);

/* "2013-08-10T11:23:45.123450" of a timestamp in ticks of 10 us, as Swift's listings print. */
#define ISO_DATE_SIZE 27
void iso_date_format(uint64_t ts, char ret_text[ISO_DATE_SIZE]);
/* The same back; the fraction may be missing. False when it is no such date. */
bool iso_date_parse(const char *text, uint64_t *ret_ts);

#endif
