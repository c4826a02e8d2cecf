/* store: one ordered key-value database on disk, for views that can be rebuilt: the only module
 * that knows LevelDB. It is never a commit point: what was written since the last store_flush may
 * be gone after a crash, but never a part of a batch, and never an older batch without the
 * younger ones.
 *
 * For that promise store_open throws LevelDB's own log away: an unsynced log may have holes after
 * a power cut, while its tables are whole batches up to some point.
 *
 * The file RESERVE beside its tables keeps blocks for it where others may fill the file system:
 * without room the store could not take the rows whose log is to be given free. It is given up
 * when the store is opened again on a full file system, and made anew by the first flush that
 * finds room.
 *
 * All calls block; any thread. Iterators belong to one thread. */
#ifndef LIB_STORE_STORE_H
#define LIB_STORE_STORE_H

#include "lib/base/buf.h"
#include "lib/err/err.h"
#include <stdbool.h>
#include <stddef.h>

struct store;
struct store_batch;
struct store_iter;

/* Opens or creates the folder `path` (its parent exists). `write_buffer` bytes are gathered in
 * memory before a table is written. ERR_CORRUPT, ERR_BUSY (open elsewhere), ERR_IO. */
enum err store_open(const char *path, size_t write_buffer, struct store **ret_store);
void store_close(struct store *store); /* NULL is fine; iterators must be gone */

/* After an error LevelDB refuses all writes: closes and opens again, keeping its log, whose pages
 * are still in this machine's memory. Waits for running calls and iterators. */
enum err store_reopen(struct store *store);

/* The value is appended to ret_value. ERR_NOT_FOUND, ERR_IO, ERR_CORRUPT. */
enum err store_get(struct store *store, const void *key, size_t key_len, struct buf *ret_value);

struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *batch);
void store_batch_clear(struct store_batch *batch);
void store_batch_put(struct store_batch *batch, const void *key, size_t key_len, const void *value,
        size_t value_len);
void store_batch_delete(struct store_batch *batch, const void *key, size_t key_len);

/* All or nothing, not synced. After an error only store_reopen helps. */
enum err store_write(struct store *store, struct store_batch *batch);

/* Returns when all that was written before is in synced tables; ERR_IO when it is not. */
enum err store_flush(struct store *store);

/* Rewrites a range of keys so that deleted ones cost its readers nothing. */
void store_compact(
        struct store *store, const void *from, size_t from_len, const void *to, size_t to_len);

/* A view of the moment; blocks store_reopen until freed. */
struct store_iter *store_iter_new(struct store *store);
void store_iter_free(struct store_iter *iter);                                  /* NULL is fine */
void store_iter_seek(struct store_iter *iter, const void *key, size_t key_len); /* first >= key */
void store_iter_seek_before(struct store_iter *iter, const void *key, size_t key_len); /* last < */
void store_iter_next(struct store_iter *iter);
void store_iter_prev(struct store_iter *iter);
bool store_iter_valid(const struct store_iter *iter);

/* Borrowed until the iterator moves. */
const char *store_iter_key(const struct store_iter *iter, size_t *ret_len);
const char *store_iter_value(const struct store_iter *iter, size_t *ret_len);
enum err store_iter_err(const struct store_iter *iter);

#endif
