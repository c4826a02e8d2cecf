/* shown: what of an object's row a listing shows. The content type may say the size of what the
 * object stands for; the etag may have more behind it, of a static large object or a link:
 * "<md5>; s3_etag=...; s3_class=...; s3_written=...; slo_etag=...; symlink_target=...;
 * symlink_target_etag=...; symlink_target_bytes=...". The link to a version is shown as that
 * version. Pure. */
#ifndef PROXY_UNIT_SHOWN_H
#define PROXY_UNIT_SHOWN_H

#include "lib/backend/backend.h"

struct shown {
	const char *content_type, *etag;
	const char *slo_etag; /* slo_len bytes, or NULL */
	size_t slo_len;
	const char *s3_etag;  /* of what S3 knows by another than Swift, or NULL */
	const char *s3_class; /* storage class that is not the bucket's, or NULL */
	uint64_t bytes;
	uint64_t written;      /* by the row's time, or of what has been moved since, before that */
	const char *link_path; /* where a link leads, quoted, or NULL */
	const char *target_etag; /* of a static link that is shown as one */
	uint64_t target_bytes;   /* of that */
	bool null_version;       /* it is S3's "null" (versions.h) */
	uint64_t version;        /* of the version that it is a link to, or 0 */
	struct buf type_text, etag_text, path_text, target_text, s3_text, class_text; /* owned */
};

/* The row is of this container; it is borrowed until shown_done. */
void shown_make(const struct backend_row *row, const char *account, const char *container,
        struct shown *ret_shown);
void shown_done(struct shown *shown);

#endif
