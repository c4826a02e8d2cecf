/* class: storage classes. STANDARD is the bucket's policy; every other policy of the cloud is a
 * class, by its name in capitals, and so are the names of [s3] storage_classes
 * ("STANDARD_IA:cold"). An object of another class than STANDARD is a static large object of one
 * segment, as an upload of one part is, but with the ETag of its bytes; parts and segments of a
 * class are in a container of its policy, BUCKET+segments+CLASS
 * (docs/decisions/0012-storage-classes.md). */
#ifndef PROXY_S3_CLASS_H
#define PROXY_S3_CLASS_H

#include "proxy/proxy.h"
#include "proxy/s3/error.h"
#include "proxy/sub.h"

/* Of an object, or of the marker of an upload; STANDARD has none. */
#define S3_CLASS          "X-Object-Sysmeta-S3-Storage-Class"
#define S3_CLASS_STANDARD "STANDARD"
#define S3_CLASS_PARAM    "s3_class" /* of a row's etag */
#define S3_CLASS_MAX      64

/* Of what has been moved to another class since: when it was written. It is no newer for that. */
#define S3_WRITTEN       "X-Object-Sysmeta-S3-Written"
#define S3_WRITTEN_PARAM "s3_written" /* of a row's etag */
uint64_t s3_written(const struct backend_reply *object);

/* Is each of [s3] storage_classes "CLASS:policy", of a policy that there is? Else the first that is
 * not. */
bool s3_classes_good(const struct cluster *cluster, struct buf *ret_wrong);

/* The policy of a class; false: there is none of that name, or nothing new is put there. */
bool s3_class_policy(const struct cluster *cluster, const char *class, unsigned *ret_policy);
/* The classes of a cloud but STANDARD, by number: NULL behind the last. In the arena. */
const char *s3_class_at(const struct cluster *cluster, struct arena *arena, unsigned index);

/* x-amz-storage-class of what is made, into S3_CLASS among the request's headers and into
 * request->s3->whole.class (NULL: STANDARD). */
enum s3_error s3_class_take(struct request *request);

/* As it is told: of what is kept (NULL: none). */
static inline const char *s3_class_told(const char *kept)
{
	return kept && *kept ? kept : S3_CLASS_STANDARD;
}

/* Length of the bucket's name in that of a container of its parts; 0: it is none. */
size_t s3_segments_bucket(const char *container);
/* Is it one of this bucket's? */
bool s3_segments_of(const char *bucket, const char *container);

/* The containers of parts are made on demand: STEP_NEXT once those of this class (NULL: STANDARD)
 * are there. That of STANDARD always is where there is another: who looks for parts asks for it. */
struct s3_segments {
	struct info_fetch info;
	struct sub sub;
	uint8_t at;
};
enum step s3_segments_make(struct request *request, const char *class);

/* --- an object of a class: first the segment, then the whole --- */

struct s3_whole {
	const char *class, *container, *object, *id; /* class NULL: it is STANDARD */
	struct buf headers; /* owned: a kv block, what the whole gets beside its own */
	bool diverted;      /* the request's names are the segment's */
	struct info *info;  /* owned: of the bucket, while they are */
	struct sub sub;
	uint8_t step;
	int status;
};
void s3_whole_done(struct s3_whole *whole);

/* Names the segment. */
void s3_whole_name(struct request *request);
/* Of PutObject: from here on it is a PUT of the segment. */
void s3_whole_divert(struct request *request);
/* The segment is there: STEP_NEXT once the whole is, too. etag: as S3 knows it. */
enum step s3_whole_store(struct request *request, const char *etag, uint64_t bytes);

#endif
