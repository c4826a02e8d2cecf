/* reading: how far who reads a document has come. */
#ifndef PROXY_S3_READING_H
#define PROXY_S3_READING_H

#include "lib/base/arena.h"
#include "proxy/s3/error.h"

struct reading {
	struct arena *arena; /* borrowed */
	enum s3_error error; /* the first */
	const char *text;    /* of it; NULL: the error's own */
};

static inline void reading_fail(struct reading *r, enum s3_error error, const char *text)
{
	if (r->error)
		return;
	r->error = error;
	r->text = text;
}

#endif
