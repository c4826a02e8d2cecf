/* Compaction: moves what lives out of a unit that is mostly dead, so that the unit can be used
 * again. A LOG unit's records are appended to the log anew, in the order of their keys; pieces in
 * an EXTENT unit are written to another one and their versions' records anew.
 *
 *   idle -> choose -> (LOG: walk the batches, note what lives | EXTENT: look up who has pieces)
 *        -> for each, some at a time: read -> [write pieces -> sync] -> append -> wait -> freed */
#include "lib/device/device_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define IDLE_US     1000000u
#define AGAIN_US    2000u
#define MOVES       16      /* records in flight */
#define LIVE_EASY   50      /* percent of a unit that may live for it to be worth the work */
#define LIVE_TIGHT  90      /* the same when space is short */
#define TIGHT_SHARE 5       /* short: fewer than 1 / 5 of the units are free */
#define OTHERS_US   100000u /* without a batch of others for this long nobody is in the way */
#define SLOWER_US   1000u   /* more than twice what it takes without compaction, and this */

struct victim {
	uint8_t policy, key[16];
	bool tombstone, forgotten;
	uint64_t at, ts, first_lsn;
};

struct move {
	struct log_append append;
	struct device_read read;
	struct compaction *compaction;
	struct victim victim;
	uint8_t *copy; /* owned: the record as it will be */
	bool busy;
	/* pieces of a version that are moved first */
	struct device_extent *extents; /* owned */
	uint32_t extent_count, extent_at;
	struct device_read piece;
	struct device_extent_write write;
	struct device_sync sync;
	uint32_t *moved; /* owned: which extents are new */
	uint32_t moved_count;
};

struct compaction {
	struct device *device;
	struct timer timer;
	struct scan scan;
	struct format_unit head;
	struct victim *victims; /* owned */
	uint32_t count, cap, next;
	uint32_t unit;
	uint64_t tokens, filled_us; /* bytes that may be moved now */
	struct move moves[MOVES];
	unsigned busy;
	bool walking, stop;
};

static void run(struct compaction *c);

static void on_timer(struct timer *timer)
{
	run(CONTAINER_OF(timer, struct compaction, timer));
}

static void wait(struct compaction *c, uint64_t us)
{
	if (!c->stop)
		timer_set(c->device->reactor, &c->timer, us);
}

/* --- which unit --- */

static bool rows_dead(const struct device *device, const struct unit *unit)
{
	for (int role = 0; role < DEVICE_ROLES; role++) {
		if (unit->row_max[role] > device->checkpoint[role])
			return false;
	}
	return true;
}

/* Benefit over cost: space won times age, over the bytes read and written. */
static double score(const struct device *device, const struct unit *unit, bool tight)
{
	double live = (double)unit->live / device->unit_bytes;
	double age = (double)(reactor_now_us(device->reactor) - unit->opened_us) / 1e6 + 1;

	if (live * 100 > (tight ? LIVE_TIGHT : LIVE_EASY))
		return 0;
	return (1 - live) * (tight ? 1 : age) / (1 + live);
}

static uint32_t choose(struct device *device)
{
	bool tight = unit_available(device) < device->units_max / TIGHT_SHARE;
	uint32_t best = UNIT_NO;
	double best_score = 0;

	for (uint32_t u = 0; u < device->unit_count; u++) {
		struct unit *unit = &device->units[u];
		if ((unit->type != UNIT_LOG && unit->type != UNIT_EXTENT) || !unit->sealed ||
		        unit->freeing || unit->stuck || unit->footer || !rows_dead(device, unit))
			continue;
		double s = score(device, unit, tight);
		if (s > best_score) {
			best_score = s;
			best = u;
		}
	}
	return best;
}

/* Whether records with so small an LSN may be there, for a restart to find. */
static bool may_have(const struct unit *unit, uint64_t lsn)
{
	if (unit->stuck && unit->type == UNIT_NONE) /* its header could not be read */
		return true;
	return unit->type == UNIT_LOG && unit->lsn <= lsn;
}

/* A tombstone may go when the other replicas have it, and nothing older of its key can be left in
 * another unit: versions it killed have smaller LSNs, so every other unit must begin after it. */
static bool reclaimable(struct device *device, const struct victim *v, uint32_t unit)
{
	const struct env *env = reactor_env(device->reactor);
	uint64_t now = env->wall_us(env) / 10;

	bool all_have_it = v->ts + device->options.reclaim_ticks <= now &&
	                   v->first_lsn <= device->agreed_lsn[v->policy % BACKEND_POLICIES];
	if (!v->tombstone || !(v->forgotten || all_have_it))
		return false;
	if (object_is_open(device, v->policy, v->key, v->ts, v->at))
		return false;
	for (uint32_t u = 0; u < device->unit_count; u++) {
		if (u != unit && may_have(&device->units[u], v->first_lsn))
			return false;
	}
	return true;
}

