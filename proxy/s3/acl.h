/* acl: who was given what of a bucket or an object. Kept as JSON, told and taken as XML, taken from
 * headers. Pure.
 *
 *   {"owner": "id", "name": "display name", "grants": [["id", "display name", "READ"],
 *                                                      ["AllUsers", "READ"]]}
 *
 * Source: "Access control list (ACL) overview", Amazon S3 User Guide. */
#ifndef PROXY_S3_ACL_H
#define PROXY_S3_ACL_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/http/http.h"
#include "lib/xml/xml.h"
#include "proxy/s3/error.h"

#define S3_GRANTS_MAX 100

/* Bits. */
enum s3_right {
	S3_READ = 1,
	S3_WRITE = 2,
	S3_READ_ACP = 4,
	S3_WRITE_ACP = 8,
	S3_FULL_CONTROL = 15,
};

enum s3_grantee {
	S3_GRANTEE_ID,
	S3_GRANTEE_EMAIL, /* until it is known whose that is */
	S3_GRANTEE_ALL,
	S3_GRANTEE_AUTHENTICATED,
	S3_GRANTEE_LOG_DELIVERY,
};

struct s3_grant {
	enum s3_grantee kind;
	const char *id;   /* or the email; NULL: a group */
	const char *name; /* NULL: not known yet */
	enum s3_right right;
};

struct s3_acl {
	const char *owner, *owner_name; /* NULL: whoever it is */
	struct s3_grant *grants;        /* in an arena */
	unsigned count;
};

/* What is kept. False: it is none. */
bool s3_acl_read(const char *json, struct arena *arena, struct s3_acl *ret_acl);
void s3_acl_print(const struct s3_acl *acl, struct buf *out);

/* By its canned name, for what `owner` owns in a bucket of another owner or the same; NULL:
 * private. S3_InvalidArgument: there is none of that name. */
enum s3_error s3_acl_canned(struct arena *arena, const char *name, const char *owner,
        const char *owner_name, const char *bucket_owner, const char *bucket_owner_name,
        struct s3_acl *ret_acl);
/* Does a request say whom it grants something, by x-amz-grant-* headers? */
bool s3_acl_in_headers(const struct http_req *http);
/* By these; grants only. */
enum s3_error s3_acl_of_headers(
        struct http_req *http, struct s3_acl *ret_acl, const char **ret_text);
/* An AccessControlPolicy document, whose texts live as long as the arena. */
enum s3_error s3_acl_of_xml(
        const struct xml *root, struct arena *arena, struct s3_acl *ret_acl, const char **ret_text);
/* Groups first, as in canned lists, whatever the order they came in. */
void s3_acl_tell(const struct s3_acl *acl, struct buf *xml);

/* Is it nobody's but the owner's? Then it need not be kept. */
bool s3_acl_is_private(const struct s3_acl *acl);
/* Does it give everybody, or everybody who is known, something? */
bool s3_acl_is_public(const struct s3_acl *acl);
/* Does it give `id` (NULL: anonymous) that? with_public: what everybody is given counts. */
bool s3_acl_gives(const struct s3_acl *acl, const char *id, enum s3_right right, bool with_public);

#endif
