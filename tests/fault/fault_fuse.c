/* Crashes below the system call: the device is a file on a FUSE file system of our own, which logs
 * each write and sync that the kernel sends. The images of crashes come from that log, so that the
 * promise rests on what was really asked of the file system, not on a fake of it. The checks are
 * those of fault_device.c. Left out where nothing can be mounted.
 *
 * FUSE_POINTS: how many (250). */
#define FAULT_DISK_BELOW
#include "tests/fault/fault_device.c"

#define FUSE_USE_VERSION 31
#include "lib/reactor/disk_file.h"
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <pthread.h>
#include <sys/stat.h>

static struct {
	pthread_mutex_t lock;
	uint8_t *bytes;
	uint64_t size, cap;
	struct disk_event *events;
	unsigned count, cap_events;
	unsigned durable, syncs;
} log_ = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned log_count(void)
{
	pthread_mutex_lock(&log_.lock);
	unsigned count = log_.count;
	pthread_mutex_unlock(&log_.lock);
	return count;
}

/* Runs with the lock held. The event is complete when the file system answers, right after. */
static void log_event(uint64_t offset, const void *data, uint32_t len, bool durable)
{
	if (log_.count == log_.cap_events) {
		log_.cap_events = log_.cap_events ? log_.cap_events * 2 : 256;
		log_.events = mem_realloc(log_.events, log_.cap_events * sizeof(*log_.events));
	}
	log_.events[log_.count++] = (struct disk_event){
	        .offset = offset,
	        .data = data ? mem_dup(data, len) : NULL,
	        .len = len,
	        .durable = durable,
	        .done = true,
	};
	log_.events[log_.count - 1].done_at = log_.count;
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	memset(st, 0, sizeof(*st));
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0700;
		st->st_nlink = 2;
		return 0;
	}
	if (strcmp(path, "/data") != 0)
		return -ENOENT;
	pthread_mutex_lock(&log_.lock);
	st->st_mode = S_IFREG | 0600;
	st->st_nlink = 1;
	st->st_size = (off_t)log_.size;
	pthread_mutex_unlock(&log_.lock);
	return 0;
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	fi->direct_io = 1;
	return 0;
}

static int fs_read(
        const char *path, char *data, size_t len, off_t offset, struct fuse_file_info *fi)
{
	uint64_t at = (uint64_t)offset;

	(void)path;
	(void)fi;
	pthread_mutex_lock(&log_.lock);
	size_t left = at < log_.size ? log_.size - at : 0;
	size_t n = len < left ? len : left;
	memcpy(data, log_.bytes + at, n);
	pthread_mutex_unlock(&log_.lock);
	return (int)n;
}

static int fs_write(
        const char *path, const char *data, size_t len, off_t offset, struct fuse_file_info *fi)
{
	uint64_t at = (uint64_t)offset;
	bool durable = fi->flags & (O_DSYNC | O_SYNC);

	(void)path;
	pthread_mutex_lock(&log_.lock);
	if (at + len > log_.cap) {
		uint64_t cap = log_.cap ? log_.cap : 1u << 20;
		while (cap < at + len)
			cap *= 2;
		log_.bytes = mem_realloc(log_.bytes, cap);
		memset(log_.bytes + log_.cap, 0, cap - log_.cap);
		log_.cap = cap;
	}
	memcpy(log_.bytes + at, data, len);
	if (at + len > log_.size)
		log_.size = at + len;
	log_event(at, data, (uint32_t)len, durable);
	log_.durable += durable;
	pthread_mutex_unlock(&log_.lock);
	return (int)len;
}

static int fs_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
	(void)path;
	(void)data_only;
	(void)fi;
	pthread_mutex_lock(&log_.lock);
	log_event(0, NULL, 0, true);
	log_.syncs++;
	pthread_mutex_unlock(&log_.lock);
	return 0;
}

static void *fs_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
	conn->max_write = 1u << 20;
	config->direct_io = 1;
	return NULL;
}

static const struct fuse_operations operations = {
        .init = fs_init,
        .getattr = fs_getattr,
        .open = fs_open,
        .read = fs_read,
        .write = fs_write,
        .fsync = fs_fsync,
};

static void *serve(void *fuse)
{
	fuse_loop(fuse);
	return NULL;
}

/* The load on the mounted file; what the file system saw becomes the events of a fake. */
static struct disk_fake *record(const char *dir)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/data", dir);
	rig_init(&rig, 1 << 20);
	rig.options.unit_bytes = 1u << 20;
	rig.options.bytes_max = 24u << 20;
	next_ts = T + 1;
	seed = 11;
	recorder = log_count;
	assert_int_equal(disk_file_open(rig.reactor, path, false, &rig.disk), ERR_OK);
	assert_int_equal(rig_open(&rig), ERR_OK);
	load(380);
	unsigned count = log_count();
	rig_close(&rig);
	recorder = NULL;
	for (unsigned i = count; i < log_.count; i++)
		free(log_.events[i].data);
	struct disk_fake *first = disk_fake_new(rig.reactor, UINT64_MAX);
	disk_fake_set_events(first, log_.events, count);
	return first;
}

static void the_file_system_is_asked_for_what_was_promised(void **state)
{
	const char *text = getenv("FUSE_POINTS"), *dir = test_tmpdir();
	unsigned want = text ? (unsigned)atoi(text) : 250, points = 0;
	char *argv[] = {"fault_fuse", NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse *fuse = fuse_new(&args, &operations, sizeof(operations), NULL);
	pthread_t thread;

	(void)state;
	if (!fuse || fuse_mount(fuse, dir)) {
		if (fuse)
			fuse_destroy(fuse);
		test_tmpdir_remove(dir);
		skip();
	}
	assert_int_equal(pthread_create(&thread, NULL, serve, fuse), 0);
	struct disk_fake *first = record(dir);
	fuse_exit(fuse);
	fuse_unmount(fuse);
	pthread_join(thread, NULL);
	fuse_destroy(fuse);
	fuse_opt_free_args(&args);
	test_tmpdir_remove(dir);
	/* The two promises travel through the kernel: synced writes, and syncs after pieces. */
	assert_true(log_.durable > 20 && log_.syncs > 2);
	const struct disk_event *all;
	unsigned total = disk_fake_events(first, &all);
	for (unsigned at = 0; points < want; at = at == total ? 0 : at + 1)
		points += judge_point(first, at, 0, 0);
	disk_fake_free(first);
	free(log_.bytes);
	rig_done(&rig);
	print_message("%u crash points of %u writes and syncs\n", points, total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_file_system_is_asked_for_what_was_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
