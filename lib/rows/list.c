#include "lib/rows/list.h"

#include "lib/backend/points.h"
#include "lib/env/env.h"
#include "lib/rows/keys.h"
#include <string.h>

#define OVERLAYS COUNT_OF(((struct list_source *)0)->overlays)

/* A position in the merged, live rows. */
struct cursor {
	const struct list_source *source;
	struct store_iter *iter;
	struct overlay_node *nodes[OVERLAYS];
	bool reverse;
	bool in_store;          /* the iterator stands on a row of this database */
	const char *store_name; /* when it does */
	const char *name;       /* of the current row; NULL at the end */
	struct backend_row row; /* current row */
	struct key key, limit;  /* where to seek; the database's end */
	struct list_gap *gap;
	char etag[33];
	enum err err;
};

static void cursor_init(struct cursor *c, const struct list_source *source, bool reverse)
{
	*c = (struct cursor){.source = source, .reverse = reverse};
	c->iter = store_iter_new(source->store);
	key_database(&c->limit, KEY_LIVE, source->key);
	key_successor(&c->limit);
	/* The overlays take whole keys: what the successor cut off counts as zero. */
	memset(c->limit.data + c->limit.len, 0, 17 - c->limit.len);
}

/* What the store could not read it has stepped over. */
static void cursor_done(struct cursor *c)
{
	c->err = c->err ? c->err : store_iter_err(c->iter);
	store_iter_free(c->iter);
}

static void look_at_store(struct cursor *c)
{
	size_t len;

	c->in_store = false;
	if (!store_iter_valid(c->iter)) {
		c->err = c->err ? c->err : store_iter_err(c->iter);
		return;
	}
	const char *key = store_iter_key(c->iter, &len);
	if (len < 18 || key[0] != KEY_LIVE || memcmp(key + 1, c->source->key, 16) != 0)
		return;
	c->in_store = key[len - 1] == 0;
	c->store_name = key + 17;
	if (!c->in_store)
		c->err = ERR_CORRUPT;
}

/* Nodes of other databases and such that nobody may see yet are stepped over. */
static struct overlay_node *usable(struct cursor *c, unsigned i, struct overlay_node *node)
{
	const uint8_t *key = c->source->key;

	while (node && memcmp(node->key, key, 16) == 0 &&
	        !atomic_load_explicit(&node->shown, memory_order_acquire))
		node = c->reverse ? overlay_seek_before(
		                            c->source->overlays[i], key, node->name, node->name_len)
		                  : overlay_next(node);
	return node && memcmp(node->key, key, 16) == 0 ? node : NULL;
}

static void step_store(struct cursor *c)
{
	if (c->reverse)
		store_iter_prev(c->iter);
	else
		store_iter_next(c->iter);
	look_at_store(c);
}

static void step_node(struct cursor *c, unsigned i)
{
	struct overlay_node *node = c->nodes[i];

	c->nodes[i] = usable(c, i,
	        c->reverse ? overlay_seek_before(
	                             c->source->overlays[i], node->key, node->name, node->name_len)
	                   : overlay_next(node));
}

/* The next name of any source in the cursor's direction, or NULL. */
static const char *next_name(const struct cursor *c)
{
	const char *name = c->in_store ? c->store_name : NULL;

	for (unsigned i = 0; i < OVERLAYS; i++) {
		if (!c->nodes[i])
			continue;
		int order = name ? strcmp(c->nodes[i]->name, name) : 0;
		if (!name || (c->reverse ? order > 0 : order < 0))
			name = c->nodes[i]->name;
	}
	return name;
}

/* The newest source that has the name tells its row: it was merged with all below it. */
static bool read_row(struct cursor *c, const char *name)
{
	for (unsigned i = 0; i < OVERLAYS; i++) {
		if (c->nodes[i] && strcmp(c->nodes[i]->name, name) == 0) {
			c->row = *atomic_load_explicit(&c->nodes[i]->shown, memory_order_acquire);
			return !c->row.deleted;
		}
	}
	size_t len, at = 0;
	const char *value = store_iter_value(c->iter, &len);
	if (!row_decode(value, len, &at, c->etag, &c->row))
		c->err = ERR_CORRUPT;
	c->row.name = name;
	return !c->err;
}

static void step_past(struct cursor *c, const char *name)
{
	bool store = c->in_store && strcmp(c->store_name, name) == 0;

	for (unsigned i = 0; i < OVERLAYS; i++) {
		if (c->nodes[i] && strcmp(c->nodes[i]->name, name) == 0)
			step_node(c, i);
	}
	if (store) /* last: the name may live in the iterator */
		step_store(c);
}

static void settle(struct cursor *c)
{
	while (!c->err && (c->name = next_name(c))) {
		if (read_row(c, c->name))
			return;
		if (!c->err)
			step_past(c, c->name);
	}
	c->name = NULL;
}

static void cursor_next(struct cursor *c)
{
	step_past(c, c->name);
	settle(c);
}

