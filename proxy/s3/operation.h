/* operation: which of S3's operations a request is: one table, which docs/s3.md is made of too. */
#ifndef PROXY_S3_OPERATION_H
#define PROXY_S3_OPERATION_H

#include "lib/http/http.h"
#include "lib/http/url.h"

enum s3_level { S3_SERVICE, S3_BUCKET, S3_OBJECT };

struct method;

struct s3_operation {
	const char *name; /* "GetObject" */
	const char *verb;
	uint8_t level;
	const char *query;           /* a parameter that must be there, or NULL */
	const char *header;          /* the same of a header */
	const char *action;          /* what policies call it: "s3:GetObject" */
	const struct method *method; /* NULL: refused with NotImplemented */
	bool writes;                 /* changes something */
};

/* Goes by its first row that fits. NULL: S3 knows nothing of the kind. */
const struct s3_operation *s3_operation_find(
        const struct http_req *http, const struct query *query, enum s3_level level);

/* Appends the table as docs/s3.md has it. */
void s3_operation_print(struct buf *out);

#endif
