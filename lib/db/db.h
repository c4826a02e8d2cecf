/* db: SQL databases behind one dialect: SQLite (one file, this machine's processes) and MariaDB
 * (several machines, Galera). The truth of control services lives here. All calls block: pool
 * threads only, never a reactor's loop.
 *
 * The dialect: what both understand. Placeholders are `?`; types VARCHAR(n), BIGINT, TEXT and BLOB
 * (up to 64 KiB), LONGTEXT and LONGBLOB; texts compare by their bytes; foreign keys count. No
 * AUTO_INCREMENT, no upserts: db_next gives numbers, and REPLACE INTO is there. */
#ifndef LIB_DB_DB_H
#define LIB_DB_DB_H

#include "lib/base/buf.h"

struct db;
struct db_tx;

/* A service's tables, grown step by step; steps that were released never change. Each is one or
 * more statements with ';' between them. */
struct db_schema {
	const char *service; /* names its row in the table schema_version */
	const char *const *steps;
	unsigned count;
};

/* sqlite:///absolute/path, or mysql://user:password@host[:port]/database. Nothing is opened yet but
 * the text checked: ERR_CONFIG, *error says what is wrong. */
enum err db_new(const char *url, struct db **ret_db, struct buf *error);
void db_free(struct db *db);

/* Creates what is missing of the file (0600, its folder must be there) and brings the tables up to
 * the newest step. Several processes may do so at once. ERR_FORMAT: they are newer than this
 * program. */
enum err db_upgrade(struct db *db, const struct db_schema *schema, struct buf *error);
/* How many steps there are in it; 0: none. */
enum err db_version(struct db *db, const struct db_schema *schema, unsigned *ret_version);

enum db_kind { DB_READ, DB_WRITE };

/* Runs `body` in a transaction and commits when it returns ERR_OK, else rolls back and returns what
 * it said. It may be run again, from its begin, after a conflict with another transaction: what it
 * gives its caller must be set anew each time. Once ERR_OK is returned a write is durable.
 * ERR_EXISTS, ERR_CONFLICT: a unique key, a foreign key; ERR_BUSY: conflicts over and over;
 * ERR_UNAVAILABLE: no connection; ERR_IO. */
enum err db_run(
        struct db *db, enum db_kind kind, enum err (*body)(struct db_tx *tx, void *arg), void *arg);

/* --- statements, in a transaction --- */

/* One at a time for each query; begun again by db_query. Remembers its first failure. */
struct db_query {
	struct db_tx *tx;
	void *stmt; /* the connection's; NULL: none */
	unsigned bound;
	bool row;
	enum err err;
};

/* `sql` may be composed, but never of values: those are bound, in the order of the `?`. */
struct db_query db_query(struct db_tx *tx, const char *sql);
void db_bind_text(struct db_query *query, const char *text); /* NULL: null; copied */
void db_bind_int(struct db_query *query, int64_t value);
void db_bind_blob(struct db_query *query, const void *data, size_t len);
void db_bind_null(struct db_query *query);

/* The next row: true. Texts and blobs live until the next call on the query. */
bool db_step(struct db_query *query);
const char *db_text(struct db_query *query, unsigned column); /* NULL: null */
int64_t db_int(struct db_query *query, unsigned column);      /* null: 0 */
bool db_is_null(struct db_query *query, unsigned column);
const void *db_blob(struct db_query *query, unsigned column, size_t *ret_len);

/* Lets the statement go; what went wrong first. Must be called once for every db_query. */
enum err db_end(struct db_query *query);

/* Runs what was bound, which gives no rows, and ends it. *ret_changed: rows; may be NULL. */
enum err db_exec(struct db_query *query, unsigned *ret_changed);

/* The next number of a sequence, from 1: in the order in which transactions commit. */
enum err db_next(struct db_tx *tx, const char *sequence, uint64_t *ret_number);
/* The last one given, as the transaction sees it; 0: none. */
enum err db_last(struct db_tx *tx, const char *sequence, uint64_t *ret_number);

/* `run` is called once the transaction is durable, outside of it and before db_run returns; not
 * when it fails. A transaction has one: the last that was set. */
void db_on_commit(struct db_tx *tx, void (*run)(void *arg), void *arg);

#endif
