/* containers over the real device log: crashes at any moment, checkpoints that let the log forget.
 */
#include "tests/lib/disk_fake.c"
#include "tests/lib/test.h"

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include "lib/rows/rows.h"
#include <sched.h>

#define NAMES 150

static struct {
	struct env_fake clock;
	struct reactor *reactor;
	struct work_pool *pool;
	struct disk_fake *disk;
	struct device *device;
	struct rows *rows;
	char top[300], path[400];
	bool opened, closed;
	enum err err;
} node;

static uint64_t seed = 9;
static struct {
	uint64_t ts, bytes;
	bool deleted;
} model[NAMES];

static unsigned roll(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static void turn(void)
{
	node.clock.mono_us += 500;
	node.clock.wall_us += 500;
	do {
		/* The clock stands still while the pool works, however slow the machine is. */
		if (!reactor_turn(node.reactor, false))
			sched_yield();
	} while (work_pool_pending(node.pool));
}

static void on_opened(void *owner, struct device *device, enum err err)
{
	(void)owner;
	node.opened = true;
	node.device = device;
	node.err = err;
}

static void on_closed(void *owner)
{
	*(bool *)owner = true;
}

static void open_node(void)
{
	struct rows_config config = {
	        .kind = BACKEND_CONTAINER,
	        .reactor = node.reactor,
	        .pool = node.pool,
	        .path = node.path,
	        .drain_us = 20000,
	        .drain_bytes = 20000,
	        .batch_bytes = 3000,
	        .checkpoint_bytes = 50000,
	        .write_buffer = 65536,
	        .reclaim_age = UINT64_MAX,
	};
	assert_int_equal(rows_open(&config, &node.rows), ERR_OK);
	struct device_options options = {
	        .reactor = node.reactor,
	        .disk = disk_fake_disk(node.disk),
	        .create = true,
	        .unit_bytes = 1u << 20,
	        .bytes_max = 64ull << 20,
	        .reclaim_ticks = UINT64_MAX / 2,
	        .zero_ahead = 1,
	        .replay[DEVICE_ROLE_CONTAINER] = rows_replay(node.rows),
	        .opened = on_opened,
	};
	node.opened = false;
	device_open(&options);
	while (!node.opened)
		turn();
	assert_int_equal(node.err, ERR_OK);
	assert_int_equal(rows_start(node.rows, node.device), ERR_OK);
}

static void close_rows(void)
{
	node.closed = false;
	rows_close(node.rows, on_closed, &node.closed);
	while (!node.closed)
		turn();
}

/* The disk keeps the bytes of this moment; closing is done for the sake of memory only. */
static void crash(void)
{
	uint64_t size = disk_fake_size(node.disk);
	uint8_t *image = mem_dup(disk_fake_bytes(node.disk), size);

	close_rows();
	node.closed = false;
	device_close(node.device, on_closed, &node.closed);
	while (!node.closed)
		turn();
	disk_fake_free(node.disk);
	node.disk = disk_fake_from(node.reactor, UINT64_MAX, image, size);
	free(image);
}

static void answered(struct backend_call *call)
{
	*(bool *)call->owner = true;
}

static struct backend_call *ask(struct backend_msg *msg)
{
	struct backend_call *call = mem_zalloc(sizeof(*call));
	bool done = false;

	backend_msg_path(msg, "a", "c", NULL);
	md5_digest("c", 1, msg->key);
	*call = (struct backend_call){
	        .msg = msg, .done = answered, .owner = &done, .origin = node.reactor};
	rows_handle(node.rows, call);
	while (!done)
		turn();
	return call;
}

static enum err tell(struct backend_msg *msg)
{
	struct backend_call *call = ask(msg);
	enum err err = call->reply.err;

	backend_call_done(call);
	free(call);
	return err;
}

static void one_change(uint64_t ts)
{
	unsigned n = roll(NAMES);
	struct backend_msg *msg = backend_msg_new(BACKEND_DB_UPDATE, BACKEND_CONTAINER);
	struct backend_row *row = backend_msg_alloc(msg, sizeof(*row));
	char name[300];

	snprintf(name, sizeof(name), "%0200u", n);
	*row = (struct backend_row){.name = backend_msg_strdup(msg, name),
	        .ts = ts,
	        .bytes = roll(1000),
	        .deleted = roll(3) == 0};
	model[n].ts = ts;
	model[n].bytes = row->bytes;
	model[n].deleted = row->deleted;
	msg->rows = row;
	msg->row_count = 1;
	assert_int_equal(tell(msg), ERR_OK);
}

static void expect_model(void)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_DB_LIST, BACKEND_CONTAINER);
	uint64_t count = 0, bytes = 0;
	struct backend_row row;
	size_t at = 0;

	msg->list.limit = 10000;
	struct backend_call *call = ask(msg);
	assert_int_equal(call->reply.err, ERR_OK);
	for (unsigned n = 0; n < NAMES; n++) {
		if (!model[n].ts || model[n].deleted)
			continue;
		assert_true(backend_rows_next(&call->reply.rows, &at, &row));
		assert_int_equal(atoi(row.name), n);
		assert_int_equal(row.ts, model[n].ts);
		count++;
		bytes += model[n].bytes;
	}
	assert_false(backend_rows_next(&call->reply.rows, &at, &row));
	assert_int_equal(call->reply.count[0], count);
	assert_int_equal(call->reply.bytes[0], bytes);
	backend_call_done(call);
	free(call);
}

static void acknowledged_rows_survive_crashes(void **state)
{
	uint64_t ts = 1000, checkpoints = 0;
	struct rows_stats stats;

	(void)state;
	env_fake_init(&node.clock, 1);
	assert_int_equal(reactor_new(&node.clock.env, 64, &node.reactor), ERR_OK);
	reactor_turn(node.reactor, false);
	work_pool_new(2, 64, &node.pool);
	snprintf(node.top, sizeof(node.top), "%s", test_tmpdir());
	snprintf(node.path, sizeof(node.path), "%s/store", node.top);
	node.disk = disk_fake_new(node.reactor, UINT64_MAX);
	open_node();
	struct backend_msg *put = backend_msg_new(BACKEND_DB_PUT, BACKEND_CONTAINER);
	put->ts = 1;
	assert_int_equal(tell(put), ERR_OK);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned n = roll(500); n > 0; n--)
			one_change(++ts);
		rows_stats(node.rows, &stats);
		checkpoints += stats.checkpoints;
		crash();
		open_node();
		expect_model();
	}
	assert_true(checkpoints > 3);
	crash();
	disk_fake_free(node.disk);
	work_pool_free(node.pool);
	reactor_free(node.reactor);
	test_tmpdir_remove(node.top);
	bytes_cache_drop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(acknowledged_rows_survive_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
