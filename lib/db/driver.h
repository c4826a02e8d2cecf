/* driver: what a database engine does for db.c. A connection and its statements are one thread's at
 * a time. Failures are of enum err: ERR_BUSY means that the transaction may be run again,
 * ERR_CLOSED that the connection is of no use any more. */
#ifndef LIB_DB_DRIVER_H
#define LIB_DB_DRIVER_H

#include "lib/db/db.h"

struct db_address {
	char *user, *password, *host, *name; /* owned; name: the file, or the database */
	unsigned port;
};

struct db_driver {
	const char *scheme;
	enum err (*open)(const struct db_address *address, void **ret_conn, struct buf *error);
	void (*close)(void *conn);
	enum err (*begin)(void *conn, enum db_kind kind);
	enum err (*commit)(void *conn);
	void (*rollback)(void *conn);
	enum err (*script)(void *conn, const char *sql, struct buf *error); /* of a step */
	enum err (*prepare)(void *conn, const char *sql, void **ret_stmt);
	void (*finish)(void *stmt);
	/* Values: of the n-th `?`, from 0; borrowed until the statement is reset. */
	void (*bind_int)(void *stmt, unsigned at, int64_t value);
	void (*bind_bytes)(void *stmt, unsigned at, const void *data, size_t len, bool text);
	void (*bind_null)(void *stmt, unsigned at);
	unsigned (*placeholders)(void *stmt);
	enum err (*step)(void *stmt, bool *ret_row);
	void (*reset)(void *stmt);
	unsigned (*changed)(void *conn, void *stmt);
	bool (*is_null)(void *stmt, unsigned column);
	int64_t (*get_int)(void *stmt, unsigned column);
	/* With a NUL behind them; NULL when null. */
	const void *(*get_bytes)(void *stmt, unsigned column, size_t *ret_len);
};

extern const struct db_driver db_sqlite, db_maria;

#endif
