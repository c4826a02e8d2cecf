#include "lib/rows/compare.h"

#include "lib/base/mem.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define OVERLAYS    COUNT_OF(((struct list_source *)0)->overlays)
#define RANGE_BYTES (1u << 20) /* of rows in one answer */
#define SLICE       2048       /* databases that one job looks at */

/* --- the rows of one database: live ones and tombstones in the order of their names --- */

/* Two places in the store, and the overlays over them. */
struct walk {
	const struct list_source *source;
	struct store_iter *iters[2];
	char prefixes[2];
	const char *names[2]; /* where the iterators stand; NULL: at the end */
	struct overlay_node *nodes[OVERLAYS];
	const char *end; /* NULL: none */
	char name[ROW_NAME_MAX + 1];
	struct backend_row row; /* the current one */
	char etag[33];
	enum err err;
};

static void look(struct walk *w, unsigned i)
{
	size_t len;

	w->names[i] = NULL;
	if (!store_iter_valid(w->iters[i])) {
		w->err = w->err ? w->err : store_iter_err(w->iters[i]);
		return;
	}
	const char *key = store_iter_key(w->iters[i], &len);
	if (len < 18 || key[0] != w->prefixes[i] || memcmp(key + 1, w->source->key, 16) != 0)
		return;
	if (key[len - 1] || len - 18 > ROW_NAME_MAX)
		w->err = ERR_CORRUPT;
	else
		w->names[i] = key + 17;
}

static struct overlay_node *usable(const struct walk *w, struct overlay_node *node)
{
	const uint8_t *key = w->source->key;

	while (node && memcmp(node->key, key, 16) == 0 &&
	        !atomic_load_explicit(&node->shown, memory_order_acquire))
		node = overlay_next(node);
	return node && memcmp(node->key, key, 16) == 0 ? node : NULL;
}

/* Begins behind the marker. */
static void walk_init(
        struct walk *w, const struct list_source *source, const char *marker, const char *end)
{
	size_t len = marker ? strlen(marker) : 0;
	struct key key;

	*w = (struct walk){.source = source, .prefixes = {KEY_LIVE, KEY_TOMBS}};
	w->end = end && *end ? end : NULL;
	if (source->cut && (!w->end || strcmp(source->cut, w->end) < 0))
		w->end = source->cut;
	for (unsigned i = 0; i < 2; i++) {
		w->iters[i] = store_iter_new(source->store);
		key_row(&key, w->prefixes[i], source->key, marker ? marker : "", len, len > 0);
		store_iter_seek(w->iters[i], key.data, key.len);
		look(w, i);
		if (len && w->names[i] && strcmp(w->names[i], marker) == 0) {
			store_iter_next(w->iters[i]);
			look(w, i);
		}
	}
	for (unsigned i = 0; i < OVERLAYS; i++) {
		if (!source->overlays[i])
			continue;
		struct overlay_node *node =
		        overlay_seek(source->overlays[i], source->key, marker ? marker : "", len);
		if (len && node && memcmp(node->key, source->key, 16) == 0 &&
		        strcmp(node->name, marker) == 0)
			node = overlay_next(node);
		w->nodes[i] = usable(w, node);
	}
}

static void walk_done(struct walk *w)
{
	store_iter_free(w->iters[0]);
	store_iter_free(w->iters[1]);
}

static const char *least(const struct walk *w)
{
	const char *name = NULL;

	for (unsigned i = 0; i < 2; i++) {
		if (w->names[i] && (!name || strcmp(w->names[i], name) < 0))
			name = w->names[i];
	}
	for (unsigned i = 0; i < OVERLAYS; i++) {
		if (w->nodes[i] && (!name || strcmp(w->nodes[i]->name, name) < 0))
			name = w->nodes[i]->name;
	}
	return name;
}

/* The newest source that has the name; all of them step behind it. */
static void take(struct walk *w)
{
	bool found = false;

	for (unsigned i = 0; i < OVERLAYS; i++) {
		if (!w->nodes[i] || strcmp(w->nodes[i]->name, w->name) != 0)
			continue;
		if (!found)
			w->row = *atomic_load_explicit(&w->nodes[i]->shown, memory_order_acquire);
		found = true;
		w->nodes[i] = usable(w, overlay_next(w->nodes[i]));
	}
	for (unsigned i = 0; i < 2; i++) {
		if (!w->names[i] || strcmp(w->names[i], w->name) != 0)
			continue;
		size_t len, at = 0;
		const char *value = store_iter_value(w->iters[i], &len);
		if (!found && !row_decode(value, len, &at, w->etag, &w->row))
			w->err = ERR_CORRUPT;
	}
	w->row.name = w->name;
}

