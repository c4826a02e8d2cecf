/* All databases that are put, in order of their keys, a slice of the store at a time. What came in
 * the last moments is in the overlay yet, and found by the next walk. */
#include "lib/base/mem.h"
#include "lib/rows/info.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

#define SLICE 1024

struct walk_job {
	struct job job;
	struct rows_walk *walk;
	enum err err;
	uint8_t key[16];
	char *account, *container; /* owned */
};

/* Found: takes the names. */
static bool look(struct walk_job *job, const char *value, size_t len)
{
	AUTO(buf) struct buf headers = BUF_NONE;
	const char *account, *container;
	struct totals totals;
	struct info info;
	size_t at = 1;

	if (len < 1 || !totals_decode(value, len, &at, value[0] & DATABASE_CONTAINERS, &totals) ||
	        !info_decode(value, len, &at, &info, &account, &container))
		return false;
	info_headers(&info, &headers);
	bool found =
	        info_is_put(&info) && container && job->walk->wanted(account, container, &headers);
	if (found) {
		job->account = mem_strdup(account);
		job->container = mem_strdup(container);
	}
	info_done(&info);
	return found;
}

static void walk_run(struct work *work)
{
	struct walk_job *job = CONTAINER_OF(work, struct walk_job, job.work);
	struct store_iter *iter = store_iter_new(job->job.rows->store);
	struct key key;
	size_t len;

	job->err = ERR_NOT_FOUND;
	memcpy(job->key, job->walk->after, sizeof(job->key));
	key_database(&key, KEY_DATABASE, job->key);
	key.data[key.len++] = 0; /* behind that key */
	store_iter_seek(iter, key.data, key.len);
	for (unsigned i = 0; store_iter_valid(iter); store_iter_next(iter)) {
		const char *found = store_iter_key(iter, &len);
		if (len != 17 || found[0] != KEY_DATABASE)
			break;
		memcpy(job->key, found + 1, sizeof(job->key));
		const char *value = store_iter_value(iter, &len);
		if (look(job, value, len) || ++i == SLICE) {
			job->err = ERR_OK;
			break;
		}
	}
	if (store_iter_err(iter))
		job->err = store_iter_err(iter);
	store_iter_free(iter);
}

static void walk_done(struct job *base)
{
	struct walk_job *job = CONTAINER_OF(base, struct walk_job, job);
	struct rows_walk *walk = job->walk;

	walk->err = job->err;
	walk->account = job->account;
	walk->container = job->container;
	memcpy(walk->after, job->key, sizeof(walk->after));
	free(job);
	walk->done(walk);
}

void rows_walk_next(struct rows *rows, struct rows_walk *walk)
{
	struct walk_job *job = mem_zalloc(sizeof(*job));

	job->walk = walk;
	job_start(&job->job, rows, walk_run, walk_done);
}
