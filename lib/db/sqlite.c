#include "lib/db/driver.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 5000

/* The cause, as callers tell causes apart. */
static enum err outcome(sqlite3 *conn, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return ERR_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_CONSTRAINT:
		code = sqlite3_extended_errcode(conn);
		return code == SQLITE_CONSTRAINT_FOREIGNKEY ? ERR_CONFLICT : ERR_EXISTS;
	case SQLITE_FULL:
		return ERR_NO_SPACE;
	case SQLITE_READONLY:
		return ERR_READ_ONLY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	default:
		return ERR_IO;
	}
}

static enum err checked(sqlite3 *conn, int code, const char *what)
{
	enum err err = outcome(conn, code);

	if (err && err != ERR_BUSY && err != ERR_EXISTS && err != ERR_CONFLICT)
		log_error("sqlite", "error=%s code=%d detail=%s at=%s", err_name(err), code,
		        log_quote(sqlite3_errmsg(conn)), log_quote(what));
	return err;
}

static enum err run(sqlite3 *conn, const char *sql)
{
	return checked(conn, sqlite3_exec(conn, sql, NULL, NULL, NULL), sql);
}

static void sqlite_close(void *conn)
{
	sqlite3_close(conn);
}

static enum err sqlite_open(const struct db_address *address, void **ret_conn, struct buf *error)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	/* Only a file that is not there yet is opened here: to close one would let go of the locks
	 * that the process's other connections hold on it. */
	int fd = open(address->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	sqlite3 *conn = NULL;

	if (fd >= 0)
		close(fd);
	if (sqlite3_open_v2(address->name, &conn, flags, NULL) != SQLITE_OK) {
		buf_printf(error, "%s: %s", address->name,
		        conn ? sqlite3_errmsg(conn) : "out of memory");
		sqlite3_close(conn);
		return ERR_UNAVAILABLE;
	}
	sqlite3_extended_result_codes(conn, 1);
	sqlite3_busy_timeout(conn, WAIT_MS);
	/* FULL: a commit is on the disk when it is answered. */
	enum err err = run(conn, "PRAGMA journal_mode = WAL");
	if (!err)
		err = run(conn, "PRAGMA synchronous = FULL");
	if (!err)
		err = run(conn, "PRAGMA foreign_keys = ON");
	/* KiB of each connection; the system's own cache is behind it. */
	if (!err)
		err = run(conn, "PRAGMA cache_size = -512");
	if (err) {
		buf_printf(error, "%s: %s", address->name, sqlite3_errmsg(conn));
		sqlite3_close(conn);
		return err;
	}
	*ret_conn = conn;
	return ERR_OK;
}

/* A writer takes its lock at once: to find out later that another one has it would be too late. */
static enum err sqlite_begin(void *conn, enum db_kind kind)
{
	return run(conn, kind == DB_WRITE ? "BEGIN IMMEDIATE" : "BEGIN");
}

static enum err sqlite_commit(void *conn)
{
	return run(conn, "COMMIT");
}

static void sqlite_rollback(void *conn)
{
	if (!sqlite3_get_autocommit(conn))
		run(conn, "ROLLBACK");
}

static enum err sqlite_script(void *conn, const char *sql, struct buf *error)
{
	enum err err = run(conn, sql);

	if (err && err != ERR_BUSY)
		buf_str(error, sqlite3_errmsg(conn));
	return err;
}

static enum err sqlite_prepare(void *conn, const char *sql, void **ret_stmt)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v3(conn, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);

	*ret_stmt = stmt;
	return checked(conn, code, sql);
}

static void sqlite_finish(void *stmt)
{
	sqlite3_finalize(stmt);
}

static void sqlite_bind_int(void *stmt, unsigned at, int64_t value)
{
	sqlite3_bind_int64(stmt, (int)at + 1, value);
}

static void sqlite_bind_bytes(void *stmt, unsigned at, const void *data, size_t len, bool text)
{
	if (text)
		sqlite3_bind_text64(stmt, (int)at + 1, data, len, SQLITE_TRANSIENT, SQLITE_UTF8);
	else
		sqlite3_bind_blob64(stmt, (int)at + 1, data ? data : "", len, SQLITE_TRANSIENT);
}

static void sqlite_bind_null(void *stmt, unsigned at)
{
	sqlite3_bind_null(stmt, (int)at + 1);
}

static unsigned sqlite_placeholders(void *stmt)
{
	return (unsigned)sqlite3_bind_parameter_count(stmt);
}

static enum err sqlite_step(void *stmt, bool *ret_row)
{
	int code = sqlite3_step(stmt);

	*ret_row = code == SQLITE_ROW;
	return checked(sqlite3_db_handle(stmt), code, sqlite3_sql(stmt));
}

static void sqlite_reset(void *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

static unsigned sqlite_changed(void *conn, void *stmt)
{
	(void)stmt;
	return (unsigned)sqlite3_changes(conn);
}

static bool sqlite_is_null(void *stmt, unsigned column)
{
	return sqlite3_column_type(stmt, (int)column) == SQLITE_NULL;
}

static int64_t sqlite_get_int(void *stmt, unsigned column)
{
	return sqlite3_column_int64(stmt, (int)column);
}

static const void *sqlite_get_bytes(void *stmt, unsigned column, size_t *ret_len)
{
	if (sqlite_is_null(stmt, column))
		return NULL;
	const void *data = sqlite3_column_type(stmt, (int)column) == SQLITE_BLOB
	                           ? sqlite3_column_blob(stmt, (int)column)
	                           : (const void *)sqlite3_column_text(stmt, (int)column);
	*ret_len = (size_t)sqlite3_column_bytes(stmt, (int)column);
	return data ? data : "";
}

const struct db_driver db_sqlite = {
        .scheme = "sqlite",
        .open = sqlite_open,
        .close = sqlite_close,
        .begin = sqlite_begin,
        .commit = sqlite_commit,
        .rollback = sqlite_rollback,
        .script = sqlite_script,
        .prepare = sqlite_prepare,
        .finish = sqlite_finish,
        .bind_int = sqlite_bind_int,
        .bind_bytes = sqlite_bind_bytes,
        .bind_null = sqlite_bind_null,
        .placeholders = sqlite_placeholders,
        .step = sqlite_step,
        .reset = sqlite_reset,
        .changed = sqlite_changed,
        .is_null = sqlite_is_null,
        .get_int = sqlite_get_int,
        .get_bytes = sqlite_get_bytes,
};
