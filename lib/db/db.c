#include "lib/db/driver.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IDLE_MAX  16
#define CACHE_MAX 128 /* prepared statements of a connection */
#define TRIES_MAX 12

struct prepared {
	char *sql; /* owned */
	void *stmt;
	uint64_t used;
	bool busy;
};

struct db_tx {
	struct db *db;
	void *conn;
	struct prepared cache[CACHE_MAX];
	unsigned cached;
	uint64_t clock;
	bool lost;
	enum err err; /* what made it pointless: a conflict, or a lost connection */
	void (*on_commit)(void *arg);
	void *on_commit_arg;
	struct db_tx *next;
};

struct db {
	const struct db_driver *driver;
	struct db_address address;
	pthread_mutex_t lock;
	struct db_tx *idle; /* under lock */
	unsigned idle_count;
};

static const struct db_driver *const drivers[] = {&db_sqlite, &db_maria};

/* --- the URL --- */

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* What is quoted in a part of a URL. */
static char *unquote(const char *text, size_t len)
{
	char *out = mem_strndup(text, len), *to = out;

	for (const char *at = out; *at; at++) {
		if (*at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
			*to++ = (char)(hex(at[1]) << 4 | hex(at[2]));
			at += 2;
		} else {
			*to++ = *at;
		}
	}
	*to = 0;
	return out;
}

static enum err parse_host(struct db *db, const char *at, struct buf *error)
{
	const char *slash = strchr(at, '/'), *sign = NULL;

	for (const char *c = at; slash && c < slash; c++)
		sign = *c == '@' ? c : sign;
	if (!slash || !slash[1]) {
		buf_str(error, "wants mysql://user:password@host:port/database");
		return ERR_CONFIG;
	}
	if (sign) {
		const char *colon = memchr(at, ':', (size_t)(sign - at));
		db->address.user = unquote(at, (size_t)((colon ? colon : sign) - at));
		if (colon)
			db->address.password = unquote(colon + 1, (size_t)(sign - colon - 1));
		at = sign + 1;
	}
	const char *colon = memchr(at, ':', (size_t)(slash - at));
	db->address.host = unquote(at, (size_t)((colon ? colon : slash) - at));
	db->address.port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 3306;
	db->address.name = unquote(slash + 1, strcspn(slash + 1, "?"));
	if (db->address.port - 1 >= 65535) {
		buf_str(error, "its port is no port");
		return ERR_CONFIG;
	}
	return ERR_OK;
}

static enum err parse(struct db *db, const char *url, struct buf *error)
{
	const char *rest = strstr(url, "://");

	for (unsigned i = 0; rest && i < COUNT_OF(drivers); i++) {
		size_t len = strlen(drivers[i]->scheme);
		if ((size_t)(rest - url) == len && strncmp(url, drivers[i]->scheme, len) == 0)
			db->driver = drivers[i];
	}
	if (!db->driver) {
		buf_str(error, "wants sqlite:///path or mysql://user:password@host/database");
		return ERR_CONFIG;
	}
	rest += 3;
	if (db->driver == &db_maria)
		return parse_host(db, rest, error);
	if (*rest != '/' || !rest[1]) {
		buf_str(error, "wants an absolute path: sqlite:///path");
		return ERR_CONFIG;
	}
	db->address.name = mem_strdup(rest);
	return ERR_OK;
}

enum err db_new(const char *url, struct db **ret_db, struct buf *error)
{
	struct db *db = mem_zalloc(sizeof(*db));
	enum err err = parse(db, url, error);

	pthread_mutex_init(&db->lock, NULL);
	if (err) {
		db_free(db);
		return err;
	}
	*ret_db = db;
	return ERR_OK;
}

/* --- connections --- */

static void tx_free(struct db_tx *tx)
{
	for (unsigned i = 0; i < tx->cached; i++) {
		tx->db->driver->finish(tx->cache[i].stmt);
		free(tx->cache[i].sql);
	}
	if (tx->conn)
		tx->db->driver->close(tx->conn);
	free(tx);
}

