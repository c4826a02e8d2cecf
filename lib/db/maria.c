#include "lib/db/driver.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_S 5
#define ANSWER_S  30

struct param {
	int64_t number;
	char *bytes; /* owned */
	unsigned long len;
	my_bool null;
};

struct column {
	char *bytes; /* owned; with room for a NUL */
	unsigned long len, cap;
	my_bool null;
};

struct stmt {
	MYSQL_STMT *stmt;
	char *sql; /* owned */
	MYSQL_BIND *in, *out;
	struct param *params;
	struct column *columns;
	unsigned param_count, column_count;
	bool ran;
};

static enum err outcome(unsigned code)
{
	switch (code) {
	case 0:
		return ERR_OK;
	case ER_LOCK_DEADLOCK: /* Galera tells conflicts so, too */
	case ER_LOCK_WAIT_TIMEOUT:
	case ER_CHECKREAD:
		return ERR_BUSY;
	case ER_DUP_ENTRY:
	case ER_DUP_KEY:
		return ERR_EXISTS;
	case ER_NO_REFERENCED_ROW_2:
	case ER_ROW_IS_REFERENCED_2:
		return ERR_CONFLICT;
	case CR_SERVER_GONE_ERROR:
	case CR_SERVER_LOST:
	case CR_CONN_HOST_ERROR:
	case CR_CONNECTION_ERROR:
	case ER_SERVER_SHUTDOWN:
	case ER_CONNECTION_KILLED:
	case ER_UNKNOWN_COM_ERROR: /* a node of Galera that is not in its cluster now */
		return ERR_CLOSED;
	case ER_DISK_FULL:
		return ERR_NO_SPACE;
	case ER_DATA_TOO_LONG:
		return ERR_TOO_LARGE;
	default:
		return ERR_IO;
	}
}

static enum err checked(unsigned code, const char *text, const char *what)
{
	enum err err = outcome(code);

	if (err && err != ERR_BUSY && err != ERR_EXISTS && err != ERR_CONFLICT)
		log_error("mariadb", "error=%s code=%u detail=%s at=%s", err_name(err), code,
		        log_quote(text), log_quote(what));
	return err;
}

static enum err run(MYSQL *conn, const char *sql)
{
	if (mysql_query(conn, sql))
		return checked(mysql_errno(conn), mysql_error(conn), sql);
	MYSQL_RES *result = mysql_store_result(conn);
	if (result)
		mysql_free_result(result);
	return ERR_OK;
}

static void maria_close(void *conn)
{
	mysql_close(conn);
}

static void begin_library(void)
{
	mysql_library_init(0, NULL, NULL);
}

