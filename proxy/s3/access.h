/* access: may who signed do this? */
#ifndef PROXY_S3_ACCESS_H
#define PROXY_S3_ACCESS_H

#include "proxy/s3/error.h"

#include <stdbool.h>

struct request;

/* After login, and once it is known whose bucket it is. Call again while *ret_wait. */
enum s3_error s3_may(struct request *request, bool *ret_wait);

#endif