/* --- one record --- */

static void end_move(struct move *move)
{
	struct compaction *c = move->compaction;

	device_read_done(&move->read);
	device_read_done(&move->piece);
	if (move->write.body)
		move->write.body = NULL;
	free(move->copy);
	free(move->extents);
	free(move->moved);
	move->copy = NULL;
	move->extents = NULL;
	move->moved = NULL;
	move->busy = false;
	c->busy--;
	if (!c->timer.index || c->stop)
		wait(c, 0);
}

/* This unit cannot be emptied now; another try comes after a restart or a repair. */
static void give_up(struct move *move, bool stuck)
{
	struct device *device = move->compaction->device;

	for (uint32_t i = 0; i < move->moved_count; i++)
		device_extents_release(device, &move->extents[move->moved[i]], 1);
	move->moved_count = 0;
	if (stuck)
		device->units[move->compaction->unit].stuck = true;
	end_move(move);
}

static bool is_being_written(const struct move *move)
{
	struct device *device = move->compaction->device;
	const struct victim *v = &move->victim;

	return object_is_writing(device, v->policy, v->key) ||
	       object_is_writing(device, v->policy % BACKEND_POLICIES, v->key);
}

/* Behind a later record of its key, which did not wait as long, a copy brings its updates alone:
 * its version must not come back by a restart, as late as when that record has been reclaimed. */
static void fill_move(struct log_append *append, uint8_t *dst, uint64_t lsn)
{
	struct move *move = CONTAINER_OF(append, struct move, append);
	const struct victim *v = &move->victim;
	struct format_record *copy = (void *)move->copy;
	struct device_version now;

	(void)lsn;
	if (device_find_any(move->compaction->device, v->policy, v->key, &now) || now.at != v->at ||
	        is_being_written(move))
		copy->flags |= RECORD_SUPERSEDED;
	memcpy(dst, move->copy, append->len);
}

static void on_moved(struct log_append *append, enum err err)
{
	struct move *move = CONTAINER_OF(append, struct move, append);
	struct device *device = move->compaction->device;

	if (err) {
		give_up(move, false);
		return;
	}
	device->stats.moved++;
	object_apply_record(device, append->record, at_make(append->unit, append->off, append->len),
	        move->victim.at, false);
	for (uint32_t i = 0; i < move->moved_count; i++)
		device_extents_release(device, &move->extents[move->moved[i]], 1);
	move->moved_count = 0;
	end_move(move);
}

static void append_copy(struct move *move)
{
	struct device *device = move->compaction->device;
	const struct format_record *old = (const void *)(move->read.bytes->data + move->read.at);
	const struct victim *v = &move->victim;

	/* The key may have moved on meanwhile, or is about to. */
	if (is_being_written(move) ||
	        !object_is_live(device, v->policy, v->key, format_object(old)->ts,
	                format_object(old)->meta_ts, v->at)) {
		give_up(move, false);
		return;
	}
	move->copy = mem_dup(old, old->len);
	struct format_record *copy = (void *)move->copy;
	struct format_object *object = (void *)(copy + 1);
	uint64_t newest = format_newest(object->ts, object->meta_ts);
	if (!object_is_open(device, v->policy, v->key, newest, v->at))
		copy->flags |= RECORD_UPDATES_SETTLED;
	if (move->extents)
		memcpy((void *)(uintptr_t)format_extents(copy), move->extents,
		        move->extent_count * sizeof(*move->extents));
	move->append.len = old->len;
	move->append.footer_len = FOOTER_ENTRY + object->extent_count * FOOTER_EXTENT;
	move->append.urgency = DEVICE_MOVE;
	move->append.fill = fill_move;
	move->append.done = on_moved;
	log_append(device, &move->append);
}

/* --- its pieces --- */

static void next_piece(struct move *move);

static void on_synced(struct device_sync *sync, enum err err)
{
	struct move *move = CONTAINER_OF(sync, struct move, sync);

	if (err)
		give_up(move, false);
	else
		append_copy(move);
}

static void on_piece_written(struct device_extent_write *write, enum err err)
{
	struct move *move = CONTAINER_OF(write, struct move, write);

	device_read_done(&move->piece);
	if (err) {
		give_up(move, false);
		return;
	}
	move->extents[move->extent_at] = write->extent;
	move->moved[move->moved_count++] = move->extent_at++;
	next_piece(move);
}

static void on_piece_read(struct device_read *read, enum err err)
{
	struct move *move = CONTAINER_OF(read, struct move, piece);
	const struct victim *v = &move->victim;

	if (err) {
		give_up(move, true);
		return;
	}
	move->write = (struct device_extent_write){
	        .policy = v->policy,
	        .offset = (uint64_t)move->extent_at * BACKEND_PIECE,
	        .body = read->bytes,
	        .at = read->at,
	        .len = read->len,
	        .urgency = DEVICE_MOVE,
	        .done = on_piece_written,
	};
	memcpy(move->write.key, v->key, 16);
	device_extent_write(move->compaction->device, &move->write);
}

