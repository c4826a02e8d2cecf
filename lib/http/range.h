/* range: the Range header (RFC 9110 14.2), read as Swift reads it. Pure. */
#ifndef LIB_HTTP_RANGE_H
#define LIB_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* Swift refuses more ranges, and more overlapping ones, than these (swob.py). */
#define RANGE_MAX              50
#define RANGE_OVERLAP_MAX      2
#define RANGE_OUT_OF_ORDER_MAX 8

struct range {
	uint64_t start, end; /* inclusive */
};

enum range_result {
	RANGE_NONE, /* no valid Range: the whole body */
	RANGE_SOME, /* 206 */
	RANGE_UNSATISFIABLE,
};

/* ranges has room for RANGE_MAX. */
enum range_result range_parse(
        const char *text, uint64_t size, struct range *ret_ranges, unsigned *ret_count);

#endif
