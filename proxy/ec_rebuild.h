/* ec_rebuild: makes the fragments of one version that devices lack, out of k others, and writes
 * them there. Used by readers that complete a version, and by whoever mends a device. */
#ifndef PROXY_EC_REBUILD_H
#define PROXY_EC_REBUILD_H

#include "proxy/proxy.h"

struct ec_rebuild;

/* Runs on its own and frees itself; `op` (or NULL) is woken when it is over. The texts are copied.
 * Each of `to` (at most PLACE_MAX) gets the fragment that is its by the rings. A version that no
 * device has committed is written as a draft. writer: the conditional writer this is read for, or
 * 0. etag: the body that is meant (16 bytes, copied; ec_sort.h), or NULL: ERR_CONFLICT when there
 * is another one by now. */
struct ec_rebuild *ec_rebuild_start(struct proxy *proxy, struct op *op, unsigned policy,
        const char *account, const char *container, const char *object, uint64_t ts,
        const uint32_t *to, unsigned to_count, uint64_t writer, const uint8_t *etag);

/* True when it is over; *ret_written: where it is durable now, bits of the object's place. ERR_OK:
 * everywhere it was to be; ERR_CONFLICT: there, or something newer, or a conditional writer's to
 * be; ERR_EXISTS: while rings move, the newest's primaries have all fragments, but each other's. */
bool ec_rebuild_outcome(const struct ec_rebuild *rebuild, enum err *ret_err, uint64_t *ret_written);

/* The starter has lost interest or has its answer; NULL is fine. */
void ec_rebuild_unref(struct ec_rebuild *rebuild);

#endif
