/* attribute: what is kept beside an object, or one version of it, and may change later: tags,
 * retention, legal hold. It is system metadata of that version, which a POST changes
 * (X-Object-Transient-Sysmeta-S3-*). */
#ifndef PROXY_S3_ATTRIBUTE_H
#define PROXY_S3_ATTRIBUTE_H

#include "proxy/s3/document.h"
#include "proxy/sub.h"

/* The first member of what request->own is, or all of it: s3_attribute_own. */
struct s3_attribute {
	struct s3_document document; /* the first member */
	struct sub look, store;
	bool taken, looked;
	const char *version; /* that it is, as S3 tells it; NULL: the bucket has none */
	uint64_t id;         /* of it; 0: it is in its name's place */
};

/* request->own, made when there is none yet. */
struct s3_attribute *s3_attribute_own(struct request *request);

/* Looks at the version that the request names: STEP_NEXT: attribute->look.headers tell of it, and
 * whoever asks may; STEP_WAIT; STEP_DONE: it has answered. */
enum step s3_attribute_look(struct request *request);

/* Gives it the attribute (value "" takes it away). True: it is over, attribute->store tells how. */
bool s3_attribute_store(struct request *request, const char *name, const char *value);

/* A POST says anew all that it may change: what the look has found, to the store. */
void s3_same_metadata(struct sub *store, const struct sub *look);

/* The same of a bucket. */
bool s3_bucket_store(struct request *request, const char *name, const char *value);

/* Answers with what became of it: the status, or an error. */
enum step s3_attribute_stored(struct request *request, int status);

#endif
