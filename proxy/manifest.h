/* manifest: the segments of a static large object: as a client sends them, as they are kept, and as
 * they are sent back. Pure; texts are borrowed from the manifest's own memory. */
#ifndef PROXY_MANIFEST_H
#define PROXY_MANIFEST_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

#define MANIFEST_VALUES_MAX (256u << 10) /* JSON values of one manifest */
#define MANIFEST_BYTES_MAX  (32u << 20)  /* of one that is kept */

struct manifest_segment {
	const char *path; /* "/container/object"; as a client's: as sent. NULL: inline data */
	const char *container, *object;
	const char *etag, *type, *modified; /* of the object; may be NULL */
	uint64_t bytes;                     /* of the object */
	bool has_bytes, is_slo, has_range;
	uint64_t first, last;   /* the range, inclusive */
	const char *range;      /* a client's, as sent; NULL: none */
	const char *data;       /* base64, with padding */
	uint64_t start, length; /* in the whole; bytes */
};

struct manifest {
	struct arena arena;
	struct manifest_segment *segments;
	unsigned count;
	uint64_t size; /* of all segments */
};

/* Frees; harmless on a zeroed one. */
void manifest_done(struct manifest *manifest);

/* A client's, for the object of that path ("container/object"). ERR_BAD_REQUEST: *ret_text says
 * what is wrong, all of it; ERR_TOO_LARGE: too many values. The segments' start and length are not
 * known yet. */
enum err manifest_take(struct manifest *ret_manifest, const void *text, size_t len,
        const char *path, struct buf *ret_text);

/* What range means for an object of that size; false: nothing of it. All of it is no range. */
bool manifest_range(struct manifest_segment *segment, uint64_t size);

/* One that is kept; ERR_FORMAT: it is none. Sets start, length and size. */
enum err manifest_read(struct manifest *ret_manifest, const void *text, size_t len);

/* As it is kept. Segments have path, etag, type, modified, bytes, or data. */
void manifest_write(const struct manifest *manifest, struct buf *out);
/* As a client would send it again (format=raw). */
void manifest_write_raw(const struct manifest *manifest, struct buf *out);

/* 32 hex digits and a NUL: the MD5 of the segments' etags and ranges. */
void manifest_etag(const struct manifest *manifest, char ret_hex[33]);

/* Bytes of inline data; appended to out. */
void manifest_data(const struct manifest_segment *segment, struct buf *out);

#endif
