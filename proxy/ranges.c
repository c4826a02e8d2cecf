#include "proxy/ranges.h"

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define MAPS_MAX 1024

struct map {
	struct hash_node node;
	struct buf points;
	size_t path_len;
	char path[]; /* account and container, each with its NUL */
};

static void path_of(struct buf *path, const char *account, const char *container)
{
	buf_add(path, account, strlen(account) + 1);
	buf_add(path, container, strlen(container) + 1);
}

static struct map *find(struct proxy *proxy, const char *account, const char *container)
{
	AUTO(buf) struct buf path = BUF_NONE;

	if (!proxy->ranges.count)
		return NULL;
	path_of(&path, account, container);
	uint64_t h = hash_bytes(path.data, path.len, 5);
	for (struct hash_node *n = hash_find(&proxy->ranges, h); n; n = hash_find_next(n)) {
		struct map *map = CONTAINER_OF(n, struct map, node);
		if (map->path_len == path.len && memcmp(map->path, path.data, path.len) == 0)
			return map;
	}
	return NULL;
}

static void drop(struct proxy *proxy, struct map *map)
{
	hash_remove(&proxy->ranges, &map->node);
	buf_done(&map->points);
	free(map);
}

void ranges_forget_all(struct proxy *proxy)
{
	for (size_t i = 0; i < proxy->ranges.size; i++) {
		while (proxy->ranges.slots[i])
			drop(proxy, CONTAINER_OF(proxy->ranges.slots[i], struct map, node));
	}
}

static struct map *make(struct proxy *proxy, const char *account, const char *container)
{
	AUTO(buf) struct buf path = BUF_NONE;

	if (proxy->ranges.count >= MAPS_MAX)
		ranges_forget_all(proxy);
	path_of(&path, account, container);
	struct map *map = mem_zalloc(sizeof(*map) + path.len);
	map->path_len = path.len;
	memcpy(map->path, path.data, path.len);
	hash_insert(&proxy->ranges, &map->node, hash_bytes(path.data, path.len, 5));
	return map;
}

const struct buf *ranges_known(struct proxy *proxy, const char *account, const char *container)
{
	const struct map *map = find(proxy, account, container);

	return map && map->points.len ? &map->points : NULL;
}

void ranges_forget(struct proxy *proxy, const char *account, const char *container)
{
	struct map *map = find(proxy, account, container);

	if (map)
		drop(proxy, map);
}

/* What was not sure of that range is forgotten: it is about to be learned anew. */
static void clear_unsure(struct map *map, const char *id)
{
	struct buf kept = BUF_NONE;
	struct backend_row point;
	bool inside = !*id;

	for (size_t at = 0; backend_rows_next(&map->points, &at, &point);) {
		if (!point.deleted)
			inside = strcmp(point.content_type, id) == 0;
		else if (inside)
			continue;
		backend_rows_add(&kept, &point);
	}
	buf_done(&map->points);
	map->points = kept;
}

/* Puts a point into its place; one that is sure stays so. */
static void put(struct map *map, const struct backend_row *new)
{
	struct buf points = BUF_NONE;
	struct backend_row old;
	bool placed = false;

	for (size_t at = 0; backend_rows_next(&map->points, &at, &old);) {
		int order = strcmp(old.name, new->name);
		if (order >= 0 && !placed) {
			backend_rows_add(&points, order == 0 && !old.deleted ? &old : new);
			placed = true;
		}
		if (order != 0)
			backend_rows_add(&points, &old);
	}
	if (!placed)
		backend_rows_add(&points, new);
	buf_done(&map->points);
	map->points = points;
}

/* Those of the place that say that these names have moved. */
static uint64_t moved_mask(const struct fan *fan, const struct backend_row *point)
{
	struct backend_row known;
	uint64_t mask = 0;

	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_call *call = &fan->calls[i];
		if (call->answered &&
		        points_with_id(&call->reply.points, point->content_type, &known) &&
		        !known.deleted)
			mask |= place_bit(fan->place, call->device);
	}
	return mask;
}

void ranges_learn(struct proxy *proxy, const char *account, const char *container, const char *id,
        const struct fan *fan)
{
	AUTO(buf) struct buf all = BUF_NONE;
	struct backend_row point;
	uint64_t put_ts = 0, delete_ts = 0;

	for (unsigned i = 0; i < fan->count; i++) {
		if (fan->calls[i].answered && fan->calls[i].reply.put_ts > put_ts)
			put_ts = fan->calls[i].reply.put_ts;
	}
	/* One that is later may not count; and if it does, nothing is placed by these any more. */
	for (unsigned i = 0; i < fan->count; i++) {
		uint64_t ts = fan->calls[i].reply.delete_ts;
		if (fan->calls[i].answered && ts > delete_ts && ts <= put_ts)
			delete_ts = ts;
	}
	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_reply *reply = &fan->calls[i].reply;
		if (!fan->calls[i].answered)
			continue;
		for (size_t at = 0; backend_rows_next(&reply->points, &at, &point);) {
			if (point.ts > delete_ts)
				points_join(&all, &point);
		}
	}
	struct map *map = find(proxy, account, container);
	if (!map && !all.len)
		return;
	if (!map)
		map = make(proxy, account, container);
	clear_unsure(map, id);
	for (size_t at = 0; backend_rows_next(&all, &at, &point);) {
		point.deleted = !place_met(fan->place, moved_mask(fan, &point));
		put(map, &point);
	}
}