static void next_piece(struct move *move)
{
	struct compaction *c = move->compaction;

	while (move->extent_at < move->extent_count &&
	        move->extents[move->extent_at].unit != c->unit)
		move->extent_at++;
	if (move->extent_at == move->extent_count) {
		move->sync.done = on_synced;
		device_sync(c->device, &move->sync);
		return;
	}
	move->piece.done = on_piece_read;
	move->piece.fresh = true;
	c->tokens -= c->tokens < BACKEND_PIECE ? c->tokens : BACKEND_PIECE;
	device_read_extent(c->device, move->victim.policy, move->victim.key,
	        &move->extents[move->extent_at], &move->piece);
}

static void on_record(struct device_read *read, enum err err)
{
	struct move *move = CONTAINER_OF(read, struct move, read);
	struct compaction *c = move->compaction;

	if (err || c->stop) {
		give_up(move, err != ERR_OK);
		return;
	}
	const struct format_record *record = (const void *)(read->bytes->data + read->at);
	if (c->device->units[c->unit].type == UNIT_LOG) {
		append_copy(move);
		return;
	}
	uint32_t count = format_object(record)->extent_count;
	move->extents = mem_dup(format_extents(record), count * sizeof(*move->extents));
	move->moved = mem_zalloc((count + 1) * sizeof(*move->moved));
	move->extent_count = count;
	move->extent_at = 0;
	next_piece(move);
}

static void start_move(struct compaction *c, struct move *move, const struct victim *v)
{
	struct device_version version = {.at = v->at};

	c->busy++;
	*move = (struct move){.compaction = c, .victim = *v, .busy = true};
	move->read.done = on_record;
	move->read.fresh = true;
	device_read_version(c->device, v->policy, v->key, &version, &move->read);
}

/* --- what lives in the unit --- */

static void add_victim(struct compaction *c, const struct victim *v)
{
	if (c->count == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 256;
		c->victims = mem_realloc(c->victims, c->cap * sizeof(*c->victims));
	}
	c->victims[c->count++] = *v;
}

static bool on_scanned(struct scan *scan, const struct format_record *record, uint32_t off)
{
	struct compaction *c = CONTAINER_OF(scan, struct compaction, scan);
	const struct format_object *object = format_object(record);

	if (record->type != RECORD_OBJECT && record->type != RECORD_TOMBSTONE)
		return !c->stop;
	struct victim v = {
	        .policy = record->policy,
	        .tombstone = record->type == RECORD_TOMBSTONE,
	        .forgotten = record->flags & RECORD_FORGOTTEN,
	        .at = at_make(c->unit, off, record->len),
	        .ts = object->ts,
	        .first_lsn = object->first_lsn,
	};
	memcpy(v.key, object->key, 16);
	if (object_is_live(c->device, v.policy, v.key, object->ts, object->meta_ts, v.at))
		add_victim(c, &v);
	return !c->stop;
}

static int by_key(const void *a, const void *b)
{
	const struct victim *x = a, *y = b;

	return memcmp(x->key, y->key, 16);
}

static void on_walked(struct scan *scan, enum err err)
{
	struct compaction *c = CONTAINER_OF(scan, struct compaction, scan);

	c->walking = false;
	if (err) {
		c->device->units[c->unit].stuck = true;
		c->count = 0;
	}
	if (c->count)
		qsort(c->victims, c->count, sizeof(*c->victims), by_key);
	wait(c, 0);
}

static void begin_log(struct compaction *c)
{
	struct device *device = c->device;
	const struct unit *unit = &device->units[c->unit];

	c->head = (struct format_unit){
	        .incarnation = unit->incarnation, .nonce = unit->nonce, .unit = c->unit};
	c->scan = (struct scan){
	        .device = device,
	        .unit = c->unit,
	        .off = FORMAT_DATA,
	        .limit = unit->end,
	        .head = &c->head,
	        .salvage = true,
	        .record = on_scanned,
	        .done = on_walked,
	};
	c->walking = true;
	scan_start(&c->scan);
}

static bool has_piece_in(const struct extent_list *list, uint32_t unit)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->extents[i].unit == unit)
			return true;
	}
	return false;
}

static void begin_extents(struct compaction *c)
{
	struct hash *hash = &c->device->extents;

	for (size_t i = 0; i < hash->size; i++) {
		for (struct hash_node *node = hash->slots[i]; node; node = node->next) {
			struct extent_list *list = CONTAINER_OF(node, struct extent_list, node);
			struct victim v = {.policy = list->policy, .at = list->at};
			memcpy(v.key, list->key, 16);
			if (has_piece_in(list, c->unit))
				add_victim(c, &v);
		}
	}
	wait(c, 0);
}

