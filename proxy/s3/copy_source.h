/* copy_source: what a copy is made from: found, by the rights of who asks, and looked at. */
#ifndef PROXY_S3_COPY_SOURCE_H
#define PROXY_S3_COPY_SOURCE_H

#include "proxy/s3/s3.h"

struct copy_source {
	const char *account, *bucket, *key, *version; /* version: Swift's, or NULL */
	struct info_fetch info;
	struct sub names, head;
	struct s3_null null;
	bool parsed, elsewhere, found, noted;
};

/* STEP_NEXT: it is there, may be read, and is as the request wants it; head has its headers. */
enum step copy_source_find(struct request *request, struct copy_source *source);
void copy_source_done(struct copy_source *source);
/* In a request for it: the version that is meant, or NULL. */
const char *copy_source_query(struct request *request, const struct copy_source *source);

#endif
