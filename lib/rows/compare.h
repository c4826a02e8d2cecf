/* compare: what a device's databases hold, for comparison with other replicas: all databases by
 * ranges of their keys, and the rows of one by ranges of names. Tombstones count as rows. */
#ifndef LIB_ROWS_COMPARE_H
#define LIB_ROWS_COMPARE_H

#include "lib/rows/list.h"

#define COMPARE_ROWS_MAX   65536u /* looked at for one answer */
#define COMPARE_PIECES_MAX 512u

/* BACKEND_DB_ROW_DIGEST and ROW_RANGE: fill reply.rows and reply.more. Block on the store; any
 * thread. */
enum err compare_row_digest(
        const struct list_source *source, enum backend_kind kind, struct backend_call *call);
enum err compare_row_range(const struct list_source *source, struct backend_call *call);

struct rows;

/* Answers BACKEND_DB_DIGEST and DB_KEYS. The thread of rows. */
void compare_databases(struct rows *rows, struct backend_call *call);

#endif