static void begin(struct compaction *c)
{
	struct device *device = c->device;

	c->count = c->next = 0;
	c->unit = choose(device);
	if (c->unit == UNIT_NO) {
		wait(c, IDLE_US);
		return;
	}
	device->units[c->unit].moving = true;
	if (device->units[c->unit].type == UNIT_LOG)
		begin_log(c);
	else
		begin_extents(c);
}

static void end(struct compaction *c)
{
	struct device *device = c->device;
	struct unit *unit = &device->units[c->unit];
	bool log = unit->type == UNIT_LOG;

	for (uint32_t i = 0; log && !c->stop && i < c->count; i++) {
		const struct victim *v = &c->victims[i];
		if (reclaimable(device, v, c->unit))
			object_forget(device, v->policy, v->key, v->at);
	}
	unit->moving = false;
	free(c->victims);
	c->victims = NULL;
	c->count = c->cap = c->next = 0;
	uint32_t u = c->unit;
	c->unit = UNIT_NO;
	unit_check(device, u);
	wait(c, unit->freeing ? AGAIN_US : IDLE_US);
}

/* --- pace --- */

uint64_t pace_rate(const struct pace *pace, uint64_t now_us, uint64_t full, bool no_space)
{
	bool others = pace->lately_us && now_us < pace->seen_us + OTHERS_US;

	if (no_space)
		return full * 8;
	return others && pace->lately_us > 2 * pace->quiet_us + SLOWER_US ? full / 16 : full;
}

bool device_slowed(const struct device *device)
{
	return pace_rate(&device->pace, reactor_now_us(device->reactor), 16, false) < 16;
}

static void slide(uint64_t *mean_us, uint64_t us)
{
	*mean_us = *mean_us ? (*mean_us * 7 + us) / 8 : us;
}

void compact_see(struct device *device, uint64_t sent_us)
{
	struct pace *pace = &device->pace;
	uint64_t now = reactor_now_us(device->reactor), us = now - sent_us + 1;

	slide(&pace->lately_us, us);
	if (!pace->quiet_us || !compact_busy(device))
		slide(&pace->quiet_us, us);
	pace->seen_us = now;
}

static void refill_tokens(struct compaction *c)
{
	struct device *device = c->device;
	uint64_t now = reactor_now_us(device->reactor);
	uint64_t rate = pace_rate(&device->pace, now, device->options.compact_rate,
	        device_admits(device, 0) == ERR_NO_SPACE);

	c->tokens += (now - c->filled_us) * rate / 1000000;
	if (c->tokens > rate / 10 + BACKEND_PIECE)
		c->tokens = rate / 10 + BACKEND_PIECE;
	c->filled_us = now;
}

static struct move *free_move(struct compaction *c)
{
	unsigned most = c->device->units[c->unit].type == UNIT_EXTENT ? 2 : MOVES;

	if (c->busy >= most)
		return NULL;
	for (int i = 0; i < MOVES; i++) {
		if (!c->moves[i].busy)
			return &c->moves[i];
	}
	return NULL;
}

static void run(struct compaction *c)
{
	struct device *device = c->device;

	if (c->stop || c->walking)
		return;
	refill_tokens(c);
	if (device->failed) {
		wait(c, IDLE_US);
		return;
	}
	if (c->unit == UNIT_NO) {
		begin(c);
		return;
	}
	while (c->next < c->count && !device->units[c->unit].stuck) {
		const struct victim *v = &c->victims[c->next];
		struct move *move = free_move(c);
		if (!move)
			return; /* the end of one runs us again */
		if (c->tokens < at_len(v->at)) {
			wait(c, AGAIN_US);
			return;
		}
		c->next++;
		if (reclaimable(device, v, c->unit))
			continue;
		c->tokens -= at_len(v->at);
		start_move(c, move, v);
	}
	if (!c->busy)
		end(c);
}

void compact_start(struct device *device)
{
	struct compaction *c = mem_zalloc(sizeof(*c));

	c->device = device;
	c->unit = UNIT_NO;
	c->timer.fire = on_timer;
	c->filled_us = reactor_now_us(device->reactor);
	device->compaction = c;
	if (device->options.compact_rate)
		wait(c, IDLE_US);
}

void compact_stop(struct device *device)
{
	struct compaction *c = device->compaction;

	if (!c)
		return;
	c->stop = true;
	timer_cancel(device->reactor, &c->timer);
}

bool compact_busy(const struct device *device)
{
	const struct compaction *c = device->compaction;

	return c && (c->busy || c->walking);
}

void compact_free(struct device *device)
{
	if (!device->compaction)
		return;
	free(device->compaction->victims);
	free(device->compaction);
	device->compaction = NULL;
}
