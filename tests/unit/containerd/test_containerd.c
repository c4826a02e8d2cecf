/* containerd and accountd side by side on one log: reports reach the account, a deleted account
 * is emptied step by step. */
#include "tests/lib/rowlog_fake.h"
#include "tests/lib/test.h"

#include "accountd/accountd.h"
#include "containerd/containerd.h"
#include "lib/base/bytes.h"
#include "lib/crypto/md5.h"
#include <sched.h>

static struct {
	struct env_fake clock;
	struct reactor *reactor;
	struct work_pool *pool;
	struct device device;
	struct containerd *containerd;
	struct accountd *accountd;
	char dir[300];
	unsigned closed;
} node;

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

static void open_node(void)
{
	assert_int_equal(
	        containerd_open(node.reactor, node.pool, node.dir, 0, &node.containerd), ERR_OK);
	assert_int_equal(accountd_open(node.reactor, node.pool, node.dir, &node.accountd), ERR_OK);
	rowlog_replay(&node.device, DEVICE_ROLE_CONTAINER, containerd_replay(node.containerd));
	rowlog_replay(&node.device, DEVICE_ROLE_ACCOUNT, accountd_replay(node.accountd));
	assert_int_equal(containerd_start(node.containerd, &node.device), ERR_OK);
	assert_int_equal(accountd_start(node.accountd, &node.device), ERR_OK);
}

static void on_closed(void *arg)
{
	++*(unsigned *)arg;
}

static void close_node(void)
{
	node.closed = 0;
	containerd_close(node.containerd, on_closed, &node.closed);
	accountd_close(node.accountd, on_closed, &node.closed);
	while (node.closed < 2)
		turn();
}

static int set_up(void **state)
{
	(void)state;
	memset(&node, 0, sizeof(node));
	env_fake_init(&node.clock, 1);
	reactor_new(&node.clock.env, 64, &node.reactor);
	reactor_turn(node.reactor, false);
	work_pool_new(2, 64, &node.pool);
	snprintf(node.dir, sizeof(node.dir), "%s", test_tmpdir());
	rowlog_open(&node.device, node.reactor);
	open_node();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_node();
	rowlog_free(&node.device);
	work_pool_free(node.pool);
	reactor_free(node.reactor);
	test_tmpdir_remove(node.dir);
	bytes_cache_drop();
	return 0;
}

static void answered(struct backend_call *call)
{
	*(bool *)call->owner = true;
}

static struct backend_call *ask(struct backend_msg *msg)
{
	struct backend_call *call = mem_zalloc(sizeof(*call));
	bool done = false;

	*call = (struct backend_call){
	        .msg = msg, .done = answered, .owner = &done, .origin = node.reactor};
	if (msg->kind == BACKEND_CONTAINER)
		md5_digest(msg->container, strlen(msg->container), msg->key);
	else
		md5_digest(msg->account, strlen(msg->account), msg->key);
	if (msg->kind == BACKEND_CONTAINER)
		containerd_handle(node.containerd, call);
	else
		accountd_handle(node.accountd, call);
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

static enum err simple(enum backend_op op, const char *container, uint64_t ts)
{
	struct backend_msg *msg =
	        backend_msg_new(op, container ? BACKEND_CONTAINER : BACKEND_ACCOUNT);

	backend_msg_path(msg, "AUTH_a", container, NULL);
	msg->ts = ts;
	return tell(msg);
}

static enum err put_row(const char *container, struct backend_row row)
{
	struct backend_msg *msg =
	        backend_msg_new(BACKEND_DB_UPDATE, container ? BACKEND_CONTAINER : BACKEND_ACCOUNT);
	struct backend_row *copy = backend_msg_alloc(msg, sizeof(*copy));

