/* Versions in memory: the index, what each claims of the units, and listing updates that are
 * open. A record's bytes are claimed once by the index while it is the newest of its key, and
 * once while its updates are open. */
#include "lib/device/device_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define SETTLED_FLUSH_US 1000000u

struct posted {
	struct hash_node node;
	uint8_t policy, key[16];
	uint64_t meta_ts;
};

struct unsettled {
	struct hash_node node;
	struct list list;
	uint8_t policy, key[16];
	uint64_t ts, at, lsn;
};

static uint64_t key_hash(uint8_t policy, const uint8_t key[16])
{
	uint64_t h;

	memcpy(&h, key + 4, 8); /* MD5: evenly spread already */
	return h + policy;
}

void object_init(struct device *device)
{
	list_init(&device->unsettled_list);
}

static void free_nodes(struct hash *hash, size_t offset)
{
	for (size_t i = 0; i < hash->size; i++) {
		struct hash_node *node = hash->slots[i];
		while (node) {
			struct hash_node *next = node->next;
			free((char *)node - offset);
			node = next;
		}
	}
	hash_done(hash);
}

void object_done(struct device *device)
{
	free_nodes(&device->posted, offsetof(struct posted, node));
	free_nodes(&device->extents, offsetof(struct extent_list, node));
	free_nodes(&device->unsettled, offsetof(struct unsettled, node));
	hash_done(&device->writing);
	for (int p = 0; p < DEVICE_SPACES; p++)
		index_free(device->index[p]);
	free(device->settled);
}

/* --- POST times --- */

static struct posted *find_posted(struct device *device, uint8_t policy, const uint8_t key[16])
{
	struct hash_node *node = hash_find(&device->posted, key_hash(policy, key));

	for (; node; node = hash_find_next(node)) {
		struct posted *posted = CONTAINER_OF(node, struct posted, node);
		if (posted->policy == policy && memcmp(posted->key, key, 16) == 0)
			return posted;
	}
	return NULL;
}

static void set_posted(
        struct device *device, struct index_entry *entry, uint8_t policy, uint64_t meta_ts)
{
	struct posted *posted = NULL;

	if (entry->flags & INDEX_POSTED)
		posted = find_posted(device, policy, entry->key);
	if (meta_ts <= entry->ts) {
		if (posted) {
			hash_remove(&device->posted, &posted->node);
			free(posted);
		}
		entry->flags &= (uint64_t)~INDEX_POSTED & 0x3fff;
		return;
	}
	if (!posted) {
		posted = mem_zalloc(sizeof(*posted));
		posted->policy = policy;
		memcpy(posted->key, entry->key, 16);
		hash_insert(&device->posted, &posted->node, key_hash(policy, entry->key));
	}
	posted->meta_ts = meta_ts;
	entry->flags |= INDEX_POSTED;
}

uint64_t object_meta_ts(struct device *device, uint8_t policy, const struct index_entry *entry)
{
	if (!(entry->flags & INDEX_POSTED))
		return entry->ts;
	return find_posted(device, policy, entry->key)->meta_ts;
}

/* --- extents of versions --- */

static uint64_t at_hash(uint64_t at)
{
	uint64_t h = at * 0x9e3779b97f4a7c15u;

	return h ^ h >> 32;
}

struct extent_list *object_extents(struct device *device, uint64_t at)
{
	struct hash_node *node = hash_find(&device->extents, at_hash(at));

	for (; node; node = hash_find_next(node)) {
		struct extent_list *list = CONTAINER_OF(node, struct extent_list, node);
		if (list->at == at)
			return list;
	}
	return NULL;
}

static void claim_extents(struct device *device, const struct applied *applied)
{
	size_t size = applied->extent_count * sizeof(struct device_extent);
	struct extent_list *list = mem_zalloc(sizeof(*list) + size);

	list->at = applied->at;
	list->count = applied->extent_count;
	list->policy = applied->policy;
	memcpy(list->key, applied->key, 16);
	memcpy(list->extents, applied->extents, size);
	device_extents_pin(device, list->extents, list->count);
	hash_insert(&device->extents, &list->node, at_hash(list->at));
}

