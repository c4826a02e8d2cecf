#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/rows/compare.h"
#include "lib/rows/keys.h"
#include "lib/rows/rows_internal.h"
#include <stdlib.h>
#include <string.h>

struct load {
	struct job job;
	struct space *space; /* counted */
	struct buf value;
	enum err err;
};

static uint64_t key_hash(const uint8_t key[16])
{
	uint64_t hash;

	memcpy(&hash, key, sizeof(hash)); /* a key is a hash already */
	return hash;
}

static struct space *find(struct rows *rows, const uint8_t key[16])
{
	struct hash_node *node = hash_find(&rows->spaces, key_hash(key));

	for (; node; node = hash_find_next(node)) {
		struct space *space = CONTAINER_OF(node, struct space, node);
		if (memcmp(space->key, key, 16) == 0)
			return space;
	}
	return NULL;
}

static void space_free(struct space *space)
{
	hash_remove(&space->rows->spaces, &space->node);
	list_remove(&space->idle);
	list_remove(&space->by_change);
	list_remove(&space->by_age);
	list_remove(&space->splits);
	list_remove(&space->tails);
	list_remove(&space->changed);
	free(space->tail_after);
	free(space->tail_to);
	free(space->touched);
	info_done(&space->info);
	free(space->account);
	free(space->container);
	free(space);
}

struct space *space_get(struct rows *rows, const uint8_t key[16])
{
	struct space *space = find(rows, key);

	if (!space) {
		space = mem_zalloc(sizeof(*space));
		space->rows = rows;
		memcpy(space->key, key, 16);
		list_init(&space->idle);
		list_init(&space->waiting);
		list_init(&space->by_change);
		list_init(&space->by_age);
		list_init(&space->splits);
		list_init(&space->tails);
		list_init(&space->changed);
		hash_insert(&rows->spaces, &space->node, key_hash(key));
	} else if (space->refs == 0) {
		list_remove(&space->idle);
		rows->idle_count--;
	}
	space->refs++;
	return space;
}

void space_unref(struct space *space)
{
	struct rows *rows = space->rows;

	if (--space->refs)
		return;
	list_append(&rows->idle, &space->idle);
	if (++rows->idle_count <= rows->config.idle_max)
		return;
	rows->idle_count--;
	space = LIST_ENTRY(list_first(&rows->idle), struct space, idle);
	digest_let_go(space);
	space_free(space);
}

void spaces_free(struct rows *rows)
{
	for (size_t i = 0; i < rows->spaces.size; i++) {
		while (rows->spaces.slots[i])
			space_free(CONTAINER_OF(rows->spaces.slots[i], struct space, node));
	}
	hash_done(&rows->spaces);
}

void space_name(struct space *space, const char *account, const char *container)
{
	if (!space->account) {
		space->account = mem_strdup(account ? account : "");
		space->container = mem_strdup(container ? container : "");
	}
}

static enum err decode(struct space *space, const struct buf *value)
{
	const char *account, *container;
	int flags = value->len ? value->data[0] : 0;
	size_t at = 1;

	if (value->len < 1 ||
	        !totals_decode(value->data, value->len, &at, flags & DATABASE_CONTAINERS,
	                &space->stored) ||
	        !info_decode(value->data, value->len, &at, &space->info, &account, &container))
		return ERR_CORRUPT;
	space->pending_stored = flags & DATABASE_PENDING;
	/* Of before they were counted by policy. */
	if (!(flags & DATABASE_CONTAINERS) && space->rows->config.kind == BACKEND_ACCOUNT)
		space->stored.containers[0] = space->stored.rows;
	space_name(space, account, container);
	space->now = space->stored;
	return ERR_OK;
}

static enum err read_value(struct space *space, struct buf *ret_value)
{
	struct key key;

	key_database(&key, KEY_DATABASE, space->key);
	enum err err = store_get(space->rows->store, key.data, key.len, ret_value);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void load_run(struct work *work)
{
	struct load *load = CONTAINER_OF(work, struct load, job.work);

	load->err = read_value(load->space, &load->value);
}

static void fail_waiting(struct space *space, enum err err)
{
	struct list *node;

	while ((node = list_first(&space->waiting))) {
		struct request *request = LIST_ENTRY(node, struct request, link);
		list_remove(node);
		request->err = err;
		request_run(request);
	}
}

static void load_done(struct job *job)
{
	struct load *load = CONTAINER_OF(job, struct load, job);
	struct space *space = load->space;

	space->loading = false;
	if (!load->err && load->value.len)
		load->err = decode(space, &load->value);
	if (load->err) {
		log_warn("rows_load", "error=%s path=%s", err_name(load->err),
		        log_quote(space->rows->config.path));
		fail_waiting(space, load->err);
	} else {
		space->loaded = true;
		split_changed(space);
		report_changed(space);
		space_wake(space);
	}
	buf_done(&load->value);
	free(load);
	space_unref(space);
}

void space_load(struct space *space)
{
	if (space->loading)
		return;
	struct load *load = mem_zalloc(sizeof(*load));
	space->loading = true;
	space->refs++;
	load->space = space;
	job_start(&load->job, space->rows, load_run, load_done);
}

enum err space_load_now(struct space *space)
{
	AUTO(buf) struct buf value = BUF_NONE;

	if (space->loaded)
		return ERR_OK;
	enum err err = read_value(space, &value);
	if (!err && value.len)
		err = decode(space, &value);
	space->loaded = !err;
	if (!err)
		split_changed(space);
	return err;
}

void space_wake(struct space *space)
{
	struct list ready = LIST_INIT(ready), *node;

	space->refs++; /* a request that ends here may be the last to hold it */
	list_splice(&ready, &space->waiting);
	while ((node = list_first(&ready))) {
		list_remove(node);
		request_run(LIST_ENTRY(node, struct request, link));
	}
	space_unref(space);
}
