/* reconcile: makes one account or container equal on two devices, both ways: what each knows of
 * itself, then the rows, of which only those in pieces that differ travel (docs/replication.md). */
#ifndef NODE_RECONCILE_H
#define NODE_RECONCILE_H

#include "proxy/proxy.h"

struct reconcile;

/* Runs on its own; `op` is woken when it has ended. Tombstones of rows older than before_ts may be
 * missing. Not both: the second gets what the first has, and not the other way. Between pieces it
 * rests (pace.h) while clients are at work, who were last at *asked_us; that outlives it. */
struct reconcile *reconcile_start(struct proxy *proxy, struct op *op, enum backend_kind kind,
        const uint8_t key[16], uint64_t before_ts, const uint32_t devices[2], bool both,
        const uint64_t *asked_us);

/* True when it has ended: ERR_OK, they were equal or are now; ERR_BUSY: whether one was deleted
 * cannot be said yet; *ret_rows: rows that were sent. */
bool reconcile_outcome(const struct reconcile *reconcile, enum err *ret_err, uint64_t *ret_rows);
void reconcile_unref(struct reconcile *reconcile); /* NULL is fine */

#endif
