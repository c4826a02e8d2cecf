/* KEYS: what the databases of some ranges of keys are, from memory and store, a slice of the store
 * at a time. Asked for where digests differed. */
#include "lib/rows/compare.h"

#include "lib/base/mem.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define SLICE 2048 /* databases that one job looks at */

struct compare {
	struct job job;
	struct rows *rows;
	struct backend_call *call;
	struct backend_db_key *known; /* owned: those in memory, sorted: newer than the store's */
	unsigned known_count, known_at;
	unsigned at, keys_left; /* at: which range */
	bool begun;             /* in it, behind `behind` */
	uint8_t behind[16];
	enum err err;
};

static uint64_t top_of(const uint8_t key[16])
{
	uint64_t top;

	memcpy(&top, key, sizeof(top));
	return be64toh(top);
}

static bool inside(const struct backend_msg *msg, unsigned at, const uint8_t key[16])
{
	return msg->range_bits == 0 ||
	       (top_of(key) ^ msg->ranges[at]) >> (64 - msg->range_bits) == 0;
}

void database_key(struct backend_db_key *db, const uint8_t key[16], const struct info *info,
        const struct totals *totals)
{
	uint64_t hash[2], points[2];

	info_hash(info, hash);
	info_points_hash(info, true, points);
	hash[0] += totals->hash[0] + points[0];
	hash[1] += totals->hash[1] + points[1];
	*db = (struct backend_db_key){
	        .put_ts = info->put_ts,
	        .delete_ts = info->delete_ts,
	        .created_ts = info->created_ts,
	        .policy = info->policy,
	};
	memcpy(db->key, key, 16);
	memcpy(db->hash, hash, 16);
}

enum err database_key_stored(
        struct backend_db_key *db, const uint8_t key[16], const void *value, size_t len)
{
	const char *account, *container;
	struct totals totals;
	struct info info;
	size_t at = 1;

	if (len < 1 ||
	        !totals_decode(
	                value, len, &at, *(const char *)value & DATABASE_CONTAINERS, &totals) ||
	        !info_decode(value, len, &at, &info, &account, &container))
		return ERR_CORRUPT;
	database_key(db, key, &info, &totals);
	info_done(&info);
	return ERR_OK;
}

bool database_is_something(const struct backend_db_key *db)
{
	return db->put_ts || db->delete_ts;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct backend_db_key *)a)->key,
	        ((const struct backend_db_key *)b)->key, 16);
}

static void gather_known(struct compare *c)
{
	const struct hash *spaces = &c->rows->spaces;

	c->known = mem_zalloc((spaces->count + 1) * sizeof(*c->known));
	for (size_t i = 0; i < spaces->size; i++) {
		for (struct hash_node *n = spaces->slots[i]; n; n = n->next) {
			const struct space *space = CONTAINER_OF(n, struct space, node);
			struct totals totals;
			if (!space->loaded)
				continue;
			space_totals(space, &totals);
			database_key(
			        &c->known[c->known_count++], space->key, &space->info, &totals);
		}
	}
	qsort(c->known, c->known_count, sizeof(*c->known), by_key);
}

static void tell(struct compare *c, const struct backend_db_key *db)
{
	if (!database_is_something(db))
		return;
	buf_add(&c->call->reply.items, db, sizeof(*db));
	c->keys_left--;
}

/* Those in memory of the range up to `key` (NULL: all of them). True when that one was there. */
static bool tell_known(struct compare *c, const uint8_t key[16])
{
	for (; c->known_at < c->known_count; c->known_at++) {
		const struct backend_db_key *db = &c->known[c->known_at];
		int order = key ? memcmp(db->key, key, 16) : -1;
		if (order > 0 || !inside(c->call->msg, c->at, db->key) || !c->keys_left)
			return false;
		tell(c, db);
		if (order == 0) {
			c->known_at++;
			return true;
		}
	}
	return false;
}

static enum err tell_stored(struct compare *c, struct store_iter *iter, const uint8_t key[16])
{
	struct backend_db_key db;
	size_t len;
	const char *value = store_iter_value(iter, &len);
	enum err err = database_key_stored(&db, key, value, len);

	if (!err)
		tell(c, &db);
	return err;
}

static void begin_range(struct compare *c, struct store_iter *iter)
{
	uint64_t first = htobe64(c->call->msg->ranges[c->at]);
	uint8_t from[16] = {0};
	struct key key;

	memcpy(from, &first, sizeof(first));
	if (c->begun)
		memcpy(from, c->behind, 16);
	key_database(&key, KEY_DATABASE, from);
	if (c->begun)
		key.data[key.len++] = 0;
	store_iter_seek(iter, key.data, key.len);
	while (!c->begun && c->known_at < c->known_count &&
	        memcmp(c->known[c->known_at].key, from, 16) < 0)
		c->known_at++;
	c->begun = true;
	memcpy(c->behind, from, 16);
}

/* One range, as far as `left` goes. True when it is done. */
static bool walk_range(struct compare *c, struct store_iter *iter, unsigned *left)
{
	size_t len;

	begin_range(c, iter);
	for (; *left && c->keys_left; store_iter_next(iter), (*left)--) {
		const char *key = store_iter_valid(iter) ? store_iter_key(iter, &len) : NULL;
		const uint8_t *db = (const uint8_t *)key + 1;
		if (!key || len != 17 || key[0] != KEY_DATABASE ||
		        !inside(c->call->msg, c->at, db)) {
			tell_known(c, NULL);
			return c->keys_left;
		}
		if (!tell_known(c, db) && c->keys_left)
			c->err = tell_stored(c, iter, db);
		if (c->err)
			return false;
		memcpy(c->behind, db, 16);
	}
	return false;
}

static void slice_run(struct work *work)
{
	struct compare *c = CONTAINER_OF(work, struct compare, job.work);
	struct store_iter *iter = store_iter_new(c->rows->store);
	unsigned left = SLICE;

	while (left && !c->err && c->at < c->call->msg->range_count && c->keys_left) {
		if (!walk_range(c, iter, &left))
			break;
		c->begun = false;
		c->at++;
		left -= left ? 1 : 0;
	}
	if (!c->err)
		c->err = store_iter_err(iter);
	store_iter_free(iter);
}

static void end(struct compare *c, enum err err)
{
	const struct backend_msg *msg = c->call->msg;
	struct backend_reply *reply = &c->call->reply;

	reply->more = c->at < msg->range_count;
	backend_finish(c->call, err ? err : reply->items.err);
	free(c->known);
	free(c);
}

static void slice_done(struct job *job)
{
	struct compare *c = CONTAINER_OF(job, struct compare, job);

	if (c->err || c->rows->closing)
		end(c, c->err ? c->err : ERR_CLOSED);
	else if (c->at < c->call->msg->range_count && c->keys_left)
		job_start(&c->job, c->rows, slice_run, slice_done);
	else
		end(c, ERR_OK);
}

bool compare_is_good(const struct backend_msg *msg)
{
	return msg->range_count && msg->range_count <= BACKEND_RANGES_MAX && msg->fan_out <= 14 &&
	       msg->range_bits + msg->fan_out <= 64 &&
	       (size_t)msg->range_count << msg->fan_out <= BACKEND_DIGESTS_MAX;
}

void compare_keys(struct rows *rows, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct compare *c = mem_zalloc(sizeof(*c));

	c->rows = rows;
	c->call = call;
	c->keys_left =
	        msg->len && msg->len < BACKEND_KEYS_MAX ? (unsigned)msg->len : BACKEND_KEYS_MAX;
	gather_known(c);
	job_start(&c->job, rows, slice_run, slice_done);
}