/* Remembers the slowest seek and what it stepped over. */
static void note_gap(struct cursor *c, uint64_t us)
{
	const char *key;
	size_t len;

	if (!c->gap || us < LIST_GAP_SLOW_US || us <= c->gap->us)
		return;
	c->gap->us = us;
	buf_reset(&c->gap->from);
	buf_reset(&c->gap->to);
	if (c->in_store)
		key = store_iter_key(c->iter, &len);
	else
		key = c->limit.data, len = c->limit.len;
	buf_add(c->reverse ? &c->gap->to : &c->gap->from, c->key.data, c->key.len);
	buf_add(c->reverse ? &c->gap->from : &c->gap->to, key, len);
}

static void seek_store(struct cursor *c)
{
	const struct env *env = env_real();
	uint64_t start_us = env->mono_us(env);

	if (c->reverse)
		store_iter_seek_before(c->iter, c->key.data, c->key.len);
	else
		store_iter_seek(c->iter, c->key.data, c->key.len);
	look_at_store(c);
	note_gap(c, env->mono_us(env) - start_us);
}

/* To the first row >= name, or in reverse to the last one < name; NULL: the very end. */
static void cursor_seek(struct cursor *c, const char *name, size_t len)
{
	const uint8_t *key = c->source->key;

	if (name)
		key_row(&c->key, KEY_LIVE, key, name, len, false);
	else
		c->key = c->limit;
	seek_store(c);
	for (unsigned i = 0; i < OVERLAYS; i++) {
		const struct overlay *overlay = c->source->overlays[i];
		struct overlay_node *node = NULL;
		if (overlay && !c->reverse)
			node = overlay_seek(overlay, key, name, len);
		else if (overlay)
			node = overlay_seek_before(overlay,
			        name ? key : (const uint8_t *)c->limit.data + 1, name ? name : "",
			        name ? len : 0);
		c->nodes[i] = usable(c, i, node);
	}
	settle(c);
}

/* What a listing asks for, made plain. */
struct query {
	const char *low;  /* names > low; NULL: no bound */
	const char *high; /* names < high; NULL: no bound */
	const char *prefix, *delimiter;
	size_t prefix_len, delimiter_len;
	const char *path;        /* NULL: none */
	const char *skipped_dir; /* a subdir of this name is not told: it was the marker */
	size_t limit;
	bool reverse;
};

static const char *text_or_null(const char *text)
{
	return text && *text ? text : NULL;
}

/* `path` lists one level of a tree: a prefix that ends in one slash, slash for delimiter. */
static enum err query_path(struct query *q, const char *path, char *room, size_t size)
{
	size_t len = strlen(path);

	if (*path) {
		while (len > 0 && path[len - 1] == '/')
			len--;
		if (len + 2 > size)
			return ERR_BAD_REQUEST;
		memcpy(room, path, len);
		room[len] = '/';
		room[len + 1] = 0;
		path = room;
	}
	q->path = q->prefix = path;
	q->delimiter = "/";
	return ERR_OK;
}

/* The cut is a bound like any other. */
static void query_cut(struct query *q, const char *cut, char *room, size_t size)
{
	size_t len = strnlen(cut, size - sizeof(POINT_BEHIND));

	memcpy(room, cut, len);
	memcpy(room + len, POINT_BEHIND, sizeof(POINT_BEHIND));
	if (!q->high || strcmp(room, q->high) < 0)
		q->high = room;
}

static bool too_long(const char *text)
{
	return text && strlen(text) >= ROW_NAME_MAX;
}

static enum err query_init(
        struct query *q, const struct backend_list *list, char *room, size_t size)
{
	if (too_long(list->marker) || too_long(list->end_marker) || too_long(list->prefix) ||
	        too_long(list->delimiter))
		return ERR_BAD_REQUEST;
	*q = (struct query){
	        .low = text_or_null(list->reverse ? list->end_marker : list->marker),
	        .high = text_or_null(list->reverse ? list->marker : list->end_marker),
	        .prefix = list->prefix ? list->prefix : "",
	        .delimiter = list->delimiter ? list->delimiter : "",
	        .limit = list->limit < LIST_LIMIT_MAX ? list->limit : LIST_LIMIT_MAX,
	        .reverse = list->reverse,
	};
	q->skipped_dir = q->low;
	enum err err = list->path ? query_path(q, list->path, room, size) : ERR_OK;
	q->prefix_len = strlen(q->prefix);
	q->delimiter_len = strlen(q->delimiter);
	return err;
}

/* Moves a seeking point to the least name that does not begin with `dir`. */
static bool seek_past_dir(struct cursor *c, const char *dir, size_t len)
{
	char room[ROW_NAME_MAX + 1];

	memcpy(room, dir, len);
	while (len > 0 && (uint8_t)room[len - 1] == 0xff)
		len--;
	if (len == 0)
		return false;
	room[len - 1]++;
	cursor_seek(c, room, len);
	return true;
}

