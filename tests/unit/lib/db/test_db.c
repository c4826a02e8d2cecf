/* One dialect over two engines: SQLite in a file, and MariaDB where CAIRN_TEST_MARIADB is the URL
 * of an empty database. */
#include "tests/lib/test.h"

#include "lib/db/db.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const steps[] = {
        "CREATE TABLE owner (id BIGINT PRIMARY KEY, name VARCHAR(64) NOT NULL UNIQUE);"
        "CREATE TABLE thing (id BIGINT PRIMARY KEY, owner BIGINT NOT NULL, text TEXT, data "
        "LONGBLOB, "
        "FOREIGN KEY (owner) REFERENCES owner (id))",
        "CREATE TABLE later (id BIGINT PRIMARY KEY)",
};
static struct db_schema schema = {"test", steps, COUNT_OF(steps)};
static struct db *db;
static char path[64];

static int setup(void **state)
{
	AUTO(buf) struct buf error = BUF_NONE;
	AUTO(buf) struct buf url = BUF_NONE;
	const char *maria = getenv("CAIRN_TEST_MARIADB");

	(void)state;
	snprintf(path, sizeof(path), "/tmp/cairn-db-%d", (int)getpid());
	if (maria)
		buf_str(&url, maria);
	else
		buf_printf(&url, "sqlite://%s", path);
	assert_int_equal(db_new(buf_text(&url), &db, &error), ERR_OK);
	schema.count = COUNT_OF(steps);
	assert_int_equal(db_upgrade(db, &schema, &error), ERR_OK);
	return 0;
}

static enum err drop(struct db_tx *tx, void *arg)
{
	static const char *const tables[] = {
	        "thing", "owner", "later", "schema_version", "db_sequence"};
	char sql[80];

	(void)arg;
	for (unsigned i = 0; i < COUNT_OF(tables); i++) {
		snprintf(sql, sizeof(sql), "DROP TABLE %s", tables[i]);
		struct db_query q = db_query(tx, sql);
		assert_int_equal(db_exec(&q, NULL), ERR_OK);
	}
	return ERR_OK;
}

static int teardown(void **state)
{
	char more[80];

	(void)state;
	if (getenv("CAIRN_TEST_MARIADB"))
		assert_int_equal(db_run(db, DB_WRITE, drop, NULL), ERR_OK);
	db_free(db);
	unlink(path);
	snprintf(more, sizeof(more), "%s-wal", path);
	unlink(more);
	snprintf(more, sizeof(more), "%s-shm", path);
	unlink(more);
	return 0;
}

static void test_urls(void **state)
{
	static const char *const wrong[] = {"", "sqlite", "sqlite://", "sqlite:///", "sqlite://a/b",
	        "mysql://", "mysql://host", "mysql://host/", "mysql://h:0/d", "mysql://h:70000/d",
	        "postgresql://a/b"};
	static const char *const right[] = {
	        "sqlite:///tmp/x", "mysql://h/d", "mysql://u:p%40ss@h:3307/d", "mysql://u@h/d?x=y"};
	AUTO(buf) struct buf error = BUF_NONE;
	struct db *it;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
		buf_reset(&error);
		assert_int_equal(db_new(wrong[i], &it, &error), ERR_CONFIG);
		assert_true(error.len > 0);
	}
	for (unsigned i = 0; i < COUNT_OF(right); i++) {
		assert_int_equal(db_new(right[i], &it, &error), ERR_OK);
		db_free(it);
	}
}

static enum err add_owner(struct db_tx *tx, int64_t id, const char *name)
{
	struct db_query q = db_query(tx, "INSERT INTO owner (id, name) VALUES (?, ?)");

	db_bind_int(&q, id);
	db_bind_text(&q, name);
	return db_exec(&q, NULL);
}

#define BIG 100000

static enum err fill(struct db_tx *tx, void *arg)
{
	char *big = malloc(BIG);

