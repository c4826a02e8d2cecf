#include "tests/lib/test.h"

#include "lib/store/store.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[300], path[400];
static struct store *store;
static bool may_mount;

/* Before LevelDB starts its thread, which would else not see what is mounted later. */
static int unshare_mounts(void **state)
{
	(void)state;
	may_mount =
	        unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "%s", test_tmpdir());
	snprintf(path, sizeof(path), "%s/store", top);
	return store_open(path, 65536, &store);
}

static int tear_down(void **state)
{
	(void)state;
	store_close(store);
	test_tmpdir_remove(top);
	return 0;
}

static void put(const char *key, const char *value)
{
	struct store_batch *batch = store_batch_new();

	store_batch_put(batch, key, strlen(key), value, strlen(value));
	assert_int_equal(store_write(store, batch), ERR_OK);
	store_batch_free(batch);
}

static void expect(const char *key, const char *value)
{
	AUTO(buf) struct buf got = BUF_NONE;
	enum err err = store_get(store, key, strlen(key), &got);

	assert_int_equal(err, value ? ERR_OK : ERR_NOT_FOUND);
	assert_string_equal(buf_text(&got), value ? value : "");
}

static void crash(void)
{
	store_close(store);
	assert_int_equal(store_open(path, 65536, &store), ERR_OK);
}

static void a_batch_is_all_or_nothing_and_in_order(void **state)
{
	struct store_batch *batch = store_batch_new();

	(void)state;
	put("a", "1");
	store_batch_put(batch, "b", 1, "2", 1);
	store_batch_delete(batch, "a", 1);
	expect("a", "1");
	assert_int_equal(store_write(store, batch), ERR_OK);
	store_batch_free(batch);
	expect("a", NULL);
	expect("b", "2");
}

static void only_what_was_flushed_stays(void **state)
{
	(void)state;
	put("a", "1");
	assert_int_equal(store_flush(store), ERR_OK);
	put("b", "2");
	crash();
	expect("a", "1");
	expect("b", NULL);
	/* A flush of nothing new holds as well. */
	assert_int_equal(store_flush(store), ERR_OK);
	assert_int_equal(store_flush(store), ERR_OK);
	crash();
	expect("a", "1");
}

static void reopening_keeps_what_this_process_wrote(void **state)
{
	(void)state;
	put("a", "1");
	assert_int_equal(store_reopen(store), ERR_OK);
	expect("a", "1");
	put("b", "2");
	expect("b", "2");
}

static void one_opener_at_a_time(void **state)
{
	struct store *second = NULL;

	(void)state;
	assert_int_equal(store_open(path, 65536, &second), ERR_BUSY);
	assert_null(second);
}

static const char *here(const struct store_iter *iter)
{
	static char key[16];
	size_t len;

	if (!store_iter_valid(iter))
		return "end";
	const char *at = store_iter_key(iter, &len);
	snprintf(key, sizeof(key), "%.*s", (int)len, at);
	return key;
}

static void iterators_go_both_ways(void **state)
{
	(void)state;
	put("b", "1");
	put("d", "2");
	put("f", "3");
	struct store_iter *iter = store_iter_new(store);
	put("c", "not in this view");
	store_iter_seek(iter, "b", 1);
	assert_string_equal(here(iter), "b");
	store_iter_next(iter);
	assert_string_equal(here(iter), "d");
	store_iter_seek(iter, "c", 1);
	assert_string_equal(here(iter), "d");
	store_iter_seek_before(iter, "d", 1);
	assert_string_equal(here(iter), "b");
	store_iter_prev(iter);
	assert_string_equal(here(iter), "end");
	store_iter_seek_before(iter, "z", 1);
	assert_string_equal(here(iter), "f");
	store_iter_seek(iter, "g", 1);
	assert_string_equal(here(iter), "end");
	store_iter_seek_before(iter, "a", 1);
	assert_string_equal(here(iter), "end");
	assert_int_equal(store_iter_err(iter), ERR_OK);
	store_iter_free(iter);
}

static void a_damaged_table_is_told(void **state)
{
	char command[900];
	struct buf got = BUF_NONE;

	(void)state;
	put("a", "1");
	assert_int_equal(store_flush(store), ERR_OK);
	store_close(store);
	snprintf(command, sizeof(command),
	        "for f in %s/*.ldb; do printf X | dd of=$f bs=1 seek=3 conv=notrunc 2>/dev/null; "
	        "done",
	        path);
	assert_int_equal(system(command), 0);
	assert_int_equal(store_open(path, 65536, &store), ERR_OK);
	assert_int_equal(store_get(store, "a", 1, &got), ERR_CORRUPT);
	buf_done(&got);
}

static void fill(const char *file)
{
	static const char zeros[65536];
	int fd = open(file, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	for (size_t len = sizeof(zeros); len;)
		if (write(fd, zeros, len) < 0)
			len /= 2;
	close(fd);
}

/* Others fill the file system: what is deleted meanwhile can still be written down. */
static void a_full_file_system_leaves_room(void **state)
{
	char small[400], file[500], value[1000] = {0};
	enum err err = ERR_OK;

	(void)state;
	snprintf(small, sizeof(small), "%s/small", top);
	if (!may_mount)
		skip();
	assert_int_equal(mkdir(small, 0700), 0);
	assert_int_equal(mount("none", small, "tmpfs", 0, "size=16m"), 0);
	store_close(store);
	store = NULL;
	snprintf(file, sizeof(file), "%s/store", small);
	assert_int_equal(store_open(file, 65536, &store), ERR_OK);
	put("before", "1");
	assert_int_equal(store_flush(store), ERR_OK);
	snprintf(file, sizeof(file), "%s/others", small);
	fill(file);

	memset(value, 'v', sizeof(value) - 1);
	for (int i = 0; i < 100; i++) {
		struct store_batch *batch = store_batch_new();
		store_batch_put(batch, &i, sizeof(i), value, sizeof(value));
		err = store_write(store, batch);
		if (err) {
			assert_int_equal(store_reopen(store), ERR_OK);
			err = store_write(store, batch);
		}
		store_batch_free(batch);
		assert_int_equal(err, ERR_OK);
	}
	err = store_flush(store);
	if (err) {
		assert_int_equal(store_reopen(store), ERR_OK);
		err = store_flush(store);
	}
	assert_int_equal(err, ERR_OK);
	expect("before", "1");

	/* Room again: the next flush keeps some of it. */
	assert_int_equal(unlink(file), 0);
	put("after", "1");
	assert_int_equal(store_flush(store), ERR_OK);
	snprintf(file, sizeof(file), "%s/store/RESERVE", small);
	assert_int_equal(access(file, F_OK), 0);
	store_close(store);
	store = NULL;
	assert_int_equal(umount(small), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                a_batch_is_all_or_nothing_and_in_order, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(only_what_was_flushed_stays, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                reopening_keeps_what_this_process_wrote, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(one_opener_at_a_time, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(iterators_go_both_ways, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_damaged_table_is_told, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_full_file_system_leaves_room, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, unshare_mounts, NULL);
}
