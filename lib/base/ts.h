/* ts: a Swift timestamp as one integer: ticks of 10 us since 1970, written "1700000000.12345"
 * (swift/common/utils/timestamp.py, the "normal" form). 0 means "none". */
#ifndef LIB_BASE_TS_H
#define LIB_BASE_TS_H

#include <stdbool.h>
#include <stdint.h>

#define TS_PER_SECOND 100000ull
#define TS_MAX        (10000000000ull * TS_PER_SECOND - 1) /* ten digits of seconds */
#define TS_TEXT_SIZE  17                                   /* with its NUL */

/* "%010d.%05d" */
void ts_format(uint64_t ts, char ret_text[TS_TEXT_SIZE]);

/* Digits with an optional fraction, more than five of which are cut. False, and *ret_ts
 * untouched, when it is no such number or past TS_MAX. */
bool ts_parse(const char *text, uint64_t *ret_ts);

#endif
