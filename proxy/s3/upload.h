/* upload: multipart uploads. While one is under way its marker, an empty object with the headers
 * that the whole will have, is in a hidden container beside the bucket's:
 *
 *     0xff "uploads" 0xff BUCKET    escaped(KEY) 0x01 0x01 ID      (as in proxy/unit/reserved.h)
 *     BUCKET+segments               KEY/ID/NNNNN-RRRRRRRRRRRRRRRR  its parts
 *
 * A part gets another name each time that it is uploaded: what a whole names never changes, and of
 * several with one number the newest counts, until the others go with the upload. Which there are
 * is told by the listing, so a part is not acknowledged before it is listed (put.h, PUT_LISTED).
 *
 * The whole is a static large object, whose manifest names its parts. Order: the marker, parts, the
 * whole, then the marker goes, then parts that the whole does not name and that are listed by then.
 * Who writes a part looks for the marker once it is listed. Where that is gone the whole may name
 * the part all the same (a list of parts shows it before its writer is answered): it stays for the
 * daily look (lifecycle_sweep.c). */
#ifndef PROXY_S3_UPLOAD_H
#define PROXY_S3_UPLOAD_H

#include "proxy/ranged.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/upload_list.h"

#define UPLOAD_ID_LEN      33
#define UPLOAD_PARTS       10000
#define UPLOAD_NUMBER_TEXT "Part number must be an integer between 1 and 10000, inclusive"

#define UPLOAD_PART_TYPE "application/octet-stream"

/* What parts are to have: "SHA256 COMPOSITE". Of the marker. */
#define UPLOAD_SUM "X-Object-Sysmeta-S3-Upload-Checksum"

/* What the whole keeps of the upload. */
#define UPLOAD_ID_HEADER "X-Object-Sysmeta-S3-Upload-Id"
/* Of the marker: "ID NAME" of who has begun the upload; "ID;owner NAME": whose the object will be,
 * too (else it is the bucket's owner's). */
#define UPLOAD_ROW_TYPE "X-Object-Sysmeta-Container-Update-Override-Content-Type"

const char *upload_container(struct arena *arena, const char *bucket);
/* class: NULL for STANDARD. */
const char *upload_segments(struct arena *arena, const char *bucket, const char *class);
const char *upload_new_id(struct request *request);
/* Appends Initiator and Owner, by what UPLOAD_ROW_TYPE says; NULL: nothing is known. */
void upload_tell_people(struct request *request, const char *row_type, struct buf *xml);
/* When the upload of that id was begun. */
uint64_t upload_begun(const char *id);
/* The marker's name; and back: false when it is none, *ret_id then borrowed from it. */
const char *upload_marker(struct arena *arena, const char *key, const char *id);
bool upload_parse_marker(const char *name, struct buf *out_key, const char **ret_id);
/* The name of what a storage class makes of an object (class.h): KEY/ID/NNNNN. */
const char *upload_part(struct arena *arena, const char *key, const char *id, unsigned number);
/* The number of a part or of such a segment, by what follows "KEY/ID/" in its name; 0: it is
 * neither. */
unsigned upload_part_number(const char *end);

/* One that a request names by its key and ?uploadId. In the method's own state. */
struct upload {
	const char *id;
	struct sub marker; /* HEAD of it, once it is found */
	bool asked;
};

/* True when it is known: S3_OK, S3_NoSuchUpload, S3_ServiceUnavailable. */
bool upload_find(struct request *request, struct upload *upload, enum s3_error *ret_error);
void upload_done(struct upload *upload);
/* A header that was sent with CreateMultipartUpload, as it was turned into Swift's. */
static inline const char *upload_header(const struct upload *upload, const char *name)
{
	return sub_get(&upload->marker, name);
}

/* Which checksums its parts have. False: nobody has said so, and others may come. */
bool upload_sum_kind(const struct upload *upload, enum checksum_kind *ret_kind);
/* Results do not tell checksums that nobody has asked for: clients of before know no such elements.
 */
bool upload_sum_unasked(const struct upload *upload, enum checksum_kind kind);

/* --- the whole --- */

struct upload_whole {
	const struct manifest *manifest;
	const char *id, *etag, *type, *class; /* type, class: or NULL */
	const char *written;                  /* S3_WRITTEN, or NULL */
};
/* What rows tell of it behind an etag; md5: that of the object itself. */
const char *upload_whole_params(
        struct arena *arena, const struct upload_whole *whole, char ret_md5[33]);

/* A PUT of it: begun, then come headers of the caller's, then it is sent. */
void upload_whole_begin(struct request *request, struct sub *sub);
void upload_whole_send(struct request *request, struct sub *sub, const struct upload_whole *whole);
/* Of headers, in Swift's terms: is it for the whole, and kept on the marker until then? */
bool upload_keeps(const char *name);

/* --- its parts --- */

struct upload_row {
	unsigned number;
	uint64_t bytes, ts;
	const char *end;         /* of its name, behind the prefix */
	const char *etag, *type; /* of its row */
};

struct upload_parts {
	unsigned after, up_to; /* the caller's: numbers; 0: all */
	unsigned max;          /* the caller's: a few more than these will do; 0: all */
	bool wants_older;      /* the caller's */
	struct ranged read;
	struct backend_list list;
	bool begun, asked, ended;
	struct arena arena;
	const char *container, *prefix;
	struct upload_row *rows; /* in ascending order; the newest of each number */
	const char **older;      /* ends of names: those before them */
	unsigned count, older_count;
};

/* True when they are there, or not: *ret_err. */
bool upload_parts_read(struct request *request, const struct upload *upload,
        struct upload_parts *parts, enum err *ret_err);
void upload_parts_done(struct upload_parts *parts);

/* A part that is being written. */
struct upload_part {
	const char *id;                 /* the upload's */
	const char *container, *object; /* there is no other of that name */
	struct sub sub;                 /* private */
};
/* Where it is to go; the request's from now on (s3->part). */
struct upload_part *upload_part_begin(
        struct request *request, const struct upload *upload, unsigned number);
/* Once it is listed: has its upload ended meanwhile? True when that is known; nobody knows:
 * *ret_over is false. */
bool upload_part_late(struct request *request, struct upload_part *part, bool *ret_over);

/* Before a part is uploaded: it is later than any of that number which has been acknowledged,
 * whichever node that came through. True when that is sure, or not: *ret_err. parts: zeroed. */
bool upload_part_follows(struct request *request, const struct upload *upload,
        struct upload_parts *parts, unsigned number, enum err *ret_err);

/* --- parts that go --- */

#define SWEEP_AT_ONCE 8

struct sweep {
	const char *container, *prefix; /* prefix: or NULL; borrowed, as the names are */
	const char **names;             /* behind the prefix */
	unsigned count, next;
	struct sub subs[SWEEP_AT_ONCE];
	bool failed;
};

/* All that were listed, but for those that `keeps` (or NULL) says stay, by what is behind the
 * prefix. The names belong to the parts. */
void sweep_parts(struct sweep *sweep, struct upload_parts *parts,
        bool (*keeps)(const void *owner, const char *end), const void *owner);
/* True when all were deleted, or it was tried. */
bool sweep_run(struct request *request, struct sweep *sweep);
void sweep_done(struct sweep *sweep);

#endif
