#include "lib/store/store.h"

#include "lib/base/mem.h"
#include "lib/crypto/crc32c.h"
#include "lib/log/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <leveldb/c.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define CACHE_BYTES (4u << 20) /* blocks of all stores of the process together */
#define OPEN_FILES  500
#define BLOCK_BYTES 8192
#define FILE_BYTES  (4u << 20)

/* Kept free for the store itself where others may fill the file system: this many write buffers,
 * but no more than this part of it. */
#define RESERVE_BUFFERS 4
#define RESERVE_PART    64

#ifdef __SANITIZE_THREAD__
/* The library orders its threads by atomics that the sanitizer cannot see in it. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:leveldb::\n";
}
#endif

struct store {
	pthread_rwlock_t lock; /* write: the handle is being replaced */
	leveldb_t *db;         /* NULL after a failed reopen */
	leveldb_options_t *options;
	char *path, *reserve_path;
	size_t reserve_bytes;
};

struct store_batch {
	leveldb_writebatch_t *batch;
};

struct store_iter {
	struct store *store;
	leveldb_iterator_t *iter; /* NULL when the store is closed */
};

/* LevelDB maps its tables into memory, where every page that a listing ever touched counts as
 * ours; read through its block cache instead. Only its static library has this switch; it must be
 * thrown before the first database opens. */
void leveldb_set_mmap_limit(int tables) __asm__(
        "_ZN7leveldb18EnvPosixTestHelper20SetReadOnlyMMapLimitEi");

/* LevelDB checks each block it reads. Its own CRC-32C goes by tables, a good part of what a listing
 * costs whose blocks are not cached; defined here, the same function is found before that one. */
uint32_t leveldb_crc32c(uint32_t crc, const char *data, size_t len) __asm__(
        "_ZN7leveldb6crc32c6ExtendEjPKcm");
uint32_t leveldb_crc32c(uint32_t crc, const char *data, size_t len)
{
	return crc32c(crc, data, len);
}

/* What all stores of a process share. */
static struct {
	pthread_once_t once;
	leveldb_cache_t *cache;
	leveldb_filterpolicy_t *bloom;
	leveldb_readoptions_t *read;
	leveldb_writeoptions_t *write;
} shared = {.once = PTHREAD_ONCE_INIT};

static void share(void)
{
	leveldb_set_mmap_limit(0);
	shared.cache = leveldb_cache_create_lru(CACHE_BYTES);
	shared.bloom = leveldb_filterpolicy_create_bloom(10);
	shared.read = leveldb_readoptions_create();
	leveldb_readoptions_set_verify_checksums(shared.read, 1);
	shared.write = leveldb_writeoptions_create();
}

/* LevelDB's C interface tells errors as text only. */
static enum err take_error(const char *event, char *text)
{
	if (!text)
		return ERR_OK;
	enum err err = strstr(text, "orruption")  ? ERR_CORRUPT
	               : strstr(text, "lock")     ? ERR_BUSY
	               : strstr(text, "No space") ? ERR_NO_SPACE
	                                          : ERR_IO;
	log_debug(event, "error=%s", log_quote(text));
	leveldb_free(text);
	return err;
}

static bool is_log(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".log") == 0;
}

/* Number of the newest log file in the folder, 0 when there is none; with `before`, how many are
 * numbered up to it. */
static unsigned long logs(const char *path, unsigned long before, bool unlink_them)
{
	DIR *dir = opendir(path);
	unsigned long newest = 0, left = 0;
	struct dirent *entry;

	if (!dir)
		return before ? 1 : 0;
	while ((entry = readdir(dir))) {
		if (!is_log(entry->d_name))
			continue;
		unsigned long number = strtoul(entry->d_name, NULL, 10);
		if (unlink_them)
			unlinkat(dirfd(dir), entry->d_name, 0);
		newest = number > newest ? number : newest;
		left += number <= before;
	}
	closedir(dir);
	return before ? left : newest;
}

/* --- the reserve: a file of blocks that nobody else can take --- */