void db_free(struct db *db)
{
	if (!db)
		return;
	while (db->idle) {
		struct db_tx *tx = db->idle;
		db->idle = tx->next;
		tx_free(tx);
	}
	free(db->address.user);
	free(db->address.password);
	free(db->address.host);
	free(db->address.name);
	pthread_mutex_destroy(&db->lock);
	free(db);
}

static enum err take(struct db *db, struct db_tx **ret_tx, struct buf *error)
{
	pthread_mutex_lock(&db->lock);
	struct db_tx *tx = db->idle;
	if (tx) {
		db->idle = tx->next;
		db->idle_count--;
	}
	pthread_mutex_unlock(&db->lock);
	if (!tx) {
		tx = mem_zalloc(sizeof(*tx));
		tx->db = db;
		enum err err = db->driver->open(&db->address, &tx->conn, error);
		if (err) {
			tx_free(tx);
			return err;
		}
	}
	tx->err = ERR_OK;
	tx->on_commit = NULL;
	*ret_tx = tx;
	return ERR_OK;
}

static void give(struct db_tx *tx)
{
	struct db *db = tx->db;

	pthread_mutex_lock(&db->lock);
	bool keep = !tx->lost && db->idle_count < IDLE_MAX;
	if (keep) {
		tx->next = db->idle;
		db->idle = tx;
		db->idle_count++;
	}
	pthread_mutex_unlock(&db->lock);
	if (!keep)
		tx_free(tx);
}

/* --- transactions --- */

/* A statement's failure may be the transaction's. */
static enum err note(struct db_tx *tx, enum err err)
{
	tx->lost |= err == ERR_CLOSED;
	if ((err == ERR_BUSY || err == ERR_CLOSED) && !tx->err)
		tx->err = err;
	return err;
}

static enum err once(struct db *db, enum db_kind kind, enum err (*body)(struct db_tx *, void *),
        void *arg, bool *ret_again)
{
	AUTO(buf) struct buf error = BUF_NONE;
	struct db_tx *tx;
	enum err err = take(db, &tx, &error);

	*ret_again = false;
	if (err) {
		log_warn("db", "error=%s detail=%s", err_name(err), log_quote(buf_text(&error)));
		return ERR_UNAVAILABLE;
	}
	err = note(tx, db->driver->begin(tx->conn, kind));
	bool begun = !err;
	if (!err)
		err = body(tx, arg);
	/* Whether a commit that got no answer took place is unknown: it is not done again. */
	*ret_again = tx->err != ERR_OK;
	if (tx->err)
		err = tx->err;
	else if (!err && (err = note(tx, db->driver->commit(tx->conn))))
		*ret_again = err == ERR_BUSY;
	if (err && begun && !tx->lost)
		db->driver->rollback(tx->conn);
	void (*on_commit)(void *) = err ? NULL : tx->on_commit;
	void *on_commit_arg = tx->on_commit_arg;
	give(tx);
	if (on_commit)
		on_commit(on_commit_arg);
	return err;
}

enum err db_run(
        struct db *db, enum db_kind kind, enum err (*body)(struct db_tx *, void *), void *arg)
{
	enum err err;
	bool again;

	for (unsigned tries = 0;; tries++) {
		err = once(db, kind, body, arg, &again);
		if (!again || tries == TRIES_MAX)
			break;
		struct timespec pause = {.tv_nsec = 1000000l << (tries < 8 ? tries : 8)};
		nanosleep(&pause, NULL);
	}
	return err == ERR_CLOSED ? ERR_UNAVAILABLE : err;
}

/* --- statements --- */

static struct prepared *find(struct db_tx *tx, const char *sql)
{
	for (unsigned i = 0; i < tx->cached; i++) {
		if (!tx->cache[i].busy && strcmp(tx->cache[i].sql, sql) == 0)
			return &tx->cache[i];
	}
	return NULL;
}

