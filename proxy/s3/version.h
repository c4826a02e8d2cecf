/* version: versions of keys as S3 has them, over those of proxy/unit/versions.h. An id is the time
 * of a version; "null" is what came when none were kept: it is in its name's place, or once that is
 * overwritten among the versions, marked by VERSIONS_NULL. */
#ifndef PROXY_S3_VERSION_H
#define PROXY_S3_VERSION_H

#include "lib/json/jread.h"
#include "proxy/proxy.h"
#include "proxy/s3/error.h"
#include "proxy/sub.h"

enum s3_versioning { S3_UNVERSIONED, S3_ENABLED, S3_SUSPENDED };

/* Of a bucket. */
enum s3_versioning s3_versioning(const struct info *info);

/* A new one's id, later than all there are. */
uint64_t s3_version_new(struct request *request, const char *key);
const char *s3_version_text(struct request *request, uint64_t id); /* in the arena */

/* --- the versions of a key that are kept, from the newest on --- */

struct s3_version {
	uint64_t id;
	bool null, marker;
};

#define S3_VERSIONS_PAGE  1000
#define S3_VERSIONS_BYTES (8u << 20) /* of what tells of so many */

/* Starts a sub that lists them; then sub_collect, and s3_versions_read: false when it failed. */
void s3_versions_ask(struct request *request, struct sub *sub, const char *account,
        const char *container, const char *key, unsigned limit, uint64_t behind);
bool s3_versions_read(const struct sub *sub, struct jroot *ret_rows);
/* False: there are no more on this page. */
bool s3_versions_at(const struct jroot *rows, size_t index, struct s3_version *ret_version);

/* Is what a HEAD with symlink=get has found a link to a version, and to which? */
bool s3_version_linked(struct request *request, const struct sub *head, uint64_t *ret_id);

/* --- a version that a request names --- */

/* Of "null": where is it? Call until it returns true; *ret_id: the version's, or 0: it is what is
 * in its name's place; error: it is not there. */
struct s3_null {
	struct sub sub;
	uint64_t page_at;
	bool looked, asked;
};
bool s3_null_find(struct request *request, struct s3_null *n, const char *account,
        const char *container, const char *key, enum s3_error *ret_error, uint64_t *ret_id);

/* Turns a request's versionId into Swift's parameter: call until it returns true. */
bool s3_version_take(struct request *request, enum s3_error *ret_error, const char **ret_text);

/* --- what has been found is a delete marker --- */

/* GET and HEAD: by its id; by its key, once nothing was found there. */
enum step s3_version_marker(
        struct request *request, const char *id, const struct backend_reply *marker);
extern const struct method s3_version_missing;

/* --- conditions --- */

/* What tells the etag that S3 shows, where it is another than Swift's. */
#define S3_ETAG "X-Object-Sysmeta-S3Api-Etag"

bool s3_etag_is(const char *wanted, const char *etag); /* "*", or one of several; quotes or not */
/* A date of HTTP's or of XML's; to the second. */
bool s3_time_is(const char *wanted, uint64_t ts);
/* When what a HEAD has found was made, as S3 tells it: no POST counts. 0: not known. */
uint64_t s3_modified(const struct sub *head);

#endif
