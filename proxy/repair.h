/* repair: brings one version of an object, live or deleted, from a device that has it to devices
 * that lack it. Used by readers that find a version short of a majority, and by scrub. */
#ifndef PROXY_REPAIR_H
#define PROXY_REPAIR_H

#include "proxy/proxy.h"

struct repair;

/* Runs on its own and frees itself; `op` is woken when enough is known: repair_outcome. The
 * texts are copied. It is done when these targets and the devices in `have` (bits of the place)
 * meet the place; without a place, when all targets have it. meta_ts: the targets have the body,
 * and get the metadata of the POST of then; else 0. `writer`: on whose behalf, where that has a
 * lease on the key; else 0. Outcome ERR_CONFLICT: a conditional writer came first, who had not seen
 * this version. */
struct repair *repair_start(struct proxy *proxy, struct op *op, unsigned policy,
        const char *account, const char *container, const char *object, uint64_t ts,
        uint64_t meta_ts, bool deleted, uint32_t from, const uint32_t *to, unsigned to_count,
        const struct place *place, uint64_t have, uint64_t writer);

/* Brings what the index of `from` has of a key to another device: a tombstone, a version with its
 * body, or, when the target has the body, the metadata of the last POST alone. Outcome OK: the
 * target has it or something newer. ERR_CONFLICT: `from` has something newer by now. */
enum repair_part { REPAIR_WHOLE, REPAIR_METADATA };
struct repair *repair_push(struct proxy *proxy, struct op *op, unsigned policy,
        const struct backend_key *version, enum repair_part part, uint32_t from, uint32_t to);

/* True when decided. */
bool repair_outcome(const struct repair *repair, enum err *ret_err);

/* The starter has lost interest or has its answer. */
void repair_unref(struct repair *repair);

#endif
