#include "lib/rows/compare.h"

#include "lib/base/mem.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <string.h>

#define OVERLAYS    COUNT_OF(((struct list_source *)0)->overlays)
#define RANGE_BYTES (1u << 20) /* of rows in one answer */

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

/* What the store could not read it has stepped over. */
static void walk_done(struct walk *w)
{
	for (unsigned i = 0; i < 2; i++) {
		w->err = w->err ? w->err : store_iter_err(w->iters[i]);
		store_iter_free(w->iters[i]);
	}
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
