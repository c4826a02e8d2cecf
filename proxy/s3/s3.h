/* s3: the S3 API, beside Swift's on the same port and over the same accounts, containers and
 * objects. A bucket is a container, a key an object's name, a multipart upload a static large
 * object (docs/s3.md).
 *
 * A request that is S3's (route) has request->s3. Its method begins with s3_prepare: who signed it,
 * whose bucket that is, and may they; then come the operation's own states, or those of Swift's
 * method for the same (s3_pass). What goes out is put into S3's terms at the end: headers by
 * s3_answer, failures by s3_fail_status. */
#ifndef PROXY_S3_S3_H
#define PROXY_S3_S3_H

#include "proxy/proxy.h"
#include "proxy/s3/access.h"
#include "proxy/s3/class.h"
#include "proxy/s3/condition.h"
#include "proxy/s3/login.h"
#include "proxy/s3/methods.h"
#include "proxy/s3/operation.h"
#include "proxy/s3/parts.h"
#include "proxy/s3/payload.h"
#include "proxy/s3/post.h"
#include "proxy/s3/rights.h"
#include "proxy/s3/sign.h"
#include "proxy/s3/sse.h"
#include "proxy/s3/sum.h"
#include "proxy/s3/version.h"
#include "proxy/s3/website.h"
#include "proxy/sub.h"

#include <string.h>

#define S3_REGION "us-east-1"

/* System metadata of containers and objects. */
#define S3_BUCKET_LOCATION "X-Container-Sysmeta-S3-Location" /* as it was asked for */
#define S3_BUCKET_OWNER                                                                            \
	"X-Container-Sysmeta-S3-Owner" /* "id display name", by whom it was made                   \
	                                */

#define S3_ETAG "X-Object-Sysmeta-S3Api-Etag" /* "md5-N" of parts, as Swift's s3api has it */
/* Was it uploaded in parts? What is of one segment for its class's sake has a plain MD5. */
static inline bool s3_is_of_parts(const char *etag)
{
	return etag && strchr(etag, '-');
}

/* Parts of multipart uploads are in the container of that name behind a bucket's, as Swift's s3api
 * has it; those of another class in that with "+CLASS" behind it (class.h). */
#define S3_SEGMENTS "+segments"

enum s3_found { S3_NOT_LOOKED, S3_OWN, S3_OTHERS, S3_NOWHERE };

struct s3 {
	const struct s3_operation *operation;
	const char *bucket, *key; /* decoded; NULL where there is none */
	const char *host_bucket;  /* the bucket, when the host name has it */
	struct s3_sign sign;
	struct s3_login login;
	struct s3_caller caller;
	struct s3_rights *rights; /* what is attached to the caller; or NULL */
	const char *body_hash;    /* of a body that has come before who signed it; or NULL */
	struct s3_payload payload;
	struct s3_sum sum;
	bool is_site;                /* comes to a bucket's web site */
	struct s3_site *site;        /* of such; or NULL, yet */
	struct s3_post *post;        /* it comes in a form; or NULL */
	struct s3_parts parts;       /* of what is replaced */
	struct s3_segments segments; /* that are made on demand */
	struct s3_whole whole;       /* of what is of another class */
	struct upload_part *part;    /* (upload.h) that is uploaded; or NULL */
	/* Whose bucket it is. */
	enum s3_found found;
	const char *owner_account; /* of a bucket that is another account's */
	struct sub look;
	struct s3_null null; /* of a version "null" that is named */
	bool missing;        /* nothing is there: is there a delete marker? */
	struct s3_access access;
	struct jroot policy;           /* owned: of the bucket; no value: none, or not read yet */
	struct s3_acl *acl;            /* that what is made is to have; NULL: none is said */
	struct s3_condition condition; /* of what is written */
	/* Of an object that is told of, or made. */
	uint64_t told_size;
	const char *told_tags; /* NULL: those of the headers */
	/* What went wrong, where the status alone does not say. */
	enum s3_error error;
	enum s3_error told;         /* to the client */
	struct s3_log_held *logged; /* (logging.h) or NULL */
	const char *error_text;     /* NULL: the error's own */
	/* What it tells as missing, where that is not what the request names: a copy's source. */
	const char *error_bucket, *error_key;
	const char *error_extra; /* more elements, as XML; or NULL */
	bool prepared;
	struct request_end end;
};

/* Makes it one of S3's: request->s3, zeroed. */
struct s3 *s3_begin(struct request *request);

/* Is it S3's? Then its method; else NULL. */
const struct method *s3_route(struct request *request);

/* State 0 of every method: goes to state 1, or answers. */
enum step s3_prepare(struct op *op);

