/* sign: how S3's clients show who they are: signatures of version 4 and 2, in the Authorization
 * header or in the query of a URL that was signed beforehand. Pure.
 *
 * Source: "Authenticating requests", Amazon S3 API Reference. */
#ifndef PROXY_S3_SIGN_H
#define PROXY_S3_SIGN_H

#include "lib/auth/aws.h"
#include "lib/http/http.h"
#include "proxy/s3/error.h"

enum s3_sign_kind { S3_UNSIGNED, S3_SIGNED_4, S3_SIGNED_2 };

#define S3_ALGORITHM      "AWS4-HMAC-SHA256"
#define S3_SKEW_S         900
#define S3_PRESIGNED_S    604800 /* the longest that a URL may be good for */
#define S3_PAYLOAD_NONE   "UNSIGNED-PAYLOAD"
#define S3_PAYLOAD_STREAM "STREAMING-" /* what follows says how */

struct s3_sign {
	enum s3_sign_kind kind;
	bool in_query;
	const char *access, *signature;
	const char *date, *region, *service; /* 4: of the scope */
	const char *headers;                 /* 4: those that are signed, "host;x-amz-date" */
	const char *time;                    /* 4: as it is signed, 20261121T120000Z */
	const char *payload;                 /* 4: SHA-256 in hexadecimal, or what stands for it */
	const char *session;                 /* the token of temporary credentials; or NULL */
	const char *policy;                  /* of a form: that is what is signed; or NULL */
	int64_t at;                          /* it was signed, in seconds since 1970; 0: not said */
	int64_t until;                       /* it is good; INT64_MAX: it does not say */
};

/* Is it a request in one of these ways? A Swift client signs nothing so. */
bool s3_sign_present(const struct http_req *http);
/* Is it a URL that was signed beforehand, by its looks? */
bool s3_sign_in_query(const struct http_req *http);

/* Which way, and what it says. The texts are in the request's arena. *ret_text: what is wrong, or
 * NULL: the error's own text. */
enum s3_error s3_sign_parse(struct http_req *http, struct s3_sign *ret_sign, const char **ret_text);

/* "access/20261121/region/s3/aws4_request" into what it says. False: it is none. */
bool s3_sign_credential(struct arena *arena, const char *credential, struct s3_sign *sign);

/* Is it of a time that it may be of? */
enum s3_error s3_sign_in_time(const struct s3_sign *sign, int64_t now_s, const char **ret_text);

/* Appends what is signed by version 4. as_sent: the path is signed as it stands in the target; else
 * it is decoded and encoded anew, as S3 does. */
void s3_sign_text_4(
        struct http_req *http, const struct s3_sign *sign, bool as_sent, struct buf *out);
/* The canonical request that is hashed in there. */
void s3_sign_canonical_4(
        struct http_req *http, const struct s3_sign *sign, bool as_sent, struct buf *out);
/* By version 2. bucket: that a host name stands for, or NULL. slash: behind the path, as some sign
 * a bucket's. */
void s3_sign_text_2(const struct http_req *http, const struct s3_sign *sign, const char *bucket,
        bool slash, struct buf *out);

/* Does a header that says something to S3 stand outside of what is signed? NULL: none does. */
const char *s3_sign_left_out(const struct http_req *http, const struct s3_sign *sign);

/* The signature of such a text by a key of version 4, in hexadecimal. */
#define S3_SIGNATURE_SIZE 65
void s3_sign_4(const uint8_t key[AWS_KEY], const void *text, size_t len,
        char ret_signature[S3_SIGNATURE_SIZE]);
bool s3_sign_same(const char *a, const char *b);

#endif