	(void)arg;
	memset(big, 'x', BIG);
	assert_int_equal(add_owner(tx, 1, "a'\\%\"; -- \xe2\x98\x83"), ERR_OK);
	struct db_query q =
	        db_query(tx, "INSERT INTO thing (id, owner, text, data) VALUES (?, ?, ?, ?)");
	db_bind_int(&q, INT64_MAX);
	db_bind_int(&q, 1);
	db_bind_text(&q, NULL);
	db_bind_blob(&q, "a\0b", 3);
	assert_int_equal(db_exec(&q, NULL), ERR_OK);
	q = db_query(tx, "INSERT INTO thing (id, owner, text, data) VALUES (?, ?, ?, ?)");
	db_bind_int(&q, -5);
	db_bind_int(&q, 1);
	db_bind_text(&q, "");
	db_bind_blob(&q, big, BIG);
	free(big);
	return db_exec(&q, NULL);
}

static enum err look(struct db_tx *tx, void *arg)
{
	struct db_query q = db_query(tx, "SELECT id, text, data FROM thing ORDER BY id");
	struct db_query other = db_query(tx, "SELECT name FROM owner WHERE id = ?");
	size_t len;

	(void)arg;
	assert_true(db_step(&q));
	assert_int_equal(db_int(&q, 0), -5);
	assert_string_equal(db_text(&q, 1), "");
	assert_int_equal(((const char *)db_blob(&q, 2, &len))[BIG - 1], 'x');
	assert_int_equal(len, BIG);
	db_bind_int(&other, 1); /* between the steps of another */
	assert_true(db_step(&other));
	assert_string_equal(db_text(&other, 0), "a'\\%\"; -- \xe2\x98\x83");
	assert_false(db_step(&other));
	assert_int_equal(db_end(&other), ERR_OK);
	assert_true(db_step(&q));
	assert_true(db_int(&q, 0) == INT64_MAX);
	assert_true(db_is_null(&q, 1) && !db_text(&q, 1));
	assert_memory_equal(db_blob(&q, 2, &len), "a\0b", 3);
	assert_int_equal(len, 3);
	assert_false(db_step(&q));
	return db_end(&q);
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(db_run(db, DB_WRITE, fill, NULL), ERR_OK);
	assert_int_equal(db_run(db, DB_READ, look, NULL), ERR_OK);
	assert_int_equal(db_run(db, DB_READ, look, NULL), ERR_OK);
}

static enum err collide(struct db_tx *tx, void *arg)
{
	(void)arg;
	assert_int_equal(add_owner(tx, 1, "same"), ERR_OK);
	assert_int_equal(add_owner(tx, 3, "Same"), ERR_OK); /* by its bytes */
	return add_owner(tx, 2, "same");
}

static enum err orphan(struct db_tx *tx, void *arg)
{
	struct db_query q = db_query(tx, "INSERT INTO thing (id, owner) VALUES (1, 77)");

	(void)arg;
	return db_exec(&q, NULL);
}

static enum err no_table(struct db_tx *tx, void *arg)
{
	struct db_query q = db_query(tx, "SELECT nothing FROM nowhere");

	(void)arg;
	db_bind_int(&q, 1);
	assert_false(db_step(&q));
	assert_null(db_text(&q, 0));
	return db_end(&q);
}

static enum err count(struct db_tx *tx, void *arg)
{
	struct db_query q = db_query(tx, "SELECT COUNT(*) FROM owner");

	*(int64_t *)arg = db_step(&q) ? db_int(&q, 0) : -1;
	return db_end(&q);
}

static void test_what_fails_leaves_nothing(void **state)
{
	int64_t n;

	(void)state;
	assert_int_equal(db_run(db, DB_WRITE, collide, NULL), ERR_EXISTS);
	assert_int_equal(db_run(db, DB_WRITE, orphan, NULL), ERR_CONFLICT);
	assert_int_equal(db_run(db, DB_READ, no_table, NULL), ERR_IO);
	assert_int_equal(db_run(db, DB_READ, count, &n), ERR_OK);
	assert_int_equal(n, 0);
}

#define THREADS 4
#define ROUNDS  25

static enum err take_number(struct db_tx *tx, void *arg)
{
	uint64_t *number = arg;
	char name[32];
	enum err err = db_next(tx, "numbers", number);

	snprintf(name, sizeof(name), "n%llu", (unsigned long long)*number);
	return err ? err : add_owner(tx, (int64_t)*number, name);
}

static void *take_numbers(void *arg)
{
	uint64_t number, last = 0;

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (db_run(db, DB_WRITE, take_number, &number) || number <= last)
			return arg;
		last = number;
	}
	return NULL;
}