/* From a state of S3's: on with Swift's method, as the caller whom s3_prepare has let pass. */
enum step s3_pass(struct request *request, const struct method *method);

/* `return s3_fail(...)`: answers with the error; text (in the arena): in place of its own. */
enum step s3_fail(struct request *request, enum s3_error error);
enum step s3_fail_text(struct request *request, enum s3_error error, const char *text);
/* Before that: one more element of the answer. */
void s3_error_add(struct request *request, const char *name, const char *text);
void s3_error_add_u64(struct request *request, const char *name, uint64_t value);
/* What is wrong with an InvalidArgument, which it returns. value may be NULL. */
enum s3_error s3_invalid_argument(struct request *request, const char *name, const char *value);
/* Beside headers that are there already. */
enum step s3_fail_with(struct request *request, enum s3_error error);
/* For a status that Swift's method has come to; text: what it would have said, or NULL. */
enum step s3_fail_status(struct request *request, int status, const char *text);
/* For what a sub was answered. */
enum step s3_fail_sub(struct request *request, const struct sub *sub);

/* Answers 200 with an XML document, or with nothing (s3_empty). */
enum step s3_reply_xml(struct request *request, const struct buf *xml);
enum step s3_empty(struct request *request, int status);
void s3_xml_begin(struct buf *out, const char *root); /* declaration, root and namespace */
void s3_xml_text(struct buf *out, const char *name, const char *text);
void s3_xml_u64(struct buf *out, const char *name, uint64_t value);
void s3_xml_bool(struct buf *out, const char *name, bool value);
void s3_xml_owner(struct buf *out, const char *name, const char *id, const char *display);
void s3_xml_date(struct buf *out, const char *name, uint64_t ts);

/* request_headers of an S3 request: what is in http->out in S3's names, and nothing else. */
void s3_answer(struct request *request, int status);
/* The status that S3 has for a success of Swift's. */
int s3_status(const struct request *request, int status);

#define S3_METADATA_MAX 2048 /* bytes of names and values */
/* x-amz-meta-* as X-Object-Meta-*, and back. S3_MetadataTooLarge. */
enum s3_error s3_take_metadata(struct request *request);

#define S3_TYPE "binary/octet-stream" /* of objects that are sent without one */
/* What a new object is to have (type, metadata, ...), by the headers of PutObject, CopyObject or
 * CreateMultipartUpload: from S3's into Swift's and system metadata. */
enum s3_error s3_take_object(struct request *request, const char **ret_text);
/* The state behind s3_prepare: on as Swift's PUT. */
enum step s3_object_pass_put(struct op *op);
/* Content-MD5, as the Etag that Swift's PUT takes. */
enum s3_error s3_take_md5(struct request *request);

/* Behind Swift's PUT of what may be a part: on, or its upload has ended meanwhile. */
enum step s3_part_stored(struct request *request);
void s3_part_done(struct s3 *s3);

/* Does a parameter stand in the query? Its value, "" when it has none. */
static inline const char *s3_param(const struct request *request, const char *name)
{
	return query_get(&request->query, name);
}

/* --- list.c: what listings share --- */

struct s3_list_asked {
	const char *prefix, *delimiter; /* or NULL */
	uint64_t max_keys;
	bool encodes; /* names are percent-encoded in the answer */
};

enum s3_error s3_list_parse(
        struct request *request, struct s3_list_asked *ret_asked, const char **ret_text);
/* Behind a name means behind all that is under the common prefix which it belongs to. */
const char *s3_list_behind(
        struct request *request, const struct s3_list_asked *asked, const char *name);
void s3_list_add_name(
        const struct s3_list_asked *asked, struct buf *out, const char *element, const char *name);

/* Is it the container of the parts of a bucket that this request may read? */
bool s3_is_part(const struct request *request, const char *account, const char *container);

/* --- bucket.c --- */

/* The bucket's owner; who asks where nothing is written of one. */
void s3_bucket_owner(struct request *request, const char **ret_id, const char **ret_name);

/* Finds whose bucket it is: call until it returns true. Then request->account and
 * request->container_info are those of its container, and s3->found tells. */
bool s3_bucket_find(struct request *request);
/* The account where it is written whose a bucket's name is. */
#define S3_NAMES_ACCOUNT                                                                           \
	"\xff"                                                                                     \
	"s3"
#define S3_NAMES_CONTAINER "buckets"
#define S3_NAMES_OWNER     "X-Object-Meta-Account"
/* A bucket's name by the rules for new ones ("Bucket naming rules", Amazon S3 User Guide). */
bool s3_bucket_name_good(const char *name);

#endif