static char *join(const char *path, const char *name)
{
	size_t len = strlen(path) + strlen(name) + 1;
	char *joined = mem_zalloc(len);

	snprintf(joined, len, "%s%s", path, name);
	return joined;
}

/* Without room for it there is none: it is tried again with each flush. */
static void keep_reserve(struct store *store)
{
	struct statvfs fs;

	if (access(store->reserve_path, F_OK) == 0 || statvfs(store->path, &fs) < 0)
		return;
	size_t part = (size_t)(fs.f_blocks * fs.f_frsize / RESERVE_PART);
	size_t bytes = store->reserve_bytes < part ? store->reserve_bytes : part;
	if (fs.f_bavail * fs.f_frsize < 2 * bytes)
		return;
	int fd = open(store->reserve_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (posix_fallocate(fd, 0, (off_t)bytes) != 0)
		unlink(store->reserve_path);
	close(fd);
}

static void give_up_reserve(struct store *store)
{
	struct statvfs fs;

	if (statvfs(store->path, &fs) == 0 && fs.f_bavail * fs.f_frsize < store->reserve_bytes &&
	        unlink(store->reserve_path) == 0)
		log_warn("store-reserve", "path=%s next=%s", log_quote(store->path),
		        log_quote("the file system is full: make room on it"));
}

enum err store_open(const char *path, size_t write_buffer, struct store **ret_store)
{
	struct store *store = mem_zalloc(sizeof(*store));
	char *error = NULL;

	pthread_once(&shared.once, share);
	logs(path, 0, true);
	store->path = mem_strdup(path);
	store->reserve_path = join(path, "/RESERVE");
	store->reserve_bytes = RESERVE_BUFFERS * write_buffer;
	pthread_rwlock_init(&store->lock, NULL);
	store->options = leveldb_options_create();
	leveldb_options_set_create_if_missing(store->options, 1);
	leveldb_options_set_paranoid_checks(store->options, 1);
	leveldb_options_set_write_buffer_size(store->options, write_buffer);
	leveldb_options_set_max_open_files(store->options, OPEN_FILES);
	leveldb_options_set_cache(store->options, shared.cache);
	leveldb_options_set_filter_policy(store->options, shared.bloom);
	leveldb_options_set_block_size(store->options, BLOCK_BYTES);
	leveldb_options_set_max_file_size(store->options, FILE_BYTES);
	leveldb_options_set_compression(store->options, leveldb_no_compression);
	store->db = leveldb_open(store->options, path, &error);
	enum err err = take_error("store_open", error);
	if (err) {
		store_close(store);
		return err;
	}
	keep_reserve(store);
	*ret_store = store;
	return ERR_OK;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->db)
		leveldb_close(store->db);
	leveldb_options_destroy(store->options);
	pthread_rwlock_destroy(&store->lock);
	free(store->reserve_path);
	free(store->path);
	free(store);
}

enum err store_reopen(struct store *store)
{
	char *error = NULL;

	pthread_rwlock_wrlock(&store->lock);
	if (store->db)
		leveldb_close(store->db);
	give_up_reserve(store);
	store->db = leveldb_open(store->options, store->path, &error);
	pthread_rwlock_unlock(&store->lock);
	return take_error("store_reopen", error);
}

enum err store_get(struct store *store, const void *key, size_t key_len, struct buf *ret_value)
{
	enum err err = ERR_IO;
	char *error = NULL;
	size_t len = 0;

	pthread_rwlock_rdlock(&store->lock);
	if (store->db) {
		char *value = leveldb_get(store->db, shared.read, key, key_len, &len, &error);
		err = take_error("store_get", error);
		if (!err && !value)
			err = ERR_NOT_FOUND;
		if (value)
			buf_add(ret_value, value, len);
		leveldb_free(value);
	}
	pthread_rwlock_unlock(&store->lock);
	return err ? err : ret_value->err;
}

struct store_batch *store_batch_new(void)
{
	struct store_batch *batch = mem_zalloc(sizeof(*batch));

