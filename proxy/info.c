#include "proxy/gone.h"
#include "proxy/quota.h"

#include "lib/backend/points.h"
#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define INFO_MAX    10000       /* entries a reactor keeps */
#define INFO_TTL_US 10000000ull /* other nodes' changes are seen after at most this */
#define LACK_TTL_US 1000000ull  /* the same of what is not there (fetch->lacks) */
#define DEADLINE_MS 10000

static atomic_uint_least64_t *generation(struct cluster *cluster, const char *path)
{
	/* Must agree between reactors, so not the seeded hash of a table of one of them. */
	return &cluster->generations[hash_bytes(path, strlen(path), 1) % INFO_GENERATIONS];
}

static void path_of(char *ret_path, size_t size, const char *account, const char *container)
{
	size_t n = strlen(account);

	if (n >= size)
		n = size - 1;
	memcpy(ret_path, account, n);
	if (container && n + 1 < size) {
		ret_path[n++] = '/';
		size_t m = strlen(container);
		if (m >= size - n)
			m = size - n - 1;
		memcpy(ret_path + n, container, m);
		n += m;
	}
	ret_path[n] = 0;
}

#define PATH_SIZE 1024

void info_changed(struct cluster *cluster, const char *account, const char *container)
{
	char path[PATH_SIZE];

	path_of(path, sizeof(path), account, container);
	atomic_fetch_add(generation(cluster, path), 1);
}

void info_unref(struct info *info)
{
	if (!info || --info->refs)
		return;
	buf_done(&info->headers);
	free(info);
}

static void drop(struct proxy *proxy, struct info *info)
{
	hash_remove(&proxy->infos, &info->node);
	list_remove(&info->lru);
	proxy->info_count--;
	info_unref(info);
}

void info_forget_all(struct proxy *proxy)
{
	while (proxy->info_count)
		drop(proxy, LIST_ENTRY(proxy->info_lru.next, struct info, lru));
}

static struct info *find(struct proxy *proxy, const char *path)
{
	uint64_t h = hash_bytes(path, strlen(path), 2);

	for (struct hash_node *n = hash_find(&proxy->infos, h); n; n = hash_find_next(n)) {
		struct info *info = CONTAINER_OF(n, struct info, node);
		if (strcmp(info->path, path) == 0)
			return info;
	}
	return NULL;
}

static void keep(struct proxy *proxy, struct info *info)
{
	struct info *old = find(proxy, info->path);

	if (old)
		drop(proxy, old);
	if (proxy->info_count >= INFO_MAX)
		drop(proxy, LIST_ENTRY(proxy->info_lru.prev, struct info, lru));
	hash_insert(&proxy->infos, &info->node, hash_bytes(info->path, strlen(info->path), 2));
	list_prepend(&proxy->info_lru, &info->lru);
	proxy->info_count++;
	info->refs++;
}

/* The newest of the answers, `live`: of those that have it; accounts and containers merge header by
 * header on their devices. */
static const struct backend_reply *newest(const struct fan *fan, bool live)
{
	const struct backend_reply *best = NULL;
	uint64_t latest = 0;

	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_reply *r = &fan->calls[i].reply;
		if (!fan->calls[i].answered ||
		        (r->err != ERR_OK && (live || r->err != ERR_NOT_FOUND)))
			continue;
		uint64_t changed = r->put_ts > r->delete_ts ? r->put_ts : r->delete_ts;
		if (changed < r->meta_ts)
			changed = r->meta_ts; /* what was set since one of them has missed */
		if (!best || changed > latest) {
			best = r;
			latest = changed;
		}
	}
	return best;
}

static struct info *make(const struct backend_reply *r, const char *path, uint64_t seen)
{
	struct info *info = mem_zalloc(sizeof(*info) + strlen(path) + 1);

	memcpy(info->path, path, strlen(path) + 1);
	info->refs = 1;
	info->generation = seen;
	info->exists = r->err == ERR_OK;
	info->deleted = r->deleted;
	info->policy = r->policy;
	for (unsigned p = 0; p < BACKEND_POLICIES; p++) {
		info->objects += r->count[p];
		info->bytes += r->bytes[p];
		info->policy_objects[p] = r->count[p];
		info->policy_bytes[p] = r->bytes[p];
	}
	uint64_t objects, bytes; /* as its ranges told last */
	points_totals(&r->points, &objects, &bytes);
	info->objects += objects;
	info->bytes += bytes;
	info->policy_objects[r->policy % BACKEND_POLICIES] += objects;
	info->policy_bytes[r->policy % BACKEND_POLICIES] += bytes;
	buf_add(&info->headers, r->headers.data, r->headers.len);
	return info;
}

static void start(struct info_fetch *fetch, struct op *op, struct proxy *proxy, const char *account,
        const char *container)
{
	struct backend_msg *msg =
	        backend_msg_new(BACKEND_DB_HEAD, container ? BACKEND_CONTAINER : BACKEND_ACCOUNT);
	struct place place;

	backend_msg_path(msg, account, container, NULL);
	proxy_place(proxy->cluster, 0, account, container, NULL, &place);
	fan_ask(&fetch->fan, op, proxy, msg, &place, DEADLINE_MS);
	fetch->started = true;
}

static bool is_good(const struct info_fetch *fetch, const struct info *info, uint64_t now)
{
	if (info->generation != fetch->generation || (!info->exists && !fetch->lacks))
		return false;
	if (quota_is_set(info) || (fetch->counts && quota_account_is_set(info)))
		return false;
	return now - info->asked_us < (info->exists ? INFO_TTL_US : LACK_TTL_US);
}

bool info_get(struct info_fetch *fetch, struct op *op, struct proxy *proxy, const char *account,
        const char *container)
{
	char path[PATH_SIZE];
	uint64_t now = reactor_now_us(proxy->reactor);

	if (fetch->done)
		return true;
	path_of(path, sizeof(path), account, container);
	if (!fetch->started) {
		struct info *info = find(proxy, path);
		fetch->generation = atomic_load(generation(proxy->cluster, path));
		if (info && is_good(fetch, info, now)) {
			info->refs++;
			fetch->info = info;
			fetch->done = true;
			return true;
		}
		fetch->asked_us = now;
		start(fetch, op, proxy, account, container);
		return false;
	}
	enum gone gone = gone_by(&fetch->fan, fetch->fan.place, 0);
	if (!fan_knows(&fetch->fan) || gone == GONE_OPEN) {
		if (fan_open(&fetch->fan))
			return false;
		fetch->err = ERR_UNAVAILABLE;
	} else {
		fetch->info = make(newest(&fetch->fan, gone == GONE_NOT), path, fetch->generation);
		fetch->info->asked_us = fetch->asked_us;
		if (fetch->info->exists || fetch->lacks)
			keep(proxy, fetch->info);
	}
	fetch->done = true;
	return true;
}

void info_fetch_done(struct info_fetch *fetch)
{
	fan_done(&fetch->fan);
	info_unref(fetch->info);
	fetch->info = NULL;
}

const char *info_header(const struct info *info, const char *name)
{
	return info ? kv_get(info->headers.data, info->headers.len, name) : NULL;
}