static void seek_start(struct cursor *c, const struct query *q)
{
	if (!q->reverse) {
		bool prefix_first = !q->low || strcmp(q->low, q->prefix) < 0;
		const char *from = prefix_first ? q->prefix : q->low;
		cursor_seek(c, from, strlen(from));
		if (!prefix_first && c->name && strcmp(c->name, q->low) == 0)
			cursor_next(c);
		return;
	}
	bool past_prefix = q->high && strcmp(q->high, q->prefix) > 0 &&
	                   strncmp(q->high, q->prefix, q->prefix_len) != 0;
	if (q->high && !past_prefix)
		cursor_seek(c, q->high, strlen(q->high));
	else if (!seek_past_dir(c, q->prefix, q->prefix_len))
		cursor_seek(c, NULL, 0);
}

static bool in_bounds(const struct cursor *c, const struct query *q)
{
	if (!c->name || strncmp(c->name, q->prefix, q->prefix_len) != 0)
		return false;
	return q->reverse ? !q->low || strcmp(c->name, q->low) > 0
	                  : !q->high || strcmp(c->name, q->high) < 0;
}

/* Bytes of the current name up to and with the first delimiter behind the prefix, or 0. */
static size_t dir_len(const struct cursor *c, const struct query *q)
{
	if (!q->delimiter_len)
		return 0;
	const char *at = strstr(c->name + q->prefix_len, q->delimiter);
	return at ? (size_t)(at - c->name) + q->delimiter_len : 0;
}

/* Steps over all that begins with `dir`. In reverse and with a path the object "dir/" is still to
 * come (Swift forgets it there; in forward order it shows it). */
static bool leave_dir(struct cursor *c, const struct query *q, char *dir, size_t len)
{
	if (!q->reverse)
		return seek_past_dir(c, dir, len);
	if (q->path)
		dir[len++] = 1;
	cursor_seek(c, dir, len);
	return true;
}

static void walk(struct cursor *c, const struct query *q, struct buf *ret_rows)
{
	char dir[ROW_NAME_MAX + 2];
	size_t found = 0;

	for (seek_start(c, q); found < q->limit && in_bounds(c, q);) {
		size_t len = dir_len(c, q);
		if (q->path && strcmp(c->name, q->path) == 0) {
			cursor_next(c);
			continue;
		}
		/* With a path "dir/" itself is shown as the object it is, what lies in it is not.
		 */
		if (len == 0 || (q->path && c->name[len] == 0)) {
			backend_rows_add(ret_rows, &c->row);
			found++;
			cursor_next(c);
			continue;
		}
		memcpy(dir, c->name, len);
		dir[len] = 0;
		if (!q->path && !(q->skipped_dir && strcmp(dir, q->skipped_dir) == 0)) {
			backend_rows_add(
			        ret_rows, &(struct backend_row){.name = dir, .subdir = true});
			found++;
		}
		if (!leave_dir(c, q, dir, len))
			break;
	}
}

enum err list_rows(const struct list_source *source, const struct backend_list *list,
        struct buf *ret_rows, struct list_gap *gap)
{
	char room[ROW_NAME_MAX + 2], cut_room[ROW_NAME_MAX + 2];
	struct query q;
	struct cursor c;
	enum err err = query_init(&q, list, room, sizeof(room));

	if (err || q.limit == 0)
		return err;
	if (source->cut)
		query_cut(&q, source->cut, cut_room, sizeof(cut_room));
	cursor_init(&c, source, q.reverse);
	c.gap = gap;
	walk(&c, &q, ret_rows);
	cursor_done(&c);
	return c.err ? c.err : ret_rows->err;
}

static bool in_overlays(const struct list_source *source, const char *name, struct buf *ret_rows)
{
	for (unsigned i = 0; i < OVERLAYS; i++) {
		const struct overlay_node *node =
		        source->overlays[i]
		                ? overlay_find(source->overlays[i], source->key, name, strlen(name))
		                : NULL;
		const struct backend_row *row =
		        node ? atomic_load_explicit(&node->shown, memory_order_acquire) : NULL;
		if (row) {
			backend_rows_add(ret_rows, row);
			return true;
		}
	}
	return false;
}

static enum err in_store(const struct list_source *source, const char *name, struct buf *ret_rows)
{
	struct backend_row row = {.name = name};
	AUTO(buf) struct buf value = BUF_NONE;
	struct key key;
	char etag[33];
	size_t at = 0;

	key_row(&key, KEY_LIVE, source->key, name, strlen(name), true);
	enum err err = store_get(source->store, key.data, key.len, &value);
	if (err == ERR_NOT_FOUND) {
		key.data[0] = KEY_TOMBS;
		err = store_get(source->store, key.data, key.len, &value);
	}
	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	if (!row_decode(value.data, value.len, &at, etag, &row))
		return ERR_CORRUPT;
	backend_rows_add(ret_rows, &row);
	return ERR_OK;
}

enum err list_names(const struct list_source *source, const struct backend_row *names,
        unsigned count, struct buf *ret_rows)
{
	enum err err = ERR_OK;

	for (unsigned i = 0; i < count && !err; i++) {
		if (source->cut && strcmp(names[i].name, source->cut) > 0)
			continue;
		if (!in_overlays(source, names[i].name, ret_rows))
			err = in_store(source, names[i].name, ret_rows);
	}
	return err ? err : ret_rows->err;
}