static void free_extents(struct device *device, struct extent_list *list)
{
	device_extents_release(device, list->extents, list->count);
	free(list);
}

struct extent_list *object_hold_extents(struct device *device, uint64_t at)
{
	struct extent_list *list = object_extents(device, at);

	if (list)
		list->holders++;
	return list;
}

void object_drop_extents(struct device *device, struct extent_list *list)
{
	if (list && --list->holders == 0 && list->gone)
		free_extents(device, list);
}

static void release_version(struct device *device, uint64_t at, bool extents)
{
	if (extents) {
		struct extent_list *list = object_extents(device, at);
		hash_remove(&device->extents, &list->node);
		list->gone = true;
		if (!list->holders)
			free_extents(device, list);
	}
	unit_release(device, at_unit(at), at_len(at));
}

void device_extents_pin(struct device *device, const struct device_extent *extents, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		unit_claim(device, extents[i].unit, format_piece_space(extents[i].len));
}

void device_extents_release(
        struct device *device, const struct device_extent *extents, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		unit_release(device, extents[i].unit, format_piece_space(extents[i].len));
}

/* --- open updates --- */

static struct unsettled *find_unsettled(
        struct device *device, uint8_t policy, const uint8_t key[16], uint64_t ts)
{
	struct hash_node *node = hash_find(&device->unsettled, key_hash(policy, key));

	for (; node; node = hash_find_next(node)) {
		struct unsettled *u = CONTAINER_OF(node, struct unsettled, node);
		if (u->ts == ts && u->policy == policy && memcmp(u->key, key, 16) == 0)
			return u;
	}
	return NULL;
}

static void open_updates(struct device *device, const struct applied *applied)
{
	uint64_t ts = format_newest(applied->ts, applied->meta_ts);
	struct unsettled *u = find_unsettled(device, applied->policy, applied->key, ts);

	if (u) {
		/* A copy, or the original read again behind one. */
		uint64_t old = u->at;
		unit_claim(device, at_unit(applied->at), at_len(applied->at));
		u->at = applied->at;
		unit_release(device, at_unit(old), at_len(old));
		return;
	}
	u = mem_zalloc(sizeof(*u));
	u->policy = applied->policy;
	memcpy(u->key, applied->key, 16);
	u->ts = ts;
	u->at = applied->at;
	u->lsn = applied->lsn;
	unit_claim(device, at_unit(u->at), at_len(u->at));
	hash_insert(&device->unsettled, &u->node, key_hash(u->policy, u->key));
	list_append(&device->unsettled_list, &u->list);
	if (!device->serving)
		return; /* footers tell them in the order of keys: see object_sort_unsettled */
	while (u->list.prev != &device->unsettled_list &&
	        LIST_ENTRY(u->list.prev, struct unsettled, list)->lsn > u->lsn) {
		struct list *before = u->list.prev->prev;
		list_remove(&u->list);
		list_insert_(&u->list, before, before->next);
	}
}

static int by_lsn(const void *a, const void *b)
{
	const struct unsettled *x = *(struct unsettled *const *)a;
	const struct unsettled *y = *(struct unsettled *const *)b;

	return x->lsn < y->lsn ? -1 : x->lsn > y->lsn;
}

void object_sort_unsettled(struct device *device)
{
	size_t count = device->unsettled.count, i = 0;

	if (!count)
		return;
	struct unsettled **all = mem_zalloc(count * sizeof(*all));
	LIST_EACH (node, &device->unsettled_list)
		all[i++] = LIST_ENTRY(node, struct unsettled, list);
	qsort(all, count, sizeof(*all), by_lsn);
	list_init(&device->unsettled_list);
	for (i = 0; i < count; i++)
		list_append(&device->unsettled_list, &all[i]->list);
	free(all);
}

void object_settle(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t ts)
{
	struct unsettled *u = find_unsettled(device, policy, key, ts);

	if (!u)
		return;
	if (device->cursor == u)
		device->cursor = NULL;
	hash_remove(&device->unsettled, &u->node);
	list_remove(&u->list);
	unit_release(device, at_unit(u->at), at_len(u->at));
	free(u);
}

