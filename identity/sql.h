/* sql: statements that are nothing but texts bound to placeholders. */
#ifndef IDENTITY_SQL_H
#define IDENTITY_SQL_H

#include "lib/base/arena.h"
#include "lib/db/db.h"

/* How many, and which: what `?`s stand for, in their order. NULL is null. */
#define TEXTS(...)                                                                                 \
	(unsigned)COUNT_OF(((const char *const[]){__VA_ARGS__})), (const char *const[])            \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

/* Begun and bound; db_end is the caller's. */
struct db_query sql_query(
        struct db_tx *tx, const char *sql, unsigned count, const char *const *texts);
/* *ret_changed: rows; may be NULL. */
enum err sql_run(struct db_tx *tx, const char *sql, unsigned *ret_changed, unsigned count,
        const char *const *texts);
/* The first column of the first row; 0: there is none, or it is null. */
enum err sql_int(struct db_tx *tx, const char *sql, int64_t *ret_number, unsigned count,
        const char *const *texts);
/* NULL: there is none, or it is null. */
enum err sql_text(struct db_tx *tx, const char *sql, struct arena *arena, const char **ret_text,
        unsigned count, const char *const *texts);
/* All of the first column; ends the query. */
enum err sql_texts(
        struct db_query *query, struct arena *arena, const char ***ret_texts, unsigned *ret_count);

#endif
