/* params: parameters behind a value, as content types and the etags of rows have them:
 * "text/plain;swift_bytes=12", "<md5>; slo_etag=<md5>". Pure. */
#ifndef PROXY_PARAMS_H
#define PROXY_PARAMS_H

#include "lib/base/buf.h"

/* A parameter's value (borrowed, without its quotes); NULL: it is not there. */
const char *params_get(const char *text, const char *name, size_t *ret_len);

/* Bytes of the value in front of the parameters. */
size_t params_value_len(const char *text);

/* Appends the text without the parameter of that name. */
void params_without(const char *text, const char *name, struct buf *out);

/* The size that a content type has for listings (swift_bytes); false: none. */
bool params_swift_bytes(const char *content_type, uint64_t *ret_bytes);

#endif
