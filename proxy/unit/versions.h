/* versions: containers that keep what was there before. Each PUT of an object makes an object of
 * its own in a hidden container, named by the object and its time (reserved.h); the name that
 * clients know holds a link to it. A DELETE writes an empty one that marks it. Order: version, then
 * link (docs/decisions/0010-versions.md). */
#ifndef PROXY_UNIT_VERSIONS_H
#define PROXY_UNIT_VERSIONS_H

#include "proxy/proxy.h"
#include "proxy/s3/version.h"
#include "proxy/sub.h"

#define VERSIONS_ENABLED   "X-Container-Sysmeta-Versions-Enabled"   /* True, False */
#define VERSIONS_CONTAINER "X-Container-Sysmeta-Versions-Container" /* quoted */
/* Of a version that came when none were kept: S3's "null". Rows tell it as VERSIONS_NULL_ROW. */
#define VERSIONS_NULL     "X-Object-Sysmeta-Versions-Null"
#define VERSIONS_NULL_ROW "versions_null"
#define VERSIONS_MARKER   "application/x-deleted;swift_versions_deleted=1"

struct body;

/* What a request to an object is about, in a container that has, or had, versions. */
struct versions {
	struct request_end end;
	uint8_t step;
	unsigned tries, looks; /* at copies of what is there; at the current object */
	const char *account, *container, *object; /* as the client names it */
	const char *hidden;                       /* where its versions are */
	const char *wanted;                       /* version-id; NULL: none is given */
	uint64_t id;                              /* of the version that is made, or asked for */
	const char *current_id;                   /* DELETE of a version: the current one's */
	struct info_fetch account_info;
	struct info_fetch hidden_info; /* once swapped: of the container that the client names */
	struct sub sub;
	struct s3_null null;
	/* PUT: what is the link's, not the version's. */
	const char *delete_at, *delete_after, *if_there;
	bool only_if_absent, swapped, made, linking, undoing, may;
};

/* A version has been stored, with these headers: makes it the current one. STEP_NEXT when it is, or
 * there is nothing to do; STEP_WAIT; or it has answered. */
enum step versions_stored(struct request *request, const char *etag, uint64_t size,
        const char *type, const struct buf *headers);

/* The body that was asked for is there: may it be shown? STEP_NEXT, or it has answered. */
enum step versions_found(struct request *request, struct body *body);

/* The container that the client has named, and what its versions take. */
const struct info *versions_named(const struct request *request);
uint64_t versions_kept(const struct request *request);

/* --- versions_container.c --- */

enum step versions_container_pass(struct request *request);
void versions_container_answer(struct request *request, int status);

/* --- versions_list.c: GET of a container with ?versions --- */

extern const struct method versions_list;

#endif