/* After the row was used: its texts may live in an iterator. */
static void step(struct walk *w)
{
	for (unsigned i = 0; i < 2; i++) {
		if (w->names[i] && *w->name && strcmp(w->names[i], w->name) == 0) {
			store_iter_next(w->iters[i]);
			look(w, i);
		}
	}
}

static bool walk_next(struct walk *w)
{
	step(w);
	const char *name = w->err ? NULL : least(w);
	if (!name || (w->end && strcmp(name, w->end) > 0))
		return false;
	size_t len = strlen(name);
	memcpy(w->name, name, len + 1);
	take(w);
	return !w->err;
}

static void add_row(enum backend_kind kind, const struct backend_row *row, uint64_t sum[2])
{
	struct weight weight;
	uint64_t hash[2];

	if (!row->deleted) {
		row_weigh(kind, row, &weight);
		sum[0] += weight.hash[0];
		sum[1] += weight.hash[1];
		return;
	}
	row_hash(row->name, strlen(row->name), row->ts, hash);
	sum[0] += hash[0];
	sum[1] += hash[1];
}

struct piece {
	uint64_t count, sum[2];
};

static void tell_piece(struct buf *rows, struct piece *piece, const char *name)
{
	backend_rows_add(rows, &(struct backend_row){
	                               .name = name,
	                               .ts = piece->sum[0],
	                               .bytes = piece->sum[1],
	                               .count = piece->count,
	                       });
	*piece = (struct piece){0};
}

enum err compare_row_digest(
        const struct list_source *source, enum backend_kind kind, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct buf *rows = &call->reply.rows;
	unsigned limit = msg->list.limit ? msg->list.limit : 1, looked = 0, pieces = 0;
	bool given = msg->row_count > 0, more = false;
	struct piece piece = {0};
	struct walk w;

	walk_init(&w, source, msg->list.marker, msg->list.end_marker);
	while (!more && walk_next(&w)) {
		while (given && pieces < msg->row_count &&
		        strcmp(w.name, msg->rows[pieces].name) > 0)
			tell_piece(rows, &piece, msg->rows[pieces++].name);
		if (!(w.row.deleted && w.row.ts < msg->ts)) {
			piece.count++;
			add_row(kind, &w.row, piece.sum);
		}
		looked++;
		bool enough = looked >= COMPARE_ROWS_MAX;
		if (!given && (piece.count == limit || enough)) {
			tell_piece(rows, &piece, w.name);
			more = ++pieces == COMPARE_PIECES_MAX || enough;
		}
		/* Theirs may have more than ours, from which the pieces came. */
		more |= looked >= 4 * COMPARE_ROWS_MAX;
	}
	while (!more && given && pieces < msg->row_count)
		tell_piece(rows, &piece, msg->rows[pieces++].name);
	if (!more)
		tell_piece(rows, &piece, "");
	call->reply.more = more;
	walk_done(&w);
	return w.err ? w.err : rows->err;
}

enum err compare_row_range(const struct list_source *source, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;
	struct buf *rows = &call->reply.rows;
	unsigned limit = msg->list.limit ? msg->list.limit : 1, n = 0;
	struct walk w;

	walk_init(&w, source, msg->list.marker, msg->list.end_marker);
	while (n < limit && rows->len < RANGE_BYTES && walk_next(&w)) {
		backend_rows_add(rows, &w.row);
		n++;
	}
	call->reply.more = n == limit || rows->len >= RANGE_BYTES;
	walk_done(&w);
	return w.err ? w.err : rows->err;
}

/* --- all databases --- */

struct compare {
	struct job job;
	struct rows *rows;
	struct backend_call *call;
	struct backend_db_key *known; /* owned: those in memory, sorted: newer than the store's */
	unsigned known_count, known_at;
	struct backend_digest *sums; /* owned; NULL: keys are asked for */
	unsigned at, keys_left;      /* which range */
	bool begun;                  /* in it, behind `behind` */
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

static void fill_key(struct backend_db_key *db, const uint8_t key[16], const struct info *info,
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

static bool is_something(const struct backend_db_key *db)
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
			fill_key(&c->known[c->known_count++], space->key, &space->info, &totals);
		}
	}
	qsort(c->known, c->known_count, sizeof(*c->known), by_key);
}

