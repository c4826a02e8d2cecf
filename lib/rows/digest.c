/* DIGEST: what ranges of databases come to. Each database has its number in memory (sums.h); one
 * that may have changed is on a list and gets a new number when somebody asks, or when it goes from
 * memory. So comparing what did not change costs neither reads nor work. The numbers are read from
 * the store once, when they are first asked for, a slice at a time. */
#include "lib/rows/compare.h"

#include "lib/base/mem.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

#define SLICE         2048 /* databases read by one job */
#define RANGES_A_TURN 256  /* some ten steps of the tree each */
#define COUNT_A_TURN  512  /* databases whose number is made anew */

struct digest_call {
	struct task task;
	struct list link; /* digest->calls */
	struct rows *rows;
	struct backend_call *call;
	struct backend_digest *parts; /* owned */
	unsigned at;                  /* which range */
};

static void number_of(const struct backend_db_key *db, uint64_t ret_number[2])
{
	ret_number[0] = ret_number[1] = 0;
	if (database_is_something(db))
		row_hash(db, sizeof(*db), 3, ret_number);
}

/* --- what changes --- */

static void count(struct space *space)
{
	struct digest *digest = &space->rows->digest;
	struct backend_db_key db;
	struct totals totals;
	uint64_t number[2];

	list_remove(&space->changed);
	space_totals(space, &totals);
	database_key(&db, space->key, &space->info, &totals);
	number_of(&db, number);
	/* Until all were read, what is not there any more must not be taken for what was not read
	 * yet. */
	if (database_is_something(&db) || !digest->complete)
		sums_set(&digest->sums, space->key, number);
	else
		sums_forget(&digest->sums, space->key);
}

void digest_changed(struct space *space)
{
	if (list_empty(&space->changed))
		list_append(&space->rows->digest.changed, &space->changed);
}

void digest_let_go(struct space *space)
{
	if (!list_empty(&space->changed))
		count(space);
}

/* --- answering --- */

static void end(struct digest_call *d, enum err err)
{
	const struct backend_msg *msg = d->call->msg;
	struct backend_reply *reply = &d->call->reply;
	struct rows *rows = d->rows;

	if (!err)
		buf_add(&reply->items, d->parts,
		        ((size_t)msg->range_count << msg->fan_out) * sizeof(*d->parts));
	backend_finish(d->call, err ? err : reply->items.err);
	free(d->parts);
	free(d);
	rows_ended(rows);
}

static void on_turn(struct task *task)
{
	struct digest_call *d = CONTAINER_OF(task, struct digest_call, task);
	const struct backend_msg *msg = d->call->msg;
	struct digest *digest = &d->rows->digest;
	struct list *node;

	if (d->rows->closing) {
		end(d, ERR_CLOSED);
		return;
	}
	for (unsigned n = 0; n < COUNT_A_TURN && (node = list_first(&digest->changed)); n++)
		count(LIST_ENTRY(node, struct space, changed));
	for (unsigned n = 0;
	        list_empty(&digest->changed) && n < RANGES_A_TURN && d->at < msg->range_count;
	        n++, d->at++)
		sums_range(&digest->sums, msg->ranges[d->at], msg->range_bits, msg->fan_out,
		        d->parts + ((size_t)d->at << msg->fan_out));
	if (d->at < msg->range_count)
		reactor_post(d->rows->reactor, &d->task);
	else
		end(d, ERR_OK);
}

/* --- reading them all, once --- */

static void slice_run(struct work *work)
{
	struct digest *digest = CONTAINER_OF(work, struct digest, job.work);
	struct store_iter *iter = store_iter_new(digest->job.rows->store);
	struct key key;

	key_database(&key, KEY_DATABASE, digest->behind);
	key.data[key.len] = 0;
	key.len += digest->begun; /* what comes behind it */
	digest->found_count = 0;
	digest->err = ERR_OK;
	store_iter_seek(iter, key.data, key.len);
	for (; !digest->err && digest->found_count < SLICE; store_iter_next(iter)) {
		size_t len, value_len;
		const char *at = store_iter_valid(iter) ? store_iter_key(iter, &len) : NULL;
		if (!at || len != 17 || *at != KEY_DATABASE)
			break;
		const char *value = store_iter_value(iter, &value_len);
		digest->err = database_key_stored(&digest->found[digest->found_count++],
		        (const uint8_t *)at + 1, value, value_len);
	}
	if (!digest->err)
		digest->err = store_iter_err(iter);
	store_iter_free(iter);
}

/* What changed, or went from memory, since the slice was read is known better. */
static void take_slice(struct digest *digest)
{
	uint64_t number[2];

	for (unsigned i = 0; i < digest->found_count; i++) {
		const struct backend_db_key *db = &digest->found[i];
		number_of(db, number);
		if (!sums_has(&digest->sums, db->key))
			sums_set(&digest->sums, db->key, number);
	}
	if (digest->found_count)
		memcpy(digest->behind, digest->found[digest->found_count - 1].key, 16);
	digest->begun = true;
	digest->complete = digest->found_count < SLICE;
}

static void answer_all(struct digest *digest, enum err err)
{
	struct list *node;

	while ((node = list_first(&digest->calls))) {
		struct digest_call *d = LIST_ENTRY(node, struct digest_call, link);
		list_remove(node);
		if (err)
			end(d, err);
		else
			reactor_post(d->rows->reactor, &d->task);
	}
}

static void read_slice(struct rows *rows);

static void slice_done(struct job *job)
{
	struct digest *digest = CONTAINER_OF(job, struct digest, job);
	struct rows *rows = job->rows;

	digest->busy = false;
	if (!digest->err)
		take_slice(digest);
	if (!digest->err && !digest->complete && !rows->closing) {
		read_slice(rows);
		return;
	}
	free(TAKE(digest->found));
	answer_all(digest, rows->closing ? ERR_CLOSED : digest->err);
}

static void read_slice(struct rows *rows)
{
	struct digest *digest = &rows->digest;

	if (!digest->found)
		digest->found = mem_zalloc(SLICE * sizeof(*digest->found));
	digest->busy = true;
	job_start(&digest->job, rows, slice_run, slice_done);
}

void digest_databases(struct rows *rows, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct digest *digest = &rows->digest;
	struct digest_call *d = mem_zalloc(sizeof(*d));

	d->rows = rows;
	d->call = call;
	d->parts = mem_zalloc(((size_t)msg->range_count << msg->fan_out) * sizeof(*d->parts));
	d->task.run = on_turn;
	rows->outstanding++;
	if (digest->complete) {
		reactor_post(rows->reactor, &d->task);
		return;
	}
	list_append(&digest->calls, &d->link);
	if (!digest->busy)
		read_slice(rows);
}

void digest_done(struct rows *rows)
{
	sums_done(&rows->digest.sums);
	free(TAKE(rows->digest.found));
}
