/* compare: what a device's databases hold, for comparison with other replicas: all databases by
 * ranges of their keys, and the rows of one by ranges of names. Tombstones count as rows. */
#ifndef LIB_ROWS_COMPARE_H
#define LIB_ROWS_COMPARE_H

#include "lib/rows/info.h"
#include "lib/rows/list.h"

#define COMPARE_ROWS_MAX   16384u /* looked at for one answer: some 10 ms of a pool thread */
#define COMPARE_PIECES_MAX 512u

/* BACKEND_DB_ROW_DIGEST and ROW_RANGE: fill reply.rows and reply.more. Block on the store; any
 * thread. */
enum err compare_row_digest(
        const struct list_source *source, enum backend_kind kind, struct backend_call *call);
enum err compare_row_range(const struct list_source *source, struct backend_call *call);

struct rows;
struct space;

/* --- databases.c: all databases, by ranges of their keys --- */

/* Can BACKEND_DB_DIGEST or DB_KEYS be answered at all? */
bool compare_is_good(const struct backend_msg *msg);
/* Answers BACKEND_DB_KEYS, which is good, of rows that work. The thread of rows. */
void compare_keys(struct rows *rows, struct backend_call *call);

/* What a database is to others. */
void database_key(struct backend_db_key *db, const uint8_t key[16], const struct info *info,
        const struct totals *totals);
/* The same from its value in the store. ERR_CORRUPT. */
enum err database_key_stored(
        struct backend_db_key *db, const uint8_t key[16], const void *value, size_t len);
/* False: a mere name, that somebody asked for. */
bool database_is_something(const struct backend_db_key *db);

/* --- digest.c: what they come to, from memory --- */

/* Answers BACKEND_DB_DIGEST, which is good, of rows that work. The thread of rows. */
void digest_databases(struct rows *rows, struct backend_call *call);
/* The database may come to something else now. It is held in memory by somebody. */
void digest_changed(struct space *space);
/* It goes from memory. */
void digest_let_go(struct space *space);
void digest_done(struct rows *rows); /* all of it, at close */

#endif