static enum err maria_open(const struct db_address *a, void **ret_conn, struct buf *error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	unsigned connect = CONNECT_S, answer = ANSWER_S;

	pthread_once(&once, begin_library);
	MYSQL *conn = mysql_init(NULL);
	mysql_options(conn, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
	mysql_options(conn, MYSQL_OPT_READ_TIMEOUT, &answer);
	mysql_options(conn, MYSQL_OPT_WRITE_TIMEOUT, &answer);
	mysql_options(conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	bool local = strcmp(a->host, "localhost") == 0 || a->host[0] == '%' || !*a->host;
	if (!mysql_real_connect(conn, *a->host ? a->host : NULL, a->user, a->password, a->name,
	            a->port, NULL, CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS)) {
		buf_printf(error, "%s: %s", local ? "this machine" : a->host, mysql_error(conn));
		mysql_close(conn);
		return ERR_UNAVAILABLE;
	}
	enum err err = run(conn, "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,"
	                         "NO_BACKSLASH_ESCAPES', SESSION innodb_lock_wait_timeout = 5");
	if (err) {
		buf_str(error, mysql_error(conn));
		mysql_close(conn);
		return err;
	}
	*ret_conn = conn;
	return ERR_OK;
}

static enum err maria_begin(void *conn, enum db_kind kind)
{
	return run(conn, kind == DB_WRITE ? "START TRANSACTION" : "START TRANSACTION READ ONLY");
}

static enum err maria_commit(void *conn)
{
	return run(conn, "COMMIT");
}

static void maria_rollback(void *conn)
{
	run(conn, "ROLLBACK");
}

/* Tables are InnoDB's, whose texts compare by their bytes. */
static enum err maria_script(void *conn, const char *sql, struct buf *error)
{
	AUTO(buf) struct buf script = BUF_NONE;

	buf_str(&script, "SET SESSION default_storage_engine = InnoDB, SESSION "
	                 "character_set_server = utf8mb4, SESSION collation_server = utf8mb4_bin;");
	for (const char *at = sql, *end; *at; at = *end ? end + 1 : end) {
		end = at + strcspn(at, ";");
		size_t len = (size_t)(end - at);
		const char *word = at + strspn(at, " \n\t");
		buf_add(&script, at, len);
		if (strncmp(word, "CREATE TABLE", 12) == 0)
			buf_str(&script, " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
		buf_char(&script, ';');
	}
	int more = mysql_real_query(conn, script.data, script.len) ? 1 : 0;
	while (!more) {
		MYSQL_RES *result = mysql_store_result(conn);
		if (result)
			mysql_free_result(result);
		more = mysql_next_result(conn);
	}
	if (!mysql_errno(conn))
		return ERR_OK;
	buf_str(error, mysql_error(conn));
	return checked(mysql_errno(conn), mysql_error(conn), sql);
}

/* --- statements --- */

static void maria_finish(void *of)
{
	struct stmt *s = of;

	if (!s)
		return;
	if (s->stmt)
		mysql_stmt_close(s->stmt);
	for (unsigned i = 0; i < s->param_count; i++)
		free(s->params[i].bytes);
	for (unsigned i = 0; i < s->column_count; i++)
		free(s->columns[i].bytes);
	free(s->in);
	free(s->out);
	free(s->params);
	free(s->columns);
	free(s->sql);
	free(s);
}

/* Every column comes as text, or bytes, of any length: it is fetched once its length is known. */
static void make_columns(struct stmt *s)
{
	s->column_count = mysql_stmt_field_count(s->stmt);
	s->columns = mem_zalloc((s->column_count + 1) * sizeof(*s->columns));
	s->out = mem_zalloc((s->column_count + 1) * sizeof(*s->out));
	for (unsigned i = 0; i < s->column_count; i++) {
		struct column *c = &s->columns[i];
		c->cap = 256;
		c->bytes = mem_zalloc(c->cap + 1);
		s->out[i] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
		        .buffer = c->bytes,
		        .buffer_length = c->cap,
		        .length = &c->len,
		        .is_null = &c->null};
	}
}

static enum err maria_prepare(void *conn, const char *sql, void **ret_stmt)
{
	struct stmt *s = mem_zalloc(sizeof(*s));

	s->stmt = mysql_stmt_init(conn);
	s->sql = mem_strdup(sql);
	if (mysql_stmt_prepare(s->stmt, sql, strlen(sql))) {
		enum err err = checked(mysql_stmt_errno(s->stmt), mysql_stmt_error(s->stmt), sql);
		maria_finish(s);
		return err;
	}
	s->param_count = (unsigned)mysql_stmt_param_count(s->stmt);
	s->params = mem_zalloc((s->param_count + 1) * sizeof(*s->params));
	s->in = mem_zalloc((s->param_count + 1) * sizeof(*s->in));
	make_columns(s);
	*ret_stmt = s;
	return ERR_OK;
}

static struct param *param(struct stmt *s, unsigned at, enum enum_field_types type)
{
	struct param *p = &s->params[at];

	free(p->bytes);
	*p = (struct param){.null = type == MYSQL_TYPE_NULL};
	s->in[at] = (MYSQL_BIND){.buffer_type = type, .is_null = &p->null, .length = &p->len};
	return p;
}

static void maria_bind_int(void *stmt, unsigned at, int64_t value)
{
	struct stmt *s = stmt;
	struct param *p = param(s, at, MYSQL_TYPE_LONGLONG);

	p->number = value;
	s->in[at].buffer = &p->number;
}

static void maria_bind_bytes(void *stmt, unsigned at, const void *data, size_t len, bool text)
{
	struct stmt *s = stmt;
	struct param *p = param(s, at, text ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB);

	p->bytes = mem_strndup(data ? data : "", len);
	p->len = s->in[at].buffer_length = len;
	s->in[at].buffer = p->bytes;
}

static void maria_bind_null(void *stmt, unsigned at)
{
	param(stmt, at, MYSQL_TYPE_NULL);
}

static unsigned maria_placeholders(void *stmt)
{
	return ((struct stmt *)stmt)->param_count;
}

static enum err failed(struct stmt *s)
{
	return checked(mysql_stmt_errno(s->stmt), mysql_stmt_error(s->stmt), s->sql);
}

/* Rows are taken to this side at once: other statements may run between two steps. */
static enum err execute(struct stmt *s)
{
	if (mysql_stmt_bind_param(s->stmt, s->in) || mysql_stmt_execute(s->stmt) ||
	        (s->column_count && (mysql_stmt_bind_result(s->stmt, s->out) ||
	                                    mysql_stmt_store_result(s->stmt))))
		return failed(s);
	s->ran = true;
	return ERR_OK;
}

static enum err fetch_long(struct stmt *s, unsigned i)
{
	struct column *c = &s->columns[i];

	c->cap = c->len * 2;
	c->bytes = mem_realloc(c->bytes, c->cap + 1);
	s->out[i].buffer = c->bytes;
	s->out[i].buffer_length = c->cap;
	return mysql_stmt_fetch_column(s->stmt, &s->out[i], i, 0) ? failed(s) : ERR_OK;
}

static enum err maria_step(void *stmt, bool *ret_row)
{
	struct stmt *s = stmt;
	enum err err = s->ran ? ERR_OK : execute(s);
	bool grown = false;

	*ret_row = false;
	if (err || !s->column_count)
		return err;
	int got = mysql_stmt_fetch(s->stmt);
	if (got == MYSQL_NO_DATA)
		return ERR_OK;
	if (got != 0 && got != MYSQL_DATA_TRUNCATED)
		return failed(s);
	for (unsigned i = 0; i < s->column_count && !err; i++) {
		struct column *c = &s->columns[i];
		if (c->null || c->len <= c->cap)
			continue;
		err = fetch_long(s, i);
		grown = true;
	}
	for (unsigned i = 0; i < s->column_count && !err; i++) {
		struct column *c = &s->columns[i];
		c->bytes[c->null ? 0 : c->len] = 0;
	}
	if (grown && !err && mysql_stmt_bind_result(s->stmt, s->out))
		err = failed(s);
	*ret_row = !err;
	return err;
}

static void maria_reset(void *stmt)
{
	struct stmt *s = stmt;

	mysql_stmt_free_result(s->stmt);
	mysql_stmt_reset(s->stmt);
	s->ran = false;
}

static unsigned maria_changed(void *conn, void *stmt)
{
	(void)conn;
	return (unsigned)mysql_stmt_affected_rows(((struct stmt *)stmt)->stmt);
}

static bool maria_is_null(void *stmt, unsigned column)
{
	return ((struct stmt *)stmt)->columns[column].null;
}

static int64_t maria_get_int(void *stmt, unsigned column)
{
	const struct column *c = &((struct stmt *)stmt)->columns[column];

	return c->null ? 0 : strtoll(c->bytes, NULL, 10);
}

static const void *maria_get_bytes(void *stmt, unsigned column, size_t *ret_len)
{
	const struct column *c = &((struct stmt *)stmt)->columns[column];

	if (c->null)
		return NULL;
	*ret_len = c->len;
	return c->bytes;
}

const struct db_driver db_maria = {
        .scheme = "mysql",
        .open = maria_open,
        .close = maria_close,
        .begin = maria_begin,
        .commit = maria_commit,
        .rollback = maria_rollback,
        .script = maria_script,
        .prepare = maria_prepare,
        .finish = maria_finish,
        .bind_int = maria_bind_int,
        .bind_bytes = maria_bind_bytes,
        .bind_null = maria_bind_null,
        .placeholders = maria_placeholders,
        .step = maria_step,
        .reset = maria_reset,
        .changed = maria_changed,
        .is_null = maria_is_null,
        .get_int = maria_get_int,
        .get_bytes = maria_get_bytes,
};
