/* error: what S3 calls what went wrong. Pure. */
#ifndef PROXY_S3_ERROR_H
#define PROXY_S3_ERROR_H

enum s3_error {
	S3_OK,
#define S3_ERROR(code, status, text)        S3_##code,
#define S3_ERROR_OF(of, code, status, text) S3_##of##_##code, /* "of.code" */
#include "proxy/s3/error.def"
#undef S3_ERROR
#undef S3_ERROR_OF
	S3_ERRORS
};

const char *s3_error_code(enum s3_error error); /* "NoSuchKey" */
const char *s3_error_text(enum s3_error error);
int s3_error_status(enum s3_error error);

#endif