bool object_is_open(
        struct device *device, uint8_t policy, const uint8_t key[16], uint64_t newest, uint64_t at)
{
	struct unsettled *u = find_unsettled(device, policy, key, newest);

	return u && u->at == at;
}

static void on_settled_timer(struct timer *timer)
{
	struct device *device = CONTAINER_OF(timer, struct device, settled_timer);

	/* Nothing came by to ride with: a restart must not find them open for ever. */
	if (device->settled_count && !device->failed && !device->closing) {
		object_queue_settled(device);
		log_kick(device);
	}
}

void device_settled(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t ts)
{
	if (!find_unsettled(device, policy, key, ts))
		return;
	object_settle(device, policy, key, ts);
	if (device->settled_count == device->settled_cap) {
		device->settled_cap = device->settled_cap ? device->settled_cap * 2 : 64;
		device->settled = mem_realloc(
		        device->settled, device->settled_cap * sizeof(*device->settled));
	}
	struct format_settled *settled = &device->settled[device->settled_count++];
	*settled = (struct format_settled){.ts = ts, .policy = policy};
	memcpy(settled->key, key, 16);
	device->settled_timer.fire = on_settled_timer;
	if (!device->settled_timer.index && !device->failed && !device->closing)
		timer_set(device->reactor, &device->settled_timer, SETTLED_FLUSH_US);
}

struct settled_append {
	struct log_append append;
	uint32_t count;
	struct format_settled settled[];
};

static void fill_settled(struct log_append *append, uint8_t *dst, uint64_t lsn)
{
	struct settled_append *s = CONTAINER_OF(append, struct settled_append, append);
	struct format_record *record = (void *)dst;
	size_t len = s->count * sizeof(s->settled[0]);

	(void)lsn;
	*record = (struct format_record){
	        .type = RECORD_SETTLED, .meta_len = (uint32_t)(sizeof(*record) + len)};
	memcpy(record + 1, s->settled, len);
	memset(dst + record->meta_len, 0, append->len - record->meta_len);
}

static void on_settled_written(struct log_append *append, enum err err)
{
	(void)err; /* lost ones are sent again: rows merge to the same */
	free(CONTAINER_OF(append, struct settled_append, append));
}

void object_queue_settled(struct device *device)
{
	uint32_t count = device->settled_count;

	if (!count)
		return;
	if (count > SETTLED_A_BATCH)
		count = SETTLED_A_BATCH;
	size_t len = count * sizeof(struct format_settled);
	struct settled_append *s = mem_zalloc(sizeof(*s) + len);
	s->count = count;
	device->settled_count -= count;
	memcpy(s->settled, device->settled + device->settled_count, len);
	s->append.len = format_up(sizeof(struct format_record) + len, 64);
	s->append.footer_len = count * FOOTER_ENTRY;
	s->append.urgency = DEVICE_SMALL;
	s->append.fill = fill_settled;
	s->append.done = on_settled_written;
	s->append.queued_us = reactor_now_us(device->reactor);
	log_push_front(device, &s->append);
	if (!device->settled_count && device->settled_cap > SETTLED_A_BATCH) {
		free(device->settled);
		device->settled = NULL;
		device->settled_cap = 0;
	}
}

bool device_next_unsettled(
        struct device *device, uint64_t after, struct device_unsettled *ret_unsettled)
{
	struct list *from = device->unsettled_list.next;

	if (device->cursor && device->cursor->lsn <= after)
		from = &device->cursor->list;
	for (; from != &device->unsettled_list; from = from->next) {
		struct unsettled *u = LIST_ENTRY(from, struct unsettled, list);
		if (u->lsn <= after)
			continue;
		*ret_unsettled = (struct device_unsettled){
		        .policy = u->policy,
		        .ts = u->ts,
		        .lsn = u->lsn,
		        .version = {.ts = u->ts, .meta_ts = u->ts, .at = u->at},
		};
		memcpy(ret_unsettled->key, u->key, 16);
		device->cursor = u;
		return true;
	}
	return false;
}

