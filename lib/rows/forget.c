/* FORGET: a database goes from here without a trace, because others have it.
 *
 *   hold off all else of it -> its record is durable -> nothing of it is in the overlays -> its
 * keys go from the store, in slices -> answer
 *
 * While that goes on there is no checkpoint: until all keys are gone the log has the record, and a
 * start that replays it clears what is left. What comes after the record comes after it there too.
 */
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/rows/compare.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

#define SLICE_KEYS 4096
#define BATCH_KEYS 1024
#define RESTS      4 /* times as long as a slice took, after it: nobody waits for this */

/* Removes up to *left keys of that prefix. */
static enum err clear(struct store *store, char prefix, const uint8_t database[16], unsigned *left)
{
	struct store_batch *batch = store_batch_new();
	struct store_iter *iter = store_iter_new(store);
	enum err err = ERR_OK;
	unsigned n = 0;
	struct key from;
	size_t len;

	key_database(&from, prefix, database);
	store_iter_seek(iter, from.data, from.len);
	while (!err && *left && store_iter_valid(iter)) {
		const char *key = store_iter_key(iter, &len);
		if (len < from.len || memcmp(key, from.data, from.len) != 0)
			break;
		store_batch_delete(batch, key, len);
		(*left)--;
		if (++n % BATCH_KEYS == 0) {
			err = store_write(store, batch);
			store_batch_clear(batch);
		}
		store_iter_next(iter);
	}
	if (!err)
		err = store_iter_err(iter);
	if (!err && n % BATCH_KEYS)
		err = store_write(store, batch);
	store_iter_free(iter);
	store_batch_free(batch);
	return err;
}

/* Rows first: what is left half-way is still found by its D. *ret_more: not all of it. */
static enum err clear_slice(struct store *store, const uint8_t database[16], bool *ret_more)
{
	static const char prefixes[] = {KEY_LIVE, KEY_TOMBS, KEY_PENDING, KEY_DATABASE};
	unsigned left = SLICE_KEYS;
	enum err err = ERR_OK;

	for (unsigned i = 0; i < sizeof(prefixes) && !err && left; i++)
		err = clear(store, prefixes[i], database, &left);
	*ret_more = !left;
	return err;
}

static void reset(struct space *space)
{
	info_done(&space->info);
	space->info = INFO_NONE;
	space->now = space->stored = (struct totals){0};
	space->pending_stored = false;
	space->holes = 0;
	digest_changed(space);
	split_changed(space);
	report_changed(space);
}

enum err forget_now(struct rows *rows, const uint8_t key[16])
{
	struct space *space;
	bool more = true;
	enum err err = drain_now(rows);

	while (!err && more)
		err = clear_slice(rows->store, key, &more);
	if (err)
		return err;
	space = space_get(rows, key);
	if ((err = space_load_now(space)) == ERR_OK)
		reset(space);
	space_unref(space);
	return err;
}

static void slice_run(struct work *work)
{
	struct forget *forget = CONTAINER_OF(work, struct forget, job.work);

	forget->err = clear_slice(forget->job.rows->store, forget->key, &forget->more);
}

static void end(struct rows *rows, enum err err)
{
	struct request *request = TAKE(rows->forget.request);
	struct space *space = request->space;

	space->refs++;
	space->changes--;
	if (!err)
		reset(space);
	request_finish(request, err);
	space_wake(space);
	space_unref(space);
}

static void slice_done(struct job *job)
{
	struct rows *rows = job->rows;
	struct forget *forget = &rows->forget;

	uint64_t now = reactor_now_us(rows->reactor);
	forget->busy = false;
	forget->next_us = now + RESTS * (now - forget->began_us);
	if (forget->err && !rows->closing) {
		log_warn("rows_forget", "error=%s path=%s", err_name(forget->err),
		        log_quote(rows->config.path));
		store_failed(rows); /* and on it goes when the store is back */
		return;
	}
	if (!forget->err && !forget->more)
		end(rows, ERR_OK);
	else if (rows->closing)
		end(rows, ERR_CLOSED); /* the next start goes on */
}

void forget_drop(struct rows *rows)
{
	if (rows->forget.request && rows->forget.durable && !rows->forget.busy)
		end(rows, ERR_CLOSED);
}

/* Between drains and sweeps, and not before the last of its rows was drained: the touches of a
 * generation hold their databases, and so does this request. */
void forget_pump(struct rows *rows)
{
	struct forget *forget = &rows->forget;

	if (!forget->request || !forget->durable || forget->busy)
		return;
	if (rows->failed) {
		end(rows, ERR_IO);
		return;
	}
	if (reactor_now_us(rows->reactor) < forget->next_us || rows->broken || rows->drain.busy ||
	        rows->flush.busy || rows->sweep.busy || rows->frozen.overlay ||
	        forget->request->space->touch)
		return;
	memcpy(forget->key, forget->request->space->key, sizeof(forget->key));
	forget->busy = true;
	forget->began_us = reactor_now_us(rows->reactor);
	job_start(&forget->job, rows, slice_run, slice_done);
}

static void on_durable(struct device_append *append)
{
	struct request *request = CONTAINER_OF(append, struct request, append);
	struct rows *rows = request->rows;

	rows->inflight_bytes -= request->payload.len;
	if (append->err || rows->closing) {
		end(rows, append->err ? append->err : ERR_CLOSED);
	} else {
		applied(rows, append->lsn);
		rows->forget.durable = true;
	}
	rows_pump(rows);
}

void forget_run(struct request *request)
{
	struct rows *rows = request->rows;
	struct space *space = request->space;
	const struct backend_msg *msg = request->call->msg;
	struct record record = {.type = RECORD_FORGET, .account = "", .container = "", .ts = 1};
	uint8_t hash[16];

	if (!space->info.put_ts && !space->info.delete_ts) {
		request_finish(request, ERR_NOT_FOUND);
		return;
	}
	if (rows->forget.request || space->updates) {
		request_finish(request, ERR_BUSY);
		return;
	}
	if (!request_resolved(request))
		return;
	space_hash(space, hash);
	if (msg->ts != space->info.put_ts || msg->meta_ts != space->info.delete_ts ||
	        memcmp(msg->etag, hash, sizeof(hash)) != 0) {
		request_finish(request, ERR_CONFLICT);
		return;
	}
	memcpy(record.key, space->key, sizeof(record.key));
	buf_reset(&request->payload);
	record_encode(&request->payload, &record);
	space->changes++;
	rows->forget.request = request;
	rows->forget.durable = false;
	request_append(request, on_durable);
}
