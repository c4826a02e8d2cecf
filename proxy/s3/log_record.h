/* log_record: a line of a bucket's access log. Pure.
 *
 * Source: "Amazon S3 server access log format", Amazon S3 User Guide. */
#ifndef PROXY_S3_LOG_RECORD_H
#define PROXY_S3_LOG_RECORD_H

#include "lib/base/buf.h"
#include "proxy/s3/operation.h"

/* Texts may be NULL: nothing is known. */
struct s3_log_record {
	const char *owner, *bucket;
	uint64_t at_us; /* it came in, since 1970 */
	const char *remote, *requester, *id;
	const struct s3_operation *operation;
	bool is_site;
	const char *part; /* of a request that is more than one: what it is called; or NULL */
	bool is_key; /* such a part of DeleteObjects: nothing is its own but what became of it */
	const char *key, *method, *target, *protocol;
	int status;
	const char *error;
	uint64_t sent;    /* bytes of the answer's body */
	const char *size; /* bytes of the object */
	uint64_t took_us; /* until the answer's last byte */
	const char *referer, *agent, *version, *host;
	int signature_version; /* 4, 2, 0: none */
	bool in_query;         /* the signature is */
	bool by_list;          /* an access control list has let them */
};

/* Appends it, with its end of line. */
void s3_log_print(const struct s3_log_record *record, struct buf *out);

#endif