bool device_is_unsettled(struct device *device, uint8_t policy, const uint8_t key[16],
        const struct device_version *version)
{
	return object_is_open(
	        device, policy, key, format_newest(version->ts, version->meta_ts), version->at);
}

uint64_t device_unsettled_count(const struct device *device)
{
	return device->unsettled.count;
}

/* --- the index --- */

static struct index_entry *find(struct device *device, uint8_t policy, const uint8_t key[16])
{
	return device->index[policy] ? index_find(device->index[policy], key) : NULL;
}

static void see_ts(struct device *device, uint64_t ts)
{
	if (ts > device->newest_ts)
		device->newest_ts = ts;
}

/* Among versions and tombstones of a key ts decides, then the last POST; of equal ones the later in
 * the log. A tombstone has no POST. */
static bool is_older(
        struct device *device, const struct applied *a, const struct index_entry *entry)
{
	uint64_t ts = a->ts & ((1ull << 50) - 1);

	if (ts != entry->ts)
		return ts < entry->ts;
	return format_newest(ts, a->meta_ts) < object_meta_ts(device, a->policy, entry);
}

/* A committed version ends the drafts that are not newer. */
static void forget_drafts(struct device *device, const struct applied *a)
{
	for (unsigned slot = 0; slot < DEVICE_DRAFTS; slot++) {
		uint8_t space = device_draft(a->policy, slot);
		const struct index_entry *draft = find(device, space, a->key);
		if (draft && draft->ts <= a->ts)
			object_forget(device, space, a->key, draft->at);
	}
}

/* A draft that a committed version has ended already, read again after it. */
static bool ended(struct device *device, const struct applied *a)
{
	if (a->policy < BACKEND_POLICIES)
		return false;
	const struct index_entry *entry = find(device, a->policy % BACKEND_POLICIES, a->key);
	return entry && entry->ts >= a->ts;
}

void object_apply(struct device *device, const struct applied *a)
{
	struct index_entry *entry = find(device, a->policy, a->key);
	uint64_t newest = format_newest(a->ts, a->meta_ts), old_at = 0;
	bool old_extents = false, replaces = false;

	see_ts(device, newest);
	if (a->open)
		open_updates(device, a);
	if (a->gone || ended(device, a))
		return;
	if (entry) {
		if (a->from ? entry->at != a->from : is_older(device, a, entry))
			return;
		replaces = true;
		old_at = entry->at;
		old_extents = entry->flags & INDEX_EXTENTS;
	} else if (a->from) {
		return; /* reclaimed while it was copied */
	}
	if (!device->index[a->policy])
		device->index[a->policy] = index_new();
	if (!entry)
		entry = index_add(device->index[a->policy], a->key);
	set_posted(device, entry, a->policy, 0);
	entry->ts = a->ts & ((1ull << 50) - 1);
	entry->at = a->at;
	unsigned flags = (a->deleted ? INDEX_DELETED : 0) | (a->extent_count ? INDEX_EXTENTS : 0) |
	                 (a->expires ? INDEX_EXPIRES : 0) | (a->forgotten ? INDEX_FORGOTTEN : 0) |
	                 (unsigned)a->fragment << INDEX_FRAGMENT;
	entry->flags = flags & 0x3fff;
	set_posted(device, entry, a->policy, a->meta_ts);
	unit_claim(device, at_unit(a->at), at_len(a->at));
	if (old_at == a->at && replaces) {
		/* The same record read twice: one claim is enough. */
		unit_release(device, at_unit(a->at), at_len(a->at));
		return;
	}
	if (a->extent_count)
		claim_extents(device, a);
	if (replaces)
		release_version(device, old_at, old_extents);
	if (a->policy < BACKEND_POLICIES)
		forget_drafts(device, a); /* which may hold the same extents */
}