/* A free place: one more, or that which was not used for longest. */
static struct prepared *make_room(struct db_tx *tx)
{
	struct prepared *oldest = NULL;

	if (tx->cached < CACHE_MAX)
		return &tx->cache[tx->cached++];
	for (unsigned i = 0; i < tx->cached; i++) {
		struct prepared *p = &tx->cache[i];
		if (!p->busy && (!oldest || p->used < oldest->used))
			oldest = p;
	}
	if (oldest) {
		tx->db->driver->finish(oldest->stmt);
		free(oldest->sql);
	}
	return oldest;
}

struct db_query db_query(struct db_tx *tx, const char *sql)
{
	struct db_query q = {.tx = tx, .err = tx->err};
	struct prepared *p = q.err ? NULL : find(tx, sql);

	if (!p && !q.err) {
		void *stmt;
		q.err = note(tx, tx->db->driver->prepare(tx->conn, sql, &stmt));
		if (q.err)
			return q;
		p = make_room(tx);
		if (!p) {
			tx->db->driver->finish(stmt);
			q.err = ERR_INTERNAL;
			return q;
		}
		*p = (struct prepared){.sql = mem_strdup(sql), .stmt = stmt};
	}
	if (p) {
		p->busy = true;
		p->used = ++tx->clock;
		q.stmt = p;
	}
	return q;
}

static void *stmt_of(const struct db_query *q)
{
	return ((struct prepared *)q->stmt)->stmt;
}

void db_bind_text(struct db_query *q, const char *text)
{
	if (!text)
		db_bind_null(q);
	else if (!q->err)
		q->tx->db->driver->bind_bytes(stmt_of(q), q->bound++, text, strlen(text), true);
}

void db_bind_blob(struct db_query *q, const void *data, size_t len)
{
	if (!q->err)
		q->tx->db->driver->bind_bytes(stmt_of(q), q->bound++, data, len, false);
}

void db_bind_int(struct db_query *q, int64_t value)
{
	if (!q->err)
		q->tx->db->driver->bind_int(stmt_of(q), q->bound++, value);
}

void db_bind_null(struct db_query *q)
{
	if (!q->err)
		q->tx->db->driver->bind_null(stmt_of(q), q->bound++);
}

bool db_step(struct db_query *q)
{
	q->row = false;
	if (q->err)
		return false;
	q->err = note(q->tx, q->tx->db->driver->step(stmt_of(q), &q->row));
	return q->row && !q->err;
}

const void *db_blob(struct db_query *q, unsigned column, size_t *ret_len)
{
	*ret_len = 0;
	return q->row ? q->tx->db->driver->get_bytes(stmt_of(q), column, ret_len) : NULL;
}

const char *db_text(struct db_query *q, unsigned column)
{
	size_t len;

	return db_blob(q, column, &len);
}

int64_t db_int(struct db_query *q, unsigned column)
{
	return q->row ? q->tx->db->driver->get_int(stmt_of(q), column) : 0;
}

bool db_is_null(struct db_query *q, unsigned column)
{
	return !q->row || q->tx->db->driver->is_null(stmt_of(q), column);
}

enum err db_end(struct db_query *q)
{
	struct prepared *p = q->stmt;

	if (p) {
		q->tx->db->driver->reset(p->stmt);
		p->busy = false;
		q->stmt = NULL;
	}
	q->row = false;
	return q->err;
}

enum err db_exec(struct db_query *q, unsigned *ret_changed)
{
	while (db_step(q))
		;
	if (ret_changed)
		*ret_changed = q->err ? 0 : q->tx->db->driver->changed(q->tx->conn, stmt_of(q));
	return db_end(q);
}