	batch->batch = leveldb_writebatch_create();
	return batch;
}

void store_batch_free(struct store_batch *batch)
{
	if (!batch)
		return;
	leveldb_writebatch_destroy(batch->batch);
	free(batch);
}

void store_batch_clear(struct store_batch *batch)
{
	leveldb_writebatch_clear(batch->batch);
}

void store_batch_put(struct store_batch *batch, const void *key, size_t key_len, const void *value,
        size_t value_len)
{
	leveldb_writebatch_put(batch->batch, key, key_len, value, value_len);
}

void store_batch_delete(struct store_batch *batch, const void *key, size_t key_len)
{
	leveldb_writebatch_delete(batch->batch, key, key_len);
}

enum err store_write(struct store *store, struct store_batch *batch)
{
	enum err err = ERR_IO;
	char *error = NULL;

	pthread_rwlock_rdlock(&store->lock);
	if (store->db) {
		leveldb_write(store->db, shared.write, batch->batch, &error);
		err = take_error("store_write", error);
	}
	pthread_rwlock_unlock(&store->lock);
	return err;
}

/* LevelDB does not say whether a flush worked, but it removes a log file only after the table
 * made of it is synced and named in its manifest. */
enum err store_flush(struct store *store)
{
	enum err err = ERR_IO;

	pthread_rwlock_rdlock(&store->lock);
	if (store->db) {
		unsigned long newest = logs(store->path, 0, false);
		leveldb_compact_range(store->db, "\x01", 1, "\x01", 1);
		err = newest && logs(store->path, newest, false) == 0 ? ERR_OK : ERR_IO;
	}
	if (!err)
		keep_reserve(store);
	pthread_rwlock_unlock(&store->lock);
	return err;
}

void store_compact(
        struct store *store, const void *from, size_t from_len, const void *to, size_t to_len)
{
	pthread_rwlock_rdlock(&store->lock);
	if (store->db)
		leveldb_compact_range(store->db, from, from_len, to, to_len);
	pthread_rwlock_unlock(&store->lock);
}

struct store_iter *store_iter_new(struct store *store)
{
	struct store_iter *iter = mem_zalloc(sizeof(*iter));

	iter->store = store;
	pthread_rwlock_rdlock(&store->lock);
	if (store->db)
		iter->iter = leveldb_create_iterator(store->db, shared.read);
	return iter;
}

void store_iter_free(struct store_iter *iter)
{
	if (!iter)
		return;
	if (iter->iter)
		leveldb_iter_destroy(iter->iter);
	pthread_rwlock_unlock(&iter->store->lock);
	free(iter);
}

void store_iter_seek(struct store_iter *iter, const void *key, size_t key_len)
{
	if (iter->iter)
		leveldb_iter_seek(iter->iter, key, key_len);
}

void store_iter_seek_before(struct store_iter *iter, const void *key, size_t key_len)
{
	if (!iter->iter)
		return;
	leveldb_iter_seek(iter->iter, key, key_len);
	if (leveldb_iter_valid(iter->iter))
		leveldb_iter_prev(iter->iter);
	else
		leveldb_iter_seek_to_last(iter->iter);
}

void store_iter_next(struct store_iter *iter)
{
	leveldb_iter_next(iter->iter);
}

void store_iter_prev(struct store_iter *iter)
{
	leveldb_iter_prev(iter->iter);
}

bool store_iter_valid(const struct store_iter *iter)
{
	return iter->iter && leveldb_iter_valid(iter->iter);
}

const char *store_iter_key(const struct store_iter *iter, size_t *ret_len)
{
	return leveldb_iter_key(iter->iter, ret_len);
}

const char *store_iter_value(const struct store_iter *iter, size_t *ret_len)
{
	return leveldb_iter_value(iter->iter, ret_len);
}

enum err store_iter_err(const struct store_iter *iter)
{
	char *error = NULL;

	if (!iter->iter)
		return ERR_IO;
	leveldb_iter_get_error(iter->iter, &error);
	return take_error("store_iter", error);
}