void object_apply_record(struct device *device, const struct format_record *record, uint64_t at,
        uint64_t from, bool gone)
{
	const struct format_object *object = format_object(record);
	struct applied applied = {
	        .policy = record->policy,
	        .key = object->key,
	        .ts = object->ts,
	        .meta_ts = object->meta_ts,
	        .lsn = object->first_lsn,
	        .at = at,
	        .from = from,
	        .gone = gone || record->flags & RECORD_SUPERSEDED,
	        .extents = format_extents(record),
	        .extent_count = object->extent_count,
	        .deleted = record->type == RECORD_TOMBSTONE,
	        .open = object->update_count && !(record->flags & RECORD_UPDATES_SETTLED),
	        .expires = record->flags & RECORD_EXPIRES,
	        .forgotten = record->flags & RECORD_FORGOTTEN,
	        .fragment = (uint8_t)object->fragment,
	};

	object_apply(device, &applied);
}

static void version_of(struct device *device, uint8_t policy, const struct index_entry *entry,
        struct device_version *ret)
{
	*ret = (struct device_version){
	        .ts = entry->ts,
	        .meta_ts = object_meta_ts(device, policy, entry),
	        .deleted = entry->flags & INDEX_DELETED,
	        .extents = entry->flags & INDEX_EXTENTS,
	        .corrupt = entry->flags & INDEX_CORRUPT,
	        .expires = entry->flags & INDEX_EXPIRES,
	        .forgotten = entry->flags & INDEX_FORGOTTEN,
	        .fragment = (uint8_t)index_fragment(entry),
	        .at = entry->at,
	};
}

enum err device_find_any(struct device *device, uint8_t policy, const uint8_t key[16],
        struct device_version *ret_version)
{
	const struct index_entry *entry = find(device, policy, key);

	if (!entry)
		return ERR_NOT_FOUND;
	version_of(device, policy, entry, ret_version);
	return ERR_OK;
}

enum err device_find(struct device *device, uint8_t policy, const uint8_t key[16],
        struct device_version *ret_version)
{
	const struct index_entry *entry = find(device, policy, key);

	if (!entry || entry->flags & INDEX_FORGOTTEN)
		return ERR_NOT_FOUND;
	version_of(device, policy, entry, ret_version);
	return ERR_OK;
}

unsigned device_drafts(struct device *device, uint8_t policy, const uint8_t key[16],
        struct device_version ret_versions[DEVICE_DRAFTS], uint8_t ret_spaces[DEVICE_DRAFTS])
{
	unsigned n = 0;

	for (unsigned slot = 0; slot < DEVICE_DRAFTS; slot++) {
		uint8_t space = device_draft(policy, slot);
		const struct index_entry *entry = find(device, space, key);
		unsigned at = n;
		if (!entry || entry->flags & INDEX_DELETED)
			continue;
		for (; at > 0 && ret_versions[at - 1].ts < entry->ts; at--) {
			ret_versions[at] = ret_versions[at - 1];
			ret_spaces[at] = ret_spaces[at - 1];
		}
		version_of(device, space, entry, &ret_versions[at]);
		ret_spaces[at] = space;
		n++;
	}
	return n;
}

enum err device_draft_space(struct device *device, uint8_t policy, const uint8_t key[16],
        uint64_t ts, uint8_t *ret_space)
{
	enum err err = ERR_BUSY;

	for (unsigned slot = 0; slot < DEVICE_DRAFTS; slot++) {
		uint8_t space = device_draft(policy, slot);
		const struct index_entry *entry = find(device, space, key);
		/* The same again takes the place it has; a dropped one must not be newer. */
		bool same = entry && entry->ts == ts;
		if (same || !entry || (entry->flags & INDEX_DELETED && entry->ts < ts)) {
			*ret_space = space;
			err = ERR_OK;
		}
		if (same)
			break;
	}
	return err;
}

bool device_next(
        struct device *device, uint8_t policy, uint8_t key[16], struct device_version *ret_version)
{
	const struct index_entry *entry =
	        device->index[policy] ? index_from(device->index[policy], key) : NULL;

	if (!entry)
		return false;
	memcpy(key, entry->key, 16);
	version_of(device, policy, entry, ret_version);
	return true;
}

