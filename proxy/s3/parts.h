/* parts: those of an object that was uploaded in parts go with it. Before it is deleted or replaced
 * they are noted for the expirer, which deletes them once that has happened; a note whose object is
 * still there after a while is dropped (commit.h, EXPIRY_AT_ONCE). */
#ifndef PROXY_S3_PARTS_H
#define PROXY_S3_PARTS_H

#include "proxy/manifest.h"
#include "proxy/rows.h"
#include "proxy/sub.h"

struct s3_parts {
	struct request *request;        /* borrowed, as are the names */
	const char *container, *object; /* of the object that is to go */
	struct info_fetch info;
	struct sub sub;
	struct manifest manifest;
	struct row_put *rows;
	const char *prefix, *type;
	unsigned after_s; /* the caller's, before: how long who reads them still has */
	unsigned open;
	uint8_t step;
};

/* Notes the parts of the object of that name, unless they are those of the upload `except` (may be
 * NULL). Call until it returns true; what cannot be noted stays. Another name begins anew. Zeroed.
 */
bool s3_parts_note(struct request *request, struct s3_parts *parts, const char *container,
        const char *object, const char *except);
void s3_parts_done(struct s3_parts *parts);

/* The same of what a PutObject is about to replace, where no versions are kept. */
bool s3_parts_replace(struct request *request);

#endif