	backend_msg_path(msg, "AUTH_a", container, NULL);
	*copy = row;
	msg->rows = copy;
	msg->row_count = 1;
	return tell(msg);
}

static void make_container(const char *name, unsigned objects)
{
	assert_int_equal(simple(BACKEND_DB_PUT, name, 100), ERR_OK);
	assert_int_equal(put_row(NULL, (struct backend_row){.name = name, .ts = 100}), ERR_OK);
	for (unsigned i = 0; i < objects; i++) {
		char object[16];
		snprintf(object, sizeof(object), "%u", i);
		assert_int_equal(
		        put_row(name, (struct backend_row){.name = object, .ts = 110, .bytes = 10}),
		        ERR_OK);
	}
}

static void send_reports(unsigned count)
{
	while (count > 0) {
		struct rows_report report;
		turn();
		if (!containerd_next_report(node.containerd, &report))
			continue;
		enum err err = tell(containerd_report_msg(&report));
		containerd_reported(node.containerd, &report, err == ERR_OK);
		count--;
	}
}

static void the_account_adds_up_its_containers(void **state)
{
	(void)state;
	assert_int_equal(simple(BACKEND_DB_PUT, NULL, 90), ERR_OK);
	make_container("one", 3);
	make_container("two", 4);
	send_reports(2);
	for (unsigned again = 0; again < 2; again++) {
		struct backend_msg *msg = backend_msg_new(BACKEND_DB_HEAD, BACKEND_ACCOUNT);
		backend_msg_path(msg, "AUTH_a", NULL, NULL);
		struct backend_call *call = ask(msg);
		assert_int_equal(call->reply.err, ERR_OK);
		assert_int_equal(call->reply.containers, 2);
		assert_int_equal(call->reply.count[0], 7);
		assert_int_equal(call->reply.bytes[0], 70);
		backend_call_done(call);
		free(call);
		close_node();
		open_node();
	}
}

static void on_reap(struct rows_reap *reap)
{
	*(bool *)reap->private_ = true;
}

static enum err next_deleted(struct rows_reap *reap)
{
	bool done = false;

	reap->done = on_reap;
	reap->private_ = &done;
	accountd_next_deleted(node.accountd, reap);
	while (!done)
		turn();
	return reap->err;
}

static unsigned reap_page(const char *account)
{
	struct backend_call *list = ask(accountd_reap_list(account, NULL, 2));
	struct backend_row row;
	unsigned count = 0;

	assert_true(list->reply.deleted);
	for (size_t at = 0; backend_rows_next(&list->reply.rows, &at, &row); count++)
		assert_int_equal(tell(accountd_reap_row(account, &row, 300)), ERR_OK);
	backend_call_done(list);
	free(list);
	return count;
}

static void a_deleted_account_is_emptied(void **state)
{
	struct rows_reap reap = {0};

	(void)state;
	assert_int_equal(simple(BACKEND_DB_PUT, NULL, 90), ERR_OK);
	make_container("one", 1);
	make_container("two", 1);
	make_container("zoo", 1);
	assert_int_equal(next_deleted(&reap), ERR_NOT_FOUND);
	assert_int_equal(simple(BACKEND_DB_DELETE, NULL, 200), ERR_OK);
	while (next_deleted(&reap) == ERR_NOT_FOUND)
		turn();
	assert_string_equal(reap.account, "AUTH_a");
	assert_int_equal(reap.delete_ts, 200);
	assert_int_equal(reap_page(reap.account), 2);
	assert_int_equal(simple(BACKEND_DB_PUT, NULL, 210), ERR_FORBIDDEN);
	assert_int_equal(reap_page(reap.account), 1);
	assert_int_equal(reap_page(reap.account), 0);
	free(reap.account);
	reap = (struct rows_reap){0};
	while (next_deleted(&reap) == ERR_OK) {
		free(reap.account);
		reap = (struct rows_reap){0};
		turn();
	}
	assert_int_equal(reap.err, ERR_NOT_FOUND);
	assert_int_equal(simple(BACKEND_DB_PUT, NULL, 310), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                the_account_adds_up_its_containers, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_deleted_account_is_emptied, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
