/* report: the answer of a request that stands for many: how often what happened, and what failed,
 * in the format that the client asks for. While the work takes long, blanks go out, so that nobody
 * between us and the client takes the connection for dead. */
#ifndef PROXY_UNIT_REPORT_H
#define PROXY_UNIT_REPORT_H

#include "proxy/listing.h"
#include "proxy/proxy.h"

struct report {
	struct request *request;
	enum listing_format format;
	bool acceptable; /* false: the client takes none of our formats */
	struct buf fields,
	        numbers;   /* kv blocks, owned: name and value; names of those that are numbers */
	struct buf errors; /* kv block, owned: quoted path and what is wrong */
	unsigned error_count;
	struct timer timer;
	uint64_t every_us;
	bool beats, streams;
};

/* Its memory is zeroed. By the request's Accept. */
void report_init(struct report *report, struct request *request);
void report_done(struct report *report);

void report_text(struct report *report, const char *name, const char *text);
void report_number(struct report *report, const char *name, uint64_t number);
/* name: not quoted. */
void report_error(struct report *report, const char *name, const char *text);

/* From here on a blank goes out whenever so many seconds have passed; the first one, and the
 * status, now or then. The request's body has been received. */
void report_beat(struct report *report, int status, unsigned every_s, bool now);

/* Sends it: with this status unless that went out before; root: the tag of XML. */
enum step report_answer(struct report *report, int status, const char *root);

/* "404 Not Found". */
const char *status_line(struct request *request, int status);

#endif