uint64_t device_objects(const struct device *device)
{
	uint64_t n = 0;

	for (int p = 0; p < BACKEND_POLICIES; p++)
		n += device->index[p] ? device->index[p]->count : 0;
	return n;
}

bool object_is_live(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t ts,
        uint64_t meta_ts, uint64_t at)
{
	const struct index_entry *entry = find(device, policy, key);

	return (entry && entry->at == at) ||
	       object_is_open(device, policy, key, format_newest(ts, meta_ts), at);
}

void object_forget(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t at)
{
	struct index_entry *entry = find(device, policy, key);

	if (!entry || entry->at != at)
		return;
	bool extents = entry->flags & INDEX_EXTENTS;
	set_posted(device, entry, policy, 0);
	index_remove(device->index[policy], entry);
	release_version(device, at, extents);
}

void object_mark_corrupt(struct device *device, uint8_t policy, const uint8_t key[16], uint64_t at)
{
	struct index_entry *entry = find(device, policy, key);

	if (!entry || entry->at != at || entry->flags & INDEX_CORRUPT)
		return;
	entry->flags |= INDEX_CORRUPT;
	device->stats.corrupt++;
	if (device->options.corrupt)
		device->options.corrupt(device->options.owner, policy, key, entry->ts);
}

/* --- writes --- */

static struct device_write *find_writing(
        struct device *device, uint8_t policy, const uint8_t key[16])
{
	struct hash_node *node = hash_find(&device->writing, key_hash(policy, key));

	for (; node; node = hash_find_next(node)) {
		struct device_write *write = CONTAINER_OF(node, struct device_write, node);
		if (write->policy == policy && memcmp(write->key, key, 16) == 0)
			return write;
	}
	return NULL;
}

bool object_is_writing(struct device *device, uint8_t policy, const uint8_t key[16])
{
	return find_writing(device, policy, key);
}

static void fill_write(struct log_append *append, uint8_t *dst, uint64_t lsn)
{
	struct device_write *write = CONTAINER_OF(append, struct device_write, append);

	format_object_fill(write, append->len, lsn, dst);
}

static void on_written(struct log_append *append, enum err err)
{
	struct device_write *write = CONTAINER_OF(append, struct device_write, append);
	struct device *device = write->device;

	hash_remove(&device->writing, &write->node);
	if (!err)
		object_apply_record(device, append->record,
		        at_make(append->unit, append->off, append->len), 0, false);
	write->done(write, err);
}

enum err device_admits(const struct device *device, uint64_t bytes)
{
	uint64_t data = device->unit_bytes - FORMAT_DATA;
	uint32_t units = device->units_max / 10;

	if (device->failed)
		return device->fail_err;
	/* A tenth stays free for compaction to work in; at least the two reserved units. */
	if (units < 2)
		units = 2;
	uint64_t need = units + bytes / data;
	bool inside = device->log.unit != UNIT_NO && device->log.urgency == DEVICE_PUT &&
	              device->log.off < device->unit_bytes / 2;
	if (device->log.next != UNIT_NO || inside)
		need = need ? need - 1 : 0;
	return unit_available(device) <= need ? ERR_NO_SPACE : ERR_OK;
}

enum err device_write(struct device *device, struct device_write *write)
{
	if (write->headers_len > FORMAT_RECORD_MAX || write->data_len > FORMAT_RECORD_MAX ||
	        write->extent_count > FORMAT_RECORD_MAX / FOOTER_EXTENT)
		return ERR_TOO_LARGE;
	uint64_t len = (uint64_t)format_object_meta_len(write) + write->data_len;
	if (len > FORMAT_RECORD_MAX - 64)
		return ERR_TOO_LARGE;
	if (device->log.queued > QUEUE_MAX)
		return ERR_BUSY;
	write->device = device;
	write->append.len = format_up(len, 64);
	write->append.footer_len = FOOTER_ENTRY + write->extent_count * FOOTER_EXTENT;
	write->append.urgency = write->urgency;
	write->append.fill = fill_write;
	write->append.done = on_written;
	hash_insert(&device->writing, &write->node, key_hash(write->policy, write->key));
	log_append(device, &write->append);
	return ERR_OK;
}