static void tell(struct compare *c, const struct backend_db_key *db)
{
	const struct backend_msg *msg = c->call->msg;
	uint64_t hash[2];

	if (!is_something(db))
		return;
	if (!c->sums) {
		buf_add(&c->call->reply.items, db, sizeof(*db));
		c->keys_left--;
		return;
	}
	uint64_t rest = msg->range_bits == 64 ? 0 : top_of(db->key) << msg->range_bits;
	size_t part = msg->fan_out ? rest >> (64 - msg->fan_out) : 0;
	struct backend_digest *sum = &c->sums[((size_t)c->at << msg->fan_out) + part];
	row_hash(db, sizeof(*db), 3, hash);
	sum->count++;
	sum->sum[0] += hash[0];
	sum->sum[1] += hash[1];
}

/* Those in memory of the range up to `key` (NULL: all of them). True when that one was there. */
static bool tell_known(struct compare *c, const uint8_t key[16])
{
	for (; c->known_at < c->known_count; c->known_at++) {
		const struct backend_db_key *db = &c->known[c->known_at];
		int order = key ? memcmp(db->key, key, 16) : -1;
		if (order > 0 || !inside(c->call->msg, c->at, db->key) ||
		        (!c->sums && !c->keys_left))
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
	const char *account, *container;
	struct backend_db_key db;
	struct totals totals;
	struct info info;
	size_t len, at = 1;
	const char *value = store_iter_value(iter, &len);

	if (len < 1 || !totals_decode(value, len, &at, &totals) ||
	        !info_decode(value, len, &at, &info, &account, &container))
		return ERR_CORRUPT;
	fill_key(&db, key, &info, &totals);
	info_done(&info);
	tell(c, &db);
	return ERR_OK;
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
	for (; *left && (c->sums || c->keys_left); store_iter_next(iter), (*left)--) {
		const char *key = store_iter_valid(iter) ? store_iter_key(iter, &len) : NULL;
		const uint8_t *db = (const uint8_t *)key + 1;
		if (!key || len != 17 || key[0] != KEY_DATABASE ||
		        !inside(c->call->msg, c->at, db)) {
			tell_known(c, NULL);
			return c->sums || c->keys_left;
		}
		if (!tell_known(c, db) && (c->sums || c->keys_left))
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

	while (left && !c->err && c->at < c->call->msg->range_count && (c->sums || c->keys_left)) {
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

	if (c->sums && !err)
		buf_add(&reply->items, c->sums,
		        ((size_t)msg->range_count << msg->fan_out) * sizeof(*c->sums));
	reply->more = c->at < msg->range_count;
	backend_finish(c->call, err ? err : reply->items.err);
	free(c->known);
	free(c->sums);
	free(c);
}

static void slice_done(struct job *job)
{
	struct compare *c = CONTAINER_OF(job, struct compare, job);

	if (c->err || c->rows->closing)
		end(c, c->err ? c->err : ERR_CLOSED);
	else if (c->at < c->call->msg->range_count && (c->sums || c->keys_left))
		job_start(&c->job, c->rows, slice_run, slice_done);
	else
		end(c, ERR_OK);
}

static bool is_good(const struct backend_msg *msg)
{
	return msg->range_count && msg->range_count <= BACKEND_RANGES_MAX && msg->fan_out <= 14 &&
	       msg->range_bits + msg->fan_out <= 64 &&
	       (size_t)msg->range_count << msg->fan_out <= BACKEND_DIGESTS_MAX;
}

void compare_databases(struct rows *rows, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;

	if (!is_good(msg) || !rows->started || rows->closing || rows->failed) {
		backend_finish(call, is_good(msg) ? ERR_UNAVAILABLE : ERR_BAD_REQUEST);
		return;
	}
	struct compare *c = mem_zalloc(sizeof(*c));
	c->rows = rows;
	c->call = call;
	c->keys_left =
	        msg->len && msg->len < BACKEND_KEYS_MAX ? (unsigned)msg->len : BACKEND_KEYS_MAX;
	if (msg->op == BACKEND_DB_DIGEST)
		c->sums = mem_zalloc(((size_t)msg->range_count << msg->fan_out) * sizeof(*c->sums));
	gather_known(c);
	job_start(&c->job, rows, slice_run, slice_done);
}