enum err db_next(struct db_tx *tx, const char *sequence, uint64_t *ret_number)
{
	struct db_query q = db_query(tx, "UPDATE db_sequence SET last = last + 1 WHERE name = ?");
	unsigned changed;
	enum err err;

	db_bind_text(&q, sequence);
	if ((err = db_exec(&q, &changed)))
		return err;
	if (!changed) {
		q = db_query(tx, "INSERT INTO db_sequence (name, last) VALUES (?, 1)");
		db_bind_text(&q, sequence);
		err = db_exec(&q, NULL);
		*ret_number = 1;
		return err;
	}
	return db_last(tx, sequence, ret_number);
}

enum err db_last(struct db_tx *tx, const char *sequence, uint64_t *ret_number)
{
	struct db_query q = db_query(tx, "SELECT last FROM db_sequence WHERE name = ?");

	db_bind_text(&q, sequence);
	*ret_number = db_step(&q) ? (uint64_t)db_int(&q, 0) : 0;
	return db_end(&q);
}

void db_on_commit(struct db_tx *tx, void (*run)(void *arg), void *arg)
{
	tx->on_commit = run;
	tx->on_commit_arg = arg;
}

/* --- tables --- */

static const char base[] =
        "CREATE TABLE IF NOT EXISTS schema_version (service VARCHAR(64) PRIMARY KEY, version "
        "BIGINT NOT NULL);"
        "CREATE TABLE IF NOT EXISTS db_sequence (name VARCHAR(64) PRIMARY KEY, last BIGINT NOT "
        "NULL)";

struct upgrade {
	const struct db_schema *schema;
	struct buf *error;
	unsigned version;
};

static enum err read_version(struct db_tx *tx, const char *service, unsigned *ret_version)
{
	struct db_query q = db_query(tx, "SELECT version FROM schema_version WHERE service = ?");

	db_bind_text(&q, service);
	*ret_version = db_step(&q) ? (unsigned)db_int(&q, 0) : 0;
	return db_end(&q);
}

/* One step: MariaDB commits each statement that changes tables by itself, so a step is idempotent
 * only where its statements are (CREATE TABLE IF NOT EXISTS). */
static enum err step(struct db_tx *tx, void *arg)
{
	struct upgrade *u = arg;
	enum err err = read_version(tx, u->schema->service, &u->version);

	if (err || u->version >= u->schema->count)
		return err;
	err = tx->db->driver->script(tx->conn, u->schema->steps[u->version], u->error);
	if (err)
		return err;
	struct db_query q =
	        db_query(tx, "REPLACE INTO schema_version (service, version) VALUES (?, ?)");
	db_bind_text(&q, u->schema->service);
	db_bind_int(&q, u->version + 1);
	err = db_exec(&q, NULL);
	if (!err)
		u->version++;
	return err;
}

static enum err make_base(struct db_tx *tx, void *arg)
{
	return tx->db->driver->script(tx->conn, base, arg);
}

enum err db_upgrade(struct db *db, const struct db_schema *schema, struct buf *error)
{
	struct upgrade u = {schema, error, 0};
	enum err err = db_run(db, DB_WRITE, make_base, error);

	while (!err && u.version < schema->count)
		err = db_run(db, DB_WRITE, step, &u);
	if (!err && u.version > schema->count) {
		buf_printf(error, "its tables are of version %u, this program knows %u", u.version,
		        schema->count);
		return ERR_FORMAT;
	}
	if (err && !error->len)
		buf_str(error, err_text(err));
	return err;
}

struct look {
	const char *service;
	unsigned version;
};

static enum err look(struct db_tx *tx, void *arg)
{
	struct look *l = arg;

	return read_version(tx, l->service, &l->version);
}

enum err db_version(struct db *db, const struct db_schema *schema, unsigned *ret_version)
{
	struct look l = {schema->service, 0};
	enum err err = db_run(db, DB_READ, look, &l);

	*ret_version = l.version;
	return err;
}
