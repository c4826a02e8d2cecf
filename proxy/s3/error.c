#include "proxy/s3/error.h"

static const struct {
	const char *code, *text;
	int status;
} table[S3_ERRORS] = {
        [S3_OK] = {"", "", 200},
#define S3_ERROR(c, s, t)        [S3_##c] = {#c, t, s},
#define S3_ERROR_OF(of, c, s, t) [S3_##of##_##c] = {#of "." #c, t, s},
#include "proxy/s3/error.def"
#undef S3_ERROR
#undef S3_ERROR_OF
};

const char *s3_error_code(enum s3_error error)
{
	return table[error].code;
}

const char *s3_error_text(enum s3_error error)
{
	return table[error].text;
}

int s3_error_status(enum s3_error error)
{
	return table[error].status;
}
