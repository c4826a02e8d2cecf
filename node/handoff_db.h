/* handoff_db: an account or container on a device that is no primary of it goes to all primaries,
 * and is forgotten here when all have all of it. */
#ifndef NODE_HANDOFF_DB_H
#define NODE_HANDOFF_DB_H

#include "node/reconcile.h"

struct handoff_db;

/* Runs on its own; `op` is woken when it has ended. asked_us as of reconcile_start. */
struct handoff_db *handoff_db_start(struct proxy *proxy, struct op *op, enum backend_kind kind,
        const uint8_t key[16], uint64_t before_ts, uint32_t from, const uint64_t *asked_us);

/* True when it has ended: ERR_OK, it is gone from here; ERR_CONFLICT, it changed meanwhile;
 * *ret_rows: rows that were sent. */
bool handoff_db_outcome(const struct handoff_db *handoff, enum err *ret_err, uint64_t *ret_rows);
void handoff_db_unref(struct handoff_db *handoff); /* NULL is fine */

#endif