static void test_writers_side_by_side(void **state)
{
	pthread_t threads[THREADS];
	void *failed;
	int64_t n;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_numbers, &threads), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(db_run(db, DB_READ, count, &n), ERR_OK);
	assert_int_equal(n, THREADS * ROUNDS);
}

static void test_steps(void **state)
{
	AUTO(buf) struct buf error = BUF_NONE;
	unsigned version;
	struct stat st;

	(void)state;
	assert_int_equal(db_version(db, &schema, &version), ERR_OK);
	assert_int_equal(version, 2);
	assert_int_equal(db_upgrade(db, &schema, &error), ERR_OK);
	schema.count = 1; /* an older program */
	assert_int_equal(db_upgrade(db, &schema, &error), ERR_FORMAT);
	assert_true(strstr(buf_text(&error), "version 2") != NULL);
	if (!getenv("CAIRN_TEST_MARIADB")) {
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static enum err add_later(struct db_tx *tx, void *arg)
{
	struct db_query q = db_query(tx, "INSERT INTO later (id) VALUES (?)");

	db_bind_int(&q, *(const int64_t *)arg);
	return db_exec(&q, NULL);
}

static enum err count_later(struct db_tx *tx, void *arg)
{
	struct db_query q = db_query(tx, "SELECT COUNT(*) FROM later");

	*(int64_t *)arg = db_step(&q) ? db_int(&q, 0) : -1;
	return db_end(&q);
}

/* A second connection is opened inside. */
static enum err nested(struct db_tx *tx, void *arg)
{
	int64_t count;
	enum err err = count_later(tx, &count);

	return err ? err : db_run(arg, DB_READ, count_later, &count);
}

/* Another process: opens, counts and closes, each time it is told to. */
static void count_there(int fd)
{
	AUTO(buf) struct buf error = BUF_NONE;
	AUTO(buf) struct buf url = BUF_NONE;
	int64_t count;

	buf_printf(&url, "sqlite://%s", path);
	while (read(fd, &count, sizeof(count)) == sizeof(count)) {
		struct db *mine;
		count = -1;
		if (!db_new(buf_text(&url), &mine, &error) &&
		        db_run(mine, DB_READ, count_later, &count))
			count = -1;
		db_free(mine);
		if (write(fd, &count, sizeof(count)) != sizeof(count))
			break;
	}
	_exit(0);
}

static void test_another_process_takes_nothing_away(void **state)
{
	int64_t id, count = 0;
	int fds[2];

	if (getenv("CAIRN_TEST_MARIADB"))
		skip();
	snprintf(path, sizeof(path), "/tmp/cairn-db-%d", (int)getpid());
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pid_t pid = fork();
	if (!pid) {
		close(fds[0]);
		count_there(fds[1]);
	}
	close(fds[1]);
	setup(state);
	assert_int_equal(db_run(db, DB_READ, nested, db), ERR_OK);
	for (id = 1; id <= 3; id++) {
		assert_int_equal(db_run(db, DB_WRITE, add_later, &id), ERR_OK);
		assert_int_equal(write(fds[0], &count, sizeof(count)), sizeof(count));
		assert_int_equal(read(fds[0], &count, sizeof(count)), sizeof(count));
		assert_int_equal(count, id);
	}
	close(fds[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	teardown(state);
}

static void note_commit(void *arg)
{
	++*(int *)arg;
}

static enum err commit_or_not(struct db_tx *tx, void *arg)
{
	int64_t id = 7;

	db_on_commit(tx, note_commit, arg);
	return add_later(tx, &id);
}

static void test_after_a_commit(void **state)
{
	int commits = 0;
	int64_t last;

	(void)state;
	assert_int_equal(db_run(db, DB_WRITE, commit_or_not, &commits), ERR_OK);
	assert_int_equal(commits, 1);
	assert_int_equal(db_run(db, DB_WRITE, commit_or_not, &commits), ERR_EXISTS);
	assert_int_equal(commits, 1);
	assert_int_equal(db_run(db, DB_READ, count_later, &last), ERR_OK);
	assert_int_equal(commits, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_urls),
	        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_what_fails_leaves_nothing, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_writers_side_by_side, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
	        cmocka_unit_test(test_another_process_takes_nothing_away),
	        cmocka_unit_test_setup_teardown(test_after_a_commit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
