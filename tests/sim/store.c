/* Ordered stores in memory, in place of lib/store: what was flushed survives a crash, and what came
 * after it may, up to a whole batch. */
#include "lib/store/store.h"
#include "tests/sim/sim.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

struct entry {
	char *key, *value;
	size_t key_len, value_len;
};

struct table {
	struct entry
	        *entries; /* sorted; keys and values are never freed: they are shared by views */
	size_t count;
};

struct store {
	struct store *next;
	char *path;
	struct table now, flushed;
};

struct store_batch {
	struct buf ops; /* key_len, value_len (SIZE_MAX: delete), key, value */
};

struct store_iter {
	struct table view;
	size_t at; /* count: not valid */
	bool valid;
};

static struct store *stores;

static int compare(const struct entry *e, const void *key, size_t len)
{
	int d = memcmp(e->key, key, e->key_len < len ? e->key_len : len);

	return d ? d : e->key_len < len ? -1 : e->key_len > len;
}

/* The first entry not before key. */
static size_t lower(const struct table *t, const void *key, size_t len)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (compare(&t->entries[mid], key, len) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void copy(struct table *to, const struct table *from)
{
	free(to->entries);
	to->count = from->count;
	to->entries =
	        from->count ? mem_dup(from->entries, from->count * sizeof(*from->entries)) : NULL;
}

enum err store_open(const char *path, size_t write_buffer, struct store **ret_store)
{
	(void)write_buffer;
	for (struct store *s = stores; s; s = s->next) {
		if (strcmp(s->path, path) == 0) {
			*ret_store = s;
			return ERR_OK;
		}
	}
	struct store *s = mem_zalloc(sizeof(*s));
	s->path = mem_strdup(path);
	s->next = stores;
	*ret_store = stores = s;
	return ERR_OK;
}

static bool is_below(const struct store *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s->path, prefix, n) == 0 && s->path[n] == '/';
}

void sim_stores_wipe(const char *prefix)
{
	for (struct store *s = stores; s; s = s->next) {
		if (is_below(s, prefix))
			s->now.count = s->flushed.count = 0;
	}
}

void sim_stores_crash(const char *prefix)
{
	for (struct store *s = stores; s; s = s->next) {
		if (!is_below(s, prefix))
			continue;
		if (sim_chance(50))
			copy(&s->flushed, &s->now);
		else
			copy(&s->now, &s->flushed);
	}
}

void store_close(struct store *store)
{
	(void)store;
}

enum err store_reopen(struct store *store)
{
	(void)store;
	return ERR_OK;
}

enum err store_get(struct store *s, const void *key, size_t key_len, struct buf *ret_value)
{
	size_t at = lower(&s->now, key, key_len);

	if (at == s->now.count || compare(&s->now.entries[at], key, key_len) != 0)
		return ERR_NOT_FOUND;
	buf_add(ret_value, s->now.entries[at].value, s->now.entries[at].value_len);
	return ERR_OK;
}

struct store_batch *store_batch_new(void)
{
	return mem_zalloc(sizeof(struct store_batch));
}

void store_batch_free(struct store_batch *batch)
{
	if (batch)
		buf_done(&batch->ops);
	free(batch);
}

void store_batch_clear(struct store_batch *batch)
{
	buf_reset(&batch->ops);
}

static void add(struct store_batch *batch, const void *key, size_t key_len, const void *value,
        size_t value_len)
{
	size_t lens[2] = {key_len, value ? value_len : SIZE_MAX};

	buf_add(&batch->ops, lens, sizeof(lens));
	buf_add(&batch->ops, key, key_len);
	if (value)
		buf_add(&batch->ops, value, value_len);
}

void store_batch_put(struct store_batch *batch, const void *key, size_t key_len, const void *value,
        size_t value_len)
{
	add(batch, key, key_len, value ? value : "", value_len);
}

void store_batch_delete(struct store_batch *batch, const void *key, size_t key_len)
{
	add(batch, key, key_len, NULL, 0);
}

static void set(struct table *t, const void *key, size_t key_len, const void *value, size_t len)
{
	size_t at = lower(t, key, key_len);
	bool there = at < t->count && compare(&t->entries[at], key, key_len) == 0;

	if (!value) {
		if (there) {
			memmove(&t->entries[at], &t->entries[at + 1],
			        (t->count - at - 1) * sizeof(*t->entries));
			t->count--;
		}
		return;
	}
	if (!there) {
		t->entries = mem_realloc(t->entries, (t->count + 1) * sizeof(*t->entries));
		memmove(&t->entries[at + 1], &t->entries[at],
		        (t->count - at) * sizeof(*t->entries));
		t->count++;
		t->entries[at].key = mem_dup(key, key_len + 1);
		t->entries[at].key_len = key_len;
	}
	t->entries[at].value = mem_zalloc(len + 1);
	memcpy(t->entries[at].value, value, len);
	t->entries[at].value_len = len;
}

enum err store_write(struct store *s, struct store_batch *batch)
{
	size_t lens[2];

	for (size_t at = 0; at < batch->ops.len;) {
		memcpy(lens, batch->ops.data + at, sizeof(lens));
		const char *key = batch->ops.data + at + sizeof(lens);
		bool puts = lens[1] != SIZE_MAX;
		set(&s->now, key, lens[0], puts ? key + lens[0] : NULL, puts ? lens[1] : 0);
		at += sizeof(lens) + lens[0] + (puts ? lens[1] : 0);
	}
	return ERR_OK;
}

enum err store_flush(struct store *s)
{
	copy(&s->flushed, &s->now);
	return ERR_OK;
}

void store_compact(
        struct store *store, const void *from, size_t from_len, const void *to, size_t to_len)
{
	(void)store;
	(void)from;
	(void)from_len;
	(void)to;
	(void)to_len;
}

struct store_iter *store_iter_new(struct store *store)
{
	struct store_iter *iter = mem_zalloc(sizeof(*iter));

	copy(&iter->view, &store->now);
	return iter;
}

void store_iter_free(struct store_iter *iter)
{
	if (iter)
		free(iter->view.entries);
	free(iter);
}

void store_iter_seek(struct store_iter *iter, const void *key, size_t key_len)
{
	iter->at = lower(&iter->view, key, key_len);
	iter->valid = iter->at < iter->view.count;
}

void store_iter_seek_before(struct store_iter *iter, const void *key, size_t key_len)
{
	size_t at = lower(&iter->view, key, key_len);

	iter->valid = at > 0;
	iter->at = at - 1;
}

void store_iter_next(struct store_iter *iter)
{
	iter->valid = ++iter->at < iter->view.count;
}

void store_iter_prev(struct store_iter *iter)
{
	iter->valid = iter->at-- > 0;
}

bool store_iter_valid(const struct store_iter *iter)
{
	return iter->valid;
}

const char *store_iter_key(const struct store_iter *iter, size_t *ret_len)
{
	*ret_len = iter->view.entries[iter->at].key_len;
	return iter->view.entries[iter->at].key;
}

const char *store_iter_value(const struct store_iter *iter, size_t *ret_len)
{
	*ret_len = iter->view.entries[iter->at].value_len;
	return iter->view.entries[iter->at].value;
}

enum err store_iter_err(const struct store_iter *iter)
{
	(void)iter;
	return ERR_OK;
}
