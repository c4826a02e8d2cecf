/* repair: brings one version of an object, live or deleted, from a device that has it to devices
 * that lack it. Used by readers that find a version short of a majority, and by scrub. */
#ifndef PROXY_REPAIR_H
#define PROXY_REPAIR_H

#include "proxy/proxy.h"

struct repair;

/* Runs on its own and frees itself; `op` is woken when enough is known: repair_outcome. The
 * texts are copied. need: how many of the targets must take it. */
struct repair *repair_start(struct proxy *proxy, struct op *op, unsigned policy,
        const char *account, const char *container, const char *object, uint64_t ts, bool deleted,
        uint32_t from, const uint32_t *to, unsigned to_count, unsigned need);

/* True when decided. */
bool repair_outcome(const struct repair *repair, enum err *ret_err);

/* The starter has lost interest or has its answer. */
void repair_unref(struct repair *repair);

#endif
