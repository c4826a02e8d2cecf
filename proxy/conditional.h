/* conditional: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since of reads (RFC 9110
 * 13), as Swift answers them. Pure. */
#ifndef PROXY_CONDITIONAL_H
#define PROXY_CONDITIONAL_H

#include "lib/http/http.h"

/* 0: go on; 304 or 412. etag without quotes; ts in ticks of 10 us. */
int conditional_check(const struct http_req *req, const char *etag, uint64_t ts);

/* Does an If-Match or If-None-Match value name this etag (or "*")? */
bool conditional_names(const char *value, const char *etag);

#endif
